/* SPDX-License-Identifier: MIT */
/* memory_op as a toolstack uses it: on other domains' memory, claims, maps, grant tables of domains
 * that it builds, and the machine's tables. */
#include "gen.h"

#include <kr/errno.h>
#include <kr/page.h>
#include <x86/pte.h>

#include <xen/memory.h>
#include <xen/xen.h>

#include <string.h>

#define E820_ENTRY_BYTES 20

static void claim(struct actor *a)
{
    struct xen_memory_reservation r = {.domid = pick_other_domain(a)};

    if (!pick_one_in(a, 4))
        r.nr_extents = pick_one_in(a, 6) ? pick_word(a) : SIM_PAGES_MIN + pick(a, 128);
    if (pick_one_in(a, 16))
        r.mem_flags = pick_word(a);
    if (pick_one_in(a, 16))
        r.domid = pick_domain(a);
    trace_note(a, "claim", r.domid, r.nr_extents,
               call_struct(a, __HYPERVISOR_memory_op, XENMEM_claim_pages, &r, sizeof(r)));
}

/* Memory of another domain: some more, or some that it has, whether it likes that or not. */
static void foreign_reservation(struct actor *a)
{
    static const uint8_t ops[] = {XENMEM_populate_physmap, XENMEM_increase_reservation,
                                  XENMEM_decrease_reservation, XENMEM_decrease_reservation};
    unsigned op = ops[pick(a, sizeof(ops))], count = pick_range(a, 1, 4);
    struct xen_memory_reservation r = {.nr_extents = count, .domid = pick_other_domain(a)};
    xen_pfn_t list[4];

    for (unsigned i = 0; i < count; i++)
        list[i] = op == XENMEM_decrease_reservation ? frame_of_domain(a, r.domid)
                                                    : SIM_PAGES_MIN + pick(a, 300);
    if (op != XENMEM_decrease_reservation)
        r.extent_order = pick(a, 3);
    r.extent_start.p = (void *)args_put(a, 1, list, sizeof(list));
    trace_note(a, "foreign reservation", r.domid, op,
               call_struct(a, __HYPERVISOR_memory_op, op, &r, sizeof(r)));
}

static void memory_map_set(struct actor *a)
{
    struct xen_foreign_memory_map f = {.domid = pick_other_domain(a),
                                       .map.nr_entries = pick(a, 12)};
    uint8_t entries[12 * E820_ENTRY_BYTES];

    for (unsigned i = 0; i < sizeof(entries); i++)
        entries[i] = pick(a, 256);
    if (pick_one_in(a, 8))
        f.domid = a->domain->id;
    if (pick_one_in(a, 16))
        f.map.nr_entries = pick_word(a);
    f.map.buffer.p = (void *)args_put(a, 1, entries, sizeof(entries));
    call_struct(a, __HYPERVISOR_memory_op, XENMEM_set_memory_map, &f, sizeof(f));
}

static void machphys_list(struct actor *a)
{
    struct xen_machphys_mfn_list list = {.max_extents =
                                             pick_one_in(a, 4) ? pick_word(a) : pick(a, 64)};

    list.extent_start.p = (void *)(args_page(a) + PAGE_SIZE);
    call_struct(a, __HYPERVISOR_memory_op, XENMEM_machphys_mfn_list, &list, sizeof(list));
}

/* As libxenguest does for the console's and the store's entries: maps the table of a domain, writes
 * there, lets go of it; sometimes later. */
static void resource(struct actor *a)
{
    struct xen_mem_acquire_resource r = {
        .domid = pick_one_in(a, 8) ? pick_domain(a) : pick_other_domain(a),
        .type = pick_one_in(a, 16) ? pick(a, 5) : XENMEM_resource_grant_table,
        .id = pick(a, pick_one_in(a, 8) ? 4 : 2),
        .frame = pick(a, 3),
        .nr_frames = pick_range(a, 1, 3),
    };
    unsigned slot = SLOT_RESOURCE + pick(a, RESOURCE_SLOTS);
    xen_pfn_t frames[3] = {0};
    uint64_t entry = 0;
    long rc;

    if (!pick_one_in(a, 6))
        r.frame_list.p = (void *)args_put(a, 1, frames, sizeof(frames));
    else
        r.nr_frames = 0;
    rc = call_struct(a, __HYPERVISOR_memory_op, XENMEM_acquire_resource, &r, sizeof(r));
    trace_note(a, "resource", r.domid, r.id, rc);
    if (rc != 0 || r.nr_frames == 0 || !args_get(a, 1, frames, sizeof(frames)) ||
        va_map_foreign(a, slot_va(slot), pte_make(frames[0], PTE_P | PTE_RW | PTE_US), r.domid) !=
            0)
        return;
    entry = pick_word(a);
    if (r.id == XENMEM_resource_grant_table_id_shared && is_reckless(a) && model_by_id(r.domid)) {
        model_by_id(r.domid)->overwrites_grants = true;
        sim_guest_write(a->guest, slot_va(slot) + pick(a, 8) * 8, &entry, sizeof(entry));
    }
    if (!pick_one_in(a, 3))
        va_map(a, slot_va(slot), 0);
}

const struct operation memory_control_operations[] = {
    {"claim", GROUP_MEMORY, 4, true, claim},
    {"foreign reservation", GROUP_MEMORY, 3, true, foreign_reservation},
    {"set memory map", GROUP_MEMORY, 2, true, memory_map_set},
    {"machphys list", GROUP_MEMORY, 1, true, machphys_list},
    {"acquire resource", GROUP_MEMORY, 4, true, resource},
    {0},
};
