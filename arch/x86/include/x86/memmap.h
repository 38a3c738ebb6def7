/* SPDX-License-Identifier: MIT */
/* The machine's memory map as the control domain is shown it: the loader's, plus the pages of
 * interrupt controllers, which firmware often leaves out. */
#pragma once

#include <kr/acpi.h>
#include <kr/boot_info.h>

struct memmap_entry {
    uint64_t start, size;
    uint32_t type; /* e820 */
};

void memmap_init(const struct boot_info *info, const struct acpi_info *acpi);
/* Entry by number; false past the last. */
bool memmap_machine_entry(unsigned index, struct memmap_entry *out);
