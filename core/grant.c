/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: the table of a domain, its frames and its life. Everything grows on demand: a
 * domain that grants and maps nothing has the structure and no frame.
 */
#include <kr/errno.h>
#include <kr/heap.h>
#include <kr/hypercall.h>
#include <kr/log.h>
#include <kr/page.h>

#include "grant_internal.h"

int grant_domain_init(struct domain *d, uint32_t frame_max, uint32_t maptrack_max,
                      unsigned version_max)
{
    struct grant_table *gt;

    if (version_max < 1 || version_max > 2)
        return -EINVAL;
    gt = heap_zalloc_for(&d->memory, sizeof(*gt));
    if (gt == NULL)
        return -ENOMEM;
    spin_lock_init(&gt->lock, LOCK_RANK_GRANT);
    spin_lock_init(&gt->maptrack_lock, LOCK_RANK_GRANT);
    gt->version = 1;
    gt->version_max = version_max;
    gt->frame_max = MIN(frame_max, GRANT_FRAME_COUNT_MAX);
    gt->chunk_max = MIN(maptrack_max, GRANT_MAPTRACK_COUNT_MAX);
    d->grants = gt;
    return 0;
}

void grant_domain_free(struct domain *d)
{
    struct grant_table *gt = d->grants;

    if (gt == NULL)
        return;
    ASSERT(gt->pinned_count == 0 && gt->fini_next == grant_handle_count(gt));
    for (uint32_t i = 0; gt->active != NULL && i < gt->frame_max; i++)
        heap_free(gt->active[i]);
    for (uint32_t i = 0; i < gt->chunk_count; i++)
        heap_free(gt->chunks[i].mappings);
    heap_free(gt->active);
    heap_free(gt->chunks);
    heap_free(gt);
    d->grants = NULL;
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* [g] There are no frames. */
static void grant_arrays_free(struct grant_table *gt)
{
    heap_free(gt->frames);
    heap_free(gt->active);
    heap_free(gt->status);
    gt->frames = NULL;
    gt->active = NULL;
    gt->status = NULL;
}

/* [g] The arrays of pointers, with the first frame. */
static int grant_arrays_alloc(struct domain *d)
{
    struct grant_table *gt = d->grants;
    uint32_t status_max = grant_status_needed(gt->frame_max);

    if (gt->frames != NULL)
        return 0;
    gt->frames = heap_zalloc_array(&d->memory, gt->frame_max, sizeof(*gt->frames));
    gt->active = heap_zalloc_array(&d->memory, gt->frame_max, sizeof(*gt->active));
    gt->status = heap_zalloc_array(&d->memory, status_max, sizeof(*gt->status));
    if (gt->frames != NULL && gt->active != NULL && gt->status != NULL)
        return 0;
    grant_arrays_free(gt);
    return -ENOMEM;
}

static void grant_frames_free(void **frames, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        page_free(virt_to_frame(frames[i]), 0);
        frames[i] = NULL;
    }
}

/* Puts frames into places `from` to `to` - 1; the domain knows nothing of them yet. */
static bool grant_frames_alloc(void **frames, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        mfn_t mfn = page_alloc(0, PAGE_ZERO);

        if (mfn == MFN_INVALID) {
            grant_frames_free(frames, from, i);
            return false;
        }
        frames[i] = frame_to_virt(mfn);
    }
    return true;
}

static void grant_frames_expose(struct domain *d, void **frames, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        arch_frame_expose(d, virt_to_frame(frames[i]));
}

/* [g] All or nothing: a guest that is told of a failure finds its table as it was. */
static int grant_frames_add(struct domain *d, uint32_t frame_count, uint32_t status_count)
{
    struct grant_table *gt = d->grants;
    uint32_t frames_from = gt->frame_count, status_from = gt->status_count;

    if (!grant_frames_alloc((void **)gt->status, status_from, status_count))
        return -ENOMEM;
    if (!grant_frames_alloc(gt->frames, frames_from, frame_count)) {
        grant_frames_free((void **)gt->status, status_from, status_count);
        return -ENOMEM;
    }
    grant_frames_expose(d, (void **)gt->status, status_from, status_count);
    grant_frames_expose(d, gt->frames, frames_from, frame_count);
    gt->status_count = MAX(status_from, status_count);
    gt->frame_count = frame_count;
    return 0;
}

int grant_status_grow(struct domain *d, uint32_t status_count)
{
    return grant_frames_add(d, d->grants->frame_count, status_count);
}

int grant_table_grow(struct domain *d, uint32_t frame_count)
{
    struct grant_table *gt = d->grants;
    int rc;

    if (gt->is_dead || frame_count > gt->frame_max)
        return -EINVAL;
    if (frame_count <= gt->frame_count)
        return 0;
    rc = grant_arrays_alloc(d);
    if (rc == 0)
        rc = grant_frames_add(d, frame_count,
                              gt->version == 2 ? grant_status_needed(frame_count) : 0);
    if (rc != 0 && gt->frame_count == 0)
        grant_arrays_free(gt);
    return rc;
}

struct grant_active *grant_active(struct domain *d, uint32_t ref, bool make)
{
    struct grant_table *gt = d->grants;
    uint32_t per_frame = gt->version == 1 ? GRANT_V1_PER_FRAME : GRANT_V2_PER_FRAME;
    struct grant_active **chunk = &gt->active[ref / per_frame];

    /* Room for version 1, so that a change of version needs no other arrays. */
    if (*chunk == NULL && make)
        *chunk = heap_zalloc_array(&d->memory, GRANT_V1_PER_FRAME, sizeof(**chunk));
    return *chunk != NULL ? *chunk + ref % per_frame : NULL;
}

int grant_frame_get(struct domain *d, bool status, uint32_t index, mfn_t *mfn)
{
    struct grant_table *gt = d->grants;
    int rc = -EINVAL;

    spin_lock(&gt->lock);
    if (!status && index < gt->frame_max) {
        rc = grant_table_grow(d, index + 1);
        if (rc == 0)
            *mfn = virt_to_frame(gt->frames[index]);
    } else if (status && gt->version == 2 && index < grant_status_needed(gt->frame_max)) {
        /* A status frame exists with the shared frames that it speaks of. */
        rc = grant_table_grow(
            d, MAX(1U, index * (uint32_t)(GRANT_STATUS_PER_FRAME / GRANT_V2_PER_FRAME) + 1));
        if (rc == 0)
            *mfn = virt_to_frame(gt->status[index]);
    }
    spin_unlock(&gt->lock);
    return rc;
}

uint32_t grant_frame_limit(struct domain *d, bool status)
{
    struct grant_table *gt = d->grants;

    return status ? (gt->version == 2 ? grant_status_needed(gt->frame_max) : 0) : gt->frame_max;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Gives up all that the dying domain has mapped of others; its page tables let go of the frames. */
static int grant_mappings_drop(struct domain *d)
{
    struct grant_table *gt = d->grants;

    for (; gt->fini_next < grant_handle_count(gt); gt->fini_next++) {
        struct grant_mapping *m = grant_mapping_at(gt, gt->fini_next);
        struct domain *owner;

        if (m->flags == 0)
            continue;
        owner = domain_get(m->owner_id);
        ASSERT(owner != NULL);
        grant_unpin(owner, m->ref, m->flags & GRANT_MAPPING_READONLY);
        domain_put(owner); /* this one */
        domain_put(owner); /* the mapping's */
        m->flags = 0;
        if (hypercall_should_yield())
            return -ERESTART;
    }
    return 0;
}

int grant_domain_fini(struct domain *d)
{
    struct grant_table *gt = d->grants;
    int rc;

    if (gt == NULL || gt->is_dead)
        return 0;
    rc = grant_mappings_drop(d);
    if (rc != 0)
        return rc;

    spin_lock(&gt->lock);
    gt->is_dead = true;
    spin_unlock(&gt->lock);
    for (uint32_t i = 0; i < gt->frame_count; i++)
        arch_frame_conceal(d, virt_to_frame(gt->frames[i]));
    for (uint32_t i = 0; i < gt->status_count; i++)
        arch_frame_conceal(d, virt_to_frame(gt->status[i]));
    heap_free(gt->frames);
    heap_free(gt->status);
    gt->frames = NULL;
    gt->status = NULL;
    return 0;
}
