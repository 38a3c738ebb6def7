/* SPDX-License-Identifier: MIT */
/*
 * platform_op operations about x86 hardware: memory type range registers, read only (the control
 * domain's kernel gets its memory types from page tables (PAT); what firmware set stays), and
 * switching off.
 */
#include <kr/access.h>
#include <kr/hypercall.h>
#include <x86/cpu.h>
#include <x86/machine.h>
#include <x86/mtrr.h>

#include <xen/platform.h>

#define MSR_MTRR_CAP        0x0fe
#define MSR_MTRR_PHYSBASE0  0x200
#define MSR_MTRR_PHYSMASK0  0x201
#define MTRR_CAP_COUNT_MASK 0xff

static uint32_t mtrr_count(void)
{
    uint64_t cap;

    return rdmsr_safe(MSR_MTRR_CAP, &cap) ? cap & MTRR_CAP_COUNT_MASK : 0;
}

static long platform_op_add_memtype(struct xen_platform_op *op)
{
    return -EOPNOTSUPP;
}

static long platform_op_del_memtype(struct xen_platform_op *op)
{
    return op->u.del_memtype.reg < mtrr_count() ? -EOPNOTSUPP : -EINVAL;
}

/* Kernels count the registers by reading until it fails. */
static long platform_op_read_memtype(struct xen_platform_op *op)
{
    struct xenpf_read_memtype *r = &op->u.read_memtype;
    struct mtrr_range range;
    uint64_t base, mask;

    if (r->reg >= mtrr_count() || !rdmsr_safe(MSR_MTRR_PHYSBASE0 + 2 * r->reg, &base) ||
        !rdmsr_safe(MSR_MTRR_PHYSMASK0 + 2 * r->reg, &mask))
        return -EINVAL;
    range = mtrr_range_of(base, mask, cpu_features.phys_bits);
    r->mfn = range.first;
    r->nr_mfns = range.count;
    r->type = range.type;
    return 0;
}

static long platform_op_enter_acpi_sleep(struct xen_platform_op *op)
{
    const struct xenpf_enter_acpi_sleep *sleep = &op->u.enter_acpi_sleep;

    /* XENPF_ACPI_SLEEP_EXTENDED: registers of machines without PM1 control. */
    if (sleep->flags != 0)
        return sleep->flags == XENPF_ACPI_SLEEP_EXTENDED ? -EOPNOTSUPP : -EINVAL;
    return machine_acpi_sleep(sleep->sleep_state, sleep->val_a, sleep->val_b);
}

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(XENPF_, nr, name);
#include "platform_ops.def"
#undef OPERATION

long arch_platform_op(struct xen_platform_op *op)
{
    switch (op->cmd) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return platform_op_##name(op);
#include "platform_ops.def"
#undef OPERATION
    default: return -ENOSYS;
    }
}
