/* SPDX-License-Identifier: MIT */
/* Access to configuration space (x86/pci.h), the hypervisor's and the control domain's. */
#include <kr/arch.h>
#include <kr/heap.h>
#include <kr/log.h>
#include <x86/map.h>

#include "pci_internal.h"

#define PORT_ADDRESS 0xcf8
#define PORT_DATA    0xcfc

#define ADDRESS_ENABLE   BIT(31)
#define ADDRESS_WRITABLE 0x80fffffcU

#define CONVENTIONAL_BYTES 256
#define BUS_COUNT          256

struct window {
    struct acpi_mcfg range;
    _Atomic(uint8_t *) buses[BUS_COUNT]; /* NULL until mapped */
};

struct spinlock pci_lock = SPINLOCK_INIT(LOCK_RANK_PCI);
static struct window *windows[ACPI_MCFG_MAX];
static unsigned window_count;
static _Atomic uint32_t guest_address; /* what the control domain wrote to the address port */

void pci_init(const struct acpi_info *acpi)
{
    for (unsigned i = 0; i < acpi->mcfg_count; i++) {
        struct window *w = heap_zalloc(sizeof(*w));

        if (!w)
            boot_refuse("no memory for PCI configuration space");
        w->range = acpi->mcfgs[i];
        windows[window_count++] = w;
    }
}

/* ---- in memory --------------------------------------------------------------------------------
 */

static struct window *window_of(uint16_t segment, uint8_t bus)
{
    for (unsigned i = 0; i < window_count; i++) {
        const struct acpi_mcfg *range = &windows[i]->range;

        if (range->segment == segment && bus >= range->bus_first && bus <= range->bus_last)
            return windows[i];
    }
    return NULL;
}

bool pci_has_memory_window(uint64_t base, uint16_t segment, uint8_t bus_first, uint8_t bus_last)
{
    const struct window *w = window_of(segment, bus_first);

    return w && w->range.base == base && bus_last >= bus_first && bus_last <= w->range.bus_last;
}

void pci_map_bus(uint16_t segment, uint8_t bus)
{
    struct window *w = window_of(segment, bus);

    if (w && !w->buses[bus])
        w->buses[bus] = map_device(w->range.base + ((uint64_t)bus << 20), MIB);
}

/* NULL: not in memory, or not mapped. */
static volatile void *memory_register(struct pci_address a, uint16_t offset)
{
    struct window *w = window_of(a.segment, a.bus);
    uint8_t *bus = w ? w->buses[a.bus] : NULL;

    return bus ? bus + ((uint32_t)a.devfn << 12) + offset : NULL;
}

static uint32_t memory_read(struct pci_address a, uint16_t offset, unsigned bytes)
{
    volatile void *p = memory_register(a, offset);
    uint32_t value = ~0U;

    if (!p)
        return value;
    /* AMD decodes only accesses through AL, AX and EAX. */
    switch (bytes) {
    case 1: __asm__ volatile("movb %1, %b0" : "=a"(value) : "m"(*(volatile uint8_t *)p)); break;
    case 2: __asm__ volatile("movw %1, %w0" : "=a"(value) : "m"(*(volatile uint16_t *)p)); break;
    default: __asm__ volatile("movl %1, %0" : "=a"(value) : "m"(*(volatile uint32_t *)p)); break;
    }
    return value;
}

static void memory_write(struct pci_address a, uint16_t offset, unsigned bytes, uint32_t value)
{
    volatile void *p = memory_register(a, offset);

    if (!p)
        return;
    switch (bytes) {
    case 1: __asm__ volatile("movb %b1, %0" : "=m"(*(volatile uint8_t *)p) : "a"(value)); break;
    case 2: __asm__ volatile("movw %w1, %0" : "=m"(*(volatile uint16_t *)p) : "a"(value)); break;
    default: __asm__ volatile("movl %1, %0" : "=m"(*(volatile uint32_t *)p) : "a"(value)); break;
    }
}

/* ---- through the ports ------------------------------------------------------------------------
 */

static void port_select(struct pci_address a, uint16_t offset)
{
    arch_port_write32(PORT_ADDRESS, ADDRESS_ENABLE | (uint32_t)a.bus << 16 |
                                        (uint32_t)a.devfn << 8 | (offset & 0xfc));
}

static uint32_t port_read(struct pci_address a, uint16_t offset, unsigned bytes)
{
    port_select(a, offset);
    switch (bytes) {
    case 1: return arch_port_read8(PORT_DATA + (offset & 3));
    case 2: return arch_port_read16(PORT_DATA + (offset & 2));
    default: return arch_port_read32(PORT_DATA);
    }
}

static void port_write(struct pci_address a, uint16_t offset, unsigned bytes, uint32_t value)
{
    port_select(a, offset);
    switch (bytes) {
    case 1: arch_port_write8(PORT_DATA + (offset & 3), value); break;
    case 2: arch_port_write16(PORT_DATA + (offset & 2), value); break;
    default: arch_port_write32(PORT_DATA, value); break;
    }
}

/* ---- either -----------------------------------------------------------------------------------
 */

static bool has_ports(struct pci_address a, uint16_t offset)
{
    return a.segment == 0 && offset < CONVENTIONAL_BYTES;
}

static uint32_t all_ones(unsigned bytes)
{
    return bytes == 4 ? ~0U : (1U << bytes * 8) - 1;
}

static uint32_t config_read(struct pci_address a, uint16_t offset, unsigned bytes)
{
    uint32_t value =
        has_ports(a, offset) ? port_read(a, offset, bytes) : memory_read(a, offset, bytes);

    return value & all_ones(bytes);
}

static void config_write(struct pci_address a, uint16_t offset, unsigned bytes, uint32_t value)
{
    if (has_ports(a, offset))
        port_write(a, offset, bytes, value);
    else
        memory_write(a, offset, bytes, value);
}

uint32_t pci_read(struct pci_address a, uint16_t offset, unsigned bytes)
{
    unsigned long flags = spin_lock_irqsave(&pci_lock);
    uint32_t value = config_read(a, offset, bytes);

    spin_unlock_irqrestore(&pci_lock, flags);
    return value;
}

void pci_write(struct pci_address a, uint16_t offset, unsigned bytes, uint32_t value)
{
    unsigned long flags = spin_lock_irqsave(&pci_lock);

    config_write(a, offset, bytes, value);
    spin_unlock_irqrestore(&pci_lock, flags);
}

void pci_memory_open(const struct pci_function *f, struct pci_memory_access *access)
{
    access->flags = spin_lock_irqsave(&pci_lock);
    access->was_closed = false;
    if (f->is_virtual) /* its physical function's bit counts */
        return;
    access->command = config_read(f->address, PCI_COMMAND, 2);
    access->was_closed = !(access->command & PCI_COMMAND_MEMORY);
    if (access->was_closed)
        config_write(f->address, PCI_COMMAND, 2, access->command | PCI_COMMAND_MEMORY);
}

void pci_memory_close(const struct pci_function *f, const struct pci_memory_access *access)
{
    if (access->was_closed)
        config_write(f->address, PCI_COMMAND, 2, access->command);
    spin_unlock_irqrestore(&pci_lock, access->flags);
}

uint16_t pci_find_capability(struct pci_address a, uint8_t id)
{
    uint8_t offset;

    if (!(pci_read(a, PCI_STATUS, 2) & PCI_STATUS_CAPS))
        return 0;
    offset = pci_read(a, PCI_CAPABILITY_FIRST, 1) & ~3;
    /* A broken list may run in circles: there is room for so many. */
    for (unsigned i = 0; i < CONVENTIONAL_BYTES / 4 && offset >= 0x40; i++) {
        uint16_t header = pci_read(a, offset, 2);

        if ((header & 0xff) == id)
            return offset;
        offset = header >> 8 & ~3;
    }
    return 0;
}

/* ---- the control domain ------------------------------------------------------------------------
 */

uint32_t pci_guest_address_read(struct domain *d)
{
    return guest_address;
}

void pci_guest_address_write(struct domain *d, uint32_t value)
{
    unsigned long flags = spin_lock_irqsave(&pci_lock);

    guest_address = value & ADDRESS_WRITABLE;
    spin_unlock_irqrestore(&pci_lock, flags);
}

/* What the guest has selected; false: nothing. PCI lock held. */
static bool guest_selection(struct pci_address *a, uint16_t *offset)
{
    *a = (struct pci_address){.bus = guest_address >> 16, .devfn = guest_address >> 8};
    *offset = guest_address & 0xfc;
    return guest_address & ADDRESS_ENABLE;
}

uint32_t pci_guest_data_read(struct domain *d, unsigned offset, unsigned bytes)
{
    unsigned long flags = spin_lock_irqsave(&pci_lock);
    uint32_t value = all_ones(bytes);
    struct pci_address a;
    uint16_t base;

    if (guest_selection(&a, &base) && !(offset & (bytes - 1)))
        value = config_read(a, base + offset, bytes);
    spin_unlock_irqrestore(&pci_lock, flags);
    return value;
}

void pci_guest_data_write(struct domain *d, unsigned offset, unsigned bytes, uint32_t value)
{
    unsigned long flags = spin_lock_irqsave(&pci_lock);
    struct pci_address a;
    uint16_t base;

    if (guest_selection(&a, &base) && !(offset & (bytes - 1))) {
        uint32_t writable = pci_function_writable_bits(a, base + offset, bytes);

        if (writable != 0 && writable != all_ones(bytes))
            value = (config_read(a, base + offset, bytes) & ~writable) | (value & writable);
        if (writable != 0)
            config_write(a, base + offset, bytes, value);
    }
    spin_unlock_irqrestore(&pci_lock, flags);
}
