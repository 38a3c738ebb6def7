/* SPDX-License-Identifier: MIT */
/*
 * Frames as the rest of the hypervisor sees them: states, references, owners. The rules are told in
 * docs/memory.md; this file is the only one that changes a state.
 *
 * Why references need no lock: whoever wants one raises the count first, if it is not 0, and looks
 * at owner and state afterwards. A frame whose count is above 0 cannot change its owner, so what is
 * seen then stays true until the reference is dropped.
 */
#include <stdatomic.h>

#include <kr/arch.h>
#include <kr/errno.h>
#include <kr/log.h>
#include <kr/string.h>

#include "page_internal.h"

/* Far below the wrap, so that counts raised at the same time on all CPUs cannot reach it. */
#define PAGE_REFS_MAX 0x7fffffffU

struct page *page_table_base;
uint64_t page_section_bitmap[PAGE_SECTION_COUNT / 64];

/* [from][to]; DEVICE is left only at boot, when a range of RAM is described. */
static const bool page_transitions[PAGE_STATE_COUNT][PAGE_STATE_COUNT] = {
    [PAGE_FREE] = {[PAGE_HV] = true, [PAGE_DEVICE] = true},
    [PAGE_HV] = {[PAGE_FREE] = true, [PAGE_GUEST] = true, [PAGE_EXPOSED] = true},
    [PAGE_GUEST] = {[PAGE_DYING] = true, [PAGE_HV] = true},
    [PAGE_EXPOSED] = {[PAGE_DYING] = true},
    [PAGE_DYING] = {[PAGE_HV] = true},
    [PAGE_DEVICE] = {[PAGE_FREE] = true, [PAGE_HV] = true},
};

void page_state_set(struct page *p, enum page_state to)
{
    ASSERT(page_transitions[p->state][to]);
    __atomic_store_n(&p->state, to, __ATOMIC_RELEASE);
}

void page_zero(mfn_t mfn, unsigned order)
{
    for (mfn_t end = mfn + BIT(order); mfn < end; mfn++)
        arch_page_clear(frame_to_virt(mfn));
}

/* ---- boot -------------------------------------------------------------------------------------
 */

static bool section_is_valid(uint64_t section)
{
    return page_section_bitmap[section / 64] >> (section % 64) & 1;
}

static void frames_set_device(mfn_t first, mfn_t end)
{
    for (; first < end; first++)
        page_state_set(page_of(first), PAGE_DEVICE);
}

/*
 * The table is zeroed, which reads FREE and no block's head: right for the inside of the free
 * blocks to come. So only the edges of the range are written here.
 */
static void section_make_valid(uint64_t section, mfn_t first, mfn_t end)
{
    mfn_t section_first = section << PAGE_SECTION_SHIFT;
    mfn_t section_end = (section + 1) << PAGE_SECTION_SHIFT;

    page_section_bitmap[section / 64] |= BIT(section % 64);
    if (section_first < first)
        frames_set_device(section_first, first);
    if (section_end > end)
        frames_set_device(end, section_end);
}

void page_range_add(mfn_t first, uint64_t count, enum page_range_kind kind)
{
    mfn_t end = first + count;

    if (count == 0)
        return;
    ASSERT(end > first && end <= PAGE_NONE);
    for (uint64_t s = first >> PAGE_SECTION_SHIFT; s <= (end - 1) >> PAGE_SECTION_SHIFT; s++) {
        mfn_t from = MAX(first, s << PAGE_SECTION_SHIFT);
        mfn_t to = MIN(end, (s + 1) << PAGE_SECTION_SHIFT);

        if (!section_is_valid(s))
            section_make_valid(s, from, to);
        else
            for (mfn_t mfn = from; mfn < to; mfn++)
                page_state_set(page_of(mfn), PAGE_FREE);
    }
    page_total_add(first, count);
    if (kind == PAGE_RANGE_FREE)
        page_free_range_boot(first, count);
    else
        for (mfn_t mfn = first; mfn < end; mfn++)
            page_state_set(page_of(mfn), PAGE_HV);
}

/* ---- accounts ---------------------------------------------------------------------------------
 */

/* Lock held; tools and the domain itself ask without it. */
static void page_count_change(struct domain_memory *m, uint64_t by)
{
    __atomic_store_n(&m->page_count, m->page_count + by, __ATOMIC_RELAXED);
}

void domain_memory_init(struct domain_memory *m, uint16_t owner, uint64_t max_page_count)
{
    memset(m, 0, sizeof(*m));
    spin_lock_init(&m->lock, LOCK_RANK_MEMORY);
    m->owner = owner;
    m->first = m->last = PAGE_NONE;
    m->max_page_count = max_page_count;
}

void domain_memory_set_dying(struct domain_memory *m)
{
    spin_lock(&m->lock);
    m->dying = true;
    spin_unlock(&m->lock);
}

uint32_t domain_memory_first(struct domain_memory *m)
{
    spin_lock(&m->lock);
    uint32_t first = m->first;
    spin_unlock(&m->lock);
    return first;
}

bool domain_memory_await(struct domain_memory *m)
{
    spin_lock(&m->lock);
    ASSERT(m->dying && m->page_count == 0 && !m->is_awaited);
    bool awaits = m->dying_count > 0;
    m->is_awaited = awaits;
    spin_unlock(&m->lock);
    return awaits;
}

bool domain_memory_is_empty(struct domain_memory *m)
{
    spin_lock(&m->lock);
    bool empty = m->page_count == 0 && m->exposed_count == 0 && m->dying_count == 0 &&
                 atomic_load(&m->heap_bytes) == 0;
    spin_unlock(&m->lock);
    return empty;
}

static void list_append(struct domain_memory *m, struct page *p)
{
    uint32_t mfn = (uint32_t)page_mfn(p);

    p->next = PAGE_NONE;
    p->prev = m->last;
    if (m->last == PAGE_NONE)
        m->first = mfn;
    else
        page_of(m->last)->next = mfn;
    m->last = mfn;
}

static void list_remove(struct domain_memory *m, struct page *p)
{
    if (p->prev == PAGE_NONE)
        m->first = p->next;
    else
        page_of(p->prev)->next = p->next;
    if (p->next == PAGE_NONE)
        m->last = p->prev;
    else
        page_of(p->next)->prev = p->prev;
}

/* ---- ownership --------------------------------------------------------------------------------
 */

/* Publishes an HV frame to an owner; the count comes last, page_get() starts from it. */
static void page_publish(struct page *p, uint16_t owner, enum page_state state, uint32_t type)
{
    __atomic_store_n(&p->owner, owner, __ATOMIC_RELAXED);
    p->flush_epoch = 0;
    atomic_store_explicit(&p->type, type, memory_order_relaxed);
    page_state_set(p, state);
    atomic_store_explicit(&p->refs, 1, memory_order_release);
}

/* m->lock held, and the domain may have them. */
static void frames_give(struct domain_memory *m, mfn_t mfn, uint64_t count)
{
    page_count_change(m, count);
    for (struct page *p = page_of(mfn), *end = p + count; p < end; p++) {
        list_append(m, p);
        page_publish(p, m->owner, PAGE_GUEST, 0);
    }
}

int page_assign(struct domain_memory *m, mfn_t mfn, unsigned order)
{
    uint64_t count = BIT(order);
    int rc = 0;

    spin_lock(&m->lock);
    if (m->dying)
        rc = -ESRCH;
    else if (m->page_count + m->dying_count + m->traded_count + count > m->max_page_count)
        rc = -ENOSPC;
    else
        frames_give(m, mfn, count);
    spin_unlock(&m->lock);
    return rc;
}

int page_assign_traded(struct domain_memory *m, mfn_t mfn, unsigned order)
{
    uint64_t count = BIT(order);
    int rc = 0;

    spin_lock(&m->lock);
    ASSERT(m->traded_count >= count);
    m->traded_count -= count;
    if (m->dying)
        rc = -ESRCH;
    else
        frames_give(m, mfn, count);
    spin_unlock(&m->lock);
    return rc;
}

/* m->lock held: frames come to this owner and leave it only under it. Others may change hands now.
 */
static bool page_is_owned(const struct domain_memory *m, const struct page *p)
{
    return page_state(p) == PAGE_GUEST && __atomic_load_n(&p->owner, __ATOMIC_RELAXED) == m->owner;
}

int page_release(struct domain_memory *m, struct page *p)
{
    spin_lock(&m->lock);
    bool owned = page_is_owned(m, p);
    if (owned) {
        list_remove(m, p);
        page_count_change(m, -1UL);
        m->dying_count++;
        page_state_set(p, PAGE_DYING);
    }
    spin_unlock(&m->lock);
    if (!owned)
        return -EINVAL;
    page_put(p);
    return 0;
}

static int steal(struct domain_memory *m, struct page *p, bool is_traded)
{
    uint32_t only_owner = 1;
    int rc = 0;

    spin_lock(&m->lock);
    if (!page_is_owned(m, p)) {
        rc = -EINVAL;
    } else if (!atomic_compare_exchange_strong(&p->refs, &only_owner, 0)) {
        rc = -EBUSY;
    } else {
        list_remove(m, p);
        page_count_change(m, -1UL);
        m->traded_count += is_traded;
        page_state_set(p, PAGE_HV);
    }
    spin_unlock(&m->lock);
    if (rc == 0 && p->flush_epoch != 0)
        arch_tlb_sync(p->flush_epoch);
    return rc;
}

int page_steal(struct domain_memory *m, struct page *p)
{
    return steal(m, p, false);
}

int page_steal_traded(struct domain_memory *m, struct page *p)
{
    return steal(m, p, true);
}

void page_expose(struct domain_memory *m, mfn_t mfn, uint32_t type)
{
    spin_lock(&m->lock);
    m->exposed_count++;
    page_publish(page_of(mfn), m->owner, PAGE_EXPOSED, type);
    spin_unlock(&m->lock);
}

void page_conceal(struct domain_memory *m, mfn_t mfn)
{
    struct page *p = page_of(mfn);

    spin_lock(&m->lock);
    ASSERT(p->state == PAGE_EXPOSED && p->owner == m->owner);
    m->exposed_count--;
    m->dying_count++;
    page_state_set(p, PAGE_DYING);
    spin_unlock(&m->lock);
    page_put(p);
}

/* ---- references -------------------------------------------------------------------------------
 */

bool page_get_again(struct page *p)
{
    uint32_t refs = atomic_load_explicit(&p->refs, memory_order_relaxed);

    do {
        if (refs == 0 || refs >= PAGE_REFS_MAX)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&p->refs, &refs, refs + 1, memory_order_acquire,
                                                    memory_order_relaxed));
    return true;
}

bool page_get_any(struct page *p)
{
    if (!page_get_again(p))
        return false;

    enum page_state state = page_state(p);
    if (likely(state == PAGE_GUEST || state == PAGE_EXPOSED))
        return true;
    page_put(p);
    return false;
}

bool page_get(struct page *p, uint16_t owner)
{
    if (!page_get_any(p))
        return false;
    if (likely(p->owner == owner))
        return true;
    page_put(p);
    return false;
}

/* Nobody maps the frame any more: it may go to the free lists. */
static void page_clean(struct page *p)
{
    ASSERT(page_state(p) == PAGE_DYING);
    if (p->flush_epoch != 0)
        arch_tlb_sync(p->flush_epoch);
    page_state_set(p, PAGE_HV);
    page_zero(page_mfn(p), 0);
}

/* Frames of this domain have become free. */
static void page_count_gone(struct domain_memory *m, uint64_t count)
{
    spin_lock(&m->lock);
    ASSERT(m->dying_count >= count);
    m->dying_count -= count;
    bool was_awaited = m->is_awaited && m->dying_count == 0;
    if (was_awaited)
        m->is_awaited = false;
    spin_unlock(&m->lock);
    if (was_awaited)
        domain_memory_gone(m);
}

/* True: that was the last one. */
static bool page_drop(struct page *p)
{
    uint32_t old = atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel);

    ASSERT(old != 0);
    return old == 1;
}

void page_put(struct page *p)
{
    if (!page_drop(p))
        return;

    struct domain_memory *m = domain_memory_of(p->owner);
    page_clean(p);
    page_free_run(page_mfn(p), 1, true);
    page_count_gone(m, 1);
}

/* ---- a domain's end ---------------------------------------------------------------------------
 */

/* Takes up to `most` frames off the list and gives them up. They stay chained by `next`, and each
 * has the allocation's reference still. Returns the first; *count: how many. */
static uint32_t list_cut(struct domain_memory *m, uint64_t most, uint64_t *count)
{
    spin_lock(&m->lock);
    uint32_t first = m->first, mfn = first;
    for (*count = 0; mfn != PAGE_NONE && *count < most; ++*count) {
        struct page *p = page_of(mfn);

        page_state_set(p, PAGE_DYING);
        mfn = p->next;
    }
    m->first = mfn;
    if (mfn == PAGE_NONE)
        m->last = PAGE_NONE;
    else
        page_of(mfn)->prev = PAGE_NONE;
    page_count_change(m, -*count);
    m->dying_count += *count;
    spin_unlock(&m->lock);
    return first;
}

bool domain_memory_release(struct domain_memory *m, uint64_t most)
{
    uint64_t count, run = 0, gone = 0;
    uint32_t next = list_cut(m, most, &count);
    mfn_t run_first = 0;
    bool more = count == most;

    for (; count > 0; count--) {
        mfn_t mfn = next;
        struct page *p = page_of(mfn);

        next = p->next;
        if (!page_drop(p))
            continue;
        page_clean(p);
        gone++;
        if (mfn != run_first + run) {
            page_free_run(run_first, run, true);
            run_first = mfn;
            run = 0;
        }
        run++;
    }
    page_free_run(run_first, run, true);
    page_count_gone(m, gone);
    return more;
}
