/* SPDX-License-Identifier: MIT */
/*
 * A guest that does not flush: it uses a page, so that its CPU's TLB has it, takes the mapping away
 * or makes it read-only without telling any CPU, gives the frame another use, and goes on by the
 * old translation. That must not reach what the frame is by then.
 */
#include "gen_pagetable.h"

#include <kr/errno.h>
#include <x86/pte.h>

#include <xen/memory.h>

#include <string.h>

#define WORDS      (PAGE_SIZE / sizeof(uint64_t))
#define USES_MAX   3
#define LIST_PIECE 1

static bool use(struct actor *a, uint64_t pfn, bool is_write)
{
    uint64_t va = sim_page_va(pfn) + pick(a, WORDS) * sizeof(uint64_t), value = pick_word(a);

    return is_write ? sim_guest_write(a->guest, va, &value, sizeof(value))
                    : sim_guest_read(a->guest, va, &value, sizeof(value));
}

static long map_lazily(struct actor *a, uint64_t pfn, uint64_t entry)
{
    return call(a, __HYPERVISOR_update_va_mapping, sim_page_va(pfn), entry, UVMF_NONE, 0, 0);
}

static void use_after(struct actor *a, uint64_t pfn)
{
    unsigned count = 1 + pick(a, USES_MAX), done = 0;

    for (unsigned i = 0; i < count; i++)
        done += use(a, pfn, pick_one_in(a, 2));
    trace_note(a, "old translation", pfn, count, done);
}

/* Other vCPUs' TLBs get it as well. */
static void use_pages(struct actor *a)
{
    unsigned count = 1 + pick(a, USES_MAX);

    for (unsigned i = 0; i < count; i++) {
        uint64_t pfn = page_find(a, USE_PLAIN);

        if (pfn)
            trace_note(a, "use page", pfn, i, use(a, pfn, pick_one_in(a, 2)));
    }
}

static bool give_up(struct actor *a, uint64_t pfn)
{
    xen_pfn_t list[1] = {own_frame(a, pfn)};
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

    r.extent_start.p = (void *)args_put(a, LIST_PIECE, list, sizeof(list));
    return call_struct(a, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r, sizeof(r)) == 1;
}

static void use_and_give_up(struct actor *a)
{
    uint64_t pfn = page_take(a, USE_BUSY);

    if (!pfn)
        return;
    use(a, pfn, true);
    if (map_lazily(a, pfn, 0) != 0 || !give_up(a, pfn)) {
        page_restore(a, pfn);
        return;
    }
    use_after(a, pfn);
    page_frame_set(a, pfn, 0);
    a->model->memory.use[pfn] = USE_GONE;
}

static bool make_l1(struct actor *a, uint64_t pfn)
{
    uint64_t entries[WORDS] = {0};

    entries[pick(a, WORDS)] = pte_make(own_frame(a, pick_pfn(a)), PTE_P | PTE_US);
    return sim_guest_write(a->guest, sim_page_va(pfn), entries, PAGE_SIZE) &&
           map_lazily(a, pfn, pte_make(own_frame(a, pfn), PTE_P | PTE_US)) == 0 &&
           mmuext_one(a, MMUEXT_PIN_L1_TABLE, own_frame(a, pfn)) == 0;
}

static void use_and_make_table(struct actor *a)
{
    uint64_t pfn = page_take(a, USE_BUSY);

    if (!pfn)
        return;
    if (make_l1(a, pfn)) {
        use_after(a, pfn);
        if (pick_one_in(a, 2))
            call(a, __HYPERVISOR_sched_op, 0, 0, 0, 0, 0);
        mmuext_one(a, MMUEXT_UNPIN_TABLE, own_frame(a, pfn));
    }
    page_restore(a, pfn);
}

const struct operation stale_operations[] = {
    {"use pages", GROUP_PAGETABLE, 5, false, use_pages},
    {"use and give up", GROUP_PAGETABLE, 3, false, use_and_give_up},
    {"use and make table", GROUP_PAGETABLE, 3, false, use_and_make_table},
    {0},
};
