/* SPDX-License-Identifier: MIT */
/* TLB flushing and its clock (x86/tlb.h). */
#include <kr/cpu.h>
#include <kr/log.h>
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

/* The flush that follows covers everything up to the stamp. */
static void stamp_flush(void)
{
    this_cpu()->arch.flush_stamp = ++tlb_clock;
}

void tlb_load_root(mfn_t root)
{
    stamp_flush();
    write_cr3(root << PAGE_SHIFT);
}

void tlb_flush_guest_local(void)
{
    stamp_flush();
    write_cr3(read_cr3());
}

void tlb_flush_local(void)
{
    uint64_t cr4 = read_cr4();

    stamp_flush();
    if (cr4 & CR4_PGE) {
        write_cr4(cr4 & ~(uint64_t)CR4_PGE);
        write_cr4(cr4);
    } else {
        write_cr3(read_cr3());
    }
}

void tlb_flush_page_local(uint64_t va)
{
    invlpg(va);
}

static bool has_flushed_since(const struct cpu *cpu, uint32_t epoch)
{
    return (int32_t)(cpu->arch.flush_stamp - epoch) > 0;
}

void arch_tlb_sync(uint32_t epoch)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        struct cpu *cpu = cpu_by_id(i);

        if (has_flushed_since(cpu, epoch))
            continue;
        ASSERT(cpu == this_cpu());
        tlb_flush_guest_local();
    }
}

void tlb_flush_guest_all(void)
{
    arch_tlb_sync(tlb_epoch());
}
