/* SPDX-License-Identifier: MIT */
/*
 * Machine interrupts from vector to event channel: level and edge, sharing, pirqs and their page,
 * MSI and MSI-X programming, the control domain's configuration writes.
 */
/* SOURCES: arch/x86/irq/device.c arch/x86/irq/pirq.c arch/x86/irq/msi.c arch/x86/irq/pci.c */
/* SOURCES: arch/x86/irq/pci_function.c arch/x86/pure/irq_encode.c arch/x86/pure/pci_filter.c */
/* SOURCES: tests/unit/fake/irq_machine.c tests/unit/fake/lock.c tests/unit/fake/log.c */
/* SOURCES: tests/unit/fake/heap.c */
#include "unit.h"

#include <string.h>

#include <kr/errno.h>
#include <x86/irq.h>
#include <x86/pirq.h>

#include <xen/xen.h>

#include <xen/physdev.h>

#include "fake/heap.h"
#include "fake/irq_machine.h"

#define EDGE_GSI    5
#define LEVEL_GSI   17
#define CONSOLE_GSI 4
#define MSI_FIRST   MACHINE_GSI_COUNT

extern int fake_locks_held;
static struct domain *const d0 = &machine_domains[0], *const d1 = &machine_domains[1];
static const struct pci_address address = {.bus = 1, .devfn = 0x10};
static struct machine_function *device;
static uint32_t next_port;

static int setup(void **state)
{
    irq_machine_start();
    fake_heap_fail_after(~0U);
    device = machine_function_add(address.bus, address.devfn);
    next_port = 10;
    return 0;
}

/* Whatever a test left: a domain's end takes it all back. */
static int teardown(void **state)
{
    irq_domain_fini(d1);
    irq_domain_fini(d0);
    spin_lock(&irq_routing_lock);
    (void)!pci_function_add(address, false);
    assert_int_equal(pci_function_remove(address), 0);
    spin_unlock(&irq_routing_lock);
    assert_int_equal(fake_heap_live_count, 0);
    assert_int_equal(machine_page_pins, 0);
    assert_int_equal(fake_locks_held, 0);
    return 0;
}

#define routing(expression)                   \
    ({                                        \
        int rc_;                              \
        spin_lock(&irq_routing_lock);         \
        rc_ = (expression);                   \
        spin_unlock(&irq_routing_lock);       \
        assert_int_equal(fake_locks_held, 0); \
        rc_;                                  \
    })

static int bind(struct domain *d, unsigned pirq, bool share)
{
    int err;

    machine_ports[d->id][pirq] = next_port++;
    err = arch_pirq_bind(d, pirq, share);
    if (err)
        machine_ports[d->id][pirq] = 0;
    return err;
}

static void unbind(struct domain *d, unsigned pirq)
{
    arch_pirq_unbind(d, pirq);
    machine_ports[d->id][pirq] = 0;
}

static void interrupt(unsigned vector)
{
    unsigned ends = machine_eoi_count;

    device_irq_handle(vector);
    assert_int_equal(machine_eoi_count, ends + 1);
    assert_int_equal(fake_locks_held, 0);
}

/* ---- lines ------------------------------------------------------------------------------------
 */

static void test_edge(void **state)
{
    uint32_t flags;

    assert_int_equal(bind(d0, EDGE_GSI, false), -EINVAL);
    assert_int_equal(routing(pirq_map_gsi(d0, EDGE_GSI, EDGE_GSI)), EDGE_GSI);
    assert_int_equal(routing(pirq_map_gsi(d0, EDGE_GSI, EDGE_GSI)), EDGE_GSI);
    assert_true(machine_pins[EDGE_GSI].masked);
    assert_int_equal(pirq_status(d0, EDGE_GSI, &flags), 0);
    assert_int_equal(flags, 0);
    assert_int_equal(bind(d0, EDGE_GSI, false), 0);
    assert_false(machine_pins[EDGE_GSI].masked);
    for (unsigned i = 1; i <= 3; i++) {
        interrupt(machine_pins[EDGE_GSI].vector);
        assert_int_equal(machine_raised[0][EDGE_GSI], i);
        assert_false(machine_pins[EDGE_GSI].masked);
    }
    assert_int_equal(bind(d0, EDGE_GSI, false), -EBUSY);
    machine_ports[0][EDGE_GSI] = 1;
    unbind(d0, EDGE_GSI);
    assert_true(machine_pins[EDGE_GSI].masked);
    interrupt(machine_pins[EDGE_GSI].vector);
    assert_int_equal(machine_raised[0][EDGE_GSI], 3);
}

static void test_level(void **state)
{
    struct machine_pin *pin = &machine_pins[LEVEL_GSI];
    uint32_t flags;

    assert_int_equal(routing(pirq_map_gsi(d0, LEVEL_GSI, -1)), LEVEL_GSI);
    assert_int_equal(pirq_status(d0, LEVEL_GSI, &flags), 0);
    assert_int_equal(flags, XENIRQSTAT_needs_eoi);
    assert_int_equal(bind(d0, LEVEL_GSI, true), 0);
    interrupt(pin->vector);
    assert_true(pin->masked);
    /* Ended twice, ended for others: only the first counts. */
    assert_int_equal(pirq_end(d0, EDGE_GSI), 0);
    assert_true(pin->masked);
    assert_int_equal(pirq_end(d0, LEVEL_GSI), 0);
    assert_false(pin->masked);
    assert_int_equal(pirq_end(d0, LEVEL_GSI), 0);
    interrupt(pin->vector);
    unbind(d0, LEVEL_GSI);
    assert_true(pin->masked);
    assert_int_equal(pirq_end(d0, LEVEL_GSI), 0);
    assert_true(pin->masked);
    /* It was in flight when its port was closed; the next listener starts afresh. */
    assert_int_equal(bind(d0, LEVEL_GSI, true), 0);
    assert_false(pin->masked);
    assert_int_equal(pirq_end(d0, 10000), -EINVAL);
    assert_int_equal(pirq_status(d1, 0, &flags), -EINVAL);
}

static void test_shared(void **state)
{
    struct machine_pin *pin = &machine_pins[LEVEL_GSI];
    uint32_t flags;

    assert_int_equal(routing(pirq_map_gsi(d0, LEVEL_GSI, LEVEL_GSI)), LEVEL_GSI);
    assert_int_equal(routing(pirq_map_gsi(d1, LEVEL_GSI, LEVEL_GSI)), LEVEL_GSI);
    assert_int_equal(bind(d0, LEVEL_GSI, false), 0);
    assert_int_equal(bind(d1, LEVEL_GSI, true), -EBUSY);
    unbind(d0, LEVEL_GSI);
    assert_int_equal(bind(d0, LEVEL_GSI, true), 0);
    assert_int_equal(bind(d1, LEVEL_GSI, false), -EBUSY);
    assert_int_equal(bind(d1, LEVEL_GSI, true), 0);
    assert_int_equal(pirq_status(d1, LEVEL_GSI, &flags), 0);
    assert_int_equal(flags, XENIRQSTAT_needs_eoi | XENIRQSTAT_shared);

    interrupt(pin->vector);
    assert_int_equal(machine_raised[0][LEVEL_GSI], 1);
    assert_int_equal(machine_raised[1][LEVEL_GSI], 1);
    arch_pirq_eoi(d0, LEVEL_GSI);
    arch_pirq_eoi(d0, LEVEL_GSI);
    assert_true(pin->masked);
    arch_pirq_eoi(d1, LEVEL_GSI);
    assert_false(pin->masked);

    /* A domain that dies does not keep the other from its interrupts. */
    interrupt(pin->vector);
    arch_pirq_eoi(d0, LEVEL_GSI);
    assert_true(pin->masked);
    irq_domain_fini(d1);
    assert_false(pin->masked);
    interrupt(pin->vector);
    assert_int_equal(machine_raised[0][LEVEL_GSI], 3);
    assert_int_equal(machine_raised[1][LEVEL_GSI], 2);
}

static void test_setup(void **state)
{
    const unsigned gsi = 18;

    assert_int_equal(routing(gsi_setup(MACHINE_GSI_COUNT, (struct irq_pin_mode){0})), -EINVAL);
    assert_int_equal(routing(gsi_setup(gsi, (struct irq_pin_mode){.is_level = true})), 0);
    assert_true(machine_pins[gsi].effective.is_level);
    assert_false(machine_pins[gsi].effective.is_low);
    assert_int_equal(routing(gsi_setup(gsi, (struct irq_pin_mode){0})), 0);
    assert_int_equal(routing(pirq_map_gsi(d0, gsi, gsi)), gsi);
    assert_int_equal(bind(d0, gsi, false), 0);
    assert_int_equal(routing(gsi_setup(gsi, (struct irq_pin_mode){.is_level = true})), -EEXIST);
    assert_int_equal(routing(gsi_vector(gsi)), machine_pins[gsi].vector);
    assert_int_equal(routing(gsi_vector(MACHINE_GSI_COUNT)), -EINVAL);
}

static void test_console(void **state)
{
    irq_console_init();
    assert_false(machine_pins[CONSOLE_GSI].masked);
    interrupt(machine_pins[CONSOLE_GSI].vector);
    assert_int_equal(machine_console_count, 1);
    /* The control domain may see the line but not have it. */
    assert_int_equal(routing(pirq_map_gsi(d0, CONSOLE_GSI, CONSOLE_GSI)), CONSOLE_GSI);
    assert_int_equal(bind(d0, CONSOLE_GSI, true), -EBUSY);
    assert_int_equal(routing(gsi_setup(CONSOLE_GSI, (struct irq_pin_mode){0})), -EEXIST);
    interrupt(machine_pins[CONSOLE_GSI].vector);
    assert_int_equal(machine_console_count, 2);
}

static void test_stray(void **state)
{
    interrupt(VECTOR_PIC_FIRST + 7);
    interrupt(VECTOR_DEVICE_LAST);
    interrupt(0xf0);
}

/* ---- numbers ----------------------------------------------------------------------------------
 */

static void test_numbers(void **state)
{
    assert_int_equal(routing(pirq_map_gsi(d0, MACHINE_GSI_COUNT, -1)), -EINVAL);
    assert_int_equal(routing(pirq_map_gsi(d0, EDGE_GSI, 100000)), -EINVAL);
    assert_int_equal(routing(pirq_map_gsi(d0, EDGE_GSI, 30)), 30);
    assert_int_equal(routing(pirq_map_gsi(d0, 6, 30)), -EEXIST);
    assert_int_equal(routing(pirq_take_free(d0)), MSI_FIRST);
    assert_int_equal(routing(pirq_take_free(d0)), MSI_FIRST + 1);
    assert_int_equal(routing(pirq_unmap(d0, MSI_FIRST)), 0);
    assert_int_equal(routing(pirq_unmap(d0, MSI_FIRST)), -EINVAL);
    assert_int_equal(routing(pirq_take_free(d0)), MSI_FIRST);
    assert_int_equal(routing(pirq_unmap(d0, 30)), 0);
    assert_int_equal(routing(pirq_unmap(d0, 100000)), -EINVAL);
    assert_int_equal(routing(pirq_unmap(d1, 3)), -EINVAL);
    d1->is_dying = true;
    assert_int_equal(routing(pirq_map_gsi(d1, EDGE_GSI, -1)), -ENOMEM);
    for (unsigned i = 0; i < 2; i++) {
        d1->is_dying = false;
        fake_heap_fail_after(i);
        assert_int_equal(routing(pirq_map_gsi(d1, EDGE_GSI, -1)), -ENOMEM);
    }
    fake_heap_fail_after(~0U);
}

static bool page_has(unsigned pirq)
{
    return machine_page[pirq / 64] >> (pirq % 64) & 1;
}

static void test_page(void **state)
{
    assert_int_equal(pirq_set_page(d0, 1, false), -EINVAL);
    assert_int_equal(routing(pirq_map_gsi(d0, LEVEL_GSI, LEVEL_GSI)), LEVEL_GSI);
    assert_int_equal(pirq_set_page(d0, MACHINE_PAGE_GFN, false), 0);
    assert_int_equal(pirq_set_page(d0, MACHINE_PAGE_GFN, false), -EBUSY);
    assert_int_equal(machine_page_pins, 1);
    assert_true(page_has(LEVEL_GSI));
    assert_int_equal(routing(pirq_map_gsi(d0, EDGE_GSI, EDGE_GSI)), EDGE_GSI);
    assert_false(page_has(EDGE_GSI));
    assert_int_equal(routing(gsi_setup(EDGE_GSI, (struct irq_pin_mode){.is_level = true})), 0);
    assert_true(page_has(EDGE_GSI));
    assert_int_equal(routing(gsi_setup(EDGE_GSI, (struct irq_pin_mode){0})), 0);
    assert_false(page_has(EDGE_GSI));
    assert_int_equal(routing(pirq_unmap(d0, LEVEL_GSI)), 0);
    assert_false(page_has(LEVEL_GSI));
    assert_int_equal(routing(pirq_map_gsi(d0, LEVEL_GSI, LEVEL_GSI)), LEVEL_GSI);
    assert_int_equal(bind(d0, LEVEL_GSI, false), 0);
    assert_int_equal(pirq_end(d0, LEVEL_GSI), 0);
    assert_int_equal(machine_unmasked[0][machine_ports[0][LEVEL_GSI]], 0);
}

/* The first version of the page: ending an interrupt also unmasks its port. */
static void test_page_v1(void **state)
{
    /* A guest without hardware registers one too. */
    assert_int_equal(pirq_set_page(d1, MACHINE_PAGE_GFN, true), 0);
    assert_int_equal(pirq_end(d1, LEVEL_GSI), -EINVAL);
    assert_int_equal(routing(pirq_map_gsi(d1, LEVEL_GSI, LEVEL_GSI)), LEVEL_GSI);
    assert_true(page_has(LEVEL_GSI));
    assert_int_equal(pirq_end(d1, LEVEL_GSI), 0);
    assert_int_equal(bind(d1, LEVEL_GSI, false), 0);
    assert_int_equal(pirq_end(d1, LEVEL_GSI), 0);
    assert_int_equal(machine_unmasked[1][machine_ports[1][LEVEL_GSI]], 1);
}

/* ---- messages ---------------------------------------------------------------------------------
 */

static void guest_write(uint8_t offset, unsigned bytes, uint32_t value)
{
    pci_guest_address_write(d0, BIT(31) | address.bus << 16 | address.devfn << 8 | (offset & 0xfc));
    pci_guest_data_write(d0, offset & 3, bytes, value);
}

static void test_msi(void **state)
{
    struct pirq_msi msi = {.address = address, .count = 1};
    uint32_t data;

    assert_int_equal(routing(pirq_map_msi(d0, &msi, -1)), -ENODEV); /* no such capability */
    spin_lock(&irq_routing_lock);
    (void)!pci_function_add(address, false);
    assert_int_equal(pci_function_remove(address), 0);
    spin_unlock(&irq_routing_lock);

    machine_add_msi(device, 2, true, true);
    assert_int_equal(routing(pci_function_add(address, false)), 0);
    guest_write(0x54, 4, 0x12345678); /* not ours yet */
    assert_int_equal(machine_config(device, 0x54, 4), 0x12345678);
    assert_int_equal(routing(pirq_map_msi(d0, &msi, -1)), MSI_FIRST);
    assert_int_equal(routing(pirq_map_msi(d0, &msi, -1)), -EEXIST);
    assert_int_equal(machine_config(device, 0x54, 4), 0xfee03000);
    assert_int_equal(machine_config(device, 0x58, 4), 0);
    data = machine_config(device, 0x5c, 2);
    assert_int_equal(machine_config(device, 0x60, 4), 0xffffffff);

    /* On and off is the guest's, the rest is not. */
    guest_write(0x52, 2, 0x71);
    assert_int_equal(machine_config(device, 0x52, 2) & 0x71, 0x01);
    guest_write(0x54, 4, 0xfee00000);
    guest_write(0x5c, 2, 0x99);
    guest_write(0x60, 4, 0);
    assert_int_equal(machine_config(device, 0x54, 4), 0xfee03000);
    assert_int_equal(machine_config(device, 0x5c, 2), data);
    guest_write(0x40, 4, 0xabcd1234);
    assert_int_equal(machine_config(device, 0x40, 4), 0xabcd1234);

    assert_int_equal(bind(d0, MSI_FIRST, false), 0);
    assert_int_equal(machine_config(device, 0x60, 4), 0xfffffffe);
    interrupt(data);
    interrupt(data);
    assert_int_equal(machine_raised[0][MSI_FIRST], 2);
    assert_int_equal(routing(pci_function_remove(address)), -EBUSY);

    /* A reset loses everything but what we remember. */
    machine_config_set(device, 0x54, 4, 0);
    machine_config_set(device, 0x5c, 2, 0);
    machine_config_set(device, 0x60, 4, 0xf);
    assert_int_equal(routing(pci_msi_restore(address)), 0);
    assert_int_equal(machine_config(device, 0x54, 4), 0xfee03000);
    assert_int_equal(machine_config(device, 0x5c, 2), data);
    assert_int_equal(machine_config(device, 0x60, 4), 0xe);

    /* Taken away while somebody listens. */
    assert_int_equal(routing(pirq_unmap(d0, MSI_FIRST)), 0);
    assert_int_equal(machine_config(device, 0x52, 2) & 1, 0);
    unbind(d0, MSI_FIRST);
    interrupt(data);
    assert_int_equal(machine_raised[0][MSI_FIRST], 2);
    guest_write(0x54, 4, 0x12345678);
    assert_int_equal(machine_config(device, 0x54, 4), 0x12345678);
}

static void test_msi_group(void **state)
{
    struct pirq_msi msi = {.address = address, .count = 8};
    uint32_t data;

    machine_add_msi(device, 2, false, false);
    assert_int_equal(routing(pirq_map_msi(d0, &msi, -1)), -ENOSPC);
    msi.count = 4;
    assert_int_equal(routing(pirq_take_free(d0)), MSI_FIRST);
    assert_int_equal(routing(pirq_map_msi(d0, &msi, -1)), MSI_FIRST + 1);
    data = machine_config(device, 0x58, 2);
    assert_int_equal(data % 4, 0);
    assert_int_equal(machine_config(device, 0x52, 2) >> 4 & 7, 2);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(bind(d0, MSI_FIRST + 1 + i, false), 0);
    interrupt(data + 3);
    assert_int_equal(machine_raised[0][MSI_FIRST + 4], 1);
    assert_int_equal(machine_raised[0][MSI_FIRST + 1], 0);
    assert_int_equal(routing(pirq_unmap(d0, MSI_FIRST + 2)), -EINVAL);
    assert_int_equal(routing(pirq_unmap(d0, MSI_FIRST + 1)), 0);
    for (unsigned i = 0; i < 4; i++)
        unbind(d0, MSI_FIRST + 1 + i);
    assert_int_equal(routing(pirq_map_msi(d0, &msi, MSI_FIRST)), MSI_FIRST);
}

static uint32_t table_word(unsigned entry, unsigned word)
{
    uint32_t value;

    memcpy(&value, &machine_mmio[0x2000 + entry * 16 + word * 4], 4);
    return value;
}

static void test_msix(void **state)
{
    struct pirq_msi msi = {.address = address, .is_msix = true, .table_base = MACHINE_MMIO};
    uint32_t data;

    machine_add_msix(device, 300, 0x2000);
    assert_int_equal(routing(pci_function_add(address, false)), 0);
    assert_int_equal(routing(pirq_map_msi(d0, &msi, -1)), MSI_FIRST);
    assert_int_equal(machine_reserved_count, 1);
    assert_int_equal(machine_reserved[0].first, (MACHINE_MMIO + 0x2000) >> PAGE_SHIFT);
    assert_int_equal(machine_reserved[0].count, 2);
    assert_true(machine_reserved[0].readable);
    assert_int_equal(table_word(0, 0), 0xfee03000);
    assert_int_equal(table_word(0, 3), 1);
    /* Memory decoding was off and is again. */
    assert_int_equal(machine_config(device, PCI_COMMAND, 2), 0);
    data = table_word(0, 2);
    assert_int_equal(bind(d0, MSI_FIRST, false), 0);
    assert_int_equal(table_word(0, 3), 0);
    interrupt(data);
    assert_int_equal(machine_raised[0][MSI_FIRST], 1);

    assert_int_equal(routing(pirq_map_msi(d0, &msi, -1)), -EEXIST);
    msi.entry = 300;
    assert_int_equal(routing(pirq_map_msi(d0, &msi, -1)), -EINVAL);
    msi.entry = 299;
    msi.table_base = MACHINE_MMIO + 0x1000;
    assert_int_equal(routing(pirq_map_msi(d0, &msi, -1)), -EINVAL);
    msi.table_base = MACHINE_MMIO;
    assert_int_equal(routing(pirq_map_msi(d0, &msi, -1)), MSI_FIRST + 1);
    assert_int_equal(machine_reserved_count, 1);
    assert_int_not_equal(table_word(299, 2), data);

    memset(machine_mmio, 0xff, sizeof(machine_mmio));
    assert_int_equal(routing(pci_msi_restore(address)), 0);
    assert_int_equal(table_word(0, 2), data);
    assert_int_equal(table_word(0, 3), 0);
    assert_int_equal(table_word(299, 3), 1);

    unbind(d0, MSI_FIRST);
    assert_int_equal(table_word(0, 3), 1);
    assert_int_equal(routing(pirq_unmap(d0, MSI_FIRST)), 0);
    assert_int_equal(routing(pci_function_remove(address)), -EBUSY);
}

/* Writes of the guest's to the page of a table: what is beside the table gets through. */
static void test_msix_page(void **state)
{
    struct pirq_msi msi = {.address = address, .is_msix = true};

    machine_add_msix(device, 4, 0x2100);
    pci_msix_page_write(MACHINE_MMIO + 0x2000, 1, 4); /* not protected yet */
    assert_int_equal(machine_mmio[0x2000], 0);
    assert_int_equal(routing(pirq_map_msi(d0, &msi, -1)), MSI_FIRST);
    for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
        memset(machine_mmio, 0, sizeof(machine_mmio));
        pci_msix_page_write(MACHINE_MMIO + 0x2000, 0x8877665544332211, bytes);
        pci_msix_page_write(MACHINE_MMIO + 0x2ff8, ~0UL, bytes);
        pci_msix_page_write(MACHINE_MMIO + 0x2100, ~0UL, bytes);
        pci_msix_page_write(MACHINE_MMIO + 0x2138, ~0UL, bytes);
        pci_msix_page_write(MACHINE_MMIO + 0x3000, ~0UL, bytes);
        assert_int_equal(machine_mmio[0x2000], 0x11);
        assert_int_equal(machine_mmio[0x2000 + bytes - 1], 0x11 * bytes);
        assert_int_equal(machine_mmio[0x2000 + bytes], 0);
        assert_int_equal(machine_mmio[0x2ff8], 0xff);
        for (unsigned i = 0x2100; i < 0x2140; i++)
            assert_int_equal(machine_mmio[i], 0);
        assert_int_equal(machine_mmio[0x3000], 0);
    }
}

static void test_msix_prepare(void **state)
{
    assert_int_equal(routing(pci_msix_prepare((struct pci_address){.bus = 9})), -ENODEV);
    assert_int_equal(routing(pci_msix_prepare(address)), -ENODEV);
    assert_int_equal(routing(pci_msi_restore((struct pci_address){.bus = 9})), -ENODEV);
}

/* All vectors in use: refused, and nothing is left behind. */
static void test_no_vectors(void **state)
{
    struct pirq_msi msi = {.address = address, .is_msix = true};
    unsigned count = 0;

    machine_add_msix(device, 1024, 0);
    for (;; count++) {
        int rc;

        msi.entry = count;
        rc = routing(pirq_map_msi(d0, &msi, -1));
        if (rc < 0) {
            assert_int_equal(rc, -ENOSPC);
            break;
        }
    }
    assert_in_range(count, 150, VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST);
    assert_int_equal(routing(pirq_unmap(d0, MSI_FIRST)), 0);
    assert_int_equal(routing(pirq_map_msi(d0, &msi, -1)), MSI_FIRST);
}

/* Interrupts go where the vCPU runs that hears of them. */
static void test_follow(void **state)
{
    struct pirq_msi msi = {.address = address, .count = 2};
    struct pirq_msi msix = {.address = address, .is_msix = true};
    struct vcpu near = {.domain = d0}, far = {.domain = d0, .sched.cpu = 1};
    struct machine_pin *pin = &machine_pins[LEVEL_GSI];

    machine_add_msi(device, 1, true, false);
    machine_add_msix(device, 4, 0x2000);
    assert_int_equal(routing(pirq_map_gsi(d0, LEVEL_GSI, -1)), LEVEL_GSI);
    assert_int_equal(routing(pirq_map_msi(d0, &msi, -1)), MSI_FIRST);
    assert_int_equal(routing(pirq_map_msi(d0, &msix, -1)), MSI_FIRST + 2);
    assert_int_equal(bind(d0, LEVEL_GSI, false), 0);
    arch_pirq_follow(d0, LEVEL_GSI, &far);
    assert_int_equal(pin->apic_id, 9);
    assert_false(pin->masked);
    interrupt(pin->vector);
    arch_pirq_follow(d0, LEVEL_GSI, &near);
    assert_int_equal(pin->apic_id, 3);
    assert_true(pin->masked);
    assert_true(pin->effective.is_level);

    arch_pirq_follow(d0, MSI_FIRST + 1, &far); /* shares its address with the first */
    assert_int_equal(machine_config(device, 0x54, 4), 0xfee03000);
    arch_pirq_follow(d0, MSI_FIRST, &far);
    assert_int_equal(machine_config(device, 0x54, 4), 0xfee09000);
    assert_int_equal(bind(d0, MSI_FIRST + 2, false), 0);
    arch_pirq_follow(d0, MSI_FIRST + 2, &far);
    assert_int_equal(table_word(0, 0), 0xfee09000);
    assert_int_equal(table_word(0, 3), 0);
    arch_pirq_follow(d0, MSI_FIRST + 3, &far);
    arch_pirq_follow(d0, 100000, &far);
    arch_pirq_follow(d0, MSI_FIRST, NULL);
}

/* ---- configuration space -----------------------------------------------------------------------
 */

static void test_config(void **state)
{
    struct pci_address nobody = {.bus = 7}, far = {.segment = 2};

    assert_int_equal(pci_read(address, 0, 4), 0x12348086);
    assert_int_equal(pci_read(address, 2, 2), 0x1234);
    assert_int_equal(pci_read(address, 3, 1), 0x12);
    assert_int_equal(pci_read(nobody, 0, 2), 0xffff);
    assert_int_equal(pci_read(address, 0x100, 4), 0xffffffff);
    assert_int_equal(pci_read(far, 0, 1), 0xff);
    pci_write(far, 0x40, 4, 1);

    pci_guest_address_write(d0, 0xffffffff);
    assert_int_equal(pci_guest_address_read(d0), 0x80fffffc);
    pci_guest_address_write(d0, BIT(31) | address.bus << 16 | address.devfn << 8);
    assert_int_equal(pci_guest_data_read(d0, 0, 4), 0x12348086);
    assert_int_equal(pci_guest_data_read(d0, 1, 1), 0x80);
    assert_int_equal(pci_guest_data_read(d0, 1, 2), 0xffff); /* not aligned */
    /* Our own accesses in between do not disturb the guest's selection. */
    assert_int_equal(pci_read(nobody, 0x40, 4), 0xffffffff);
    assert_int_equal(pci_guest_data_read(d0, 2, 2), 0x1234);
    pci_guest_address_write(d0, address.bus << 16 | address.devfn << 8);
    assert_int_equal(pci_guest_data_read(d0, 0, 4), 0xffffffff);
    pci_guest_data_write(d0, 0, 4, 1);
    assert_int_equal(device->write_count, 0);
}

/* A list of capabilities that runs in a circle. */
static void test_circle(void **state)
{
    device->config[PCI_STATUS] = PCI_STATUS_CAPS;
    device->config[PCI_CAPABILITY_FIRST] = 0x40;
    device->config[0x40] = 1;
    device->config[0x41] = 0x48;
    device->config[0x48] = 2;
    device->config[0x49] = 0x40;
    assert_int_equal(pci_find_capability(address, PCI_CAP_MSI), 0);
    assert_int_equal(pci_find_capability(address, 2), 0x48);
}

static void test_functions(void **state)
{
    struct pci_address nobody = {.bus = 7};

    assert_false(arch_pci_is_known(0, address.bus, address.devfn));
    assert_int_equal(routing(pci_function_add(nobody, false)), -ENODEV);
    fake_heap_fail_after(0);
    assert_int_equal(routing(pci_function_add(address, false)), -ENOMEM);
    fake_heap_fail_after(~0U);
    assert_int_equal(routing(pci_function_add(address, false)), 0);
    assert_int_equal(routing(pci_function_add(address, false)), 0);
    assert_true(arch_pci_is_known(0, address.bus, address.devfn));
    assert_int_equal(routing(pci_function_remove(nobody)), -ENODEV);
    assert_int_equal(routing(pci_function_add(nobody, true)), 0);
    assert_int_equal(routing(pci_function_remove(nobody)), 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_edge),      test(test_level),        test(test_shared),     test(test_setup),
        test(test_console),   test(test_stray),        test(test_numbers),    test(test_page),
        test(test_page_v1),   test(test_msi),          test(test_msi_group),  test(test_msix),
        test(test_msix_page), test(test_msix_prepare), test(test_no_vectors), test(test_follow),
        test(test_config),    test(test_circle),       test(test_functions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
