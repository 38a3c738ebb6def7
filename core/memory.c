/* SPDX-License-Identifier: MIT */
/*
 * Frames to domains and back. Ownership and counting are core/page.c's; here are the order of
 * things (M2P entry before a frame is given away, contents zeroed) and claims.
 */
#include <kr/domain.h>
#include <kr/errno.h>
#include <kr/memory.h>
#include <kr/page.h>

#define ADDRESS_BITS_ANY 52 /* as many as a machine can have */

static struct spinlock claim_lock = SPINLOCK_INIT(LOCK_RANK_CLAIM);
static uint64_t claimed_total; /* sum of domain.claimed_pages, under the lock */

/* Lock held; others read the claims without it. */
static void claim_change(struct domain *d, uint64_t by)
{
    __atomic_store_n(&d->claimed_pages, d->claimed_pages + by, __ATOMIC_RELAXED);
    __atomic_store_n(&claimed_total, claimed_total + by, __ATOMIC_RELAXED);
}

/* ---- claims -----------------------------------------------------------------------------------
 */

void memory_claim_drop(struct domain *d)
{
    spin_lock(&claim_lock);
    claim_change(d, -d->claimed_pages);
    spin_unlock(&claim_lock);
}

int memory_claim(struct domain *d, uint64_t pages)
{
    uint64_t have, limit;
    bool is_dying;
    int rc = 0;

    if (pages == 0) {
        memory_claim_drop(d);
        return 0;
    }
    spin_lock(&claim_lock);
    spin_lock(&d->memory.lock);
    have = d->memory.page_count;
    limit = d->memory.max_page_count;
    is_dying = d->memory.dying; /* its claim is dropped after that is set, and never again */
    spin_unlock(&d->memory.lock);
    if (is_dying) {
        rc = -ESRCH;
    } else if (d->claimed_pages != 0 || pages < have || pages > limit) {
        rc = -EINVAL;
    } else if (pages - have > page_free_count() - MIN(claimed_total, page_free_count())) {
        rc = -ENOMEM;
    } else {
        claim_change(d, pages - have);
    }
    spin_unlock(&claim_lock);
    return rc;
}

uint64_t memory_claimed(struct domain *d)
{
    return __atomic_load_n(&d->claimed_pages, __ATOMIC_RELAXED);
}

uint64_t memory_claimed_total(void)
{
    return __atomic_load_n(&claimed_total, __ATOMIC_RELAXED);
}

/* Are `count` frames left beside what others have claimed? Uses up `*own` of the domain's claim. */
static bool claim_take(struct domain *d, uint64_t count, uint64_t *own)
{
    uint64_t others;
    bool ok;

    *own = 0;
    if (__atomic_load_n(&claimed_total, __ATOMIC_RELAXED) == 0)
        return true;
    spin_lock(&claim_lock);
    others = claimed_total - d->claimed_pages;
    ok = page_free_count() >= others + count;
    *own = ok ? MIN(d->claimed_pages, count) : 0;
    claim_change(d, -*own);
    spin_unlock(&claim_lock);
    return ok;
}

/* Nothing came of it: builders try large pieces first. The end of a domain has ended its claim. */
static void claim_give_back(struct domain *d, uint64_t own)
{
    if (own == 0)
        return;
    spin_lock(&claim_lock);
    if (!d->is_dying) {
        claim_change(d, own);
    }
    spin_unlock(&claim_lock);
}

/* ---- single pages -----------------------------------------------------------------------------
 */

static mfn_t alloc_zeroed(unsigned order, unsigned address_bits)
{
    return address_bits && address_bits < ADDRESS_BITS_ANY
               ? page_alloc_below(order, address_bits, PAGE_ZERO)
               : page_alloc(order, PAGE_ZERO);
}

int memory_populate(struct domain *d, uint64_t gfn, unsigned order, unsigned address_bits,
                    mfn_t *mfn)
{
    uint64_t count = 1UL << order, own;
    mfn_t first;
    int rc;

    if (!claim_take(d, count, &own))
        return -ENOMEM;
    first = alloc_zeroed(order, address_bits);
    if (first == MFN_INVALID) {
        claim_give_back(d, own);
        return -ENOMEM;
    }
    for (uint64_t i = 0; i < count; i++)
        arch_frame_set_gfn(first + i, gfn == MEMORY_GFN_INVALID ? gfn : gfn + i);
    rc = page_assign(&d->memory, first, order);
    if (rc != 0) {
        page_free(first, order);
        claim_give_back(d, own);
        return rc;
    }
    *mfn = first;
    return 0;
}

int memory_release(struct domain *d, mfn_t mfn)
{
    struct page *p = page_get_frame(mfn, d->id);
    int rc;

    if (!p)
        return -EINVAL;
    /* Our reference keeps the frame from being handed out again while we still write about it. */
    arch_frame_set_gfn(mfn, MEMORY_GFN_INVALID);
    rc = page_release(&d->memory, p);
    if (rc == 0)
        arch_frame_given_up(mfn);
    page_put(p);
    return rc;
}

/* ---- exchange ---------------------------------------------------------------------------------
 */

static void free_pieces(const mfn_t *pieces, unsigned count, unsigned order)
{
    for (unsigned i = 0; i < count; i++)
        page_free(pieces[i], order);
}

static bool alloc_pieces(mfn_t *pieces, unsigned count, unsigned order, unsigned address_bits)
{
    for (unsigned i = 0; i < count; i++) {
        pieces[i] = alloc_zeroed(order, address_bits);
        if (pieces[i] == MFN_INVALID) {
            free_pieces(pieces, i, order);
            return false;
        }
    }
    return true;
}

/* Puts stolen frames back, or frees them if the domain has begun to die meanwhile. */
static void give_back(struct domain *d, const uint64_t *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (page_assign_traded(&d->memory, frames[i], 0) != 0)
            page_free_scrubbed(frames[i], 0);
}

static int steal_all(struct domain *d, const uint64_t *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int rc =
            frame_is_valid(frames[i]) ? page_steal_traded(&d->memory, page_of(frames[i])) : -EINVAL;

        if (rc != 0) {
            give_back(d, frames, i);
            return rc;
        }
    }
    return 0;
}

int memory_exchange(struct domain *d, const uint64_t *old, unsigned count, unsigned order,
                    unsigned address_bits, mfn_t *new)
{
    unsigned pieces = count >> order;
    int rc;

    if (!alloc_pieces(new, pieces, order, address_bits))
        return -ENOMEM;
    rc = steal_all(d, old, count);
    if (rc != 0) {
        free_pieces(new, pieces, order);
        return rc;
    }
    for (unsigned i = 0; i < count; i++) {
        arch_frame_set_gfn(old[i], MEMORY_GFN_INVALID);
        page_free_scrubbed(old[i], 0);
    }
    for (unsigned i = 0; i < pieces; i++) {
        /* Only a dying domain can be refused here: the room of what it gave up is kept for it. */
        if (page_assign_traded(&d->memory, new[i], order) != 0) {
            page_free(new[i], order);
            rc = -ESRCH;
        }
    }
    return rc;
}
