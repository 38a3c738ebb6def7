/* SPDX-License-Identifier: MIT */
/* Situations of the control domain: another domain's vCPUs and settings, the machine's interrupts
 * and PCI functions. */
#include "faults_script.h"

#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/physdev.h>

#include <string.h>

#define FAR_DOMAIN   5000         /* the table of ids has no part for it yet */
#define MSIX_TABLE   0xf0000000UL /* arch/sim/pci.c: BAR of device 0 */
#define BAR_BYTES    0x4000UL
#define E820_RAM     1
#define XSAVE_HEADER 16
#define XSAVE_BYTES  (XSAVE_HEADER + 832) /* arch/sim: SIM_XSAVE_BYTES */

struct e820_entry { /* as firmware has it: 20 bytes */
    uint64_t addr, size;
    uint32_t type;
} __attribute__((packed));

static long control(struct actor *a, uint32_t cmd, uint16_t id, struct xen_domctl *op)
{
    long rc;

    op->cmd = cmd;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = id;
    rc = call(a, __HYPERVISOR_domctl, args_put(a, 0, op, sizeof(*op)), 0, 0, 0, 0);
    args_get(a, 0, op, sizeof(*op));
    return rc;
}

/* ---- domains ----------------------------------------------------------------------------------
 */

static uint16_t domain_create_empty(struct actor *a, uint16_t id)
{
    struct xen_domctl op = {.u.createdomain = {.max_vcpus = 4,
                                               .max_evtchn_port = 1023,
                                               .max_grant_frames = 64,
                                               .max_maptrack_frames = 1024,
                                               .grant_opts = 2}};

    return control(a, XEN_DOMCTL_createdomain, id, &op) == 0 ? op.domain : 0;
}

static void policy_set(struct actor *a, uint16_t id)
{
    struct xen_domctl op = {0};

    control(a, XEN_DOMCTL_set_cpu_policy, id, &op);
    control(a, XEN_DOMCTL_set_cpu_policy, id, &op); /* in place of one */
}

static void memory_map_set(struct actor *a, uint16_t id)
{
    struct e820_entry map[3] = {{0, 0xa0000, E820_RAM}, {0x100000, 0x4000000, E820_RAM}};
    struct xen_foreign_memory_map op = {.domid = id, .map.nr_entries = ARRAY_SIZE(map)};

    op.map.buffer.p = (void *)args_put(a, 1, map, sizeof(map));
    call_struct(a, __HYPERVISOR_memory_op, XENMEM_set_memory_map, &op, sizeof(op));
    op.map.nr_entries = 2;
    call_struct(a, __HYPERVISOR_memory_op, XENMEM_set_memory_map, &op, sizeof(op));
}

static void resource_acquire(struct actor *a, uint16_t id)
{
    uint64_t frames[8] = {0};
    struct xen_mem_acquire_resource op = {
        .domid = id, .type = XENMEM_resource_grant_table, .nr_frames = 4};

    op.frame_list.p = (void *)args_put(a, 1, frames, sizeof(frames));
    call_struct(a, __HYPERVISOR_memory_op, XENMEM_acquire_resource, &op, sizeof(op));
}

/* Made, set up, given some memory, and destroyed before it ran. */
static void domains(struct actor *a)
{
    static const uint16_t wanted[] = {0, FAR_DOMAIN};
    struct xen_domctl op;
    uint16_t id;

    for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
        struct xen_memory_reservation r = {.nr_extents = 3, .extent_order = 1};

        id = domain_create_empty(a, wanted[i]);
        memset(&op, 0, sizeof(op));
        op.u.max_vcpus.max = 4;
        control(a, XEN_DOMCTL_max_vcpus, id, &op);
        memset(&op, 0, sizeof(op));
        op.u.max_mem.max_memkb = 4096;
        control(a, XEN_DOMCTL_max_mem, id, &op);
        policy_set(a, id);
        memory_map_set(a, id);
        resource_acquire(a, id);
        r.domid = id;
        call_struct(a, __HYPERVISOR_memory_op, XENMEM_claim_pages, &r, sizeof(r));
        call_struct(a, __HYPERVISOR_memory_op, XENMEM_increase_reservation, &r, sizeof(r));
        memset(&op, 0, sizeof(op));
        control(a, XEN_DOMCTL_destroydomain, id, &op);
    }
}

/* A running domain's vCPUs, as tools save and restore them. */
static void saved_vcpus(struct actor *a)
{
    uint64_t area[(XSAVE_BYTES + 7) / 8] = {3, 3};
    struct xen_domctl op = {0};

    control(a, XEN_DOMCTL_pausedomain, script_guest(), &op);
    for (unsigned v = 0; v < 3; v++) {
        memset(&op, 0, sizeof(op));
        op.u.vcpucontext.vcpu = v;
        op.u.vcpucontext.ctxt.p = (void *)args_put(a, 2, area, 8);
        if (control(a, XEN_DOMCTL_getvcpucontext, script_guest(), &op) == 0)
            control(a, XEN_DOMCTL_setvcpucontext, script_guest(), &op);
        memset(&op, 0, sizeof(op));
        op.u.vcpuextstate.vcpu = v;
        control(a, XEN_DOMCTL_getvcpuextstate, script_guest(), &op);
        op.u.vcpuextstate.buffer.p = (void *)args_put(a, 2, area, sizeof(area));
        control(a, XEN_DOMCTL_setvcpuextstate, script_guest(), &op);
        control(a, XEN_DOMCTL_getvcpuextstate, script_guest(), &op);
    }
    memset(&op, 0, sizeof(op));
    control(a, XEN_DOMCTL_unpausedomain, script_guest(), &op);
}

static void settings(struct actor *a)
{
    struct xen_domctl op = {.u.scheduler_op = {.sched_id = XEN_SCHEDULER_CREDIT2,
                                               .cmd = XEN_DOMCTL_SCHEDOP_putinfo,
                                               .u.credit2 = {.weight = 512, .cap = 50}}};

    control(a, XEN_DOMCTL_scheduler_op, script_guest(), &op);
    memory_map_set(a, script_guest());
    resource_acquire(a, script_guest());
    memset(&op, 0, sizeof(op));
    op.u.settimeoffset.time_offset_seconds = 0;
    control(a, XEN_DOMCTL_settscinfo, script_guest(), &op);
    memset(&op, 0, sizeof(op));
    op.u.setdomainhandle.handle[0] = 1;
    control(a, XEN_DOMCTL_setdomainhandle, script_guest(), &op);
}

/* ---- interrupts -------------------------------------------------------------------------------
 */

static long physdev(struct actor *a, unsigned op, void *object, size_t size_bytes)
{
    return call_struct(a, __HYPERVISOR_physdev_op, op, object, size_bytes);
}

static int pirq_map(struct actor *a, uint16_t id, struct physdev_map_pirq map)
{
    map.domid = id;
    map.pirq = -1;
    return physdev(a, PHYSDEVOP_map_pirq, &map, sizeof(map)) == 0 ? map.pirq : -1;
}

static void pirq_bind(struct actor *a, int pirq)
{
    struct evtchn_bind_pirq bind = {.pirq = pirq, .flags = BIND_PIRQ__WILL_SHARE};
    struct physdev_unmap_pirq unmap = {.domid = DOMID_SELF, .pirq = pirq};

    call_struct(a, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, &bind, sizeof(bind));
    physdev(a, PHYSDEVOP_unmap_pirq, &unmap, sizeof(unmap));
}

static void functions_add(struct actor *a)
{
    for (unsigned i = 0; i < 3; i++) {
        struct physdev_pci_device_add add = {.devfn = i << 3};
        struct physdev_manage_pci old = {.devfn = 3 << 3};

        physdev(a, PHYSDEVOP_pci_device_add, &add, sizeof(add));
        physdev(a, PHYSDEVOP_manage_pci_add, &old, sizeof(old));
    }
}

static void pirqs_of(struct actor *a, uint16_t id, unsigned device)
{
    int devfn = device << 3;
    struct physdev_get_free_pirq reserve = {.type = MAP_PIRQ_TYPE_MSI};

    pirq_map(a, id, (struct physdev_map_pirq){.type = MAP_PIRQ_TYPE_GSI, .index = 17 + device});
    pirq_map(a, id, (struct physdev_map_pirq){.type = MAP_PIRQ_TYPE_MSI_SEG, .devfn = devfn});
    for (int entry = 0; entry < 2; entry++)
        pirq_bind(
            a, pirq_map(a, id,
                        (struct physdev_map_pirq){.type = MAP_PIRQ_TYPE_MSI_SEG,
                                                  .devfn = devfn,
                                                  .entry_nr = entry,
                                                  .table_base = MSIX_TABLE + device * BAR_BYTES}));
    pirq_map(
        a, id,
        (struct physdev_map_pirq){.type = MAP_PIRQ_TYPE_MULTI_MSI, .devfn = devfn, .entry_nr = 4});
    physdev(a, PHYSDEVOP_get_free_pirq, &reserve, sizeof(reserve));
}

static void pirqs(struct actor *a)
{
    struct physdev_pirq_eoi_gmfn page = {.gmfn = own_frame(a, SIM_PFN_FREE + 12)};
    struct physdev_pci_device msix = {.devfn = 2 << 3};

    functions_add(a);
    pirqs_of(a, DOMID_SELF, 0);
    pirqs_of(a, script_guest(), 1);
    pirq_bind(a, 20);
    physdev(a, PHYSDEVOP_pirq_eoi_gmfn_v2, &page, sizeof(page));
    physdev(a, PHYSDEVOP_prepare_msix, &msix, sizeof(msix));
    physdev(a, PHYSDEVOP_release_msix, &msix, sizeof(msix));
    physdev(a, PHYSDEVOP_restore_msi_ext, &msix, sizeof(msix));
}

/* A pirq of a function that nobody has announced. */
static void pirqs_unannounced(struct actor *a)
{
    pirqs_of(a, DOMID_SELF, 2);
    pirqs_of(a, script_guest(), 3);
}

static void eoi_page_first(struct actor *a)
{
    struct physdev_pirq_eoi_gmfn page = {.gmfn = own_frame(a, SIM_PFN_FREE + 12)};

    physdev(a, PHYSDEVOP_pirq_eoi_gmfn_v1, &page, sizeof(page));
}

const struct faults_script control_scripts[] = {
    {"domains made and destroyed", false, domains},
    {"vCPUs saved and restored", false, saved_vcpus},
    {"settings of a running domain", false, settings},
    {"interrupts", false, pirqs},
    {"interrupts of unknown functions", false, pirqs_unannounced},
    {"page of interrupts to end, control domain", false, eoi_page_first},
    {"page of interrupts to end, guest", true, eoi_page_first},
    {0},
};
