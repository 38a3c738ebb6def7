/* SPDX-License-Identifier: MIT */
/*
 * MSI-X through PHYSDEVOP_map_pirq: routing of two entries, masking, the table out of the guest's
 * reach, unmapping. The device is the emulator's network card e1000e (8086:10d3; Intel 82574
 * manual, chapters 7.1 and 10.2.4), which raises whatever causes are written to its ICS register.
 * Its table is in BAR 3.
 */
/* RUN: qemu="-device e1000e" */
#include "guest.h"
#include "cpu.h"
#include <xen/physdev.h>

#define MS       1000000UL
#define CARD_ID  0x10d38086
#define PCI_MSIX 0x11

#define MSIX_ENABLE   0x8000 /* in the control register */
#define MSIX_MASK_ALL 0x4000

/* Registers, as indices of words. */
#define ICR  (0xc0 / 4)
#define ICS  (0xc8 / 4)
#define IMS  (0xd0 / 4)
#define IVAR (0xe4 / 4)
#define EITR (0xe8 / 4) /* one per entry: pauses between interrupts */

#define CAUSE_QUEUE0 (1U << 20) /* routed to entry 0 */
#define CAUSE_QUEUE1 (1U << 21) /* to entry 1 */
#define IVAR_VALUE   0x98       /* receive queue 0: entry 0, 1: entry 1, both valid */

static uint32_t card_address;
static volatile uint32_t *card, *table;
static uint64_t table_paddr;
static uint32_t capability;
static uint32_t pirqs[2];
static evtchn_port_t ports[2];

static uint32_t pci_read(uint32_t reg)
{
    port_out32(0xcf8, 0x80000000 | card_address | (reg & 0xfc));
    return port_in32(0xcfc);
}

static void pci_write(uint32_t reg, uint32_t value)
{
    port_out32(0xcf8, 0x80000000 | card_address | (reg & 0xfc));
    port_out32(0xcfc, value);
}

/* The control register of the capability. */
static uint16_t control_read(void)
{
    return pci_read(capability) >> 16;
}

static void control_write(uint16_t value)
{
    port_out32(0xcf8, 0x80000000 | card_address | capability);
    port_out16(0xcfe, value);
}

static void settle(void)
{
    uint64_t end = time_now() + 20 * MS;

    while (time_now() < end)
        xen_version(0, NULL);
}

static void card_raise(uint32_t causes)
{
    card[ICR] = ~0U; /* takes back what is still there: only a new cause is an interrupt */
    card[ICS] = causes;
}

static long map_entry(int entry, uint64_t base)
{
    struct physdev_map_pirq op = {.domid = DOMID_SELF,
                                  .type = MAP_PIRQ_TYPE_MSI_SEG,
                                  .index = -1,
                                  .pirq = -1,
                                  .devfn = card_address >> 8,
                                  .entry_nr = entry,
                                  .table_base = base};
    long err = physdev_op(PHYSDEVOP_map_pirq, &op);

    return err ? err : op.pirq;
}

static long bind_pirq(uint32_t pirq)
{
    struct evtchn_bind_pirq op = {.pirq = pirq};
    long err = event_channel_op(EVTCHNOP_bind_pirq, &op);

    return err ? err : op.port;
}

TEST("setup")
{
    struct physdev_set_iopl iopl = {.iopl = 1};
    struct physdev_pci_device_add add = {0};

    REQUIRE_EQ(physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    for (unsigned device = 0; device < 32; device++) {
        card_address = device << 11;
        if (pci_read(0) == CARD_ID)
            break;
    }
    REQUIRE_EQ(pci_read(0), CARD_ID);
    add.devfn = card_address >> 8;
    REQUIRE_EQ(physdev_op(PHYSDEVOP_pci_device_add, &add), 0);
    pci_write(4, (pci_read(4) & 0xffff) | 6); /* memory space, bus master */
    card = page_alloc();
    REQUIRE_EQ(map_va((void *)card, (pci_read(0x10) & ~0xfffUL) | PTE_RW | PTE_PCD), 0);
    table_paddr = pci_read(0x1c) & ~0xfffUL;
    for (capability = pci_read(0x34) & 0xfc; capability;
         capability = pci_read(capability) >> 8 & 0xfc)
        if ((pci_read(capability) & 0xff) == PCI_MSIX)
            break;
    REQUIRE(capability != 0);
    REQUIRE_EQ(pci_read(capability + 4), 3); /* offset 0 in BAR 3 */
    card[IVAR] = IVAR_VALUE;
    card[EITR] = card[EITR + 1] = 0;
    card[IMS] = CAUSE_QUEUE0 | CAUSE_QUEUE1;
}

TEST("map-refused")
{
    CHECK_EQ(map_entry(2000, table_paddr), -EINVAL);
    CHECK(map_entry(-1, table_paddr) < 0);
}

TEST("map")
{
    for (unsigned i = 0; i < 2; i++) {
        long pirq = map_entry(i, table_paddr), port;

        REQUIRE(pirq > 15);
        pirqs[i] = pirq;
        port = bind_pirq(pirq);
        REQUIRE(port > 0);
        ports[i] = port;
        CHECK_EQ(event_unmask(port), 0);
    }
    CHECK(pirqs[0] != pirqs[1]);
}

/* A driver maps the table with the registers around it; writing to it changes nothing. */
TEST("table-is-kept")
{
    uint32_t before[8];

    table = page_alloc();
    REQUIRE_EQ(map_va((void *)table, table_paddr | PTE_P | PTE_PCD), 0);
    for (unsigned i = 0; i < 8; i++)
        before[i] = table[i];
    CHECK_EQ(before[0] & 0xfff00000, 0xfee00000);
    CHECK_EQ(before[3] & 1, 0);
    CHECK(before[2] != before[6]);
    if (map_va((void *)table, table_paddr | PTE_P | PTE_PCD | PTE_RW) != 0)
        return; /* refusing it is as good */
    for (unsigned i = 0; i < 8; i++) {
        table[i] = ~before[i];
        CHECK_EQ(table[i], before[i]);
    }
    ((volatile uint8_t *)table)[12] = 1;
    ((volatile uint64_t *)table)[0] = 0;
    CHECK_EQ(table[3] & 1, 0);
    CHECK_EQ(table[0], before[0]);
}

TEST("interrupts")
{
    control_write((control_read() | MSIX_ENABLE) & ~MSIX_MASK_ALL);
    CHECK(control_read() & MSIX_ENABLE);
    event_counts[ports[0]] = event_counts[ports[1]] = 0;
    events_enable();
    for (unsigned i = 1; i <= 4; i++) {
        card_raise(CAUSE_QUEUE0);
        if (!CHECK(event_wait(ports[0], i, 500 * MS)))
            break;
        settle();
        CHECK_EQ(event_counts[ports[0]], i);
    }
    CHECK_EQ(event_counts[ports[1]], 0);
    card_raise(CAUSE_QUEUE1);
    CHECK(event_wait(ports[1], 1, 500 * MS));
    settle();
    CHECK_EQ(event_counts[ports[0]], 4);
    CHECK_EQ(event_counts[ports[1]], 1);
    events_disable();
}

/* The function's own mask is the guest's: an interrupt waits behind it. */
TEST("function-mask")
{
    event_counts[ports[0]] = 0;
    events_enable();
    control_write(control_read() | MSIX_MASK_ALL);
    CHECK(control_read() & MSIX_MASK_ALL);
    card_raise(CAUSE_QUEUE0);
    settle();
    CHECK_EQ(event_counts[ports[0]], 0);
    control_write(control_read() & ~MSIX_MASK_ALL);
    CHECK(event_wait(ports[0], 1, 500 * MS));
    events_disable();
}

/* As after a reset of the device: everything is written again. */
TEST("restore")
{
    struct physdev_pci_device op = {.devfn = card_address >> 8};

    CHECK_EQ(physdev_op(PHYSDEVOP_restore_msi_ext, &op), 0);
    op.devfn = 0xf8;
    CHECK(physdev_op(PHYSDEVOP_restore_msi_ext, &op) < 0);
    event_counts[ports[1]] = 0;
    events_enable();
    card_raise(CAUSE_QUEUE1);
    CHECK(event_wait(ports[1], 1, 500 * MS));
    events_disable();
}

TEST("unmap")
{
    struct physdev_unmap_pirq op = {.domid = DOMID_SELF, .pirq = pirqs[0]};
    long pirq, port;

    CHECK_EQ(event_close(ports[0]), 0);
    CHECK_EQ(physdev_op(PHYSDEVOP_unmap_pirq, &op), 0);
    CHECK_EQ(table[3] & 1, 1);
    events_enable();
    card_raise(CAUSE_QUEUE0);
    settle();
    events_disable();

    pirq = map_entry(0, table_paddr);
    REQUIRE(pirq > 15);
    port = bind_pirq(pirq);
    REQUIRE(port > 0);
    CHECK_EQ(event_unmask(port), 0);
    event_counts[port] = 0;
    events_enable();
    card_raise(CAUSE_QUEUE0);
    CHECK(event_wait(port, 1, 500 * MS));
    events_disable();
}
