/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: GNTTABOP_transfer. A page changes its owner for good, with its contents, to a
 * domain that has said in an entry from whom it takes one and at which page number
 * (xen/grant_table.h: GTF_accept_transfer). Whoever gives a page loses it whatever becomes of it,
 * unless it was not theirs to give.
 *
 * The order keeps both sides right: the giver's frame is taken whole, so nobody has it mapped; the
 * entry is committed before the frame has its new owner, so that each entry takes one page; the
 * entry says completed last. The receiver's death comes before (the entry cannot be committed, or
 * the frame not be assigned: it is freed) or after (the frame is one of its own).
 */
#include <kr/errno.h>
#include <kr/log.h>
#include <kr/memory.h>
#include <kr/page.h>

#include "grant_internal.h"

/* [g] Where an entry of the receiver's is: its header, and the frame, of 4 or 8 bytes. */
struct transfer_entry {
    uint32_t *header;
    uint32_t *frame_v1;
    uint64_t *frame_v2;
};

static bool entry_find(struct grant_table *gt, uint32_t ref, struct transfer_entry *out)
{
    if (gt->is_dead || ref >= grant_entry_count(gt))
        return false;
    if (gt->version == 1) {
        struct grant_entry_v1 *entry = grant_v1(gt, ref);

        *out = (struct transfer_entry){.header = (uint32_t *)entry, .frame_v1 = &entry->frame};
    } else {
        union grant_entry_v2 *entry = grant_v2(gt, ref);

        *out = (struct transfer_entry){.header = (uint32_t *)entry,
                                       .frame_v2 = &entry->full_page.frame};
    }
    return true;
}

/* Exactly one transfer is promised an entry that accepts one. */
static bool entry_commit(const struct transfer_entry *entry, uint16_t giver_id)
{
    uint32_t accepts = (uint32_t)giver_id << 16 | GTF_accept_transfer;

    return __atomic_compare_exchange_n(entry->header, &accepts, accepts | GTF_transfer_committed,
                                       false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static uint64_t entry_gfn(const struct transfer_entry *entry)
{
    return entry->frame_v1 ? __atomic_load_n(entry->frame_v1, __ATOMIC_RELAXED)
                           : __atomic_load_n(entry->frame_v2, __ATOMIC_RELAXED);
}

/* The frame's number before the flag that says so. */
static void entry_complete(const struct transfer_entry *entry, mfn_t mfn)
{
    if (entry->frame_v1)
        __atomic_store_n(entry->frame_v1, (uint32_t)mfn, __ATOMIC_RELAXED);
    else
        __atomic_store_n(entry->frame_v2, mfn, __ATOMIC_RELAXED);
    __atomic_fetch_or(entry->header, GTF_transfer_completed, __ATOMIC_SEQ_CST);
}

/* [-] A frame in nobody's hands to the receiver. False: refused, as everything was. */
static bool frame_deliver(struct domain *giver, struct domain *receiver, uint32_t ref, mfn_t mfn)
{
    struct grant_table *gt = receiver->grants;
    struct transfer_entry entry;
    bool is_done = false;

    spin_lock(&gt->lock);
    if (entry_find(gt, ref, &entry) && entry_commit(&entry, giver->id)) {
        arch_frame_set_gfn(mfn, entry_gfn(&entry));
        is_done = page_assign(&receiver->memory, mfn, 0) == 0;
        if (is_done) {
            entry_complete(&entry, mfn);
        } else {
            arch_frame_set_gfn(mfn, MEMORY_GFN_INVALID);
            __atomic_fetch_and(entry.header, ~(uint32_t)GTF_transfer_committed, __ATOMIC_SEQ_CST);
        }
    }
    spin_unlock(&gt->lock);
    return is_done;
}

void grant_transfer(struct domain *d, struct gnttab_transfer *op)
{
    struct domain *receiver;
    mfn_t mfn = op->mfn;

    if (!frame_is_valid(mfn) || page_steal(&d->memory, page_of(mfn)) != 0) {
        op->status = GNTST_bad_page;
        return;
    }
    arch_frame_set_gfn(mfn, MEMORY_GFN_INVALID);
    receiver = domain_get(op->domid);
    if (receiver == NULL)
        op->status = GNTST_bad_domain;
    else if (!frame_deliver(d, receiver, op->ref, mfn))
        op->status = GNTST_general_error;
    else
        op->status = GNTST_okay;
    if (op->status != GNTST_okay) {
        log_guest(LOG_DEBUG, d, "transfer of frame 0x%lx to d%u, grant %u refused: %d", mfn,
                  op->domid, op->ref, op->status);
        page_free_scrubbed(mfn, 0);
    }
    if (receiver != NULL)
        domain_put(receiver);
}
