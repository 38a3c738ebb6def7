/* SPDX-License-Identifier: MIT */
/*
 * Layouts of the tables (ACPI 6.4; HPET 1.0a; PCI Firmware 3.2) and what the readers share. Tables
 * are little-endian and unaligned, so every structure is packed.
 */
#pragma once

#include <kr/acpi.h>

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    uint32_t creator_id;
    uint32_t creator_revision;
} __packed;
_Static_assert(sizeof(struct acpi_header) == 36, "table header");

/* Generic address structure. */
struct acpi_gas {
    uint8_t space;
    uint8_t bit_width, bit_offset, access_size;
    uint64_t address;
} __packed;

/* Head of the entries in MADT and SRAT. */
struct acpi_entry {
    uint8_t type, length;
} __packed;

/* Readers get a whole table with the right checksum, and an `info` to add to. */
void acpi_read_madt(const struct acpi_header *table, struct acpi_info *info);
void acpi_read_fadt(const struct acpi_header *table, struct acpi_info *info);
void acpi_read_hpet(const struct acpi_header *table, struct acpi_info *info);
void acpi_read_mcfg(const struct acpi_header *table, struct acpi_info *info);
void acpi_read_srat(const struct acpi_header *table, struct acpi_info *info);
/* After the SRAT: the nodes are known. */
void acpi_read_slit(const struct acpi_header *table, struct acpi_info *info);

/*
 * Steps through the entries of a table from `offset`: NULL at the end. Complains once about an
 * entry that does not fit and ends there.
 */
const struct acpi_entry *acpi_next_entry(const struct acpi_header *table, size_t *offset);

/* True, and at most one warning per table, when a list that holds `max` is full. */
bool acpi_list_full(const struct acpi_header *table, unsigned count, unsigned max,
                    const char *what);
