/* SPDX-License-Identifier: MIT */
/* Fixed hardware (ACPI 6.4, 5.2.9), the HPET's description and PCI's configuration windows. */
#include <kr/log.h>

#include "acpi_internal.h"

struct fadt {
    struct acpi_header header;
    uint32_t facs_address, dsdt_address;
    uint8_t reserved0, profile;
    uint16_t sci_irq;
    uint32_t smi_command;
    uint8_t acpi_enable, acpi_disable, s4bios_request, pstate_control;
    uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
    uint8_t pm1_event_bytes, pm1_control_bytes, pm2_control_bytes, pm_timer_bytes;
    uint8_t gpe0_bytes, gpe1_bytes, gpe1_base, cst_control;
    uint16_t c2_latency, c3_latency, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
    uint16_t boot_arch;
    uint8_t reserved1;
    uint32_t flags;
    /* From ACPI 2.0. */
    struct acpi_gas reset;
    uint8_t reset_value;
    uint16_t arm_boot_arch;
    uint8_t minor_revision;
    uint64_t x_facs_address, x_dsdt_address;
    struct acpi_gas x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control;
    struct acpi_gas x_pm_timer;
} __packed;
_Static_assert(offsetof(struct fadt, flags) == 112, "FADT");
_Static_assert(offsetof(struct fadt, x_pm_timer) == 208, "FADT");

#define FADT_BYTES_V1 116

enum fadt_flag {
    FADT_TIMER_32BIT = BIT(8),
    FADT_RESET_SUPPORTED = BIT(10),
    FADT_REDUCED_HARDWARE = BIT(20),
};

enum fadt_boot_arch {
    FADT_LEGACY_DEVICES = BIT(0),
    FADT_8042 = BIT(1),
    FADT_NO_VGA = BIT(2),
    FADT_NO_MSI = BIT(3),
    FADT_NO_CMOS_RTC = BIT(5),
};

#define FADT_HAS(t, field) ((t)->header.length >= offsetof(struct fadt, field) + sizeof((t)->field))

static struct acpi_register register_from_gas(const struct acpi_gas *gas)
{
    return (struct acpi_register){
        .address = gas->address,
        .space = gas->space,
        .bit_width = gas->bit_width,
        .bit_offset = gas->bit_offset,
        .access_size = gas->access_size,
    };
}

/* The old field's port, unless the table has the new field and that says something. */
static struct acpi_register register_of(const struct acpi_gas *gas, bool has_gas, uint32_t port,
                                        uint8_t bytes)
{
    if (has_gas && gas->address != 0)
        return register_from_gas(gas);
    return (struct acpi_register){
        .address = port, .space = ACPI_SPACE_IO, .bit_width = port == 0 ? 0 : bytes * 8};
}

static void read_pm_registers(const struct fadt *t, struct acpi_fadt *f)
{
    f->pm1a_event =
        register_of(&t->x_pm1a_event, FADT_HAS(t, x_pm1a_event), t->pm1a_event, t->pm1_event_bytes);
    f->pm1b_event =
        register_of(&t->x_pm1b_event, FADT_HAS(t, x_pm1b_event), t->pm1b_event, t->pm1_event_bytes);
    f->pm1a_control = register_of(&t->x_pm1a_control, FADT_HAS(t, x_pm1a_control), t->pm1a_control,
                                  t->pm1_control_bytes);
    f->pm1b_control = register_of(&t->x_pm1b_control, FADT_HAS(t, x_pm1b_control), t->pm1b_control,
                                  t->pm1_control_bytes);
    f->pm_timer =
        register_of(&t->x_pm_timer, FADT_HAS(t, x_pm_timer), t->pm_timer, t->pm_timer_bytes);
}

void acpi_read_fadt(const struct acpi_header *table, struct acpi_info *info)
{
    const struct fadt *t = (const void *)table;
    struct acpi_fadt *f = &info->fadt;

    if (table->length < FADT_BYTES_V1) {
        log_warning("ACPI: table FACP is too short: ignored");
        return;
    }
    f->present = true;
    f->sci_irq = t->sci_irq;
    f->smi_command = t->smi_command;
    f->acpi_enable = t->acpi_enable;
    f->acpi_disable = t->acpi_disable;
    f->pm1_event_bytes = t->pm1_event_bytes;
    f->pm1_control_bytes = t->pm1_control_bytes;
    f->century = t->century;
    f->timer_is_32bit = t->flags & FADT_TIMER_32BIT;
    f->reduced_hardware = t->flags & FADT_REDUCED_HARDWARE;
    /* ACPI 1.0 had no such word: a PC of that time has everything. */
    uint16_t boot_arch = table->revision < 2 ? FADT_LEGACY_DEVICES | FADT_8042 : t->boot_arch;
    f->legacy_devices = boot_arch & FADT_LEGACY_DEVICES;
    f->has_8042 = boot_arch & FADT_8042;
    f->no_vga = boot_arch & FADT_NO_VGA;
    f->no_msi = boot_arch & FADT_NO_MSI;
    f->no_cmos_rtc = boot_arch & FADT_NO_CMOS_RTC;
    if ((t->flags & FADT_RESET_SUPPORTED) && FADT_HAS(t, reset_value) && t->reset.address != 0) {
        f->reset_supported = true;
        f->reset = register_from_gas(&t->reset);
        f->reset_value = t->reset_value;
    }
    f->facs_address =
        FADT_HAS(t, x_facs_address) && t->x_facs_address != 0 ? t->x_facs_address : t->facs_address;
    if (!f->reduced_hardware)
        read_pm_registers(t, f);
}

struct hpet_table {
    struct acpi_header header;
    uint32_t id;
    struct acpi_gas base;
    uint8_t number;
    uint16_t min_tick;
    uint8_t attributes;
} __packed;
_Static_assert(sizeof(struct hpet_table) == 56, "HPET table");

void acpi_read_hpet(const struct acpi_header *table, struct acpi_info *info)
{
    const struct hpet_table *t = (const void *)table;

    if (table->length < sizeof(*t) || t->base.space != ACPI_SPACE_MEMORY) {
        log_warning("ACPI: table HPET makes no sense: ignored");
        return;
    }
    info->hpet = (struct acpi_hpet){
        .base = register_from_gas(&t->base),
        .id = t->id,
        .min_tick = t->min_tick,
        .number = t->number,
    };
}

struct mcfg_entry {
    uint64_t base;
    uint16_t segment;
    uint8_t bus_first, bus_last;
    uint32_t reserved;
} __packed;

#define MCFG_ENTRIES (sizeof(struct acpi_header) + 8)

void acpi_read_mcfg(const struct acpi_header *table, struct acpi_info *info)
{
    const struct mcfg_entry *e = (const void *)((const uint8_t *)table + MCFG_ENTRIES);
    unsigned count = table->length < MCFG_ENTRIES ? 0 : (table->length - MCFG_ENTRIES) / sizeof(*e);

    for (unsigned i = 0; i < count; i++, e++) {
        if (e->bus_first > e->bus_last || e->base == 0 || (e->base & (MIB - 1)) != 0) {
            log_warning("ACPI: table MCFG: window %u makes no sense: ignored", i);
            continue;
        }
        if (acpi_list_full(table, info->mcfg_count, ACPI_MCFG_MAX, "windows"))
            return;
        info->mcfgs[info->mcfg_count++] = (struct acpi_mcfg){
            .base = e->base,
            .segment = e->segment,
            .bus_first = e->bus_first,
            .bus_last = e->bus_last,
        };
    }
}
