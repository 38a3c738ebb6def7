/* SPDX-License-Identifier: MIT */
/* A set of physical CPUs, by number. Plain data: its owner's lock protects it. */
#pragma once

#include <kr/types.h>

#define CPU_COUNT_MAX 256

struct cpu_mask {
    uint64_t bits[CPU_COUNT_MAX / 64];
};

static inline bool cpu_mask_test(const struct cpu_mask *m, unsigned cpu)
{
    return cpu < CPU_COUNT_MAX && (m->bits[cpu / 64] >> (cpu % 64) & 1);
}

static inline void cpu_mask_set(struct cpu_mask *m, unsigned cpu)
{
    m->bits[cpu / 64] |= BIT(cpu % 64);
}

static inline void cpu_mask_clear(struct cpu_mask *m, unsigned cpu)
{
    m->bits[cpu / 64] &= ~BIT(cpu % 64);
}

static inline void cpu_mask_fill(struct cpu_mask *m)
{
    for (unsigned i = 0; i < ARRAY_SIZE(m->bits); i++)
        m->bits[i] = UINT64_MAX;
}

/* The CPUs 0 .. count - 1. */
static inline struct cpu_mask cpu_mask_first(unsigned count)
{
    struct cpu_mask m = {0};

    for (unsigned i = 0; i < count; i++)
        cpu_mask_set(&m, i);
    return m;
}

static inline struct cpu_mask cpu_mask_and(const struct cpu_mask *a, const struct cpu_mask *b)
{
    struct cpu_mask m;

    for (unsigned i = 0; i < ARRAY_SIZE(m.bits); i++)
        m.bits[i] = a->bits[i] & b->bits[i];
    return m;
}

static inline bool cpu_mask_is_empty(const struct cpu_mask *m)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(m->bits); i++)
        any |= m->bits[i];
    return any == 0;
}
