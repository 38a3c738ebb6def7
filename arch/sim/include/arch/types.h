/* SPDX-License-Identifier: MIT */
/*
 * The simulated port's part of the port contract. Its guests are x86 PV guests: what the x86 port
 * keeps for a vCPU and a domain is the same here, and so are most of its files.
 */
#pragma once

#include <kr/types.h>
#include <x86/layout.h>
#include <x86/pv_state.h>

struct vcpu;
struct cpu;
struct sim_cpu;

/* First member of struct cpu. */
struct arch_cpu {
    struct sim_cpu *machine;        /* the processor itself: sim/cpu.h */
    struct vcpu *_Atomic fpu_owner; /* whose FPU state is in the registers */
    struct vcpu *loaded;            /* whose segment state, roots and descriptors are loaded */
    _Atomic uint32_t flush_stamp;   /* TLB clock at this CPU's last full flush */
    _Atomic bool flush_wanted;      /* another CPU waits for one */
    uint32_t apic_id;
};

/* The machine's RAM: physical address 0 lies here in this process. */
extern char *sim_ram;
/* The CPU that this thread of the process plays at the moment. */
extern _Thread_local struct cpu *sim_cpu_now;
/* Points of interleaving until another CPU may go on. */
extern _Thread_local int64_t sim_interleave_in;

void sim_interleave(void);
void sim_relax(void);

static inline struct cpu *this_cpu(void)
{
    return sim_cpu_now;
}

static inline void *phys_to_virt(uint64_t phys)
{
    return sim_ram + phys;
}

static inline void *frame_to_virt(mfn_t mfn)
{
    return phys_to_virt(mfn << PAGE_SHIFT);
}

static inline uint64_t virt_to_phys(const void *p)
{
    return (const char *)p - sim_ram;
}

static inline mfn_t virt_to_frame(const void *p)
{
    return virt_to_phys(p) >> PAGE_SHIFT;
}

/* Interrupts arrive only where a CPU looks for them: in a guest, idle, or in a window. */
static inline unsigned long arch_irq_save(void)
{
    return 0;
}

static inline void arch_irq_restore(unsigned long flags)
{
}

static inline void arch_cpu_relax(void)
{
    sim_relax();
}

static inline void arch_page_clear(void *page)
{
    __builtin_memset(page, 0, PAGE_SIZE);
}

static inline void arch_interleave(void)
{
    if (--sim_interleave_in < 0)
        sim_interleave();
}
