/* SPDX-License-Identifier: MIT */
/*
 * platform_op: services of the machine for the control domain's kernel. ABI: xen/platform.h. What
 * needs the port's hardware (sleep, memory types, microcode) is in arch_platform_op().
 */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/string.h>
#include <kr/symbol.h>
#include <kr/time.h>

#include <xen/platform.h>

#include "control.h"

/* ---- time -------------------------------------------------------------------------------------
 */

static long platform_op_settime32(struct xen_platform_op *op)
{
    const struct xenpf_settime32 *t = &op->u.settime32;

    time_wallclock_set(t->secs, t->nsecs, t->system_time);
    return 0;
}

static long platform_op_settime64(struct xen_platform_op *op)
{
    const struct xenpf_settime64 *t = &op->u.settime64;

    if (t->mbz != 0)
        return -EINVAL;
    time_wallclock_set(t->secs, t->nsecs, t->system_time);
    return 0;
}

static long platform_op_getidletime(struct xen_platform_op *op)
{
    struct xenpf_getidletime *get = &op->u.getidletime;
    uint64_t map_addr = guest_handle(get->cpumap_bitmap);

    for (uint32_t i = 0; i < DIV_ROUND_UP(get->cpumap_nr_cpus, 8); i++) {
        uint8_t asked, present = 0;

        if (guest_read_at(&asked, map_addr, i))
            return -EFAULT;
        for (uint32_t id = i * 8; id < MIN(i * 8 + 8, get->cpumap_nr_cpus); id++) {
            struct cpu *cpu = asked >> (id % 8) & 1 ? cpu_by_id(id) : NULL;
            uint64_t idle_ns = cpu ? sched_idle_time_ns(cpu) : 0;

            if (cpu && guest_write_at(guest_handle(get->idletime), id, &idle_ns))
                return -EFAULT;
            present |= (cpu != NULL) << (id % 8);
        }
        if (guest_write_at(map_addr, i, &present))
            return -EFAULT;
    }
    get->now = time_now_ns();
    return 0;
}

/* ---- CPUs -------------------------------------------------------------------------------------
 */

static long platform_op_get_cpuinfo(struct xen_platform_op *op)
{
    struct xenpf_pcpuinfo *info = &op->u.pcpu_info;
    const struct cpu *cpu = cpu_by_id(info->xen_cpuid);
    struct arch_cpu_identity identity = {0};

    info->max_present = cpu_count - 1;
    info->flags = cpu ? XEN_PCPU_FLAGS_ONLINE : XEN_PCPU_FLAGS_INVALID;
    if (cpu)
        arch_cpu_identify(cpu, &identity);
    info->apic_id = identity.apic_id;
    info->acpi_id = identity.acpi_id;
    return 0;
}

static long platform_op_get_cpu_version(struct xen_platform_op *op)
{
    struct xenpf_pcpu_version *version = &op->u.pcpu_version;
    const struct cpu *cpu = cpu_by_id(version->xen_cpuid);
    struct arch_cpu_identity identity = {0};

    version->max_present = cpu_count - 1;
    if (cpu)
        arch_cpu_identify(cpu, &identity);
    memcpy(version->vendor_id, identity.vendor, sizeof(version->vendor_id));
    version->family = identity.family;
    version->model = identity.model;
    version->stepping = identity.stepping;
    return 0;
}

static long platform_op_cpu_online(struct xen_platform_op *op)
{
    return cpu_by_id(op->u.cpu_ol.cpuid) ? 0 : -EINVAL;
}

static long platform_op_cpu_offline(struct xen_platform_op *op)
{
    return cpu_by_id(op->u.cpu_ol.cpuid) ? -EOPNOTSUPP : -EINVAL;
}

/* ---- firmware and ourselves -------------------------------------------------------------------
 */

/* Disks are not probed, so there is nothing at any index. */
static long platform_op_firmware_info(struct xen_platform_op *op)
{
    struct xenpf_firmware_info *info = &op->u.firmware_info;

    switch (info->type) {
    case XEN_FW_KBD_SHIFT_FLAGS:
        if (info->index != 0)
            return -ESRCH;
        info->u.kbd_shift_flags = arch_keyboard_flags();
        return 0;
    case XEN_FW_DISK_INFO:
    case XEN_FW_DISK_MBR_SIGNATURE:
    case XEN_FW_VBEDDC_INFO: return -ESRCH;
    case XEN_FW_EFI_INFO: return -ENOSYS;
    default: return -EINVAL;
    }
}

static long platform_op_get_symbol(struct xen_platform_op *op)
{
    struct xenpf_symdata *data = &op->u.symdata;
    struct symbol symbol;
    uintptr_t address;
    uint32_t length;

    /* The same number again says that there are no more. */
    if (!symbol_get(data->symnum, &address, &symbol)) {
        data->namelen = 0;
        return 0;
    }
    length = strlen(symbol.name);
    if (arch_guest_write(guest_handle(data->name), symbol.name, MIN(length + 1, data->namelen)))
        return -EFAULT;
    data->namelen = length;
    data->symnum++;
    data->address = address;
    data->type = 't';
    return 0;
}

/* ---- dispatch ---------------------------------------------------------------------------------
 */

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(XENPF_, nr, name);
#include "../platform_ops.def"
#undef OPERATION

static long dispatch(struct xen_platform_op *op)
{
    switch (op->cmd) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return platform_op_##name(op);
#include "../platform_ops.def"
#undef OPERATION
    default: return arch_platform_op(op);
    }
}

hypercall_result do_platform_op(struct hypercall_args *args)
{
    struct xen_platform_op op;
    long rc;

    if (guest_read(&op, args->arg[0]))
        return -EFAULT;
    if (op.interface_version != XENPF_INTERFACE_VERSION)
        return -EACCES;
    if (!control_enter())
        return -ERESTART;
    rc = dispatch(&op);
    control_leave();
    if (rc == 0 && guest_write(args->arg[0], &op))
        rc = -EFAULT;
    return rc;
}
