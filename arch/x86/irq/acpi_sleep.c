/* SPDX-License-Identifier: MIT */
/*
 * Switching the machine off through the PM1 control registers (ACPI 6.4, 4.8.3.2 and 16.1). The
 * values come from the control domain: which sleep type means "off" only AML says.
 */
#include <kr/arch.h>
#include <kr/errno.h>
#include <kr/log.h>
#include <kr/time.h>
#include <x86/machine.h>

#define PM1_SCI_ENABLE   0x0001
#define PM1_TYPE_MASK    0x1c00
#define PM1_SLEEP_ENABLE 0x2000
#define STATE_OFF        5

/* It must be off by then. */
#define OFF_NS (3 * NS_PER_SEC)

static void control_write(const struct acpi_register *r, uint16_t value)
{
    if (r->address != 0 && r->space == ACPI_SPACE_IO)
        arch_port_write16(r->address, value);
}

int machine_acpi_sleep(unsigned state, uint16_t pm1a, uint16_t pm1b)
{
    const struct acpi_fadt *fadt = machine_acpi();
    const uint16_t allowed = PM1_SCI_ENABLE | PM1_TYPE_MASK | PM1_SLEEP_ENABLE;
    uint64_t end;

    if (state != STATE_OFF || !fadt || fadt->reduced_hardware || fadt->pm1a_control.address == 0 ||
        fadt->pm1a_control.space != ACPI_SPACE_IO)
        return -EOPNOTSUPP;
    if (((pm1a | pm1b) & ~allowed) || !(pm1a & PM1_SLEEP_ENABLE) ||
        (fadt->pm1b_control.address != 0 && pm1b != 0 && !(pm1b & PM1_SLEEP_ENABLE)))
        return -EINVAL;
    log_info("Switching the machine off");
    /* Type first, then the same with the bit that acts: both registers must hold the type. */
    control_write(&fadt->pm1a_control, pm1a & ~PM1_SLEEP_ENABLE);
    control_write(&fadt->pm1b_control, pm1b & ~PM1_SLEEP_ENABLE);
    control_write(&fadt->pm1a_control, pm1a);
    control_write(&fadt->pm1b_control, pm1b);
    for (end = arch_time_ns() + OFF_NS; arch_time_ns() < end;)
        arch_cpu_relax();
    log_error("the machine did not switch off");
    return -EIO;
}
