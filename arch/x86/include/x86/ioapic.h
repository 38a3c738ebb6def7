/* SPDX-License-Identifier: MIT */
/*
 * The machine's interrupt controllers outside the CPUs: IO-APICs (82093AA), whose inputs ACPI
 * numbers as GSIs, and the pair of 8259s that they replace.
 */
#pragma once

#include <kr/acpi.h>
#include <x86/irq_encode.h>

/* Masks the 8259s for good. Boot CPU. */
void pic_init(void);
/*
 * Maps all IO-APICs, masks every input and keeps their pages from being written by guests. Boot
 * CPU, after the heap. Refuses to boot without memory; an IO-APIC that does not answer is left out.
 */
void ioapic_init(const struct acpi_info *acpi);

/* One more than the highest GSI. */
unsigned ioapic_gsi_count(void);
/* Is there an input for it? */
bool ioapic_has_gsi(unsigned gsi);
/* Where ISA interrupt 0 to 15 arrives. */
unsigned ioapic_isa_gsi(unsigned isa_irq);

/* How an existing GSI signals: as firmware says, until ioapic_set_mode(). */
struct irq_pin_mode ioapic_mode(unsigned gsi);
/* Effective with the next ioapic_route(). */
void ioapic_set_mode(unsigned gsi, struct irq_pin_mode mode);
/* Writes the redirection entry of an existing GSI. Any CPU; takes LOCK_RANK_IOAPIC. */
void ioapic_route(unsigned gsi, unsigned vector, uint32_t apic_id, bool masked);
void ioapic_mask(unsigned gsi, bool masked);

/* A register of the IO-APIC at this address. -EINVAL: there is none, or no such register. */
int ioapic_register_read(uint64_t phys, uint32_t reg, uint32_t *value) __must_check;
