/* SPDX-License-Identifier: MIT */
/* Between pci.c and pci_function.c: the PCI lock, and what is done under it. */
#pragma once

#include <kr/lock.h>
#include <x86/pci.h>

extern struct spinlock pci_lock;

/* A function's memory answers only while it decodes memory: for the accesses between the two, which
 * are made with the PCI lock held, so that the control domain's writes and other CPUs' accesses to
 * the command register do not come in between. */
struct pci_memory_access {
    unsigned long flags;
    bool was_closed;
    uint16_t command; /* then, to write back */
};
void pci_memory_open(const struct pci_function *f, struct pci_memory_access *access);
void pci_memory_close(const struct pci_function *f, const struct pci_memory_access *access);

/* Makes the pages of one bus readable in memory, where MCFG has them. Routing lock held, not the
 * PCI lock. */
void pci_map_bus(uint16_t segment, uint8_t bus);
/* Bits of a guest's write that may reach the function. PCI lock held. */
uint32_t pci_function_writable_bits(struct pci_address a, uint16_t offset, unsigned bytes);
