/* SPDX-License-Identifier: MIT */
/*
 * Machine interrupts by vector: what happens when one arrives, and who hears of it.
 *
 * An edge interrupt is acknowledged at once and passed on. A level interrupt is masked until every
 * domain that heard it has said that it is done, so a line that nobody serves cannot keep a CPU
 * busy; one that nobody listens to stays masked.
 */
#include <kr/console.h>
#include <kr/cpu.h>
#include <kr/debugkey.h>
#include <kr/errno.h>
#include <kr/log.h>
#include <x86/ioapic.h>
#include <x86/lapic.h>

#include "irq_internal.h"

#define APIC_ID_BROADCAST 0xff /* messages and redirection entries have 8 bits */

#define IRQ_COUNT (VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1)

struct spinlock irq_routing_lock = SPINLOCK_INIT(LOCK_RANK_IRQ_ROUTING);

static struct irq irqs[IRQ_COUNT] = {
    [0 ... IRQ_COUNT - 1] = {.lock = SPINLOCK_INIT(LOCK_RANK_IRQ), .is_masked = true},
};
static struct vector_set vectors;    /* [r] */
static _Atomic uint64_t stray_count; /* vectors that nobody owns */

/* ---- which there are --------------------------------------------------------------------------
 */

unsigned irq_vector(const struct irq *irq)
{
    return VECTOR_DEVICE_FIRST + (irq - irqs);
}

struct irq *irq_take(unsigned count, enum irq_source source)
{
    unsigned vector = vector_take(&vectors, count);
    struct irq *first;

    if (vector == 0)
        return NULL;
    first = &irqs[vector - VECTOR_DEVICE_FIRST];
    for (struct irq *irq = first; irq < first + count; irq++) {
        spin_lock(&irq->lock);
        irq->is_level = false;
        irq->is_masked = true;
        irq->number = irq - first;
        irq->apic_id = cpu_by_id(0)->arch.apic_id;
        irq->function = NULL;
        irq->count = irq->unheard_count = 0;
        irq->source = source;
        spin_unlock(&irq->lock);
    }
    return first;
}

void irq_give(struct irq *first, unsigned count)
{
    for (struct irq *irq = first; irq < first + count; irq++) {
        spin_lock(&irq->lock);
        ASSERT(!irq->users && !irq->handler);
        irq->source = IRQ_UNUSED;
        irq->function = NULL;
        spin_unlock(&irq->lock);
    }
    vector_give(&vectors, irq_vector(first), count);
}

static struct irq *irq_find(enum irq_source source, const struct pci_function *f, unsigned number)
{
    for (struct irq *irq = irqs; irq < irqs + IRQ_COUNT; irq++)
        if (irq->source == source && irq->function == f && irq->number == number)
            return irq;
    return NULL;
}

struct irq *irq_of_msi(const struct pci_function *f, enum irq_source source, unsigned number)
{
    return irq_find(source, f, number);
}

struct irq *irq_of_gsi(unsigned gsi)
{
    struct irq *irq = irq_find(IRQ_GSI, NULL, gsi);

    if (irq)
        return irq;
    irq = irq_take(1, IRQ_GSI);
    if (!irq)
        return NULL;
    spin_lock(&irq->lock);
    irq->number = gsi;
    irq->is_level = ioapic_mode(gsi).is_level;
    ioapic_route(gsi, irq_vector(irq), irq->apic_id, true);
    spin_unlock(&irq->lock);
    return irq;
}

/* ---- masking ----------------------------------------------------------------------------------
 */

/* [q] */
static void set_masked(struct irq *irq, bool masked)
{
    if (irq->is_masked == masked)
        return;
    irq->is_masked = masked;
    if (irq->source == IRQ_GSI)
        ioapic_mask(irq->number, masked);
    else
        msi_set_masked(irq, masked);
}

int irq_set_mode(struct irq *irq, struct irq_pin_mode mode)
{
    int err = 0;

    spin_lock(&irq->lock);
    if (irq->users || irq->handler) {
        err = -EBUSY;
    } else {
        ioapic_set_mode(irq->number, mode);
        irq->is_level = mode.is_level;
        ioapic_route(irq->number, irq_vector(irq), irq->apic_id, true);
    }
    spin_unlock(&irq->lock);
    return err;
}

/* ---- listeners --------------------------------------------------------------------------------
 */

/* [q] A newcomer and all who are there must want to share. */
static bool may_listen(const struct irq *irq, bool share)
{
    if (irq->handler)
        return false;
    for (const struct pirq *p = irq->users; p; p = p->next)
        if (!share || !p->is_shared)
            return false;
    return true;
}

int irq_listen(struct irq *irq, struct pirq *p, bool share)
{
    int err = 0;

    spin_lock(&irq->lock);
    if (p->is_bound || !may_listen(irq, share)) {
        err = -EBUSY;
    } else {
        p->is_bound = true;
        p->is_shared = share;
        p->next = irq->users;
        irq->users = p;
        if (irq->in_flight == 0)
            set_masked(irq, false);
    }
    spin_unlock(&irq->lock);
    return err;
}

/* [q] */
static void end_locked(struct irq *irq, struct pirq *p)
{
    if (!p->is_in_flight)
        return;
    p->is_in_flight = false;
    if (--irq->in_flight == 0 && irq->users)
        set_masked(irq, false);
}

void irq_unlisten(struct irq *irq, struct pirq *p)
{
    spin_lock(&irq->lock);
    if (p->is_bound) {
        struct pirq **link = &irq->users;

        while (*link != p)
            link = &(*link)->next;
        *link = p->next;
        p->is_bound = false;
        end_locked(irq, p);
        if (!irq->users)
            set_masked(irq, true);
    }
    spin_unlock(&irq->lock);
}

void irq_set_target(struct irq *irq, const struct pirq *p, const struct cpu *cpu)
{
    uint32_t apic_id = cpu->arch.apic_id;

    spin_lock(&irq->lock);
    /* The messages of one MSI capability share an address: the first one's listener decides. */
    if (p->irq == irq && irq->apic_id != apic_id && apic_id < APIC_ID_BROADCAST &&
        !(irq->source == IRQ_MSI && irq->number != 0)) {
        irq->apic_id = apic_id;
        if (irq->source == IRQ_GSI)
            ioapic_route(irq->number, irq_vector(irq), irq->apic_id, irq->is_masked);
        else
            msi_write(irq);
    }
    spin_unlock(&irq->lock);
}

void irq_end(struct irq *irq, struct pirq *p)
{
    spin_lock(&irq->lock);
    if (p->irq == irq)
        end_locked(irq, p);
    spin_unlock(&irq->lock);
}

/* ---- an interrupt arrives ---------------------------------------------------------------------
 */

/* [q] */
static void deliver(struct irq *irq)
{
    bool was_heard = false;

    if (irq->is_level || !irq->users)
        set_masked(irq, true);
    for (struct pirq *p = irq->users; p; p = p->next) {
        if (!event_raise_pirq(p->domain, p->number))
            continue;
        was_heard = true;
        if (irq->is_level && !p->is_in_flight) {
            p->is_in_flight = true;
            irq->in_flight++;
        }
    }
    irq->unheard_count += !was_heard;
}

void device_irq_handle(unsigned vector)
{
    struct irq *irq;

    if (vector < VECTOR_DEVICE_FIRST || vector > VECTOR_DEVICE_LAST) {
        stray_count++;
        lapic_eoi();
        return;
    }
    irq = &irqs[vector - VECTOR_DEVICE_FIRST];
    spin_lock(&irq->lock);
    irq->count++;
    if (irq->handler)
        irq->handler(irq->handler_line);
    else if (irq->source != IRQ_UNUSED)
        deliver(irq);
    else
        stray_count++;
    lapic_eoi();
    spin_unlock(&irq->lock);
}

/* ---- the console's lines -----------------------------------------------------------------------
 */

static void console_line_init(unsigned line)
{
    unsigned gsi = ioapic_isa_gsi(line);
    struct irq *irq = ioapic_has_gsi(gsi) ? irq_of_gsi(gsi) : NULL;

    if (!irq) {
        log_warning("the console on ISA interrupt %u is polled only", line);
        return;
    }
    spin_lock(&irq->lock);
    irq->handler_line = line;
    irq->handler = console_interrupt;
    set_masked(irq, false);
    spin_unlock(&irq->lock);
    console_irq_enable(line);
}

void irq_console_init(void)
{
    uint32_t lines = console_irq_lines();

    spin_lock(&irq_routing_lock);
    for (unsigned line = 0; line < 16; line++)
        if (lines & BIT(line))
            console_line_init(line);
    spin_unlock(&irq_routing_lock);
}

/* ---- debug key --------------------------------------------------------------------------------
 */

static void dump_users(const struct irq *irq)
{
    for (const struct pirq *p = irq->users; p; p = p->next)
        log_always("      d%u pirq %u port %u%s%s", p->domain->id, p->number,
                   event_pirq_port(p->domain, p->number), p->is_shared ? ", shared" : "",
                   p->is_in_flight ? ", in flight" : "");
}

/* [r] [q] */
static void dump_irq(const struct irq *irq)
{
    static const char *const source[] = {"-", "GSI", "MSI", "MSI-X"};
    const struct pci_function *f = irq->function;

    log_always("  vector %#x %s %u %s%s APIC %u: %lu times, %lu unheard%s", irq_vector(irq),
               source[irq->source], irq->number, irq->is_level ? "level" : "edge",
               irq->is_masked ? ", masked," : ",", irq->apic_id, irq->count, irq->unheard_count,
               irq->handler ? ", the hypervisor's" : "");
    if (f)
        log_always("      of " PCI_ADDRESS_FORMAT, PCI_ADDRESS_ARGS(f->address));
    dump_users(irq);
}

/* The routing lock for one line at a time: consoles are slow. */
static void dump(void)
{
    for (struct irq *irq = irqs; irq < irqs + IRQ_COUNT; irq++) {
        spin_lock(&irq_routing_lock);
        spin_lock(&irq->lock);
        if (irq->source != IRQ_UNUSED)
            dump_irq(irq);
        spin_unlock(&irq->lock);
        spin_unlock(&irq_routing_lock);
    }
    log_always("  stray interrupts: %lu", stray_count);
}
DEBUGKEY('i', "show the machine's interrupts", dump);
