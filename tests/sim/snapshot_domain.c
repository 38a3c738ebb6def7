/* SPDX-License-Identifier: MIT */
/* A domain in a snapshot: its fields, ports, grants and mappings; and the machine's interrupts. */
#include "snapshot_internal.h"

#include <sim/machine.h>
#include <x86/cpuid.h>
#include <x86/ioapic.h>

#include "../../arch/x86/irq/irq_internal.h"
#include "../../core/event_internal.h"
#include "../../core/grant_internal.h"

#define MESSAGES_MAX 32
#define E820_BYTES   20

static void add(struct snapshot *s, const struct domain *d, const char *what, uint32_t n,
                uint64_t value)
{
    snapshot_add(s, what, d->id, n, value);
}

static void life_add(struct snapshot *s, const struct domain *d)
{
    add(s, d, "domain", 0, d->created_ns);
    add(s, d, "domain's state", 0,
        d->is_privileged | d->is_dying << 1 | d->is_shutdown << 2 | d->has_shutdown_code << 3 |
            d->shutdown_reason << 8 | d->destroy_step << 16);
    add(s, d, "domain's references", 0, d->refs);
    add(s, d, "domain's pauses", 0, (uint64_t)d->pause_count << 32 | d->control_pause_count);
    add(s, d, "vCPUs at most", 0, d->vcpu_max);
    add(s, d, "has a table of vCPUs", 0, d->vcpus != NULL);
    add(s, d, "claim", 0, d->claimed_pages);
    add(s, d, "vm_assist", 0, d->vm_assist);
    add(s, d, "handle", 0, snapshot_hash(d->handle, sizeof(d->handle)));
    add(s, d, "weight and cap", 0, (uint32_t)d->sched.weight << 16 | d->sched.cap_percent);
    for (unsigned i = 0; i < WATCHDOG_COUNT; i++) {
        add(s, d, "watchdog is used", i, d->watchdogs[i].used);
        snapshot_timer(s, "watchdog", d->id, i, &d->watchdogs[i].timer);
    }
}

static void arch_add(struct snapshot *s, const struct domain *d)
{
    const struct arch_domain *a = &d->arch;

    add(s, d, "has pirqs", 0, a->irqs != NULL);
    add(s, d, "TSC", 0, (uint64_t)a->tsc.mode << 32 | a->tsc.incarnation);
    add(s, d, "memory map", 0, a->e820 ? snapshot_hash(a->e820, a->e820_count * E820_BYTES) : 0);
    add(s, d, "CPU policy", 0, a->policy ? snapshot_hash(a->policy, sizeof(*a->policy)) : 0);
}

/* ---- ports ------------------------------------------------------------------------------------
 */

static void port_add(struct snapshot *s, struct domain *d, uint32_t number)
{
    const struct event_port *p = event_port_get(d, number);

    if (!p || p->state == EVENT_FREE)
        return;
    add(s, d, "port's state", number, p->state | p->priority << 8 | (uint64_t)p->vcpu << 16);
    add(s, d, "port's other end", number, (uint64_t)p->remote_id << 32 | p->source);
    add(s, d, "port's peer", number, p->remote ? p->remote->id + 1U : 0);
    add(s, d, "port's queue", number, (uint64_t)p->is_latched << 32 | p->last_queue);
}

static void ports_add(struct snapshot *s, struct domain *d)
{
    const struct domain_events *e = &d->events;

    add(s, d, "ports are closed", 0, e->is_closed);
    add(s, d, "ports in use", 0, e->used_count);
    add(s, d, "ports there may be", 0, e->port_count);
    add(s, d, "uses FIFO", 0, e->fifo != NULL);
    add(s, d, "pollers", 0, e->poller_count);
    for (uint32_t number = 0; number < e->port_count; number++)
        port_add(s, d, number);
    for (unsigned i = 0; i < ARRAY_SIZE(e->pirq_ports); i++)
        for (unsigned j = 0; e->pirq_ports[i] && j < EVENT_PIRQ_GROUP; j++)
            if (e->pirq_ports[i][j])
                add(s, d, "port of a pirq", i * EVENT_PIRQ_GROUP + j, e->pirq_ports[i][j]);
}

static void shared_add(struct snapshot *s, const struct domain *d)
{
    const struct shared_info *shared = d->shared_info;

    if (!shared)
        return;
    add(s, d, "pending bits", 0,
        snapshot_hash(shared->evtchn_pending, sizeof(shared->evtchn_pending)));
    add(s, d, "mask bits", 0, snapshot_hash(shared->evtchn_mask, sizeof(shared->evtchn_mask)));
}

/* ---- grants -----------------------------------------------------------------------------------
 */

static void uses_add(struct snapshot *s, struct domain *d)
{
    for (uint32_t ref = 0; ref < grant_entry_count(d->grants); ref++) {
        const struct grant_active *a = grant_active(d, ref, false);

        if (a && (a->reads || a->writes))
            add(s, d, "grant in use", ref,
                (uint64_t)a->mfn << 32 | (uint32_t)a->user_id << 16 | a->reads << 8 | a->writes);
    }
}

static void mappings_add(struct snapshot *s, const struct domain *d)
{
    const struct grant_table *gt = d->grants;

    add(s, d, "mappings", 0, grant_mapping_count(gt));
    add(s, d, "chunks of handles", 0, gt->chunk_count);
    for (uint32_t h = 0; h < grant_handle_count(gt); h++) {
        const struct grant_mapping *m = grant_mapping_at(gt, h);

        if (m->flags)
            add(s, d, "mapping", h,
                (uint64_t)m->ref << 32 | (uint32_t)m->owner_id << 16 | m->flags);
    }
}

static void grants_add(struct snapshot *s, struct domain *d)
{
    const struct grant_table *gt = d->grants;

    if (!gt)
        return;
    add(s, d, "grant version", 0, gt->version | gt->is_dead << 8);
    add(s, d, "grant frames", 0, gt->frame_count);
    add(s, d, "grant status frames", 0, gt->status_count);
    add(s, d, "grants in use", 0, gt->pinned_count);
    /* A domain that is about to end has given them up. */
    for (uint32_t i = 0; gt->frames && i < gt->frame_count; i++)
        add(s, d, "grant frame", i, snapshot_hash(gt->frames[i], PAGE_SIZE));
    for (uint32_t i = 0; gt->status && i < gt->status_count; i++)
        add(s, d, "grant status frame", i, snapshot_hash(gt->status[i], PAGE_SIZE));
    if (gt->frame_count)
        uses_add(s, d);
    mappings_add(s, d);
}

void snapshot_domain(struct snapshot *s, struct domain *d)
{
    struct vcpu *v;
    unsigned i, count = 0;

    life_add(s, d);
    if (d->vcpus)
        domain_for_each_vcpu(d, v, i) count++;
    add(s, d, "vCPUs", 0, count);
    arch_add(s, d);
    ports_add(s, d);
    shared_add(s, d);
    grants_add(s, d);
    if (d->vcpus)
        domain_for_each_vcpu(d, v, i) snapshot_vcpu(s, v);
}

/* ---- interrupts -------------------------------------------------------------------------------
 */

static void messages_add(struct snapshot *s, const struct pci_function *f, unsigned devfn)
{
    for (unsigned n = 0; n < MESSAGES_MAX; n++) {
        const struct irq *msi = irq_of_msi(f, IRQ_MSI, n), *msix = irq_of_msi(f, IRQ_MSIX, n);

        if (msi)
            snapshot_add(s, "MSI", devfn, n, msi->is_masked | (uint64_t)msi->apic_id << 32);
        if (msix)
            snapshot_add(s, "MSI-X", devfn, n, msix->is_masked | (uint64_t)msix->apic_id << 32);
    }
}

/* Command, BAR, MSI and MSI-X of arch/sim/pci.c. No more: reading takes time. */
static const uint8_t registers[] = {0x04, 0x10, 0x50, 0x54, 0x58, 0x5c, 0x60, 0x70};

static void function_add(struct snapshot *s, unsigned device)
{
    struct pci_address a = {.devfn = device << 3};
    const struct pci_function *f = pci_function_find(a);

    for (unsigned i = 0; i < ARRAY_SIZE(registers); i++)
        snapshot_add(s, "configuration register", a.devfn, registers[i],
                     pci_read(a, registers[i], 4));
    snapshot_add(s, "PCI function is known", a.devfn, 0, f != NULL);
    if (!f)
        return;
    snapshot_add(s, "PCI function", a.devfn, 0,
                 f->was_announced | f->msi_count << 8 | (uint64_t)f->msix_used_count << 32);
    messages_add(s, f, a.devfn);
}

void snapshot_devices(struct snapshot *s)
{
    for (unsigned gsi = 0; gsi < ioapic_gsi_count(); gsi++) {
        struct irq_pin_mode mode = ioapic_mode(gsi);

        snapshot_add(s, "how a GSI signals", gsi, 0, mode.is_level | mode.is_low << 1);
    }
    for (unsigned i = 0; i < sim_machine_config()->device_count; i++)
        function_add(s, i);
}
