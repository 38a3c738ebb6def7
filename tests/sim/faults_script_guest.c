/* SPDX-License-Identifier: MIT */
/* Situations that any domain can be in: ports, FIFO events, grants, memory, vCPUs. Each is tried by
 * the control domain and by a domain that it has built. */
#include "faults_script.h"
#include "run.h"

#include <kr/page.h>
#include <x86/pte.h>

#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/vcpu.h>

#include <string.h>

#define PORTS       140 /* more than a group of them */
#define FIFO_PAGES  2
#define TABLE_PAGES 4
#define MAPPINGS    520 /* more than a chunk of handles */
#define SWEPT_FROM  505
#define FIRST_REF   8
#define EXTENTS     12

/* ---- events -----------------------------------------------------------------------------------
 */

static uint32_t port_alloc(struct actor *a, uint16_t remote)
{
    struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = remote};

    return call_struct(a, __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &op, sizeof(op)) ==
                   0
               ? op.port
               : 0;
}

static void ports(struct actor *a)
{
    struct evtchn_bind_interdomain inter = {.remote_dom = DOMID_SELF};
    struct evtchn_bind_virq virq = {.virq = VIRQ_DEBUG};
    struct evtchn_bind_ipi ipi = {.vcpu = 0};
    struct evtchn_close close = {0};

    for (unsigned i = 0; i < PORTS; i++)
        inter.remote_port = port_alloc(a, DOMID_SELF);
    call_struct(a, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &inter, sizeof(inter));
    call_struct(a, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, &virq, sizeof(virq));
    call_struct(a, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, &ipi, sizeof(ipi));
    close.port = inter.local_port;
    call_struct(a, __HYPERVISOR_event_channel_op, EVTCHNOP_close, &close, sizeof(close));
}

/* The first one's control block makes the domain's part, too. */
static void fifo(struct actor *a)
{
    struct evtchn_expand_array expand;
    struct evtchn_reset reset = {.dom = DOMID_SELF};
    unsigned pfn = SIM_PFN_FREE;

    for (unsigned v = 0; v < a->domain->vcpu_max; v++) {
        struct evtchn_init_control init = {.control_gfn = own_frame(a, pfn++), .vcpu = v};

        call_struct(a, __HYPERVISOR_event_channel_op, EVTCHNOP_init_control, &init, sizeof(init));
    }
    for (unsigned i = 0; i < FIFO_PAGES; i++) {
        expand.array_gfn = own_frame(a, pfn++);
        call_struct(a, __HYPERVISOR_event_channel_op, EVTCHNOP_expand_array, &expand,
                    sizeof(expand));
    }
    ports(a);
    call_struct(a, __HYPERVISOR_event_channel_op, EVTCHNOP_reset, &reset, sizeof(reset));
}

/* ---- grants -----------------------------------------------------------------------------------
 */

long script_grant_frames(struct actor *a, unsigned frame_count, uint64_t *frames)
{
    struct gnttab_setup_table op = {.dom = DOMID_SELF, .nr_frames = frame_count};
    long rc;

    op.frame_list.p = (void *)args_put(a, 1, frames, frame_count * sizeof(frames[0]));
    args_put(a, 0, &op, sizeof(op));
    rc = call(a, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, args_page(a), 1, 0, 0);
    args_get(a, 0, &op, sizeof(op));
    return args_get(a, 1, frames, frame_count * sizeof(frames[0])) && rc == 0 ? op.status : -1;
}

void script_grant_version(struct actor *a, unsigned version)
{
    struct gnttab_set_version op = {.version = version};

    args_put(a, 0, &op, sizeof(op));
    call(a, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, args_page(a), 1, 0, 0);
}

/* Frames of versions 1 and 2; the latter has frames of status, too. */
static void tables(struct actor *a)
{
    uint64_t frames[TABLE_PAGES] = {0};
    struct gnttab_get_status_frames status = {.dom = DOMID_SELF, .nr_frames = 2};

    script_grant_version(a, 2);
    script_grant_version(a, 1);
    for (unsigned i = 1; i <= TABLE_PAGES - 1; i++)
        script_grant_frames(a, i, frames);
    script_grant_version(a, 2);
    script_grant_frames(a, TABLE_PAGES, frames);
    status.frame_list.p = (void *)args_put(a, 1, frames, sizeof(frames));
    args_put(a, 0, &status, sizeof(status));
    call(a, __HYPERVISOR_grant_table_op, GNTTABOP_get_status_frames, args_page(a), 1, 0, 0);
}

static void entry_make(struct actor *a, unsigned ref, uint64_t mfn)
{
    struct grant_entry_v1 entry = {
        .flags = GTF_permit_access, .domid = a->domain->id, .frame = mfn};

    sim_guest_write(a->guest, script_window_va(0) + ref * sizeof(entry), &entry, sizeof(entry));
}

static long grant_op(struct actor *a, unsigned op, void *object, size_t size_bytes)
{
    long rc;

    args_put(a, 0, object, size_bytes);
    rc = call(a, __HYPERVISOR_grant_table_op, op, args_page(a), 1, 0, 0);
    return args_get(a, 0, object, size_bytes) ? rc : -1;
}

/* Most of them without trying: only where a chunk ends something is allocated. */
static void handles_take(struct actor *a, unsigned count)
{
    struct gnttab_map_grant_ref map = {
        .flags = GNTMAP_device_map, .ref = FIRST_REF, .dom = a->domain->id};
    const uint64_t args[6] = {GNTTABOP_map_grant_ref, args_page(a), 1};

    for (unsigned i = 0; i < count; i++) {
        args_put(a, 0, &map, sizeof(map));
        if (i < SWEPT_FROM)
            sim_hypercall(a->guest, __HYPERVISOR_grant_table_op, args);
        else
            grant_op(a, GNTTABOP_map_grant_ref, &map, sizeof(map));
    }
}

static void mappings(struct actor *a)
{
    struct gnttab_map_grant_ref map = {.host_addr = script_window_va(1),
                                       .flags = GNTMAP_host_map,
                                       .ref = FIRST_REF,
                                       .dom = a->domain->id};
    struct gnttab_copy copy = {
        .source = {.u.ref = FIRST_REF, .domid = a->domain->id},
        .dest = {.u.gmfn = own_frame(a, SIM_PFN_FREE + 1), .domid = DOMID_SELF},
        .len = 64,
        .flags = GNTCOPY_source_gref};
    struct gnttab_unmap_grant_ref unmap = {.host_addr = script_window_va(1)};
    uint64_t frames[TABLE_PAGES] = {0};

    script_grant_version(a, 1);
    script_grant_frames(a, 2, frames);
    script_map(a, 0, frames[0], true);
    entry_make(a, FIRST_REF, own_frame(a, SIM_PFN_FREE));
    grant_op(a, GNTTABOP_copy, &copy, sizeof(copy));
    grant_op(a, GNTTABOP_map_grant_ref, &map, sizeof(map));
    unmap.handle = map.handle;
    handles_take(a, MAPPINGS);
    grant_op(a, GNTTABOP_unmap_grant_ref, &unmap, sizeof(unmap));
}

/* dom0 copies by its own grant, which stands for one of the domain that it has built: both sides'
 * first use takes memory. */
static void transitive(struct actor *a)
{
    uint16_t id = script_guest();
    uint64_t frames[1] = {0}, theirs[1] = {0};
    struct xen_mem_acquire_resource r = {
        .domid = id, .type = XENMEM_resource_grant_table, .nr_frames = 1};
    struct grant_entry_v1 lent = {
        .flags = GTF_permit_access, .domid = a->domain->id, .frame = frame_of_domain(a, id)};
    union grant_entry_v2 on = {.transitive = {.hdr = {GTF_transitive, a->domain->id},
                                              .trans_domid = id,
                                              .gref = FIRST_REF}};
    struct gnttab_copy copy = {
        .source = {.u.ref = FIRST_REF, .domid = a->domain->id},
        .dest = {.u.gmfn = own_frame(a, SIM_PFN_FREE + 1), .domid = DOMID_SELF},
        .len = 64,
        .flags = GNTCOPY_source_gref};

    r.frame_list.p = (void *)args_put(a, 1, theirs, sizeof(theirs));
    call_struct(a, __HYPERVISOR_memory_op, XENMEM_acquire_resource, &r, sizeof(r));
    args_get(a, 1, theirs, sizeof(theirs));
    script_grant_version(a, 2);
    script_grant_frames(a, 1, frames);
    script_map(a, 0, frames[0], true);
    va_map_foreign(a, script_window_va(1), pte_make(theirs[0], PTE_P | PTE_US | PTE_RW), id);
    sim_guest_write(a->guest, script_window_va(1) + FIRST_REF * sizeof(lent), &lent, sizeof(lent));
    sim_guest_write(a->guest, script_window_va(0) + FIRST_REF * sizeof(on), &on, sizeof(on));
    grant_op(a, GNTTABOP_copy, &copy, sizeof(copy));
    RULE("script", copy.status == GNTST_okay, "a copy by a grant of d%u's: %d", id, copy.status);
}

/* ---- memory -----------------------------------------------------------------------------------
 */

static long extents(struct actor *a, unsigned op, unsigned count, unsigned order, unsigned flags,
                    uint64_t *list)
{
    struct xen_memory_reservation r = {
        .nr_extents = count, .extent_order = order, .mem_flags = flags, .domid = DOMID_SELF};
    long rc;

    r.extent_start.p = (void *)args_put(a, 1, list, count * sizeof(list[0]));
    rc = call_struct(a, __HYPERVISOR_memory_op, op, &r, sizeof(r));
    args_get(a, 1, list, count * sizeof(list[0]));
    return rc;
}

static void exchange(struct actor *a, uint64_t *in, unsigned in_count, unsigned in_order,
                     unsigned out_order)
{
    unsigned out_count = (in_count << in_order) >> out_order;
    struct xen_memory_exchange x = {
        .in = {.nr_extents = in_count, .extent_order = in_order, .domid = DOMID_SELF},
        .out = {.nr_extents = out_count, .extent_order = out_order, .domid = DOMID_SELF}};
    uint64_t out[EXTENTS];

    for (unsigned i = 0; i < out_count; i++)
        out[i] = SIM_PAGES_MAX + i;
    x.in.extent_start.p = (void *)args_put(a, 1, in, in_count * sizeof(in[0]));
    x.out.extent_start.p = (void *)args_put(a, 2, out, out_count * sizeof(out[0]));
    call_struct(a, __HYPERVISOR_memory_op, XENMEM_exchange, &x, sizeof(x));
}

static void memory(struct actor *a)
{
    uint64_t list[EXTENTS];

    for (unsigned i = 0; i < EXTENTS; i++)
        list[i] = SIM_PAGES_MAX + i;
    extents(a, XENMEM_populate_physmap, EXTENTS, 0, 0, list);
    exchange(a, list, 4, 0, 2);
    exchange(a, list + 4, 4, 0, 0);
    extents(a, XENMEM_decrease_reservation, 4, 0, 0, list + 8);
    for (unsigned i = 0; i < EXTENTS; i++)
        list[i] = 2 * SIM_PAGES_MAX + 8 * i;
    extents(a, XENMEM_populate_physmap, 3, 2, XENMEMF_address_bits(32), list);
    exchange(a, list, 1, 2, 0);
    exchange(a, list + 1, 1, 2, 1);
    extents(a, XENMEM_increase_reservation, 5, 0, XENMEMF_address_bits(31), list);
}

/* A page from the domain to itself: it leaves the account and comes back to it. */
static void transfer(struct actor *a)
{
    uint64_t frames[1] = {0}, list[1] = {3 * SIM_PAGES_MAX};
    struct grant_entry_v1 entry = {
        .flags = GTF_accept_transfer, .domid = a->domain->id, .frame = 4 * SIM_PAGES_MAX};
    struct gnttab_transfer op = {.domid = a->domain->id, .ref = FIRST_REF + 1};
    struct gnttab_cache_flush flush = {.length = PAGE_SIZE, .op = GNTTAB_CACHE_CLEAN};

    script_grant_version(a, 1);
    script_grant_frames(a, 1, frames);
    script_map(a, 0, frames[0], true);
    sim_guest_write(a->guest, script_window_va(0) + (FIRST_REF + 1) * sizeof(entry), &entry,
                    sizeof(entry));
    extents(a, XENMEM_populate_physmap, 1, 0, 0, list);
    op.mfn = list[0];
    flush.a.dev_bus_addr = list[0] << PAGE_SHIFT;
    grant_op(a, GNTTABOP_cache_flush, &flush, sizeof(flush));
    grant_op(a, GNTTABOP_transfer, &op, sizeof(op));
    RULE("script", op.status == GNTST_okay, "d%u gave itself a page: %d", a->domain->id, op.status);
    extents(a, XENMEM_decrease_reservation, 1, 0, 0, list);
}

/* ---- vCPUs ------------------------------------------------------------------------------------
 */

static void vcpu_op(struct actor *a, unsigned op, unsigned vcpu, const void *object,
                    size_t size_bytes)
{
    call(a, __HYPERVISOR_vcpu_op, op, vcpu, args_put(a, 1, object, size_bytes), 0, 0);
}

static void vcpus(struct actor *a)
{
    static struct vcpu_guest_context c;
    struct vcpu_register_vcpu_info info = {.mfn = own_frame(a, SIM_PFN_FREE + 20)};
    struct vcpu_register_runstate_memory_area area = {.addr.p = sim_page_va(SIM_PFN_FREE + 21)};
    struct vcpu_set_periodic_timer periodic = {.period_ns = 1000000000};
    struct vcpu_set_singleshot_timer single = {.timeout_abs_ns = sim_time_ns() + 1000000000000};

    for (unsigned v = 1; v < a->domain->vcpu_max; v++) {
        context_fill(&c, v, own_frame(a, SIM_PFN_TABLES));
        vcpu_op(a, VCPUOP_initialise, v, &c, sizeof(c));
        info.offset = v * sizeof(struct vcpu_info);
        vcpu_op(a, VCPUOP_register_vcpu_info, v, &info, sizeof(info));
        vcpu_op(a, VCPUOP_register_runstate_memory_area, v, &area, sizeof(area));
        vcpu_op(a, VCPUOP_set_periodic_timer, v, &periodic, sizeof(periodic));
        vcpu_op(a, VCPUOP_set_singleshot_timer, v, &single, sizeof(single));
        vcpu_op(a, VCPUOP_up, v, NULL, 0);
        vcpu_op(a, VCPUOP_is_up, v, NULL, 0);
        vcpu_op(a, VCPUOP_stop_periodic_timer, v, NULL, 0);
        vcpu_op(a, VCPUOP_down, v, NULL, 0);
    }
}

/* ---- page tables, descriptors -----------------------------------------------------------------
 */

static void page_tables(struct actor *a)
{
    uint64_t table = own_frame(a, SIM_PFN_FREE + 30), gdt = own_frame(a, SIM_PFN_GDT);
    struct mmuext_op pin = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = table};
    struct mmuext_op ldt = {.cmd = MMUEXT_SET_LDT, .arg1.linear_addr = sim_page_va(SIM_PFN_GDT)};
    struct mmu_update update = {.ptr = table << PAGE_SHIFT};
    struct trap_info traps[2] = {
        {.vector = 3, .flags = 3, .cs = 0xe033, .address = SIM_PC_TRAP(3)}};

    call(a, __HYPERVISOR_update_va_mapping, sim_page_va(SIM_PFN_FREE + 30),
         pte_make(table, PTE_P | PTE_US), UVMF_INVLPG | UVMF_ALL, 0, 0);
    call(a, __HYPERVISOR_mmuext_op, args_put(a, 0, &pin, sizeof(pin)), 1, 0, DOMID_SELF, 0);
    update.val = pte_make(own_frame(a, SIM_PFN_FREE + 31), PTE_P | PTE_RW | PTE_US);
    call(a, __HYPERVISOR_mmu_update, args_put(a, 0, &update, sizeof(update)), 1, 0, DOMID_SELF, 0);
    pin.cmd = MMUEXT_UNPIN_TABLE;
    call(a, __HYPERVISOR_mmuext_op, args_put(a, 0, &pin, sizeof(pin)), 1, 0, DOMID_SELF, 0);
    call(a, __HYPERVISOR_set_gdt, args_put(a, 0, &gdt, sizeof(gdt)), 16, 0, 0, 0);
    ldt.arg2.nr_ents = 16;
    call(a, __HYPERVISOR_mmuext_op, args_put(a, 0, &ldt, sizeof(ldt)), 1, 0, DOMID_SELF, 0);
    call(a, __HYPERVISOR_set_trap_table, args_put(a, 0, traps, sizeof(traps)), 0, 0, 0, 0);
}

#define BOTH(name, act)                    \
    {name ", control domain", false, act}, \
    {                                      \
        name ", guest", true, act          \
    }

const struct faults_script guest_scripts[] = {
    BOTH("ports", ports),
    BOTH("FIFO events", fifo),
    BOTH("grant tables", tables),
    BOTH("grant mappings", mappings),
    {"grants that stand for others", false, transitive},
    BOTH("memory", memory),
    BOTH("page given", transfer),
    BOTH("vCPUs", vcpus),
    BOTH("page tables", page_tables),
    {0},
};
