/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/irq/acpi_sleep.c tests/unit/fake/log.c */
/* Switching off: which requests are carried out, and in what order the registers are written. */
#include "unit.h"

#include <string.h>

#include <kr/arch.h>
#include <kr/errno.h>
#include <kr/time.h>
#include <x86/machine.h>

#define PM1A 0x604
#define PM1B 0x704

static struct acpi_fadt fadt;
static struct {
    uint16_t port, value;
} writes[8];
static unsigned write_count;
static uint64_t now_ns;

const struct acpi_fadt *machine_acpi(void)
{
    return fadt.present ? &fadt : NULL;
}

void arch_port_write16(uint16_t port, uint16_t value)
{
    assert_true(write_count < ARRAY_SIZE(writes));
    writes[write_count].port = port;
    writes[write_count++].value = value;
}

uint64_t arch_time_ns(void)
{
    return now_ns += NS_PER_SEC / 2;
}

static int fresh(void **state)
{
    memset(&fadt, 0, sizeof(fadt));
    fadt.present = true;
    fadt.pm1a_control = (struct acpi_register){.address = PM1A, .space = ACPI_SPACE_IO};
    write_count = 0;
    return 0;
}

static void wrote(unsigned index, uint16_t port, uint16_t value)
{
    assert_true(index < write_count);
    assert_int_equal(writes[index].port, port);
    assert_int_equal(writes[index].value, value);
}

/* These machines do not obey, so the call comes back. */
static void test_off(void **state)
{
    assert_int_equal(machine_acpi_sleep(5, 0x2001, 0), -EIO);
    assert_int_equal(write_count, 2);
    wrote(0, PM1A, 0x0001);
    wrote(1, PM1A, 0x2001);
}

static void test_two_registers(void **state)
{
    fadt.pm1b_control = (struct acpi_register){.address = PM1B, .space = ACPI_SPACE_IO};
    assert_int_equal(machine_acpi_sleep(5, 0x3401, 0x3c01), -EIO);
    assert_int_equal(write_count, 4);
    wrote(0, PM1A, 0x1401);
    wrote(1, PM1B, 0x1c01);
    wrote(2, PM1A, 0x3401);
    wrote(3, PM1B, 0x3c01);
}

static void test_refused(void **state)
{
    for (unsigned sleep_state = 0; sleep_state < 5; sleep_state++)
        assert_int_equal(machine_acpi_sleep(sleep_state, 0x2001, 0), -EOPNOTSUPP);
    assert_int_equal(machine_acpi_sleep(6, 0x2001, 0), -EOPNOTSUPP);
    assert_int_equal(machine_acpi_sleep(5, 0x0001, 0), -EINVAL); /* would not act */
    assert_int_equal(machine_acpi_sleep(5, 0x2002, 0), -EINVAL);
    assert_int_equal(machine_acpi_sleep(5, 0x2001, 0x8000), -EINVAL);
    fadt.pm1b_control = (struct acpi_register){.address = PM1B, .space = ACPI_SPACE_IO};
    assert_int_equal(machine_acpi_sleep(5, 0x2001, 0x0001), -EINVAL);
    fadt.reduced_hardware = true;
    assert_int_equal(machine_acpi_sleep(5, 0x2001, 0x2001), -EOPNOTSUPP);
    fresh(NULL);
    fadt.pm1a_control.space = ACPI_SPACE_MEMORY;
    assert_int_equal(machine_acpi_sleep(5, 0x2001, 0), -EOPNOTSUPP);
    fadt.present = false;
    assert_int_equal(machine_acpi_sleep(5, 0x2001, 0), -EOPNOTSUPP);
    assert_int_equal(write_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_off, fresh),
        cmocka_unit_test_setup(test_two_registers, fresh),
        cmocka_unit_test_setup(test_refused, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
