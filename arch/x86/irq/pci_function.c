/* SPDX-License-Identifier: MIT */
/*
 * The PCI functions of the machine that somebody asked for: where their MSI capabilities are and
 * which of them the hypervisor has programmed (x86/pci.h).
 */
#include <kr/arch.h>
#include <kr/errno.h>
#include <kr/heap.h>

#include "irq_internal.h"
#include "pci_internal.h"

/* A virtual function cannot be seen in configuration space, so their number needs a limit. */
#define FUNCTIONS_MAX 4096

#define MSI_CONTROL_64BIT    0x80
#define MSI_CONTROL_MASKABLE 0x100

static struct list functions = LIST_INIT(functions);
static unsigned function_count;

static bool address_equal(struct pci_address a, struct pci_address b)
{
    return a.segment == b.segment && a.bus == b.bus && a.devfn == b.devfn;
}

/* PCI or routing lock held. */
static struct pci_function *find(struct pci_address a)
{
    struct pci_function *f;

    list_for_each_entry (f, &functions, all)
        if (address_equal(f->address, a))
            return f;
    return NULL;
}

struct pci_function *pci_function_find(struct pci_address a)
{
    return find(a);
}

static void read_capabilities(struct pci_function *f)
{
    uint16_t control;

    f->msix_offset = pci_find_capability(f->address, PCI_CAP_MSIX);
    f->msi.offset = pci_find_capability(f->address, PCI_CAP_MSI);
    if (!f->msi.offset)
        return;
    control = pci_read(f->address, f->msi.offset + PCI_MSI_CONTROL, 2);
    f->msi.is_64bit = control & MSI_CONTROL_64BIT;
    f->msi.is_maskable = control & MSI_CONTROL_MASKABLE;
}

static int create(struct pci_address a, bool is_virtual, struct pci_function **out)
{
    struct pci_function *f;
    unsigned long flags;

    pci_map_bus(a.segment, a.bus);
    if (!is_virtual && pci_read(a, PCI_VENDOR_ID, 2) == 0xffff)
        return -ENODEV;
    f = function_count < FUNCTIONS_MAX ? heap_zalloc(sizeof(*f)) : NULL;
    if (!f)
        return -ENOMEM;
    f->address = a;
    f->is_virtual = is_virtual;
    read_capabilities(f);
    flags = spin_lock_irqsave(&pci_lock);
    list_add_tail(&f->all, &functions);
    function_count++;
    spin_unlock_irqrestore(&pci_lock, flags);
    *out = f;
    return 0;
}

struct pci_function *pci_function_get(struct pci_address a)
{
    struct pci_function *f = find(a);

    if (!f && create(a, false, &f) != 0)
        return NULL;
    return f;
}

int pci_function_add(struct pci_address a, bool is_virtual)
{
    struct pci_function *f = find(a);
    int err = f ? 0 : create(a, is_virtual, &f);

    if (err == 0)
        f->was_announced = true;
    return err;
}

static void forget(struct pci_function *f)
{
    unsigned long flags = spin_lock_irqsave(&pci_lock);

    list_del(&f->all);
    function_count--;
    spin_unlock_irqrestore(&pci_lock, flags);
    heap_free(f);
}

void pci_function_let_go(struct pci_function *f)
{
    if (!f->was_announced && f->msi_count == 0 && f->msix_used_count == 0 && !f->msix_table)
        forget(f);
}

int pci_function_remove(struct pci_address a)
{
    struct pci_function *f = find(a);

    if (!f || !f->was_announced)
        return -ENODEV;
    if (f->msi_count != 0 || f->msix_used_count != 0)
        return -EBUSY;
    forget(f);
    return 0;
}

bool arch_pci_is_known(uint16_t segment, uint8_t bus, uint8_t devfn)
{
    struct pci_address a = {.segment = segment, .bus = bus, .devfn = devfn};
    const struct pci_function *f;
    bool is_known;

    spin_lock(&irq_routing_lock);
    f = find(a);
    is_known = f && f->was_announced;
    spin_unlock(&irq_routing_lock);
    return is_known;
}

/* [r] Where a write to a page of tables may go; NULL: nowhere. */
static volatile void *beside_tables(uint64_t phys, unsigned bytes)
{
    volatile void *p = NULL;
    const struct pci_function *f;

    list_for_each_entry (f, &functions, all) {
        if (msix_table_has(f, phys, bytes))
            return NULL;
        if (!p)
            p = msix_page_register(f, phys);
    }
    return p;
}

void pci_msix_page_write(uint64_t phys, uint64_t value, unsigned bytes)
{
    volatile void *p;

    spin_lock(&irq_routing_lock);
    p = beside_tables(phys, bytes);
    if (p && bytes == 1)
        *(volatile uint8_t *)p = value;
    else if (p && bytes == 2)
        *(volatile uint16_t *)p = value;
    else if (p && bytes == 4)
        *(volatile uint32_t *)p = value;
    else if (p)
        *(volatile uint64_t *)p = value;
    spin_unlock(&irq_routing_lock);
}

void pci_function_set_msi_count(struct pci_function *f, unsigned count)
{
    unsigned long flags = spin_lock_irqsave(&pci_lock);

    f->msi_count = count;
    spin_unlock_irqrestore(&pci_lock, flags);
}

uint32_t pci_function_writable_bits(struct pci_address a, uint16_t offset, unsigned bytes)
{
    const struct pci_function *f = offset >= 0x40 ? find(a) : NULL;

    return f && f->msi_count ? pci_msi_writable_bits(&f->msi, offset, bytes)
                             : (bytes == 4 ? ~0U : (1U << bytes * 8) - 1);
}
