/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: pages that change hands (GNTTABOP_transfer). A domain says in an entry from whom it
 * takes a page and where it shall be, the other one gives it one, and the first one finds it there.
 */
#include "gen_grant.h"
#include "run.h"

#include <kr/errno.h>
#include <kr/page.h>

#define BATCH_MAX   4
#define NOT_WRITTEN 1 /* no status */

static struct page_awaited *awaited_place(struct actor *a, bool is_used)
{
    unsigned at = pick(a, PAGES_AWAITED_MAX);

    for (unsigned i = 0; i < PAGES_AWAITED_MAX; i++) {
        struct page_awaited *p = &a->model->memory.awaited[(at + i) % PAGES_AWAITED_MAX];

        if ((p->ref != 0) == is_used)
            return p;
    }
    return NULL;
}

/* ---- the receiver -----------------------------------------------------------------------------
 */

/* In the place of a page that it gave up, or beyond its pages. */
static void await(struct actor *a)
{
    struct page_awaited *p = awaited_place(a, false);
    uint32_t ref = grant_ref_choose(a);
    uint16_t from = pick_other_domain(a);
    uint64_t pfn = page_find(a, USE_GONE);

    if (a->model->memory.grant_frames == 0)
        grant_setup(a);
    if (!p || a->model->memory.grant_frames == 0 || grant_ref_is_used(a, ref))
        return;
    if (from == DOMAIN_ID_INVALID || pick_one_in(a, 8))
        from = a->domain->id;
    if (pfn == 0)
        pfn = a->model->page_count + pick(a, 64);
    if (!grant_entry_write(a, ref, GTF_accept_transfer, from, pfn))
        return;
    *p = (struct page_awaited){.ref = ref, .from = from, .pfn = pfn};
    trace_note(a, "await page", ref, from, 0);
}

static void page_arrived(struct actor *a, const struct page_awaited *p, uint64_t mfn)
{
    struct memory_model *m = &a->model->memory;

    if (p->pfn < a->model->page_count && m->use[p->pfn] == USE_GONE) {
        page_frame_set(a, p->pfn, mfn);
        page_restore(a, p->pfn);
        return;
    }
    pool_add(&a->model->frames, mfn);
    for (unsigned i = 0; i < EXTENTS_MAX; i++)
        if (m->extents[i].mfn == 0) {
            m->extents[i] = (struct extent){mfn, 0};
            return;
        }
}

/* The frame is there when the flags say so; what nobody has promised may be taken back. */
static void collect(struct actor *a)
{
    struct page_awaited *p = awaited_place(a, true), was;
    uint16_t flags = 0, none = 0;
    uint64_t va, mfn = 0;
    bool is_v2 = a->model->grant_version == 2;

    if (!p)
        return;
    va = grant_entry_va(a, p->ref);
    if (!sim_guest_read(a->guest, va, &flags, sizeof(flags)) ||
        !sim_guest_read(a->guest, va + (is_v2 ? 8 : 4), &mfn, is_v2 ? 8 : 4))
        return;
    trace_note(a, "collect page", p->ref, flags, mfn);
    if (!(flags & GTF_transfer_completed) &&
        ((flags & GTF_transfer_committed) || !pick_one_in(a, 4)))
        return;
    was = *p;
    p->ref = 0;
    sim_guest_write(a->guest, va, &none, sizeof(none));
    if (flags == (GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed))
        page_arrived(a, &was, mfn);
}

/* ---- the giver --------------------------------------------------------------------------------
 */

static const struct page_awaited *awaited_find(struct actor *a, uint16_t *receiver)
{
    unsigned first = pick(a, run.domain_count);

    for (unsigned n = 0; n < run.domain_count; n++) {
        const struct domain_model *m = model_by_id(run.domains[(first + n) % run.domain_count]);

        for (unsigned i = 0; m && i < PAGES_AWAITED_MAX; i++) {
            const struct page_awaited *p = &m->memory.awaited[i];

            if (p->ref != 0 && p->from == a->domain->id) {
                *receiver = m->id;
                return p;
            }
        }
    }
    return NULL;
}

/* Out of the page table first; now and then not. */
static bool give_prepare(struct actor *a, struct gnttab_transfer *op, uint64_t *pfn)
{
    uint16_t receiver = 0;
    const struct page_awaited *p = awaited_find(a, &receiver);

    *op = (struct gnttab_transfer){.domid = receiver, .ref = p ? p->ref : 8, .status = NOT_WRITTEN};
    if (!p && !pick_one_in(a, 8))
        return false;
    *pfn = page_take(a, USE_BUSY);
    if (*pfn == 0)
        return false;
    op->mfn = own_frame(a, *pfn);
    if (!pick_one_in(a, 20))
        page_unmap(a, *pfn);
    if (pick_one_in(a, 24))
        op->domid = pick_domain(a);
    if (pick_one_in(a, 24))
        op->ref = pick_word(a);
    if (pick_one_in(a, 24))
        op->mfn = pick_frame(a);
    return true;
}

/* It has lost the page unless it was not its own to give, or nothing was tried. */
static void give_finish(struct actor *a, const struct gnttab_transfer *op, uint64_t pfn)
{
    trace_note(a, "transfer", op->domid, op->ref, op->status);
    if (op->status == NOT_WRITTEN || op->status == GNTST_bad_page || op->mfn != own_frame(a, pfn)) {
        page_restore(a, pfn);
        return;
    }
    page_frame_set(a, pfn, 0);
    a->model->memory.use[pfn] = USE_GONE;
}

static void give(struct actor *a)
{
    struct gnttab_transfer ops[BATCH_MAX];
    uint64_t pfns[BATCH_MAX];
    unsigned count = pick_range(a, 1, BATCH_MAX), n = 0;

    while (n < count && give_prepare(a, &ops[n], &pfns[n]))
        n++;
    if (n == 0)
        return;
    grant_call(a, GNTTABOP_transfer, ops, n * sizeof(ops[0]), n);
    for (unsigned i = 0; i < n; i++)
        give_finish(a, &ops[i], pfns[i]);
}

const struct operation transfer_operations[] = {
    {"await page", GROUP_GRANT, 6, false, await},
    {"transfer page", GROUP_GRANT, 6, false, give},
    {"collect page", GROUP_GRANT, 5, false, collect},
    {0},
};
