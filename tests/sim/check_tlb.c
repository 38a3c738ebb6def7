/* SPDX-License-Identifier: MIT */
/*
 * What the CPUs' TLBs still have. An entry may be older than the page tables, but not older than
 * the last time its frame was given another use: then somebody could read or write what is not his.
 * Looked at while the machine stands still, all of them; and as it runs, those that a CPU goes by,
 * because it may lose them again before anybody looks.
 */
#include "recount.h"

#include <sim/cpu.h>
#include <x86/map.h>
#include <x86/pv.h>

#include <stdlib.h>
#include <sys/mman.h>

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

/* ---- as the machine runs ----------------------------------------------------------------------
 * The functions that give a frame another owner are called through here (tests/sim/sim.mk). */

/* In the low bits, how many are about to take it from its owner: page_steal() waits for the TLBs at
 * its end. */
#define USE_STOLEN 1U
#define USE_NEXT   (2U * SIM_CPU_COUNT_MAX)
#define USE_MASK   (~(USE_NEXT - 1))

/* A word by frame, never reset: that a number is another one is all that it says. */
static uint32_t *use_of(mfn_t mfn)
{
    static uint32_t *uses;

    if (!uses)
        uses = mmap(NULL, (SIM_RAM_MAX >> PAGE_SHIFT) * sizeof(*uses), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (uses == MAP_FAILED)
        abort();
    return &uses[mfn];
}

static void use_change(mfn_t first, uint64_t count)
{
    for (mfn_t mfn = first; mfn < first + count; mfn++)
        __atomic_fetch_add(use_of(mfn), USE_NEXT, __ATOMIC_RELAXED);
}

int __real_page_assign(struct domain_memory *m, mfn_t mfn, unsigned order);
int __wrap_page_assign(struct domain_memory *m, mfn_t mfn, unsigned order)
{
    use_change(mfn, BIT(order));
    return __real_page_assign(m, mfn, order);
}

int __real_page_assign_traded(struct domain_memory *m, mfn_t mfn, unsigned order);
int __wrap_page_assign_traded(struct domain_memory *m, mfn_t mfn, unsigned order)
{
    use_change(mfn, BIT(order));
    return __real_page_assign_traded(m, mfn, order);
}

void __real_page_expose(struct domain_memory *m, mfn_t mfn, uint32_t type);
void __wrap_page_expose(struct domain_memory *m, mfn_t mfn, uint32_t type)
{
    use_change(mfn, 1);
    __real_page_expose(m, mfn, type);
}

/* Taken away by this function, if that can be done. */
static int steal(int (*fn)(struct domain_memory *, struct page *), struct domain_memory *m,
                 struct page *p)
{
    int rc;

    __atomic_fetch_add(use_of(page_mfn(p)), USE_STOLEN, __ATOMIC_RELAXED);
    rc = fn(m, p);
    __atomic_fetch_sub(use_of(page_mfn(p)), USE_STOLEN, __ATOMIC_RELAXED);
    if (rc == 0)
        use_change(page_mfn(p), 1);
    return rc;
}

int __real_page_steal(struct domain_memory *m, struct page *p);
int __wrap_page_steal(struct domain_memory *m, struct page *p)
{
    return steal(__real_page_steal, m, p);
}

int __real_page_steal_traded(struct domain_memory *m, struct page *p);
int __wrap_page_steal_traded(struct domain_memory *m, struct page *p)
{
    return steal(__real_page_steal_traded, m, p);
}

uint32_t sim_frame_use(mfn_t mfn)
{
    return __atomic_load_n(use_of(mfn), __ATOMIC_RELAXED) & USE_MASK;
}

static bool is_domains(const struct page *p)
{
    enum page_state state = page_state(p);

    return state == PAGE_GUEST || state == PAGE_EXPOSED || state == PAGE_DYING ||
           (__atomic_load_n(use_of(page_mfn(p)), __ATOMIC_RELAXED) & ~USE_MASK);
}

/* Until a new type's contents are checked, and while they are given up, others may still write. */
void sim_tlb_hit(const struct sim_cpu *cpu, const struct sim_tlb_entry *e, bool is_write)
{
    const struct page *p = page_of(e->mfn);
    uint32_t type = p->type;

    RULE(
        "TLB", e->use == sim_frame_use(e->mfn) && is_domains(p),
        "CPU %u goes by its TLB to page %#lx, frame %#lx, which has another owner by now: state %u",
        cpu->cpu.id, e->page - 1, e->mfn, p->state);
    RULE("TLB",
         !is_write || !(type & PAGE_TYPE_VALID) || page_type_of(type) < PAGE_TYPE_L1 ||
             !(type & PAGE_TYPE_COUNT_MASK),
         "CPU %u writes by its TLB to page %#lx, frame %#lx, which has type word %#x by now",
         cpu->cpu.id, e->page - 1, e->mfn, type);
}
