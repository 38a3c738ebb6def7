/* SPDX-License-Identifier: MIT */
/*
 * HYPERVISOR_physdev_op: interrupts of real devices. The keyboard controller raises an edge on GSI
 * 1, the emulator's `edu` device (1234:11e8) a level on its INTx pin and a message once MSI is on:
 * register 0x60 raises the bits written, 0x24 shows them, 0x64 takes them back.
 */
/* RUN: qemu="-device edu" */
#include "guest.h"
#include "pci.h"
#include <xen/physdev.h>

#define MS       1000000UL
#define EDU_ID   0x11e81234
#define KBD_GSI  1
#define BAD_PIRQ 5000

static uint32_t edu_address; /* of its configuration space */
static volatile uint32_t *edu;
static int edu_gsi;
static evtchn_port_t edu_port, kbd_port;

static long map_gsi(int gsi)
{
    struct physdev_map_pirq op = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = gsi, .pirq = gsi};
    long err = physdev_op(PHYSDEVOP_map_pirq, &op);

    return err ? err : op.pirq;
}

static long bind_pirq(uint32_t pirq, uint32_t flags)
{
    struct evtchn_bind_pirq op = {.pirq = pirq, .flags = flags};
    long err = event_channel_op(EVTCHNOP_bind_pirq, &op);

    return err ? err : op.port;
}

static uint32_t pirq_status(uint32_t pirq)
{
    struct physdev_irq_status_query op = {.irq = pirq};

    CHECK_EQ(physdev_op(PHYSDEVOP_irq_status_query, &op), 0);
    return op.flags;
}

static long pirq_eoi(uint32_t pirq)
{
    struct physdev_eoi op = {.irq = pirq};

    return physdev_op(PHYSDEVOP_eoi, &op);
}

/* Time for an interrupt that must not come. */
static void settle(void)
{
    uint64_t end = time_now() + 20 * MS;

    while (time_now() < end)
        xen_version(0, NULL);
}

TEST("setup")
{
    struct physdev_set_iopl op = {.iopl = 1};

    REQUIRE_EQ(physdev_op(PHYSDEVOP_set_iopl, &op), 0);
    edu_address = pci_find(EDU_ID);
    REQUIRE(edu_address != ~0u);
    edu_gsi = pci_read(edu_address, 0x3c) & 0xff;
    REQUIRE(edu_gsi > 0 && edu_gsi < 24);
    pci_write(edu_address, 4,
              (pci_read(edu_address, 4) & 0xffff) | 6); /* memory space, bus master */
    edu = page_alloc();
    REQUIRE_EQ(map_va((void *)edu, (pci_read(edu_address, 0x10) & ~0xfffUL) | PTE_RW | PTE_PCD), 0);
    CHECK_EQ(edu[0] & 0xff, 0xed);
    edu[1] = 0x12345678;
    CHECK_EQ(edu[1], ~0x12345678u);
}

TEST("apic-read")
{
    struct physdev_apic op = {.apic_physbase = 0xfec00000, .reg = 1};

    CHECK_EQ(physdev_op(PHYSDEVOP_apic_read, &op), 0);
    CHECK_EQ(op.value >> 16 & 0xff, 23); /* 24 pins */
    op = (struct physdev_apic){.apic_physbase = 0xfec00000, .reg = 0};
    CHECK_EQ(physdev_op(PHYSDEVOP_apic_read, &op), 0);
    op = (struct physdev_apic){.apic_physbase = 0xfed00000, .reg = 0};
    CHECK_EQ(physdev_op(PHYSDEVOP_apic_read, &op), -EINVAL);
    CHECK_EQ(physdev_op(PHYSDEVOP_apic_read, 0x1000), -EFAULT);
}

TEST("setup-gsi")
{
    struct physdev_setup_gsi op = {.gsi = edu_gsi, .triggering = 1, .polarity = 0};
    long err = map_gsi(edu_gsi);

    CHECK_EQ(err, edu_gsi);
    err = physdev_op(PHYSDEVOP_setup_gsi, &op);
    CHECK(err == 0 || err == -EEXIST);
    op.gsi = 4; /* the hypervisor's own serial port */
    op.triggering = 0;
    err = physdev_op(PHYSDEVOP_setup_gsi, &op);
    CHECK(err == 0 || err == -EEXIST);
    op.gsi = 4000;
    CHECK_EQ(physdev_op(PHYSDEVOP_setup_gsi, &op), -EINVAL);
    op.gsi = -1;
    CHECK_EQ(physdev_op(PHYSDEVOP_setup_gsi, &op), -EINVAL);
}

TEST("map-pirq")
{
    struct physdev_map_pirq op = {.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI};

    for (int gsi = 1; gsi < 16; gsi++)
        if (gsi != 2)
            CHECK_EQ(map_gsi(gsi), gsi);
    CHECK_EQ(map_gsi(edu_gsi), edu_gsi); /* again: fine */
    op.index = 4000;
    op.pirq = 100;
    CHECK_EQ(physdev_op(PHYSDEVOP_map_pirq, &op), -EINVAL);
    op.index = -1;
    CHECK_EQ(physdev_op(PHYSDEVOP_map_pirq, &op), -EINVAL);
    op.index = 5;
    op.type = 77;
    CHECK(physdev_op(PHYSDEVOP_map_pirq, &op) < 0);
    op.domid = 77;
    op.type = MAP_PIRQ_TYPE_GSI;
    CHECK_EQ(physdev_op(PHYSDEVOP_map_pirq, &op), -ESRCH);
    CHECK_EQ(physdev_op(PHYSDEVOP_map_pirq, 0x1000), -EFAULT);
}

TEST("alloc-irq-vector")
{
    struct physdev_irq op = {.irq = KBD_GSI};

    CHECK_EQ(physdev_op(PHYSDEVOP_alloc_irq_vector, &op), 0);
    CHECK(op.vector < 256);
    CHECK_EQ(physdev_op(PHYSDEVOP_alloc_irq_vector, 0x1000), -EFAULT);
}

TEST("bind-pirq")
{
    struct evtchn_status status;
    long port = bind_pirq(edu_gsi, 1);

    REQUIRE(port > 0);
    edu_port = port;
    CHECK_EQ(event_status(port, &status), 0);
    CHECK_EQ(status.status, EVTCHNSTAT_pirq);
    CHECK_EQ(status.u.pirq, edu_gsi);
    CHECK_EQ(bind_pirq(edu_gsi, 1), -EEXIST);
    CHECK_EQ(event_send(port), -EINVAL);
    CHECK(bind_pirq(BAD_PIRQ, 0) < 0);
    CHECK(bind_pirq(4, 0) < 0); /* the hypervisor's serial port */
}

TEST("status-query")
{
    struct physdev_irq_status_query op = {.irq = BAD_PIRQ};

    CHECK_EQ(pirq_status(edu_gsi) & XENIRQSTAT_needs_eoi, XENIRQSTAT_needs_eoi);
    CHECK_EQ(physdev_op(PHYSDEVOP_irq_status_query, &op), -EINVAL);
    CHECK_EQ(physdev_op(PHYSDEVOP_irq_status_query, 0x1000), -EFAULT);
}

TEST("eoi-refused")
{
    CHECK_EQ(pirq_eoi(BAD_PIRQ), -EINVAL);
    CHECK_EQ(pirq_eoi(~0u), -EINVAL);
    CHECK_EQ(physdev_op(PHYSDEVOP_eoi, 0x1000), -EFAULT);
}

static void edu_raise(void)
{
    edu[0x60 / 4] = 1;
}

static void edu_acknowledge(void)
{
    edu[0x64 / 4] = edu[0x24 / 4];
}

/*
 * A hypervisor may end the interrupt itself when the guest is slow (Xen does after a millisecond),
 * so a line that stays up may come more than once; what counts is that none comes when the line is
 * down.
 */
TEST("level-interrupt")
{
    CHECK_EQ(pirq_eoi(edu_gsi), 0);
    event_unmask(edu_port);
    events_enable();
    for (unsigned i = 0; i < 5; i++) {
        event_counts[edu_port] = 0;
        edu_raise();
        if (!CHECK(event_wait(edu_port, 1, 500 * MS)))
            break;
        edu_acknowledge();
        CHECK_EQ(pirq_eoi(edu_gsi), 0);
        unsigned count = event_counts[edu_port];

        settle();
        CHECK(event_counts[edu_port] <= count + 1); /* one may have been under way */
    }
    events_disable();
}

/* The device raises again before the end of interrupt: it is not lost. */
TEST("level-raised-before-eoi")
{
    event_counts[edu_port] = 0;
    events_enable();
    edu_raise();
    CHECK(event_wait(edu_port, 1, 500 * MS));
    edu_acknowledge();
    edu_raise();
    CHECK_EQ(pirq_eoi(edu_gsi), 0);
    CHECK(event_wait(edu_port, 2, 500 * MS));
    edu_acknowledge();
    CHECK_EQ(pirq_eoi(edu_gsi), 0);
    events_disable();
}

/* An end of interrupt with the line still up brings it again. */
TEST("level-not-acknowledged")
{
    event_counts[edu_port] = 0;
    events_enable();
    edu_raise();
    CHECK(event_wait(edu_port, 1, 500 * MS));
    CHECK_EQ(pirq_eoi(edu_gsi), 0);
    CHECK(event_wait(edu_port, 2, 500 * MS));
    edu_acknowledge();
    CHECK_EQ(pirq_eoi(edu_gsi), 0);
    events_disable();
}

TEST("level-masked")
{
    event_counts[edu_port] = 0;
    event_mask(edu_port);
    events_enable();
    edu_raise();
    settle();
    CHECK_EQ(event_counts[edu_port], 0);
    CHECK(event_pending(edu_port));
    CHECK_EQ(event_unmask(edu_port), 0);
    CHECK_EQ(event_counts[edu_port], 1);
    edu_acknowledge();
    CHECK_EQ(pirq_eoi(edu_gsi), 0);
    events_disable();
}

/* The controller puts a byte of ours into its buffer, as if a key had been hit. */
static void kbd_raise(uint8_t byte)
{
    port_out8(0x64, 0xd2);
    port_out8(0x60, byte);
}

TEST("edge-interrupt")
{
    struct physdev_setup_gsi setup = {.gsi = KBD_GSI};
    long port, err = physdev_op(PHYSDEVOP_setup_gsi, &setup);

    CHECK(err == 0 || err == -EEXIST);
    while (port_in8(0x64) & 1)
        port_in8(0x60);
    port_out8(0x64, 0x60); /* configuration: interrupt of the first port */
    port_out8(0x60, 0x01);
    port = bind_pirq(KBD_GSI, 0);
    REQUIRE(port > 0);
    kbd_port = port;
    CHECK_EQ(event_unmask(kbd_port), 0);
    event_counts[kbd_port] = 0;
    events_enable();
    for (unsigned i = 1; i < 6; i++) {
        kbd_raise(i);
        if (!CHECK(event_wait(kbd_port, i, 500 * MS)))
            break;
        CHECK_EQ(port_in8(0x60), i);
        if (pirq_status(KBD_GSI) & XENIRQSTAT_needs_eoi)
            CHECK_EQ(pirq_eoi(KBD_GSI), 0);
    }
    settle();
    CHECK_EQ(event_counts[kbd_port], 5);
    events_disable();
}

/* Raised while the port is masked: not lost. */
TEST("edge-masked")
{
    event_counts[kbd_port] = 0;
    event_mask(kbd_port);
    events_enable();
    kbd_raise(7);
    settle();
    CHECK_EQ(event_counts[kbd_port], 0);
    CHECK_EQ(event_unmask(kbd_port), 0);
    CHECK_EQ(event_counts[kbd_port], 1);
    CHECK_EQ(port_in8(0x60), 7);
    events_disable();
}

TEST("unbind-and-unmap")
{
    struct physdev_unmap_pirq op = {.domid = DOMID_SELF, .pirq = KBD_GSI};

    CHECK_EQ(event_close(kbd_port), 0);
    kbd_raise(9);
    settle();
    CHECK_EQ(port_in8(0x60), 9);
    CHECK_EQ(physdev_op(PHYSDEVOP_unmap_pirq, &op), 0);
    CHECK(physdev_op(PHYSDEVOP_unmap_pirq, &op) < 0);
    CHECK(bind_pirq(KBD_GSI, 0) < 0);
    op.pirq = BAD_PIRQ;
    CHECK_EQ(physdev_op(PHYSDEVOP_unmap_pirq, &op), -EINVAL);
    op.domid = 77;
    CHECK_EQ(physdev_op(PHYSDEVOP_unmap_pirq, &op), -ESRCH);
    /* And once more from the start, where that is allowed: in Xen an unmapped GSI is lost for good.
     */
    if (map_gsi(KBD_GSI) != KBD_GSI)
        return;
    long port = bind_pirq(KBD_GSI, 0);

    REQUIRE(port > 0);
    CHECK_EQ(event_unmask(port), 0);
    event_counts[port] = 0;
    events_enable();
    kbd_raise(3);
    CHECK(event_wait(port, 1, 500 * MS));
    CHECK_EQ(port_in8(0x60), 3);
    events_disable();
    CHECK_EQ(event_close(port), 0);
}

static long pci_device_add(uint8_t devfn)
{
    struct physdev_pci_device_add op = {.devfn = devfn};

    return physdev_op(PHYSDEVOP_pci_device_add, &op);
}

TEST("pci-device-add")
{
    for (unsigned devfn = 0; devfn < 256; devfn += 8) {
        port_out32(0xcf8, 0x80000000 | devfn << 8);
        if (port_in32(0xcfc) != 0xffffffff)
            CHECK_EQ(pci_device_add(devfn), 0);
    }
    CHECK_EQ(pci_device_add(edu_address >> 8), 0); /* again */
    CHECK_EQ(physdev_op(PHYSDEVOP_pci_device_add, 0x1000), -EFAULT);
}

TEST("msi-refused")
{
    struct physdev_map_pirq op = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI_SEG, .index = -1, .pirq = -1, .devfn = 0xf8};

    CHECK(physdev_op(PHYSDEVOP_map_pirq, &op) < 0); /* no such device */
    op.devfn = edu_address >> 8;
    op.table_base = 0xfe000000; /* it has no MSI-X */
    CHECK(physdev_op(PHYSDEVOP_map_pirq, &op) < 0);
}

TEST("msi-interrupt")
{
    struct physdev_map_pirq op = {.domid = DOMID_SELF,
                                  .type = MAP_PIRQ_TYPE_MSI_SEG,
                                  .index = -1,
                                  .pirq = -1,
                                  .devfn = edu_address >> 8};
    uint32_t capability = pci_capability(edu_address, PCI_CAP_MSI);
    long port;

    REQUIRE(capability != 0);
    CHECK_EQ(event_close(edu_port), 0);
    REQUIRE_EQ(physdev_op(PHYSDEVOP_map_pirq, &op), 0);
    CHECK(op.pirq > 15);
    port = bind_pirq(op.pirq, 0);
    REQUIRE(port > 0);
    CHECK_EQ(event_unmask(port), 0);
    pci_write(edu_address, capability,
              pci_read(edu_address, capability) | 1 << 16); /* MSI enable */
    CHECK(pci_read(edu_address, capability) & 1 << 16);
    CHECK_EQ(pci_read(edu_address, capability + 4) & 0xfff00000, 0xfee00000);
    event_counts[port] = 0;
    events_enable();
    for (unsigned i = 1; i < 6; i++) {
        edu_raise();
        if (!CHECK(event_wait(port, i, 500 * MS)))
            break;
        edu_acknowledge();
        if (pirq_status(op.pirq) & XENIRQSTAT_needs_eoi)
            CHECK_EQ(pirq_eoi(op.pirq), 0);
    }
    settle();
    CHECK_EQ(event_counts[port], 5);
    events_disable();

    struct physdev_unmap_pirq unmap = {.domid = DOMID_SELF, .pirq = op.pirq};

    CHECK_EQ(event_close(port), 0);
    CHECK_EQ(physdev_op(PHYSDEVOP_unmap_pirq, &unmap), 0);
    CHECK(!(pci_read(edu_address, capability) & 1 << 16));
}

/* The shared bitmap of what needs an end of interrupt. */
TEST("eoi-map")
{
    uint64_t *map = page_alloc();
    struct physdev_pirq_eoi_gmfn op = {.gmfn = 1UL << 39};

    CHECK(physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v2, &op) < 0);
    op.gmfn = va_to_mfn(map);
    REQUIRE_EQ(physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v2, &op), 0);
    CHECK_EQ(physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v2, &op), -EBUSY);
    long port = bind_pirq(edu_gsi, 1);

    REQUIRE(port > 0);
    CHECK_EQ(map[0] >> edu_gsi & 1, 1);
    CHECK_EQ(event_unmask(port), 0);
    event_counts[port] = 0;
    events_enable();
    for (unsigned i = 1; i < 4; i++) {
        edu_raise();
        if (!CHECK(event_wait(port, i, 500 * MS)))
            break;
        edu_acknowledge();
        CHECK_EQ(pirq_eoi(edu_gsi), 0);
    }
    events_disable();
    CHECK_EQ(event_close(port), 0);
}

TEST("pci-device-remove")
{
    struct physdev_pci_device op = {.devfn = edu_address >> 8};

    CHECK_EQ(physdev_op(PHYSDEVOP_pci_device_remove, &op), 0);
    CHECK(physdev_op(PHYSDEVOP_pci_device_remove, &op) < 0);
    CHECK_EQ(pci_device_add(edu_address >> 8), 0);
}

TEST("others")
{
    struct physdev_get_free_pirq free_pirq = {.type = MAP_PIRQ_TYPE_MSI};
    char buffer[64] = {0};

    CHECK_EQ(physdev_op(PHYSDEVOP_get_free_pirq, &free_pirq), 0);
    CHECK(free_pirq.pirq > 15);
    CHECK_EQ(physdev_op(99, buffer), -ENOSYS);
    CHECK(physdev_op(22, buffer) < 0);
}
