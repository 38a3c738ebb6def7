/* SPDX-License-Identifier: MIT */
/*
 * The hardware around arch/x86/irq for host tests: IO-APIC inputs as an array, configuration space
 * behind the ports of mechanism 1, device memory, and a domain's event ports as a list of what was
 * raised. Everything but the inputs is fresh after irq_machine_start().
 */
#pragma once

#include <kr/domain.h>
#include <x86/irq_encode.h>
#include <x86/pci.h>

#define MACHINE_GSI_COUNT 24
#define MACHINE_MMIO      0xfe000000UL
#define MACHINE_MMIO_SIZE 0x10000

/* What the redirection entry of a GSI says now. */
struct machine_pin {
    struct irq_pin_mode mode, effective;
    unsigned vector;
    uint32_t apic_id;
    bool masked;
};
extern struct machine_pin machine_pins[MACHINE_GSI_COUNT];

/* A function of segment 0. Bytes with a bit set in `writable` take what is written. */
struct machine_function {
    bool present;
    uint8_t bus, devfn;
    uint8_t config[256], writable[256];
    unsigned write_count;
};
/* A new function, with a memory BAR 0 (64-bit) at MACHINE_MMIO. */
struct machine_function *machine_function_add(uint8_t bus, uint8_t devfn);
/* An MSI capability at 0x50 with 2^log2 messages. */
void machine_add_msi(struct machine_function *f, unsigned log2, bool is_64bit, bool is_maskable);
/* An MSI-X capability at 0x70 whose table of so many entries is at offset `table` of BAR 0. */
void machine_add_msix(struct machine_function *f, unsigned count, uint32_t table);
uint32_t machine_config(const struct machine_function *f, unsigned offset, unsigned bytes);
void machine_config_set(struct machine_function *f, unsigned offset, unsigned bytes,
                        uint32_t value);

extern uint8_t machine_mmio[MACHINE_MMIO_SIZE];
/* Frames that were taken from guests, in order. */
extern struct machine_reserved {
    mfn_t first;
    uint64_t count;
    bool readable;
} machine_reserved[8];
extern unsigned machine_reserved_count;

/* Two domains; the first is the control domain. Who listens is up to the test. */
extern struct domain machine_domains[2];
extern uint32_t machine_ports[2][512];    /* by pirq: its port, 0 for none */
extern unsigned machine_raised[2][512];   /* by pirq: how often */
extern unsigned machine_unmasked[2][512]; /* by port */
extern unsigned machine_eoi_count, machine_console_count;
/* A frame that a guest may hand over as its page of pirqs. */
#define MACHINE_PAGE_GFN 0x77
extern uint64_t machine_page[512];
extern int machine_page_pins;

void irq_machine_start(void);
