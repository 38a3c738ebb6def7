/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: GNTTABOP_copy. Each side is a frame of the caller or a grant to it, or (version 2)
 * one that stands for a third domain's grant to the granting one. A frame that is
 * written is held writable meanwhile: it cannot be a page table then.
 */
#include <kr/log.h>
#include <kr/page.h>
#include <kr/string.h>

#include "grant_internal.h"

/* One side of a copy, held. */
struct copy_side {
    struct domain *owner; /* with a reference; NULL: not held */
    mfn_t mfn;            /* MFN_INVALID: grant not pinned, or frame not held */
    uint32_t ref, lender_ref;
    struct domain *lender; /* with a reference: the owner's grant stands for this one's */
    bool is_grant, is_target;
};

/* Lets go of the grants themselves, the later one first. */
static void side_unpin(struct copy_side *side)
{
    if (side->lender != NULL) {
        grant_unpin(side->lender, side->lender_ref, !side->is_target);
        domain_put(side->lender);
        side->lender = NULL;
    }
    grant_unpin(side->owner, side->ref, !side->is_target);
}

static void side_end(struct copy_side *side)
{
    if (side->owner == NULL)
        return;
    if (side->mfn != MFN_INVALID) {
        if (side->is_target)
            arch_frame_unpin(side->mfn);
        else if (!side->is_grant)
            page_put(page_of(side->mfn));
        if (side->is_grant)
            side_unpin(side);
    }
    domain_put(side->owner);
}

/* The owner's grant is pinned and stands for another one, which the owner must be permitted. */
static int side_begin_lender(struct copy_side *side, struct grant_pin *pin)
{
    int rc;

    side->lender = domain_get(pin->lender_id);
    if (side->lender == NULL)
        return GNTST_general_error;
    side->lender_ref = pin->lender_ref;
    rc = grant_pin(side->lender, side->lender_ref, side->owner->id, !side->is_target,
                   GRANT_PIN_PART, pin);
    if (rc != GNTST_okay) {
        domain_put(side->lender);
        side->lender = NULL;
    }
    return rc;
}

static int side_begin_grant(struct domain *d, struct copy_side *side, uint16_t offset,
                            uint16_t size)
{
    struct grant_pin pin;
    int rc = grant_pin(side->owner, side->ref, d->id, !side->is_target,
                       GRANT_PIN_PART | GRANT_PIN_TRANSITIVE, &pin);

    if (rc != GNTST_okay)
        return rc;
    if (pin.lender_id != DOMAIN_ID_INVALID)
        rc = side_begin_lender(side, &pin);
    if (rc == GNTST_okay && (offset < pin.offset || offset + size > pin.offset + pin.length))
        rc = GNTST_general_error;
    /* The grant keeps the frame; to write it takes more. */
    if (rc == GNTST_okay && side->is_target) {
        struct domain *lender = side->lender != NULL ? side->lender : side->owner;
        mfn_t mfn = arch_frame_pin_writable(lender, pin.gfn);

        if (mfn != pin.mfn) {
            if (mfn != MFN_INVALID)
                arch_frame_unpin(mfn);
            rc = GNTST_bad_page;
        }
    }
    if (rc != GNTST_okay) {
        side_unpin(side);
        return rc;
    }
    side->mfn = pin.mfn;
    return GNTST_okay;
}

static int side_begin_frame(struct domain *d, struct copy_side *side, uint64_t gfn)
{
    mfn_t mfn;

    if (side->owner != d)
        return GNTST_permission_denied;
    if (side->is_target) {
        mfn = arch_frame_pin_writable(d, gfn);
    } else {
        mfn = arch_frame_lookup(d, gfn);
        if (mfn != MFN_INVALID && page_get_frame(mfn, d->id) == NULL)
            mfn = MFN_INVALID;
    }
    side->mfn = mfn;
    return mfn != MFN_INVALID ? GNTST_okay : GNTST_bad_page;
}

static int side_begin(struct domain *d, struct copy_side *side, const struct gnttab_copy_ptr *ptr,
                      uint16_t size)
{
    if (ptr->offset + size > PAGE_SIZE)
        return GNTST_bad_copy_arg;
    side->owner = domain_get_by_guest_id(ptr->domid);
    if (side->owner == NULL)
        return GNTST_bad_domain;
    side->ref = ptr->u.ref;
    return side->is_grant ? side_begin_grant(d, side, ptr->offset, size)
                          : side_begin_frame(d, side, ptr->u.gmfn);
}

void grant_copy(struct domain *d, struct gnttab_copy *op)
{
    struct copy_side source = {.mfn = MFN_INVALID, .is_grant = op->flags & GNTCOPY_source_gref};
    struct copy_side dest = {
        .mfn = MFN_INVALID, .is_grant = op->flags & GNTCOPY_dest_gref, .is_target = true};
    int rc = side_begin(d, &source, &op->source, op->len);

    if (rc == GNTST_okay)
        rc = side_begin(d, &dest, &op->dest, op->len);
    if (rc == GNTST_okay)
        memmove((char *)frame_to_virt(dest.mfn) + op->dest.offset,
                (char *)frame_to_virt(source.mfn) + op->source.offset, op->len);
    side_end(&dest);
    side_end(&source);
    op->status = rc;
}
