/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: the operations on a table as a whole, those that take one argument structure (and
 * swapping entries). They return 0 or an errno to the caller of the hypercall, and say how it went
 * in the structure's status.
 */
#include <kr/access.h>
#include <kr/errno.h>
#include <kr/log.h>
#include <kr/string.h>

#include "grant_internal.h"

/* Whose table the caller means: its own, or any for the control domain. With a reference. */
static int target_get(struct domain *caller, domid_t id, struct domain **out)
{
    struct domain *d = domain_get_by_guest_id(id);

    if (d == NULL)
        return GNTST_bad_domain;
    if (d != caller && !caller->is_privileged) {
        domain_put(d);
        return GNTST_permission_denied;
    }
    *out = d;
    return GNTST_okay;
}

/* Writes the numbers of the first frames to the caller; -EFAULT. The frames stay while `d` lives.
 */
static int frames_write(struct domain *d, uint32_t count, bool status, uint64_t list_addr)
{
    for (uint32_t i = 0; i < count; i++) {
        mfn_t mfn = 0;
        uint64_t frame;
        int rc = grant_frame_get(d, status, i, &mfn);

        if (rc != 0)
            return rc;
        frame = mfn;
        rc = guest_write_at(list_addr, i, &frame);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int grant_op_setup_table(struct domain *caller, uint64_t addr)
{
    struct gnttab_setup_table op;
    struct domain *d;
    int rc = guest_read(&op, addr);

    if (rc != 0)
        return rc;
    op.status = target_get(caller, op.dom, &d);
    if (op.status != GNTST_okay)
        return guest_write(addr, &op);
    spin_lock(&d->grants->lock);
    rc = grant_table_grow(d, op.nr_frames);
    spin_unlock(&d->grants->lock);
    if (rc != 0) {
        log_guest(LOG_WARNING, d, "grant table of %u frames refused: limit %u, error %d",
                  op.nr_frames, d->grants->frame_max, rc);
        op.status = rc == -ENOMEM ? GNTST_no_space : GNTST_general_error;
    } else if (frames_write(d, op.nr_frames, false, guest_handle(op.frame_list)) != 0) {
        op.status = GNTST_bad_virt_addr;
    }
    domain_put(d);
    return guest_write(addr, &op);
}

int grant_op_query_size(struct domain *caller, uint64_t addr)
{
    struct gnttab_query_size op;
    struct domain *d;
    int rc = guest_read(&op, addr);

    if (rc != 0)
        return rc;
    op.status = target_get(caller, op.dom, &d);
    if (op.status == GNTST_okay) {
        op.nr_frames = d->grants->frame_count;
        op.max_nr_frames = d->grants->frame_max;
        domain_put(d);
    }
    return guest_write(addr, &op);
}

int grant_op_get_status_frames(struct domain *caller, uint64_t addr)
{
    struct gnttab_get_status_frames op;
    struct domain *d;
    int rc = guest_read(&op, addr);

    if (rc != 0)
        return rc;
    op.status = target_get(caller, op.dom, &d);
    if (op.status != GNTST_okay)
        return guest_write(addr, &op);
    if (op.nr_frames > d->grants->status_count)
        op.status = GNTST_general_error;
    else if (frames_write(d, op.nr_frames, true, guest_handle(op.frame_list)) != 0)
        op.status = GNTST_bad_virt_addr;
    domain_put(d);
    return guest_write(addr, &op);
}

int grant_op_get_version(struct domain *caller, uint64_t addr)
{
    struct gnttab_get_version op;
    struct domain *d;
    int rc = guest_read(&op, addr);

    if (rc != 0)
        return rc;
    rc = target_get(caller, op.dom, &d);
    if (rc != GNTST_okay)
        return rc == GNTST_bad_domain ? -ESRCH : -EPERM;
    op.version = d->grants->version;
    domain_put(d);
    return guest_write(addr, &op);
}

/* ---- versions -------------------------------------------------------------------------------- */

static bool reserved_convertible(struct grant_table *gt, union grant_entry_v2 *out, uint32_t ref)
{
    uint32_t type;

    memset(out, 0, sizeof(*out));
    if (gt->version == 1) {
        struct grant_entry_v1 entry = *grant_v1(gt, ref);

        out->full_page.hdr.flags = entry.flags & ~(GTF_reading | GTF_writing);
        out->full_page.hdr.domid = entry.domid;
        out->full_page.frame = entry.frame;
    } else {
        *out = *grant_v2(gt, ref);
    }
    type = out->hdr.flags & GTF_type_mask;
    if (type == GTF_invalid)
        memset(out, 0, sizeof(*out));
    else if (type != GTF_permit_access || (out->hdr.flags & GTF_sub_page) ||
             out->full_page.frame != (uint32_t)out->full_page.frame)
        return false;
    return true;
}

/* [g] Entries the toolstack filled in survive; everything else starts empty. */
static int version_change(struct domain *d, uint32_t version)
{
    union grant_entry_v2 reserved[GNTTAB_NR_RESERVED_ENTRIES];
    struct grant_table *gt = d->grants;
    uint32_t kept = gt->frame_count != 0 ? GNTTAB_NR_RESERVED_ENTRIES : 0;
    int rc;

    if (gt->pinned_count != 0)
        return -EBUSY;
    for (uint32_t ref = 0; ref < kept; ref++)
        if (!reserved_convertible(gt, &reserved[ref], ref))
            return -ERANGE;
    if (version == 2 && gt->frame_count != 0) {
        rc = grant_status_grow(d, grant_status_needed(gt->frame_count));
        if (rc != 0)
            return rc;
    }
    for (uint32_t i = 0; i < gt->frame_count; i++)
        memset(gt->frames[i], 0, PAGE_SIZE);
    for (uint32_t i = 0; i < gt->status_count; i++)
        memset(gt->status[i], 0, PAGE_SIZE);
    gt->version = version;
    for (uint32_t ref = 0; ref < kept; ref++) {
        if (version == 2)
            *grant_v2(gt, ref) = reserved[ref];
        else
            *grant_v1(gt, ref) = (struct grant_entry_v1){.flags = reserved[ref].hdr.flags,
                                                         .domid = reserved[ref].hdr.domid,
                                                         .frame = reserved[ref].full_page.frame};
    }
    return 0;
}

/* Whatever comes of it, the caller reads which one it is. */
int grant_op_set_version(struct domain *d, uint64_t addr)
{
    struct grant_table *gt = d->grants;
    struct gnttab_set_version op;
    int rc = guest_read(&op, addr), write_rc;

    if (rc != 0)
        return rc;
    spin_lock(&gt->lock);
    if (op.version < 1 || op.version > 2 || gt->is_dead)
        rc = -EINVAL;
    else if (op.version > gt->version_max)
        rc = -ENOSYS;
    else if (op.version != gt->version)
        rc = version_change(d, op.version);
    op.version = gt->version;
    spin_unlock(&gt->lock);
    write_rc = guest_write(addr, &op);
    return write_rc != 0 ? write_rc : rc;
}

/* ---- swapping -------------------------------------------------------------------------------- */

static bool is_pinned(struct domain *d, uint32_t ref)
{
    const struct grant_active *active = grant_active(d, ref, false);

    return active != NULL && (active->reads != 0 || active->writes != 0);
}

static int swap_locked(struct domain *d, uint32_t a, uint32_t b)
{
    struct grant_table *gt = d->grants;

    if (a >= grant_entry_count(gt) || b >= grant_entry_count(gt))
        return GNTST_bad_gntref;
    if (is_pinned(d, a) || is_pinned(d, b))
        return GNTST_eagain;
    if (gt->version == 1) {
        struct grant_entry_v1 entry = *grant_v1(gt, a);

        *grant_v1(gt, a) = *grant_v1(gt, b);
        *grant_v1(gt, b) = entry;
    } else {
        union grant_entry_v2 entry = *grant_v2(gt, a);

        *grant_v2(gt, a) = *grant_v2(gt, b);
        *grant_v2(gt, b) = entry;
    }
    return GNTST_okay;
}

void grant_swap(struct domain *d, struct gnttab_swap_grant_ref *op)
{
    spin_lock(&d->grants->lock);
    op->status = d->grants->is_dead ? GNTST_general_error : swap_locked(d, op->ref_a, op->ref_b);
    spin_unlock(&d->grants->lock);
}
