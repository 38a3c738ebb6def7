/* SPDX-License-Identifier: MIT */
/* Debug key 'e': the event channels of all domains. */
#include <kr/debugkey.h>

#include "event_internal.h"

static void dump_source(const struct event_port *port, uint32_t number, const char *flags)
{
    switch (port->state) {
    case EVENT_UNBOUND:
        log_always("  %5u [%s] v%u waits for d%u", number, flags, port->vcpu, port->remote_id);
        break;
    case EVENT_INTERDOMAIN:
        log_always("  %5u [%s] v%u connected to d%u port %u", number, flags, port->vcpu,
                   port->remote->id, port->source);
        break;
    case EVENT_PIRQ:
        log_always("  %5u [%s] v%u pirq %u", number, flags, port->vcpu, port->source);
        break;
    case EVENT_VIRQ:
        log_always("  %5u [%s] v%u virq %u", number, flags, port->vcpu, port->source);
        break;
    default: log_always("  %5u [%s] v%u ipi", number, flags, port->vcpu); break;
    }
}

/* [e] held */
static void dump_port(struct domain *d, uint32_t number)
{
    struct event_port *port = event_port_get(d, number);
    bool is_fifo = event_uses_fifo(d);
    char flags[4];

    if (port->state == EVENT_FREE)
        return;
    flags[0] = (is_fifo ? event_fifo_is_pending : event_2l_is_pending)(d, number) ? 'p' : '-';
    flags[1] = (is_fifo ? event_fifo_is_masked : event_2l_is_masked)(d, number) ? 'm' : '-';
    flags[2] = is_fifo && event_fifo_is_linked(d, number) ? 'l' : '-';
    flags[3] = '\0';
    dump_source(port, number, flags);
}

static void dump_domain(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    spin_lock(&d->events.lock);
    log_always("d%u: %s, %u ports in use", d->id, event_uses_fifo(d) ? "FIFO" : "two-level",
               d->events.used_count);
    domain_for_each_vcpu(d, v, i)
    {
        const struct vcpu_info *info = v->info;
        bool is_pending = info && __atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_RELAXED);

        if (info != NULL)
            log_always("  v%u: upcall %s%s%s", i, is_pending ? "pending" : "idle",
                       vcpu_has_upcall(v) || !is_pending ? "" : ", masked",
                       v->polling ? ", polling" : "");
    }
    for (uint32_t number = 1; number < d->events.port_count; number++)
        dump_port(d, number);
    spin_unlock(&d->events.lock);
}

static void dump_all(void)
{
    struct domain *d;

    log_always("Event channels: port [pending, masked, linked] vCPU, what raises it");
    for (unsigned id = 0; (d = domain_get_next(id)) != NULL;) {
        dump_domain(d);
        id = d->id + 1;
        domain_put(d);
    }
}
DEBUGKEY('e', "dump event channels", dump_all);
