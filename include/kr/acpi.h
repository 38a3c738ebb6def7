/* SPDX-License-Identifier: MIT */
/*
 * What the hypervisor wants to know from the machine's static ACPI tables, read once at boot.
 * No AML: the control domain runs that, and gets all tables untouched. Follows ACPI 6.4, chapter 5.
 */
#pragma once

#include <kr/types.h>

#define ACPI_CPU_MAX      256
#define ACPI_IOAPIC_MAX   32
#define ACPI_OVERRIDE_MAX 32
#define ACPI_NMI_MAX      32
#define ACPI_MCFG_MAX     16
#define ACPI_NODE_MAX     32
#define ACPI_MEMORY_MAX   128

/* Address spaces of struct acpi_register. */
enum acpi_space {
    ACPI_SPACE_MEMORY = 0,
    ACPI_SPACE_IO = 1,
    ACPI_SPACE_PCI = 2, /* address: device << 32 | function << 16 | offset, on bus 0 */
};

struct acpi_register {
    uint64_t address; /* 0: there is none */
    uint8_t space;    /* enum acpi_space, or one of the rarer ones */
    uint8_t bit_width, bit_offset, access_size;
};

/* A processor that firmware started. */
struct acpi_cpu {
    uint32_t apic_id;
    uint32_t uid;  /* ACPI processor id, for the control domain's tables */
    uint32_t node; /* index into nodes[] */
};

struct acpi_ioapic {
    uint32_t address, gsi_base;
    uint8_t id;
};

/* Trigger and polarity as MADT and MP tables number them. */
enum acpi_polarity { ACPI_POLARITY_BUS = 0, ACPI_POLARITY_HIGH = 1, ACPI_POLARITY_LOW = 3 };
enum acpi_trigger { ACPI_TRIGGER_BUS = 0, ACPI_TRIGGER_EDGE = 1, ACPI_TRIGGER_LEVEL = 3 };

/* ISA interrupt `irq` arrives at another input, or is not edge/high ("bus" is that for ISA). */
struct acpi_override {
    uint32_t gsi;
    uint8_t irq;
    uint8_t polarity, trigger;
};

/* A non-maskable source: an IO-APIC input (`is_local` false, `number` is a GSI), or a local pin. */
struct acpi_nmi {
    bool is_local;
    uint8_t polarity, trigger;
    uint32_t number; /* GSI, or LINT0/LINT1 */
    uint32_t uid;    /* of the processor; ACPI_UID_ALL */
};
#define ACPI_UID_ALL 0xffffffffU

/* Configuration space in memory: bus b at base + (b << 20). */
struct acpi_mcfg {
    uint64_t base;
    uint16_t segment;
    uint8_t bus_first, bus_last;
};

struct acpi_memory {
    uint64_t base, size_bytes;
    uint32_t node;
    bool hotplug;
};

struct acpi_fadt {
    bool present;
    bool reduced_hardware; /* no PM1 registers, no PM timer, no legacy devices */
    bool legacy_devices;   /* user-visible ISA devices exist */
    bool has_8042;
    bool no_vga, no_msi, no_cmos_rtc;
    bool timer_is_32bit;
    bool reset_supported;
    uint16_t sci_irq;
    uint32_t smi_command;
    uint8_t acpi_enable, acpi_disable; /* written to smi_command */
    uint8_t pm1_event_bytes, pm1_control_bytes;
    uint8_t century; /* RTC index of the century, 0: none */
    uint8_t reset_value;
    uint64_t facs_address;
    struct acpi_register pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm_timer, reset;
};

struct acpi_hpet {
    struct acpi_register base; /* address 0: no HPET */
    uint32_t id;
    uint16_t min_tick;
    uint8_t number;
};

struct acpi_info {
    uint64_t rsdp_address;
    uint64_t root_address; /* XSDT, or RSDT on old machines */
    uint8_t revision;      /* of the RSDP: 0 is ACPI 1.0 */

    /* MADT */
    bool has_madt;
    bool has_8259; /* a PC's pair of PICs is there and must be masked */
    uint64_t lapic_address;
    unsigned cpu_count, cpu_disabled_count, ioapic_count, override_count, nmi_count;
    struct acpi_cpu cpus[ACPI_CPU_MAX];
    struct acpi_ioapic ioapics[ACPI_IOAPIC_MAX];
    struct acpi_override overrides[ACPI_OVERRIDE_MAX];
    struct acpi_nmi nmis[ACPI_NMI_MAX];

    struct acpi_fadt fadt;
    struct acpi_hpet hpet;

    unsigned mcfg_count;
    struct acpi_mcfg mcfgs[ACPI_MCFG_MAX];

    /* SRAT, SLIT. Without them one node, to which everything belongs. */
    bool has_srat;
    unsigned node_count, memory_count;
    uint32_t node_domain[ACPI_NODE_MAX];            /* firmware's proximity domain of each node */
    uint8_t distance[ACPI_NODE_MAX][ACPI_NODE_MAX]; /* 10: the same node */
    struct acpi_memory memories[ACPI_MEMORY_MAX];

    uint64_t dmar_address, ivrs_address; /* 0: none; checksum was right */
};

/*
 * Supplied by the port, and by tests: `size_bytes` of physical memory to read, valid until
 * acpi_read() returns; NULL when that cannot be reached.
 */
const void *acpi_map(uint64_t phys, size_t size_bytes);

/*
 * Finds and reads the tables. `rsdp_address`: from the boot loader, 0: search where BIOSes put it.
 * A table that is cut, has a wrong checksum or makes no sense is left out with one warning each.
 * 0; -ENOENT: this machine has no ACPI; -EINVAL: RSDP or XSDT/RSDT are broken (one error line says
 * how), then `info` holds nothing. Boot, one CPU.
 */
int acpi_read(uint64_t rsdp_address, struct acpi_info *info) __must_check;
