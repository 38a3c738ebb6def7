/* SPDX-License-Identifier: MIT */
/*
 * Nodes: which processors and which memory are close (SRAT, ACPI 6.4 5.2.16) and how far apart the
 * others are (SLIT, 5.2.17). Firmware numbers nodes as it likes; ours are 0, 1, … as they appear.
 */
#include <kr/log.h>

#include "acpi_internal.h"

#define SRAT_ENTRIES (sizeof(struct acpi_header) + 12)
#define SRAT_ENABLED 0x1
#define SRAT_HOTPLUG 0x2

enum srat_type { SRAT_LAPIC = 0, SRAT_MEMORY = 1, SRAT_X2APIC = 2 };

struct srat_lapic {
    uint8_t type, length;
    uint8_t domain_low, apic_id;
    uint32_t flags;
    uint8_t sapic_eid;
    uint8_t domain_high[3];
    uint32_t clock_domain;
} __packed;

struct srat_memory {
    uint8_t type, length;
    uint32_t domain;
    uint16_t reserved0;
    uint64_t base, size_bytes;
    uint32_t reserved1, flags;
    uint64_t reserved2;
} __packed;

struct srat_x2apic {
    uint8_t type, length;
    uint16_t reserved0;
    uint32_t domain, apic_id, flags, clock_domain, reserved1;
} __packed;

static const uint8_t entry_bytes[] = {
    [SRAT_LAPIC] = sizeof(struct srat_lapic),
    [SRAT_MEMORY] = sizeof(struct srat_memory),
    [SRAT_X2APIC] = sizeof(struct srat_x2apic),
};

/* The node of a proximity domain, made when it is new; false: no more room for nodes. */
static bool node_of(const struct acpi_header *table, uint32_t domain, struct acpi_info *info,
                    uint32_t *node)
{
    for (*node = 0; *node < info->node_count; (*node)++)
        if (info->node_domain[*node] == domain)
            return true;
    if (acpi_list_full(table, info->node_count, ACPI_NODE_MAX, "nodes"))
        return false;
    info->node_domain[info->node_count++] = domain;
    return true;
}

static bool place_cpu(const struct acpi_header *table, uint32_t apic_id, uint32_t domain,
                      struct acpi_info *info)
{
    uint32_t node;

    if (!node_of(table, domain, info, &node))
        return false;
    for (unsigned i = 0; i < info->cpu_count; i++)
        if (info->cpus[i].apic_id == apic_id)
            info->cpus[i].node = node;
    return true;
}

static bool place_memory(const struct acpi_header *table, const struct srat_memory *e,
                         struct acpi_info *info)
{
    uint32_t node;

    if (e->size_bytes == 0)
        return true;
    if (e->base + e->size_bytes < e->base) {
        log_warning("ACPI: table SRAT: memory at 0x%llx makes no sense: ignored",
                    (unsigned long long)e->base);
        return true;
    }
    if (acpi_list_full(table, info->memory_count, ACPI_MEMORY_MAX, "memory ranges") ||
        !node_of(table, e->domain, info, &node))
        return false;
    info->memories[info->memory_count++] = (struct acpi_memory){
        .base = e->base,
        .size_bytes = e->size_bytes,
        .node = node,
        .hotplug = e->flags & SRAT_HOTPLUG,
    };
    return true;
}

/* The entry is as long as its type says. False: a list is full. */
static bool read_entry(const struct acpi_header *table, const struct acpi_entry *entry,
                       struct acpi_info *info)
{
    const void *e = entry;
    const struct srat_lapic *lapic = e;
    const struct srat_memory *memory = e;
    const struct srat_x2apic *x2apic = e;
    uint32_t domain;

    switch (entry->type) {
    case SRAT_LAPIC:
        domain = lapic->domain_low;
        if (table->revision >= 2)
            domain |= (uint32_t)lapic->domain_high[0] << 8 | (uint32_t)lapic->domain_high[1] << 16 |
                      (uint32_t)lapic->domain_high[2] << 24;
        return !(lapic->flags & SRAT_ENABLED) || place_cpu(table, lapic->apic_id, domain, info);
    case SRAT_X2APIC:
        return !(x2apic->flags & SRAT_ENABLED) ||
               place_cpu(table, x2apic->apic_id, x2apic->domain, info);
    case SRAT_MEMORY: return !(memory->flags & SRAT_ENABLED) || place_memory(table, memory, info);
    default: return true;
    }
}

void acpi_read_srat(const struct acpi_header *table, struct acpi_info *info)
{
    const struct acpi_entry *e;
    size_t offset = SRAT_ENTRIES;
    bool room = true;

    if (table->length < SRAT_ENTRIES) {
        log_warning("ACPI: table SRAT is too short: ignored");
        return;
    }
    info->node_count = 0;
    while (room && (e = acpi_next_entry(table, &offset)) != NULL) {
        if (e->type >= ARRAY_SIZE(entry_bytes))
            continue;
        if (e->length < entry_bytes[e->type])
            log_warning("ACPI: table SRAT: an entry of type %u is too short: ignored", e->type);
        else
            room = read_entry(table, e, info);
    }
    info->has_srat = info->node_count > 0;
    if (!info->has_srat)
        info->node_count = 1;
}

void acpi_read_slit(const struct acpi_header *table, struct acpi_info *info)
{
    const uint8_t *body = (const uint8_t *)(table + 1);
    uint64_t count = 0;

    for (unsigned i = 0; i < 8 && table->length >= sizeof(*table) + 8; i++)
        count |= (uint64_t)body[i] << (8 * i);
    if (count == 0 || count > 0xffff || table->length - sizeof(*table) - 8 < count * count) {
        log_warning("ACPI: table SLIT makes no sense: ignored");
        return;
    }
    for (unsigned a = 0; a < info->node_count; a++) {
        for (unsigned b = 0; b < info->node_count; b++) {
            uint64_t from = info->node_domain[a], to = info->node_domain[b];

            /* 10 is by definition the distance to oneself, and nothing is nearer. */
            if (from < count && to < count && a != b && body[8 + from * count + to] >= 10)
                info->distance[a][b] = body[8 + from * count + to];
        }
    }
}
