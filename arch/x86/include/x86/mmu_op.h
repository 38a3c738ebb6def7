/* SPDX-License-Identifier: MIT */
/* Shared by the hypercalls on PV page tables. */
#pragma once

#include <kr/domain.h>

/* The domain whose tables a caller may change, NULL when it may not. Takes a reference. */
struct domain *mmu_subject_get(struct vcpu *v, uint16_t id);
/* The domain whose frames a caller may map, NULL when it may not. Takes a reference. */
struct domain *mmu_frame_owner_get(struct vcpu *v, uint16_t id);
