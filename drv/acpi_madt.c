/* SPDX-License-Identifier: MIT */
/* The multiple APIC description table (ACPI 6.4, 5.2.12): processors and interrupt controllers. */
#include <kr/log.h>

#include "acpi_internal.h"

struct madt {
    struct acpi_header header;
    uint32_t lapic_address;
    uint32_t flags;
#define MADT_HAS_8259 0x1
} __packed;

enum madt_type {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_NMI = 3,
    MADT_LAPIC_NMI = 4,
    MADT_LAPIC_ADDRESS = 5,
    MADT_X2APIC = 9,
    MADT_X2APIC_NMI = 10,
};

#define MADT_CPU_ENABLED 0x1

struct madt_lapic {
    uint8_t type, length;
    uint8_t uid, apic_id;
    uint32_t flags;
} __packed;

struct madt_ioapic {
    uint8_t type, length;
    uint8_t id, reserved;
    uint32_t address, gsi_base;
} __packed;

struct madt_override {
    uint8_t type, length;
    uint8_t bus, irq;
    uint32_t gsi;
    uint16_t flags;
} __packed;

struct madt_nmi {
    uint8_t type, length;
    uint16_t flags;
    uint32_t gsi;
} __packed;

struct madt_lapic_nmi {
    uint8_t type, length;
    uint8_t uid;
    uint16_t flags;
    uint8_t lint;
} __packed;

struct madt_lapic_address {
    uint8_t type, length;
    uint16_t reserved;
    uint64_t address;
} __packed;

struct madt_x2apic {
    uint8_t type, length;
    uint16_t reserved;
    uint32_t apic_id, flags, uid;
} __packed;

struct madt_x2apic_nmi {
    uint8_t type, length;
    uint16_t flags;
    uint32_t uid;
    uint8_t lint;
    uint8_t reserved[3];
} __packed;

static const uint8_t entry_bytes[] = {
    [MADT_LAPIC] = sizeof(struct madt_lapic),
    [MADT_IOAPIC] = sizeof(struct madt_ioapic),
    [MADT_OVERRIDE] = sizeof(struct madt_override),
    [MADT_NMI] = sizeof(struct madt_nmi),
    [MADT_LAPIC_NMI] = sizeof(struct madt_lapic_nmi),
    [MADT_LAPIC_ADDRESS] = sizeof(struct madt_lapic_address),
    [MADT_X2APIC] = sizeof(struct madt_x2apic),
    [MADT_X2APIC_NMI] = sizeof(struct madt_x2apic_nmi),
};

static uint8_t flags_polarity(uint16_t flags)
{
    return flags & 3;
}

static uint8_t flags_trigger(uint16_t flags)
{
    return flags >> 2 & 3;
}

/* Each returns false when its list is full. */

static bool add_cpu(const struct madt *t, uint32_t apic_id, uint32_t uid, uint32_t flags,
                    struct acpi_info *info)
{
    if (!(flags & MADT_CPU_ENABLED)) {
        info->cpu_disabled_count++;
        return true;
    }
    /* Firmware may list a processor both ways. */
    for (unsigned i = 0; i < info->cpu_count; i++)
        if (info->cpus[i].apic_id == apic_id)
            return true;
    if (acpi_list_full(&t->header, info->cpu_count, ACPI_CPU_MAX, "processors"))
        return false;
    info->cpus[info->cpu_count++] = (struct acpi_cpu){.apic_id = apic_id, .uid = uid};
    return true;
}

static bool add_ioapic(const struct madt *t, const struct madt_ioapic *e, struct acpi_info *info)
{
    if (acpi_list_full(&t->header, info->ioapic_count, ACPI_IOAPIC_MAX, "IO-APICs"))
        return false;
    info->ioapics[info->ioapic_count++] =
        (struct acpi_ioapic){.id = e->id, .address = e->address, .gsi_base = e->gsi_base};
    return true;
}

static bool add_override(const struct madt *t, const struct madt_override *e,
                         struct acpi_info *info)
{
    if (e->bus != 0 || e->irq > 15) {
        log_warning("ACPI: table APIC: override of interrupt %u on bus %u makes no sense: ignored",
                    e->irq, e->bus);
        return true;
    }
    if (acpi_list_full(&t->header, info->override_count, ACPI_OVERRIDE_MAX, "overrides"))
        return false;
    info->overrides[info->override_count++] = (struct acpi_override){
        .irq = e->irq,
        .gsi = e->gsi,
        .polarity = flags_polarity(e->flags),
        .trigger = flags_trigger(e->flags),
    };
    return true;
}

static bool add_nmi(const struct madt *t, struct acpi_nmi nmi, uint16_t flags,
                    struct acpi_info *info)
{
    if (acpi_list_full(&t->header, info->nmi_count, ACPI_NMI_MAX, "NMI sources"))
        return false;
    nmi.polarity = flags_polarity(flags);
    nmi.trigger = flags_trigger(flags);
    info->nmis[info->nmi_count++] = nmi;
    return true;
}

static bool add_local_nmi(const struct madt *t, uint32_t uid, uint8_t lint, uint16_t flags,
                          struct acpi_info *info)
{
    return add_nmi(t, (struct acpi_nmi){.is_local = true, .number = lint, .uid = uid}, flags, info);
}

/* The entry is as long as its type says. */
static bool read_entry(const struct madt *t, const struct acpi_entry *entry, struct acpi_info *info)
{
    const void *e = entry;
    const struct madt_lapic *lapic = e;
    const struct madt_x2apic *x2apic = e;
    const struct madt_nmi *nmi = e;
    const struct madt_lapic_nmi *lapic_nmi = e;
    const struct madt_x2apic_nmi *x2apic_nmi = e;

    switch (entry->type) {
    case MADT_LAPIC: return add_cpu(t, lapic->apic_id, lapic->uid, lapic->flags, info);
    case MADT_X2APIC: return add_cpu(t, x2apic->apic_id, x2apic->uid, x2apic->flags, info);
    case MADT_IOAPIC: return add_ioapic(t, e, info);
    case MADT_OVERRIDE: return add_override(t, e, info);
    case MADT_NMI:
        return add_nmi(t, (struct acpi_nmi){.number = nmi->gsi, .uid = ACPI_UID_ALL}, nmi->flags,
                       info);
    case MADT_LAPIC_NMI:
        return add_local_nmi(t, lapic_nmi->uid == 0xff ? ACPI_UID_ALL : lapic_nmi->uid,
                             lapic_nmi->lint, lapic_nmi->flags, info);
    case MADT_X2APIC_NMI:
        return add_local_nmi(t, x2apic_nmi->uid, x2apic_nmi->lint, x2apic_nmi->flags, info);
    case MADT_LAPIC_ADDRESS:
        info->lapic_address = ((const struct madt_lapic_address *)e)->address;
        return true;
    default: return true; /* other architectures' controllers */
    }
}

void acpi_read_madt(const struct acpi_header *table, struct acpi_info *info)
{
    const struct madt *t = (const void *)table;
    const struct acpi_entry *e;
    size_t offset = sizeof(*t);
    uint32_t full_types = 0;

    if (table->length < sizeof(*t)) {
        log_warning("ACPI: table APIC is too short: ignored");
        return;
    }
    info->has_madt = true;
    info->has_8259 = t->flags & MADT_HAS_8259;
    info->lapic_address = t->lapic_address;
    while ((e = acpi_next_entry(table, &offset)) != NULL) {
        if (e->type >= ARRAY_SIZE(entry_bytes) || (full_types & BIT(e->type)))
            continue;
        if (e->length < entry_bytes[e->type])
            log_warning("ACPI: table APIC: an entry of type %u is too short: ignored", e->type);
        else if (!read_entry(t, e, info))
            full_types |= BIT(e->type);
    }
}
