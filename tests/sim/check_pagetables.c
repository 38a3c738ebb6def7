/* SPDX-License-Identifier: MIT */
/*
 * What page tables hold, and what may stand in them. The rules are those of docs/memory.md ("Page
 * types"), told once more: an entry at a time, without regard to how it came there.
 */
#include "gen.h"
#include "gen.h"
#include "recount.h"

#include <x86/iomem.h>
#include <x86/layout.h>
#include <x86/map.h>
#include <x86/pte.h>

#include <string.h>

#include "../../core/grant_internal.h"

#define HV_SLOT(slot) ((slot) >= L4_SLOT_HV_FIRST && (slot) <= L4_SLOT_HV_LAST)

static bool is_table_in_use(const struct page *p)
{
    return p->state != PAGE_HV && page_type_is_table(page_type_of(p->type)) &&
           (p->type & PAGE_TYPE_COUNT_MASK);
}

static unsigned level_of(const struct page *p)
{
    return page_type_of(p->type) - PAGE_TYPE_L1 + 1;
}

/* Entries that hold references. */
static unsigned entries_held(const struct tally *t)
{
    return t->is_busy ? t->index : PTES_PER_TABLE;
}

/* ---- counting ---------------------------------------------------------------------------------
 */

static void entry_count(const struct tally *t, unsigned level, uint64_t entry)
{
    static const char *const who[] = {"L1 table, entry", "L2 table, entry", "L3 table, entry",
                                      "L4 table, entry"};
    enum page_type type = level > 1        ? PAGE_TYPE_L1 + level - 2
                          : entry & PTE_RW ? PAGE_TYPE_WRITABLE
                                           : PAGE_TYPE_NONE;

    if (level == 1 && !frame_is_ram(pte_frame(entry)))
        return;
    recount_hold(pte_frame(entry), type, who[level - 1], t->mfn, entry);
}

static void table_count(const struct tally *t)
{
    unsigned level = level_of(page_of(t->mfn)), end = entries_held(t);
    const uint64_t *entries = frame_to_virt(t->mfn);

    for (unsigned slot = 0; slot < end; slot++)
        if ((entries[slot] & PTE_P) && !(level == 4 && HV_SLOT(slot)))
            entry_count(t, level, entries[slot]);
}

void tables_count(void)
{
    unsigned count;
    const struct tally *t = recount_tallies(&count);

    for (; count-- > 0; t++)
        if (is_table_in_use(page_of(t->mfn)))
            table_count(t);
}

/* ---- what may stand in a table ----------------------------------------------------------------
 */

/* Where another domain's frame may come from but by the control domain's word: grants. A frame may
 * be mapped as often as there are handles. */
static unsigned handles_for(const struct domain *d, mfn_t mfn, bool is_writable)
{
    const struct grant_table *gt = d->grants;
    struct domain *owner = recount_domain(page_of(mfn)->owner);
    unsigned found = 0;

    for (uint32_t h = 0; gt && owner && owner->grants && h < grant_handle_count(gt); h++) {
        const struct grant_mapping *m = grant_mapping_at(gt, h);

        if ((m->flags & GRANT_MAPPING_HOST) && m->owner_id == owner->id &&
            !(m->flags & GRANT_MAPPING_READONLY) == is_writable &&
            grant_active(owner, m->ref, false)->mfn == mfn)
            found++;
    }
    return found;
}

static unsigned mappings_in(const struct tally *t, mfn_t mfn, bool is_writable)
{
    const uint64_t *entries = frame_to_virt(t->mfn);
    unsigned found = 0;

    for (unsigned slot = 0; slot < entries_held(t); slot++)
        found += (entries[slot] & PTE_P) && pte_frame(entries[slot]) == mfn &&
                 !!(entries[slot] & PTE_RW) == is_writable;
    return found;
}

/* How often a domain's tables map a frame. */
static unsigned mappings_of(const struct domain *d, mfn_t mfn, bool is_writable)
{
    unsigned count, found = 0;
    const struct tally *t = recount_tallies(&count);

    for (; count-- > 0; t++) {
        const struct page *p = page_of(t->mfn);

        if (p->owner == d->id && is_table_in_use(p) && level_of(p) == 1)
            found += mappings_in(t, mfn, is_writable);
    }
    return found;
}

/* A dying domain gives up its grants before its tables. */
static bool may_map_any(const struct domain *d)
{
    return d->is_privileged || d->is_dying;
}

/* The control domain may write anybody's tables, and a reckless one puts frames of its own there.
 */
static bool is_shown_by_control(uint16_t owner)
{
    const struct actor control = {.domain = control_domain};

    return owner == control_domain->id && is_reckless(&control);
}

bool recount_may_have_mapped(const struct domain *d, mfn_t mfn, bool is_writable)
{
    uint16_t owner = page_of(mfn)->owner;

    return owner == d->id || may_map_any(d) || is_shown_by_control(owner) ||
           handles_for(d, mfn, true) || (!is_writable && handles_for(d, mfn, false));
}

static void owner_check(const struct tally *t, unsigned slot, uint64_t entry)
{
    const struct domain *d = recount_domain(page_of(t->mfn)->owner);
    const struct page *p = page_of(pte_frame(entry));
    bool is_writable = entry & PTE_RW;

    if (p->owner == d->id || may_map_any(d) || is_shown_by_control(p->owner))
        return;
    if (p->owner == control_domain->id && model_of(d)->has_gifts)
        return;
    RULE("entries",
         mappings_of(d, pte_frame(entry), is_writable) <=
             handles_for(d, pte_frame(entry), is_writable),
         "L1 table %#x of d%u, entry %u: %#lx maps a frame of d%u, which it has no grant for",
         t->mfn, d->id, slot, entry, p->owner);
}

static void l1_entry_check(const struct tally *t, unsigned slot, uint64_t entry)
{
    const struct domain *d = recount_domain(page_of(t->mfn)->owner);
    mfn_t mfn = pte_frame(entry);

    RULE("entries", !(entry & PTE_G), "L1 table %#x of d%u, entry %u: %#lx is global", t->mfn,
         d->id, slot, entry);
    if (frame_is_ram(mfn))
        owner_check(t, slot, entry);
    else
        RULE("entries", iomem_is_allowed(d, mfn, entry & PTE_RW),
             "L1 table %#x of d%u, entry %u: %#lx maps a device that it may not", t->mfn, d->id,
             slot, entry);
}

static void entry_check(const struct tally *t, unsigned level, unsigned slot, uint64_t entry)
{
    uint16_t owner = page_of(t->mfn)->owner;

    RULE("entries", (entry & PTE_US) && !(entry & pte_reserved) && (pte_nx || !(entry & PTE_NX)),
         "L%u table %#x of d%u, entry %u: %#lx has the wrong flags", level, t->mfn, owner, slot,
         entry);
    if (level == 1) {
        l1_entry_check(t, slot, entry);
        return;
    }
    RULE("entries", !(entry & PTE_PSE), "L%u table %#x of d%u, entry %u: %#lx is a large page",
         level, t->mfn, owner, slot, entry);
    RULE("entries", page_of(pte_frame(entry))->owner == owner,
         "L%u table %#x of d%u, entry %u: %#lx is a table of d%u", level, t->mfn, owner, slot,
         entry, page_of(pte_frame(entry))->owner);
}

/* User mode does not see the M2P; our other slots are in every root. */
static void hv_slot_check(const struct tally *t, unsigned slot, uint64_t entry)
{
    RULE("entries", entry == hv_l4[slot] || (slot == L4_SLOT_HV_FIRST && entry == 0),
         "L4 table %#x of d%u, entry %u: %#lx in place of ours, %#lx", t->mfn,
         page_of(t->mfn)->owner, slot, entry, hv_l4[slot]);
}

static void table_check(const struct tally *t)
{
    unsigned level = level_of(page_of(t->mfn)), end = entries_held(t);
    const uint64_t *entries = frame_to_virt(t->mfn);

    for (unsigned slot = 0; slot < end; slot++) {
        if (level == 4 && HV_SLOT(slot)) {
            if (!t->is_busy)
                hv_slot_check(t, slot, entries[slot]);
        } else if (entries[slot] & PTE_P) {
            entry_check(t, level, slot, entries[slot]);
        }
    }
}

static void descriptors_check(const struct tally *t)
{
    const uint64_t *entries = frame_to_virt(t->mfn);

    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*entries); i++) {
        uint64_t desc = entries[i];

        RULE("descriptors", descriptor_check(&desc) && desc == entries[i],
             "descriptor page %#x of d%u, entry %u: %#lx is not allowed", t->mfn,
             page_of(t->mfn)->owner, i, entries[i]);
    }
}

void check_pagetables(void)
{
    unsigned count;
    const struct tally *t = recount_tallies(&count);

    for (; count-- > 0; t++) {
        const struct page *p = page_of(t->mfn);

        if (is_table_in_use(p))
            table_check(t);
        else if (p->state != PAGE_HV && page_type_of(p->type) == PAGE_TYPE_DESCRIPTOR &&
                 (p->type & PAGE_TYPE_COUNT_MASK))
            descriptors_check(t);
    }
}
