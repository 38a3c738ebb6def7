/* SPDX-License-Identifier: MIT */
/*
 * The control domain drives the machine's devices: their PCI functions (arch/sim/pci.c), GSIs and
 * messages become pirqs, are bound to ports, arrive and are ended.
 */
#include "run.h"

#include <kr/errno.h>
#include <sim/random.h>

#include <xen/xen.h>

#include <xen/event_channel.h>
#include <xen/physdev.h>

#define WRONG_ONE_IN 14
#define BAR_BASE     0xf0000000UL
#define BAR_BYTES    0x4000UL
#define MSI_OFFSET   0x50 /* as in arch/sim/pci.c */
#define MSIX_OFFSET  0x70
#define MSIX_ENTRIES 8
#define CONFIG_ADDR  0xcf8
#define CONFIG_DATA  0xcfc
#define STIRS        4

static long physdev_op(struct actor *a, unsigned op, void *object, size_t size_bytes)
{
    return call_struct(a, __HYPERVISOR_physdev_op, op, object, size_bytes);
}

/* One that is there, mostly. */
static unsigned some_function(struct actor *a)
{
    unsigned count = sim_machine_config()->device_count;

    return pick_one_in(a, WRONG_ONE_IN) || count == 0 ? pick(a, 40) : pick(a, count);
}

static unsigned some_gsi(struct actor *a)
{
    return pick_one_in(a, WRONG_ONE_IN) ? pick(a, 300) : pick(a, SIM_GSI_COUNT);
}

static unsigned some_pirq(struct actor *a)
{
    return pick_one_in(a, 6) ? pick(a, 300) : (unsigned)pick_pool(a, &a->model->pirqs);
}

/* ---- functions --------------------------------------------------------------------------------
 */

static void device_add(struct actor *a)
{
    unsigned devfn = 8 * some_function(a);
    struct physdev_pci_device_add add = {.devfn = devfn, .seg = pick_one_in(a, WRONG_ONE_IN)};
    struct physdev_manage_pci manage = {.devfn = devfn};
    struct physdev_manage_pci_ext ext = {.devfn = devfn};

    switch (pick(a, 4)) {
    case 0: physdev_op(a, PHYSDEVOP_manage_pci_add, &manage, sizeof(manage)); break;
    case 1: physdev_op(a, PHYSDEVOP_manage_pci_add_ext, &ext, sizeof(ext)); break;
    default: physdev_op(a, PHYSDEVOP_pci_device_add, &add, sizeof(add)); break;
    }
}

static void device_remove(struct actor *a)
{
    struct physdev_pci_device op = {.devfn = 8 * some_function(a)};
    struct physdev_manage_pci manage = {.devfn = op.devfn};

    if (pick_one_in(a, 3))
        physdev_op(a, PHYSDEVOP_manage_pci_remove, &manage, sizeof(manage));
    else
        physdev_op(a, PHYSDEVOP_pci_device_remove, &op, sizeof(op));
}

static void msix(struct actor *a)
{
    static const unsigned ops[] = {PHYSDEVOP_prepare_msix, PHYSDEVOP_release_msix,
                                   PHYSDEVOP_restore_msi_ext};
    struct physdev_pci_device op = {.devfn = 8 * some_function(a)};

    physdev_op(a, ops[pick(a, ARRAY_SIZE(ops))], &op, sizeof(op));
}

static void restore_msi(struct actor *a)
{
    struct physdev_restore_msi op = {.devfn = 8 * some_function(a)};

    physdev_op(a, PHYSDEVOP_restore_msi, &op, sizeof(op));
}

/* ---- pirqs ------------------------------------------------------------------------------------
 */

static uint16_t some_domain(struct actor *a)
{
    return pick_one_in(a, 6) ? pick_domain(a) : DOMID_SELF;
}

static void map_note(struct actor *a, struct physdev_map_pirq *op)
{
    if (physdev_op(a, PHYSDEVOP_map_pirq, op, sizeof(*op)) != 0)
        return;
    if (op->domid == DOMID_SELF) {
        pool_add(&a->model->pirqs, op->pirq);
        if (op->type == MAP_PIRQ_TYPE_MULTI_MSI)
            pool_add(&a->model->pirqs, op->pirq + 1);
    } else if (model_by_id(op->domid)) {
        pool_add(&model_by_id(op->domid)->pirqs, op->pirq);
    }
}

static void map_gsi(struct actor *a)
{
    unsigned gsi = some_gsi(a);
    struct physdev_map_pirq op = {.domid = some_domain(a),
                                  .type = MAP_PIRQ_TYPE_GSI,
                                  .index = gsi,
                                  .pirq = pick_one_in(a, 6) ? -1 : (int)gsi};

    if (pick_one_in(a, WRONG_ONE_IN))
        op.pirq = pick(a, 300);
    map_note(a, &op);
}

static void map_msi(struct actor *a)
{
    static const int types[] = {MAP_PIRQ_TYPE_MSI, MAP_PIRQ_TYPE_MSI_SEG, MAP_PIRQ_TYPE_MULTI_MSI,
                                MAP_PIRQ_TYPE_GSI, 9};
    unsigned function = some_function(a);
    struct physdev_map_pirq op = {.domid = some_domain(a),
                                  .type = types[pick(a, pick_one_in(a, WRONG_ONE_IN) ? 5 : 3)],
                                  .index = -1,
                                  .pirq = -1,
                                  .devfn = 8 * function};

    if (op.type == MAP_PIRQ_TYPE_MULTI_MSI) {
        op.entry_nr = pick(a, pick_one_in(a, 6) ? 40 : 5);
    } else if (pick_one_in(a, 2)) {
        op.table_base = BAR_BASE + function * BAR_BYTES;
        op.entry_nr = pick(a, MSIX_ENTRIES + 1);
        if (pick_one_in(a, WRONG_ONE_IN))
            op.table_base = pick_word(a);
    }
    if (pick_one_in(a, 6))
        op.pirq = some_pirq(a);
    map_note(a, &op);
}

static void unmap(struct actor *a)
{
    struct physdev_unmap_pirq op = {.domid = some_domain(a), .pirq = some_pirq(a)};

    if (physdev_op(a, PHYSDEVOP_unmap_pirq, &op, sizeof(op)) == 0)
        pool_remove(&a->model->pirqs, op.pirq);
}

static void get_free_pirq(struct actor *a)
{
    struct physdev_get_free_pirq op = {.type = pick(a, 3)};

    if (physdev_op(a, PHYSDEVOP_get_free_pirq, &op, sizeof(op)) == 0)
        pool_add(&a->model->pirqs, op.pirq);
}

static void bind(struct actor *a)
{
    struct evtchn_bind_pirq op = {.pirq = some_pirq(a),
                                  .flags = pick_one_in(a, 2) ? BIND_PIRQ__WILL_SHARE : 0};

    if (event_op(a, EVTCHNOP_bind_pirq, &op, sizeof(op)) == 0)
        pool_add(&a->model->ports, op.port);
}

static void eoi(struct actor *a)
{
    struct physdev_eoi op = {.irq = some_pirq(a)};

    physdev_op(a, PHYSDEVOP_eoi, &op, sizeof(op));
}

static void status(struct actor *a)
{
    struct physdev_irq_status_query op = {.irq = some_pirq(a)};

    physdev_op(a, PHYSDEVOP_irq_status_query, &op, sizeof(op));
}

static void eoi_page(struct actor *a)
{
    uint64_t pfn = page_take(a, USE_SHARED);
    struct physdev_pirq_eoi_gmfn op = {.gmfn = own_frame(a, pfn)};

    if (pick_one_in(a, 4))
        op.gmfn = pick_frame(a);
    if (physdev_op(a, pick_one_in(a, 2) ? PHYSDEVOP_pirq_eoi_gmfn_v1 : PHYSDEVOP_pirq_eoi_gmfn_v2,
                   &op, sizeof(op)) != 0 &&
        pfn)
        a->model->memory.use[pfn] = USE_PLAIN;
}

/* ---- lines and ports --------------------------------------------------------------------------
 */

static void setup_gsi(struct actor *a)
{
    struct physdev_setup_gsi op = {.gsi = some_gsi(a),
                                   .triggering = pick(a, 2) + pick_one_in(a, WRONG_ONE_IN),
                                   .polarity = pick(a, 2)};

    physdev_op(a, PHYSDEVOP_setup_gsi, &op, sizeof(op));
}

static void alloc_vector(struct actor *a)
{
    struct physdev_irq op = {.irq = some_gsi(a)};

    physdev_op(a, PHYSDEVOP_alloc_irq_vector, &op, sizeof(op));
}

static void apic_read(struct actor *a)
{
    struct physdev_apic op = {.apic_physbase = 0xfec00000, .reg = pick(a, 0x40)};

    physdev_op(a, PHYSDEVOP_apic_read, &op, sizeof(op));
}

static void set_iopl(struct actor *a)
{
    struct physdev_set_iopl op = {.iopl = pick_one_in(a, 4) ? pick(a, 5) : 1};

    physdev_op(a, PHYSDEVOP_set_iopl, &op, sizeof(op));
}

static void others(struct actor *a)
{
    struct physdev_dbgp_op dbgp = {.op = pick(a, 4)};
    struct physdev_pci_mmcfg_reserved window = {.address = pick_word(a), .end_bus = pick(a, 256)};

    if (pick_one_in(a, 2))
        physdev_op(a, PHYSDEVOP_dbgp_op, &dbgp, sizeof(dbgp));
    else
        physdev_op(a, PHYSDEVOP_pci_mmcfg_reserved, &window, sizeof(window));
}

static void config_write(struct actor *a, unsigned function, unsigned offset, unsigned size_bytes,
                         uint32_t value)
{
    port_write(a, CONFIG_ADDR, 4, BIT(31) | function << 11 | (offset & ~3U));
    port_write(a, CONFIG_DATA + (offset & 3), size_bytes, value);
}

/* What a driver does once it has its pirq: messages on or off, masks; or any register. */
static void config(struct actor *a)
{
    struct physdev_set_iopl op = {.iopl = 1};
    unsigned function = some_function(a);

    if (a->vcpu->arch.iopl == 0)
        physdev_op(a, PHYSDEVOP_set_iopl, &op, sizeof(op));
    switch (pick(a, 6)) {
    case 0:
    case 1: config_write(a, function, MSI_OFFSET + 2, 2, 0x180 | pick(a, 2)); break;
    case 2:
    case 3:
        config_write(a, function, MSIX_OFFSET + 2, 2, pick(a, 2) << 15 | pick(a, 2) << 14);
        break;
    case 4: config_write(a, function, 4, 2, pick(a, 8)); break;
    default:
        config_write(a, function, pick(a, 64) * 4, (unsigned[]){1, 2, 4}[pick(a, 3)], pick_word(a));
        break;
    }
}

/* Interrupts, from the devices' stream. */
static void stir(struct actor *a)
{
    for (unsigned left = pick_range(a, 1, STIRS); left > 0; left--) {
        uint64_t pirq = pick_pool(a, &a->model->pirqs);

        sim_devices_stir();
        if (pirq < SIM_GSI_COUNT)
            sim_line_set(pirq, sim_random_below(SIM_STREAM_DEVICE, 2));
        for (unsigned i = 0; i < sim_machine_config()->device_count; i++)
            sim_message_send(i, sim_random_below(SIM_STREAM_DEVICE, MSIX_ENTRIES));
    }
    trace_note(a, "interrupts", 0, 0, 0);
}

const struct operation device_operations[] = {
    {"device add", GROUP_DEVICE, 6, true, device_add},
    {"device remove", GROUP_DEVICE, 2, true, device_remove},
    {"prepare, release or restore MSI-X", GROUP_DEVICE, 3, true, msix},
    {"restore_msi", GROUP_DEVICE, 2, true, restore_msi},
    {"map_pirq GSI", GROUP_DEVICE, 4, true, map_gsi},
    {"map_pirq MSI", GROUP_DEVICE, 8, true, map_msi},
    {"unmap_pirq", GROUP_DEVICE, 4, true, unmap},
    {"get_free_pirq", GROUP_DEVICE, 2, true, get_free_pirq},
    {"bind pirq", GROUP_DEVICE, 6, true, bind},
    {"bind pirq of others", GROUP_DEVICE, 1, false, bind},
    {"eoi", GROUP_DEVICE, 5, false, eoi},
    {"irq_status_query", GROUP_DEVICE, 3, false, status},
    {"pirq_eoi_gmfn", GROUP_DEVICE, 2, false, eoi_page},
    {"setup_gsi", GROUP_DEVICE, 4, true, setup_gsi},
    {"alloc_irq_vector", GROUP_DEVICE, 2, true, alloc_vector},
    {"apic_read", GROUP_DEVICE, 1, true, apic_read},
    {"set_iopl", GROUP_DEVICE, 2, false, set_iopl},
    {"other physdev_op", GROUP_DEVICE, 1, true, others},
    {"configuration space", GROUP_DEVICE, 8, true, config},
    {"interrupts", GROUP_DEVICE, 6, false, stir},
    {0},
};
