/* SPDX-License-Identifier: MIT */
/*
 * Event channels: binding ports to their sources, changing and closing them. What is not the
 * guest's mistake cannot fail half-way: everything is checked before the first change.
 */
#include <kr/errno.h>
#include <kr/heap.h>
#include <kr/hypercall.h>
#include <kr/log.h>

#include <stdatomic.h>

#include "event_internal.h"

/* ---- two domains at once --------------------------------------------------------------------- */

static void event_lock_pair(struct domain *a, struct domain *b)
{
    struct domain *first = a->id <= b->id ? a : b;

    spin_lock(&first->events.lock);
    if (a != b)
        spin_lock_nested(first == a ? &b->events.lock : &a->events.lock);
}

static void event_unlock_pair(struct domain *a, struct domain *b)
{
    spin_unlock(&a->events.lock);
    if (a != b)
        spin_unlock(&b->events.lock);
}

/* ---- binding --------------------------------------------------------------------------------- */

int event_alloc_unbound(struct domain *d, uint16_t remote_domain)
{
    struct event_port *port;
    int number;

    spin_lock(&d->events.lock);
    number = event_port_take(d, EVENT_UNBOUND, &port);
    if (number > 0) {
        port->remote_id = remote_domain;
        spin_unlock(&port->lock);
    }
    spin_unlock(&d->events.lock);
    return number;
}

/* Both event locks held. */
static int event_connect(struct domain *d, struct domain *remote, uint32_t remote_number)
{
    struct event_port *peer = event_port_get(remote, remote_number);
    struct event_port *port;
    int number;

    if (peer == NULL || peer->state != EVENT_UNBOUND || peer->remote_id != d->id)
        return -EINVAL;
    number = event_port_take(d, EVENT_INTERDOMAIN, &port);
    if (number < 0)
        return number;
    port->remote = remote;
    port->source = remote_number;
    spin_unlock(&port->lock);

    spin_lock(&peer->lock);
    peer->state = EVENT_INTERDOMAIN;
    peer->remote = d;
    peer->source = number;
    spin_unlock(&peer->lock);

    /* The peer may have sent before there was anybody to hear it. */
    event_raise(d, port, number);
    return number;
}

int event_bind_interdomain(struct domain *d, struct domain *remote, uint32_t remote_number)
{
    int number;

    event_lock_pair(d, remote);
    number = remote->events.is_closed ? -EINVAL : event_connect(d, remote, remote_number);
    event_unlock_pair(d, remote);
    return number;
}

bool event_virq_is_global(uint32_t virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

int event_bind_virq(struct domain *d, uint32_t virq, uint32_t vcpu)
{
    struct event_port *port;
    struct vcpu *v;
    int number;

    if (virq >= EVENT_VIRQ_COUNT || (event_virq_is_global(virq) && vcpu != 0))
        return -EINVAL;
    v = domain_vcpu(d, vcpu);
    if (v == NULL)
        return -ENOENT;

    spin_lock(&d->events.lock);
    if (atomic_load(&v->events.virq_port[virq]) != 0) {
        number = -EEXIST;
    } else {
        number = event_port_take(d, EVENT_VIRQ, &port);
        if (number > 0) {
            port->vcpu = vcpu;
            port->source = virq;
            spin_unlock(&port->lock);
            atomic_store(&v->events.virq_port[virq], number);
        }
    }
    spin_unlock(&d->events.lock);
    return number;
}

int event_bind_ipi(struct domain *d, uint32_t vcpu)
{
    struct event_port *port;
    int number;

    if (domain_vcpu(d, vcpu) == NULL)
        return -ENOENT;
    spin_lock(&d->events.lock);
    number = event_port_take(d, EVENT_IPI, &port);
    if (number > 0) {
        port->vcpu = vcpu;
        spin_unlock(&port->lock);
    }
    spin_unlock(&d->events.lock);
    return number;
}

/* [e] Where the port of a pirq is kept, once a port of its group was bound. */
static _Atomic uint32_t *event_pirq_slot(struct domain *d, uint32_t pirq)
{
    return d->events.pirq_ports[pirq / EVENT_PIRQ_GROUP] + pirq % EVENT_PIRQ_GROUP;
}

/* [e] A port, and room to say that it is this pirq's: both or neither. Its lock is held. */
static int event_pirq_take(struct domain *d, uint32_t pirq, struct event_port **port)
{
    _Atomic(_Atomic uint32_t *) *group = &d->events.pirq_ports[pirq / EVENT_PIRQ_GROUP];
    _Atomic uint32_t *fresh = NULL;
    int number;

    if (*group == NULL) {
        fresh = heap_zalloc_array(&d->memory, EVENT_PIRQ_GROUP, sizeof(*fresh));
        if (fresh == NULL)
            return -ENOMEM;
    }
    number = event_port_take(d, EVENT_PIRQ, port);
    if (number < 0)
        heap_free(fresh);
    else if (fresh != NULL)
        atomic_store_explicit(group, fresh, memory_order_release);
    return number;
}

/* [e] held. */
static int event_pirq_connect(struct domain *d, uint32_t pirq, bool share)
{
    struct event_port *port;
    _Atomic uint32_t *slot;
    int number, rc;

    if (event_pirq_port(d, pirq) != 0)
        return -EEXIST;
    number = event_pirq_take(d, pirq, &port);
    if (number < 0)
        return number;
    port->source = pirq;
    spin_unlock(&port->lock);
    slot = event_pirq_slot(d, pirq);
    /* The port is complete before the first interrupt can come. */
    atomic_store(slot, number);
    rc = arch_pirq_bind(d, pirq, share);
    if (rc == 0) {
        arch_pirq_follow(d, pirq, domain_vcpu(d, 0));
        return number;
    }
    atomic_store(slot, 0);
    spin_lock(&port->lock);
    event_port_release(d, port, number);
    return rc;
}

int event_bind_pirq(struct domain *d, uint32_t pirq, bool share)
{
    int number;

    if (pirq >= EVENT_PIRQ_COUNT_MAX)
        return -EINVAL;
    spin_lock(&d->events.lock);
    number = event_pirq_connect(d, pirq, share);
    spin_unlock(&d->events.lock);
    return number;
}

/* ---- changing -------------------------------------------------------------------------------- */

int event_bind_vcpu(struct domain *d, uint32_t number, uint32_t vcpu)
{
    struct event_port *port;
    int rc = -EINVAL;

    if (domain_vcpu(d, vcpu) == NULL)
        return -ENOENT;
    spin_lock(&d->events.lock);
    port = event_port_get(d, number);
    if (port != NULL && port->state != EVENT_FREE && port->state != EVENT_IPI &&
        !(port->state == EVENT_VIRQ && !event_virq_is_global(port->source))) {
        port->vcpu = vcpu;
        if (port->state == EVENT_PIRQ)
            arch_pirq_follow(d, port->source, domain_vcpu(d, vcpu));
        /* FIFO needs nothing: a linked event is taken by the vCPU whose queue it is in. */
        if (!event_uses_fifo(d))
            event_2l_moved(d, port, number);
        rc = 0;
    }
    spin_unlock(&d->events.lock);
    return rc;
}

int event_set_priority(struct domain *d, uint32_t number, uint32_t priority)
{
    struct event_port *port;
    int rc = -EINVAL;

    if (event_port_get(d, number) == NULL)
        return -EINVAL;
    if (!event_uses_fifo(d))
        return -ENOSYS;
    if (priority > EVTCHN_FIFO_PRIORITY_MIN)
        return -EINVAL;
    spin_lock(&d->events.lock);
    port = event_port_get(d, number);
    if (port != NULL && port->state != EVENT_FREE) {
        port->priority = priority; /* from the next time it is linked */
        rc = 0;
    }
    spin_unlock(&d->events.lock);
    return rc;
}

int event_unmask(struct domain *d, uint32_t number)
{
    struct event_port *port = event_port_get(d, number);

    if (port == NULL)
        return -EINVAL;
    spin_lock(&port->lock);
    if (port->state != EVENT_FREE) {
        if (event_uses_fifo(d))
            event_fifo_unmask(d, port, number);
        else
            event_2l_unmask(d, port, number);
    }
    spin_unlock(&port->lock);
    return 0;
}

/* ---- closing --------------------------------------------------------------------------------- */

/* The event locks of `d` and, for an interdomain port, of its peer are held. */
static void event_disconnect(struct domain *d, struct event_port *port, uint32_t number)
{
    switch (port->state) {
    case EVENT_INTERDOMAIN: {
        struct event_port *peer = event_port_get(port->remote, port->source);

        spin_lock(&peer->lock);
        peer->state = EVENT_UNBOUND;
        peer->remote_id = d->id;
        peer->remote = NULL;
        peer->source = 0;
        spin_unlock(&peer->lock);
        break;
    }
    case EVENT_PIRQ:
        arch_pirq_unbind(d, port->source);
        atomic_store(event_pirq_slot(d, port->source), 0);
        break;
    case EVENT_VIRQ: {
        /* A global one is known at vCPU 0, wherever it is delivered. */
        unsigned vcpu = event_virq_is_global(port->source) ? 0 : port->vcpu;

        atomic_store(&domain_vcpu(d, vcpu)->events.virq_port[port->source], 0);
        break;
    }
    default: break;
    }
    spin_lock(&port->lock);
    event_port_release(d, port, number);
}

/*
 * Takes the event locks needed to close a port; which they are is only known once the port is
 * looked at. Returns the locked peer, with a reference that event_close_unlock() drops; NULL when
 * there is no other domain.
 */
static struct domain *event_close_lock(struct domain *d, struct event_port *port)
{
    spin_lock(&d->events.lock);
    while (port->state == EVENT_INTERDOMAIN && port->remote != d) {
        struct domain *remote = port->remote;

        /* Connected to us, so its structure cannot go before we let go of our lock. */
        if (!domain_try_get(remote))
            ASSERT(!"connected to a dead domain");
        spin_unlock(&d->events.lock);
        event_lock_pair(d, remote);
        if (port->state == EVENT_INTERDOMAIN && port->remote == remote)
            return remote;
        /* It changed while unlocked. Not under a lock: this may be the last reference. */
        event_unlock_pair(d, remote);
        domain_put(remote);
        spin_lock(&d->events.lock);
    }
    return NULL;
}

static void event_close_unlock(struct domain *d, struct domain *remote)
{
    spin_unlock(&d->events.lock);
    if (remote != NULL) {
        spin_unlock(&remote->events.lock);
        domain_put(remote);
    }
}

int event_close(struct domain *d, uint32_t number)
{
    struct event_port *port = event_port_get(d, number);
    struct domain *remote;
    int rc = -EINVAL;

    if (port == NULL)
        return -EINVAL;
    remote = event_close_lock(d, port);
    if (port->state != EVENT_FREE) {
        event_disconnect(d, port, number);
        rc = 0;
    }
    event_close_unlock(d, remote);
    return rc;
}

/* ---- closing everything ---------------------------------------------------------------------- */

/* From port *number on in its group, one that is in use; false: none, *number is the next group's.
 */
static bool event_used_find(struct domain *d, uint32_t *number)
{
    struct domain_events *e = &d->events;
    uint32_t group = *number >> EVENT_GROUP_SHIFT;
    uint32_t end = (group + 1) << EVENT_GROUP_SHIFT;

    spin_lock(&e->lock);
    if (e->group_free[group] == EVENT_GROUP_PORTS)
        *number = end;
    while (*number < end && event_port_get(d, *number)->state == EVENT_FREE)
        ++*number;
    spin_unlock(&e->lock);
    return *number < end;
}

/* 0: no port was in use when looked at; -ERESTART: other work waits. */
static int event_close_all(struct domain *d)
{
    uint32_t number = 0;

    while (number < d->events.port_count) {
        if (!event_used_find(d, &number))
            continue;
        event_close(d, number++);
        if (hypercall_should_yield())
            return -ERESTART;
    }
    return 0;
}

int event_reset(struct domain *d, bool to_2l)
{
    int rc = event_close_all(d);

    if (rc == 0 && to_2l && event_uses_fifo(d)) {
        rc = event_fifo_leave(d);
        if (rc == -EBUSY) /* bound again meanwhile: close that too */
            rc = -ERESTART;
    }
    return rc;
}

int event_domain_fini(struct domain *d)
{
    if (d->events.groups == NULL)
        return 0;
    spin_lock(&d->events.lock);
    d->events.is_closed = true;
    spin_unlock(&d->events.lock);
    return event_reset(d, true);
}
