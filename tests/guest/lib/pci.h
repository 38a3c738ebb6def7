/* SPDX-License-Identifier: MIT */
/* PCI configuration space of bus 0 by the ports; PHYSDEVOP_set_iopl must have been called. */
#pragma once

#include "guest.h"
#include "cpu.h"

#define PCI_CAP_MSI  0x05
#define PCI_CAP_MSIX 0x11

/* devfn in bits 8-15; registers are read and written as aligned words of 32 bits. */
static inline uint32_t pci_read(uint32_t device, uint32_t reg)
{
    port_out32(0xcf8, 0x80000000 | device | (reg & 0xfc));
    return port_in32(0xcfc);
}

static inline void pci_write(uint32_t device, uint32_t reg, uint32_t value)
{
    port_out32(0xcf8, 0x80000000 | device | (reg & 0xfc));
    port_out32(0xcfc, value);
}

/* The first function 0 with this vendor and device, ~0 when there is none. */
static inline uint32_t pci_find(uint32_t id)
{
    for (uint32_t device = 0; device < 32u << 11; device += 1u << 11)
        if (pci_read(device, 0) == id)
            return device;
    return ~0u;
}

static inline uint32_t pci_capability(uint32_t device, uint8_t id)
{
    uint32_t at = pci_read(device, 0x34) & 0xfc;

    while (at && (pci_read(device, at) & 0xff) != id)
        at = pci_read(device, at) >> 8 & 0xfc;
    return at;
}
