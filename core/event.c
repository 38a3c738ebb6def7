/* SPDX-License-Identifier: MIT */
/*
 * Event channels: the ports of a domain, sending, and raising on behalf of the hypervisor. See
 * event_internal.h for the files and the locks.
 */
#include <kr/errno.h>
#include <kr/heap.h>
#include <kr/log.h>
#include <kr/sched.h>

#include <stdatomic.h>

#include "event_internal.h"

/* ---- ports ----------------------------------------------------------------------------------- */

int event_domain_init(struct domain *d, uint32_t port_max)
{
    struct domain_events *e = &d->events;
    uint32_t group_count;

    if (port_max == 0)
        return -EINVAL;
    spin_lock_init(&e->lock, LOCK_RANK_EVENT);
    e->port_max = MIN(port_max, EVENT_PORT_COUNT_MAX);
    group_count = DIV_ROUND_UP(e->port_max, EVENT_GROUP_PORTS);
    e->groups = heap_zalloc_array(&d->memory, group_count, sizeof(*e->groups) + 1);
    if (e->groups == NULL)
        return -ENOMEM;
    e->group_free = (uint8_t *)(e->groups + group_count);
    return 0;
}

void event_domain_free(struct domain *d)
{
    struct domain_events *e = &d->events;

    for (uint32_t i = 0; i < e->port_count / EVENT_GROUP_PORTS; i++)
        heap_free(e->groups[i]);
    e->port_count = 0;
    heap_free(e->groups);
    e->groups = NULL;
    for (unsigned i = 0; i < ARRAY_SIZE(e->pirq_ports); i++) {
        heap_free((void *)e->pirq_ports[i]);
        e->pirq_ports[i] = NULL;
    }
}

uint32_t event_port_limit(const struct domain *d)
{
    return event_uses_fifo(d) ? d->events.port_max
                              : MIN(d->events.port_max, (uint32_t)EVTCHN_2L_NR_CHANNELS);
}

struct event_port *event_port_get(struct domain *d, uint32_t number)
{
    struct domain_events *e = &d->events;

    if (number >= atomic_load_explicit(&e->port_count, memory_order_acquire))
        return NULL;
    return &e->groups[number >> EVENT_GROUP_SHIFT][number & (EVENT_GROUP_PORTS - 1)];
}

/* [e] One more group of free ports. */
static int event_group_add(struct domain *d)
{
    struct domain_events *e = &d->events;
    uint32_t first = e->port_count;
    struct event_port *ports;

    if (first >= event_port_limit(d))
        return -ENOSPC;
    ports = heap_zalloc_array(&d->memory, EVENT_GROUP_PORTS, sizeof(*ports));
    if (ports == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < EVENT_GROUP_PORTS; i++) {
        spin_lock_init(&ports[i].lock, LOCK_RANK_EVENT_PORT);
        ports[i].last_queue = EVENT_QUEUE_NONE;
        ports[i].priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    }
    e->groups[first >> EVENT_GROUP_SHIFT] = ports;
    /* Port 0 means "none" in many places of the ABI and is never given out. */
    e->group_free[first >> EVENT_GROUP_SHIFT] = EVENT_GROUP_PORTS - (first == 0);
    atomic_store_explicit(&e->port_count, first + EVENT_GROUP_PORTS, memory_order_release);
    return 0;
}

/*
 * [e] The lowest free port of a group that may be used now, 0 for none. A closed FIFO port may
 * still wait in a queue of the guest; given out again, its first event would come to the old vCPU.
 */
static uint32_t event_group_search(struct domain *d, uint32_t group)
{
    uint32_t first = group << EVENT_GROUP_SHIFT;
    uint32_t end = MIN(first + EVENT_GROUP_PORTS, event_port_limit(d));

    for (uint32_t number = MAX(first, 1U); number < end; number++)
        if (event_port_get(d, number)->state == EVENT_FREE && !event_fifo_is_linked(d, number))
            return number;
    return 0;
}

/* [e] A free port, or -ENOSPC, -ENOMEM. */
static int event_port_search(struct domain *d)
{
    struct domain_events *e = &d->events;
    bool all_full = true;

    for (uint32_t group = e->free_group_hint;; group++) {
        uint32_t number = 0;

        if (group == e->port_count >> EVENT_GROUP_SHIFT) {
            int rc = event_group_add(d);

            if (rc != 0)
                return rc;
        }
        if (e->group_free[group] != 0) {
            all_full = false;
            number = event_group_search(d, group);
        }
        if (all_full)
            e->free_group_hint = group + 1;
        if (number != 0)
            return number;
    }
}

int event_port_take(struct domain *d, enum event_state state, struct event_port **port)
{
    struct domain_events *e = &d->events;
    int number;

    if (e->is_closed)
        return -EINVAL;
    number = event_port_search(d);
    if (number < 0)
        return number;
    *port = event_port_get(d, number);
    spin_lock_nested(&(*port)->lock);
    (*port)->state = state;
    e->group_free[number >> EVENT_GROUP_SHIFT]--;
    e->used_count++;
    return number;
}

void event_port_release(struct domain *d, struct event_port *port, uint32_t number)
{
    struct domain_events *e = &d->events;
    uint32_t group = number >> EVENT_GROUP_SHIFT;

    if (event_uses_fifo(d))
        event_fifo_clear_pending(d, port, number);
    else
        event_2l_clear_pending(d, number);
    port->state = EVENT_FREE;
    port->vcpu = 0;
    port->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    port->remote = NULL;
    port->source = 0;
    spin_unlock(&port->lock);
    e->group_free[group]++;
    e->used_count--;
    e->free_group_hint = MIN(e->free_group_hint, group);
}

/* ---- raising --------------------------------------------------------------------------------- */

void event_upcall(struct vcpu *v)
{
    struct vcpu_info *info = __atomic_load_n(&v->info, __ATOMIC_ACQUIRE);

    /* Without a place to write to yet, event_vcpu_info_moved() will do it. */
    if (info != NULL && __atomic_exchange_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST) == 0)
        vcpu_kick(v);
}

/* Some vCPU of the domain is in SCHEDOP_poll: is it waiting for this port? */
static void event_wake_pollers(struct domain *d, uint32_t number)
{
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(d, v, i)
    {
        if (atomic_load(&v->polling) && (v->poll_port == 0 || v->poll_port == number) &&
            event_poll_end(v))
            vcpu_start(v, VCPU_STOP_BLOCKED);
    }
}

void event_raise(struct domain *d, struct event_port *port, uint32_t number)
{
    bool is_new =
        event_uses_fifo(d) ? event_fifo_raise(d, port, number) : event_2l_raise(d, port, number);

    if (is_new && unlikely(atomic_load(&d->events.poller_count) != 0))
        event_wake_pollers(d, number);
}

int event_send(struct domain *d, uint32_t number)
{
    struct event_port *port = event_port_get(d, number);
    int rc = 0;

    if (port == NULL)
        return -EINVAL;
    spin_lock(&port->lock);
    switch (port->state) {
    case EVENT_INTERDOMAIN:
        event_raise(port->remote, event_port_get(port->remote, port->source), port->source);
        break;
    case EVENT_IPI: event_raise(d, port, number); break;
    case EVENT_UNBOUND: /* nobody there yet; binding raises the other end anyway */ break;
    default: rc = -EINVAL;
    }
    spin_unlock(&port->lock);
    return rc;
}

/* Raises a port if it is still what the caller looked it up for. */
static bool event_raise_source(struct domain *d, uint32_t number, enum event_state state,
                               uint32_t source)
{
    struct event_port *port = number != 0 ? event_port_get(d, number) : NULL;
    bool is_bound;

    if (port == NULL)
        return false;
    spin_lock(&port->lock);
    is_bound = port->state == state && port->source == source;
    if (is_bound)
        event_raise(d, port, number);
    spin_unlock(&port->lock);
    return is_bound;
}

void event_raise_virq(struct vcpu *v, unsigned virq)
{
    ASSERT(virq < EVENT_VIRQ_COUNT);
    event_raise_source(v->domain, atomic_load(&v->events.virq_port[virq]), EVENT_VIRQ, virq);
}

void event_raise_global_virq(unsigned virq)
{
    struct vcpu *v = control_domain != NULL ? domain_vcpu(control_domain, 0) : NULL;

    if (v != NULL)
        event_raise_virq(v, virq);
}

bool event_raise_pirq(struct domain *d, unsigned pirq)
{
    return event_raise_source(d, event_pirq_port(d, pirq), EVENT_PIRQ, pirq);
}

/* ---- questions ------------------------------------------------------------------------------- */

uint32_t event_pirq_port(struct domain *d, unsigned pirq)
{
    _Atomic uint32_t *ports;

    if (pirq >= EVENT_PIRQ_COUNT_MAX)
        return 0;
    ports =
        atomic_load_explicit(&d->events.pirq_ports[pirq / EVENT_PIRQ_GROUP], memory_order_acquire);
    return ports != NULL ? atomic_load(&ports[pirq % EVENT_PIRQ_GROUP]) : 0;
}

bool event_port_is_pending(struct domain *d, uint32_t number)
{
    bool yes = false;

    spin_lock(&d->events.lock);
    if (event_port_get(d, number) != NULL)
        yes =
            event_uses_fifo(d) ? event_fifo_is_pending(d, number) : event_2l_is_pending(d, number);
    spin_unlock(&d->events.lock);
    return yes;
}

bool event_port_is_masked(struct domain *d, uint32_t number)
{
    bool yes = false;

    spin_lock(&d->events.lock);
    if (event_port_get(d, number) != NULL)
        yes = event_uses_fifo(d) ? event_fifo_is_masked(d, number) : event_2l_is_masked(d, number);
    spin_unlock(&d->events.lock);
    return yes;
}

bool vcpu_has_upcall(const struct vcpu *v)
{
    const struct vcpu_info *info = __atomic_load_n(&v->info, __ATOMIC_ACQUIRE);

    if (info == NULL || __atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_SEQ_CST) == 0)
        return false;
#ifdef XEN_HAVE_PV_UPCALL_MASK
    return __atomic_load_n(&info->evtchn_upcall_mask, __ATOMIC_RELAXED) == 0;
#else
    return true;
#endif
}

/* ---- vCPUs ----------------------------------------------------------------------------------- */

void event_vcpu_info_moved(struct vcpu *v)
{
    struct vcpu_info *info = __atomic_load_n(&v->info, __ATOMIC_ACQUIRE);

    if (info == NULL)
        return;
    /* Two-level: which words had events is in the old place, or on its way there. */
    __atomic_store_n(&info->evtchn_pending_sel, ~(xen_ulong_t)0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
    vcpu_kick(v);
}

void event_poll_begin(struct vcpu *v, uint32_t port)
{
    v->poll_port = port;
    atomic_fetch_add(&v->domain->events.poller_count, 1);
    atomic_store(&v->polling, true);
}

bool event_poll_end(struct vcpu *v)
{
    if (!atomic_exchange(&v->polling, false))
        return false;
    atomic_fetch_sub(&v->domain->events.poller_count, 1);
    return true;
}
