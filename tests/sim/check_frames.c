/* SPDX-License-Identifier: MIT */
/*
 * Every frame of RAM is in one state, the free ones are in the free lists in one place each, and
 * the counts of each domain are those of its frames. Free blocks are passed over as a whole.
 */
#include "recount.h"

#include <kr/memory.h>
#include <sim/machine.h>
#include <x86/map.h>
#include <x86/pte.h>

#include <string.h>

#include "../../core/page_internal.h"

#define ZONES        25 /* below 2^20 bytes, and each further bit up to 2^44 */
#define ORDERS       (PAGE_ORDER_MAX + 1)
#define THOROUGH_MAX (GIB >> PAGE_SHIFT)

/* The free blocks of one zone and order: a list. */
struct blocks {
    uint64_t count, first_count;
    mfn_t first;
};
static struct blocks lists[ZONES][ORDERS];
static uint64_t state_count[PAGE_STATE_COUNT], shown_to_nobody_count;

/* Frames below 1 MiB are one zone; from there on each further bit begins one. */
static unsigned zone_of(mfn_t mfn)
{
    return mfn < MIB >> PAGE_SHIFT ? 0 : 64 - __builtin_clzl(mfn) - (20 - PAGE_SHIFT);
}

/* ---- free blocks ------------------------------------------------------------------------------
 */

static bool is_head(mfn_t mfn, unsigned order)
{
    const struct page *p;

    if (!frame_is_valid(mfn))
        return false;
    p = page_of(mfn);
    return page_state(p) == PAGE_FREE && (p->order & PAGE_HEAD) &&
           (p->order & PAGE_ORDER_BITS) == order;
}

static void neighbour_check(mfn_t mfn, unsigned order, uint32_t other, bool is_next)
{
    const struct page *p;

    if (other == PAGE_NONE)
        return;
    RULE("free lists", is_head(other, order) && zone_of(other) == zone_of(mfn),
         "free block %#lx of order %u: its neighbour %#x is no block of its list", mfn, order,
         other);
    p = page_of(other);
    RULE("free lists", (is_next ? p->prev : p->next) == mfn,
         "free block %#lx of order %u: its %s %#x says %#x", mfn, order,
         is_next ? "next" : "previous", other, is_next ? p->prev : p->next);
}

/* Poisoned for everybody else. */
__attribute__((no_sanitize("address"))) static bool is_zero(mfn_t mfn, uint64_t count)
{
    const uint64_t *words = frame_to_virt(mfn);
    uint64_t any = 0;

    for (uint64_t i = 0; i < count * (PAGE_SIZE / sizeof(*words)); i++)
        any |= words[i];
    return any == 0;
}

static void block_inside_check(mfn_t mfn, unsigned order)
{
    const struct page *head = page_of(mfn);

    for (mfn_t inside = mfn + 1; inside < mfn + BIT(order); inside++) {
        const struct page *p = page_of(inside);

        RULE("free lists", page_state(p) == PAGE_FREE && p->order == 0 && p->refs == 0,
             "frame %#lx in the free block %#lx of order %u: state %u, order %#x, %u references",
             inside, mfn, order, p->state, p->order, p->refs);
    }
    RULE("free lists", !(head->order & PAGE_KNOWN_ZERO) || is_zero(mfn, BIT(order)),
         "free block %#lx of order %u should be zero and is not", mfn, order);
}

/* Returns its frames. */
static uint64_t block_check(mfn_t mfn, mfn_t end, bool is_thorough)
{
    const struct page *p = page_of(mfn);
    unsigned order = p->order & PAGE_ORDER_BITS;
    struct blocks *list;

    RULE("free lists", (p->order & PAGE_HEAD) && order < ORDERS && mfn % BIT(order) == 0,
         "free frame %#lx: order %#x is in no free block", mfn, p->order);
    RULE("free lists", mfn + BIT(order) <= end && zone_of(mfn) == zone_of(mfn + BIT(order) - 1),
         "free block %#lx of order %u does not end with its memory or zone", mfn, order);
    RULE("free lists", p->refs == 0, "free frame %#lx: %u references", mfn, p->refs);
    RULE("free lists",
         order == PAGE_ORDER_MAX || !is_head(mfn ^ BIT(order), order) ||
             zone_of(mfn) != zone_of(mfn ^ BIT(order)),
         "free block %#lx of order %u is not joined with its other half", mfn, order);
    neighbour_check(mfn, order, p->next, true);
    neighbour_check(mfn, order, p->prev, false);
    list = &lists[zone_of(mfn)][order];
    list->count++;
    if (p->prev == PAGE_NONE) {
        list->first = mfn;
        list->first_count++;
    }
    if (is_thorough || order < 3)
        block_inside_check(mfn, order);
    return BIT(order);
}

static void list_check(const struct blocks *list, unsigned zone, unsigned order)
{
    uint64_t count = 0;

    RULE("free lists", list->first_count == (list->count != 0),
         "zone %u order %u: %lu blocks begin the list of %lu", zone, order, list->first_count,
         list->count);
    for (uint32_t mfn = (uint32_t)list->first; list->count && mfn != PAGE_NONE;
         mfn = page_of(mfn)->next)
        count++;
    RULE("free lists", count == list->count, "zone %u order %u: %lu blocks, %lu in the list", zone,
         order, list->count, count);
}

static void lists_check(void)
{
    uint64_t below = 0;

    for (unsigned zone = 0; zone < ZONES; zone++) {
        for (unsigned order = 0; order < ORDERS; order++) {
            list_check(&lists[zone][order], zone, order);
            below += lists[zone][order].count << order;
        }
        RULE("free count", page_free_count_below(zone + 20) == below,
             "%lu frames are free below 2^%u, %lu counted", below, zone + 20,
             page_free_count_below(zone + 20));
    }
    RULE("free count", page_free_count() == below && below == state_count[PAGE_FREE],
         "%lu frames are free, %lu counted", below, page_free_count());
}

/* ---- all frames -------------------------------------------------------------------------------
 */

/* A frame of the M2P that nobody has mapped: there are 512 for each GiB, and mostly all are so. */
static bool is_shown_to_nobody(const struct page *p)
{
    return p->state == PAGE_EXPOSED && p->owner == DOMAIN_ID_XEN && p->refs == 1 &&
           p->type == page_type_held(PAGE_TYPE_READ_ONLY);
}

static void frame_check(mfn_t mfn)
{
    const struct page *p = page_of(mfn);
    enum page_state state = page_state(p);

    if (is_shown_to_nobody(p)) {
        shown_to_nobody_count++;
        return;
    }
    RULE("states",
         state == PAGE_HV || state == PAGE_GUEST || state == PAGE_EXPOSED || state == PAGE_DYING,
         "frame %#lx of RAM is in state %u", mfn, state);
    RULE("states", (p->refs == 0) == (state == PAGE_HV), "frame %#lx in state %u: %u references",
         mfn, state, p->refs);
    RULE("states", p->order == 0, "frame %#lx in state %u: order %#x", mfn, state, p->order);
    state_count[state]++;
    recount_add(mfn);
}

static bool is_bios(mfn_t mfn)
{
    return mfn >= SIM_BIOS_START >> PAGE_SHIFT && mfn < SIM_BIOS_END >> PAGE_SHIFT;
}

static void range_check(const struct sim_ram_range *r, bool is_thorough)
{
    mfn_t mfn = r->start >> PAGE_SHIFT, end = (r->start + r->size_bytes) >> PAGE_SHIFT;

    while (mfn < end) {
        if (is_bios(mfn)) {
            RULE("states", page_state(page_of(mfn)) == PAGE_DEVICE,
                 "frame %#lx of the BIOS is in state %u", mfn, page_state(page_of(mfn)));
            mfn++;
        } else if (page_state(page_of(mfn)) == PAGE_FREE) {
            uint64_t count = block_check(mfn, end, is_thorough);

            state_count[PAGE_FREE] += count;
            mfn += count;
        } else {
            frame_check(mfn++);
        }
    }
}

static void ram_check(bool is_thorough)
{
    const struct sim_config *c = sim_machine_config();
    uint64_t total = -((SIM_BIOS_END - SIM_BIOS_START) >> PAGE_SHIFT);

    for (unsigned i = 0; i < c->ram_count; i++)
        total += c->ram[i].size_bytes >> PAGE_SHIFT;
    RULE("total", page_total_count() == total, "%lu frames of RAM, %lu counted", total,
         page_total_count());
    for (unsigned i = 0; i < c->ram_count; i++)
        range_check(&c->ram[i], is_thorough && total <= THOROUGH_MAX);
    lists_check();
}

/* ---- domains ----------------------------------------------------------------------------------
 */

/* What was seen at the last pause, by id. */
static struct {
    uint64_t created_ns, page_count, max_page_count;
} before[64];

static void list_walk(const struct domain_memory *m)
{
    uint32_t prev = PAGE_NONE;
    uint64_t count = 0;

    for (uint32_t mfn = m->first; mfn != PAGE_NONE; prev = mfn, mfn = page_of(mfn)->next) {
        struct tally *t = recount_find(mfn);
        const struct page *p = page_of(mfn);

        RULE("domain's list", t && page_state(p) == PAGE_GUEST && p->owner == m->owner,
             "d%u: frame %#x in its list is not its memory (state %u, owner %u)", m->owner, mfn,
             t ? p->state : PAGE_FREE, t ? p->owner : 0);
        RULE("domain's list", !t->is_listed, "d%u: frame %#x is in the list twice", m->owner, mfn);
        RULE("domain's list", p->prev == prev, "d%u: frame %#x says %#x is before it, not %#x",
             m->owner, mfn, p->prev, prev);
        t->is_listed = true;
        count++;
    }
    RULE("domain's list", m->last == prev, "d%u: the list ends with %#x, not %#x", m->owner, prev,
         m->last);
    RULE("domain's list", m->page_count == count, "d%u: %lu frames in the list, %lu counted",
         m->owner, count, m->page_count);
}

/* Their frames by state, in the order of recount_domains(), the hypervisor's own account last. */
static uint64_t owned[RECOUNT_DOMAINS_MAX + 1][PAGE_STATE_COUNT];

static void owned_count(void)
{
    unsigned count, domain_count, last = 0;
    const struct tally *t = recount_tallies(&count);
    struct domain *const *d = recount_domains(&domain_count);

    memset(owned, 0, (domain_count + 1) * sizeof(owned[0]));
    for (; count-- > 0; t++) {
        const struct page *p = page_of(t->mfn);

        if (p->state == PAGE_HV)
            continue;
        if (p->owner == DOMAIN_ID_XEN)
            last = domain_count;
        else if (last == domain_count || d[last]->id != p->owner)
            for (last = 0; last < domain_count && d[last]->id != p->owner; last++)
                ;
        RULE("owners", last < domain_count || p->owner == DOMAIN_ID_XEN,
             "frame %#x in state %u belongs to d%u, which there is not", t->mfn, p->state,
             p->owner);
        owned[last][p->state]++;
    }
}

static void account_check(const struct domain_memory *m, const uint64_t *states)
{
    list_walk(m);
    RULE("domain's frames", m->page_count == states[PAGE_GUEST], "d%u: %lu frames, %lu counted",
         m->owner, states[PAGE_GUEST], m->page_count);
    RULE("domain's frames", m->exposed_count == states[PAGE_EXPOSED],
         "d%u: %lu frames exposed, %lu counted", m->owner, states[PAGE_EXPOSED], m->exposed_count);
    RULE("domain's frames", m->dying_count == states[PAGE_DYING],
         "d%u: %lu frames dying, %lu counted", m->owner, states[PAGE_DYING], m->dying_count);
    RULE("domain's frames", m->traded_count == 0, "d%u: %lu frames are owed to it", m->owner,
         m->traded_count);
}

/* A domain's memory only grows within its limit, which the control domain may lower at any time. */
static void limit_check(const struct domain *d)
{
    const struct domain_memory *m = &d->memory;
    unsigned i = d->id % ARRAY_SIZE(before);

    if (before[i].created_ns == d->created_ns && before[i].max_page_count == m->max_page_count)
        RULE("limit", m->page_count <= MAX(m->max_page_count, before[i].page_count),
             "d%u: %lu frames, %lu before, with a limit of %lu", d->id, m->page_count,
             before[i].page_count, m->max_page_count);
    before[i].created_ns = d->created_ns;
    before[i].page_count = m->page_count;
    before[i].max_page_count = m->max_page_count;
}

static uint64_t m2p_frames(void)
{
    uint64_t frames = 0;

    for (unsigned i = 0; i < m2p_chunk_count(); i++)
        frames += m2p_chunk(i) != MFN_INVALID ? PTES_PER_TABLE : 0;
    return frames;
}

static void domains_check(void)
{
    unsigned count;
    struct domain *const *d = recount_domains(&count);
    uint64_t claimed = 0;

    owned_count();
    owned[count][PAGE_EXPOSED] += shown_to_nobody_count;
    account_check(&hypervisor_memory, owned[count]);
    RULE("M2P", owned[count][PAGE_EXPOSED] == m2p_frames(), "%lu frames of %lu are shown as M2P",
         owned[count][PAGE_EXPOSED], m2p_frames());
    for (unsigned i = 0; i < count; i++) {
        account_check(&d[i]->memory, owned[i]);
        limit_check(d[i]);
        claimed += d[i]->claimed_pages;
        RULE("claims", !d[i]->claimed_pages || d[i]->destroy_step == 0,
             "d%u is being destroyed and claims %lu frames", d[i]->id, d[i]->claimed_pages);
    }
    RULE("claims", memory_claimed_total() == claimed, "%lu frames are claimed, %lu counted",
         claimed, memory_claimed_total());
}

void check_frames_start(void)
{
    memset(before, 0, sizeof(before));
}

void check_frames(bool is_thorough)
{
    memset(lists, 0, sizeof(lists));
    memset(state_count, 0, sizeof(state_count));
    shown_to_nobody_count = 0;
    recount_reset();
    recount_domains_find();
    ram_check(is_thorough);
    domains_check();
}
