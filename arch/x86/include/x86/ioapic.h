/* SPDX-License-Identifier: MIT */
/* stand-in until irq branch lands */
#pragma once
#include <kr/acpi.h>
struct domain;
void pic_init(void);
void ioapic_init(const struct acpi_info *acpi);
void pci_init(const struct acpi_info *acpi);
void irq_console_init(void);
int irq_domain_init(struct domain *d);
