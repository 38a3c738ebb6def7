/* SPDX-License-Identifier: MIT */
/* The x86 port's part of the port contract: structures embedded in core objects, inline functions.
 */
#pragma once

#include <kr/types.h>
#include <x86/layout.h>
#include <x86/pv_state.h>

struct vcpu;
struct cpu;
struct x86_tss;

/* First member of struct cpu; the GS base points at it while the hypervisor runs. */
struct arch_cpu {
    struct cpu *self;
    uint64_t stack_top; /* where hypervisor code runs after an entry */
    uint64_t frame_end; /* end of the hardware frame in the current vCPU's register area */
    uint64_t scratch;
    struct x86_tss *tss;
    uint64_t *gdt_l1;               /* page-table entries of the 32 GDT and LDT pages */
    struct vcpu *_Atomic fpu_owner; /* whose FPU state is in the registers */
    struct vcpu *loaded;            /* whose segment state, roots and descriptors are loaded */
    _Atomic uint32_t flush_stamp;   /* TLB clock at this CPU's last full flush */
    _Atomic bool flush_wanted;      /* another CPU waits for one */
    uint32_t apic_id;
    uint32_t gdt_loaded_count;
};

static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;
    __asm__("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

static inline void *phys_to_virt(uint64_t phys)
{
    return (void *)(DIRECT_MAP_BASE + phys);
}

static inline void *frame_to_virt(mfn_t mfn)
{
    return phys_to_virt(mfn << PAGE_SHIFT);
}

/* The CPU's own loop: writes whole lines, without reading them first. */
static inline void arch_page_clear(void *page)
{
    unsigned long words = PAGE_SIZE / sizeof(uint64_t);

    __asm__ volatile("rep stosq" : "+D"(page), "+c"(words) : "a"(0UL) : "memory");
}

static inline uint64_t virt_to_phys(const void *p)
{
    uint64_t va = (uint64_t)p;
    return va >= DIRECT_MAP_BASE ? va - DIRECT_MAP_BASE : va - IMAGE_BASE;
}

static inline mfn_t virt_to_frame(const void *p)
{
    return virt_to_phys(p) >> PAGE_SHIFT;
}

static inline unsigned long arch_irq_save(void)
{
    unsigned long flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return flags;
}

static inline void arch_irq_restore(unsigned long flags)
{
    if (flags & X86_FLAG_IF)
        __asm__ volatile("sti" : : : "memory");
}

void tlb_serve_request(void);

static inline void arch_cpu_relax(void)
{
    __asm__ volatile("pause");
    if (((struct arch_cpu *)this_cpu())->flush_wanted)
        tlb_serve_request();
}

static inline void arch_interleave(void)
{
}
