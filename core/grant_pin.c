/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: beginning and ending the use of an entry. While an entry is used its GTF_reading
 * and GTF_writing flags are set (version 1: in the entry; version 2: in the status array), which
 * tells the granting guest not to take it back; the rules are in xen/grant_table.h. The guest may
 * write the entry at any moment: what was read once while marking it counts, and from then on what
 * the active entry says.
 */
#include <kr/errno.h>
#include <kr/log.h>
#include <kr/page.h>

#include "grant_internal.h"

/* A guest that is changing the entry in earnest does it once or twice. */
#define MARK_TRIES 4

/* flags and domid of both versions' entries are one word; flags are its low half. */
static uint32_t header_load(const void *entry)
{
    return __atomic_load_n((const uint32_t *)entry, __ATOMIC_SEQ_CST);
}

static uint16_t flags_wanted(bool readonly)
{
    return readonly ? GTF_reading : GTF_reading | GTF_writing;
}

/* May this domain use an entry that says so? */
static int header_check(uint32_t header, uint16_t user_id, bool readonly)
{
    uint16_t flags = header;

    if ((flags & GTF_type_mask) != GTF_permit_access || header >> 16 != user_id)
        return GNTST_bad_gntref;
    if (!readonly && (flags & GTF_readonly))
        return GNTST_permission_denied;
    return GNTST_okay;
}

static int mark_v1(struct grant_entry_v1 *entry, uint16_t user_id, bool readonly)
{
    uint32_t header = header_load(entry);

    for (unsigned i = 0; i < MARK_TRIES; i++) {
        int rc = header_check(header, user_id, readonly);

        if (rc != GNTST_okay)
            return rc;
        if (__atomic_compare_exchange_n((uint32_t *)entry, &header, header | flags_wanted(readonly),
                                        false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return GNTST_okay;
    }
    return GNTST_eagain;
}

static int mark_v2(union grant_entry_v2 *entry, grant_status_t *status, uint16_t user_id,
                   bool readonly)
{
    uint32_t header = header_load(entry);
    int rc = header_check(header, user_id, readonly);

    if (rc != GNTST_okay)
        return rc;
    __atomic_fetch_or(status, flags_wanted(readonly), __ATOMIC_SEQ_CST);
    /* The guest clears the header first and looks at the status then. */
    return header_load(entry) == header ? GNTST_okay : GNTST_eagain;
}

/* [g] Clears the flags that no user needs. */
static void unmark(struct grant_table *gt, uint32_t ref, const struct grant_active *active)
{
    uint16_t gone = (active->writes == 0 ? GTF_writing : 0) |
                    (active->writes == 0 && active->reads == 0 ? GTF_reading : 0);
    uint16_t *flags;

    if (gone == 0 || gt->is_dead)
        return;
    flags = gt->version == 1 ? &grant_v1(gt, ref)->flags : grant_v2_status(gt, ref);
    __atomic_fetch_and(flags, (uint16_t)~gone, __ATOMIC_SEQ_CST);
}

/* [g] What a marked entry lends. */
static void entry_read(struct grant_table *gt, uint32_t ref, struct grant_pin *out)
{
    out->offset = 0;
    out->length = PAGE_SIZE;
    if (gt->version == 1) {
        out->gfn = __atomic_load_n(&grant_v1(gt, ref)->frame, __ATOMIC_RELAXED);
    } else {
        union grant_entry_v2 *entry = grant_v2(gt, ref);

        out->gfn = __atomic_load_n(&entry->full_page.frame, __ATOMIC_RELAXED);
        if (header_load(entry) & GTF_sub_page) {
            out->offset = __atomic_load_n(&entry->sub_page.page_off, __ATOMIC_RELAXED);
            out->length = __atomic_load_n(&entry->sub_page.length, __ATOMIC_RELAXED);
        }
    }
}

/* [g] The first user: finds the frame and takes the reference. */
static int frame_take(struct domain *owner, struct grant_active *active, uint16_t user_id,
                      const struct grant_pin *pin)
{
    mfn_t mfn = arch_frame_lookup(owner, pin->gfn);
    struct page *page;

    if (pin->offset > PAGE_SIZE || pin->length > PAGE_SIZE - pin->offset)
        return GNTST_general_error;
    page = mfn != MFN_INVALID ? page_get_frame(mfn, owner->id) : NULL;
    if (page == NULL)
        return GNTST_bad_page;
    /* Lending on what is the hypervisor's is not for a guest to do. */
    if (page_state(page) != PAGE_GUEST) {
        page_put(page);
        return GNTST_bad_page;
    }
    active->mfn = mfn;
    active->user_id = user_id;
    active->offset = pin->offset;
    active->length = pin->length;
    return GNTST_okay;
}

/* [g] Marks the entry if needed and counts the user. */
static int pin_locked(struct domain *owner, uint32_t ref, uint16_t user_id, bool readonly,
                      struct grant_pin *out)
{
    struct grant_table *gt = owner->grants;
    struct grant_active *active;
    bool is_first;
    int rc;

    if (gt->is_dead || ref >= grant_entry_count(gt))
        return GNTST_bad_gntref;
    active = grant_active(owner, ref, true);
    if (active == NULL || active->reads == UINT16_MAX || active->writes == UINT16_MAX)
        return GNTST_no_space;
    is_first = active->reads == 0 && active->writes == 0;
    if (!is_first && active->user_id != user_id)
        return GNTST_bad_gntref;

    rc = gt->version == 1 ? mark_v1(grant_v1(gt, ref), user_id, readonly)
                          : mark_v2(grant_v2(gt, ref), grant_v2_status(gt, ref), user_id, readonly);
    if (rc == GNTST_okay) {
        entry_read(gt, ref, out);
        if (is_first)
            rc = frame_take(owner, active, user_id, out);
    }
    if (rc != GNTST_okay) {
        unmark(gt, ref, active);
        return rc;
    }
    gt->pinned_count += is_first;
    *(readonly ? &active->reads : &active->writes) += 1;
    out->mfn = active->mfn;
    out->offset = active->offset;
    out->length = active->length;
    return GNTST_okay;
}

int grant_pin(struct domain *owner, uint32_t ref, uint16_t user_id, bool readonly,
              struct grant_pin *out)
{
    int rc;

    spin_lock(&owner->grants->lock);
    rc = pin_locked(owner, ref, user_id, readonly, out);
    spin_unlock(&owner->grants->lock);
    if (rc != GNTST_okay)
        log_guest(LOG_DEBUG, owner, "grant %u refused to d%u: %d", ref, user_id, rc);
    return rc;
}

void grant_unpin(struct domain *owner, uint32_t ref, bool readonly)
{
    struct grant_table *gt = owner->grants;
    struct grant_active *active;
    struct page *page = NULL;

    spin_lock(&gt->lock);
    active = grant_active(owner, ref, false);
    ASSERT(active != NULL && (readonly ? active->reads : active->writes) != 0);
    *(readonly ? &active->reads : &active->writes) -= 1;
    unmark(gt, ref, active);
    if (active->reads == 0 && active->writes == 0) {
        page = page_of(active->mfn);
        gt->pinned_count--;
    }
    spin_unlock(&gt->lock);
    if (page != NULL)
        page_put(page);
}
