/* SPDX-License-Identifier: MIT */
/*
 * Finds the ACPI tables and hands each one that is whole to its reader. Firmware is not trusted:
 * every length is checked before what it covers is looked at.
 */
#include <kr/errno.h>
#include <kr/log.h>
#include <kr/string.h>

#include "acpi_internal.h"

#define TABLE_BYTES_MAX (16 * MIB) /* far more than any static table */

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt_address;
    /* From revision 2. */
    uint32_t length;
    uint64_t xsdt_address;
    uint8_t extended_checksum;
    uint8_t reserved[3];
} __packed;
#define RSDP_BYTES_V1 20
_Static_assert(sizeof(struct rsdp) == 36, "RSDP");

static bool checksum_is_right(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    return sum == 0;
}

/* ---- root pointer -----------------------------------------------------------------------------
 */

static bool rsdp_has_signature(uint64_t phys)
{
    const char *p = acpi_map(phys, RSDP_BYTES_V1);

    return p != NULL && memcmp(p, "RSD PTR ", 8) == 0;
}

/* Copies a root pointer out; NULL and nothing, or what is wrong with it. */
static const char *rsdp_read(uint64_t phys, struct rsdp *out)
{
    const struct rsdp *p = acpi_map(phys, RSDP_BYTES_V1);

    memset(out, 0, sizeof(*out));
    if (p == NULL)
        return "cannot be reached";
    if (!checksum_is_right(p, RSDP_BYTES_V1))
        return "has a wrong checksum";
    memcpy(out, p, RSDP_BYTES_V1);
    if (out->revision < 2)
        return NULL;

    p = acpi_map(phys, sizeof(*p));
    if (p == NULL || p->length < sizeof(*p) || p->length > PAGE_SIZE)
        return "has a wrong length";
    memcpy(out, p, sizeof(*p));
    p = acpi_map(phys, out->length);
    if (p == NULL || !checksum_is_right(p, out->length))
        return "has a wrong extended checksum";
    return NULL;
}

/* Looks at each 16th byte; a broken one is remembered in `broken` and passed over. */
static uint64_t rsdp_search_range(uint64_t first, uint64_t end, uint64_t *broken)
{
    struct rsdp rsdp;

    for (uint64_t phys = first; phys + RSDP_BYTES_V1 <= end; phys += 16) {
        if (!rsdp_has_signature(phys))
            continue;
        if (rsdp_read(phys, &rsdp) == NULL)
            return phys;
        *broken = phys;
    }
    return 0;
}

/* ACPI 5.2.5.1: the first KiB of the extended BIOS data area, then the BIOS area. */
static uint64_t rsdp_search(void)
{
    const uint8_t *ebda_pointer = acpi_map(0x40e, 2);
    uint64_t broken = 0, found = 0;

    if (ebda_pointer != NULL) {
        uint64_t ebda = (uint64_t)(ebda_pointer[0] | ebda_pointer[1] << 8) << 4;

        if (ebda >= 0x400 && ebda < 0xa0000)
            found = rsdp_search_range(ebda, ebda + KIB, &broken);
    }
    if (found == 0)
        found = rsdp_search_range(0xe0000, 0x100000, &broken);
    return found != 0 ? found : broken;
}

/* ---- tables -----------------------------------------------------------------------------------
 */

/* A table with sane length and right checksum, or NULL and in `why` what is wrong. */
static const struct acpi_header *table_map(uint64_t phys, const char **why)
{
    const struct acpi_header *t = acpi_map(phys, sizeof(*t));

    if (t == NULL) {
        *why = "cannot be reached";
        return NULL;
    }

    uint32_t length = t->length;
    if (length < sizeof(*t) || length > TABLE_BYTES_MAX) {
        *why = "has a wrong length";
        return NULL;
    }
    t = acpi_map(phys, length);
    if (t == NULL) {
        *why = "cannot be reached as a whole";
        return NULL;
    }
    if (t->length != length || !checksum_is_right(t, length)) {
        *why = "has a wrong checksum";
        return NULL;
    }
    return t;
}

static const struct reader {
    char signature[5];
    void (*read)(const struct acpi_header *table, struct acpi_info *info);
} readers[] = {
    {"APIC", acpi_read_madt}, {"FACP", acpi_read_fadt}, {"HPET", acpi_read_hpet},
    {"MCFG", acpi_read_mcfg}, {"SRAT", acpi_read_srat}, {"SLIT", acpi_read_slit},
    {"DMAR", NULL},           {"IVRS", NULL},
};

static uint64_t root_entry(const struct acpi_header *root, unsigned width, unsigned n)
{
    uint64_t phys = 0;

    memcpy(&phys, (const uint8_t *)(root + 1) + n * width, width);
    return phys;
}

/* The first good table of that name; those before it that are not good are named and passed over.
 */
static const struct acpi_header *table_find(const struct acpi_header *root, unsigned width,
                                            const char *signature, uint64_t *phys)
{
    unsigned count = (root->length - sizeof(*root)) / width;
    const char *why;

    for (unsigned n = 0; n < count; n++) {
        *phys = root_entry(root, width, n);

        const struct acpi_header *t = *phys == 0 ? NULL : acpi_map(*phys, sizeof(*t));
        if (t == NULL || memcmp(t->signature, signature, 4) != 0)
            continue;
        t = table_map(*phys, &why);
        if (t != NULL)
            return t;
        log_warning("ACPI: table %s at 0x%llx %s: ignored", signature, (unsigned long long)*phys,
                    why);
    }
    return NULL;
}

static void tables_read(const struct acpi_header *root, unsigned width, struct acpi_info *info)
{
    for (unsigned i = 0; i < ARRAY_SIZE(readers); i++) {
        uint64_t phys;
        const struct acpi_header *t = table_find(root, width, readers[i].signature, &phys);

        if (t == NULL)
            continue;
        if (readers[i].read != NULL)
            readers[i].read(t, info);
        else if (readers[i].signature[0] == 'D')
            info->dmar_address = phys;
        else
            info->ivrs_address = phys;
    }
}

static void info_init(struct acpi_info *info)
{
    memset(info, 0, sizeof(*info));
    info->node_count = 1;
    for (unsigned a = 0; a < ACPI_NODE_MAX; a++)
        for (unsigned b = 0; b < ACPI_NODE_MAX; b++)
            info->distance[a][b] = a == b ? 10 : 20;
}

int acpi_read(uint64_t rsdp_address, struct acpi_info *info)
{
    struct rsdp rsdp;
    const char *why;

    info_init(info);
    if (rsdp_address == 0)
        rsdp_address = rsdp_search();
    if (rsdp_address == 0)
        return -ENOENT;
    why = rsdp_has_signature(rsdp_address) ? rsdp_read(rsdp_address, &rsdp) : "is not one";
    if (why != NULL) {
        log_error("ACPI: root pointer (RSDP) at 0x%llx %s", (unsigned long long)rsdp_address, why);
        return -EINVAL;
    }

    bool is_xsdt = rsdp.revision >= 2 && rsdp.xsdt_address != 0;
    const char *name = is_xsdt ? "XSDT" : "RSDT";
    uint64_t root_address = is_xsdt ? rsdp.xsdt_address : rsdp.rsdt_address;
    const struct acpi_header *root = table_map(root_address, &why);
    if (root != NULL && memcmp(root->signature, name, 4) != 0) {
        root = NULL;
        why = "is something else";
    }
    if (root == NULL) {
        log_error("ACPI: table list (%s) at 0x%llx %s", name, (unsigned long long)root_address,
                  why);
        return -EINVAL;
    }
    info->rsdp_address = rsdp_address;
    info->root_address = root_address;
    info->revision = rsdp.revision;
    tables_read(root, is_xsdt ? 8 : 4, info);
    return 0;
}

/* ---- for the readers --------------------------------------------------------------------------
 */

const struct acpi_entry *acpi_next_entry(const struct acpi_header *table, size_t *offset)
{
    const struct acpi_entry *e = (const void *)((const uint8_t *)table + *offset);

    if (*offset >= table->length)
        return NULL;
    if (table->length - *offset < sizeof(*e) || e->length < sizeof(*e) ||
        e->length > table->length - *offset) {
        log_warning("ACPI: table %.4s: the entry at offset %zu does not fit: the rest is ignored",
                    table->signature, *offset);
        *offset = table->length;
        return NULL;
    }
    *offset += e->length;
    return e;
}

bool acpi_list_full(const struct acpi_header *table, unsigned count, unsigned max, const char *what)
{
    if (count < max)
        return false;
    log_warning("ACPI: table %.4s: more than %u %s: the rest is ignored", table->signature, max,
                what);
    return true;
}
