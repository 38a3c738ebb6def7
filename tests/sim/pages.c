/* SPDX-License-Identifier: MIT */
/* A guest's bookkeeping of its pages (memory_model.h). */
#include "run.h"

#include <kr/page.h>
#include <x86/pte.h>

#include <xen/xen.h>

#include <string.h>

#define TRIES      8
#define BUILT_KEPT 16
#define PTE_KERNEL (PTE_P | PTE_RW | PTE_US)

void pages_learn(struct actor *a)
{
    struct memory_model *m = &a->model->memory;
    unsigned count = 0;

    if (!sim_guest_read(a->guest, SIM_P2M_VA, m->frame, sizeof(m->frame)))
        return;
    while (count < SIM_PAGES_MAX && m->frame[count] != 0)
        count++;
    if (count >= SIM_PAGES_MIN)
        a->model->page_count = count;
}

uint64_t page_find(struct actor *a, enum page_use use)
{
    const struct memory_model *m = &a->model->memory;
    uint64_t count = a->model->page_count - SIM_PFN_FREE, at = pick(a, count);

    for (uint64_t i = 0; i < count; i++) {
        uint64_t pfn = SIM_PFN_FREE + (at + i) % count;

        if (m->use[pfn] == use)
            return pfn;
        if (use == USE_PLAIN && i == TRIES)
            break; /* keep some */
    }
    return 0;
}

uint64_t page_take(struct actor *a, enum page_use use)
{
    uint64_t pfn = page_find(a, USE_PLAIN);

    if (pfn)
        a->model->memory.use[pfn] = use;
    return pfn;
}

void page_frame_set(struct actor *a, uint64_t pfn, uint64_t mfn)
{
    a->model->memory.frame[pfn] = mfn;
    sim_guest_write(a->guest, SIM_P2M_VA + pfn * sizeof(mfn), &mfn, sizeof(mfn));
}

static uint64_t flush_choose(struct actor *a)
{
    static const uint64_t flags[] = {UVMF_TLB_FLUSH | UVMF_ALL, UVMF_INVLPG | UVMF_ALL};

    return flags[pick(a, ARRAY_SIZE(flags))];
}

long va_map(struct actor *a, uint64_t va, uint64_t entry)
{
    return call(a, __HYPERVISOR_update_va_mapping, va, entry, flush_choose(a), 0, 0);
}

long va_map_foreign(struct actor *a, uint64_t va, uint64_t entry, uint16_t owner)
{
    return call(a, __HYPERVISOR_update_va_mapping_otherdomain, va, entry, flush_choose(a), owner,
                0);
}

bool page_restore(struct actor *a, uint64_t pfn)
{
    uint64_t mfn = own_frame(a, pfn);

    if (mfn == 0 || va_map(a, sim_page_va(pfn), pte_make(mfn, PTE_KERNEL)) != 0)
        return false;
    if (a->model->memory.use[pfn] != USE_SHARED)
        a->model->memory.use[pfn] = USE_PLAIN;
    return true;
}

bool page_map_readonly(struct actor *a, uint64_t pfn)
{
    return va_map(a, sim_page_va(pfn), pte_make(own_frame(a, pfn), PTE_P | PTE_US)) == 0;
}

bool page_unmap(struct actor *a, uint64_t pfn)
{
    return va_map(a, sim_page_va(pfn), 0) == 0;
}

uint64_t slot_entry_address(struct actor *a, unsigned slot)
{
    return (own_frame(a, SIM_PFN_TABLES + 3) << PAGE_SHIFT) + slot * sizeof(uint64_t);
}

static struct built {
    uint16_t id;
    unsigned count;
    uint64_t frames[SIM_PAGES_MAX];
} built[BUILT_KEPT];

void frames_note(uint16_t id, const uint64_t *frames, unsigned count)
{
    struct built *b = &built[id % BUILT_KEPT];

    b->id = id;
    b->count = count;
    memcpy(b->frames, frames, count * sizeof(*frames));
}

void frames_reset(void)
{
    memset(built, 0, sizeof(built));
}

uint64_t frame_of_domain(struct actor *a, uint16_t id)
{
    const struct domain_model *m = model_by_id(id);
    const struct built *b = &built[id % BUILT_KEPT];

    if (m)
        return m->memory.frame[pick(a, m->page_count)];
    return b->id == id && b->count ? b->frames[pick(a, b->count)] : 0;
}

uint16_t pick_other_domain(struct actor *a)
{
    for (unsigned i = 0; i < TRIES && run.domain_count > 0; i++) {
        uint16_t id = run.domains[pick(a, run.domain_count)];

        if (id != a->domain->id)
            return id;
    }
    return DOMAIN_ID_INVALID;
}

bool is_reckless(const struct actor *a)
{
    return !(run.groups_off & BIT(GROUP_SCRIBBLE)) && (a->domain->id + run.options->seed) % 2;
}

uint64_t pick_frame_to_write(struct actor *a)
{
    uint64_t pfn = page_find(a, pick_one_in(a, 3) ? USE_LENT : USE_PLAIN);

    if (is_reckless(a) && pick_one_in(a, 8)) {
        a->model->scribbles = true;
        return pick_frame(a);
    }
    return pfn ? own_frame(a, pfn) : 0;
}
