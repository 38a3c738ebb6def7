/* SPDX-License-Identifier: MIT */
/* The event upcall and thin wrappers of HYPERVISOR_event_channel_op. */
#include "guest.h"
#include <xen/event_channel.h>

volatile unsigned event_counts[EVENT_PORTS];
volatile unsigned upcall_count;
evtchn_port_t event_order[64];
volatile unsigned event_order_count;

static event_handler_fn *handlers[EVENT_PORTS];

void event_deliver(evtchn_port_t port)
{
    if (port >= EVENT_PORTS)
        return;
    event_counts[port]++;
    event_order[event_order_count++ % ARRAY_SIZE(event_order)] = port;
    if (handlers[port])
        handlers[port](port);
}

static void collect_two_level(void)
{
    struct vcpu_info *info = vcpu_info_self();
    uint64_t selector = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

    while (selector) {
        unsigned word = __builtin_ctzl(selector);

        selector &= selector - 1;
        for (;;) {
            uint64_t bits = __atomic_load_n(&shared_info->evtchn_pending[word], __ATOMIC_SEQ_CST) &
                            ~shared_info->evtchn_mask[word];

            if (!bits)
                break;
            evtchn_port_t port = word * 64 + __builtin_ctzl(bits);

            event_clear(port);
            event_deliver(port);
        }
    }
}

static void event_upcall(struct trap_frame *frame)
{
    struct vcpu_info *info = vcpu_info_self();

    upcall_count++;
    do {
        info->evtchn_upcall_pending = 0;
        if (event_fifo_in_use())
            event_fifo_collect();
        else
            collect_two_level();
    } while (__atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_SEQ_CST));
}

void event_reset_handlers(void)
{
    memset(handlers, 0, sizeof(handlers));
    trap_handlers[VECTOR_EVENT] = event_upcall;
}

void event_handler_set(evtchn_port_t port, event_handler_fn *fn)
{
    handlers[port] = fn;
}

void events_enable(void)
{
    struct vcpu_info *info = vcpu_info_self();

    __atomic_store_n(&info->evtchn_upcall_mask, 0, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_SEQ_CST))
        xen_version(0, NULL);
}

void events_disable(void)
{
    __atomic_store_n(&vcpu_info_self()->evtchn_upcall_mask, 1, __ATOMIC_SEQ_CST);
}

bool event_pending(evtchn_port_t port)
{
    return __atomic_load_n(&shared_info->evtchn_pending[port / 64], __ATOMIC_SEQ_CST) &
           BIT(port % 64);
}

bool event_masked(evtchn_port_t port)
{
    return __atomic_load_n(&shared_info->evtchn_mask[port / 64], __ATOMIC_SEQ_CST) & BIT(port % 64);
}

void event_mask(evtchn_port_t port)
{
    __atomic_or_fetch(&shared_info->evtchn_mask[port / 64], BIT(port % 64), __ATOMIC_SEQ_CST);
}

void event_clear(evtchn_port_t port)
{
    __atomic_and_fetch(&shared_info->evtchn_pending[port / 64], ~BIT(port % 64), __ATOMIC_SEQ_CST);
}

long event_unmask(evtchn_port_t port)
{
    struct evtchn_unmask op = {.port = port};

    return event_channel_op(EVTCHNOP_unmask, &op);
}

long event_send(evtchn_port_t port)
{
    struct evtchn_send op = {.port = port};

    return event_channel_op(EVTCHNOP_send, &op);
}

long event_close(evtchn_port_t port)
{
    struct evtchn_close op = {.port = port};

    return event_channel_op(EVTCHNOP_close, &op);
}

long event_bind_virq(uint32_t virq, uint32_t vcpu)
{
    struct evtchn_bind_virq op = {.virq = virq, .vcpu = vcpu};
    long err = event_channel_op(EVTCHNOP_bind_virq, &op);

    return err ? err : op.port;
}

long event_bind_ipi(uint32_t vcpu)
{
    struct evtchn_bind_ipi op = {.vcpu = vcpu};
    long err = event_channel_op(EVTCHNOP_bind_ipi, &op);

    return err ? err : op.port;
}

long event_alloc_unbound(domid_t dom, domid_t remote)
{
    struct evtchn_alloc_unbound op = {.dom = dom, .remote_dom = remote};
    long err = event_channel_op(EVTCHNOP_alloc_unbound, &op);

    return err ? err : op.port;
}

long event_bind_interdomain(domid_t remote, evtchn_port_t port)
{
    struct evtchn_bind_interdomain op = {.remote_dom = remote, .remote_port = port};
    long err = event_channel_op(EVTCHNOP_bind_interdomain, &op);

    return err ? err : op.local_port;
}

bool event_wait(evtchn_port_t port, unsigned count, uint64_t timeout_ns)
{
    uint64_t end = time_now() + timeout_ns;

    while (event_counts[port] < count) {
        if (time_now() > end)
            return false;
        __builtin_ia32_pause();
    }
    return true;
}

long event_status(evtchn_port_t port, struct evtchn_status *status)
{
    *status = (struct evtchn_status){.dom = DOMID_SELF, .port = port};
    return event_channel_op(EVTCHNOP_status, status);
}

void event_pair(evtchn_port_t *a, evtchn_port_t *b)
{
    long first = event_alloc_unbound(DOMID_SELF, DOMID_SELF), second;

    REQUIRE(first > 0);
    second = event_bind_interdomain(DOMID_SELF, first);
    REQUIRE(second > 0);
    *a = first;
    *b = second;
}
