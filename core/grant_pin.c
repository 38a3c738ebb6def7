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

/* Who wants to use an entry, and how. */
struct grant_user {
    uint16_t id;
    bool readonly;
    unsigned accepts; /* GRANT_PIN_* */
};

/* May this domain use an entry that says so? */
static int header_check(uint32_t header, const struct grant_user *user)
{
    uint16_t flags = header, type = flags & GTF_type_mask;

    if (header >> 16 != user->id)
        return GNTST_bad_gntref;
    if (type != GTF_permit_access &&
        !(type == GTF_transitive && (user->accepts & GRANT_PIN_TRANSITIVE)))
        return GNTST_bad_gntref;
    if (type == GTF_permit_access && (flags & GTF_sub_page) && !(user->accepts & GRANT_PIN_PART))
        return GNTST_general_error;
    if (!user->readonly && (flags & GTF_readonly))
        return GNTST_permission_denied;
    return GNTST_okay;
}

static int mark_v1(struct grant_entry_v1 *entry, const struct grant_user *user)
{
    uint32_t header = header_load(entry);

    for (unsigned i = 0; i < MARK_TRIES; i++) {
        int rc = header_check(header, user);

        if (rc != GNTST_okay)
            return rc;
        if (__atomic_compare_exchange_n((uint32_t *)entry, &header,
                                        header | flags_wanted(user->readonly), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return GNTST_okay;
    }
    return GNTST_eagain;
}

/* *type: what the entry was while it was marked. */
static int mark_v2(union grant_entry_v2 *entry, grant_status_t *status,
                   const struct grant_user *user, uint16_t *type)
{
    uint32_t header = header_load(entry);
    int rc = header_check(header, user);

    *type = header & GTF_type_mask;

    if (rc != GNTST_okay)
        return rc;
    __atomic_fetch_or(status, flags_wanted(user->readonly), __ATOMIC_SEQ_CST);
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
static void entry_read(struct grant_table *gt, uint32_t ref, uint16_t type, struct grant_pin *out)
{
    union grant_entry_v2 *entry;

    *out = (struct grant_pin){.length = PAGE_SIZE, .lender_id = DOMAIN_ID_INVALID};
    if (gt->version == 1) {
        out->gfn = __atomic_load_n(&grant_v1(gt, ref)->frame, __ATOMIC_RELAXED);
        return;
    }
    entry = grant_v2(gt, ref);
    if (type == GTF_transitive) {
        out->lender_id = __atomic_load_n(&entry->transitive.trans_domid, __ATOMIC_RELAXED);
        out->lender_ref = __atomic_load_n(&entry->transitive.gref, __ATOMIC_RELAXED);
        return;
    }
    out->gfn = __atomic_load_n(&entry->full_page.frame, __ATOMIC_RELAXED);
    if (header_load(entry) & GTF_sub_page) {
        out->offset = __atomic_load_n(&entry->sub_page.page_off, __ATOMIC_RELAXED);
        out->length = __atomic_load_n(&entry->sub_page.length, __ATOMIC_RELAXED);
    }
}

/* [g] The first user of an entry that names another domain's grant: the active entry keeps it. */
static int lender_take(struct domain *owner, struct grant_active *active, uint16_t user_id,
                       const struct grant_pin *pin)
{
    if (pin->lender_id >= DOMAIN_ID_FIRST_RESERVED || pin->lender_id == owner->id)
        return GNTST_general_error;
    *active = (struct grant_active){
        .mfn = pin->lender_ref, .user_id = user_id, .lender_id = pin->lender_id};
    return GNTST_okay;
}

/* [g] The first user: finds the frame and takes the reference. */
static int frame_take(struct domain *owner, struct grant_active *active, uint16_t user_id,
                      const struct grant_pin *pin)
{
    mfn_t mfn = arch_frame_lookup(owner, pin->gfn);
    struct page *page = mfn != MFN_INVALID ? page_get_frame(mfn, owner->id) : NULL;

    if (page == NULL)
        return GNTST_bad_page;
    /* Lending on what is the hypervisor's is not for a guest to do. */
    if (page_state(page) != PAGE_GUEST) {
        page_put(page);
        return GNTST_bad_page;
    }
    *active = (struct grant_active){.mfn = mfn,
                                    .user_id = user_id,
                                    .offset = pin->offset,
                                    .length = pin->length,
                                    .lender_id = DOMAIN_ID_INVALID};
    return GNTST_okay;
}

/* [g] A marked entry gets one more user. What it says counts for the first one only. */
static int active_take(struct domain *owner, uint32_t ref, struct grant_active *active,
                       const struct grant_user *user, uint16_t type, struct grant_pin *out)
{
    bool is_transitive = type == GTF_transitive;

    entry_read(owner->grants, ref, type, out);
    if (active->reads != 0 || active->writes != 0)
        return is_transitive == grant_active_is_transitive(active) ? GNTST_okay : GNTST_bad_gntref;
    return is_transitive ? lender_take(owner, active, user->id, out)
                         : frame_take(owner, active, user->id, out);
}

/* [g] Marks the entry if needed and counts the user. */
static int pin_locked(struct domain *owner, uint32_t ref, const struct grant_user *user,
                      struct grant_pin *out)
{
    struct grant_table *gt = owner->grants;
    uint16_t type = GTF_permit_access;
    struct grant_active *active;
    bool is_first;
    int rc;

    if (gt->is_dead || ref >= grant_entry_count(gt))
        return GNTST_bad_gntref;
    active = grant_active(owner, ref, true);
    if (active == NULL || active->reads == UINT16_MAX || active->writes == UINT16_MAX)
        return GNTST_no_space;
    is_first = active->reads == 0 && active->writes == 0;
    if (!is_first && active->user_id != user->id)
        return GNTST_bad_gntref;

    rc = gt->version == 1 ? mark_v1(grant_v1(gt, ref), user)
                          : mark_v2(grant_v2(gt, ref), grant_v2_status(gt, ref), user, &type);
    if (rc == GNTST_okay)
        rc = active_take(owner, ref, active, user, type, out);
    if (rc != GNTST_okay) {
        unmark(gt, ref, active);
        return rc;
    }
    gt->pinned_count += is_first;
    *(user->readonly ? &active->reads : &active->writes) += 1;
    out->mfn = grant_active_is_transitive(active) ? MFN_INVALID : active->mfn;
    out->offset = active->offset;
    out->length = active->length;
    out->lender_id = active->lender_id;
    out->lender_ref = active->mfn;
    return GNTST_okay;
}

int grant_pin(struct domain *owner, uint32_t ref, uint16_t user_id, bool readonly, unsigned accepts,
              struct grant_pin *out)
{
    const struct grant_user user = {.id = user_id, .readonly = readonly, .accepts = accepts};
    int rc;

    spin_lock(&owner->grants->lock);
    rc = pin_locked(owner, ref, &user, out);
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
        page = grant_active_is_transitive(active) ? NULL : page_of(active->mfn);
        gt->pinned_count--;
    }
    spin_unlock(&gt->lock);
    if (page != NULL)
        page_put(page);
}
