/* SPDX-License-Identifier: MIT */
/*
 * vcpu_op: a domain brings its vCPUs up and down, sets their timers and registers the areas it
 * shares with us. ABI: xen/vcpu.h. All operations are on the caller's own domain.
 */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/hypercall.h>
#include <kr/string.h>
#include <kr/time.h>

#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/xen.h>

#include <stdatomic.h>

#define PERIOD_MIN_NS NS_PER_MS
#define PERIOD_MAX_NS (1UL << 52) /* half a century: more is a mistake */

static long vcpu_op_initialise(struct vcpu *v, uint64_t arg)
{
    bool online;
    long rc;

    if (atomic_exchange(&v->context_busy, true))
        return -EBUSY;
    rc = v->is_initialised ? -EEXIST : arch_vcpu_set_context(v, arg, &online);
    if (rc == 0)
        v->is_initialised = true;
    atomic_store(&v->context_busy, false);
    return rc;
}

static long vcpu_op_up(struct vcpu *v, uint64_t arg)
{
    if (!v->is_initialised)
        return -EINVAL;
    vcpu_start(v, VCPU_STOP_DOWN);
    return 0;
}

/* With the last vCPU the domain goes down. */
static long vcpu_op_down(struct vcpu *v, uint64_t arg)
{
    struct domain *d = v->domain;
    struct vcpu *other;
    bool any_up = false;
    unsigned i;

    vcpu_stop(v, VCPU_STOP_DOWN);
    domain_for_each_vcpu(d, other, i) any_up |= !(other->sched.stop & VCPU_STOP_DOWN);
    if (!any_up)
        domain_shutdown(d, SHUTDOWN_poweroff);
    return 0;
}

static long vcpu_op_is_up(struct vcpu *v, uint64_t arg)
{
    return !(v->sched.stop & VCPU_STOP_DOWN);
}

static long vcpu_op_send_nmi(struct vcpu *v, uint64_t arg)
{
    arch_vcpu_send_nmi(v);
    return 0;
}

static void read_runstate(struct vcpu *v, struct vcpu_runstate_info *info)
{
    struct vcpu_runstate now;

    vcpu_runstate_get(v, &now);
    memset(info, 0, sizeof(*info));
    info->state = now.state;
    info->state_entry_time = now.entry_ns;
    memcpy(info->time, now.time_ns, sizeof(info->time));
}

static long vcpu_op_get_runstate_info(struct vcpu *v, uint64_t arg)
{
    struct vcpu_runstate_info info;

    read_runstate(v, &info);
    return guest_write(arg, &info);
}

static long vcpu_op_register_runstate_memory_area(struct vcpu *v, uint64_t arg)
{
    struct vcpu_register_runstate_memory_area area;
    struct vcpu_runstate_info info;

    if (guest_read(&area, arg))
        return -EFAULT;
    read_runstate(v, &info);
    if (area.addr.p != 0 && guest_write(area.addr.p, &info))
        return -EFAULT;
    __atomic_store_n(&v->runstate_guest_addr, area.addr.p, __ATOMIC_RELAXED);
    return 0;
}

static long vcpu_op_set_periodic_timer(struct vcpu *v, uint64_t arg)
{
    struct vcpu_set_periodic_timer set;

    if (guest_read(&set, arg))
        return -EFAULT;
    if (set.period_ns < PERIOD_MIN_NS || set.period_ns > PERIOD_MAX_NS)
        return -EINVAL;
    __atomic_store_n(&v->period_ns, set.period_ns, __ATOMIC_RELAXED);
    timer_set(&v->periodic, time_now_ns() + set.period_ns);
    return 0;
}

static long vcpu_op_stop_periodic_timer(struct vcpu *v, uint64_t arg)
{
    __atomic_store_n(&v->period_ns, 0, __ATOMIC_RELAXED);
    timer_stop(&v->periodic);
    return 0;
}

static long vcpu_op_set_singleshot_timer(struct vcpu *v, uint64_t arg)
{
    struct vcpu_set_singleshot_timer set;

    if (v != current_vcpu())
        return -EINVAL;
    if (guest_read(&set, arg))
        return -EFAULT;
    if ((set.flags & VCPU_SSHOTTMR_future) && set.timeout_abs_ns < time_now_ns())
        return -ETIME;
    timer_set(&v->singleshot, set.timeout_abs_ns);
    return 0;
}

static long vcpu_op_stop_singleshot_timer(struct vcpu *v, uint64_t arg)
{
    if (v != current_vcpu())
        return -EINVAL;
    timer_stop(&v->singleshot);
    return 0;
}

static long vcpu_op_register_vcpu_info(struct vcpu *v, uint64_t arg)
{
    struct vcpu_register_vcpu_info info;

    if (guest_read(&info, arg))
        return -EFAULT;
    return vcpu_info_register(v, info.mfn, info.offset);
}

static long vcpu_op_register_vcpu_time_memory_area(struct vcpu *v, uint64_t arg)
{
    struct vcpu_register_time_memory_area area;

    if (guest_read(&area, arg))
        return -EFAULT;
    __atomic_store_n(&v->time_guest_addr, area.addr.p, __ATOMIC_RELAXED);
    if (v == current_vcpu())
        arch_vcpu_time_publish(v);
    return 0;
}

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(VCPUOP_, nr, name);
#include "vcpu_ops.def"
#undef OPERATION

hypercall_result do_vcpu_op(struct hypercall_args *args)
{
    struct vcpu *v = domain_vcpu(current_vcpu()->domain, (uint32_t)args->arg[1]);

    if (!v)
        return -ENOENT;
    switch ((uint32_t)args->arg[0]) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return vcpu_op_##name(v, args->arg[2]);
#include "vcpu_ops.def"
#undef OPERATION
    default: return -ENOSYS;
    }
}

hypercall_result do_vm_assist(struct hypercall_args *args)
{
    struct domain *d = current_vcpu()->domain;
    uint32_t command = (uint32_t)args->arg[0], type = (uint32_t)args->arg[1];

    if (type >= 64 || !(arch_vm_assist_mask(d) & BIT(type)))
        return -EINVAL;
    switch (command) {
    case VMASST_CMD_enable: atomic_fetch_or(&d->vm_assist, BIT(type)); return 0;
    case VMASST_CMD_disable: atomic_fetch_and(&d->vm_assist, ~BIT(type)); return 0;
    default: return -ENOSYS;
    }
}
