/* SPDX-License-Identifier: MIT */
/*
 * The port's types for host programs: nothing to embed, frames live in an arena that the test owns
 * (tests/unit/fake/arch.c), one CPU unless the test says otherwise.
 */
#pragma once

#include <kr/types.h>

struct arch_cpu {
    int unused;
};
struct arch_vcpu {
    int unused;
};
struct arch_domain {
    int unused;
};

struct cpu *this_cpu(void);

void *frame_to_virt(mfn_t mfn);
mfn_t virt_to_frame(const void *virt);

static inline unsigned long arch_irq_save(void)
{
    return 0;
}

static inline void arch_irq_restore(unsigned long flags)
{
}

static inline void arch_cpu_relax(void)
{
}
