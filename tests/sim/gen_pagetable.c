/* SPDX-License-Identifier: MIT */
/*
 * A guest makes page tables out of its pages, as Linux does: fills them, maps them read-only, pins
 * them, hooks them into others, uses them, and makes plain pages of them again. The steps come in
 * any order and from several vCPUs.
 */
#include "gen_pagetable.h"

#include <kr/errno.h>
#include <kr/page.h>
#include <x86/pte.h>

#include <string.h>

#define TABLE_FLAGS   (PTE_P | PTE_RW | PTE_US)
#define LINK_SLOTS    8 /* of the first tables, from 1 on */
#define ENTRIES_MAX   40
#define LEVEL_ROOT    4
#define MAIN_PFN(lvl) (SIM_PFN_TABLES + LEVEL_ROOT - (lvl))
#define WRONG_ONE_IN  14

/* ---- calls ------------------------------------------------------------------------------------
 */

long mmu_update_list(struct actor *a, const struct mmu_update *list, unsigned count,
                     uint64_t domains)
{
    uint64_t done = pick_one_in(a, 3) ? args_put(a, 7, &count, sizeof(count)) : 0;

    return call(a, __HYPERVISOR_mmu_update, args_put(a, 0, list, count * sizeof(*list)), count,
                done, domains, 0);
}

long mmu_update_one(struct actor *a, uint64_t entry_address, uint64_t value)
{
    struct mmu_update u = {.ptr = entry_address, .val = value};

    return mmu_update_list(a, &u, 1, DOMID_SELF);
}

long mmuext_list(struct actor *a, const struct mmuext_op *list, unsigned count, uint16_t domain)
{
    uint64_t done = pick_one_in(a, 3) ? args_put(a, 7, &count, sizeof(count)) : 0;

    return call(a, __HYPERVISOR_mmuext_op, args_put(a, 0, list, count * sizeof(*list)), count, done,
                domain, 0);
}

long mmuext_one(struct actor *a, unsigned cmd, uint64_t arg)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = arg};
    long rc = mmuext_list(a, &op, 1, DOMID_SELF);

    trace_note(a, "mmuext", cmd, arg, rc);
    return rc;
}

/* ---- entries ----------------------------------------------------------------------------------
 */

uint64_t entry_choose(struct actor *a)
{
    uint64_t mfn = pick_one_in(a, 8) ? pick_frame(a) : own_frame(a, pick_pfn(a));
    uint64_t flags = PTE_P | PTE_US;

    flags |= pick_one_in(a, 3) ? 0 : PTE_RW;
    flags |= pick_one_in(a, 4) ? PTE_NX : 0;
    flags |= pick_one_in(a, 4) ? PTE_A | PTE_D : 0;
    if (pick_one_in(a, 8))
        flags ^= pick(a, 0x1000); /* caching, available bits, absent */
    return pte_make(mfn, flags);
}

uint64_t entry_choose_wrong(struct actor *a, unsigned level)
{
    const struct table_model *t = table_find(a, true, 0);
    uint64_t own_table = t ? table_frame(a, t) : own_frame(a, MAIN_PFN(1));

    switch (pick(a, 8)) {
    case 0: return pte_make(frame_of_domain(a, pick_other_domain(a)), TABLE_FLAGS);
    case 1: return pte_make(own_table, TABLE_FLAGS);
    case 2: return pte_make(own_frame(a, MAIN_PFN(pick_range(a, 1, 4))), TABLE_FLAGS);
    case 3: return pte_make(own_frame(a, pick_pfn(a)), TABLE_FLAGS | BIT(46 + pick(a, 6)));
    case 4: return pte_make(own_frame(a, pick_pfn(a)) & ~0x1ffUL, TABLE_FLAGS | PTE_PSE);
    case 5: return pte_make(pick(a, page_end() + 2), TABLE_FLAGS);
    case 6: return pte_make(own_frame(a, pick_pfn(a)), TABLE_FLAGS);
    default: return pick_word(a);
    }
}

/* ---- the model --------------------------------------------------------------------------------
 */

struct table_model *table_find(struct actor *a, bool is_used, unsigned level)
{
    struct memory_model *m = &a->model->memory;
    unsigned at = pick(a, TABLES_MAX);

    for (unsigned i = 0; i < TABLES_MAX; i++) {
        struct table_model *t = &m->tables[(at + i) % TABLES_MAX];

        if ((t->pfn != 0) == is_used && (level == 0 || t->level == level))
            return t;
    }
    return NULL;
}

uint64_t table_frame(struct actor *a, const struct table_model *t)
{
    return own_frame(a, t->pfn);
}

/* ---- making -----------------------------------------------------------------------------------
 */

static uint64_t entry_good(struct actor *a)
{
    uint64_t pfn = page_find(a, pick_one_in(a, 4) ? USE_LENT : USE_PLAIN);
    uint64_t flags = PTE_P | PTE_US | (pick_one_in(a, 3) ? 0 : PTE_RW);

    return pfn ? pte_make(own_frame(a, pfn), flags) : 0;
}

static void table_fill(struct actor *a, uint64_t *entries, unsigned level)
{
    unsigned count = pick(a, ENTRIES_MAX);
    bool is_odd = pick_one_in(a, 4);

    memset(entries, 0, PAGE_SIZE);
    for (unsigned i = 0; i < count; i++) {
        unsigned slot = pick_one_in(a, 3) ? pick(a, PTES_PER_TABLE) : i;
        const struct table_model *next = level > 1 ? table_find(a, true, level - 1) : NULL;

        if (level == 1)
            entries[slot] = is_odd ? entry_choose(a) : entry_good(a);
        else if (next && i < 4)
            entries[slot] = pte_make(table_frame(a, next), TABLE_FLAGS);
    }
    if (level == LEVEL_ROOT) {
        for (unsigned i = L4_SLOT_HV_FIRST; i <= L4_SLOT_HV_LAST; i++)
            entries[i] = pick_one_in(a, 16) ? pick_word(a) : 0;
        entries[L4_SLOT(SIM_VIRT_BASE)] = pte_make(own_frame(a, MAIN_PFN(3)), TABLE_FLAGS);
    }
    if (pick_one_in(a, WRONG_ONE_IN))
        entries[pick(a, PTES_PER_TABLE)] = entry_choose_wrong(a, level);
}

static unsigned pin_command(unsigned level)
{
    static const uint8_t commands[] = {MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE,
                                       MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE};

    return commands[level - 1];
}

static void make(struct actor *a)
{
    struct table_model *t = table_find(a, false, 0);
    uint64_t entries[PTES_PER_TABLE], pfn;
    unsigned level = pick_one_in(a, 2) ? 1 : pick_range(a, 2, LEVEL_ROOT);

    if (!t || (pfn = page_take(a, USE_TABLE)) == 0)
        return;
    *t = (struct table_model){.pfn = pfn, .level = level};
    table_fill(a, entries, level);
    if (!sim_guest_write(a->guest, sim_page_va(pfn), entries, PAGE_SIZE))
        return;
    if (!pick_one_in(a, 30))
        page_map_readonly(a, pfn);
    if (pick_one_in(a, 3))
        return;
    t->is_pinned = mmuext_one(a, pin_command(level), table_frame(a, t)) == 0;
}

static void pin(struct actor *a)
{
    struct table_model *t = table_find(a, true, 0);

    if (!t)
        return;
    if (t->is_pinned && !pick_one_in(a, 8))
        t->is_pinned = mmuext_one(a, MMUEXT_UNPIN_TABLE, table_frame(a, t)) != 0;
    else
        t->is_pinned |= mmuext_one(a, pin_command(t->level), table_frame(a, t)) == 0;
}

/* ---- linking ----------------------------------------------------------------------------------
 */

static unsigned link_type(struct actor *a)
{
    static const uint8_t types[] = {MMU_NORMAL_PT_UPDATE, MMU_NORMAL_PT_UPDATE,
                                    MMU_PT_UPDATE_PRESERVE_AD, MMU_PT_UPDATE_NO_TRANSLATE};

    return types[pick(a, sizeof(types))];
}

/* A slot of the first tables that nothing depends on. */
static unsigned link_slot(struct actor *a, unsigned parent_level)
{
    if (parent_level < LEVEL_ROOT)
        return 1 + pick(a, LINK_SLOTS);
    return pick_one_in(a, 2) ? pick(a, LINK_SLOTS)
                             : L4_SLOT(SIM_VIRT_BASE) + 1 + pick(a, LINK_SLOTS);
}

/* In one of the first tables, or in another new one. */
static void link(struct actor *a)
{
    struct table_model *t = table_find(a, true, 0);
    const struct table_model *parent;
    uint64_t parent_pfn;
    unsigned slot, type = link_type(a);
    long rc;

    if (!t || t->level == LEVEL_ROOT || t->is_linked)
        return;
    parent = pick_one_in(a, 3) ? table_find(a, true, t->level + 1) : NULL;
    parent_pfn = parent ? parent->pfn : MAIN_PFN(t->level + 1);
    slot = link_slot(a, t->level + 1);
    rc = mmu_update_one(a, (own_frame(a, parent_pfn) << PAGE_SHIFT) + slot * 8UL + type,
                        pte_make(table_frame(a, t), TABLE_FLAGS));
    trace_note(a, "link table", t->level, slot, rc);
    if (rc != 0)
        return;
    t->is_linked = true;
    t->link_table = parent_pfn;
    t->link_slot = slot;
}

static void unlink(struct actor *a)
{
    struct table_model *t = table_find(a, true, 0);
    long rc;

    if (!t || !t->is_linked)
        return;
    rc = mmu_update_one(
        a, (own_frame(a, t->link_table) << PAGE_SHIFT) + t->link_slot * 8UL + link_type(a), 0);
    trace_note(a, "unlink table", t->level, t->link_slot, rc);
    if (rc != 0)
        return;
    t->is_linked = false;
    if (!pick_one_in(a, 3))
        mmuext_one(a, MMUEXT_TLB_FLUSH_ALL, 0);
}

/* Address of what the first entry of a linked table maps; 0: not below the first tables. */
static uint64_t linked_va(const struct table_model *t, unsigned slot)
{
    uint64_t base = SIM_VIRT_BASE;

    if (!t->is_linked || t->link_table != (uint64_t)MAIN_PFN(t->level + 1))
        return 0;
    if (t->level == 3) {
        uint64_t va = (uint64_t)t->link_slot << 39;

        return t->link_slot >= PTES_PER_TABLE / 2 ? va | ~(BIT(48) - 1) : va;
    }
    return base + ((uint64_t)t->link_slot << (12 + 9 * t->level)) + ((uint64_t)slot << PAGE_SHIFT);
}

static void touch(struct actor *a)
{
    const struct table_model *t = table_find(a, true, 0);
    uint64_t va = t ? linked_va(t, pick(a, ENTRIES_MAX)) : 0, value = pick_word(a);
    bool done;

    if (!va)
        return;
    va += pick(a, PAGE_SIZE / 8) * 8;
    done = pick_one_in(a, 2) ? sim_guest_read(a->guest, va, &value, sizeof(value))
                             : sim_guest_write(a->guest, va, &value, sizeof(value));
    trace_note(a, "touch through new table", t->level, 0, done);
}

/* Back to a plain page; refused while it is a table. */
static void unmake(struct actor *a)
{
    struct table_model *t = table_find(a, true, 0);
    bool done;

    if (!t || ((t->is_linked || t->is_pinned) && !pick_one_in(a, 8)))
        return;
    done = page_restore(a, t->pfn);
    trace_note(a, "table to plain page", t->level, t->is_linked | t->is_pinned << 1, done);
    if (done)
        *t = (struct table_model){0};
}

/* ---- roots ------------------------------------------------------------------------------------
 */

/* Another root with the kernel in it, or the first again. */
static void root_switch(struct actor *a)
{
    const struct table_model *t = pick_one_in(a, 2) ? table_find(a, true, LEVEL_ROOT) : NULL;
    uint64_t mfn = t ? table_frame(a, t) : own_frame(a, MAIN_PFN(LEVEL_ROOT));

    switch (pick(a, 4)) {
    case 0: mmuext_one(a, MMUEXT_NEW_USER_BASEPTR, pick_one_in(a, 3) ? 0 : mfn); break;
    case 1:
        mmuext_one(a, MMUEXT_NEW_USER_BASEPTR,
                   pick_one_in(a, 2) ? own_frame(a, SIM_PFN_USER_L4) : pick_frame(a));
        break;
    default: mmuext_one(a, MMUEXT_NEW_BASEPTR, mfn); break;
    }
}

const struct operation pagetable_operations[] = {
    {"make table", GROUP_PAGETABLE, 12, false, make},
    {"pin or unpin", GROUP_PAGETABLE, 6, false, pin},
    {"link table", GROUP_PAGETABLE, 14, false, link},
    {"unlink table", GROUP_PAGETABLE, 8, false, unlink},
    {"touch through table", GROUP_PAGETABLE, 10, false, touch},
    {"table to plain page", GROUP_PAGETABLE, 5, false, unmake},
    {"switch root", GROUP_PAGETABLE, 4, false, root_switch},
    {0},
};
