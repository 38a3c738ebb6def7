/* SPDX-License-Identifier: MIT */
/*
 * PCI functions of the machine: on bus 0, each with an MSI capability of four messages and an MSI-X
 * table in the memory behind its first BAR (PCI 3.0, chapter 6). They do nothing but send messages.
 */
#include <kr/log.h>
#include <sim/cpu.h>
#include <sim/random.h>
#include <x86/map.h>

#include <string.h>

#include "machine_internal.h"

#define CONFIG_BYTES   256
#define PORT_ADDRESS   0xcf8
#define PORT_DATA      0xcfc
#define BAR_BASE       0xf0000000UL
#define BAR_BYTES      0x4000UL
#define MSI_OFFSET     0x50
#define MSIX_OFFSET    0x70
#define MSIX_ENTRIES   8
#define MSIX_WORDS     4
#define VENDOR_DEVICE  0x00015853
#define MSI_ENABLE     BIT(16)
#define MSIX_ENABLE    BIT(31)
#define MSI_FLAGS      0x01840000 /* 64-bit addresses, masks, four messages */
#define COMMAND_MEMORY 2

struct function {
    uint32_t config[CONFIG_BYTES / 4];
    uint32_t bar[BAR_BYTES / 4];
};

static struct function functions[SIM_DEVICE_MAX];
static _Atomic uint32_t address;

void sim_pci_init(void)
{
    for (unsigned i = 0; i < SIM_DEVICE_MAX; i++) {
        uint32_t *config = functions[i].config;

        config[0x00 / 4] = VENDOR_DEVICE;
        config[0x04 / 4] = BIT(20) | COMMAND_MEMORY; /* there is a list of capabilities */
        config[0x10 / 4] = BAR_BASE + i * BAR_BYTES;
        config[0x34 / 4] = MSI_OFFSET;
        config[0x3c / 4] = 0x100 | (16 + i); /* INTA# */
        config[MSI_OFFSET / 4] = MSI_FLAGS | MSIX_OFFSET << 8 | 0x05;
        config[MSIX_OFFSET / 4] = (MSIX_ENTRIES - 1) << 16 | 0x11;
        config[MSIX_OFFSET / 4 + 1] = 0; /* table: BAR 0, offset 0 */
        config[MSIX_OFFSET / 4 + 2] = BAR_BYTES / 2;
        for (unsigned e = 0; e < MSIX_ENTRIES; e++)
            functions[i].bar[e * MSIX_WORDS + 3] = 1;
    }
}

static uint32_t *selected(void)
{
    unsigned bus = address >> 16 & 0xff, devfn = address >> 8 & 0xff;

    if (!(address & BIT(31)) || bus != 0 || devfn % 8 != 0 ||
        devfn / 8 >= machine.config.device_count)
        return NULL;
    return &functions[devfn / 8].config[(address & 0xfc) / 4];
}

uint32_t sim_pci_port_read(uint16_t port, unsigned bytes)
{
    const uint32_t *word;
    uint32_t value;

    if (port < PORT_DATA)
        return address;
    word = selected();
    value = word ? *word : UINT32_MAX;
    value >>= 8 * (port & 3);
    return bytes == 4 ? value : value & ((1u << 8 * bytes) - 1);
}

/* Identity, BARs and the capabilities' ids are not changed by writing to them. */
static uint32_t writable_bits(unsigned offset)
{
    switch (offset) {
    case 0x04: return 0x0407;
    case MSI_OFFSET: return 0x00710000;
    case MSI_OFFSET + 4: return 0xfffffffc;
    case MSI_OFFSET + 8: return UINT32_MAX;
    case MSI_OFFSET + 12: return 0xffff;
    case MSI_OFFSET + 16: return 0xf;
    case MSIX_OFFSET: return 0xc0000000;
    default: return 0;
    }
}

void sim_pci_port_write(uint16_t port, unsigned bytes, uint32_t value)
{
    unsigned shift = 8 * (port & 3);
    uint32_t *word, mask;

    if (port < PORT_DATA) {
        if (bytes == 4)
            address = value;
        return;
    }
    word = selected();
    if (!word)
        return;
    mask = (bytes == 4 ? UINT32_MAX : ((1u << 8 * bytes) - 1) << shift) &
           writable_bits(address & 0xfc);
    *word = (*word & ~mask) | (value << shift & mask);
}

void *map_device(uint64_t phys, size_t size_bytes)
{
    unsigned i = (phys - BAR_BASE) / BAR_BYTES;
    uint64_t offset = (phys - BAR_BASE) % BAR_BYTES;

    if (phys < BAR_BASE || i >= machine.config.device_count || offset + size_bytes > BAR_BYTES)
        return NULL;
    return (char *)functions[i].bar + offset;
}

/* The address names an APIC id, the data a vector (Intel SDM 3, 11.11). */
static void send(uint32_t message_address, uint32_t data)
{
    unsigned apic_id = message_address >> 12 & 0xff;

    if (apic_id < cpu_count && (data & 0xff) >= 32)
        sim_cpu_interrupt(sim_cpu_by_id(apic_id), data & 0xff);
}

/* A device looks at its registers when it likes. */
__attribute__((no_sanitize("thread"))) void sim_message_send(unsigned device, unsigned n)
{
    const struct function *f = &functions[device];
    const uint32_t *msi = &f->config[MSI_OFFSET / 4], *entry;

    if (device >= machine.config.device_count)
        return;
    if ((msi[0] & MSI_ENABLE) && !(msi[4] >> (n % 4) & 1))
        send(msi[1], msi[3] + n % (1u << (msi[0] >> 20 & 7)));
    entry = &f->bar[n % MSIX_ENTRIES * MSIX_WORDS];
    if ((f->config[MSIX_OFFSET / 4] & MSIX_ENABLE) && !(entry[3] & 1))
        send(entry[0], entry[2]);
}

void sim_devices_stir(void)
{
    uint64_t choice = sim_random_below(SIM_STREAM_DEVICE, 4);

    if (choice == 0 && machine.config.device_count)
        sim_message_send(sim_random_below(SIM_STREAM_DEVICE, machine.config.device_count),
                         sim_random_below(SIM_STREAM_DEVICE, MSIX_ENTRIES));
    else
        sim_line_set(sim_random_below(SIM_STREAM_DEVICE, SIM_GSI_COUNT), choice & 1);
}
