/* SPDX-License-Identifier: MIT */
/*
 * A domain's numbers for machine interrupts ("pirqs"): made by PHYSDEVOP_map_pirq, then bound to an
 * event channel (kr/arch.h arch_pirq_bind()). pirq n is GSI n; message-signalled interrupts get
 * numbers above the GSIs.
 */
#pragma once

#include <kr/lock.h>
#include <x86/irq_encode.h>
#include <x86/pci.h>

struct domain;

/* Held by callers of everything marked [r] and of x86/pci.h's functions. */
extern struct spinlock irq_routing_lock;

/*
 * [r] Maps an interrupt for a domain. `wanted`: its pirq, or negative to choose. Returns the pirq.
 * Mapping again what is mapped at the wanted place is fine for a GSI.
 * -EINVAL: no such GSI or pirq; -EEXIST: the pirq or the message is taken; -ENOSPC; -ENOMEM;
 * -ENODEV: the function cannot do that.
 */
int pirq_map_gsi(struct domain *d, unsigned gsi, int wanted) __must_check;
struct pirq_msi {
    struct pci_address address;
    bool is_msix;
    unsigned count;      /* MSI: messages, a power of two */
    unsigned entry;      /* MSI-X */
    uint64_t table_base; /* MSI-X: physical address of the BAR that the table is in */
};
int pirq_map_msi(struct domain *d, const struct pirq_msi *msi, int wanted) __must_check;
/* [r] Takes it away, listening or not; a group goes with its first. -EINVAL: not mapped. */
int pirq_unmap(struct domain *d, unsigned number) __must_check;
/* [r] A number for pirq_map_msi(), kept for this domain. -ENOSPC, -ENOMEM. */
int pirq_take_free(struct domain *d) __must_check;

/* XENIRQSTAT_* of a pirq; -EINVAL: no such number. */
int pirq_status(struct domain *d, unsigned number, uint32_t *flags) __must_check;
/* The guest has handled it: as arch_pirq_eoi(), and unmasks the port if the guest's page asks for
 * that. -EINVAL: no such number. */
int pirq_end(struct domain *d, unsigned number) __must_check;
/* The page in which the guest sees which pirqs to end. `unmasks`: ending also unmasks the port.
 * -EBUSY: has one; -EINVAL: not its frame; -ENOMEM. */
int pirq_set_page(struct domain *d, uint64_t gfn, bool unmasks) __must_check;

/* [r] Says how a GSI signals. -EINVAL: no such GSI; -EEXIST: was said before, or is in use. */
int gsi_setup(unsigned gsi, struct irq_pin_mode mode) __must_check;
/* [r] The vector of a GSI. -EINVAL, -ENOSPC. */
int gsi_vector(unsigned gsi) __must_check;

/* [r] For the control domain's other requests about a function's messages. -ENODEV, and
 * msix_protect()'s. */
int pci_msi_restore(struct pci_address a) __must_check;
int pci_msix_prepare(struct pci_address a) __must_check;
/* The control domain writes to a page that was taken from it because of a table: what is beside the
 * table reaches the device, the rest goes nowhere. Takes the routing lock. */
void pci_msix_page_write(uint64_t phys, uint64_t value, unsigned bytes);
