/* SPDX-License-Identifier: MIT */
/* Between pci.c and pci_function.c: the PCI lock, and what is done under it. */
#pragma once

#include <kr/lock.h>
#include <x86/pci.h>

extern struct spinlock pci_lock;

/* Makes the pages of one bus readable in memory, where MCFG has them. Routing lock held, not the
 * PCI lock. */
void pci_map_bus(uint16_t segment, uint8_t bus);
/* Bits of a guest's write that may reach the function. PCI lock held. */
uint32_t pci_function_writable_bits(struct pci_address a, uint16_t offset, unsigned bytes);
