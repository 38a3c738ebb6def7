/* SPDX-License-Identifier: MIT */
/* Event channels as kernels and toolstacks use them, with the mistakes they could make. */
#include "run.h"

#include <kr/errno.h>

#include <xen/xen.h>

#include <xen/event_channel.h>

#define BURST_MAX         24
#define VIRQS             24
#define WRONG_ONE_IN      12
#define OFFER(port, to)   ((uint64_t)(port) << 16 | (uint16_t)(to))
#define OFFER_PORT(offer) ((uint32_t)((offer) >> 16))
#define OFFER_TO(offer)   ((uint16_t)(offer))

long event_op(struct actor *a, unsigned op, void *object, size_t size_bytes)
{
    return call_struct(a, __HYPERVISOR_event_channel_op, op, object, size_bytes);
}

uint16_t pick_living(struct actor *a)
{
    if (pick_one_in(a, 3) || run.domain_count == 0)
        return a->domain->id;
    return run.domains[pick(a, run.domain_count)];
}

/* One of its ports, seldom a near or far one. */
static uint32_t some_port(struct actor *a)
{
    if (pick_one_in(a, WRONG_ONE_IN))
        return pick_one_in(a, 2) ? pick(a, 200) : (uint32_t)pick_word(a);
    return pick_port(a);
}

/* ---- binding ----------------------------------------------------------------------------------
 */

static void alloc_unbound(struct actor *a)
{
    uint16_t owner = a->domain->is_privileged && pick_one_in(a, 2) ? pick_living(a) : DOMID_SELF;
    struct evtchn_alloc_unbound op = {.dom = owner, .remote_dom = pick_living(a)};
    struct domain_model *m = owner == DOMID_SELF ? a->model : model_by_id(owner);

    if (pick_one_in(a, WRONG_ONE_IN))
        op.dom = pick_domain(a);
    if (pick_one_in(a, WRONG_ONE_IN))
        op.remote_dom = pick_domain(a);
    if (event_op(a, EVTCHNOP_alloc_unbound, &op, sizeof(op)) != 0 || !m || op.dom != owner)
        return;
    pool_add(&m->ports, op.port);
    pool_add(&m->offers,
             OFFER(op.port, op.remote_dom == DOMID_SELF ? a->domain->id : op.remote_dom));
}

/* Until there are no more, or so many that it will be soon. */
static void alloc_many(struct actor *a)
{
    struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    unsigned left = pick_range(a, 8, 140);

    while (left-- > 0 && event_op(a, EVTCHNOP_alloc_unbound, &op, sizeof(op)) == 0)
        pool_add(&a->model->ports, op.port);
}

/* A port of that domain which waits for this one; 0: none known. */
static uint32_t offer_take(struct actor *a, struct domain_model *m)
{
    for (unsigned i = 0; i < m->offers.count; i++) {
        uint64_t offer = m->offers.value[i];

        if (OFFER_TO(offer) != a->domain->id)
            continue;
        pool_remove(&m->offers, offer);
        return OFFER_PORT(offer);
    }
    return 0;
}

static void bind_interdomain(struct actor *a)
{
    struct evtchn_bind_interdomain op = {.remote_dom = pick_living(a)};
    struct domain_model *m;

    for (unsigned i = 0; i < run.domain_count && op.remote_port == 0; i++) {
        op.remote_dom = run.domains[i];
        m = model_by_id(op.remote_dom);
        op.remote_port = m ? offer_take(a, m) : 0;
    }
    if (op.remote_port == 0 || pick_one_in(a, WRONG_ONE_IN))
        op.remote_port = some_port(a);
    if (pick_one_in(a, WRONG_ONE_IN))
        op.remote_dom = pick_domain(a);
    if (event_op(a, EVTCHNOP_bind_interdomain, &op, sizeof(op)) == 0)
        pool_add(&a->model->ports, op.local_port);
}

static void virq_bind(struct actor *a, uint32_t virq, uint32_t vcpu)
{
    struct evtchn_bind_virq op = {.virq = virq, .vcpu = vcpu};

    if (event_op(a, EVTCHNOP_bind_virq, &op, sizeof(op)) == 0)
        pool_add(&a->model->ports, op.port);
}

void event_timer_bind(struct actor *a)
{
    virq_bind(a, VIRQ_TIMER, a->vcpu->id);
}

static void bind_virq(struct actor *a)
{
    if (pick_one_in(a, 4))
        virq_bind(a, pick(a, VIRQS + 2), pick_vcpu(a));
    else if (pick_one_in(a, 2))
        virq_bind(a, pick(a, VIRQS), 0);
    else
        virq_bind(a, pick(a, 2) ? VIRQ_TIMER : VIRQ_DEBUG, pick(a, a->domain->vcpu_max));
}

static void bind_pirq(struct actor *a)
{
    struct evtchn_bind_pirq op = {.pirq = pick_pool(a, &a->model->pirqs),
                                  .flags = pick_one_in(a, 2) ? BIND_PIRQ__WILL_SHARE : 0};

    if (pick_one_in(a, 6))
        op.pirq = pick(a, 300);
    if (event_op(a, EVTCHNOP_bind_pirq, &op, sizeof(op)) == 0)
        pool_add(&a->model->ports, op.port);
}

static void bind_ipi(struct actor *a)
{
    struct evtchn_bind_ipi op = {.vcpu = pick_vcpu(a)};

    if (event_op(a, EVTCHNOP_bind_ipi, &op, sizeof(op)) == 0)
        pool_add(&a->model->ports, op.port);
}

/* ---- using ------------------------------------------------------------------------------------
 */

static void bind_vcpu(struct actor *a)
{
    struct evtchn_bind_vcpu op = {.port = some_port(a), .vcpu = pick_vcpu(a)};

    event_op(a, EVTCHNOP_bind_vcpu, &op, sizeof(op));
}

static void send(struct actor *a)
{
    struct evtchn_send op = {.port = some_port(a)};

    event_op(a, EVTCHNOP_send, &op, sizeof(op));
}

static void send_burst(struct actor *a)
{
    for (unsigned left = pick_range(a, 2, BURST_MAX); left > 0; left--)
        send(a);
}

static void status(struct actor *a)
{
    bool own = !a->domain->is_privileged || pick_one_in(a, 2);
    struct evtchn_status op = {.dom = own ? DOMID_SELF : pick_living(a), .port = some_port(a)};

    if (pick_one_in(a, WRONG_ONE_IN))
        op.dom = pick_domain(a);
    event_op(a, EVTCHNOP_status, &op, sizeof(op));
}

static void set_priority(struct actor *a)
{
    struct evtchn_set_priority op = {.port = some_port(a), .priority = pick(a, 17)};

    event_op(a, EVTCHNOP_set_priority, &op, sizeof(op));
}

static void port_close(struct actor *a)
{
    struct evtchn_close op = {.port = some_port(a)};

    if (event_op(a, EVTCHNOP_close, &op, sizeof(op)) == 0)
        pool_remove(&a->model->ports, op.port);
}

/* Of itself; the control domain also of others, as when a domain is rebooted in place. */
static void reset(struct actor *a)
{
    bool own = !a->domain->is_privileged || pick_one_in(a, 4);
    struct evtchn_reset op = {.dom = own ? DOMID_SELF : pick_living(a)};

    if (pick_one_in(a, WRONG_ONE_IN))
        op.dom = pick_domain(a);
    if (event_op(a, EVTCHNOP_reset, &op, sizeof(op)) != 0)
        return;
    if (op.dom == DOMID_SELF || op.dom == a->domain->id) {
        a->model->ports.count = a->model->ports.next = 0;
        fifo_forget(a->model);
        event_timer_bind(a);
    }
}

/* ---- masks ------------------------------------------------------------------------------------
 */

static uint64_t *mask_word(struct actor *a, uint32_t port)
{
    return port < EVTCHN_2L_NR_CHANNELS ? &a->domain->shared_info->evtchn_mask[port / 64] : NULL;
}

static void mask(struct actor *a)
{
    uint32_t port = pick_port(a);

    if (a->domain->events.fifo)
        fifo_mask(a, port);
    else if (mask_word(a, port))
        __atomic_fetch_or(mask_word(a, port), BIT(port % 64), __ATOMIC_SEQ_CST);
    trace_note(a, "mask", port, 0, 0);
}

/* In place, as Linux does for ports of the vCPU that it is on: what is pending is made known by the
 * guest itself. For others that would be wrong, so the hypervisor is asked. */
static bool unmask_in_place(struct actor *a, uint32_t port)
{
    struct shared_info *s = a->domain->shared_info;
    struct vcpu_info *info = a->vcpu->info;

    if (a->domain->events.fifo)
        return fifo_unmask(a, port);
    if (a->domain->vcpu_max > 1 || !mask_word(a, port))
        return false;
    __atomic_fetch_and(mask_word(a, port), ~BIT(port % 64), __ATOMIC_SEQ_CST);
    if (!(s->evtchn_pending[port / 64] & BIT(port % 64)))
        return true;
    if (!(__atomic_fetch_or(&info->evtchn_pending_sel, BIT(port / 64), __ATOMIC_SEQ_CST) &
          BIT(port / 64)))
        __atomic_store_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
    return true;
}

static void unmask(struct actor *a)
{
    struct evtchn_unmask op = {.port = some_port(a)};

    if (pick_one_in(a, 2) || !unmask_in_place(a, op.port))
        event_op(a, EVTCHNOP_unmask, &op, sizeof(op));
    else
        trace_note(a, "unmask", op.port, 0, 0);
}

static void unmask_all(struct actor *a)
{
    for (unsigned i = 0; i < a->model->ports.count; i++) {
        struct evtchn_unmask op = {.port = a->model->ports.value[i]};

        event_op(a, EVTCHNOP_unmask, &op, sizeof(op));
    }
}

const struct operation event_operations[] = {
    {"alloc_unbound", GROUP_EVENT, 8, false, alloc_unbound},
    {"alloc_unbound many", GROUP_EVENT, 1, false, alloc_many},
    {"bind_interdomain", GROUP_EVENT, 10, false, bind_interdomain},
    {"bind_virq", GROUP_EVENT, 4, false, bind_virq},
    {"bind_pirq", GROUP_EVENT, 4, false, bind_pirq},
    {"bind_ipi", GROUP_EVENT, 4, false, bind_ipi},
    {"bind_vcpu", GROUP_EVENT, 4, false, bind_vcpu},
    {"send", GROUP_EVENT, 12, false, send},
    {"burst of sends", GROUP_EVENT, 3, false, send_burst},
    {"status", GROUP_EVENT, 4, false, status},
    {"set_priority", GROUP_EVENT, 4, false, set_priority},
    {"close", GROUP_EVENT, 5, false, port_close},
    {"reset", GROUP_EVENT, 1, false, reset},
    {"mask", GROUP_EVENT, 5, false, mask},
    {"unmask", GROUP_EVENT, 6, false, unmask},
    {"unmask all", GROUP_EVENT, 1, false, unmask_all},
    {0},
};
