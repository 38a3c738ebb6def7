/* SPDX-License-Identifier: MIT */
/*
 * Pools of CPUs, ABI: xen/sysctl.h. There is one, number 0, with all CPUs and all domains; what
 * would need a second is refused.
 */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/sched.h>

#include <xen/sysctl.h>

#include "control.h"

static uint32_t count_domains(void)
{
    uint32_t count = 0, next = 0;
    struct domain *d;

    while (next < DOMAIN_ID_FIRST_RESERVED && (d = domain_get_next(next)) != NULL) {
        next = d->id + 1;
        domain_put(d);
        count++;
    }
    return count;
}

/* The first pool with this number or a higher one. */
static long pool_info(struct xen_sysctl_cpupool_op *op)
{
    struct cpu_mask all = cpu_mask_first(cpu_count);

    if (op->cpupool_id != 0)
        return -ENOENT;
    op->sched_id = sched_credit2.abi_id;
    op->n_dom = count_domains();
    return control_bitmap_write(&op->cpumap, all.bits, cpu_count);
}

static long pool_free_cpus(struct xen_sysctl_cpupool_op *op)
{
    struct cpu_mask none = {0};

    return control_bitmap_write(&op->cpumap, none.bits, cpu_count);
}

static long pool_move_domain(struct xen_sysctl_cpupool_op *op)
{
    struct domain *d = op->domid < DOMAIN_ID_FIRST_RESERVED ? domain_get(op->domid) : NULL;

    if (!d)
        return -ESRCH;
    domain_put(d);
    return op->cpupool_id == 0 ? 0 : -ENOENT;
}

long control_cpupool_op(struct xen_sysctl_cpupool_op *op)
{
    switch (op->op) {
    case XEN_SYSCTL_CPUPOOL_OP_INFO: return pool_info(op);
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO: return pool_free_cpus(op);
    case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN: return pool_move_domain(op);
    case XEN_SYSCTL_CPUPOOL_OP_CREATE: return -EOPNOTSUPP;
    /* Every CPU is in pool 0, which cannot go and keeps them. */
    case XEN_SYSCTL_CPUPOOL_OP_ADDCPU:
    case XEN_SYSCTL_CPUPOOL_OP_RMCPU:
    case XEN_SYSCTL_CPUPOOL_OP_DESTROY: return op->cpupool_id == 0 ? -EBUSY : -ENOENT;
    default: return -ENOSYS;
    }
}
