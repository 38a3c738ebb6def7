/* SPDX-License-Identifier: MIT */
/*
 * Lists of operations for which memory ends in the middle. What the ABI says of each entry must be
 * so: those that were done took effect, the others not at all. It is seen by taking back exactly
 * the former (faults_list_try()). Lists of mmu_update and mmuext_op are not among them, because
 * page tables need no memory of the hypervisor's.
 */
#include "faults_script.h"

#include <kr/errno.h>

#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>

#include <string.h>

#define ENTRIES     6
#define PIECE_LIST  1
#define PIECE_NEW   2
#define PIECE_OPS   8 /* the arguments of a multicall's entries, from this piece on */
#define TABLE_SLOT  0 /* windows: two frames of the grant table, then what is mapped */
#define MAP_SLOT    4
#define COPY_BYTES  64
#define GROUP_PORTS 128
#define UNTOUCHED   99

static void list_try(struct actor *a, const struct faults_list *list)
{
    RULE("script", faults_list_try(a, list), "%s: needs no memory, or was never compared",
         list->name);
}

/* ---- memory -----------------------------------------------------------------------------------
 */

static uint64_t extent[ENTRIES];
static long extent_count;
static unsigned extent_op, extent_order;

static long reservation(struct actor *a, unsigned op, unsigned count)
{
    struct xen_memory_reservation r = {
        .nr_extents = count, .extent_order = extent_order, .domid = DOMID_SELF};

    r.extent_start.p = (void *)args_put(a, PIECE_LIST, extent, sizeof(extent));
    return faults_list_call(a, __HYPERVISOR_memory_op, op, args_put(a, 0, &r, sizeof(r)), 0);
}

/* Of what is not there yet nothing must have been written. */
static void extents_make(struct actor *a)
{
    for (unsigned i = 0; i < ENTRIES; i++)
        extent[i] = SIM_PAGES_MAX + 8 * i;
    extent_count = reservation(a, extent_op, ENTRIES);
    RULE("no memory", extent_count >= 0 && args_get(a, PIECE_LIST, extent, sizeof(extent)),
         "memory_op %u: %ld", extent_op, extent_count);
    for (unsigned i = extent_count; i < ENTRIES; i++)
        RULE("no memory", extent[i] == SIM_PAGES_MAX + 8 * i,
             "memory_op %u did %ld extents, but number %u is %#lx", extent_op, extent_count, i,
             extent[i]);
}

static void extents_undo(struct actor *a)
{
    RULE("no memory", reservation(a, XENMEM_decrease_reservation, extent_count) == extent_count,
         "memory_op %u said it did %ld extents, but they are not there", extent_op, extent_count);
}

static void extents(struct actor *a)
{
    static const struct faults_list list = {"a list of extents", extents_make, extents_undo};
    static const uint8_t ops[] = {XENMEM_populate_physmap, XENMEM_increase_reservation};

    for (unsigned i = 0; i < 2 * ARRAY_SIZE(ops); i++) {
        extent_op = ops[i / 2];
        extent_order = i % 2 ? 2 : 0;
        list_try(a, &list);
    }
}

/* Memory may end while the domain gets what it has to offer, or later. */
static void exchange_make(struct actor *a)
{
    struct xen_memory_exchange x;
    uint64_t new[ENTRIES];

    extents_make(a);
    x = (struct xen_memory_exchange){
        .in = {.nr_extents = extent_count, .extent_order = extent_order, .domid = DOMID_SELF},
        .out = {.nr_extents = extent_count, .extent_order = extent_order, .domid = DOMID_SELF}};
    for (unsigned i = 0; i < ENTRIES; i++)
        new[i] = SIM_PAGES_MAX + 8 * i;
    x.in.extent_start.p = (void *)args_put(a, PIECE_LIST, extent, sizeof(extent));
    x.out.extent_start.p = (void *)args_put(a, PIECE_NEW, new, sizeof(new));
    faults_list_call(a, __HYPERVISOR_memory_op, XENMEM_exchange, args_put(a, 0, &x, sizeof(x)), 0);
    args_get(a, 0, &x, sizeof(x));
    args_get(a, PIECE_NEW, new, sizeof(new));
    for (unsigned i = 0; i < x.nr_exchanged; i++)
        extent[i] = new[i];
    for (unsigned i = x.nr_exchanged; i < ENTRIES; i++)
        RULE("no memory", new[i] == SIM_PAGES_MAX + 8 * i,
             "%lu extents were exchanged, but number %u is %#lx", x.nr_exchanged, i, new[i]);
}

static void exchanges(struct actor *a)
{
    static const struct faults_list list = {"a list of exchanges", exchange_make, extents_undo};

    extent_op = XENMEM_populate_physmap;
    for (extent_order = 0; extent_order <= 1; extent_order++)
        list_try(a, &list);
}

/* ---- grants -----------------------------------------------------------------------------------
 */

/* In the first frame of the table and, where no use of any entry is noted yet, in the second. */
static const uint32_t refs[ENTRIES] = {8,
                                       9,
                                       PAGE_SIZE / sizeof(struct grant_entry_v1) + 8,
                                       10,
                                       PAGE_SIZE / sizeof(struct grant_entry_v1) + 9,
                                       11};

static void table_prepare(struct actor *a)
{
    uint64_t frames[2] = {0};

    script_grant_version(a, 1);
    script_grant_frames(a, 2, frames);
    for (unsigned i = 0; i < ARRAY_SIZE(frames); i++)
        script_map(a, TABLE_SLOT + i, frames[i], true);
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t word = i + 1, pfn = SIM_PFN_FREE + i;
        struct grant_entry_v1 entry = {
            .flags = GTF_permit_access, .domid = a->domain->id, .frame = own_frame(a, pfn)};

        sim_guest_write(a->guest, script_window_va(TABLE_SLOT) + refs[i] * sizeof(entry), &entry,
                        sizeof(entry));
        sim_guest_write(a->guest, sim_page_va(pfn), &word, sizeof(word));
    }
}

static unsigned grants_in_list; /* how many of the entries */
static struct gnttab_map_grant_ref maps[ENTRIES];

static void maps_make(struct actor *a)
{
    for (unsigned i = 0; i < grants_in_list; i++)
        maps[i] = (struct gnttab_map_grant_ref){.host_addr = script_window_va(MAP_SLOT + i),
                                                .flags = GNTMAP_host_map,
                                                .ref = refs[i],
                                                .dom = a->domain->id,
                                                .status = UNTOUCHED};
    faults_list_call(a, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref,
                     args_put(a, PIECE_LIST, maps, sizeof(maps)), grants_in_list);
    args_get(a, PIECE_LIST, maps, sizeof(maps));
}

static void maps_undo(struct actor *a)
{
    for (unsigned i = 0; i < grants_in_list; i++) {
        struct gnttab_unmap_grant_ref unmap = {.host_addr = maps[i].host_addr,
                                               .handle = maps[i].handle};

        if (maps[i].status != GNTST_okay)
            continue;
        faults_list_call(a, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref,
                         args_put(a, 0, &unmap, sizeof(unmap)), 1);
        args_get(a, 0, &unmap, sizeof(unmap));
        RULE("no memory", unmap.status == GNTST_okay, "mapping %u is not there: %d", i,
             unmap.status);
    }
}

/* Each to a place of its own in one page. */
static struct gnttab_copy copies[ENTRIES];
#define COPIES_PFN (SIM_PFN_FREE + ENTRIES)

static void copies_make(struct actor *a)
{
    for (unsigned i = 0; i < grants_in_list; i++)
        copies[i] = (struct gnttab_copy){
            .source = {.u.ref = refs[i], .domid = a->domain->id},
            .dest = {.u.gmfn = own_frame(a, COPIES_PFN), .domid = DOMID_SELF, .offset = 512 * i},
            .len = COPY_BYTES,
            .flags = GNTCOPY_source_gref,
            .status = UNTOUCHED};
    faults_list_call(a, __HYPERVISOR_grant_table_op, GNTTABOP_copy,
                     args_put(a, PIECE_LIST, copies, sizeof(copies)), grants_in_list);
    args_get(a, PIECE_LIST, copies, sizeof(copies));
}

static void copies_undo(struct actor *a)
{
    static const uint8_t zeros[COPY_BYTES];

    for (unsigned i = 0; i < grants_in_list; i++) {
        uint64_t va = sim_page_va(COPIES_PFN) + 512 * i, word = 0;

        if (copies[i].status != GNTST_okay)
            continue;
        sim_guest_read(a->guest, va, &word, sizeof(word));
        RULE("no memory", word == i + 1, "copy %u was not done: %#lx", i, word);
        sim_guest_write(a->guest, va, zeros, sizeof(zeros));
    }
}

/* First once with what lasts: a chunk of handles, notes of uses, types of frames. */
static void grant_list_try(struct actor *a, const struct faults_list *list)
{
    table_prepare(a);
    grants_in_list = 2;
    list->make(a);
    list->undo(a);
    grants_in_list = ENTRIES;
    list_try(a, list);
}

static void grant_maps(struct actor *a)
{
    static const struct faults_list list = {"a list of mappings", maps_make, maps_undo};

    grant_list_try(a, &list);
}

static void grant_copies(struct actor *a)
{
    static const struct faults_list list = {"a list of copies", copies_make, copies_undo};

    grant_list_try(a, &list);
}

/* ---- calls ------------------------------------------------------------------------------------
 */

static struct multicall_entry calls[ENTRIES];

static uint64_t op_put(struct actor *a, unsigned n, const void *op, size_t size_bytes)
{
    return args_put(a, PIECE_OPS + n, op, size_bytes);
}

/* The last two ports of a group, the first two of one that there is no memory for, and something
 * that needs none. */
static void calls_make(struct actor *a)
{
    struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_bind_ipi ipi = {.vcpu = 0};

    for (unsigned i = 0; i < 4; i++)
        calls[i] =
            (struct multicall_entry){.op = __HYPERVISOR_event_channel_op,
                                     .args = {i < 3 ? EVTCHNOP_alloc_unbound : EVTCHNOP_bind_ipi,
                                              i < 3 ? op_put(a, i, &unbound, sizeof(unbound))
                                                    : op_put(a, i, &ipi, sizeof(ipi))}};
    calls[4] = (struct multicall_entry){.op = __HYPERVISOR_vm_assist,
                                        .args = {VMASST_CMD_enable, VMASST_TYPE_4gb_segments}};
    for (unsigned i = 0; i < 5; i++)
        calls[i].result = UNTOUCHED;
    faults_list_call(a, __HYPERVISOR_multicall, args_put(a, PIECE_LIST, calls, sizeof(calls)), 5,
                     0);
    args_get(a, PIECE_LIST, calls, sizeof(calls));
}

static void calls_undo(struct actor *a)
{
    for (unsigned i = 0; i < 4; i++) {
        struct evtchn_alloc_unbound unbound;
        struct evtchn_bind_ipi ipi;
        struct evtchn_close close;

        if ((long)calls[i].result != 0)
            continue;
        args_get(a, PIECE_OPS + i, &unbound, sizeof(unbound));
        args_get(a, PIECE_OPS + i, &ipi, sizeof(ipi));
        close.port = i < 3 ? unbound.port : ipi.port;
        RULE("no memory",
             faults_list_call(a, __HYPERVISOR_event_channel_op, EVTCHNOP_close,
                              args_put(a, 0, &close, sizeof(close)), 0) == 0,
             "entry %u made no port %u", i, close.port);
    }
    RULE("no memory", (long)calls[4].result == 0, "an entry that needs no memory: %ld",
         (long)calls[4].result);
    faults_list_call(a, __HYPERVISOR_vm_assist, VMASST_CMD_disable, VMASST_TYPE_4gb_segments, 0);
}

static void multicalls(struct actor *a)
{
    static const struct faults_list list = {"a multicall", calls_make, calls_undo};
    struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};

    while (unbound.port % GROUP_PORTS != GROUP_PORTS - 3)
        RULE("script",
             call_struct(a, __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &unbound,
                         sizeof(unbound)) == 0,
             "there are no more ports");
    list_try(a, &list);
}

#define BOTH(name, act)                    \
    {name ", control domain", false, act}, \
    {                                      \
        name ", guest", true, act          \
    }

const struct faults_script list_scripts[] = {
    BOTH("lists of extents", extents),     BOTH("lists of exchanges", exchanges),
    BOTH("lists of mappings", grant_maps), BOTH("lists of copies", grant_copies),
    BOTH("lists of calls", multicalls),    {0},
};
