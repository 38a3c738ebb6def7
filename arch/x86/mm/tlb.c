/* SPDX-License-Identifier: MIT */
/* TLB flushing and its clock (x86/tlb.h). */
#include <stdatomic.h>

#include <kr/cpu.h>
#include <kr/page.h>
#include <x86/cpu.h>
#include <x86/tlb.h>

static _Atomic uint32_t tlb_clock = 1;

uint32_t tlb_epoch(void)
{
    uint32_t now = tlb_clock;

    return now ? now : 1;
}

void tlb_note_removal(struct page *p)
{
    uint32_t now = tlb_epoch(), noted = __atomic_load_n(&p->flush_epoch, __ATOMIC_RELAXED);

    while ((noted == 0 || (int32_t)(now - noted) > 0) &&
           !__atomic_compare_exchange_n(&p->flush_epoch, &noted, now, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
}

/* A flush covers what was removed before it began, and others hear of it when it has ended. */
static uint32_t flush_begin(void)
{
    return ++tlb_clock;
}

static void flush_end(uint32_t began)
{
    atomic_store_explicit(&this_cpu()->arch.flush_stamp, began, memory_order_release);
}

void tlb_load_root(mfn_t root)
{
    uint32_t began = flush_begin();

    write_cr3(root << PAGE_SHIFT);
    flush_end(began);
}

void tlb_flush_guest_local(void)
{
    uint32_t began = flush_begin();

    write_cr3(read_cr3());
    flush_end(began);
}

void tlb_flush_local(void)
{
    uint64_t cr4 = read_cr4();
    uint32_t began = flush_begin();

    if (cr4 & CR4_PGE) {
        write_cr4(cr4 & ~(uint64_t)CR4_PGE);
        write_cr4(cr4);
    } else {
        write_cr3(read_cr3());
    }
    flush_end(began);
}

void tlb_flush_page_local(uint64_t va)
{
    invlpg(va);
}

static bool has_flushed_since(const struct cpu *cpu, uint32_t epoch)
{
    return (int32_t)(atomic_load(&cpu->arch.flush_stamp) - epoch) > 0;
}

void tlb_serve_request(void)
{
    if (atomic_exchange(&this_cpu()->arch.flush_wanted, false))
        tlb_flush_guest_local();
}

/* It may flush for reasons of its own meanwhile. Whoever waits serves others (arch_cpu_relax()), so
 * two CPUs that wait for each other both go on. */
static void flush_other(struct cpu *cpu, uint32_t epoch)
{
    atomic_store(&cpu->arch.flush_wanted, true);
    arch_cpu_kick(cpu);
    while (!has_flushed_since(cpu, epoch))
        arch_cpu_relax();
}

void arch_tlb_sync(uint32_t epoch)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        struct cpu *cpu = cpu_by_id(i);

        if (has_flushed_since(cpu, epoch))
            continue;
        if (cpu == this_cpu())
            tlb_flush_guest_local();
        else
            flush_other(cpu, epoch);
    }
}

void tlb_flush_guest_all(void)
{
    arch_tlb_sync(tlb_epoch());
}
