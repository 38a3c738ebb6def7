/* SPDX-License-Identifier: MIT */
/*
 * MSI-X through PHYSDEVOP_map_pirq with the emulator's e1000e: its register ICS raises a cause by
 * software, IVAR sends the cause "other" to one of five table entries. The table itself is the
 * hypervisor's.
 */
/* RUN: qemu="-device e1000e" */
/* RUN: name=q35 qemu="-M q35 -device e1000e,addr=5" */
#include "guest.h"
#include "pci.h"
#include <xen/physdev.h>

#define MS          1000000UL
#define E1000E      0x10d38086
#define ENTRIES     5
#define CAUSE_OTHER (1u << 24)
#define REG_ICR     (0xc0 / 4)
#define REG_ICS     (0xc8 / 4)
#define REG_IMS     (0xd0 / 4)
#define REG_IVAR    (0xe4 / 4)

static uint32_t nic, capability;
static uint64_t table_address;
static volatile uint32_t *registers;
static int pirqs[ENTRIES];
static evtchn_port_t ports[ENTRIES];

static uint64_t bar_address(unsigned bar)
{
    uint32_t low = pci_read(nic, 0x10 + 4 * bar);

    return (low & ~0xfUL) | ((low & 6) == 4 ? (uint64_t)pci_read(nic, 0x14 + 4 * bar) << 32 : 0);
}

TEST("setup")
{
    struct physdev_set_iopl iopl = {.iopl = 1};
    struct physdev_pci_device_add add;

    REQUIRE_EQ(physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
    nic = pci_find(E1000E);
    REQUIRE(nic != ~0u);
    add = (struct physdev_pci_device_add){.devfn = nic >> 8};
    REQUIRE_EQ(physdev_op(PHYSDEVOP_pci_device_add, &add), 0);
    pci_write(nic, 4, (pci_read(nic, 4) & 0xffff) | 6);
    registers = page_alloc();
    REQUIRE_EQ(map_va((void *)registers, bar_address(0) | PTE_RW | PTE_PCD), 0);
    capability = pci_capability(nic, PCI_CAP_MSIX);
    REQUIRE(capability != 0);
    CHECK_EQ(pci_read(nic, capability) >> 16 & 0x7ff, ENTRIES - 1);
    uint32_t table = pci_read(nic, capability + 4);

    table_address = bar_address(table & 7) + (table & ~7u);
}

static long map_entry(int entry, uint64_t table)
{
    struct physdev_map_pirq op = {.domid = DOMID_SELF,
                                  .type = MAP_PIRQ_TYPE_MSI_SEG,
                                  .index = -1,
                                  .pirq = -1,
                                  .devfn = nic >> 8,
                                  .entry_nr = entry,
                                  .table_base = table};
    long err = physdev_op(PHYSDEVOP_map_pirq, &op);

    return err ? err : op.pirq;
}

TEST("map-refused")
{
    CHECK(map_entry(ENTRIES, table_address) < 0);
    CHECK(map_entry(-1, table_address) < 0);
    CHECK(map_entry(0x7ff, table_address) < 0);
}

#define CONTROL_ENABLE 0x8000
#define CONTROL_MASK   0x4000

/* The 16-bit control word; Xen takes no other width. */
static uint16_t control_read(void)
{
    return pci_read(nic, capability) >> 16;
}

static void control_write(uint16_t value)
{
    port_out32(0xcf8, 0x80000000 | nic | capability);
    port_out16(0xcfe, value);
}

/* As Linux does it: all entries mapped and bound, then MSI-X on and the function unmasked. */
TEST("map-and-bind")
{
    for (int entry = 0; entry < ENTRIES; entry++) {
        struct evtchn_bind_pirq bind = {0};

        pirqs[entry] = map_entry(entry, table_address);
        REQUIRE(pirqs[entry] > 15);
        for (int other = 0; other < entry; other++)
            CHECK(pirqs[other] != pirqs[entry]);
        bind.pirq = pirqs[entry];
        REQUIRE_EQ(event_channel_op(EVTCHNOP_bind_pirq, &bind), 0);
        ports[entry] = bind.port;
        CHECK_EQ(event_unmask(bind.port), 0);
    }
    control_write(CONTROL_ENABLE);
    CHECK_EQ(control_read() & (CONTROL_ENABLE | CONTROL_MASK), CONTROL_ENABLE);
}

TEST("table-is-not-writable")
{
    uint64_t *window = page_alloc(), own = pte_make(va_to_mfn(window), PTE_RW);
    long err = map_va(window, (table_address & PAGE_MASK) | PTE_RW | PTE_PCD);

    CHECK(err < 0 || !(*pt_entry(window, 1) & PTE_W));
    CHECK_EQ(map_va(window, (table_address & PAGE_MASK) | PTE_RO | PTE_PCD), 0);
    /* Each entry points at a local APIC with a vector of its own. */
    const volatile uint32_t *entries =
        (const volatile uint32_t *)window + (table_address & (PAGE_SIZE - 1)) / 4;

    for (unsigned entry = 0; entry < ENTRIES; entry++) {
        CHECK_EQ(entries[entry * 4] & 0xfff00000, 0xfee00000);
        CHECK_EQ(entries[entry * 4 + 3] & 1, 0);
    }
    CHECK(entries[2] != entries[6]);
    REQUIRE_EQ(map_va(window, own), 0);
    page_free(window);
}

static void settle(uint64_t duration_ns)
{
    uint64_t end = time_now() + duration_ns;

    while (time_now() < end)
        xen_version(0, NULL);
}

static void raise(unsigned entry)
{
    registers[REG_ICR] = ~0u; /* the cause of last time */
    registers[REG_IVAR] = (8u | entry) << 16;
    registers[REG_IMS] = CAUSE_OTHER;
    registers[REG_ICS] = CAUSE_OTHER;
}

TEST("interrupts")
{
    events_enable();
    for (unsigned round = 0; round < 3; round++)
        for (unsigned entry = 0; entry < ENTRIES; entry++) {
            settle(2 * MS); /* the device holds interrupts back for some 100 us */
            registers[REG_ICR] = ~0u;
            memset((void *)event_counts, 0, sizeof(event_counts));
            raise(entry);
            REQUIRE(event_wait(ports[entry], 1, 500 * MS));
            for (unsigned other = 0; other < ENTRIES; other++)
                CHECK_EQ(event_counts[ports[other]], other == entry);
        }
    events_disable();
}

/* A masked port keeps its event; the unmask brings it. */
TEST("masked")
{
    events_enable();
    event_counts[ports[2]] = 0;
    event_mask(ports[2]);
    raise(2);
    settle(20 * MS);
    CHECK_EQ(event_counts[ports[2]], 0);
    CHECK_EQ(event_unmask(ports[2]), 0);
    CHECK_EQ(event_counts[ports[2]], 1);
    events_disable();
}

/* The mask bit of the whole function in configuration space. */
TEST("function-mask")
{
    events_enable();
    event_counts[ports[1]] = 0;
    control_write(CONTROL_ENABLE | CONTROL_MASK);
    raise(1);
    settle(20 * MS);
    CHECK_EQ(event_counts[ports[1]], 0);
    control_write(CONTROL_ENABLE);
    CHECK(event_wait(ports[1], 1, 500 * MS));
    events_disable();
}

TEST("unmap")
{
    for (unsigned entry = 0; entry < ENTRIES; entry++) {
        struct physdev_unmap_pirq op = {.domid = DOMID_SELF, .pirq = pirqs[entry]};

        CHECK_EQ(event_close(ports[entry]), 0);
        CHECK_EQ(physdev_op(PHYSDEVOP_unmap_pirq, &op), 0);
        CHECK(physdev_op(PHYSDEVOP_unmap_pirq, &op) < 0);
    }
    raise(0);
    /* And once more. */
    pirqs[0] = map_entry(0, table_address);
    CHECK(pirqs[0] > 15);
}
