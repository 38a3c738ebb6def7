/* SPDX-License-Identifier: MIT */
/*
 * Which bits of a function's MSI capability the control domain may write while the hypervisor owns
 * it (PCI 3.0, 6.8.1). Pure.
 */
#pragma once

#include <kr/types.h>

struct pci_msi_layout {
    uint16_t offset; /* of the capability; 0: there is none */
    bool is_64bit, is_maskable;
};

#define PCI_MSI_CONTROL 2 /* offsets in the capability */
#define PCI_MSI_ADDRESS 4

static inline uint16_t pci_msi_data_offset(const struct pci_msi_layout *m)
{
    return m->offset + (m->is_64bit ? 12 : 8);
}
static inline uint16_t pci_msi_mask_offset(const struct pci_msi_layout *m)
{
    return m->offset + (m->is_64bit ? 16 : 12);
}
/* Where the capability ends. */
static inline uint16_t pci_msi_end(const struct pci_msi_layout *m)
{
    return m->is_maskable ? pci_msi_mask_offset(m) + 8 : pci_msi_data_offset(m) + 2;
}

/*
 * Bits of a write of 1, 2 or 4 bytes at `offset` that may reach the function: everything outside
 * the capability, inside it the enable bit only. Address, data, count and masks are ours.
 */
uint32_t pci_msi_writable_bits(const struct pci_msi_layout *m, uint16_t offset, unsigned bytes);
