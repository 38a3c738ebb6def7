/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: mapping what another domain granted, and unmapping it. A mapping has a handle, an
 * index into the mapper's own list (xen/grant_table.h: grant_handle_t; core/grant_handle.c).
 *
 * Unmapping is in two steps with the flush of translations between them: only when no CPU can use
 * the mapping any more may the granting guest hear (through GTF_reading, GTF_writing) that its page
 * is its own again.
 */
#include <kr/errno.h>
#include <kr/log.h>
#include <kr/page.h>

#include "grant_internal.h"

/* ---- mapping --------------------------------------------------------------------------------- */

static uint16_t mapping_flags(uint32_t flags)
{
    return (flags & GNTMAP_host_map ? GRANT_MAPPING_HOST : 0) |
           (flags & GNTMAP_device_map ? GRANT_MAPPING_DEVICE : 0) |
           (flags & GNTMAP_readonly ? GRANT_MAPPING_READONLY : 0) |
           (flags & GNTMAP_contains_pte ? GRANT_MAPPING_PTE : 0);
}

/* Puts a pinned frame into the page table. GNTST_*. */
static int map_host(struct vcpu *v, const struct gnttab_map_grant_ref *op, mfn_t mfn)
{
    struct arch_grant_map map = {
        .host_addr = op->host_addr,
        .mfn = mfn,
        .readonly = op->flags & GNTMAP_readonly,
        .contains_pte = op->flags & GNTMAP_contains_pte,
        .device = op->flags & GNTMAP_device_map,
        .guest_avail = (op->flags & GNTMAP_guest_avail_mask) >> _GNTMAP_guest_avail0,
    };
    int rc;

    if (!page_get_again(page_of(mfn)))
        return GNTST_no_space;
    rc = arch_grant_map(v, &map);
    if (rc != GNTST_okay)
        page_put(page_of(mfn));
    return rc;
}

/* Uses the grant for a handle that is ours already. */
static int map_with_handle(struct vcpu *v, struct domain *owner, uint32_t handle,
                           struct gnttab_map_grant_ref *op)
{
    struct grant_mapping mapping = {
        .owner_id = owner->id, .flags = mapping_flags(op->flags), .ref = op->ref};
    bool readonly = op->flags & GNTMAP_readonly;
    struct grant_pin pin;
    int rc = grant_pin(owner, op->ref, v->domain->id, readonly, 0, &pin);

    if (rc != GNTST_okay)
        return rc;
    if (pin.offset != 0 || pin.length != PAGE_SIZE)
        rc = GNTST_general_error; /* part of a page can be copied, not mapped */
    else if (op->flags & GNTMAP_host_map)
        rc = map_host(v, op, pin.mfn);
    if (rc != GNTST_okay) {
        grant_unpin(owner, op->ref, readonly);
        return rc;
    }
    grant_handle_set(v->domain, handle, &mapping);
    op->handle = handle;
    op->dev_bus_addr = pin.mfn << PAGE_SHIFT;
    return GNTST_okay;
}

void grant_map(struct vcpu *v, struct gnttab_map_grant_ref *op)
{
    static const struct grant_mapping none;
    struct domain *owner;
    uint32_t handle;

    if (!(op->flags & (GNTMAP_host_map | GNTMAP_device_map))) {
        op->status = GNTST_bad_gntref;
        return;
    }
    owner = domain_get(op->dom);
    if (owner == NULL) {
        op->status = GNTST_bad_domain;
        return;
    }
    handle = grant_handle_alloc(v);
    if (handle == GRANT_HANDLE_NONE) {
        log_guest(LOG_WARNING, v->domain,
                  "no handle for a grant of d%u: maptrack limit of %u pages", op->dom,
                  v->domain->grants->chunk_max);
        op->status = GNTST_no_space;
    } else {
        op->status = map_with_handle(v, owner, handle, op);
        if (op->status == GNTST_okay)
            return; /* the mapping has the reference: while it exists its owner can be found */
        grant_handle_set(v->domain, handle, &none);
    }
    domain_put(owner);
}

/* ---- unmapping ------------------------------------------------------------------------------- */

/* [-] The frame behind a mapping: pinned, so it stays what it is. */
static mfn_t mapping_mfn(struct domain *owner, uint32_t ref)
{
    mfn_t mfn;

    spin_lock(&owner->grants->lock);
    mfn = grant_active(owner, ref, false)->mfn;
    spin_unlock(&owner->grants->lock);
    return mfn;
}

static int unmap_parts(struct vcpu *v, struct domain *owner, struct grant_unmap *u)
{
    const struct grant_mapping *m = &u->mapping;
    mfn_t mfn = mapping_mfn(owner, m->ref);

    if (u->dev_bus_addr != 0 && (m->flags & GRANT_MAPPING_DEVICE)) {
        if (u->dev_bus_addr != mfn << PAGE_SHIFT)
            return GNTST_bad_dev_addr;
        u->removed |= GRANT_MAPPING_DEVICE;
    }
    if (u->host_addr != 0 && (m->flags & GRANT_MAPPING_HOST)) {
        struct arch_grant_map map = {
            .host_addr = u->host_addr,
            .mfn = mfn,
            .readonly = m->flags & GRANT_MAPPING_READONLY,
            .contains_pte = m->flags & GRANT_MAPPING_PTE,
            .device = m->flags & GRANT_MAPPING_DEVICE,
        };
        int rc = arch_grant_unmap(v, &map, u->new_addr);

        if (rc != GNTST_okay)
            return rc;
        u->removed |= GRANT_MAPPING_HOST;
    }
    return GNTST_okay;
}

void grant_unmap_begin(struct vcpu *v, struct grant_unmap *u)
{
    struct domain *owner;

    u->removed = 0;
    if (!grant_handle_claim(v->domain, u->handle, &u->mapping)) {
        u->mapping.flags = 0;
        u->status = GNTST_bad_handle;
        return;
    }
    owner = domain_get(u->mapping.owner_id);
    ASSERT(owner != NULL);
    u->status = unmap_parts(v, owner, u);
    domain_put(owner);
}

void grant_unmap_finish(struct vcpu *v, struct grant_unmap *u)
{
    struct grant_mapping mapping = u->mapping;

    if (mapping.flags == 0)
        return;
    mapping.flags &= ~u->removed;
    if (!(mapping.flags & (GRANT_MAPPING_HOST | GRANT_MAPPING_DEVICE))) {
        struct domain *owner = domain_get(mapping.owner_id);

        ASSERT(owner != NULL);
        grant_unpin(owner, mapping.ref, mapping.flags & GRANT_MAPPING_READONLY);
        domain_put(owner); /* this one */
        domain_put(owner); /* the mapping's */
        mapping.flags = 0;
    }
    grant_handle_set(v->domain, u->handle, &mapping);
}
