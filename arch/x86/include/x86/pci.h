/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space and the functions (devices) that the control domain told us of. The
 * hypervisor and the control domain share the address register at 0xcf8: the domain's last address
 * is kept, and one lock makes address and data one step. Follows PCI 3.0 and PCI Firmware 3.0
 * (MCFG).
 *
 * What is above offset 255 or in a segment other than 0 is reached in memory (MCFG). The control
 * domain maps those pages itself, and so could go round the filter below. It drives devices that
 * can write to any memory anyway; the filter is against accidents, such as one driver's reset
 * undoing what the hypervisor programmed.
 */
#pragma once

#include <kr/acpi.h>
#include <kr/list.h>
#include <x86/pci_filter.h>

struct domain;

struct pci_address {
    uint16_t segment;
    uint8_t bus, devfn;
};

#define PCI_ADDRESS_FORMAT  "%04x:%02x:%02x.%u"
#define PCI_ADDRESS_ARGS(a) (a).segment, (a).bus, (a).devfn >> 3, (a).devfn & 7

/* Registers of every function. */
#define PCI_VENDOR_ID        0x00
#define PCI_COMMAND          0x04
#define PCI_COMMAND_MEMORY   0x2
#define PCI_STATUS           0x06
#define PCI_STATUS_CAPS      0x10
#define PCI_HEADER_TYPE      0x0e
#define PCI_BAR(n)           (0x10 + 4 * (n))
#define PCI_CAPABILITY_FIRST 0x34
#define PCI_CAP_MSI          0x05
#define PCI_CAP_MSIX         0x11

/* A function. [r] routing lock (x86/pirq.h), and the PCI lock to change it  [I] immutable */
struct pci_function {
    struct list all;            /* under the PCI lock */
    struct pci_address address; /* [I] */
    bool is_virtual;            /* [I] SR-IOV: its vendor id and BARs are its physical function's */
    bool was_announced;         /* [r] by the control domain */
    struct pci_msi_layout msi;  /* [I] */
    uint16_t msix_offset;       /* [I] of the capability; 0: there is none */
    uint16_t msi_count;         /* [r] messages that the hypervisor programmed, 0: not ours */
    uint16_t msix_used_count;   /* [r] entries that the hypervisor programmed */
    uint16_t msix_entry_count;  /* [r] of the table, once mapped */
    uint64_t msix_table_phys;   /* [r] what msix_table shows */
    void *msix_table;           /* [r] */
};

/* Keeps where configuration space is in memory. Boot CPU. */
void pci_init(const struct acpi_info *acpi);

/* Configuration space of a function, 1, 2 or 4 bytes, naturally aligned. Where nothing answers: all
 * ones, and writes go nowhere. Any CPU; take LOCK_RANK_PCI. */
uint32_t pci_read(struct pci_address a, uint16_t offset, unsigned bytes);
void pci_write(struct pci_address a, uint16_t offset, unsigned bytes, uint32_t value);
/* Offset of a capability, 0: the function has none of that kind. */
uint16_t pci_find_capability(struct pci_address a, uint8_t id);

/* Is MCFG's window for these buses at this address? */
bool pci_has_memory_window(uint64_t base, uint16_t segment, uint8_t bus_first, uint8_t bus_last);

/* The control domain's accesses to ports 0xcf8 (whole) and 0xcfc to 0xcff. */
uint32_t pci_guest_address_read(struct domain *d);
void pci_guest_address_write(struct domain *d, uint32_t value);
uint32_t pci_guest_data_read(struct domain *d, unsigned offset, unsigned bytes);
void pci_guest_data_write(struct domain *d, unsigned offset, unsigned bytes, uint32_t value);

/* ---- irq/pci_function.c; the routing lock is held ----------------------------------------------
 */

/* NULL: not known. */
struct pci_function *pci_function_find(struct pci_address a);
/* The same, looking for it in configuration space if need be. NULL: does not answer, no memory. */
struct pci_function *pci_function_get(struct pci_address a);
/* It was got in vain: forgets it again, unless it was announced or something is known of it. */
void pci_function_let_go(struct pci_function *f);
/* The control domain announces one. -ENODEV: nothing answers there; -ENOMEM. */
int pci_function_add(struct pci_address a, bool is_virtual) __must_check;
/* It has gone. -ENODEV: not known; -EBUSY: its interrupts are still routed. */
int pci_function_remove(struct pci_address a) __must_check;
/* Says that the hypervisor has programmed so many of its messages from now on. */
void pci_function_set_msi_count(struct pci_function *f, unsigned count);
