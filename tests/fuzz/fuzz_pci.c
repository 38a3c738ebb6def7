/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/irq/pci.c arch/x86/irq/pci_function.c arch/x86/irq/msi.c */
/* SOURCES: arch/x86/pure/irq_encode.c arch/x86/pure/pci_filter.c tests/unit/fake/lock.c */
/* SOURCES: tests/unit/fake/log.c tests/unit/fake/heap.c */
/* LIBS: -lcmocka */
/* FLAGS: -max_len=512 */
/*
 * A function whose configuration space says anything: its capabilities are found, messages
 * programmed, and then the control domain writes where it likes. What the hypervisor programmed
 * stays, but for the enable bits.
 * Input: 256 bytes of configuration space, u8 count of messages, u8 MSI-X entry; then writes: u8
 * offset, u8 size, u32 value.
 */
#include "fuzz.h"
#include <kr/cpu.h>
#include <kr/errno.h>
#include <x86/iomem.h>
#include <x86/map.h>
#include "../unit/fake/heap.h"
#include "../../arch/x86/irq/irq_internal.h"

#define TABLE_PHYS_END 0x100000000UL

static const struct pci_address address = {.bus = 1, .devfn = 0x10};
static uint8_t config[256];
static uint32_t selected;
static uint64_t table_phys; /* of the MSI-X table, once mapped */
static size_t table_bytes;
static uint8_t *table;
static struct irq irqs[32];
static unsigned irqs_taken;

struct spinlock irq_routing_lock = SPINLOCK_INIT(LOCK_RANK_IRQ_ROUTING);
_Thread_local struct cpu fake_cpu;
struct page *page_table_base;
uint64_t page_section_bitmap[PAGE_SECTION_COUNT / 64];

/* ---- configuration space behind the ports ---- */

static uint32_t port_in(uint16_t port, unsigned bytes)
{
    uint32_t value = ~0U, offset = (selected & 0xfc) + (port & 3);

    FUZZ_CHECK(port >= 0xcfc && (port & 3) + bytes <= 4);
    if (selected >> 31 && (selected & 0xffff00) == 0x11000)
        memcpy(&value, config + offset, bytes);
    return value;
}

static void port_out(uint16_t port, unsigned bytes, uint32_t value)
{
    FUZZ_CHECK(port >= 0xcfc && (port & 3) + bytes <= 4);
    if (selected >> 31 && (selected & 0xffff00) == 0x11000)
        memcpy(config + (selected & 0xfc) + (port & 3), &value, bytes);
}

uint8_t arch_port_read8(uint16_t port)
{
    return port_in(port, 1);
}

uint16_t arch_port_read16(uint16_t port)
{
    return port_in(port, 2);
}

uint32_t arch_port_read32(uint16_t port)
{
    return port_in(port, 4);
}

void arch_port_write8(uint16_t port, uint8_t value)
{
    port_out(port, 1, value);
}

void arch_port_write16(uint16_t port, uint16_t value)
{
    port_out(port, 2, value);
}

void arch_port_write32(uint16_t port, uint32_t value)
{
    if (port == 0xcf8)
        selected = value;
    else
        port_out(port, 4, value);
}

/* ---- memory and interrupts ---- */

void *map_device(uint64_t phys, size_t bytes)
{
    if (phys >= TABLE_PHYS_END || bytes > TABLE_PHYS_END - phys)
        return NULL;
    free(table);
    table = calloc(1, bytes);
    table_phys = phys;
    table_bytes = bytes;
    return table;
}

/* Whole pages, and all of the table is in them. */
bool iomem_reserve(mfn_t first, uint64_t count, bool readable)
{
    FUZZ_CHECK(first << PAGE_SHIFT <= table_phys);
    FUZZ_CHECK((first + count) << PAGE_SHIFT >= table_phys + table_bytes);
    return true;
}

struct irq *irq_take(unsigned count, enum irq_source source)
{
    FUZZ_CHECK(count && irqs_taken == 0);
    if (count > ARRAY_SIZE(irqs))
        return NULL;
    memset(irqs, 0, sizeof(irqs));
    for (unsigned i = 0; i < count; i++) {
        spin_lock_init(&irqs[i].lock, LOCK_RANK_IRQ);
        irqs[i].source = source;
        irqs[i].number = i;
        irqs[i].is_masked = true;
    }
    irqs_taken = count;
    return irqs;
}

void irq_give(struct irq *first, unsigned count)
{
    FUZZ_CHECK(first == irqs && count == irqs_taken);
    irqs_taken = 0;
}

struct irq *irq_of_msi(const struct pci_function *f, enum irq_source source, unsigned number)
{
    for (unsigned i = 0; i < irqs_taken; i++)
        if (irqs[i].source == source && irqs[i].number == number)
            return &irqs[i];
    return NULL;
}

unsigned irq_vector(const struct irq *irq)
{
    return 0x40 + (irq - irqs);
}

/* ---- */

/* Any writes of the control domain; with `msi`, its capability must come through. */
static void write_anywhere(struct fuzz_input *in, const struct pci_msi_layout *msi)
{
    static const uint8_t sizes[] = {1, 2, 4, 4};
    unsigned msi_start = msi ? msi->offset : sizeof(config);
    unsigned msi_end = msi ? MIN(pci_msi_end(msi), sizeof(config)) : 0;

    while (in->left) {
        uint8_t before[256], offset = fuzz_u8(in), bytes = sizes[fuzz_u8(in) % 4];

        memcpy(before, config, sizeof(before));
        pci_guest_address_write(NULL, 0x80011000 | (offset & 0xfc));
        FUZZ_CHECK(pci_guest_address_read(NULL) == (0x80011000 | (offset & 0xfc)));
        pci_guest_data_write(NULL, offset & 3, bytes, fuzz_u32(in));
        (void)pci_guest_data_read(NULL, offset & 3, bytes);
        for (unsigned i = 0; i < sizeof(before); i++)
            FUZZ_CHECK(before[i] == config[i] || (i >= (offset & ~3u) && i < (offset | 3u) + 1));
        for (unsigned i = msi_start; i < msi_end; i++)
            FUZZ_CHECK((before[i] ^ config[i]) <= (i == msi_start + PCI_MSI_CONTROL));
    }
}

static void with_msi(struct pci_function *f, unsigned count, struct fuzz_input *in)
{
    struct pci_msi_layout layout = f->msi;
    struct irq *first;

    if (msi_program(f, count, &first))
        return;
    FUZZ_CHECK(layout.offset >= 0x40);
    write_anywhere(in, &layout);
    msi_restore(f);
    msi_set_masked(first + count - 1, false);
    msi_unprogram(first, count);
}

static void with_msix(struct pci_function *f, unsigned entry, struct fuzz_input *in)
{
    struct irq *irq;

    if (msix_program(f, entry, 0, &irq))
        return;
    FUZZ_CHECK((entry + 1) * 16 <= table_bytes);
    write_anywhere(in, NULL);
    for (uint64_t phys = table_phys - 16; phys < table_phys + table_bytes + 16; phys += 4)
        FUZZ_CHECK(msix_table_has(f, phys, 4) ==
                   (phys + 4 > table_phys && phys < table_phys + table_bytes));
    msi_restore(f);
    msi_set_masked(irq, false);
    msi_unprogram(irq, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct pci_function *f;
    uint8_t count, entry;

    fuzz_take(&in, config, sizeof(config));
    count = fuzz_u8(&in) % 6;
    entry = fuzz_u8(&in);
    spin_lock(&irq_routing_lock);
    f = pci_function_add(address, false) ? NULL : pci_function_find(address);
    if (f && entry & 1)
        with_msix(f, entry >> 1, &in);
    else if (f)
        with_msi(f, 1u << count, &in);
    FUZZ_CHECK(!f || pci_function_remove(address) == 0);
    spin_unlock(&irq_routing_lock);
    FUZZ_CHECK(fake_heap_live_count == 0 && irqs_taken == 0);
    free(table);
    table = NULL;
    return 0;
}
