/* SPDX-License-Identifier: MIT */
/* What guests ask of the scheduler: waiting in every way, timers, ends of domains. */
#include "run.h"

#include <kr/errno.h>
#include <kr/time.h>

#include <xen/xen.h>

#include <xen/event_channel.h>
#include <xen/sched.h>

#define POLL_PORTS       16
#define NEAR_NS          200000
#define DOM0_END_ONE_IN  500
#define GUEST_END_ONE_IN 12

static long sched_op(struct actor *a, unsigned op, void *object, size_t size_bytes)
{
    return call_struct(a, __HYPERVISOR_sched_op, op, object, size_bytes);
}

/* System time as the guest reckons it, or nearly. */
static uint64_t near_deadline(struct actor *a)
{
    uint64_t now = sim_time_ns();

    switch (pick(a, 8)) {
    case 0: return pick_one_in(a, 8) && !a->domain->is_privileged ? pick_word(a) : 0;
    case 1: return now - pick(a, NEAR_NS);
    case 2: return now + pick(a, 100 * NEAR_NS);
    default: return now + pick(a, NEAR_NS);
    }
}

static void yield(struct actor *a)
{
    call(a, __HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0, 0, 0);
}

static void set_timer(struct actor *a)
{
    call(a, __HYPERVISOR_set_timer_op, pick_one_in(a, 8) ? 0 : near_deadline(a), 0, 0, 0, 0);
}

/* Kernels leave the port of their timer open. */
static void timer_open(struct actor *a)
{
    struct evtchn_unmask op = {.port = a->vcpu->events.virq_port[VIRQ_TIMER]};

    if (op.port)
        event_op(a, EVTCHNOP_unmask, &op, sizeof(op));
    else
        event_timer_bind(a);
}

/* Mostly with something to wake it; others' events may do so, too. */
static void block(struct actor *a)
{
    if (!pick_one_in(a, 8))
        timer_open(a);
    if (!pick_one_in(a, 8))
        call(a, __HYPERVISOR_set_timer_op, sim_time_ns() + pick(a, NEAR_NS), 0, 0, 0, 0);
    call(a, __HYPERVISOR_sched_op, SCHEDOP_block, 0, 0, 0, 0);
}

/* Often with upcalls masked, as a kernel that waits for a lock: then only the ports end it. */
static void poll(struct actor *a)
{
    bool is_masked = pick_one_in(a, 2);
    evtchn_port_t ports[POLL_PORTS];
    unsigned count = pick_one_in(a, 3) ? pick(a, POLL_PORTS) : 1;
    struct sched_poll op = {.nr_ports = count, .timeout = near_deadline(a)};

    for (unsigned i = 0; i < count; i++)
        ports[i] = pick_port(a) % (pick_one_in(a, 8) ? 8000 : 30);
    if (pick_one_in(a, 12))
        op.timeout = 0;
    if (pick_one_in(a, 20))
        op.nr_ports = pick(a, 300);
    op.ports.p = (void *)args_put(a, 1, ports, sizeof(ports));
    if (is_masked)
        __atomic_store_n(&a->vcpu->info->evtchn_upcall_mask, 1, __ATOMIC_SEQ_CST);
    sched_op(a, SCHEDOP_poll, &op, sizeof(op));
    if (is_masked)
        __atomic_store_n(&a->vcpu->info->evtchn_upcall_mask, 0, __ATOMIC_SEQ_CST);
}

/* ---- ends -------------------------------------------------------------------------------------
 */

/* A reason of 0 is read where there is nothing: the control domain's arguments lie where they
 * should. */
static void shutdown(struct actor *a)
{
    struct sched_shutdown op = {.reason = pick(a, SHUTDOWN_MAX + 2)};

    a->is_careful = a->domain->is_privileged;
    if (!pick_one_in(a, a->domain->is_privileged ? DOM0_END_ONE_IN : GUEST_END_ONE_IN))
        op.reason = SHUTDOWN_MAX + 1 + pick(a, 3); /* refused */
    sched_op(a, SCHEDOP_shutdown, &op, sizeof(op));
    a->is_careful = false;
}

static void shutdown_code(struct actor *a)
{
    struct sched_shutdown op = {.reason = pick(a, SHUTDOWN_MAX + 2)};

    sched_op(a, SCHEDOP_shutdown_code, &op, sizeof(op));
}

static void watchdog(struct actor *a)
{
    const struct domain_watchdog *dogs = a->domain->watchdogs;
    struct sched_watchdog op = {.timeout = pick_one_in(a, 3) ? 0 : UINT32_MAX};
    bool any = dogs[0].used || dogs[1].used;

    /* One of its own again, or a new one. */
    if (pick_one_in(a, 8))
        op.id = pick(a, 4);
    else if (any && !pick_one_in(a, 3))
        op.id = dogs[0].used ? 1 : 2;

    if (!a->domain->is_privileged && pick_one_in(a, 16))
        op.timeout = pick(a, 2);
    if (op.id == 0 && pick_one_in(a, 4))
        op.timeout = 0; /* refused */
    sched_op(a, SCHEDOP_watchdog, &op, sizeof(op));
}

static void remote_shutdown(struct actor *a)
{
    struct sched_remote_shutdown op = {.domain_id = pick_domain(a),
                                       .reason = pick(a, SHUTDOWN_MAX + 2)};
    bool is_itself = op.domain_id == a->domain->id || op.domain_id == DOMID_SELF;

    if (a->domain->is_privileged && is_itself && !pick_one_in(a, DOM0_END_ONE_IN))
        op.domain_id = DOMID_IO;
    a->is_careful = a->domain->is_privileged;
    sched_op(a, SCHEDOP_remote_shutdown, &op, sizeof(op));
    a->is_careful = false;
}

static void pin_override(struct actor *a)
{
    struct sched_pin_override op = {.pcpu = (int32_t)pick(a, 6) - 1};

    sched_op(a, SCHEDOP_pin_override, &op, sizeof(op));
}

const struct operation sched_operations[] = {
    {"yield", GROUP_SCHED, 4, false, yield},
    {"set_timer_op", GROUP_SCHED, 6, false, set_timer},
    {"block", GROUP_SCHED, 8, false, block},
    {"poll", GROUP_SCHED, 8, false, poll},
    {"shutdown", GROUP_SCHED, 2, false, shutdown},
    {"shutdown_code", GROUP_SCHED, 2, false, shutdown_code},
    {"watchdog", GROUP_SCHED, 4, false, watchdog},
    {"remote_shutdown", GROUP_SCHED, 1, true, remote_shutdown},
    {"pin_override", GROUP_SCHED, 3, true, pin_override},
    {"control call by anybody", GROUP_SCHED, 1, false, pin_override},
    {0},
};
