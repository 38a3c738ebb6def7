/* SPDX-License-Identifier: MIT */
/*
 * Who holds frames beside page tables: vCPUs (roots, GDT, half-done tables, vcpu_info), CPUs (the
 * LDT window), FIFO event channels, a domain's interrupts, grants in use; and the hypervisor itself
 * what it shows to a domain. A hypercall that is half done keeps nothing else: what it goes on with
 * stands in the guest's registers.
 */
#include "recount.h"

#include <sim/cpu.h>
#include <x86/map.h>
#include <x86/pte.h>
#include <x86/pv_state.h>

#include <string.h>

#include "../../arch/x86/irq/irq_internal.h"
#include "../../core/event_internal.h"
#include "../../core/grant_internal.h"

/* ---- vCPUs ------------------------------------------------------------------------------------
 */

static void walks_count(const struct vcpu *v, const struct table_walk *walks, const char *who)
{
    for (unsigned i = 0; i < TABLE_LEVELS; i++) {
        const struct page *p = walks[i].page;
        struct tally *t;

        if (!p)
            continue;
        recount_hold(page_mfn(p), PAGE_TYPE_NONE, who, v->domain->id, v->id);
        t = recount_find(page_mfn(p));
        RULE("half-done tables", page_type_of(p->type) == PAGE_TYPE_L1 + i,
             "d%uv%u keeps frame %#lx as L%u table, its type word is %#x", v->domain->id, v->id,
             page_mfn(p), i + 1, p->type);
        t->is_busy = true;
        t->index = walks[i].index;
    }
}

static void vcpu_count(const struct vcpu *v)
{
    const uint64_t domain = v->domain->id, id = v->id;
    const struct event_fifo_vcpu *fifo = v->events.fifo;

    if (v->arch.kernel_root)
        recount_hold(v->arch.kernel_root, PAGE_TYPE_L4, "kernel root of vCPU", domain, id);
    if (v->arch.user_root)
        recount_hold(v->arch.user_root, PAGE_TYPE_L4, "user root of vCPU", domain, id);
    for (unsigned i = 0; i < v->arch.gdt_count; i++)
        recount_hold(v->arch.gdt_frames[i], PAGE_TYPE_DESCRIPTOR, "GDT of vCPU", domain, id);
    if (v->info_mfn != MFN_INVALID)
        recount_hold(v->info_mfn, PAGE_TYPE_WRITABLE, "vcpu_info of vCPU", domain, id);
    if (fifo)
        recount_hold(virt_to_frame(fifo->control), PAGE_TYPE_WRITABLE, "FIFO queues of vCPU",
                     domain, id);
    walks_count(v, v->arch.validating, "half-checked table of vCPU");
    walks_count(v, v->arch.releasing, "half given up table of vCPU");
}

static void cpu_count_window(unsigned id)
{
    const struct sim_cpu *cpu = sim_cpu_by_id(id);

    for (unsigned i = 0; i < ARRAY_SIZE(cpu->ldt_pages); i++)
        if (cpu->ldt_pages[i])
            recount_hold(cpu->ldt_pages[i], PAGE_TYPE_DESCRIPTOR, "LDT window of CPU", id, i);
}

/* ---- grants -----------------------------------------------------------------------------------
 */

static void grants_count(const struct domain *d)
{
    const struct grant_table *gt = d->grants;
    uint32_t pinned = 0;

    for (uint32_t i = 0; gt->active && i < gt->frame_max; i++) {
        for (unsigned j = 0; gt->active[i] && j < GRANT_V1_PER_FRAME; j++) {
            const struct grant_active *a = &gt->active[i][j];

            if (a->reads == 0 && a->writes == 0)
                continue;
            pinned++;
            recount_hold(a->mfn, PAGE_TYPE_NONE, "grant in use of domain, page:entry", d->id,
                         i << 16 | j);
            RULE("grants", page_of(a->mfn)->owner == d->id,
                 "d%u: grant %u of page %u lends frame %#x of d%u", d->id, j, i, a->mfn,
                 page_of(a->mfn)->owner);
        }
    }
    RULE("grants", gt->pinned_count == pinned, "d%u: %u grants are in use, %u counted", d->id,
         pinned, gt->pinned_count);
}

/* ---- frames that are shown --------------------------------------------------------------------
 */

static void exposed_count(const void *frame, enum page_type type, const char *who, uint64_t id,
                          uint64_t number)
{
    mfn_t mfn = virt_to_frame(frame);
    const struct page *p = page_of(mfn);

    RULE("exposed frames", p->state == PAGE_EXPOSED && p->owner == id,
         "%s d%lu %lu: frame %#lx is in state %u, owner %u", who, id, number, mfn, p->state,
         p->owner);
    recount_hold(mfn, type, who, id, number);
}

static void domain_count_exposed(const struct domain *d)
{
    const struct grant_table *gt = d->grants;

    if (d->shared_info)
        exposed_count(d->shared_info, PAGE_TYPE_WRITABLE, "shared_info of domain", d->id, 0);
    for (uint32_t i = 0; gt && gt->frames && i < gt->frame_count; i++)
        exposed_count(gt->frames[i], PAGE_TYPE_WRITABLE, "grant table of domain", d->id, i);
    for (uint32_t i = 0; gt && gt->status && i < gt->status_count; i++)
        exposed_count(gt->status[i], PAGE_TYPE_WRITABLE, "grant status of domain", d->id, i);
}

static bool is_m2p(mfn_t mfn)
{
    for (unsigned i = 0; i < m2p_chunk_count(); i++)
        if (m2p_chunk(i) != MFN_INVALID && mfn - m2p_chunk(i) < PTES_PER_TABLE)
            return true;
    return false;
}

/* Those frames of it that somebody has mapped; the others have been looked at (check_frames.c). */
static void m2p_count(void)
{
    unsigned count;
    const struct tally *t = recount_tallies(&count);

    for (; count-- > 0; t++) {
        const struct page *p = page_of(t->mfn);

        if (p->state == PAGE_EXPOSED && p->owner == DOMAIN_ID_XEN && is_m2p(t->mfn))
            recount_hold(t->mfn, PAGE_TYPE_READ_ONLY, "the hypervisor, for domain", p->owner, 0);
    }
}

/* ---- all --------------------------------------------------------------------------------------
 */

static void domain_count_holds(const struct domain *d)
{
    const struct event_fifo_domain *fifo = d->events.fifo;
    const struct x86_domain_irqs *irqs = d->arch.irqs;

    for (unsigned i = 0; i < d->vcpu_max; i++)
        if (d->vcpus[i])
            vcpu_count(d->vcpus[i]);
    for (uint32_t i = 0; fifo && i < fifo->page_count; i++)
        recount_hold(virt_to_frame(fifo->pages[i]), PAGE_TYPE_WRITABLE, "event array of domain",
                     d->id, i);
    if (irqs && irqs->page)
        recount_hold(irqs->page_mfn, PAGE_TYPE_WRITABLE, "EOI page of domain", d->id, 0);
    if (d->grants)
        grants_count(d);
    domain_count_exposed(d);
}

void holders_count(void)
{
    unsigned count;
    struct domain *const *d = recount_domains(&count);

    for (unsigned i = 0; i < count; i++)
        domain_count_holds(d[i]);
    for (unsigned i = 0; i < cpu_count; i++)
        cpu_count_window(i);
    m2p_count();
}
