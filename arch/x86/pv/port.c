/* SPDX-License-Identifier: MIT */
/*
 * I/O ports of PV guests. The control domain reaches the machine's ports, except those that the
 * hypervisor drives: interrupt controllers and its console. Every other domain
 * reads all ones and writes into the void.
 */
#include <kr/console.h>
#include <kr/cpu.h>
#include <x86/emulate_priv.h>
#include <x86/pci.h>
#include <x86/pv.h>

#define RTC_INDEX      0x70
#define RTC_DATA       0x71
#define RTC_INDEX_MASK 0x7f
#define PCI_ADDRESS    0xcf8
#define PCI_DATA       0xcfc

static bool is_ours(uint16_t port)
{
    return (port >= 0x20 && port <= 0x21) || (port >= 0xa0 && port <= 0xa1) ||
           console_owns_port(port);
}

/* Reaches the data register of PCI configuration from outside: past the filter of its writes. */
static bool is_astride_pci_data(uint16_t port, unsigned bytes)
{
    return (port < PCI_DATA && port + bytes > PCI_DATA) ||
           (port < PCI_DATA + 4 && port + bytes > PCI_DATA + 4);
}

static bool is_granted(const struct vcpu *v, uint16_t port, unsigned bytes)
{
    if (!v->domain->is_privileged || is_astride_pci_data(port, bytes))
        return false;
    for (unsigned i = 0; i < bytes; i++)
        if (is_ours(port + i))
            return false;
    return true;
}

/* The guest's own bitmap (PHYSDEVOP_set_iobitmap) is not built: IOPL decides alone. */
bool pv_emul_port_allowed(struct vcpu *v, uint16_t port, unsigned bytes)
{
    return false;
}

static uint32_t machine_in(uint16_t port, unsigned bytes)
{
    switch (bytes) {
    case 1: return arch_port_read8(port);
    case 2: return arch_port_read16(port);
    default: return arch_port_read32(port);
    }
}

static void machine_out(uint16_t port, unsigned bytes, uint32_t value)
{
    switch (bytes) {
    case 1: arch_port_write8(port, value); break;
    case 2: arch_port_write16(port, value); break;
    default: arch_port_write32(port, value); break;
    }
}

/* The index register cannot be read back on PCs; we remember it. Index and data are one step
 * because the hypervisor reads the clock only before dom0 starts. */
static _Atomic uint8_t rtc_index;

static uint32_t rtc_read(uint16_t port)
{
    if (port == RTC_INDEX)
        return rtc_index;
    arch_port_write8(RTC_INDEX, rtc_index);
    return arch_port_read8(RTC_DATA);
}

static void rtc_write(uint16_t port, uint8_t value)
{
    if (port == RTC_INDEX) {
        rtc_index = value & RTC_INDEX_MASK; /* bit 7 would mask NMIs: they are ours */
        return;
    }
    arch_port_write8(RTC_INDEX, rtc_index);
    arch_port_write8(RTC_DATA, value);
}

static bool is_rtc(uint16_t port, unsigned bytes)
{
    return bytes == 1 && (port == RTC_INDEX || port == RTC_DATA);
}

static bool is_pci_data(uint16_t port, unsigned bytes)
{
    return port >= PCI_DATA && port + bytes <= PCI_DATA + 4;
}

int pv_emul_port_in(struct vcpu *v, uint16_t port, unsigned bytes, uint32_t *value)
{
    *value = bytes == 4 ? ~0u : (1u << bytes * 8) - 1;
    if (!is_granted(v, port, bytes))
        return 0;
    if (port == PCI_ADDRESS && bytes == 4)
        *value = pci_guest_address_read(v->domain);
    else if (is_pci_data(port, bytes))
        *value = pci_guest_data_read(v->domain, port - PCI_DATA, bytes);
    else if (is_rtc(port, bytes))
        *value = rtc_read(port);
    else
        *value = machine_in(port, bytes);
    return 0;
}

int pv_emul_port_out(struct vcpu *v, uint16_t port, unsigned bytes, uint32_t value)
{
    if (!is_granted(v, port, bytes))
        return 0;
    if (port == PCI_ADDRESS && bytes == 4)
        pci_guest_address_write(v->domain, value);
    else if (is_pci_data(port, bytes))
        pci_guest_data_write(v->domain, port - PCI_DATA, bytes, value);
    else if (is_rtc(port, bytes))
        rtc_write(port, value);
    else
        machine_out(port, bytes, value);
    return 0;
}
