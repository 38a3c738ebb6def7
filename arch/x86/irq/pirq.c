/* SPDX-License-Identifier: MIT */
/*
 * Domains' numbers for machine interrupts (x86/pirq.h), the page that tells a guest which of them
 * it must end, and the event channels bound to them (kr/arch.h).
 *
 * An entry of the table and the table itself stay until the domain is gone, so whoever ends an
 * interrupt needs only the lock of that interrupt, not the routing lock.
 */
#include <kr/cpu.h>
#include <kr/errno.h>
#include <kr/heap.h>
#include <x86/ioapic.h>

#include <xen/xen.h>

#include <xen/physdev.h>

#include "irq_internal.h"

/* More messages than there are vectors, so that numbers are never what runs out. */
#define MSI_PIRQ_COUNT 256
#define PAGE_BITS      (PAGE_SIZE * 8)

/* ---- tables -----------------------------------------------------------------------------------
 */

/* [r] The domain's part, without a table at first. NULL: no memory, or it is being destroyed. */
static struct x86_domain_irqs *irqs_get(struct domain *d)
{
    struct x86_domain_irqs *irqs = d->arch.irqs;

    if (irqs || d->is_dying)
        return irqs;
    irqs = heap_zalloc_for(&d->memory, sizeof(*irqs));
    if (irqs)
        d->arch.irqs = irqs;
    return irqs;
}

/* [r] */
static int table_make(struct domain *d)
{
    struct x86_domain_irqs *irqs = d->arch.irqs;
    unsigned count = MIN(ioapic_gsi_count() + MSI_PIRQ_COUNT, EVENT_PIRQ_COUNT_MAX);
    struct pirq *table;

    if (irqs && irqs->table)
        return 0;
    table = heap_zalloc_array(&d->memory, count, sizeof(*table));
    irqs = table ? irqs_get(d) : NULL;
    if (!irqs) {
        heap_free(table);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < count; i++) {
        table[i].domain = d;
        table[i].number = i;
    }
    irqs->count = count;
    irqs->table = table;
    return 0;
}

/* NULL: no such number. */
static struct pirq *pirq_get(struct domain *d, unsigned number)
{
    struct x86_domain_irqs *irqs = d->arch.irqs;
    struct pirq *table = irqs ? irqs->table : NULL;

    return table && number < irqs->count ? &table[number] : NULL;
}

static bool needs_end(const struct pirq *p)
{
    const struct irq *irq = p->irq;

    return irq && irq->is_level;
}

/* [r] Tells the guest, if it wants to be told. */
static void page_update(const struct pirq *p)
{
    const struct x86_domain_irqs *irqs = p->domain->arch.irqs;
    uint64_t bit = BIT(p->number % 64), *page = irqs->page;

    if (!page)
        return;
    if (needs_end(p))
        __atomic_fetch_or(&page[p->number / 64], bit, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&page[p->number / 64], ~bit, __ATOMIC_SEQ_CST);
}

/* [r] A pirq that is mapped or reserved becomes free; a group with its first one. */
static void pirq_disconnect(struct pirq *first)
{
    struct irq *irq = first->irq;
    unsigned count = MAX(first->group_count, 1);

    for (struct pirq *p = first; p < first + count; p++) {
        if (p->irq)
            irq_unlisten(p->irq, p);
        p->irq = NULL;
        p->is_reserved = false;
        page_update(p);
    }
    first->group_count = 0;
    if (irq && irq->source != IRQ_GSI)
        msi_unprogram(irq, count);
}

int irq_domain_init(struct domain *d)
{
    int err;

    spin_lock(&irq_routing_lock);
    err = table_make(d);
    spin_unlock(&irq_routing_lock);
    return err;
}

void irq_domain_fini(struct domain *d)
{
    struct x86_domain_irqs *irqs = d->arch.irqs;

    if (!irqs)
        return;
    spin_lock(&irq_routing_lock);
    for (unsigned i = 0; irqs->table && i < irqs->count; i++)
        if (irqs->table[i].irq)
            pirq_disconnect(&irqs->table[i]);
    d->arch.irqs = NULL;
    spin_unlock(&irq_routing_lock);
    if (irqs->page)
        arch_frame_unpin(irqs->page_mfn);
    heap_free((void *)irqs->table);
    heap_free(irqs);
}

/* ---- mapping ----------------------------------------------------------------------------------
 */

static bool range_is_free(const struct pirq *first, unsigned count, bool may_be_reserved)
{
    for (const struct pirq *p = first; p < first + count; p++)
        if (p->irq || (p->is_reserved && !may_be_reserved))
            return false;
    return true;
}

/* [r] First of `count` consecutive unused numbers for messages; NULL: there are none. */
static struct pirq *pirq_search(const struct x86_domain_irqs *irqs, unsigned count)
{
    for (unsigned i = ioapic_gsi_count(); i + count <= irqs->count; i++)
        if (range_is_free(&irqs->table[i], count, false))
            return &irqs->table[i];
    return NULL;
}

/* [r] The numbers to map at. */
static int pirq_choose(struct domain *d, int wanted, unsigned count, struct pirq **first)
{
    struct x86_domain_irqs *irqs;
    int err = table_make(d);

    if (err)
        return err;
    irqs = d->arch.irqs;
    if (wanted < 0) {
        *first = pirq_search(irqs, count);
        return *first ? 0 : -ENOSPC;
    }
    if (wanted >= irqs->count || count > irqs->count - wanted)
        return -EINVAL;
    *first = &irqs->table[wanted];
    return range_is_free(*first, count, true) ? 0 : -EEXIST;
}

static void pirq_connect(struct pirq *p, struct irq *irq)
{
    p->irq = irq;
    p->is_reserved = false;
    page_update(p);
}

int pirq_map_gsi(struct domain *d, unsigned gsi, int wanted)
{
    struct pirq *p, *there;
    struct irq *irq;
    int err;

    if (!ioapic_has_gsi(gsi))
        return -EINVAL;
    irq = irq_of_gsi(gsi);
    if (!irq)
        return -ENOSPC;
    there = pirq_get(d, wanted < 0 ? gsi : wanted);
    if (there && there->irq == irq)
        return there->number;
    err = pirq_choose(d, wanted < 0 && (!there || !there->irq) ? gsi : wanted, 1, &p);
    if (err)
        return err;
    pirq_connect(p, irq);
    return p->number;
}

int pirq_map_msi(struct domain *d, const struct pirq_msi *msi, int wanted)
{
    struct pci_function *f = pci_function_get(msi->address);
    unsigned count = msi->is_msix ? 1 : msi->count;
    struct irq *irq;
    struct pirq *p;
    int err;

    if (!f)
        return -ENODEV;
    err = pirq_choose(d, wanted, count, &p);
    if (err == 0)
        err = msi->is_msix ? msix_program(f, msi->entry, msi->table_base, &irq)
                           : msi_program(f, count, &irq);
    if (err) {
        pci_function_let_go(f);
        return err;
    }
    p->group_count = count;
    for (unsigned i = 0; i < count; i++)
        pirq_connect(&p[i], &irq[i]);
    return p->number;
}

int pirq_unmap(struct domain *d, unsigned number)
{
    struct pirq *p = pirq_get(d, number);
    struct irq *irq = p ? p->irq : NULL;

    if (!p || (!irq && !p->is_reserved))
        return -EINVAL;
    if (irq && irq->source != IRQ_GSI && !p->group_count)
        return -EINVAL;
    pirq_disconnect(p);
    return 0;
}

int pirq_take_free(struct domain *d)
{
    struct pirq *p;
    int err = pirq_choose(d, -1, 1, &p);

    if (err)
        return err;
    p->is_reserved = true;
    return p->number;
}

/* ---- GSIs -------------------------------------------------------------------------------------
 */

int gsi_vector(unsigned gsi)
{
    struct irq *irq;

    if (!ioapic_has_gsi(gsi))
        return -EINVAL;
    irq = irq_of_gsi(gsi);
    return irq ? (int)irq_vector(irq) : -ENOSPC;
}

int gsi_setup(unsigned gsi, struct irq_pin_mode mode)
{
    struct irq *irq;
    struct pirq *p;

    if (!ioapic_has_gsi(gsi))
        return -EINVAL;
    irq = irq_of_gsi(gsi);
    if (!irq)
        return -ENOSPC;
    if (irq_set_mode(irq, mode) != 0)
        return -EEXIST;
    p = pirq_get(control_domain, gsi);
    if (p && p->irq == irq)
        page_update(p);
    return 0;
}

/* ---- the guest's side -------------------------------------------------------------------------
 */

int pirq_status(struct domain *d, unsigned number, uint32_t *flags)
{
    struct pirq *p = pirq_get(d, number);

    if (!p)
        return -EINVAL;
    *flags = (needs_end(p) ? XENIRQSTAT_needs_eoi : 0) |
             (p->is_bound && p->is_shared ? XENIRQSTAT_shared : 0);
    return 0;
}

void arch_pirq_eoi(struct domain *d, unsigned number)
{
    struct pirq *p = pirq_get(d, number);
    struct irq *irq = p ? p->irq : NULL;

    if (irq)
        irq_end(irq, p);
}

int pirq_end(struct domain *d, unsigned number)
{
    uint32_t port = event_pirq_port(d, number);
    const struct x86_domain_irqs *irqs;

    if (!pirq_get(d, number))
        return -EINVAL;
    irqs = d->arch.irqs; /* there now: the domain may have got it at this moment */
    arch_pirq_eoi(d, number);
    return irqs->page && irqs->end_unmasks && port != 0 ? event_unmask(d, port) : 0;
}

/* [r] */
static int page_install(struct domain *d, mfn_t mfn, bool unmasks)
{
    struct x86_domain_irqs *irqs = irqs_get(d);

    if (!irqs)
        return -ENOMEM;
    if (irqs->page)
        return -EBUSY;
    irqs->page_mfn = mfn;
    irqs->end_unmasks = unmasks;
    irqs->page = frame_to_virt(mfn);
    for (unsigned i = 0; irqs->table && i < irqs->count; i++)
        page_update(&irqs->table[i]);
    return 0;
}

int pirq_set_page(struct domain *d, uint64_t gfn, bool unmasks)
{
    mfn_t mfn = arch_frame_pin_writable(d, gfn);
    int err;

    if (mfn == MFN_INVALID)
        return -EINVAL;
    spin_lock(&irq_routing_lock);
    err = page_install(d, mfn, unmasks);
    spin_unlock(&irq_routing_lock);
    if (err)
        arch_frame_unpin(mfn);
    return err;
}
_Static_assert(EVENT_PIRQ_COUNT_MAX <= PAGE_BITS, "a bit for every pirq");

/* ---- event channels ---------------------------------------------------------------------------
 */

int arch_pirq_bind(struct domain *d, unsigned number, bool share)
{
    struct pirq *p;
    int err = -EINVAL;

    spin_lock(&irq_routing_lock);
    p = pirq_get(d, number);
    if (p && p->irq)
        err = irq_listen(p->irq, p, share);
    spin_unlock(&irq_routing_lock);
    return err;
}

void arch_pirq_follow(struct domain *d, unsigned number, struct vcpu *v)
{
    struct pirq *p = pirq_get(d, number);
    struct irq *irq = p ? p->irq : NULL;

    if (irq && v)
        irq_set_target(irq, p, cpu_by_id(v->sched.cpu));
}

void arch_pirq_unbind(struct domain *d, unsigned number)
{
    struct pirq *p;

    spin_lock(&irq_routing_lock);
    p = pirq_get(d, number);
    if (p && p->irq)
        irq_unlisten(p->irq, p);
    spin_unlock(&irq_routing_lock);
}

/* ---- functions --------------------------------------------------------------------------------
 */

int pci_msi_restore(struct pci_address a)
{
    struct pci_function *f = pci_function_find(a);

    if (!f)
        return -ENODEV;
    msi_restore(f);
    return 0;
}

int pci_msix_prepare(struct pci_address a)
{
    struct pci_function *f = pci_function_get(a);

    int err = f ? msix_protect(f, 0) : -ENODEV;

    if (f && err)
        pci_function_let_go(f);
    return err;
}
