/* SPDX-License-Identifier: MIT */
/*
 * physdev_op: the machine's interrupts and PCI functions for those who drive devices
 * (xen/physdev.h). Not built, -ENOSYS: I/O port bitmaps (port.c; no current guest asks) and writes
 * to IO-APICs, which are the hypervisor's: setup_gsi says all there is to say.
 */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/hypercall.h>
#include <kr/log.h>
#include <x86/ioapic.h>
#include <x86/pirq.h>

#include <xen/xen.h>

#include <xen/physdev.h>

#define MSI_COUNT_MAX 32

static struct domain *caller(void)
{
    return current_vcpu()->domain;
}

static struct pci_address pci_address_of(uint16_t segment, uint8_t bus, uint8_t devfn)
{
    return (struct pci_address){.segment = segment, .bus = bus, .devfn = devfn};
}

/* ---- pirqs in use -----------------------------------------------------------------------------
 */

static long physdev_irq_status_query(uint64_t arg)
{
    struct physdev_irq_status_query op;
    int err;

    if (guest_read(&op, arg))
        return -EFAULT;
    err = pirq_status(caller(), op.irq, &op.flags);
    return err ? err : guest_write(arg, &op);
}

static long physdev_eoi(uint64_t arg)
{
    struct physdev_eoi op;

    if (guest_read(&op, arg))
        return -EFAULT;
    return pirq_end(caller(), op.irq);
}

static long set_eoi_page(uint64_t arg, bool unmasks)
{
    struct physdev_pirq_eoi_gmfn op;

    if (guest_read(&op, arg))
        return -EFAULT;
    return pirq_set_page(caller(), op.gmfn, unmasks);
}

static long physdev_pirq_eoi_gmfn_v1(uint64_t arg)
{
    return set_eoi_page(arg, true);
}

static long physdev_pirq_eoi_gmfn_v2(uint64_t arg)
{
    return set_eoi_page(arg, false);
}

static long physdev_set_iopl(uint64_t arg)
{
    struct physdev_set_iopl op;

    if (guest_read(&op, arg))
        return -EFAULT;
    if (op.iopl > 3)
        return -EINVAL;
    current_vcpu()->arch.iopl = op.iopl;
    return 0;
}

/* ---- mapping pirqs ----------------------------------------------------------------------------
 */

/* What a map_pirq asks for; [r]. The pirq, or an error. */
static int map_pirq(struct domain *d, const struct physdev_map_pirq *op)
{
    struct pirq_msi msi = {
        .address = pci_address_of(op->type == MAP_PIRQ_TYPE_MSI ? 0 : (uint32_t)op->bus >> 16,
                                  op->bus, op->devfn),
        .is_msix = op->table_base != 0,
        .count = 1,
        .entry = op->entry_nr,
        .table_base = op->table_base,
    };

    switch (op->type) {
    case MAP_PIRQ_TYPE_GSI: return pirq_map_gsi(d, op->index, op->pirq);
    case MAP_PIRQ_TYPE_MULTI_MSI:
        if (op->entry_nr <= 0 || op->entry_nr > MSI_COUNT_MAX || msi.is_msix)
            return -EINVAL;
        while (msi.count < op->entry_nr)
            msi.count *= 2;
        return pirq_map_msi(d, &msi, op->pirq);
    case MAP_PIRQ_TYPE_MSI:
    case MAP_PIRQ_TYPE_MSI_SEG:
        if (op->entry_nr < 0 || op->entry_nr > UINT16_MAX)
            return -EINVAL;
        return pirq_map_msi(d, &msi, op->pirq);
    default: return -EINVAL;
    }
}

static int unmap_pirq(struct domain *d, int pirq)
{
    int err;

    spin_lock(&irq_routing_lock);
    err = pirq_unmap(d, pirq);
    spin_unlock(&irq_routing_lock);
    return err;
}

static long physdev_map_pirq(uint64_t arg)
{
    struct physdev_map_pirq op;
    struct domain *d;
    int err;

    if (guest_read(&op, arg))
        return -EFAULT;
    d = domain_get_by_guest_id(op.domid);
    if (!d)
        return -ESRCH;
    spin_lock(&irq_routing_lock);
    err = map_pirq(d, &op);
    spin_unlock(&irq_routing_lock);
    if (err >= 0) {
        op.pirq = err;
        err = guest_write(arg, &op);
        /* The caller does not know what was mapped; of a GSI it knows the number anyway. */
        if (err && op.type != MAP_PIRQ_TYPE_GSI && unmap_pirq(d, op.pirq) != 0)
            log_guest(LOG_WARNING, d, "pirq %d stays mapped", op.pirq);
    }
    domain_put(d);
    return err;
}

static long physdev_unmap_pirq(uint64_t arg)
{
    struct physdev_unmap_pirq op;
    struct domain *d;
    int err;

    if (guest_read(&op, arg))
        return -EFAULT;
    d = domain_get_by_guest_id(op.domid);
    if (!d)
        return -ESRCH;
    err = unmap_pirq(d, op.pirq);
    domain_put(d);
    return err;
}

static long physdev_get_free_pirq(uint64_t arg)
{
    struct physdev_get_free_pirq op;
    int pirq;

    if (guest_read(&op, arg))
        return -EFAULT;
    if (op.type != MAP_PIRQ_TYPE_MSI && op.type != MAP_PIRQ_TYPE_GSI)
        return -EINVAL;
    spin_lock(&irq_routing_lock);
    pirq = pirq_take_free(caller());
    spin_unlock(&irq_routing_lock);
    if (pirq < 0)
        return pirq;
    op.pirq = pirq;
    return guest_write(arg, &op);
}

/* ---- GSIs and IO-APICs ------------------------------------------------------------------------
 */

static long physdev_apic_read(uint64_t arg)
{
    struct physdev_apic op;
    int err;

    if (guest_read(&op, arg))
        return -EFAULT;
    err = ioapic_register_read(op.apic_physbase, op.reg, &op.value);
    return err ? err : guest_write(arg, &op);
}

static long physdev_alloc_irq_vector(uint64_t arg)
{
    struct physdev_irq op;
    int vector;

    if (guest_read(&op, arg))
        return -EFAULT;
    spin_lock(&irq_routing_lock);
    vector = gsi_vector(op.irq);
    spin_unlock(&irq_routing_lock);
    if (vector < 0)
        return vector;
    op.vector = vector;
    return guest_write(arg, &op);
}

static long physdev_setup_gsi(uint64_t arg)
{
    struct physdev_setup_gsi op;
    int err;

    if (guest_read(&op, arg))
        return -EFAULT;
    if (op.triggering > 1 || op.polarity > 1)
        return -EINVAL;
    spin_lock(&irq_routing_lock);
    err =
        gsi_setup(op.gsi, (struct irq_pin_mode){.is_level = op.triggering, .is_low = op.polarity});
    spin_unlock(&irq_routing_lock);
    return err;
}

/* ---- PCI functions ----------------------------------------------------------------------------
 */

static long function_add(struct pci_address a, bool is_virtual)
{
    int err;

    spin_lock(&irq_routing_lock);
    err = pci_function_add(a, is_virtual);
    spin_unlock(&irq_routing_lock);
    return err;
}

static long function_remove(struct pci_address a)
{
    int err;

    spin_lock(&irq_routing_lock);
    err = pci_function_remove(a);
    spin_unlock(&irq_routing_lock);
    return err;
}

static long messages_restore(struct pci_address a)
{
    int err;

    spin_lock(&irq_routing_lock);
    err = pci_msi_restore(a);
    spin_unlock(&irq_routing_lock);
    return err;
}

static long physdev_pci_device_add(uint64_t arg)
{
    struct physdev_pci_device_add op;

    if (guest_read(&op, arg))
        return -EFAULT;
    return function_add(pci_address_of(op.seg, op.bus, op.devfn), op.flags & XEN_PCI_DEV_VIRTFN);
}

static long physdev_pci_device_remove(uint64_t arg)
{
    struct physdev_pci_device op;

    if (guest_read(&op, arg))
        return -EFAULT;
    return function_remove(pci_address_of(op.seg, op.bus, op.devfn));
}

static long physdev_manage_pci_add(uint64_t arg)
{
    struct physdev_manage_pci op;

    if (guest_read(&op, arg))
        return -EFAULT;
    return function_add(pci_address_of(0, op.bus, op.devfn), false);
}

static long physdev_manage_pci_add_ext(uint64_t arg)
{
    struct physdev_manage_pci_ext op;

    if (guest_read(&op, arg))
        return -EFAULT;
    /* An "extended function" only has a larger function number (ARI). */
    return function_add(pci_address_of(0, op.bus, op.devfn), op.is_virtfn);
}

static long physdev_manage_pci_remove(uint64_t arg)
{
    struct physdev_manage_pci op;

    if (guest_read(&op, arg))
        return -EFAULT;
    return function_remove(pci_address_of(0, op.bus, op.devfn));
}

static long physdev_restore_msi(uint64_t arg)
{
    struct physdev_restore_msi op;

    if (guest_read(&op, arg))
        return -EFAULT;
    return messages_restore(pci_address_of(0, op.bus, op.devfn));
}

static long physdev_restore_msi_ext(uint64_t arg)
{
    struct physdev_pci_device op;

    if (guest_read(&op, arg))
        return -EFAULT;
    return messages_restore(pci_address_of(op.seg, op.bus, op.devfn));
}

static long physdev_prepare_msix(uint64_t arg)
{
    struct physdev_pci_device op;
    int err;

    if (guest_read(&op, arg))
        return -EFAULT;
    spin_lock(&irq_routing_lock);
    err = pci_msix_prepare(pci_address_of(op.seg, op.bus, op.devfn));
    spin_unlock(&irq_routing_lock);
    return err;
}

/* What was protected once stays so: device frames are only ever taken away from guests. */
static long physdev_release_msix(uint64_t arg)
{
    struct physdev_pci_device op;
    bool is_known;

    if (guest_read(&op, arg))
        return -EFAULT;
    spin_lock(&irq_routing_lock);
    is_known = pci_function_find(pci_address_of(op.seg, op.bus, op.devfn));
    spin_unlock(&irq_routing_lock);
    return is_known ? 0 : -ENODEV;
}

/* The place is known from MCFG; that the tables of AML agree changes nothing. */
static long physdev_pci_mmcfg_reserved(uint64_t arg)
{
    struct physdev_pci_mmcfg_reserved op;

    if (guest_read(&op, arg))
        return -EFAULT;
    return pci_has_memory_window(op.address, op.segment, op.start_bus, op.end_bus) ? 0 : -ENODEV;
}

/* The hypervisor's console is never on a debug port, so a reset needs no preparation. */
static long physdev_dbgp_op(uint64_t arg)
{
    struct physdev_dbgp_op op;

    if (guest_read(&op, arg))
        return -EFAULT;
    return op.op == PHYSDEVOP_DBGP_RESET_PREPARE || op.op == PHYSDEVOP_DBGP_RESET_DONE ? 0
                                                                                       : -ENOSYS;
}

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(PHYSDEVOP_, nr, name);
#include "physdev_ops.def"
#undef OPERATION

hypercall_result do_physdev_op(struct hypercall_args *args)
{
    switch ((uint32_t)args->arg[0]) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return hypercall_caller_is(callers) ? physdev_##name(args->arg[1]) : -EPERM;
#include "physdev_ops.def"
#undef OPERATION
    default: return -ENOSYS;
    }
}
