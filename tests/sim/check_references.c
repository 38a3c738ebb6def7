/* SPDX-License-Identifier: MIT */
/*
 * The frame table against the recount: each frame has as many references as it has holders, and is
 * used as one thing at a time, by as many as its type word says.
 */
#include "recount.h"

#include <string.h>

/* The references that come with what a frame is. */
static void states_count(void)
{
    unsigned count;
    const struct tally *t = recount_tallies(&count);

    for (; count-- > 0; t++) {
        const struct page *p = page_of(t->mfn);

        if (p->state == PAGE_GUEST)
            recount_hold(t->mfn, PAGE_TYPE_NONE, "the owner, domain", p->owner, 0);
        if (p->type & PAGE_TYPE_PINNED)
            recount_hold(t->mfn, page_type_of(p->type), "its pin", 0, 0);
    }
}

static void all_count(void)
{
    states_count();
    holders_count();
    tables_count();
}

static const char *explain(mfn_t mfn)
{
    recount_explain(mfn);
    all_count();
    return recount_explanation();
}

/* What the hypervisor showed and shows no more stays writable for its last holders. */
static uint32_t type_count_of(const struct tally *t, const struct page *p)
{
    return t->type_count + (p->state == PAGE_DYING && alloc_was_exposed(t->mfn));
}

static uint32_t flags_of(const struct tally *t, uint32_t type_count)
{
    if (t->is_busy)
        return PAGE_TYPE_LOCKED;
    return type_count ? PAGE_TYPE_VALID : 0;
}

static void frame_check(const struct tally *t, const struct page *p)
{
    uint32_t count = t->is_busy ? 1 : type_count_of(t, p), word = p->type;

    if (p->refs != t->refs)
        RULE("references", false, "frame %#x (state %u, owner %u): %u references, %u found: %s",
             t->mfn, p->state, p->owner, p->refs, t->refs, explain(t->mfn));
    if ((word & PAGE_TYPE_COUNT_MASK) != count || (t->is_busy && t->type_count) ||
        (t->type_count && page_type_of(word) != t->type))
        RULE("types", false,
             "frame %#x (state %u, owner %u): type word %#x, found type %u %u times%s: %s", t->mfn,
             p->state, p->owner, word, t->type, t->type_count, t->is_busy ? ", busy" : "",
             explain(t->mfn));
    RULE("types", (word & (PAGE_TYPE_VALID | PAGE_TYPE_LOCKED)) == flags_of(t, count),
         "frame %#x (state %u, owner %u): type word %#x with %u holders%s", t->mfn, p->state,
         p->owner, word, count, t->is_busy ? ", busy" : "");
}

void check_references(void)
{
    unsigned count;
    const struct tally *t;

    all_count();
    for (t = recount_tallies(&count); count-- > 0; t++)
        if (page_state(page_of(t->mfn)) != PAGE_HV)
            frame_check(t, page_of(t->mfn));
}
