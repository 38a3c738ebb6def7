/* SPDX-License-Identifier: MIT */
/* Resetting the machine and showing where the hypervisor died. */
#pragma once

#include <kr/acpi.h>
#include <x86/regs.h>

/* What the machine's tables say, as read at start-up (boot/start.c). */
extern struct acpi_info acpi_info;

/* Where the reset register is; kept. */
void machine_set_acpi(const struct acpi_fadt *f);
/* NULL before that. */
const struct acpi_fadt *machine_acpi(void);
/* ACPI sleep state `state` with the control domain's values for the PM1 control registers; for
 * state 5 (off) it returns only on failure. -EOPNOTSUPP: cannot; -EINVAL: values that do not sleep.
 */
int machine_acpi_sleep(unsigned state, uint16_t pm1a, uint16_t pm1b) __must_check;
/* Keeps what the BIOS data area says; only on machines that were started by a BIOS. */
void machine_read_bios_area(void);
/* The trap frame that arch_crash_dump() will show. */
void crash_regs_set(const struct x86_regs *regs);
/* Return addresses along the frame pointers from `frame`; `rip` first when not 0. */
void backtrace_print(uint64_t rip, uint64_t frame);
