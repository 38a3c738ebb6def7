/* SPDX-License-Identifier: MIT */
/* What of a write to configuration space gets through (x86/pci_filter.h). */
#include <x86/pci_filter.h>

static uint8_t writable_bits_at(const struct pci_msi_layout *m, uint16_t offset)
{
    if (offset < m->offset || offset >= pci_msi_end(m))
        return 0xff;
    return offset == m->offset + PCI_MSI_CONTROL ? 0x01 : 0;
}

uint32_t pci_msi_writable_bits(const struct pci_msi_layout *m, uint16_t offset, unsigned bytes)
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < bytes; i++)
        bits |= (uint32_t)writable_bits_at(m, offset + i) << 8 * i;
    return bits;
}
