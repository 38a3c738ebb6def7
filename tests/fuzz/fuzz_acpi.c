/* SPDX-License-Identifier: MIT */
/* SOURCES: drv/acpi_tables.c drv/acpi_madt.c drv/acpi_fadt.c drv/acpi_numa.c lib/string.c */
/* SOURCES: tests/unit/fake/log.c */
/* FLAGS: -max_len=4096 */
/*
 * ACPI tables. Each look at memory gets a copy of just the size asked for, so that ASan sees a
 * reader that goes beyond.
 * Input: a byte of flags. With FLAG_RAW the rest lies in the BIOS area, where the root pointer is
 * looked for. Else the rest is tables behind their u16 sizes; root pointer and list of them are
 * made here, and sums are put right unless FLAG_KEEP_SUMS.
 */
#include "fuzz.h"
#include <kr/acpi.h>
#include <kr/errno.h>
#include "../unit/fake/log.h"

#define FLAG_RAW       0x01
#define FLAG_KEEP_SUMS 0x02
#define FLAG_XSDT      0x04

#define BIOS_AREA    0xf0000UL
#define HEADER_BYTES 36
#define TABLES_MAX   24
#define MEMORY_BYTES 0x4000

static uint8_t memory[MEMORY_BYTES]; /* at BIOS_AREA, so that 32 bits reach it */
static size_t memory_used;
static void *copies[8192];
static unsigned copy_count;

const void *acpi_map(uint64_t phys, size_t size)
{
    if (phys < BIOS_AREA || phys - BIOS_AREA > memory_used ||
        size > memory_used - (phys - BIOS_AREA))
        return NULL;
    FUZZ_CHECK(copy_count < ARRAY_SIZE(copies));
    copies[copy_count] = fuzz_exact(memory + (phys - BIOS_AREA), size);
    return copies[copy_count++];
}

static void fix_sum(uint8_t *bytes, size_t size, unsigned at)
{
    uint8_t sum = 0;

    bytes[at] = 0;
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    bytes[at] = -sum;
}

/* Appends a table and returns where it is. */
static uint64_t add_table(const void *bytes, size_t size, bool keep_sum)
{
    uint8_t *t = memory + memory_used;
    uint32_t length = 0;

    memcpy(t, bytes, size);
    if (size >= HEADER_BYTES)
        memcpy(&length, t + 4, sizeof(length));
    if (!keep_sum && length >= HEADER_BYTES && length <= size)
        fix_sum(t, length, 9);
    memory_used += size;
    return BIOS_AREA + (t - memory);
}

static void add_root(const uint64_t *tables, unsigned count, bool xsdt)
{
    uint8_t list[HEADER_BYTES + TABLES_MAX * 8] = {'R', 'S', 'D', 'T'};
    uint8_t rsdp[HEADER_BYTES] = "RSD PTR ";
    unsigned width = xsdt ? 8 : 4;
    uint32_t length = HEADER_BYTES + count * width;
    uint64_t at;

    list[0] = xsdt ? 'X' : 'R';
    memcpy(list + 4, &length, 4);
    for (unsigned i = 0; i < count; i++)
        memcpy(list + HEADER_BYTES + i * width, &tables[i], width);
    at = add_table(list, length, false);
    rsdp[15] = xsdt ? 2 : 0;
    memcpy(rsdp + (xsdt ? 24 : 16), &at, width);
    rsdp[20] = HEADER_BYTES;
    fix_sum(rsdp, 20, 8);
    fix_sum(rsdp, HEADER_BYTES, 32);
    memcpy(memory, rsdp, sizeof(rsdp));
}

static void build(struct fuzz_input *in, uint8_t flags)
{
    uint64_t tables[TABLES_MAX];
    unsigned count = 0;

    memory_used = 64; /* of the root pointer */
    while (in->left && count < TABLES_MAX) {
        uint16_t size = fuzz_u16(in);

        size = MIN(size, MIN(in->left, MEMORY_BYTES / 2 - memory_used));
        tables[count++] = add_table(in->next, size, flags & FLAG_KEEP_SUMS);
        in->next += size;
        in->left -= size;
    }
    add_root(tables, count, flags & FLAG_XSDT);
}

static void check_lists(const struct acpi_info *info)
{
    FUZZ_CHECK(info->cpu_count <= ACPI_CPU_MAX && info->ioapic_count <= ACPI_IOAPIC_MAX);
    FUZZ_CHECK(info->override_count <= ACPI_OVERRIDE_MAX && info->nmi_count <= ACPI_NMI_MAX);
    FUZZ_CHECK(info->mcfg_count <= ACPI_MCFG_MAX && info->memory_count <= ACPI_MEMORY_MAX);
    for (unsigned i = 0; i < info->override_count; i++)
        FUZZ_CHECK(info->overrides[i].irq < 16);
    for (unsigned i = 0; i < info->mcfg_count; i++)
        FUZZ_CHECK(info->mcfgs[i].bus_first <= info->mcfgs[i].bus_last && info->mcfgs[i].base != 0);
}

static void check_nodes(const struct acpi_info *info)
{
    FUZZ_CHECK(info->node_count >= 1 && info->node_count <= ACPI_NODE_MAX);
    for (unsigned i = 0; i < info->cpu_count; i++)
        FUZZ_CHECK(info->cpus[i].node < info->node_count);
    for (unsigned i = 0; i < info->memory_count; i++) {
        const struct acpi_memory *m = &info->memories[i];

        FUZZ_CHECK(m->node < info->node_count && m->size_bytes != 0);
        FUZZ_CHECK(m->base + m->size_bytes >= m->base);
    }
    for (unsigned a = 0; a < info->node_count; a++)
        for (unsigned b = 0; b < info->node_count; b++)
            FUZZ_CHECK(a == b ? info->distance[a][b] == 10 : info->distance[a][b] >= 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct acpi_info info;
    struct fuzz_input in = {data, size};
    uint8_t flags = fuzz_u8(&in);
    int rc;

    fake_log_reset();
    if (flags & FLAG_RAW) {
        memory_used = MIN(in.left, sizeof(memory));
        fuzz_take(&in, memory, memory_used);
    } else {
        build(&in, flags);
    }
    rc = acpi_read(flags & FLAG_RAW ? 0 : BIOS_AREA, &info);
    while (copy_count > 0)
        free(copies[--copy_count]);
    FUZZ_CHECK(rc == 0 || rc == -ENOENT || rc == -EINVAL);
    FUZZ_CHECK(flags & FLAG_RAW || rc == 0);
    FUZZ_CHECK(rc != -EINVAL || fake_log_lines() == 1);
    check_lists(&info);
    check_nodes(&info);
    return 0;
}
