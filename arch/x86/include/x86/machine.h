/* SPDX-License-Identifier: MIT */
/* Resetting the machine and showing where the hypervisor died. */
#pragma once

#include <kr/acpi.h>
#include <x86/regs.h>

/* Where the reset register is; kept. */
void machine_set_acpi(const struct acpi_fadt *f);
/* NULL before that. */
const struct acpi_fadt *machine_acpi(void);
/* The trap frame that arch_crash_dump() will show. */
void crash_regs_set(const struct x86_regs *regs);
/* Return addresses along the frame pointers from `frame`; `rip` first when not 0. */
void backtrace_print(uint64_t rip, uint64_t frame);
