/* SPDX-License-Identifier: MIT */
/* The machine's memory in a snapshot, and comparing two. */
#include "snapshot_internal.h"

#include <kr/heap.h>
#include <sim/machine.h>
#include <x86/pagetype.h>
#include <x86/pte.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FNV_START 0xcbf29ce484222325UL
#define FNV_PRIME 0x100000001b3UL

/* ---- the list ---------------------------------------------------------------------------------
 */

static uint64_t mix(uint64_t digest, uint64_t value)
{
    digest = (digest ^ value) * FNV_PRIME;
    return digest ^ digest >> 29;
}

uint64_t snapshot_hash(const void *object, size_t size_bytes)
{
    const uint64_t *words = object;
    uint64_t digest = FNV_START, last = 0;

    for (size_t i = 0; i < size_bytes / sizeof(*words); i++)
        digest = mix(digest, words[i]);
    memcpy(&last, &words[size_bytes / sizeof(*words)], size_bytes % sizeof(*words));
    return mix(digest, last);
}

void snapshot_add(struct snapshot *s, const char *what, uint32_t a, uint32_t b, uint64_t value)
{
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 4096;
        s->items = realloc(s->items, s->room * sizeof(*s->items));
        if (!s->items)
            abort();
    }
    s->items[s->count++] = (struct snapshot_item){what, a, b, value};
    s->digest = mix(mix(s->digest, (uint64_t)a << 32 | b), value);
}

void snapshot_timer(struct snapshot *s, const char *what, uint32_t a, uint32_t b,
                    const struct timer *t)
{
    uint64_t deadline_ns = t->queued ? t->deadline_ns : 0;

    snapshot_add(s, what, a, b, deadline_ns);
    if (deadline_ns)
        s->next_timer_ns = MIN(s->next_timer_ns, deadline_ns);
}

/* ---- frames -----------------------------------------------------------------------------------
 */

static bool is_left_out(const struct snapshot *s, mfn_t mfn)
{
    for (unsigned i = 0; i < s->left_out_count; i++)
        if (s->left_out[i] == mfn)
            return true;
    for (unsigned i = 0; i < s->area_count; i++)
        if (s->areas[i] == mfn)
            return true;
    return false;
}

/* CPUs set Accessed and Dirty as they please. */
static uint64_t contents(mfn_t mfn, const struct page *p)
{
    const uint64_t *words = frame_to_virt(mfn);
    uint64_t ignored = page_type_is_table(page_type_of(p->type)) ? PTE_A | PTE_D : 0;
    uint64_t digest = FNV_START;

    for (unsigned i = 0; i < PTES_PER_TABLE; i++)
        digest = mix(digest, words[i] & ~ignored);
    return digest;
}

/* Whatever counts its uses; of our own frames only how many there are. */
static void frame_add(struct snapshot *s, mfn_t mfn, const struct page *p)
{
    snapshot_add(s, "frame's state and owner", mfn, 0, (uint64_t)p->state << 16 | p->owner);
    snapshot_add(s, "frame's references", mfn, 0, p->refs);
    snapshot_add(s, "frame's type", mfn, 0, p->type);
    if (p->state == PAGE_GUEST && !is_left_out(s, mfn))
        snapshot_add(s, "frame's contents", mfn, 0, contents(mfn, p));
}

static void frames_add(struct snapshot *s)
{
    const struct sim_config *c = sim_machine_config();

    for (unsigned r = 0; r < c->ram_count; r++) {
        mfn_t first = c->ram[r].start >> PAGE_SHIFT;

        for (mfn_t mfn = first; mfn < first + (c->ram[r].size_bytes >> PAGE_SHIFT); mfn++) {
            const struct page *p = page_of(mfn);

            if (p->state == PAGE_GUEST || p->state == PAGE_EXPOSED || p->state == PAGE_DYING)
                frame_add(s, mfn, p);
        }
    }
}

static void account_add(struct snapshot *s, const struct domain_memory *m)
{
    snapshot_add(s, "pages", m->owner, 0, m->page_count);
    snapshot_add(s, "exposed frames", m->owner, 0, m->exposed_count);
    snapshot_add(s, "dying frames", m->owner, 0, m->dying_count);
    snapshot_add(s, "most pages", m->owner, 0, m->max_page_count);
    snapshot_add(s, "heap bytes", m->owner, 0, m->heap_bytes);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

void snapshot_take(struct snapshot *s)
{
    struct domain *d;

    s->count = s->area_count = 0;
    s->digest = FNV_START;
    s->next_timer_ns = UINT64_MAX;
    snapshot_add(s, "heap bytes of all", 0, 0, heap_used_bytes());
    snapshot_add(s, "free frames and those of the heap", 0, 0,
                 page_free_count() + heap_held_bytes() / PAGE_SIZE);
    account_add(s, &hypervisor_memory);
    for (unsigned id = 0; (d = domain_get_next(id)) != NULL; id = d->id + 1, domain_put(d)) {
        account_add(s, &d->memory);
        snapshot_domain(s, d);
    }
    snapshot_devices(s);
    frames_add(s);
}

bool snapshot_equals(const struct snapshot *before, const struct snapshot *after, char *text,
                     size_t text_bytes)
{
    if (before->digest == after->digest && before->count == after->count)
        return true;
    for (size_t i = 0; i < MIN(before->count, after->count); i++) {
        const struct snapshot_item *x = &before->items[i], *y = &after->items[i];

        if (x->what == y->what && x->a == y->a && x->b == y->b && x->value == y->value)
            continue;
        snprintf(text, text_bytes, "%s of %#x %#x was %#lx, is now %s of %#x %#x: %#lx", x->what,
                 x->a, x->b, x->value, y->what, y->a, y->b, y->value);
        return false;
    }
    snprintf(text, text_bytes, "there were %zu things to say, now %zu", before->count,
             after->count);
    return false;
}

uint64_t snapshot_value(const struct snapshot *s, const char *what, uint32_t a)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].a == a && strcmp(s->items[i].what, what) == 0)
            return s->items[i].value;
    return 0;
}
