/* SPDX-License-Identifier: MIT */
/*
 * The port's part of the contract as the unit tests see it: structures without content, one CPU
 * that the test may define (`struct cpu fake_cpu`), interrupts that are never on.
 */
#pragma once

#include <kr/types.h>
#include <threads.h>

struct cpu;
extern _Thread_local struct cpu fake_cpu; /* each thread of a test is a CPU */

struct arch_cpu {
    uint32_t apic_id;
};
struct arch_vcpu {
    uint64_t nothing;
};
struct x86_domain_irqs;
struct arch_domain {
    struct x86_domain_irqs *irqs;
};
struct arch_irq {
    uint64_t nothing;
};

static inline struct cpu *this_cpu(void)
{
    return &fake_cpu;
}

static inline unsigned long arch_irq_save(void)
{
    return 0;
}

static inline void arch_irq_restore(unsigned long flags)
{
}

/* More threads than CPUs: whoever has the lock needs to run. */
static inline void arch_cpu_relax(void)
{
    thrd_yield();
}

static inline void arch_page_clear(void *page)
{
    __builtin_memset(page, 0, PAGE_SIZE);
}

static inline void arch_interleave(void)
{
}

/* A test that needs frames defines these two as functions of its own arena, or links
 * tests/unit/fake/memory.c. */
void *frame_to_virt(mfn_t mfn);
mfn_t virt_to_frame(const void *p);
