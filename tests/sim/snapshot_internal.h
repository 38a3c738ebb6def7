/* SPDX-License-Identifier: MIT */
/* What the files tests/sim/snapshot*.c share. */
#pragma once

#include "snapshot.h"

#include <kr/domain.h>

void snapshot_add(struct snapshot *s, const char *what, uint32_t a, uint32_t b, uint64_t value);
uint64_t snapshot_hash(const void *object, size_t size_bytes);
void snapshot_timer(struct snapshot *s, const char *what, uint32_t a, uint32_t b,
                    const struct timer *t);
/* snapshot_vcpu.c */
void snapshot_vcpu(struct snapshot *s, struct vcpu *v);
/* snapshot_domain.c: ports, grants, mappings of grants, interrupts */
void snapshot_domain(struct snapshot *s, struct domain *d);
void snapshot_devices(struct snapshot *s);
