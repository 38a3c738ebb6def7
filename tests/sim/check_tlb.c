/* SPDX-License-Identifier: MIT */
/*
 * What the CPUs' TLBs still have. An entry may be older than the page tables, but not older than
 * the last time its frame was given another use: then somebody could read or write what is not his.
 */
#include "recount.h"

#include <sim/cpu.h>
#include <x86/map.h>
#include <x86/pv.h>

static bool is_protected(const struct page *p)
{
    return page_type_of(p->type) >= PAGE_TYPE_L1 && (p->type & PAGE_TYPE_COUNT_MASK);
}

/* Only of the domain that the CPU has loaded, or what that may have mapped of others. */
static void owner_check(const struct sim_cpu *cpu, const struct sim_tlb_entry *e)
{
    const struct vcpu *v = cpu->cpu.arch.loaded;

    RULE("TLB", v != NULL, "CPU %u has page %#lx in its TLB and no vCPU loaded", cpu->cpu.id,
         e->page - 1);
    RULE("TLB", recount_may_have_mapped(v->domain, e->mfn, e->is_writable),
         "CPU %u, d%u loaded: page %#lx in its TLB is frame %#lx of d%u", cpu->cpu.id,
         v->domain->id, e->page - 1, e->mfn, page_of(e->mfn)->owner);
}

static void entry_check(const struct sim_cpu *cpu, const struct sim_tlb_entry *e)
{
    const struct page *p;

    RULE("TLB", e->is_ram == frame_is_ram(e->mfn), "CPU %u: page %#lx in its TLB is frame %#lx",
         cpu->cpu.id, e->page - 1, e->mfn);
    if (!e->is_ram)
        return;
    p = page_of(e->mfn);
    RULE("TLB", p->state == PAGE_GUEST || p->state == PAGE_EXPOSED || p->state == PAGE_DYING,
         "CPU %u: page %#lx in its TLB is frame %#lx, now in state %u", cpu->cpu.id, e->page - 1,
         e->mfn, p->state);
    RULE("TLB", !e->is_writable || !is_protected(p),
         "CPU %u may write page %#lx by its TLB: frame %#lx, now with type word %#x", cpu->cpu.id,
         e->page - 1, e->mfn, p->type);
    owner_check(cpu, e);
}

static void root_check(const struct sim_cpu *cpu)
{
    const struct vcpu *v = cpu->cpu.arch.loaded;
    mfn_t root = cpu->cr3 >> PAGE_SHIFT;

    if (root == virt_to_frame(hv_l4) || cpu->cr3 == 0)
        return;
    RULE("TLB", v && root == pv_active_root(v), "CPU %u has root %#lx, its vCPU d%uv%u %#lx",
         cpu->cpu.id, root, v ? v->domain->id : 0, v ? v->id : 0, v ? pv_active_root(v) : 0);
}

void check_tlb(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        const struct sim_cpu *cpu = sim_cpu_by_id(i);

        root_check(cpu);
        for (unsigned j = 0; j < SIM_TLB_ENTRIES; j++)
            if (cpu->tlb[j].page)
                entry_check(cpu, &cpu->tlb[j]);
    }
}
