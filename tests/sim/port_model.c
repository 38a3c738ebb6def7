/* SPDX-License-Identifier: MIT */
/*
 * What is known of a port without looking at its bits: what was raised there and not taken since,
 * and whether it was moved. The functions by which events come, by which ports move, and by which
 * they end are called through here (--wrap, tests/sim/sim.mk); guests tell what they take.
 */
#include "gen.h"
#include "run.h"

#include <kr/cpu.h>

#include <stdatomic.h>

#include "../../core/event_internal.h"

struct port_model *port_model(const struct domain *d, uint32_t number)
{
    return number < PORTS_KNOWN ? &model_of(d)->port[number] : NULL;
}

void port_model_take(const struct domain *d, uint32_t number)
{
    struct port_model *m = port_model(d, number);

    if (!m)
        return;
    m->is_raised = false;
    m->ends++;
    model_of(d)->taken_count++;
}

/* ---- raising ----------------------------------------------------------------------------------
 */

/* An event on its way: the port that it is for, and how often one there has ended so far. */
struct raise {
    struct domain *d; /* NULL: nobody will get it */
    uint32_t number, ends;
};

static struct raise raise_begin(struct domain *d, uint32_t number)
{
    const struct port_model *m = port_model(d, number);

    return m && number != 0 ? (struct raise){d, number, m->ends} : (struct raise){0};
}

/* Was taken at once, or the port is another one by now, if the number of ends has changed. */
static void raise_end(const struct raise *r)
{
    struct port_model *m = r->d ? port_model(r->d, r->number) : NULL;

    if (m && m->ends == r->ends)
        m->is_raised = true;
}

/* Only what begins and ends with the same connection: else it is open who got it, if anybody. */
static bool is_same(const struct event_port *a, const struct event_port *b)
{
    return a->state == b->state && a->remote == b->remote && a->source == b->source;
}

int __real_event_send(struct domain *d, uint32_t number);
int __wrap_event_send(struct domain *d, uint32_t number)
{
    const struct event_port *port = event_port_get(d, number);
    struct event_port before = port ? *port : (struct event_port){0};
    struct raise from = raise_begin(d, number), to = {0};
    int rc;

    if (before.state == EVENT_IPI)
        to = from;
    else if (before.state == EVENT_INTERDOMAIN && from.d)
        to = raise_begin(before.remote, before.source);
    rc = __real_event_send(d, number);
    if (rc == 0 && to.d && is_same(port, &before) && port_model(d, number)->ends == from.ends)
        raise_end(&to);
    return rc;
}

/* By the source's number, which has this port before and after. */
static void source_raised(const struct raise *r, uint32_t number)
{
    if (number == r->number)
        raise_end(r);
}

void __real_event_raise_virq(struct vcpu *v, unsigned virq);
void __wrap_event_raise_virq(struct vcpu *v, unsigned virq)
{
    struct raise r = raise_begin(v->domain, v->events.virq_port[virq]);

    __real_event_raise_virq(v, virq);
    source_raised(&r, v->events.virq_port[virq]);
}

void __real_event_raise_global_virq(unsigned virq);
void __wrap_event_raise_global_virq(unsigned virq)
{
    struct vcpu *v = control_domain ? domain_vcpu(control_domain, 0) : NULL;
    struct raise r = v ? raise_begin(v->domain, v->events.virq_port[virq]) : (struct raise){0};

    __real_event_raise_global_virq(virq);
    if (v)
        source_raised(&r, v->events.virq_port[virq]);
}

bool __real_event_raise_pirq(struct domain *d, unsigned pirq);
bool __wrap_event_raise_pirq(struct domain *d, unsigned pirq)
{
    struct raise r = raise_begin(d, event_pirq_port(d, pirq));
    bool is_bound = __real_event_raise_pirq(d, pirq);

    if (is_bound)
        source_raised(&r, event_pirq_port(d, pirq));
    return is_bound;
}

/* Whoever connects hears of it, as its peer may have sent before. */
int __real_event_bind_interdomain(struct domain *d, struct domain *remote, uint32_t remote_number);
int __wrap_event_bind_interdomain(struct domain *d, struct domain *remote, uint32_t remote_number)
{
    uint64_t taken = model_of(d)->taken_count;
    int number = __real_event_bind_interdomain(d, remote, remote_number);
    struct port_model *m = number > 0 ? port_model(d, number) : NULL;

    if (m && model_of(d)->taken_count == taken)
        m->is_raised = true;
    return number;
}

/* ---- moving and ending ------------------------------------------------------------------------
 */

static void moved(const struct domain *d, uint32_t number)
{
    if (port_model(d, number))
        port_model(d, number)->is_moved = true;
}

int __real_event_bind_vcpu(struct domain *d, uint32_t number, uint32_t vcpu);
int __wrap_event_bind_vcpu(struct domain *d, uint32_t number, uint32_t vcpu)
{
    moved(d, number);
    return __real_event_bind_vcpu(d, number, vcpu);
}

int __real_event_set_priority(struct domain *d, uint32_t number, uint32_t priority);
int __wrap_event_set_priority(struct domain *d, uint32_t number, uint32_t priority)
{
    moved(d, number);
    return __real_event_set_priority(d, number, priority);
}

void __real_event_port_release(struct domain *d, struct event_port *port, uint32_t number);
void __wrap_event_port_release(struct domain *d, struct event_port *port, uint32_t number)
{
    __real_event_port_release(d, port, number);
    port_model_take(d, number);
}
