/* SPDX-License-Identifier: MIT */
/*
 * Domains: the table of ids and references. A domain stays in the table, dying or not, until its
 * last reference is dropped, so that its id is not given away while anything of it remains.
 * What a domain's life consists of is in core/domain_life.c.
 */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/errno.h>
#include <kr/heap.h>
#include <kr/log.h>

#include <xen/xen.h>

#include <stdatomic.h>

#include "domain_internal.h"

#define LEAF_SHIFT 9 /* a page */
#define LEAF_SIZE  (1U << LEAF_SHIFT)
#define LEAF_COUNT (0x8000 >> LEAF_SHIFT)

struct domain *control_domain;

static struct spinlock list_lock = SPINLOCK_INIT(LOCK_RANK_DOMAIN_LIST);
/* By id, in two levels; a leaf is there while it has domains. Changed under the lock. */
static struct domain **leaves[LEAF_COUNT];
static uint16_t leaf_used[LEAF_COUNT]; /* list_lock */
/* Domains whose last reference has gone, linked by dead_next; any CPU may add. */
static struct domain *_Atomic dead;

/* Without the lock only for a domain that is known to stay, and its leaf with it. */
static struct domain *find(uint16_t id)
{
    struct domain **leaf = id < DOMAIN_ID_FIRST_RESERVED
                               ? __atomic_load_n(&leaves[id >> LEAF_SHIFT], __ATOMIC_ACQUIRE)
                               : NULL;

    return leaf ? __atomic_load_n(&leaf[id % LEAF_SIZE], __ATOMIC_ACQUIRE) : NULL;
}

/* The lowest id from `from` on that has a domain or, if `unused`, has none. */
static unsigned find_next(unsigned from, bool unused)
{
    unsigned id = from;

    while (id < DOMAIN_ID_FIRST_RESERVED && (find(id) == NULL) != unused)
        id = leaves[id >> LEAF_SHIFT] ? id + 1 : ALIGN_UP(id + 1, LEAF_SIZE);
    return MIN(id, (unsigned)DOMAIN_ID_FIRST_RESERVED);
}

int domain_table_insert(struct domain *d)
{
    unsigned n = d->id >> LEAF_SHIFT;
    struct domain **fresh = NULL;
    int rc = 0;

    spin_lock(&list_lock);
    if (!leaves[n]) {
        spin_unlock(&list_lock);
        fresh = heap_zalloc(LEAF_SIZE * sizeof(*fresh));
        spin_lock(&list_lock);
        if (!leaves[n] && fresh) {
            __atomic_store_n(&leaves[n], fresh, __ATOMIC_RELEASE);
            fresh = NULL;
        }
    }
    if (!leaves[n]) {
        rc = -ENOMEM;
    } else if (leaves[n][d->id % LEAF_SIZE]) {
        rc = -EEXIST;
    } else {
        __atomic_store_n(&leaves[n][d->id % LEAF_SIZE], d, __ATOMIC_RELEASE);
        leaf_used[n]++;
    }
    spin_unlock(&list_lock);
    heap_free(fresh);
    return rc;
}

void domain_table_remove(struct domain *d)
{
    unsigned n = d->id >> LEAF_SHIFT;
    struct domain **unneeded = NULL;

    spin_lock(&list_lock);
    __atomic_store_n(&leaves[n][d->id % LEAF_SIZE], NULL, __ATOMIC_RELEASE);
    if (--leaf_used[n] == 0) {
        unneeded = leaves[n];
        __atomic_store_n(&leaves[n], NULL, __ATOMIC_RELEASE);
    }
    spin_unlock(&list_lock);
    heap_free(unneeded);
}

bool domain_try_get(struct domain *d)
{
    uint32_t refs = atomic_load(&d->refs);

    while (refs != 0)
        if (atomic_compare_exchange_weak(&d->refs, &refs, refs + 1))
            return true;
    return false;
}

struct domain *domain_get(uint16_t id)
{
    struct domain *d;

    spin_lock(&list_lock);
    d = find(id);
    if (d && !domain_try_get(d))
        d = NULL;
    spin_unlock(&list_lock);
    return d;
}

struct domain *domain_get_by_guest_id(uint16_t id)
{
    struct domain *self = current_vcpu()->domain;

    if (id != DOMAIN_ID_SELF && id != self->id)
        return domain_get(id);
    return domain_try_get(self) ? self : NULL;
}

struct domain *domain_get_next(uint16_t id)
{
    struct domain *d = NULL;
    unsigned next = id;

    spin_lock(&list_lock);
    for (; !d && (next = find_next(next, false)) < DOMAIN_ID_FIRST_RESERVED; next++) {
        d = find(next);
        if (!domain_try_get(d))
            d = NULL;
    }
    spin_unlock(&list_lock);
    return d;
}

uint16_t domain_free_id(uint16_t from)
{
    unsigned id;

    spin_lock(&list_lock);
    id = find_next(from, true);
    spin_unlock(&list_lock);
    return id < DOMAIN_ID_FIRST_RESERVED ? id : DOMAIN_ID_INVALID;
}

/* The last reference may go anywhere, with locks held: freeing waits for cpu_do_work(). */
static void dead_push(struct domain *d)
{
    d->dead_next = atomic_load(&dead);
    while (!atomic_compare_exchange_weak(&dead, &d->dead_next, d))
        ;
    cpu_raise_work(this_cpu(), CPU_WORK_REAP);
}

void domain_put(struct domain *d)
{
    if (atomic_fetch_sub(&d->refs, 1) == 1)
        dead_push(d);
}

/* The frames were the domain's memory, which kept a reference to it (domain_destroy()), or what the
 * hypervisor showed of its own, which is taken from view after the last reference. */
void domain_memory_gone(struct domain_memory *m)
{
    struct domain *d = container_of(m, struct domain, memory);

    if (atomic_load(&d->refs) > 0)
        domain_put(d);
    else
        dead_push(d);
}

void domain_reap(void)
{
    struct domain *d = atomic_exchange(&dead, NULL);

    while (d) {
        struct domain *next = d->dead_next;

        if (domain_dismantle(d)) {
            ASSERT(domain_memory_is_empty(&d->memory));
            domain_table_remove(d);
            domain_free(d);
            event_raise_global_virq(VIRQ_DOM_EXC);
        }
        d = next;
    }
}

/* Frames of the hypervisor that control tools may map, by the number DOMID_XEN. */
struct domain_memory hypervisor_memory = {.lock = SPINLOCK_INIT(LOCK_RANK_MEMORY),
                                          .owner = DOMAIN_ID_XEN,
                                          .first = PAGE_NONE,
                                          .last = PAGE_NONE};

/* For core/page.c, with any lock held: a domain that has frames stays. */
struct domain_memory *domain_memory_of(uint16_t owner)
{
    return owner == DOMAIN_ID_XEN ? &hypervisor_memory : &find(owner)->memory;
}
