/* SPDX-License-Identifier: MIT */
/* The control domain maps other domains' frames at SLOT_FOREIGN, looks at them and lets go of them:
 * at once or much later, when their owner may be long dead and waits for that. */
#include "gen_pagetable.h"

#include <kr/page.h>
#include <x86/pte.h>

#include <string.h>

static unsigned slot_choose(struct actor *a)
{
    return SLOT_FOREIGN + pick(a, FOREIGN_SLOTS);
}

static uint64_t entry_of(struct actor *a, uint16_t id)
{
    uint64_t flags = PTE_P | PTE_US | (pick_one_in(a, 3) ? 0 : PTE_RW);
    uint64_t mfn = pick_one_in(a, 16) ? pick_frame(a) : frame_of_domain(a, id);

    return pte_make(mfn, flags);
}

static void map(struct actor *a)
{
    uint16_t id = pick_one_in(a, 16) ? pick_domain(a) : pick_other_domain(a);
    unsigned slot = slot_choose(a);
    uint64_t word = pick_word(a);
    long rc;

    if (pick_one_in(a, 2)) {
        struct mmu_update u = {.ptr = slot_entry_address(a, slot), .val = entry_of(a, id)};

        rc = mmu_update_list(a, &u, 1, id);
    } else {
        rc = va_map_foreign(a, slot_va(slot), entry_of(a, id), id);
    }
    trace_note(a, "map foreign", id, slot, rc);
    if (rc == 0 && pick_one_in(a, 2))
        sim_guest_read(a->guest, slot_va(slot) + pick(a, 512) * 8, &word, sizeof(word));
}

static bool owner_scribbles(uint16_t id)
{
    struct domain_model *m = model_by_id(id);

    if (m)
        m->scribbles = m->overwrites_grants = true;
    return m != NULL;
}

/* Their owner's data: a reckless dom0 changes it, whatever it is. */
static void use(struct actor *a)
{
    unsigned slot = slot_choose(a);
    uint64_t word = pick_word(a), va = slot_va(slot) + pick(a, 512) * 8;
    uint64_t entry = ((uint64_t *)frame_to_virt(own_frame(a, SIM_PFN_TABLES + 3)))[slot];

    if ((entry & PTE_P) && frame_is_ram(pte_frame(entry)) && is_reckless(a) &&
        owner_scribbles(page_of(pte_frame(entry))->owner))
        sim_guest_write(a->guest, va, &word, sizeof(word));
    else
        sim_guest_read(a->guest, va, &word, sizeof(word));
}

static void unmap(struct actor *a)
{
    unsigned slot = slot_choose(a);

    if (pick_one_in(a, 2))
        va_map(a, slot_va(slot), 0);
    else
        mmu_update_one(a, slot_entry_address(a, slot), 0);
}

/* The other domain's tables: an entry at a slot that its own code only tries things at, or a pin.
 */
static void change_tables(struct actor *a)
{
    uint16_t id = pick_other_domain(a);
    const struct domain_model *m = model_by_id(id);
    bool shows_own = is_reckless(a) && pick_one_in(a, 4);
    struct mmu_update u;
    struct mmuext_op op;
    long rc;

    if (!m)
        return;
    if (pick_one_in(a, 2)) {
        u.ptr = (m->memory.frame[SIM_PFN_TABLES + 3] << PAGE_SHIFT) + (SLOT_TRY + pick(a, 8)) * 8UL;
        u.val = pick_one_in(a, 3) ? 0 : entry_of(a, id);
        rc = mmu_update_list(a, &u, 1, (uint64_t)(id + 1) << 16 | (shows_own ? DOMID_SELF : id));
    } else {
        memset(&op, 0, sizeof(op));
        op.cmd = pick(a, MMUEXT_UNPIN_TABLE + 1);
        op.arg1.mfn = frame_of_domain(a, id);
        if (is_reckless(a) && owner_scribbles(id) && pick_one_in(a, 2))
            op.cmd = pick_one_in(a, 2) ? MMUEXT_CLEAR_PAGE : MMUEXT_COPY_PAGE;
        op.arg2.src_mfn = frame_of_domain(a, id);
        rc = mmuext_list(a, &op, 1, id);
    }
    trace_note(a, "change foreign tables", id, 0, rc);
}

const struct operation foreign_operations[] = {
    {"map foreign", GROUP_CONTROL, 8, true, map},
    {"use foreign", GROUP_CONTROL, 4, true, use},
    {"unmap foreign", GROUP_CONTROL, 4, true, unmap},
    {"change foreign tables", GROUP_CONTROL, 2, true, change_tables},
    {0},
};
