/* SPDX-License-Identifier: MIT */
/* domctl operations on one vCPU: where it runs, what it holds in its registers, what it did. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/sched.h>
#include <kr/time.h>

#include <xen/vcpu.h>

#include <stdatomic.h>

#include "domctl.h"

/* ---- affinity ---------------------------------------------------------------------------------
 */

/* Tells the caller what the masks come to in effect. */
static long write_effective(struct vcpu *v, const struct xen_domctl_vcpuaffinity *a)
{
    struct cpu_mask online = cpu_mask_first(cpu_count), hard, soft;

    sched_get_affinity(v, &hard, &soft);
    hard = cpu_mask_and(&hard, &online);
    soft = cpu_mask_and(&soft, &hard);
    if ((a->flags & XEN_VCPUAFFINITY_HARD) &&
        control_bitmap_write(&a->cpumap_hard, hard.bits, cpu_count))
        return -EFAULT;
    if ((a->flags & XEN_VCPUAFFINITY_SOFT) &&
        control_bitmap_write(&a->cpumap_soft, soft.bits, cpu_count))
        return -EFAULT;
    return 0;
}

long domctl_op_setvcpuaffinity(struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    struct vcpu *v = domain_vcpu(d, a->vcpu);
    bool set_hard = a->flags & XEN_VCPUAFFINITY_HARD, set_soft = a->flags & XEN_VCPUAFFINITY_SOFT;
    struct cpu_mask hard, soft;
    int rc;

    if (!v)
        return -ESRCH;
    if (!set_hard && !set_soft)
        return -EINVAL;
    if (set_hard && control_bitmap_read(hard.bits, CPU_COUNT_MAX, &a->cpumap_hard))
        return -EFAULT;
    if (set_soft && control_bitmap_read(soft.bits, CPU_COUNT_MAX, &a->cpumap_soft))
        return -EFAULT;
    if (a->flags & XEN_VCPUAFFINITY_FORCE)
        (void)sched_pin(v, -1);
    rc = sched_set_affinity(v, set_hard ? &hard : NULL, set_soft ? &soft : NULL);
    return rc != 0 ? rc : write_effective(v, a);
}

long domctl_op_getvcpuaffinity(struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    struct vcpu *v = domain_vcpu(d, a->vcpu);
    struct cpu_mask hard, soft;

    if (!v)
        return -ESRCH;
    sched_get_affinity(v, &hard, &soft);
    if ((a->flags & XEN_VCPUAFFINITY_HARD) &&
        control_bitmap_write(&a->cpumap_hard, hard.bits, cpu_count))
        return -EFAULT;
    if ((a->flags & XEN_VCPUAFFINITY_SOFT) &&
        control_bitmap_write(&a->cpumap_soft, soft.bits, cpu_count))
        return -EFAULT;
    return 0;
}

/* ---- registers --------------------------------------------------------------------------------
 */

long domctl_op_setvcpucontext(struct domain *d, struct xen_domctl *op)
{
    uint64_t addr = guest_handle(op->u.vcpucontext.ctxt);
    struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);
    bool online;
    long rc;

    if (d == current_vcpu()->domain)
        return -EINVAL;
    if (!v)
        return -ESRCH;
    if (addr == 0)
        return -EOPNOTSUPP; /* a reset */
    if (d->is_dying)
        return -EINVAL; /* it has given up its page tables */
    if (atomic_exchange(&v->context_busy, true))
        return -EBUSY;
    vcpu_pause(v);
    rc = arch_vcpu_set_context(v, addr, &online);
    if (rc == 0) {
        v->is_initialised = true;
        if (v->id == 0)
            time_publish_wallclock(d); /* the builder has written the whole page since */
        if (online)
            vcpu_start(v, VCPU_STOP_DOWN);
        else
            vcpu_stop(v, VCPU_STOP_DOWN);
    }
    vcpu_unpause(v);
    atomic_store(&v->context_busy, false);
    return rc;
}

long domctl_op_getvcpucontext(struct domain *d, struct xen_domctl *op)
{
    struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);
    long rc;

    if (!v)
        return -ESRCH;
    if (v == current_vcpu())
        return -EINVAL;
    if (!v->is_initialised)
        return -ENODATA;
    vcpu_pause(v);
    rc = arch_vcpu_get_context(v, guest_handle(op->u.vcpucontext.ctxt));
    vcpu_unpause(v);
    return rc;
}

long domctl_op_getvcpuinfo(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_getvcpuinfo *info = &op->u.getvcpuinfo;
    struct vcpu *v = domain_vcpu(d, info->vcpu);
    struct vcpu_runstate runstate;
    uint32_t stop;

    if (!v)
        return info->vcpu < d->vcpu_max ? -ESRCH : -EINVAL;
    vcpu_runstate_get(v, &runstate);
    stop = v->sched.stop;
    info->online = !(stop & VCPU_STOP_DOWN);
    info->blocked = (stop & VCPU_STOP_BLOCKED) != 0;
    info->running = v->sched.running;
    info->cpu_time = runstate.time_ns[RUNSTATE_running];
    info->cpu = v->sched.cpu;
    return 0;
}
