/* SPDX-License-Identifier: MIT */
/* Where the recount of memory keeps what it finds (recount.h). */
#include "recount.h"

#include <stdio.h>
#include <stdlib.h>

#define TALLIES_MAX (1U << 20)

/* Frame to tally; an entry counts if the tally it names says so. Both sparse. */
static uint32_t *number_of;
static struct tally *tallies;
static unsigned tally_count;

static struct domain *domains[RECOUNT_DOMAINS_MAX];
static unsigned domain_count;

static mfn_t explained = MFN_INVALID;
static char explanation[400];
static size_t explanation_length;

void check_memory_start(void)
{
    if (!tallies) {
        tallies = sparse_table_map(TALLIES_MAX * sizeof(*tallies));
        number_of = sparse_table_map((SIM_RAM_MAX >> PAGE_SHIFT) * sizeof(*number_of));
    }
    check_frames_start();
    check_heap_start();
}

void recount_reset(void)
{
    tally_count = 0;
    explained = MFN_INVALID;
}

struct tally *recount_add(mfn_t mfn)
{
    struct tally *t = &tallies[tally_count];

    if (tally_count == TALLIES_MAX)
        abort();
    *t = (struct tally){.mfn = mfn};
    number_of[mfn] = tally_count++;
    return t;
}

struct tally *recount_find(mfn_t mfn)
{
    uint32_t number;

    if (!frame_is_valid(mfn))
        return NULL;
    number = number_of[mfn];
    return number < tally_count && tallies[number].mfn == mfn ? &tallies[number] : NULL;
}

struct tally *recount_tallies(unsigned *count)
{
    *count = tally_count;
    return tallies;
}

/* ---- holders ----------------------------------------------------------------------------------
 */

void recount_explain(mfn_t mfn)
{
    explained = mfn;
    explanation_length = 0;
    explanation[0] = 0;
}

const char *recount_explanation(void)
{
    return explanation;
}

static void explain(enum page_type type, const char *who, uint64_t a, uint64_t b)
{
    size_t room = sizeof(explanation) - explanation_length;
    int length = snprintf(explanation + explanation_length, room, "%s%s %#lx %#lx as %u",
                          explanation_length ? "; " : "", who, a, b, type);

    explanation_length += MIN((size_t)length, room - 1);
}

void recount_hold(mfn_t mfn, enum page_type type, const char *who, uint64_t a, uint64_t b)
{
    struct tally *t;

    if (explained != MFN_INVALID) {
        if (mfn == explained)
            explain(type, who, a, b);
        return;
    }
    t = recount_find(mfn);
    RULE("references", t && page_state(page_of(mfn)) != PAGE_HV,
         "frame %#lx is held by %s %#lx %#lx, but it is %s", mfn, who, a, b,
         t ? "the hypervisor's own" : "free, no RAM, or nobody's by its counts");
    t->refs++;
    if (type == PAGE_TYPE_NONE)
        return;
    if (t->type_count == 0)
        t->type = type;
    RULE("types", t->type == type, "frame %#lx is held as type %u by %s %#lx %#lx, but as %u too",
         mfn, type, who, a, b, t->type);
    t->type_count++;
}

/* ---- domains ----------------------------------------------------------------------------------
 */

/* A domain that nobody can find any more, because others hold frames of its, is known only to the
 * hypervisor: but its structure is an object of a size that no other has. */
void recount_domains_find(void)
{
    unsigned count;
    const struct alloc_object *o = alloc_objects(&count);

    domain_count = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned at;

        if (o[i].size_bytes != sizeof(struct domain))
            continue;
        if (domain_count == RECOUNT_DOMAINS_MAX)
            abort();
        for (at = domain_count++;
             at > 0 && domains[at - 1]->id > ((struct domain *)o[i].object)->id; at--)
            domains[at] = domains[at - 1];
        domains[at] = o[i].object;
    }
    for (unsigned i = 0; i < domain_count; i++)
        RULE("domains", domain_memory_of(domains[i]->id) == &domains[i]->memory,
             "domain %u's structure is not the one that has this id", domains[i]->id);
}

struct domain *const *recount_domains(unsigned *count)
{
    *count = domain_count;
    return domains;
}

struct domain *recount_domain(uint16_t id)
{
    for (unsigned i = 0; i < domain_count; i++)
        if (domains[i]->id == id)
            return domains[i];
    return NULL;
}
