/* SPDX-License-Identifier: MIT */
/* See domains.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/errno.h>
#include <kr/hypercall.h>

#include <stdatomic.h>
#include <xen/xen.h>

#include <xen/grant_table.h>

#include "domains.h"
#include "heap.h"
#include "memory.h"

#define RAM_FIRST     0x100
#define RAM_COUNT     0x700
#define MAPPING_COUNT 4096
#define TYPE_SPECIAL  0x80000000U

_Thread_local struct cpu fake_cpu;

static struct domain *domains[DOMAINS_FAKE_MAX];
static struct domain_memory no_memory[DOMAINS_FAKE_MAX];
static struct fake_mapping mappings[MAPPING_COUNT];
static uint64_t free_frames_at_start;
static unsigned heap_objects_at_start, yield_calls;

struct domain *control_domain;
unsigned domains_fake_yield_every;
long domains_fake_access_fail_after = -1;
int domains_fake_pirq_owner[DOMAINS_FAKE_PIRQS];
int domains_fake_pirq_error;
uint64_t domains_fake_unmappable_addr;
unsigned domains_fake_unflushed;
uint64_t domains_fake_written_back;
uint64_t domains_fake_gfns[RAM_FIRST + RAM_COUNT];

/* ---- life ------------------------------------------------------------------------------------ */

void domains_fake_start(void)
{
    memory_fake_start(RAM_FIRST + RAM_COUNT);
    page_range_add(RAM_FIRST, RAM_COUNT, PAGE_RANGE_FREE);
    memset(&fake_cpu, 0, sizeof(fake_cpu));
    memset(domains, 0, sizeof(domains));
    memset(mappings, 0, sizeof(mappings));
    for (unsigned i = 0; i < DOMAINS_FAKE_PIRQS; i++)
        domains_fake_pirq_owner[i] = -1;
    domains_fake_pirq_error = 0;
    domains_fake_yield_every = 0;
    domains_fake_access_fail_after = -1;
    domains_fake_unmappable_addr = 0;
    domains_fake_unflushed = 0;
    free_frames_at_start = page_free_count();
    heap_objects_at_start = fake_heap_live_count;
    fake_heap_fail_after(~0U);
}

/* Frees those of which nobody holds a frame any more. */
static void domains_reap(void)
{
    for (unsigned id = 0; id < DOMAINS_FAKE_MAX; id++) {
        struct domain *d = domains[id];

        if (d == NULL || d->shared_info != NULL || !domain_memory_is_empty(&d->memory))
            continue;
        /* The checker still wants an account for this id. */
        domain_memory_init(&no_memory[id], id, 0);
        memory_fake_domain(&no_memory[id]);
        domains[id] = NULL;
        if (control_domain == d)
            control_domain = NULL;
        free(d);
    }
}

void domains_fake_stop(void)
{
    domains_reap();
    for (unsigned i = 0; i < DOMAINS_FAKE_MAX; i++)
        assert(domains[i] == NULL);
    assert(fake_locks_held == 0);
    assert(domains_fake_mapping_count() == 0 && domains_fake_unflushed == 0);
    memory_fake_check();
    assert(page_free_count() == free_frames_at_start);
    assert(fake_heap_live_count == heap_objects_at_start);
    memory_fake_stop();
}

struct domain *domains_fake_add(uint16_t id, unsigned vcpu_count)
{
    struct domain *d = calloc(1, sizeof(*d));
    mfn_t mfn = page_alloc(0, PAGE_ZERO);

    domains_reap();
    assert(id < DOMAINS_FAKE_MAX && domains[id] == NULL && mfn != MFN_INVALID);
    domains[id] = d;
    d->id = id;
    d->refs = 1;
    d->is_privileged = id == 0;
    if (id == 0)
        control_domain = d;
    spin_lock_init(&d->lock, LOCK_RANK_DOMAIN);
    domain_memory_init(&d->memory, id, 100000);
    memory_fake_domain(&d->memory);
    d->shared_info = frame_to_virt(mfn);
    arch_frame_expose(d, mfn);
    d->vcpu_max = DOMAINS_FAKE_VCPU;
    d->vcpus = calloc(d->vcpu_max, sizeof(*d->vcpus));
    for (unsigned i = 0; i < vcpu_count; i++) {
        struct fake_vcpu *fv = calloc(1, sizeof(*fv));

        fv->v.domain = d;
        fv->v.id = i;
        fv->v.info = &d->shared_info->vcpu_info[i];
        d->vcpus[i] = &fv->v;
    }
    assert(event_domain_init(d, EVENT_PORT_COUNT_MAX) == 0);
    assert(grant_domain_init(d, 8, 4, 2) == 0);
    return d;
}

/* The last reference has gone. */
static void domain_dismantle_fake(struct domain *d)
{
    for (unsigned i = 0; i < d->vcpu_max; i++) {
        if (d->vcpus[i] == NULL)
            continue;
        event_vcpu_fini(d->vcpus[i]);
        free(container_of(d->vcpus[i], struct fake_vcpu, v));
    }
    free(d->vcpus);
    d->vcpus = NULL;
    d->vcpu_max = 0;
    arch_frame_conceal(d, virt_to_frame(d->shared_info));
    d->shared_info = NULL;
    event_domain_free(d);
    grant_domain_free(d);
    assert(d->memory.heap_bytes == 0);
}

void domains_fake_remove(struct domain *d)
{
    d->is_dying = true;
    domain_memory_set_dying(&d->memory);
    while (event_domain_fini(d) == -ERESTART)
        ;
    while (grant_domain_fini(d) == -ERESTART)
        ;
    for (unsigned i = 0; i < MAPPING_COUNT; i++)
        if (mappings[i].addr != 0 && mappings[i].domain == d->id)
            domains_fake_zap(d, mappings[i].addr);
    while (domain_memory_first(&d->memory) != PAGE_NONE)
        assert(page_release(&d->memory, page_of(domain_memory_first(&d->memory))) == 0);
    domain_put(d);
    domains_reap();
}

mfn_t domains_fake_page(struct domain *d)
{
    mfn_t mfn = page_alloc(0, PAGE_ZERO);

    assert(mfn != MFN_INVALID && page_assign(&d->memory, mfn, 0) == 0);
    return mfn;
}

struct domain *domain_get(uint16_t id)
{
    struct domain *d = id < DOMAINS_FAKE_MAX ? domains[id] : NULL;

    return d != NULL && domain_try_get(d) ? d : NULL;
}

struct domain *domain_get_by_guest_id(uint16_t id)
{
    return domain_get(id == DOMAIN_ID_SELF ? current_vcpu()->domain->id : id);
}

struct domain *domain_get_next(uint16_t id)
{
    for (; id < DOMAINS_FAKE_MAX; id++)
        if (domains[id] != NULL && domain_try_get(domains[id]))
            return domains[id];
    return NULL;
}

bool domain_try_get(struct domain *d)
{
    if (d->refs == 0)
        return false;
    d->refs++;
    return true;
}

void domain_put(struct domain *d)
{
    assert(d->refs > 0);
    if (--d->refs == 0)
        domain_dismantle_fake(d);
}

/* ---- scheduling ------------------------------------------------------------------------------ */

void domains_fake_run(struct vcpu *v)
{
    fake_cpu.current = v;
}

void vcpu_kick(struct vcpu *v)
{
    __atomic_fetch_add(&container_of(v, struct fake_vcpu, v)->kicks, 1, __ATOMIC_SEQ_CST);
}

void vcpu_start(struct vcpu *v, uint32_t reason)
{
    v->sched.stop &= ~reason;
    __atomic_fetch_add(&container_of(v, struct fake_vcpu, v)->starts, 1, __ATOMIC_SEQ_CST);
}

void vcpu_stop(struct vcpu *v, uint32_t reason)
{
    v->sched.stop |= reason;
}

unsigned domains_fake_kicks(struct vcpu *v)
{
    struct fake_vcpu *fv = container_of(v, struct fake_vcpu, v);
    unsigned kicks = fv->kicks;

    fv->kicks = 0;
    return kicks;
}

unsigned domains_fake_starts(struct vcpu *v)
{
    struct fake_vcpu *fv = container_of(v, struct fake_vcpu, v);
    unsigned starts = fv->starts;

    fv->starts = 0;
    return starts;
}

bool hypercall_should_yield(void)
{
    return domains_fake_yield_every != 0 && ++yield_calls % domains_fake_yield_every == 0;
}

/* ---- the port -------------------------------------------------------------------------------- */

static bool access_fails(uint64_t guest_addr)
{
    if (guest_addr < DOMAINS_FAKE_BAD_ADDR || domains_fake_access_fail_after == 0)
        return true;
    if (domains_fake_access_fail_after > 0)
        domains_fake_access_fail_after--;
    return false;
}

int arch_guest_read(void *dst, uint64_t guest_addr, size_t size_bytes)
{
    if (access_fails(guest_addr))
        return -EFAULT;
    memcpy(dst, (const void *)guest_addr, size_bytes);
    return 0;
}

int arch_guest_write(uint64_t guest_addr, const void *src, size_t size_bytes)
{
    if (access_fails(guest_addr))
        return -EFAULT;
    memcpy((void *)guest_addr, src, size_bytes);
    return 0;
}

void domains_fake_set_special(mfn_t mfn, bool special)
{
    page_of(mfn)->type = special ? TYPE_SPECIAL : 0;
}

unsigned domains_fake_writable_count(mfn_t mfn)
{
    return page_of(mfn)->type;
}

void arch_cache_write_back(const void *start, size_t size_bytes)
{
    assert((uintptr_t)start % PAGE_SIZE + size_bytes <= PAGE_SIZE);
    domains_fake_written_back += size_bytes;
}

void arch_frame_set_gfn(mfn_t mfn, uint64_t gfn)
{
    domains_fake_gfns[mfn] = gfn;
}

mfn_t arch_frame_lookup(struct domain *d, uint64_t gfn)
{
    return frame_is_valid(gfn) ? gfn : MFN_INVALID;
}

mfn_t arch_frame_pin_writable(struct domain *d, uint64_t gfn)
{
    struct page *page = page_get_frame(gfn, d->id);

    if (page == NULL)
        return MFN_INVALID;
    if (page->type & TYPE_SPECIAL) {
        page_put(page);
        return MFN_INVALID;
    }
    page->type++;
    return gfn;
}

void arch_frame_unpin(mfn_t mfn)
{
    assert((page_of(mfn)->type & ~TYPE_SPECIAL) != 0);
    page_of(mfn)->type--;
    page_put(page_of(mfn));
}

void arch_frame_expose(struct domain *d, mfn_t mfn)
{
    page_expose(&d->memory, mfn, 0);
}

void arch_frame_conceal(struct domain *d, mfn_t mfn)
{
    page_conceal(&d->memory, mfn);
}

int arch_pirq_bind(struct domain *d, unsigned pirq, bool share)
{
    if (domains_fake_pirq_error != 0)
        return domains_fake_pirq_error;
    if (pirq >= DOMAINS_FAKE_PIRQS || domains_fake_pirq_owner[pirq] != -1)
        return -EBUSY;
    domains_fake_pirq_owner[pirq] = d->id;
    return 0;
}

void arch_pirq_unbind(struct domain *d, unsigned pirq)
{
    assert(domains_fake_pirq_owner[pirq] == d->id);
    domains_fake_pirq_owner[pirq] = -1;
}

void arch_pirq_follow(struct domain *d, unsigned pirq, struct vcpu *v)
{
    assert(v->domain == d && domains_fake_pirq_owner[pirq] == d->id);
}

static struct fake_mapping *mapping_find(uint16_t domain, uint64_t addr)
{
    for (unsigned i = 0; i < MAPPING_COUNT; i++)
        if (mappings[i].addr == addr && (addr == 0 || mappings[i].domain == domain))
            return &mappings[i];
    return NULL;
}

const struct fake_mapping *domains_fake_mapping(struct domain *d, uint64_t addr)
{
    return mapping_find(d->id, addr);
}

unsigned domains_fake_mapping_count(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < MAPPING_COUNT; i++)
        count += mappings[i].addr != 0;
    return count;
}

static void mapping_remove(struct fake_mapping *m)
{
    if (!m->readonly)
        page_of(m->mfn)->type--;
    page_put(page_of(m->mfn));
    m->addr = 0;
}

void domains_fake_zap(struct domain *d, uint64_t addr)
{
    mapping_remove(mapping_find(d->id, addr));
}

int arch_grant_map(struct vcpu *v, const struct arch_grant_map *map)
{
    struct fake_mapping *slot = mapping_find(0, 0);

    assert(slot != NULL && fake_locks_held == 0);
    if (map->host_addr == 0 || map->host_addr == domains_fake_unmappable_addr ||
        mapping_find(v->domain->id, map->host_addr) != NULL)
        return GNTST_bad_virt_addr;
    if (!map->readonly) {
        if (page_of(map->mfn)->type & TYPE_SPECIAL)
            return GNTST_general_error;
        page_of(map->mfn)->type++;
    }
    *slot = (struct fake_mapping){.domain = v->domain->id,
                                  .addr = map->host_addr,
                                  .mfn = map->mfn,
                                  .readonly = map->readonly,
                                  .contains_pte = map->contains_pte};
    return GNTST_okay;
}

int arch_grant_unmap(struct vcpu *v, const struct arch_grant_map *map, uint64_t new_addr)
{
    struct fake_mapping *m = mapping_find(v->domain->id, map->host_addr);

    assert(fake_locks_held == 0);
    if (m == NULL || m->mfn != map->mfn || m->readonly != map->readonly ||
        m->contains_pte != map->contains_pte)
        return GNTST_general_error;
    mapping_remove(m);
    domains_fake_unflushed++;
    return GNTST_okay;
}

void arch_grant_flush(struct domain *d)
{
    domains_fake_unflushed = 0;
}
