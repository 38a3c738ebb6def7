/* SPDX-License-Identifier: MIT */
/* Rules of event channels: tables of ports, what ports are bound to, who polls. Whether events
 * arrive is in check_delivery.c. */
#include "check.h"
#include "gen.h"

#include <kr/cpu.h>
#include <kr/domain.h>

#include <stdatomic.h>

#include "../../core/event_internal.h"

static bool is_known(const struct domain *d)
{
    for (unsigned i = 0; i < check_domain_count; i++)
        if (check_domain[i] == d)
            return true;
    return false;
}

/* ---- what ports are bound to ------------------------------------------------------------------
 */

static void check_interdomain(struct domain *d, const struct event_port *port, uint32_t number)
{
    struct event_port *peer;

    RULE("interdomain port", is_known(port->remote) && port->remote->refs > 0,
         "d%u port %u is connected to a domain that is not there", d->id, number);
    peer = event_port_get(port->remote, port->source);
    RULE("interdomain port",
         peer && peer->state == EVENT_INTERDOMAIN && peer->remote == d && peer->source == number,
         "d%u port %u is connected to d%u port %u, which is in state %u with port %u", d->id,
         number, port->remote->id, port->source, peer ? peer->state : 99, peer ? peer->source : 0);
}

static void check_virq(struct domain *d, const struct event_port *port, uint32_t number)
{
    unsigned vcpu = event_virq_is_global(port->source) ? 0 : port->vcpu;
    struct vcpu *v = domain_vcpu(d, vcpu);

    RULE("virq port",
         port->source < EVENT_VIRQ_COUNT && v && v->events.virq_port[port->source] == number,
         "d%u port %u has virq %u of vCPU %u, who knows port %u", d->id, number, port->source, vcpu,
         v && port->source < EVENT_VIRQ_COUNT ? v->events.virq_port[port->source] : 0);
}

static void check_port(struct domain *d, struct event_port *port, uint32_t number)
{
    RULE("event port", number != 0 && number < d->events.port_max, "d%u port %u is in use", d->id,
         number);
    RULE("event port", domain_vcpu(d, port->vcpu) || port->vcpu == 0,
         "d%u port %u notifies vCPU %u, which is not there", d->id, number, port->vcpu);
    RULE("event port", port->priority <= EVTCHN_FIFO_PRIORITY_MIN, "d%u port %u has priority %u",
         d->id, number, port->priority);
    RULE("event port", (port->state == EVENT_INTERDOMAIN) == (port->remote != NULL),
         "d%u port %u: state %u, connected %u", d->id, number, port->state, port->remote != NULL);
    switch (port->state) {
    case EVENT_UNBOUND: break;
    case EVENT_INTERDOMAIN: check_interdomain(d, port, number); break;
    case EVENT_PIRQ:
        RULE("pirq port", event_pirq_port(d, port->source) == number,
             "d%u port %u has pirq %u, whose port is %u", d->id, number, port->source,
             event_pirq_port(d, port->source));
        break;
    case EVENT_VIRQ: check_virq(d, port, number); break;
    case EVENT_IPI:
        RULE("ipi port", domain_vcpu(d, port->vcpu), "d%u port %u: no vCPU %u", d->id, number,
             port->vcpu);
        break;
    default: RULE("event port", false, "d%u port %u is in state %u", d->id, number, port->state);
    }
}

/* The opposite direction: what knows a port is what it is bound to. */
static void check_virqs_of(struct domain *d, const struct vcpu *v)
{
    for (unsigned virq = 0; virq < EVENT_VIRQ_COUNT; virq++) {
        uint32_t number = v->events.virq_port[virq];
        const struct event_port *port = number ? event_port_get(d, number) : NULL;

        RULE("virq", number == 0 || (port && port->state == EVENT_VIRQ && port->source == virq),
             "d%uv%u: virq %u has port %u, which is in state %u for %u", d->id, v->id, virq, number,
             port ? port->state : 99, port ? port->source : 0);
        RULE("virq", number == 0 || v->id == 0 || !event_virq_is_global(virq),
             "d%uv%u has global virq %u", d->id, v->id, virq);
    }
}

static void check_pirqs_of(struct domain *d)
{
    for (unsigned group = 0; group < ARRAY_SIZE(d->events.pirq_ports); group++) {
        _Atomic uint32_t *slots = d->events.pirq_ports[group];

        for (unsigned i = 0; slots && i < EVENT_PIRQ_GROUP; i++) {
            const struct event_port *port = slots[i] ? event_port_get(d, slots[i]) : NULL;

            RULE("pirq",
                 slots[i] == 0 || (port && port->state == EVENT_PIRQ &&
                                   port->source == group * EVENT_PIRQ_GROUP + i),
                 "d%u: pirq %u has port %u, which is in state %u for %u", d->id,
                 group * EVENT_PIRQ_GROUP + i, slots[i], port ? port->state : 99,
                 port ? port->source : 0);
        }
    }
}

/* ---- tables -----------------------------------------------------------------------------------
 */

static void check_free_port(const struct domain *d, const struct event_port *port, uint32_t number)
{
    RULE("free port", !port->remote && port->source == 0 && port->vcpu == 0,
         "d%u port %u is free, but has vCPU %u, source %u", d->id, number, port->vcpu,
         port->source);
    RULE("free port", !port->is_latched, "d%u port %u is free, but latched", d->id, number);
}

/* Returns how many ports of the group are free for use. */
static unsigned check_group(struct domain *d, uint32_t group)
{
    struct event_port *ports = d->events.groups[group];
    unsigned free = 0;

    for (unsigned i = 0; i < EVENT_GROUP_PORTS; i++) {
        uint32_t number = group * EVENT_GROUP_PORTS + i;

        RULE("locks", !spin_is_locked(&ports[i].lock), "d%u port %u", d->id, number);
        if (ports[i].state == EVENT_FREE)
            check_free_port(d, &ports[i], number);
        else
            check_port(d, &ports[i], number);
        free += ports[i].state == EVENT_FREE && number != 0;
    }
    return free;
}

static void check_table(struct domain *d)
{
    struct domain_events *e = &d->events;
    unsigned used = 0;

    RULE("event table",
         e->port_count % EVENT_GROUP_PORTS == 0 &&
             e->port_count < e->port_max + EVENT_GROUP_PORTS && e->port_max <= EVENT_PORT_COUNT_MAX,
         "d%u has %u ports of at most %u", d->id, e->port_count, e->port_max);
    RULE("locks", !spin_is_locked(&e->lock), "event lock of d%u", d->id);
    for (uint32_t group = 0; group < e->port_count / EVENT_GROUP_PORTS; group++) {
        unsigned free = check_group(d, group);

        RULE("event table", free == e->group_free[group],
             "d%u has %u free ports in group %u, %u are counted", d->id, free, group,
             e->group_free[group]);
        RULE("event table", free == 0 || group >= e->free_group_hint,
             "d%u has %u free ports in group %u, the hint says to begin at %u", d->id, free, group,
             e->free_group_hint);
        used += EVENT_GROUP_PORTS - (group == 0) - free;
    }
    RULE("event table", used == e->used_count, "d%u uses %u ports, %u are counted", d->id, used,
         e->used_count);
}

/* ---- polling ----------------------------------------------------------------------------------
 */

/* Of several ports it is not known which; a guest that changes its own bits wakes nobody. */
static bool is_polled_port_pending(struct domain *d, const struct vcpu *v)
{
    return v->polling && v->poll_port != 0 && !model_of(d)->scribbles && d->refs > 0 &&
           event_port_is_pending(d, v->poll_port);
}

/* Whoever raises the upcall's flag wakes the vCPU; a guest that does it itself does not. */
static bool is_left_blocked(const struct vcpu *v)
{
    return (v->sched.stop & VCPU_STOP_BLOCKED) && vcpu_has_upcall(v) &&
           !model_of(v->domain)->scribbles && v->domain->refs > 0;
}

static void check_pollers(struct domain *d)
{
    unsigned pollers = 0;
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(d, v, i)
    {
        pollers += v->polling;
        RULE("lost wake-up", !is_left_blocked(v),
             "d%uv%u has an upcall to take, but is blocked (%#x)", d->id, v->id, v->sched.stop);
        RULE("poll", !is_polled_port_pending(d, v), "d%uv%u waits for port %u, which is pending",
             d->id, v->id, v->poll_port);
        RULE("poll", !v->polling || (v->sched.stop & VCPU_STOP_BLOCKED),
             "d%uv%u polls, but is not blocked (stopped for %#x)", d->id, i, v->sched.stop);
        check_virqs_of(d, v);
    }
    RULE("poll", pollers == d->events.poller_count, "d%u has %u pollers, %u are counted", d->id,
         pollers, d->events.poller_count);
}

void check_events(void)
{
    for (unsigned i = 0; i < check_domain_count; i++) {
        struct domain *d = check_domain[i];

        if (!d->events.groups)
            continue;
        check_table(d);
        check_pirqs_of(d);
        check_pollers(d);
        check_event_delivery(d);
    }
}
