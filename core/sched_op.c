/* SPDX-License-Identifier: MIT */
/* sched_op: what a vCPU asks of the scheduler for itself, and how domains end. ABI: xen/sched.h. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/hypercall.h>
#include <kr/time.h>

#include <xen/sched.h>
#include <xen/xen.h>

#include <stdatomic.h>

#define POLL_PORTS_MAX 128

static long sched_op_yield(uint64_t arg)
{
    sched_yield();
    return 0;
}

static long sched_op_block(uint64_t arg)
{
    struct vcpu *v = current_vcpu();

    __atomic_store_n(&v->info->evtchn_upcall_mask, 0, __ATOMIC_SEQ_CST);
    if (vcpu_has_upcall(v))
        return 0;
    vcpu_stop(v, VCPU_STOP_BLOCKED);
    /* An event from before the stop has not woken it: look again. */
    if (vcpu_has_upcall(v))
        vcpu_start(v, VCPU_STOP_BLOCKED);
    return 0;
}

static long sched_op_shutdown(uint64_t arg)
{
    struct sched_shutdown shutdown;

    if (guest_read(&shutdown, arg))
        return -EFAULT;
    if (shutdown.reason > SHUTDOWN_MAX)
        return -EINVAL;
    domain_shutdown(current_vcpu()->domain, shutdown.reason);
    return 0;
}

static bool any_port_pending(struct domain *d, const evtchn_port_t *ports, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (event_port_is_pending(d, ports[i]))
            return true;
    return false;
}

static long sched_op_poll(uint64_t arg)
{
    struct vcpu *v = current_vcpu();
    evtchn_port_t ports[POLL_PORTS_MAX];
    struct sched_poll poll;

    if (guest_read(&poll, arg))
        return -EFAULT;
    if (poll.nr_ports > POLL_PORTS_MAX)
        return -EINVAL;
    if (arch_guest_read(ports, guest_handle(poll.ports), poll.nr_ports * sizeof(ports[0])))
        return -EFAULT;
    for (unsigned i = 0; i < poll.nr_ports; i++)
        if (ports[i] >= v->domain->events.port_max)
            return -EINVAL;

    /* In this order: who wakes it from now on ends the poll first. It may have ended already. */
    event_poll_begin(v, poll.nr_ports == 1 ? ports[0] : 0);
    vcpu_stop(v, VCPU_STOP_BLOCKED);
    if (!atomic_load(&v->polling) || any_port_pending(v->domain, ports, poll.nr_ports) ||
        vcpu_has_upcall(v)) {
        event_poll_end(v);
        vcpu_start(v, VCPU_STOP_BLOCKED);
    } else if (poll.timeout != 0) {
        timer_set(&v->poll_timer, poll.timeout);
    }
    return 0;
}

static long sched_op_remote_shutdown(uint64_t arg)
{
    struct sched_remote_shutdown remote;
    struct domain *d;

    if (guest_read(&remote, arg))
        return -EFAULT;
    if (remote.reason > SHUTDOWN_MAX)
        return -EINVAL;
    d = domain_get_by_guest_id(remote.domain_id);
    if (!d)
        return -ESRCH;
    domain_shutdown(d, remote.reason);
    domain_put(d);
    return 0;
}

static long sched_op_shutdown_code(uint64_t arg)
{
    struct domain *d = current_vcpu()->domain;
    struct sched_shutdown shutdown;

    if (guest_read(&shutdown, arg))
        return -EFAULT;
    if (shutdown.reason > SHUTDOWN_MAX)
        return -EINVAL;
    spin_lock(&d->lock);
    if (!d->is_shutdown) {
        d->shutdown_reason = shutdown.reason;
        d->has_shutdown_code = true;
    }
    spin_unlock(&d->lock);
    return 0;
}

/* Takes one that is free. Returns its id, 1 and up. */
static long watchdog_claim(struct domain *d)
{
    for (unsigned i = 0; i < WATCHDOG_COUNT; i++)
        if (!d->watchdogs[i].used) {
            d->watchdogs[i].used = true;
            return i + 1;
        }
    return -ENOSPC;
}

/* Domain locked. id 0: a new one; timeout 0: it ends. */
static long watchdog_change(struct domain *d, uint32_t id, uint32_t timeout_s)
{
    long rc = 0;

    if (id > WATCHDOG_COUNT || (id == 0 && timeout_s == 0))
        return -EINVAL;
    if (id == 0) {
        rc = watchdog_claim(d);
        if (rc < 0)
            return rc;
        id = rc;
    } else if (!d->watchdogs[id - 1].used) {
        return -EINVAL;
    }
    if (timeout_s != 0) {
        timer_set(&d->watchdogs[id - 1].timer, time_now_ns() + timeout_s * NS_PER_SEC);
    } else {
        timer_stop(&d->watchdogs[id - 1].timer);
        d->watchdogs[id - 1].used = false;
    }
    return rc;
}

static long sched_op_watchdog(uint64_t arg)
{
    struct domain *d = current_vcpu()->domain;
    struct sched_watchdog watchdog;
    long rc;

    if (guest_read(&watchdog, arg))
        return -EFAULT;
    spin_lock(&d->lock);
    rc = d->is_dying ? -EINVAL : watchdog_change(d, watchdog.id, watchdog.timeout);
    spin_unlock(&d->lock);
    return rc;
}

static long sched_op_pin_override(uint64_t arg)
{
    struct sched_pin_override pin;

    if (guest_read(&pin, arg))
        return -EFAULT;
    return sched_pin(current_vcpu(), pin.pcpu);
}

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(SCHEDOP_, nr, name);
#include "sched_ops.def"
#undef OPERATION

hypercall_result do_sched_op(struct hypercall_args *args)
{
    switch ((uint32_t)args->arg[0]) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return hypercall_caller_is(callers) ? sched_op_##name(args->arg[1]) : -EPERM;
#include "sched_ops.def"
#undef OPERATION
    default: return -ENOSYS;
    }
}

hypercall_result do_set_timer_op(struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();

    if (args->arg[0] == 0)
        timer_stop(&v->singleshot);
    else
        timer_set(&v->singleshot, args->arg[0]);
    return 0;
}
