/* SPDX-License-Identifier: MIT */
/*
 * See memory.h. The allocator is compiled in here, not linked, because a fresh machine needs its
 * static state cleared.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <kr/arch.h>
#include <kr/log.h>

#include "memory.h"

#define page_alloc       page_alloc_real
#define page_alloc_below page_alloc_below_real
#include "../../../core/page_buddy.c"
#undef page_alloc
#undef page_alloc_below

static mfn_t arena_end;
static char *arena;
static struct domain_memory *accounts[8];

void (*memory_fake_gone)(struct domain_memory *m);
unsigned memory_fake_syncs;
uint32_t memory_fake_sync_epoch;

static void *map_lazily(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    assert(p != MAP_FAILED);
    return p;
}

/* Whole sections: describing the first range of one writes the entries of all of it. */
static size_t table_bytes(void)
{
    return ALIGN_UP(arena_end, 1UL << PAGE_SECTION_SHIFT) * sizeof(struct page);
}

void memory_fake_start(mfn_t end)
{
    arena_end = end;
    arena = map_lazily(end * PAGE_SIZE);
    page_table_base = map_lazily(table_bytes());
    memset(page_section_bitmap, 0, sizeof(page_section_bitmap));
    memset(accounts, 0, sizeof(accounts));
    memory_fake_syncs = 0;
    memory_fake_fail_after(~0U);
    memset(zones, 0, sizeof(zones));
    zone_mask = 0;
    free_count = total_count = 0;
    ram_end = 0;
}

void memory_fake_stop(void)
{
    munmap(arena, arena_end * PAGE_SIZE);
    munmap(page_table_base, table_bytes());
}

void memory_fake_domain(struct domain_memory *m)
{
    assert(m->owner < ARRAY_SIZE(accounts));
    accounts[m->owner] = m;
}

struct domain_memory *domain_memory_of(uint16_t owner)
{
    assert(owner < ARRAY_SIZE(accounts) && accounts[owner] != NULL);
    return accounts[owner];
}

void domain_memory_gone(struct domain_memory *m)
{
    assert(memory_fake_gone != NULL);
    memory_fake_gone(m);
}

void *frame_to_virt(mfn_t mfn)
{
    assert(mfn < arena_end);
    return arena + mfn * PAGE_SIZE;
}

mfn_t virt_to_frame(const void *virt)
{
    return ((const char *)virt - arena) / PAGE_SIZE;
}

void arch_tlb_sync(uint32_t epoch)
{
    memory_fake_syncs++;
    memory_fake_sync_epoch = epoch;
}

/* ---- failing allocations ----------------------------------------------------------------------
 */

static _Atomic unsigned allocations_left = ~0U;

void memory_fake_fail_after(unsigned count)
{
    allocations_left = count;
}

mfn_t page_alloc_below(unsigned order, unsigned max_addr_bits, unsigned flags)
{
    if (allocations_left-- == 0)
        return MFN_INVALID;
    return page_alloc_below_real(order, max_addr_bits, flags);
}

mfn_t page_alloc(unsigned order, unsigned flags)
{
    if (allocations_left-- == 0)
        return MFN_INVALID;
    return page_alloc_real(order, flags);
}

/* ---- the checker ------------------------------------------------------------------------------
 */

static void check_known_zero(mfn_t mfn, unsigned order)
{
    static const char zero[PAGE_SIZE];

    for (mfn_t end = mfn + BIT(order); mfn < end; mfn++)
        assert(memcmp(frame_to_virt(mfn), zero, PAGE_SIZE) == 0);
}

static void check_block(const struct page *p, unsigned zone, unsigned order)
{
    mfn_t mfn = page_mfn(p);

    assert((p->order & PAGE_HEAD) && (p->order & PAGE_ORDER_BITS) == order);
    assert((mfn & (BIT(order) - 1)) == 0);
    assert(zone_of(mfn) == zone && zone_of(mfn + BIT(order) - 1) == zone);
    assert(block_buddy(mfn, order) == NULL);
    for (unsigned i = 0; i < BIT(order); i++) {
        assert(p[i].state == PAGE_FREE && p[i].refs == 0);
        assert(i == 0 || p[i].order == 0);
    }
    if (p->order & PAGE_KNOWN_ZERO)
        check_known_zero(mfn, order);
}

static uint64_t check_zone(unsigned n)
{
    const struct zone *z = &zones[n];
    uint64_t count = 0;

    assert((z->order_mask != 0) == (zone_mask >> n & 1));
    for (unsigned order = 0; order < ORDER_COUNT; order++) {
        uint32_t prev = PAGE_NONE;

        if (!(z->order_mask & BIT(order)))
            continue;
        for (uint32_t mfn = z->first[order]; mfn != PAGE_NONE; mfn = page_of(mfn)->next) {
            assert(page_of(mfn)->prev == prev);
            check_block(page_of(mfn), n, order);
            count += BIT(order);
            prev = mfn;
        }
        assert(prev != PAGE_NONE);
    }
    assert(count == z->free_count);
    return count;
}

static void check_account(const struct domain_memory *m)
{
    uint64_t count = 0;
    uint32_t prev = PAGE_NONE;

    for (uint32_t mfn = m->first; mfn != PAGE_NONE; mfn = page_of(mfn)->next) {
        const struct page *p = page_of(mfn);

        assert(p->prev == prev && p->state == PAGE_GUEST && p->owner == m->owner && p->refs > 0);
        prev = mfn;
        count++;
    }
    assert(m->last == prev && m->page_count == count);
    assert(m->page_count <= m->max_page_count);
}

void memory_fake_check(void)
{
    uint64_t counts[PAGE_STATE_COUNT];
    uint64_t free_found = 0, guest = 0, exposed = 0, dying = 0;

    for (unsigned n = 0; n < ZONE_COUNT; n++)
        free_found += check_zone(n);
    page_count_states(counts);
    assert(free_found == free_count && counts[PAGE_FREE] == free_count);
    for (unsigned i = 0; i < ARRAY_SIZE(accounts); i++) {
        if (accounts[i] == NULL)
            continue;
        check_account(accounts[i]);
        guest += accounts[i]->page_count;
        exposed += accounts[i]->exposed_count;
        dying += accounts[i]->dying_count;
    }
    assert(counts[PAGE_GUEST] == guest && counts[PAGE_EXPOSED] == exposed);
    assert(counts[PAGE_DYING] == dying);
    assert(free_count + counts[PAGE_HV] + guest + exposed + dying == total_count);
}
