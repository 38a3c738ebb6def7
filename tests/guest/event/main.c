/* SPDX-License-Identifier: MIT */
/* Event channels in the two-level layout: HYPERVISOR_event_channel_op, delivery, masks, limits. */
#include "guest.h"

#define LAST_PORT 4095

TEST("status-closed")
{
    struct evtchn_status status;

    CHECK_EQ(event_status(0, &status), 0);
    CHECK_EQ(status.status, EVTCHNSTAT_closed);
    /* Far beyond the highest port ever used: closed, or -EINVAL as Xen answers. */
    long err = event_status(1000, &status);

    CHECK(err == -EINVAL || (err == 0 && status.status == EVTCHNSTAT_closed));
    CHECK(event_status(EVTCHN_FIFO_NR_CHANNELS, &status) < 0);
    CHECK(event_status(~0u, &status) < 0);
    status = (struct evtchn_status){.dom = 77, .port = 1};
    CHECK_EQ(event_channel_op(EVTCHNOP_status, &status), -ESRCH);
}

TEST("alloc-unbound")
{
    struct evtchn_status status;
    long port = event_alloc_unbound(DOMID_SELF, DOMID_SELF);

    REQUIRE(port > 0);
    CHECK_EQ(event_status(port, &status), 0);
    CHECK_EQ(status.status, EVTCHNSTAT_unbound);
    CHECK_EQ(status.u.unbound.dom, 0);
    CHECK_EQ(status.vcpu, 0);
    CHECK_EQ(event_close(port), 0);
    CHECK_EQ(event_status(port, &status), 0);
    CHECK_EQ(status.status, EVTCHNSTAT_closed);
    CHECK_EQ(event_alloc_unbound(0, 0), port); /* the lowest free one, by number of the domain */
    CHECK_EQ(event_close(port), 0);
    CHECK_EQ(event_alloc_unbound(77, DOMID_SELF), -ESRCH);
}

TEST("close-refused")
{
    CHECK_EQ(event_close(0), -EINVAL);
    CHECK_EQ(event_close(100), -EINVAL);
    CHECK_EQ(event_close(~0u), -EINVAL);
}

TEST("send-refused")
{
    CHECK_EQ(event_send(0), -EINVAL);
    CHECK_EQ(event_send(100), -EINVAL);
    CHECK_EQ(event_send(~0u), -EINVAL);
}

TEST("send-unbound")
{
    long port = event_alloc_unbound(DOMID_SELF, DOMID_SELF);

    CHECK_EQ(event_send(port), 0);
    CHECK(!event_pending(port));
    CHECK_EQ(event_close(port), 0);
}

TEST("loopback-status")
{
    evtchn_port_t a, b;
    struct evtchn_status status;

    event_pair(&a, &b);
    CHECK_EQ(event_status(a, &status), 0);
    CHECK_EQ(status.status, EVTCHNSTAT_interdomain);
    CHECK_EQ(status.u.interdomain.dom, 0);
    CHECK_EQ(status.u.interdomain.port, b);
    CHECK_EQ(event_status(b, &status), 0);
    CHECK_EQ(status.u.interdomain.port, a);
    CHECK_EQ(event_close(b), 0);
    CHECK_EQ(event_status(a, &status), 0);
    CHECK_EQ(status.status, EVTCHNSTAT_unbound);
    CHECK_EQ(event_close(a), 0);
}

/* Connecting raises an event on the local port once, as a lost-event guard for the binder. */
TEST("bind-raises")
{
    evtchn_port_t a, b;

    event_pair(&a, &b);
    CHECK(!event_pending(a));
    CHECK(event_pending(b));
    event_clear(b);
    CHECK_EQ(event_close(b), 0);
    CHECK_EQ(event_close(a), 0);
}

static void pair_clean(evtchn_port_t *a, evtchn_port_t *b)
{
    event_pair(a, b);
    events_enable();
    events_disable();
    event_clear(*a);
    event_clear(*b);
    event_counts[*a] = event_counts[*b] = 0;
    upcall_count = 0;
}

static void pair_close(evtchn_port_t a, evtchn_port_t b)
{
    CHECK_EQ(event_close(b), 0);
    CHECK_EQ(event_close(a), 0);
}

TEST("bind-interdomain-refused")
{
    evtchn_port_t a, b;

    CHECK(event_bind_interdomain(DOMID_SELF, 100) < 0);
    CHECK(event_bind_interdomain(DOMID_SELF, ~0u) < 0);
    CHECK_EQ(event_bind_interdomain(77, 1), -ESRCH);
    pair_clean(&a, &b);
    CHECK_EQ(event_bind_interdomain(DOMID_SELF, a), -EINVAL); /* taken */
    pair_close(a, b);
}

TEST("loopback-send")
{
    evtchn_port_t a, b;

    pair_clean(&a, &b);
    events_enable();
    CHECK_EQ(event_send(a), 0);
    CHECK_EQ(event_counts[b], 1); /* before the hypercall has returned */
    CHECK_EQ(event_counts[a], 0);
    CHECK_EQ(event_send(b), 0);
    CHECK_EQ(event_counts[a], 1);
    CHECK_EQ(upcall_count, 2);
    events_disable();
    pair_close(a, b);
}

TEST("vcpu-mask")
{
    evtchn_port_t a, b;

    pair_clean(&a, &b);
    CHECK_EQ(event_send(a), 0);
    CHECK_EQ(event_send(a), 0);
    CHECK_EQ(upcall_count, 0);
    CHECK_EQ(vcpu_info_self()->evtchn_upcall_pending, 1);
    CHECK_EQ(vcpu_info_self()->evtchn_pending_sel >> (b / 64) & 1, 1);
    CHECK(event_pending(b));
    events_enable();
    CHECK_EQ(upcall_count, 1);
    CHECK_EQ(event_counts[b], 1);
    events_disable();
    pair_close(a, b);
}

/* The handler runs masked and leaves by iret: unmasked again. */
static bool masked_in_handler;

static void note_mask(evtchn_port_t port)
{
    masked_in_handler = vcpu_info_self()->evtchn_upcall_mask;
}

TEST("upcall-state")
{
    evtchn_port_t a, b;

    pair_clean(&a, &b);
    event_handler_set(b, note_mask);
    masked_in_handler = false;
    events_enable();
    CHECK_EQ(event_send(a), 0);
    CHECK(masked_in_handler);
    CHECK_EQ(vcpu_info_self()->evtchn_upcall_mask, 0);
    CHECK_EQ(trap_last.vector, VECTOR_EVENT);
    CHECK_EQ(trap_last.frame.cs, FLAT_KERNEL_CS & ~3);
    CHECK_EQ(trap_last.frame.ss, FLAT_KERNEL_SS);
    CHECK_EQ(trap_last.frame.rflags & RFLAGS_IF, RFLAGS_IF);
    CHECK_EQ(trap_last.raw.rsp, (trap_last.frame.rsp & ~15UL) - 7 * 8);
    events_disable();
    pair_close(a, b);
}

/* A second event raised inside the handler comes before the interrupted code goes on. */
static evtchn_port_t resend_port;

static void resend(evtchn_port_t port)
{
    if (event_counts[port] == 1)
        CHECK_EQ(event_send(resend_port), 0);
}

TEST("send-in-handler")
{
    evtchn_port_t a, b;

    pair_clean(&a, &b);
    resend_port = a;
    event_handler_set(b, resend);
    events_enable();
    CHECK_EQ(event_send(a), 0);
    CHECK_EQ(event_counts[b], 2);
    events_disable();
    pair_close(a, b);
}

TEST("port-mask")
{
    evtchn_port_t a, b;

    pair_clean(&a, &b);
    event_mask(b);
    events_enable();
    CHECK_EQ(event_send(a), 0);
    CHECK(event_pending(b));
    CHECK_EQ(upcall_count, 0);
    CHECK_EQ(event_unmask(b), 0);
    CHECK(!event_masked(b));
    CHECK_EQ(event_counts[b], 1);
    CHECK_EQ(event_unmask(b), 0);
    CHECK_EQ(event_counts[b], 1);
    events_disable();
    pair_close(a, b);
    CHECK_EQ(event_unmask(~0u), -EINVAL);
}

/* A bit that is still set raises no second upcall. */
TEST("already-pending")
{
    evtchn_port_t a, b;

    pair_clean(&a, &b);
    CHECK_EQ(event_send(a), 0);
    vcpu_info_self()->evtchn_upcall_pending = 0;
    vcpu_info_self()->evtchn_pending_sel = 0;
    CHECK_EQ(event_send(a), 0);
    CHECK_EQ(vcpu_info_self()->evtchn_upcall_pending, 0);
    event_clear(b);
    CHECK_EQ(event_send(a), 0);
    CHECK_EQ(vcpu_info_self()->evtchn_upcall_pending, 1);
    events_enable();
    events_disable();
    pair_close(a, b);
}

/* Closing drops what is pending. */
TEST("close-clears-pending")
{
    evtchn_port_t a, b;

    pair_clean(&a, &b);
    CHECK_EQ(event_send(a), 0);
    CHECK(event_pending(b));
    CHECK_EQ(event_close(b), 0);
    CHECK(!event_pending(b));
    events_enable();
    events_disable();
    CHECK_EQ(event_counts[b], 0);
    CHECK_EQ(event_close(a), 0);
}

TEST("ipi")
{
    struct evtchn_status status;
    long port = event_bind_ipi(0);

    REQUIRE(port > 0);
    event_counts[port] = 0;
    CHECK_EQ(event_status(port, &status), 0);
    CHECK_EQ(status.status, EVTCHNSTAT_ipi);
    CHECK_EQ(status.vcpu, 0);
    events_enable();
    CHECK_EQ(event_send(port), 0);
    CHECK_EQ(event_counts[port], 1);
    events_disable();
    CHECK_EQ(event_close(port), 0);
    CHECK_EQ(event_bind_ipi(1), -ENOENT);
    CHECK_EQ(event_bind_ipi(~0u), -ENOENT);
}

TEST("virq")
{
    struct evtchn_status status;
    long port = event_bind_virq(VIRQ_DEBUG, 0);

    REQUIRE(port > 0);
    CHECK_EQ(event_status(port, &status), 0);
    CHECK_EQ(status.status, EVTCHNSTAT_virq);
    CHECK_EQ(status.u.virq, VIRQ_DEBUG);
    CHECK_EQ(event_bind_virq(VIRQ_DEBUG, 0), -EEXIST);
    CHECK_EQ(event_send(port), -EINVAL);
    CHECK_EQ(event_close(port), 0);
    CHECK_EQ(event_bind_virq(VIRQ_DEBUG, 0), port);
    CHECK_EQ(event_close(port), 0);
}

TEST("virq-refused")
{
    CHECK_EQ(event_bind_virq(NR_VIRQS, 0), -EINVAL);
    CHECK_EQ(event_bind_virq(~0u, 0), -EINVAL);
    CHECK_EQ(event_bind_virq(VIRQ_TIMER, 1), -ENOENT);
    CHECK_EQ(event_bind_virq(VIRQ_DOM_EXC, 1), -EINVAL); /* global ones are vCPU 0's */
}

/* The global ones belong to the control domain, which takes them once each. */
TEST("virq-global")
{
    static const uint32_t virqs[] = {VIRQ_CONSOLE, VIRQ_DOM_EXC, VIRQ_TBUF, VIRQ_PCPU_STATE,
                                     VIRQ_ARCH_0};

    for (unsigned i = 0; i < ARRAY_SIZE(virqs); i++) {
        long port = event_bind_virq(virqs[i], 0);

        if (CHECK(port > 0)) {
            CHECK_EQ(event_bind_virq(virqs[i], 0), -EEXIST);
            CHECK_EQ(event_close(port), 0);
        }
    }
}

TEST("bind-vcpu")
{
    evtchn_port_t a, b;
    struct evtchn_bind_vcpu op;
    long ipi = event_bind_ipi(0), timer = event_bind_virq(VIRQ_TIMER, 0);

    pair_clean(&a, &b);
    op = (struct evtchn_bind_vcpu){.port = a, .vcpu = 0};
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &op), 0);
    op.vcpu = 1;
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &op), -ENOENT);
    op = (struct evtchn_bind_vcpu){.port = ipi, .vcpu = 0};
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &op), -EINVAL);
    op.port = timer;
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &op), -EINVAL);
    op.port = 4000;
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &op), -EINVAL);
    CHECK_EQ(event_close(ipi), 0);
    CHECK_EQ(event_close(timer), 0);
    pair_close(a, b);
}

/* All ports of the layout, then the refusal, then the highest in use. */
TEST("port-limit")
{
    long port = 0, last = 0, peer;

    while ((port = event_alloc_unbound(DOMID_SELF, DOMID_SELF)) > 0)
        last = port;
    CHECK_EQ(port, -ENOSPC);
    REQUIRE_EQ(last, LAST_PORT);
    CHECK_EQ(event_close(LAST_PORT - 1), 0);
    peer = event_bind_interdomain(DOMID_SELF, LAST_PORT);
    CHECK_EQ(peer, LAST_PORT - 1);
    event_counts[LAST_PORT] = 0;
    events_enable();
    CHECK_EQ(event_send(peer), 0);
    CHECK_EQ(event_counts[LAST_PORT], 1);
    events_disable();
    for (port = 1; port <= LAST_PORT; port++)
        if (event_close(port) != 0)
            break;
    CHECK_EQ(port, LAST_PORT + 1);
}

TEST("old-callback-call")
{
    long port = event_bind_ipi(0);

    /* HYPERVISOR_set_callbacks: event, failsafe and syscall at once; the upcall masks events. */
    long err = hypercall3(__HYPERVISOR_set_callbacks, entry_event, entry_failsafe, entry_syscall);

    if (err == -ENOSYS) {
        CHECK_EQ(event_close(port), 0);
        SKIP("not built: nobody calls it today");
    }
    REQUIRE_EQ(err, 0);
    event_counts[port] = 0;
    events_enable();
    CHECK_EQ(event_send(port), 0);
    CHECK_EQ(event_counts[port], 1);
    events_disable();
    CHECK_EQ(event_close(port), 0);
    trap_init();
}

TEST("bad-commands")
{
    char buffer[64] = {0};

    CHECK_EQ(event_channel_op(99, buffer), -ENOSYS);
    for (unsigned cmd = EVTCHNOP_bind_interdomain; cmd <= EVTCHNOP_unmask; cmd++) {
        CHECK_EQ(event_channel_op(cmd, 0x1000), -EFAULT);
        CHECK_EQ(event_channel_op(cmd, HYPERVISOR_VIRT_START), -EFAULT);
    }
    /* Not in the FIFO layout. */
    CHECK_EQ(event_channel_op(EVTCHNOP_expand_array, buffer), -EOPNOTSUPP);
    struct evtchn_set_priority set = {.port = ~0u};

    CHECK_EQ(event_channel_op(EVTCHNOP_set_priority, &set), -EINVAL);
    set.port = 1;
    CHECK_EQ(event_channel_op(EVTCHNOP_set_priority, &set), -ENOSYS);
}

/* A result that cannot be written back takes its port back, too. */
TEST("unwritable-result")
{
    struct evtchn_bind_ipi *op = page_alloc();
    struct evtchn_status status;
    long next = event_bind_ipi(0);

    CHECK_EQ(event_close(next), 0);
    REQUIRE_EQ(page_set_writable(op, false), 0);
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_ipi, op), -EFAULT);
    REQUIRE_EQ(page_set_writable(op, true), 0);
    CHECK_EQ(event_status(next, &status), 0);
    if (status.status != EVTCHNSTAT_closed)
        CHECK_EQ(event_close(next), 0);
    page_free(op);
}

TEST("reset")
{
    struct evtchn_reset op = {.dom = DOMID_SELF};
    struct evtchn_status status;
    evtchn_port_t a, b;

    pair_clean(&a, &b);
    CHECK_EQ(event_channel_op(EVTCHNOP_reset, &op), 0);
    CHECK_EQ(event_status(a, &status), 0);
    CHECK_EQ(status.status, EVTCHNSTAT_closed);
    CHECK_EQ(event_status(b, &status), 0);
    CHECK_EQ(status.status, EVTCHNSTAT_closed);
    op.dom = 77;
    CHECK_EQ(event_channel_op(EVTCHNOP_reset, &op), -ESRCH);
}
