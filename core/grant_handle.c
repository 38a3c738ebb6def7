/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: handles, the numbers of a domain's mappings, and which of them are free.
 *
 * Handles come in chunks of a page. Each chunk belongs to the vCPU that needed it, and its free
 * handles are in that vCPU's list wherever they were freed: vCPUs that map do not meet, and there
 * is no lock on the way. A list is a stack: one word with the first handle (plus 1; 0: empty) and a
 * count of changes, without which a handle that went and came back meanwhile would pass for never
 * having left. Only when the domain may have no further chunk does a vCPU take from others' lists.
 *
 * A handle in use is its holder's while GRANT_MAPPING_BUSY is set, which one vCPU can do.
 */
#include <stdatomic.h>

#include <kr/heap.h>

#include "grant_internal.h"

#define CHANGE (1UL << 32)

/* ---- lists ------------------------------------------------------------------------------------
 */

static uint32_t list_pop(const struct grant_table *gt, _Atomic uint64_t *list)
{
    uint64_t head = atomic_load_explicit(list, memory_order_acquire), rest;

    do {
        if ((uint32_t)head == 0)
            return GRANT_HANDLE_NONE;
        /* Already somebody's: then what is read here means nothing, and the change is seen. */
        rest = __atomic_load_n(&grant_mapping_at(gt, (uint32_t)head - 1)->ref, __ATOMIC_RELAXED);
        rest |= (head & ~(CHANGE - 1)) + CHANGE;
    } while (!atomic_compare_exchange_weak_explicit(list, &head, rest, memory_order_acquire,
                                                    memory_order_acquire));
    return (uint32_t)head - 1;
}

/* Handles `first` to `last`, which are linked already but for the last one. */
static void list_push(const struct grant_table *gt, _Atomic uint64_t *list, uint32_t first,
                      uint32_t last)
{
    uint64_t head = atomic_load_explicit(list, memory_order_relaxed), now;

    do {
        __atomic_store_n(&grant_mapping_at(gt, last)->ref, (uint32_t)head, __ATOMIC_RELAXED);
        now = ((head & ~(CHANGE - 1)) + CHANGE) | (first + 1);
    } while (!atomic_compare_exchange_weak_explicit(list, &head, now, memory_order_release,
                                                    memory_order_relaxed));
}

/* ---- chunks -----------------------------------------------------------------------------------
 */

/* [m] One more chunk for this vCPU; its number, GRANT_HANDLE_NONE: limit or no memory. */
static uint32_t chunk_add(struct vcpu *v)
{
    struct grant_table *gt = v->domain->grants;
    struct domain_memory *memory = &v->domain->memory;
    struct grant_mapping *mappings;
    uint32_t number = gt->chunk_count;

    if (number == gt->chunk_max)
        return GRANT_HANDLE_NONE;
    if (gt->chunks == NULL)
        gt->chunks = heap_zalloc_array(memory, gt->chunk_max, sizeof(*gt->chunks));
    if (gt->chunks == NULL)
        return GRANT_HANDLE_NONE;
    mappings = heap_zalloc_array(memory, GRANT_MAPPING_CHUNK, sizeof(*mappings));
    if (mappings == NULL) {
        if (number == 0) {
            heap_free(gt->chunks);
            gt->chunks = NULL;
        }
        return GRANT_HANDLE_NONE;
    }
    for (uint32_t i = 0; i < GRANT_MAPPING_CHUNK; i++)
        mappings[i].ref = number * GRANT_MAPPING_CHUNK + i + 2; /* the next one's, plus 1 */
    gt->chunks[number] = (struct grant_chunk){.mappings = mappings, .home = v->id};
    __atomic_store_n(&gt->chunk_count, number + 1, __ATOMIC_RELEASE);
    return number;
}

/* The first handle of a new chunk; the others are the vCPU's free ones. */
static uint32_t handle_new(struct vcpu *v)
{
    struct grant_table *gt = v->domain->grants;
    uint32_t number, first;

    spin_lock(&gt->maptrack_lock);
    number = chunk_add(v);
    spin_unlock(&gt->maptrack_lock);
    if (number == GRANT_HANDLE_NONE)
        return GRANT_HANDLE_NONE;
    first = number * GRANT_MAPPING_CHUNK;
    list_push(gt, &v->grant_handles, first + 1, first + GRANT_MAPPING_CHUNK - 1);
    return first;
}

/* Bounded by the domain's vCPUs, and only at its limit. */
static uint32_t handle_of_others(struct vcpu *v)
{
    struct domain *d = v->domain;

    for (unsigned i = 1; i < d->vcpu_max; i++) {
        struct vcpu *other = domain_vcpu(d, (v->id + i) % d->vcpu_max);
        uint32_t handle =
            other != NULL ? list_pop(d->grants, &other->grant_handles) : GRANT_HANDLE_NONE;

        if (handle != GRANT_HANDLE_NONE)
            return handle;
    }
    return GRANT_HANDLE_NONE;
}

/* ---- handles ----------------------------------------------------------------------------------
 */

uint32_t grant_handle_alloc(struct vcpu *v)
{
    struct grant_table *gt = v->domain->grants;
    uint32_t handle = list_pop(gt, &v->grant_handles);

    if (handle == GRANT_HANDLE_NONE)
        handle = handle_new(v);
    if (handle == GRANT_HANDLE_NONE)
        handle = handle_of_others(v);
    if (handle != GRANT_HANDLE_NONE)
        __atomic_store_n(&grant_mapping_at(gt, handle)->flags, GRANT_MAPPING_BUSY,
                         __ATOMIC_RELAXED);
    return handle;
}

void grant_handle_set(struct domain *d, uint32_t handle, const struct grant_mapping *m)
{
    struct grant_table *gt = d->grants;
    struct grant_mapping *to = grant_mapping_at(gt, handle);

    to->owner_id = m->owner_id;
    __atomic_store_n(&to->ref, m->ref, __ATOMIC_RELAXED);
    __atomic_store_n(&to->flags, m->flags, __ATOMIC_RELEASE);
    if (m->flags == 0)
        list_push(gt, &domain_vcpu(d, gt->chunks[handle / GRANT_MAPPING_CHUNK].home)->grant_handles,
                  handle, handle);
}

bool grant_handle_claim(struct domain *d, uint32_t handle, struct grant_mapping *out)
{
    struct grant_table *gt = d->grants;
    struct grant_mapping *m;
    uint16_t flags;

    if (handle >= grant_handle_count(gt))
        return false;
    m = grant_mapping_at(gt, handle);
    flags = __atomic_load_n(&m->flags, __ATOMIC_RELAXED);
    do {
        if (flags == 0 || (flags & GRANT_MAPPING_BUSY))
            return false;
    } while (!__atomic_compare_exchange_n(&m->flags, &flags, flags | GRANT_MAPPING_BUSY, true,
                                          __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    *out = (struct grant_mapping){.owner_id = m->owner_id, .flags = flags, .ref = m->ref};
    return true;
}

uint32_t grant_mapping_count(const struct grant_table *gt)
{
    uint32_t count = 0;

    for (uint32_t handle = 0; handle < grant_handle_count(gt); handle++)
        count += __atomic_load_n(&grant_mapping_at(gt, handle)->flags, __ATOMIC_RELAXED) != 0;
    return count;
}
