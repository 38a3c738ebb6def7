/* SPDX-License-Identifier: MIT */
/* Shared by the hypercalls on PV page tables. */
#pragma once

#include <kr/domain.h>

/* The domain whose tables a caller may change, NULL when it may not. Takes a reference. */
struct domain *mmu_subject_get(struct vcpu *v, uint16_t id);
/* Whose frames a caller means by a foreign domain's number. -ESRCH, -EPERM. */
int mmu_frame_owner(struct vcpu *v, uint16_t id, uint16_t *owner) __must_check;
