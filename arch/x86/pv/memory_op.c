/* SPDX-License-Identifier: MIT */
/* memory_op operations about x86 memory: the machine's and the domain's map, the M2P. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/heap.h>
#include <kr/hypercall.h>
#include <kr/string.h>
#include <x86/map.h>
#include <x86/memmap.h>

#include <xen/memory.h>
#include <xen/xen.h>

static long memory_op_machphys_mapping(struct hypercall_args *args)
{
    struct xen_machphys_mapping m = {
        .v_start = M2P_RO_BASE, .v_end = M2P_RO_END, .max_mfn = (M2P_RO_END - M2P_RO_BASE) / 8 - 1};

    return guest_write(args->arg[1], &m);
}

static long memory_op_machphys_mfn_list(struct hypercall_args *args)
{
    struct xen_machphys_mfn_list list;
    uint64_t last = 0;
    unsigned i;

    if (guest_read(&list, args->arg[1]) != 0)
        return -EFAULT;
    for (i = 0; i < list.max_extents && i < m2p_chunk_count(); i++) {
        uint64_t mfn = m2p_chunk(i);

        /* A hole repeats what lies before it, so that every entry can be mapped. */
        if (mfn == MFN_INVALID)
            mfn = last;
        last = mfn;
        if (guest_write_at(guest_handle(list.extent_start), i, &mfn) != 0)
            return -EFAULT;
    }
    list.nr_extents = i;
    return guest_write(args->arg[1], &list);
}

static int entry_put(uint64_t buffer, unsigned index, unsigned room, struct memmap_entry e)
{
    struct {
        uint64_t addr, size;
        uint32_t type;
    } __packed entry = {e.start, e.size, e.type};

    return index < room ? guest_write_at(buffer, index, &entry) : -EINVAL;
}

static long memory_op_machine_memory_map(struct hypercall_args *args)
{
    struct xen_memory_map map;
    struct memmap_entry e;
    unsigned i;

    if (guest_read(&map, args->arg[1]) != 0)
        return -EFAULT;
    for (i = 0; memmap_machine_entry(i, &e); i++) {
        int err = entry_put(guest_handle(map.buffer), i, map.nr_entries, e);

        if (err)
            return err;
    }
    map.nr_entries = i;
    return guest_write(args->arg[1], &map);
}

#define DOMAIN_ENTRIES_MAX 128
#define ENTRY_BYTES        20

static long memory_op_memory_map(struct hypercall_args *args)
{
    struct domain *d = current_vcpu()->domain;
    uint8_t entries[DOMAIN_ENTRIES_MAX * ENTRY_BYTES];
    struct xen_memory_map map;
    uint32_t count;

    if (guest_read(&map, args->arg[1]) != 0)
        return -EFAULT;
    /* Tools may replace the map at any moment. */
    spin_lock(&d->lock);
    count = d->arch.e820_count;
    if (count != 0)
        memcpy(entries, d->arch.e820, count * ENTRY_BYTES);
    spin_unlock(&d->lock);
    if (count == 0)
        return -ENOSYS;
    map.nr_entries = MIN(map.nr_entries, count);
    if (arch_guest_write(guest_handle(map.buffer), entries, map.nr_entries * ENTRY_BYTES) != 0)
        return -EFAULT;
    return guest_write(args->arg[1], &map);
}

static long memory_op_set_memory_map(struct hypercall_args *args)
{
    struct xen_foreign_memory_map fmap;
    struct domain *d;
    void *entries, *old;

    if (guest_read(&fmap, args->arg[1]) != 0)
        return -EFAULT;
    if (fmap.map.nr_entries == 0 || fmap.map.nr_entries > DOMAIN_ENTRIES_MAX)
        return -EINVAL;
    d = domain_get_by_guest_id(fmap.domid);
    if (!d)
        return -ESRCH;
    entries = heap_alloc_for(&d->memory, fmap.map.nr_entries * ENTRY_BYTES);
    if (!entries || arch_guest_read(entries, guest_handle(fmap.map.buffer),
                                    fmap.map.nr_entries * ENTRY_BYTES) != 0) {
        long err = entries ? -EFAULT : -ENOMEM;

        heap_free(entries);
        domain_put(d);
        return err;
    }
    spin_lock(&d->lock);
    old = d->arch.e820;
    d->arch.e820 = entries;
    d->arch.e820_count = fmap.map.nr_entries;
    spin_unlock(&d->lock);
    heap_free(old);
    domain_put(d);
    return 0;
}

static long memory_op_machphys_compat_mfn_list(struct hypercall_args *args)
{
    return -EOPNOTSUPP;
}

/* No IOMMU translates for devices, so there is nothing that firmware could ask to be left alone. */
static long memory_op_reserved_device_memory_map(struct hypercall_args *args)
{
    struct xen_reserved_device_memory_map map;

    if (guest_read(&map, args->arg[1]) != 0)
        return -EFAULT;
    if (map.flags & ~(uint32_t)XENMEM_RDM_ALL)
        return -EINVAL;
    map.nr_entries = 0;
    return guest_write(args->arg[1], &map);
}

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(XENMEM_, nr, name);
#include "memory_ops.def"
#undef OPERATION

long arch_memory_op(unsigned op, struct hypercall_args *args)
{
    switch (op) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return hypercall_caller_is(callers) ? memory_op_##name(args) : -EPERM;
#include "memory_ops.def"
#undef OPERATION
    default: return -ENOSYS;
    }
}
