/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space. The hypervisor and the control domain share the address register at
 * 0xcf8: the domain's last address is kept, and one lock makes address and data one step.
 */
#pragma once

#include <kr/types.h>

struct domain;

struct pci_address {
    uint16_t segment;
    uint8_t bus, devfn;
};

/* Configuration space of a function, 1, 2 or 4 bytes, naturally aligned. */
uint32_t pci_read(struct pci_address a, uint16_t offset, unsigned bytes);
void pci_write(struct pci_address a, uint16_t offset, unsigned bytes, uint32_t value);

/* The control domain's accesses to ports 0xcf8 (whole) and 0xcfc to 0xcff. */
uint32_t pci_guest_address_read(struct domain *d);
void pci_guest_address_write(struct domain *d, uint32_t value);
uint32_t pci_guest_data_read(struct domain *d, unsigned offset, unsigned bytes);
void pci_guest_data_write(struct domain *d, unsigned offset, unsigned bytes, uint32_t value);
