/* SPDX-License-Identifier: MIT */
/*
 * Machine interrupts: what the files of arch/x86/irq share.
 *
 * device.c   vectors, the interrupt handler, masking, the console's lines
 * pirq.c     domains' numbers for interrupts, event channels bound to them
 * msi.c      message-signalled interrupts of PCI functions
 * ioapic.c, pic.c, pci.c, pci_function.c  the hardware
 *
 * Locks. [r] irq_routing_lock: which interrupts exist and whose pirqs they are. [q] the lock of one
 * interrupt: who listens, taken by the handler too. Order: event lock, routing, interrupt, event
 * port; PCI and IO-APIC registers last.
 */
#pragma once

#include <kr/domain.h>
#include <kr/lock.h>
#include <x86/irq.h>
#include <x86/pci.h>
#include <x86/pirq.h>

enum irq_source { IRQ_UNUSED, IRQ_GSI, IRQ_MSI, IRQ_MSIX };

struct pirq;

/* A machine interrupt: one vector on all CPUs. They live for ever; unused ones have no source. */
struct irq {
    struct spinlock lock;
    uint8_t source;                 /* [r] enum irq_source, changed under [q] too */
    _Atomic bool is_level;          /* [q] to set */
    bool is_masked;                 /* [q] */
    uint16_t number;                /* [r] GSI, number of the MSI message, MSI-X entry */
    uint32_t apic_id;               /* [q] of the CPU that gets it */
    struct pci_function *function;  /* [r] of an MSI */
    void (*handler)(unsigned line); /* [q] the hypervisor's own; then there are no users */
    unsigned handler_line;
    struct pirq *users;     /* [q] domains that listen */
    uint32_t in_flight;     /* [q] users that have not ended a level interrupt yet */
    uint64_t count;         /* [q] how often it came */
    uint64_t unheard_count; /* [q] and nobody listened */
};

/* A domain's number for an interrupt. */
struct pirq {
    struct domain *domain;     /* [I] */
    struct pirq *next;         /* [q] among the users */
    _Atomic(struct irq *) irq; /* [r] NULL: not mapped */
    uint16_t number;           /* [I] */
    uint8_t group_count;       /* [r] first of so many pirqs of one function, else 0 */
    bool is_reserved;          /* [r] handed out by pirq_take_free() */
    _Atomic bool is_bound;     /* [q] to set: among the users */
    _Atomic bool is_shared;    /* [q] to set: does not mind other users */
    bool is_in_flight;         /* [q] raised, level, not ended yet */
};

/* A domain's part (struct arch_domain.irqs). */
struct x86_domain_irqs {
    unsigned count;               /* [I] once the table is there */
    _Atomic(struct pirq *) table; /* [r] NULL: the domain has no hardware */
    _Atomic(uint64_t *) page;     /* [r] to set: bits of the guest's page, NULL: none */
    mfn_t page_mfn;               /* [I] once the page is there, and so is the next */
    bool end_unmasks;
};

/* ---- device.c ---------------------------------------------------------------------------------
 */

/* [r] `count` unused interrupts with consecutive vectors, aligned; NULL: no vectors left. */
struct irq *irq_take(unsigned count, enum irq_source source);
void irq_give(struct irq *first, unsigned count);
/* [r] The interrupt of an existing GSI, made on first use and then there for good; NULL: no vectors
 * left. */
struct irq *irq_of_gsi(unsigned gsi);
/* [r] NULL: not in use. */
struct irq *irq_of_msi(const struct pci_function *f, enum irq_source source, unsigned number);
unsigned irq_vector(const struct irq *irq);

/* [r] A user comes and goes. -EBUSY: taken, and not by somebody who shares. */
int irq_listen(struct irq *irq, struct pirq *p, bool share) __must_check;
void irq_unlisten(struct irq *irq, struct pirq *p);
/* From now on it arrives at this CPU. */
void irq_set_target(struct irq *irq, const struct pirq *p, const struct cpu *cpu);
/* A user has handled it. */
void irq_end(struct irq *irq, struct pirq *p);
/* [r] -EBUSY while somebody listens. */
int irq_set_mode(struct irq *irq, struct irq_pin_mode mode) __must_check;

/* ---- msi.c ------------------------------------------------------------------------------------
 */

/* [r] Programs `count` messages (a power of two) of a function's MSI capability, or one entry of
 * its MSI-X table, for interrupts that are masked at first. `table_base`: where the control domain
 * believes the BAR of the table to be. -ENODEV: no such capability; -EEXIST: programmed already;
 * -EINVAL: no such entry, no such table; -ENOSPC: no vectors, more messages than it has; -ENOMEM.
 */
int msi_program(struct pci_function *f, unsigned count, struct irq **first) __must_check;
int msix_program(struct pci_function *f, unsigned entry, uint64_t table_base,
                 struct irq **irq) __must_check;
/* [r] Undoes them; nobody listens any more. */
void msi_unprogram(struct irq *first, unsigned count);
/* [q] Where the hardware cannot mask, nothing happens. */
void msi_set_masked(const struct irq *irq, bool masked);
/* [q] After apic_id of an MSI-X entry, or of the first of a group, changed. */
void msi_write(const struct irq *irq);
/* [r] Writes everything again, after a reset of the function. */
void msi_restore(struct pci_function *f);
/* [r] Keeps the pages of the table from being written by guests. -ENODEV, -EINVAL, -ENOMEM. */
int msix_protect(struct pci_function *f, uint64_t table_base) __must_check;
/* [r] Is any of `bytes` at a physical address in the function's table; where is it, if in one of
 * the pages of the table (else NULL)? */
bool msix_table_has(const struct pci_function *f, uint64_t phys, unsigned bytes);
volatile void *msix_page_register(const struct pci_function *f, uint64_t phys);
