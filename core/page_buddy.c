/* SPDX-License-Identifier: MIT */
/*
 * The allocator of free frames: a buddy system by order and by zone.
 *
 * A zone is the set of frames whose addresses have the same number of significant bits, from 1 MiB
 * up: "below 2^n" is a set of whole zones, and taking the highest zone first keeps low memory for
 * those who need it. A naturally aligned block lies in one zone, except blocks at address 0, which
 * are kept from growing out of theirs. Lists are chained by frame number through struct page; bit
 * masks of non-empty lists make finding one a matter of two bit scans.
 */
#include <stdatomic.h>

#include <kr/arch.h>
#include <kr/log.h>

#include "page_internal.h"

#define ZONE_BITS_MIN 20 /* zone 0: below 1 MiB */
#define ZONE_BITS_MAX 44 /* the last zone: 32 bits of frame number */
#define ZONE_COUNT    (ZONE_BITS_MAX - ZONE_BITS_MIN + 1)
#define ORDER_COUNT   (PAGE_ORDER_MAX + 1)

struct zone {
    uint32_t first[ORDER_COUNT]; /* frame number of the first free block; valid if its bit is set */
    uint32_t order_mask;         /* orders with a free block */
    uint64_t free_count;         /* frames */
};

static struct spinlock buddy_lock = SPINLOCK_INIT(LOCK_RANK_HEAP);
/* All below: buddy_lock. */
static struct zone zones[ZONE_COUNT];
static uint32_t zone_mask; /* zones with a free block */
static uint64_t free_count, total_count;

/* Lock held; others read the counts without it. */
static void count_change(uint64_t *count, uint64_t by)
{
    __atomic_store_n(count, *count + by, __ATOMIC_RELAXED);
}
static mfn_t ram_end;

static unsigned zone_of(mfn_t mfn)
{
    unsigned mfn_bits = mfn == 0 ? 0 : 64 - __builtin_clzl(mfn);
    unsigned bits = mfn_bits + PAGE_SHIFT;

    return bits <= ZONE_BITS_MIN ? 0 : bits - ZONE_BITS_MIN;
}

/* ---- lists ------------------------------------------------------------------------------------
 */

static void block_insert(mfn_t mfn, unsigned order, bool known_zero)
{
    struct zone *z = &zones[zone_of(mfn)];
    struct page *p = page_of(mfn);
    bool empty = !(z->order_mask & BIT(order));

    p->order = order | PAGE_HEAD | (known_zero ? PAGE_KNOWN_ZERO : 0);
    p->prev = PAGE_NONE;
    p->next = empty ? PAGE_NONE : z->first[order];
    if (!empty)
        page_of(p->next)->prev = (uint32_t)mfn;
    z->first[order] = (uint32_t)mfn;
    z->order_mask |= BIT(order);
    count_change(&z->free_count, BIT(order));
    zone_mask |= BIT(z - zones);
}

static void block_remove(struct page *p)
{
    unsigned order = p->order & PAGE_ORDER_BITS;
    struct zone *z = &zones[zone_of(page_mfn(p))];

    if (p->next != PAGE_NONE)
        page_of(p->next)->prev = p->prev;
    if (p->prev != PAGE_NONE)
        page_of(p->prev)->next = p->next;
    else if (p->next != PAGE_NONE)
        z->first[order] = p->next;
    else
        z->order_mask &= ~BIT(order);
    count_change(&z->free_count, -BIT(order));
    if (z->order_mask == 0)
        zone_mask &= ~BIT(z - zones);
    p->order = 0;
}

/* The block's buddy if that is free as a whole and the two may be one. */
static struct page *block_buddy(mfn_t mfn, unsigned order)
{
    mfn_t buddy = mfn ^ BIT(order);

    if (order == PAGE_ORDER_MAX || !frame_is_valid(buddy) || zone_of(buddy) != zone_of(mfn))
        return NULL;

    struct page *p = page_of(buddy);
    return page_state(p) == PAGE_FREE && (p->order & ~PAGE_KNOWN_ZERO) == (order | PAGE_HEAD)
               ? p
               : NULL;
}

/* Inserts a block of FREE frames, joined with its free neighbours. */
static void block_free(mfn_t mfn, unsigned order, bool known_zero)
{
    struct page *buddy;

    count_change(&free_count, BIT(order));
    while ((buddy = block_buddy(mfn, order)) != NULL) {
        known_zero = known_zero && (buddy->order & PAGE_KNOWN_ZERO);
        block_remove(buddy);
        mfn &= ~BIT(order);
        order++;
    }
    block_insert(mfn, order, known_zero);
}

/* ---- freeing ----------------------------------------------------------------------------------
 */

void page_free_block(mfn_t mfn, unsigned order, bool known_zero)
{
    ASSERT(order <= PAGE_ORDER_MAX && (mfn & (BIT(order) - 1)) == 0);
    unsigned long flags = spin_lock_irqsave(&buddy_lock);
    for (struct page *p = page_of(mfn), *end = p + BIT(order); p < end; p++) {
        ASSERT(atomic_load_explicit(&p->refs, memory_order_relaxed) == 0);
        p->order = 0;
        page_state_set(p, PAGE_FREE);
    }
    block_free(mfn, order, known_zero);
    spin_unlock_irqrestore(&buddy_lock, flags);
}

void page_free(mfn_t mfn, unsigned order)
{
    page_free_block(mfn, order, false);
}

void page_free_scrubbed(mfn_t mfn, unsigned order)
{
    page_zero(mfn, order);
    page_free_block(mfn, order, true);
}

/* The order of the largest naturally aligned block at `mfn` with at most `count` frames. */
static unsigned block_order_at(mfn_t mfn, uint64_t count)
{
    unsigned order = 63 - __builtin_clzl(count);

    if (mfn != 0)
        order = MIN(order, (unsigned)__builtin_ctzl(mfn));
    order = MIN(order, PAGE_ORDER_MAX);
    /* At address 0 a block ends with its zone. */
    return mfn == 0 ? MIN(order, ZONE_BITS_MIN - PAGE_SHIFT) : order;
}

void page_free_run(mfn_t first, uint64_t count, bool known_zero)
{
    while (count > 0) {
        unsigned order = block_order_at(first, count);

        page_free_block(first, order, known_zero);
        first += BIT(order);
        count -= BIT(order);
    }
}

void page_free_range(mfn_t first, uint64_t count)
{
    page_free_run(first, count, false);
}

void page_free_range_boot(mfn_t first, uint64_t count)
{
    unsigned long flags = spin_lock_irqsave(&buddy_lock);
    while (count > 0) {
        unsigned order = block_order_at(first, count);

        block_free(first, order, false);
        first += BIT(order);
        count -= BIT(order);
    }
    spin_unlock_irqrestore(&buddy_lock, flags);
}

/* ---- allocating -------------------------------------------------------------------------------
 */

/* The zones that lie below 2^bits, as a mask. */
static uint32_t zones_below(unsigned bits)
{
    if (bits < ZONE_BITS_MIN)
        return 0;
    if (bits > ZONE_BITS_MAX)
        bits = ZONE_BITS_MAX;
    return (2U << (bits - ZONE_BITS_MIN)) - 1;
}

/* The smallest free block that is large enough, in the highest of the permitted zones. */
static struct page *block_find(unsigned order, uint32_t permitted_zones)
{
    uint32_t candidates = zone_mask & permitted_zones;

    while (candidates != 0) {
        unsigned n = 31 - __builtin_clz(candidates);
        uint32_t orders = zones[n].order_mask & ~(uint32_t)(BIT(order) - 1);

        if (orders != 0)
            return page_of(zones[n].first[__builtin_ctz(orders)]);
        candidates &= ~(1U << n);
    }
    return NULL;
}

/* Takes the upper end of a free block. */
static mfn_t block_take(struct page *p, unsigned order, bool *known_zero)
{
    unsigned have = p->order & PAGE_ORDER_BITS;
    mfn_t mfn = page_mfn(p);

    *known_zero = p->order & PAGE_KNOWN_ZERO;
    block_remove(p);
    count_change(&free_count, -BIT(order));
    while (have > order) {
        have--;
        block_insert(mfn, have, *known_zero);
        mfn += BIT(have);
    }
    for (p = page_of(mfn); p < page_of(mfn + BIT(order)); p++)
        page_state_set(p, PAGE_HV);
    return mfn;
}

mfn_t page_alloc_below(unsigned order, unsigned max_addr_bits, unsigned flags)
{
    bool known_zero;
    mfn_t mfn;

    if (order > PAGE_ORDER_MAX)
        return MFN_INVALID;

    unsigned long irq = spin_lock_irqsave(&buddy_lock);
    struct page *p = block_find(order, zones_below(max_addr_bits));
    if (p != NULL)
        mfn = block_take(p, order, &known_zero);
    spin_unlock_irqrestore(&buddy_lock, irq);
    if (p == NULL)
        return MFN_INVALID;
    if ((flags & PAGE_ZERO) && !known_zero)
        page_zero(mfn, order);
    return mfn;
}

mfn_t page_alloc(unsigned order, unsigned flags)
{
    unsigned bits = flags & PAGE_BELOW_16M ? 24 : flags & PAGE_BELOW_4G ? 32 : ZONE_BITS_MAX;

    return page_alloc_below(order, bits, flags);
}

/* ---- counters ---------------------------------------------------------------------------------
 */

void page_total_add(mfn_t first, uint64_t count)
{
    total_count += count;
    ram_end = MAX(ram_end, first + count);
}

uint64_t page_total_count(void)
{
    return total_count;
}

uint64_t page_free_count(void)
{
    return __atomic_load_n(&free_count, __ATOMIC_RELAXED);
}

uint64_t page_free_count_below(unsigned max_addr_bits)
{
    uint64_t count = 0;

    for (unsigned bits = ZONE_BITS_MIN; bits <= MIN(max_addr_bits, ZONE_BITS_MAX); bits++)
        count += __atomic_load_n(&zones[bits - ZONE_BITS_MIN].free_count, __ATOMIC_RELAXED);
    return count;
}

mfn_t page_end(void)
{
    return ram_end;
}

void page_count_states(uint64_t counts[PAGE_STATE_COUNT])
{
    for (unsigned s = 0; s < PAGE_STATE_COUNT; s++)
        counts[s] = 0;
    for (mfn_t mfn = 0; mfn < ram_end; mfn++) {
        if (frame_is_valid(mfn))
            counts[page_state(page_of(mfn))]++;
        else
            mfn |= BIT(PAGE_SECTION_SHIFT) - 1;
    }
}
