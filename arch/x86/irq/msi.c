/* SPDX-License-Identifier: MIT */
/*
 * Message-signalled interrupts (PCI 3.0, 6.8): the hypervisor writes where a function sends its
 * messages; the control domain switches MSI and MSI-X on and off, which the filter of configuration
 * writes leaves to it. The table of MSI-X is in the function's memory: its pages are kept from
 * being written by guests from the first use on.
 */
#include <kr/errno.h>
#include <kr/log.h>
#include <x86/iomem.h>
#include <x86/map.h>

#include "irq_internal.h"
#include "pci_internal.h"

#define MSI_CONTROL_ENABLE        0x01
#define MSI_CONTROL_CAPABLE_SHIFT 1 /* how many messages it has, log2 */
#define MSI_CONTROL_COUNT_SHIFT   4 /* how many it may send, log2 */
#define MSI_CONTROL_COUNT_MASK    (7 << MSI_CONTROL_COUNT_SHIFT)

#define MSIX_CONTROL           2
#define MSIX_CONTROL_SIZE_MASK 0x7ff
#define MSIX_TABLE             4
#define MSIX_TABLE_BAR_MASK    7
#define MSIX_ENTRY_BYTES       16
#define MSIX_ENTRY_MASKED      1

#define BAR_COUNT      6
#define BAR_IS_PORTS   1
#define BAR_TYPE_MASK  6
#define BAR_TYPE_64BIT 4
#define BAR_FLAGS_MASK 0xf

struct msix_entry {
    uint32_t address_low, address_high, data, control;
};

/* ---- MSI --------------------------------------------------------------------------------------
 */

static void msi_write_message(const struct irq *first)
{
    const struct pci_function *f = first->function;
    struct msi_message m = msi_message_encode(irq_vector(first), first->apic_id);

    pci_write(f->address, f->msi.offset + PCI_MSI_ADDRESS, 4, m.address);
    if (f->msi.is_64bit)
        pci_write(f->address, f->msi.offset + PCI_MSI_ADDRESS + 4, 4, m.address >> 32);
    pci_write(f->address, pci_msi_data_offset(&f->msi), 2, m.data);
}

/* How many messages the function may send, and whether it may at all. */
static void msi_write_control(const struct pci_function *f, unsigned count, bool keep_enable)
{
    uint16_t offset = f->msi.offset + PCI_MSI_CONTROL;
    uint16_t control = pci_read(f->address, offset, 2) & ~MSI_CONTROL_COUNT_MASK;

    control |= __builtin_ctz(count) << MSI_CONTROL_COUNT_SHIFT;
    if (!keep_enable)
        control &= ~MSI_CONTROL_ENABLE;
    pci_write(f->address, offset, 2, control);
}

int msi_program(struct pci_function *f, unsigned count, struct irq **first)
{
    unsigned capable;
    struct irq *irq;

    if (!f->msi.offset)
        return -ENODEV;
    if (f->msi_count)
        return -EEXIST;
    capable =
        pci_read(f->address, f->msi.offset + PCI_MSI_CONTROL, 2) >> MSI_CONTROL_CAPABLE_SHIFT & 7;
    if (count > 1U << capable)
        return -ENOSPC;
    irq = irq_take(count, IRQ_MSI);
    if (!irq)
        return -ENOSPC;
    for (unsigned i = 0; i < count; i++)
        irq[i].function = f;
    msi_write_control(f, count, false);
    msi_write_message(irq);
    if (f->msi.is_maskable)
        pci_write(f->address, pci_msi_mask_offset(&f->msi), 4, ~0U);
    pci_function_set_msi_count(f, count);
    *first = irq;
    return 0;
}

static void msi_mask_message(const struct irq *irq, bool masked)
{
    const struct pci_function *f = irq->function;
    uint32_t bits;

    if (!f->msi.is_maskable)
        return;
    bits = pci_read(f->address, pci_msi_mask_offset(&f->msi), 4) & ~(1U << irq->number);
    pci_write(f->address, pci_msi_mask_offset(&f->msi), 4, bits | (uint32_t)masked << irq->number);
}

/* ---- MSI-X ------------------------------------------------------------------------------------
 */

/* Where a memory BAR is; 0: there is no such one. */
static uint64_t bar_address(const struct pci_function *f, unsigned bar)
{
    uint32_t low, high = 0;

    if (bar >= BAR_COUNT)
        return 0;
    low = pci_read(f->address, PCI_BAR(bar), 4);
    if (low & BAR_IS_PORTS)
        return 0;
    if ((low & BAR_TYPE_MASK) == BAR_TYPE_64BIT && bar + 1 < BAR_COUNT)
        high = pci_read(f->address, PCI_BAR(bar + 1), 4);
    return (uint64_t)high << 32 | (low & ~BAR_FLAGS_MASK);
}

/* Where the table is now; 0: nowhere. A virtual function's BARs are known to the control domain. */
static uint64_t table_address(const struct pci_function *f, uint64_t table_base)
{
    uint32_t table = pci_read(f->address, f->msix_offset + MSIX_TABLE, 4);
    uint64_t bar = f->is_virtual ? table_base : bar_address(f, table & MSIX_TABLE_BAR_MASK);

    if (bar == 0 || (table_base != 0 && table_base != bar))
        return 0;
    return bar + (table & ~MSIX_TABLE_BAR_MASK);
}

int msix_protect(struct pci_function *f, uint64_t table_base)
{
    uint64_t phys;
    unsigned count;
    size_t bytes;
    void *table;

    if (!f->msix_offset)
        return -ENODEV;
    phys = table_address(f, table_base);
    if (phys == 0 || frame_is_ram(phys >> PAGE_SHIFT))
        return -EINVAL;
    if (f->msix_table && f->msix_table_phys == phys)
        return 0;
    count = (pci_read(f->address, f->msix_offset + MSIX_CONTROL, 2) & MSIX_CONTROL_SIZE_MASK) + 1;
    bytes = count * MSIX_ENTRY_BYTES;
    table = map_device(phys, bytes);
    if (!table ||
        !iomem_reserve(
            phys >> PAGE_SHIFT,
            (ALIGN_UP(phys + bytes, PAGE_SIZE) - ALIGN_DOWN(phys, PAGE_SIZE)) >> PAGE_SHIFT, true))
        return -ENOMEM;
    f->msix_table = table;
    f->msix_table_phys = phys;
    f->msix_entry_count = count;
    return 0;
}

static uint64_t table_end(const struct pci_function *f)
{
    return f->msix_table_phys + f->msix_entry_count * MSIX_ENTRY_BYTES;
}

bool msix_table_has(const struct pci_function *f, uint64_t phys, unsigned bytes)
{
    return f->msix_table && phys + bytes > f->msix_table_phys && phys < table_end(f);
}

volatile void *msix_page_register(const struct pci_function *f, uint64_t phys)
{
    if (!f->msix_table || phys < ALIGN_DOWN(f->msix_table_phys, PAGE_SIZE) ||
        phys >= ALIGN_UP(table_end(f), PAGE_SIZE))
        return NULL;
    return (uint8_t *)f->msix_table + (int64_t)(phys - f->msix_table_phys);
}

static volatile struct msix_entry *entry_of(const struct irq *irq)
{
    return (volatile struct msix_entry *)irq->function->msix_table + irq->number;
}

static void msix_write_message(const struct irq *irq)
{
    volatile struct msix_entry *e = entry_of(irq);
    struct msi_message m = msi_message_encode(irq_vector(irq), irq->apic_id);
    struct pci_memory_access access;

    pci_memory_open(irq->function, &access);
    /* Masked while it changes: a message may be sent between two writes. */
    e->control = MSIX_ENTRY_MASKED;
    e->address_low = m.address;
    e->address_high = m.address >> 32;
    e->data = m.data;
    e->control = irq->is_masked ? MSIX_ENTRY_MASKED : 0;
    (void)e->control; /* posted writes arrive before the answer */
    pci_memory_close(irq->function, &access);
}

static void msix_mask_message(const struct irq *irq, bool masked)
{
    volatile struct msix_entry *e = entry_of(irq);
    struct pci_memory_access access;

    pci_memory_open(irq->function, &access);
    e->control = masked ? MSIX_ENTRY_MASKED : 0;
    (void)e->control;
    pci_memory_close(irq->function, &access);
}

int msix_program(struct pci_function *f, unsigned entry, uint64_t table_base, struct irq **irq)
{
    int err = msix_protect(f, table_base);

    if (err)
        return err;
    if (entry >= f->msix_entry_count)
        return -EINVAL;
    if (irq_of_msi(f, IRQ_MSIX, entry))
        return -EEXIST;
    *irq = irq_take(1, IRQ_MSIX);
    if (!*irq)
        return -ENOSPC;
    (*irq)->function = f;
    (*irq)->number = entry;
    f->msix_used_count++;
    msix_write_message(*irq);
    return 0;
}

/* ---- both -------------------------------------------------------------------------------------
 */

void msi_set_masked(const struct irq *irq, bool masked)
{
    if (irq->source == IRQ_MSIX)
        msix_mask_message(irq, masked);
    else
        msi_mask_message(irq, masked);
}

void msi_write(const struct irq *irq)
{
    if (irq->source == IRQ_MSIX)
        msix_write_message(irq);
    else
        msi_write_message(irq);
}

void msi_unprogram(struct irq *first, unsigned count)
{
    struct pci_function *f = first->function;

    if (first->source == IRQ_MSIX) {
        msix_mask_message(first, true);
        f->msix_used_count--;
    } else {
        msi_write_control(f, 1, false);
        pci_function_set_msi_count(f, 0);
    }
    irq_give(first, count);
}

void msi_restore(struct pci_function *f)
{
    struct irq *irq;

    for (unsigned i = 0; i < f->msix_entry_count; i++) {
        irq = f->msix_used_count ? irq_of_msi(f, IRQ_MSIX, i) : NULL;
        if (!irq)
            continue;
        spin_lock(&irq->lock);
        msix_write_message(irq);
        spin_unlock(&irq->lock);
    }
    irq = f->msi_count ? irq_of_msi(f, IRQ_MSI, 0) : NULL;
    if (!irq)
        return;
    msi_write_control(f, f->msi_count, true);
    spin_lock(&irq->lock);
    msi_write_message(irq);
    spin_unlock(&irq->lock);
    for (unsigned i = 0; i < f->msi_count; i++) {
        spin_lock(&irq[i].lock);
        msi_mask_message(&irq[i], irq[i].is_masked);
        spin_unlock(&irq[i].lock);
    }
}
