/* SPDX-License-Identifier: MIT */
/*
 * Event channels: the hypercall. Copies the argument in, finds the domains it speaks of and checks
 * what the caller may do with them; the work is in event_bind.c and event_fifo.c. A result that
 * cannot be written back undoes what was made.
 */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/errno.h>
#include <kr/hypercall.h>

#include "event_internal.h"

/* A domain the caller may act upon: itself, or any if it is the control domain. With a reference.
 */
static int event_target_get(struct domain *caller, domid_t id, struct domain **out)
{
    struct domain *d = domain_get_by_guest_id(id);

    if (d == NULL)
        return -ESRCH;
    if (d != caller && !caller->is_privileged) {
        domain_put(d);
        return -EPERM;
    }
    *out = d;
    return 0;
}

/* Writes the result of an operation that made a port. */
#define event_return_port(d, addr, op, field, number) \
    ({                                                \
        int rc_ = (number);                           \
                                                      \
        if (rc_ > 0) {                                \
            (op)->field = rc_;                        \
            rc_ = guest_write(addr, op);              \
            if (rc_ != 0)                             \
                event_close(d, (op)->field);          \
        }                                             \
        rc_;                                          \
    })

static int op_alloc_unbound(struct domain *d, uint64_t addr)
{
    struct evtchn_alloc_unbound op;
    struct domain *target;
    int rc = guest_read(&op, addr);

    if (rc != 0)
        return rc;
    rc = event_target_get(d, op.dom, &target);
    if (rc != 0)
        return rc;
    rc = event_alloc_unbound(target, op.remote_dom == DOMAIN_ID_SELF ? d->id : op.remote_dom);
    rc = event_return_port(target, addr, &op, port, rc);
    domain_put(target);
    return rc;
}

static int op_bind_interdomain(struct domain *d, uint64_t addr)
{
    struct evtchn_bind_interdomain op;
    struct domain *remote;
    int rc = guest_read(&op, addr);

    if (rc != 0)
        return rc;
    remote = domain_get_by_guest_id(op.remote_dom);
    if (remote == NULL)
        return -ESRCH;
    rc = event_bind_interdomain(d, remote, op.remote_port);
    rc = event_return_port(d, addr, &op, local_port, rc);
    domain_put(remote);
    return rc;
}

static int op_bind_virq(struct domain *d, uint64_t addr)
{
    struct evtchn_bind_virq op;
    int rc = guest_read(&op, addr);

    return rc != 0 ? rc
                   : event_return_port(d, addr, &op, port, event_bind_virq(d, op.virq, op.vcpu));
}

static int op_bind_pirq(struct domain *d, uint64_t addr)
{
    struct evtchn_bind_pirq op;
    int rc = guest_read(&op, addr);

    if (rc != 0)
        return rc;
    rc = event_bind_pirq(d, op.pirq, op.flags & BIND_PIRQ__WILL_SHARE);
    return event_return_port(d, addr, &op, port, rc);
}

static int op_bind_ipi(struct domain *d, uint64_t addr)
{
    struct evtchn_bind_ipi op;
    int rc = guest_read(&op, addr);

    return rc != 0 ? rc : event_return_port(d, addr, &op, port, event_bind_ipi(d, op.vcpu));
}

static int op_bind_vcpu(struct domain *d, uint64_t addr)
{
    struct evtchn_bind_vcpu op;
    int rc = guest_read(&op, addr);

    return rc != 0 ? rc : event_bind_vcpu(d, op.port, op.vcpu);
}

static int op_close(struct domain *d, uint64_t addr)
{
    struct evtchn_close op;
    int rc = guest_read(&op, addr);

    return rc != 0 ? rc : event_close(d, op.port);
}

static int op_send(struct domain *d, uint64_t addr)
{
    struct evtchn_send op;
    int rc = guest_read(&op, addr);

    return rc != 0 ? rc : event_send(d, op.port);
}

static int op_unmask(struct domain *d, uint64_t addr)
{
    struct evtchn_unmask op;
    int rc = guest_read(&op, addr);

    return rc != 0 ? rc : event_unmask(d, op.port);
}

/* Fills in the answer for a port. */
static int event_status(struct domain *d, struct evtchn_status *op)
{
    struct event_port *port = event_port_get(d, op->port);

    if (port == NULL) {
        /* Port 0 is never used. Who lists ports goes on until the first error. */
        op->status = EVTCHNSTAT_closed;
        op->vcpu = 0;
        return op->port == 0 ? 0 : -EINVAL;
    }
    spin_lock(&port->lock);
    op->status = port->state;
    op->vcpu = port->vcpu;
    switch (port->state) {
    case EVENT_UNBOUND: op->u.unbound.dom = port->remote_id; break;
    case EVENT_INTERDOMAIN:
        op->u.interdomain.dom = port->remote->id;
        op->u.interdomain.port = port->source;
        break;
    case EVENT_PIRQ: op->u.pirq = port->source; break;
    case EVENT_VIRQ: op->u.virq = port->source; break;
    default: break;
    }
    spin_unlock(&port->lock);
    return 0;
}

static int op_status(struct domain *d, uint64_t addr)
{
    struct evtchn_status op;
    struct domain *target;
    int rc = guest_read(&op, addr);

    if (rc != 0)
        return rc;
    rc = event_target_get(d, op.dom, &target);
    if (rc != 0)
        return rc;
    rc = event_status(target, &op);
    domain_put(target);
    return rc != 0 ? rc : guest_write(addr, &op);
}

static int op_reset(struct domain *d, uint64_t addr)
{
    struct evtchn_reset op;
    struct domain *target;
    int rc = guest_read(&op, addr);

    if (rc != 0)
        return rc;
    rc = event_target_get(d, op.dom, &target);
    if (rc != 0)
        return rc;
    rc = event_reset(target, target == d);
    domain_put(target);
    return rc;
}

static int op_init_control(struct domain *d, uint64_t addr)
{
    struct evtchn_init_control op;
    int rc = guest_read(&op, addr);

    if (rc != 0)
        return rc;
    /* Always the same, so it goes first: a control block cannot be undone. */
    op.link_bits = EVTCHN_FIFO_LINK_BITS;
    rc = guest_write(addr, &op);
    return rc != 0 ? rc : event_fifo_init_control(d, &op);
}

static int op_expand_array(struct domain *d, uint64_t addr)
{
    struct evtchn_expand_array op;
    int rc = guest_read(&op, addr);

    return rc != 0 ? rc : event_fifo_expand_array(d, op.array_gfn);
}

static int op_set_priority(struct domain *d, uint64_t addr)
{
    struct evtchn_set_priority op;
    int rc = guest_read(&op, addr);

    return rc != 0 ? rc : event_set_priority(d, op.port, op.priority);
}

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(EVTCHNOP_, nr, name);
#include "event_ops.def"
#undef OPERATION

hypercall_result do_event_channel_op(struct hypercall_args *args)
{
    struct domain *d = current_vcpu()->domain;
    uint64_t addr = args->arg[1];

    switch ((uint32_t)args->arg[0]) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return op_##name(d, addr);
#include "event_ops.def"
#undef OPERATION
    default: return -ENOSYS;
    }
}
