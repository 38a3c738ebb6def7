/* SPDX-License-Identifier: MIT */
/* Redirection entries, MSI messages, vectors, and what a guest may write to an MSI capability. */
/* SOURCES: arch/x86/pure/irq_encode.c arch/x86/pure/pci_filter.c tests/unit/fake/log.c */
#include "unit.h"

#include <x86/irq.h>
#include <x86/irq_encode.h>
#include <x86/pci_filter.h>

static void test_entry(void **state)
{
    struct irq_pin_mode edge_high = {0}, level_low = {.is_level = true, .is_low = true};

    assert_int_equal(ioapic_entry_encode(0x31, 0, edge_high, false), 0x31);
    assert_int_equal(ioapic_entry_encode(0x31, 0, edge_high, true), 0x10031);
    assert_int_equal(ioapic_entry_encode(0xef, 5, level_low, false), 0x050000000000a0efUL);
}

static void test_message(void **state)
{
    struct msi_message m = msi_message_encode(0x41, 0x12);

    assert_int_equal(m.address, 0xfee12000);
    assert_int_equal(m.data, 0x41);
}

static void test_vectors(void **state)
{
    struct vector_set set = {0};
    unsigned count = 0, first, again;

    for (unsigned v; (v = vector_take(&set, 1)) != 0; count++) {
        assert_in_range(v, VECTOR_DEVICE_FIRST, VECTOR_DEVICE_LAST);
        assert_int_not_equal(v, VECTOR_SYSCALL);
    }
    assert_int_equal(count, VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST);
    vector_give(&set, 0x55, 1);
    assert_int_equal(vector_take(&set, 2), 0);
    assert_int_equal(vector_take(&set, 1), 0x55);
    vector_give(&set, 0x90, 16);
    assert_int_equal(vector_take(&set, 32), 0);
    first = vector_take(&set, 16);
    assert_int_equal(first, 0x90);
    vector_give(&set, 0x90, 16);
    assert_int_equal(vector_take(&set, 1), 0x90);
    again = vector_take(&set, 8);
    assert_int_equal(again, 0x98);
    expect_assert_failure(vector_give(&set, 0x97, 1));
    expect_assert_failure((void)vector_take(&set, 3));
}

/* A block never covers the system call vector. */
static void test_vector_blocks(void **state)
{
    struct vector_set set = {0};
    unsigned first;

    while ((first = vector_take(&set, 32)) != 0) {
        assert_int_equal(first % 32, 0);
        assert_false(first <= VECTOR_SYSCALL && first + 31 >= VECTOR_SYSCALL);
        assert_in_range(first + 31, VECTOR_DEVICE_FIRST, VECTOR_DEVICE_LAST);
    }
}

static void test_filter(void **state)
{
    struct pci_msi_layout small = {.offset = 0x50}, large = {0x50, true, true};

    assert_int_equal(pci_msi_end(&small), 0x5a);
    assert_int_equal(pci_msi_end(&large), 0x68);
    assert_int_equal(pci_msi_data_offset(&small), 0x58);
    assert_int_equal(pci_msi_data_offset(&large), 0x5c);
    assert_int_equal(pci_msi_mask_offset(&large), 0x60);

    assert_int_equal(pci_msi_writable_bits(&small, 0x4c, 4), 0xffffffff);
    assert_int_equal(pci_msi_writable_bits(&small, 0x4c, 2), 0xffff);
    /* The enable bit alone, at any width. */
    assert_int_equal(pci_msi_writable_bits(&small, 0x50, 4), 0x00010000);
    assert_int_equal(pci_msi_writable_bits(&small, 0x52, 2), 0x0001);
    assert_int_equal(pci_msi_writable_bits(&small, 0x52, 1), 0x01);
    assert_int_equal(pci_msi_writable_bits(&small, 0x53, 1), 0);
    /* Address and data; what shares a word with the data is free. */
    assert_int_equal(pci_msi_writable_bits(&small, 0x54, 4), 0);
    assert_int_equal(pci_msi_writable_bits(&small, 0x58, 4), 0xffff0000);
    assert_int_equal(pci_msi_writable_bits(&small, 0x58, 2), 0);
    assert_int_equal(pci_msi_writable_bits(&small, 0x5a, 2), 0xffff);
    for (unsigned offset = 0x54; offset < 0x68; offset += 4)
        assert_int_equal(pci_msi_writable_bits(&large, offset, 4), 0);
    assert_int_equal(pci_msi_writable_bits(&large, 0x68, 4), 0xffffffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entry),   cmocka_unit_test(test_message),
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_vector_blocks),
        cmocka_unit_test(test_filter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
