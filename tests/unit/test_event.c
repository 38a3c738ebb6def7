/* SPDX-License-Identifier: MIT */
/*
 * Event channels: every operation, right and wrong, in both delivery ABIs, with guests that keep
 * the rules and guests that do not. Sequences chosen at random are in test_event_model.c.
 */
/* SOURCES: core/event.c core/event_bind.c core/event_2l.c core/event_fifo.c core/event_op.c */
/* SOURCES: core/grant.c core/grant_pin.c core/page.c */
/* SOURCES: tests/unit/fake/memory.c tests/unit/fake/lock.c tests/unit/fake/log.c */
/* SOURCES: tests/unit/fake/heap.c tests/unit/fake/domains.c tests/unit/fake/event_guest.c */
#include "unit.h"

#include <string.h>

#include <kr/arch.h>
#include <kr/errno.h>
#include <kr/event.h>
#include <kr/hypercall.h>

#include <xen/xen.h>

#include <xen/event_channel.h>

#include "fake/domains.h"
#include "fake/event_guest.h"
#include "fake/heap.h"
#include "fake/memory.h"

static struct domain *d0, *d1;

static int setup(void **state)
{
    domains_fake_start();
    d0 = domains_fake_add(0, 2);
    d1 = domains_fake_add(1, 4);
    event_guest_forget(d0);
    event_guest_forget(d1);
    domains_fake_run(d0->vcpus[0]);
    return 0;
}

static int teardown(void **state)
{
    if (d1 != NULL)
        domains_fake_remove(d1);
    domains_fake_remove(d0);
    domains_fake_stop();
    return 0;
}

/* The hypercall of a domain's vCPU 0. */
static int op(struct domain *d, unsigned cmd, void *arg)
{
    struct hypercall_args args = {.arg = {cmd, (uint64_t)arg}};
    int rc;

    domains_fake_run(d->vcpus[0]);
    do {
        rc = do_event_channel_op(&args);
    } while (rc == -ERESTART);
    assert_int_equal(fake_locks_held, 0);
    return rc;
}

static int alloc_unbound(struct domain *caller, uint16_t dom, uint16_t remote)
{
    struct evtchn_alloc_unbound arg = {.dom = dom, .remote_dom = remote};
    int rc = op(caller, EVTCHNOP_alloc_unbound, &arg);

    return rc != 0 ? rc : (int)arg.port;
}

static int bind_interdomain(struct domain *caller, uint16_t dom, uint32_t port)
{
    struct evtchn_bind_interdomain arg = {.remote_dom = dom, .remote_port = port};
    int rc = op(caller, EVTCHNOP_bind_interdomain, &arg);

    return rc != 0 ? rc : (int)arg.local_port;
}

static int bind_virq(struct domain *caller, uint32_t virq, uint32_t vcpu)
{
    struct evtchn_bind_virq arg = {.virq = virq, .vcpu = vcpu};
    int rc = op(caller, EVTCHNOP_bind_virq, &arg);

    return rc != 0 ? rc : (int)arg.port;
}

static int bind_pirq(struct domain *caller, uint32_t pirq)
{
    struct evtchn_bind_pirq arg = {.pirq = pirq, .flags = BIND_PIRQ__WILL_SHARE};
    int rc = op(caller, EVTCHNOP_bind_pirq, &arg);

    return rc != 0 ? rc : (int)arg.port;
}

static int bind_ipi(struct domain *caller, uint32_t vcpu)
{
    struct evtchn_bind_ipi arg = {.vcpu = vcpu};
    int rc = op(caller, EVTCHNOP_bind_ipi, &arg);

    return rc != 0 ? rc : (int)arg.port;
}

static int bind_vcpu(struct domain *caller, uint32_t port, uint32_t vcpu)
{
    return op(caller, EVTCHNOP_bind_vcpu, &(struct evtchn_bind_vcpu){.port = port, .vcpu = vcpu});
}

static int send_port(struct domain *caller, uint32_t port)
{
    return op(caller, EVTCHNOP_send, &(struct evtchn_send){.port = port});
}

static int close_port(struct domain *caller, uint32_t port)
{
    return op(caller, EVTCHNOP_close, &(struct evtchn_close){.port = port});
}

static int unmask_port(struct domain *caller, uint32_t port)
{
    return op(caller, EVTCHNOP_unmask, &(struct evtchn_unmask){.port = port});
}

static int set_priority(struct domain *caller, uint32_t port, uint32_t priority)
{
    return op(caller, EVTCHNOP_set_priority,
              &(struct evtchn_set_priority){.port = port, .priority = priority});
}

static struct evtchn_status status_of(struct domain *d, uint32_t port)
{
    struct evtchn_status arg = {.dom = DOMID_SELF, .port = port, .status = 99};

    assert_int_equal(op(d, EVTCHNOP_status, &arg), 0);
    return arg;
}

/* Events of one vCPU, in the order the guest finds them; the number of them. */
static unsigned take(struct vcpu *v, uint32_t *ports)
{
    return event_guest_take(v, ports, 64);
}

static void expect_none(struct vcpu *v)
{
    uint32_t ports[64];

    assert_false(vcpu_has_upcall(v));
    assert_int_equal(take(v, ports), 0);
}

static void expect_one(struct vcpu *v, uint32_t port)
{
    uint32_t ports[64];

    assert_true(vcpu_has_upcall(v));
    assert_int_equal(domains_fake_kicks(v), 1);
    assert_int_equal(take(v, ports), 1);
    assert_int_equal(ports[0], port);
    expect_none(v);
}

/* ---- two-level ------------------------------------------------------------------------------- */

static void test_interdomain(void **state)
{
    int unbound = alloc_unbound(d1, DOMID_SELF, 0);
    int local;

    assert_int_equal(unbound, 1);
    assert_int_equal(status_of(d1, unbound).status, EVTCHNSTAT_unbound);
    assert_int_equal(status_of(d1, unbound).u.unbound.dom, 0);
    /* Nobody there: silently nothing. */
    assert_int_equal(send_port(d1, unbound), 0);

    local = bind_interdomain(d0, 1, unbound);
    assert_int_equal(local, 1);
    expect_one(d0->vcpus[0], local);
    expect_none(d1->vcpus[0]);
    assert_int_equal(status_of(d0, local).status, EVTCHNSTAT_interdomain);
    assert_int_equal(status_of(d0, local).u.interdomain.dom, 1);
    assert_int_equal(status_of(d1, unbound).u.interdomain.port, local);

    assert_int_equal(send_port(d1, unbound), 0);
    expect_one(d0->vcpus[0], local);
    assert_int_equal(send_port(d0, local), 0);
    assert_int_equal(send_port(d0, local), 0); /* twice is once */
    expect_one(d1->vcpus[0], unbound);

    /* Closing one end leaves the other waiting for the same domain. */
    assert_int_equal(close_port(d0, local), 0);
    assert_int_equal(status_of(d0, local).status, EVTCHNSTAT_closed);
    assert_int_equal(status_of(d1, unbound).status, EVTCHNSTAT_unbound);
    assert_int_equal(bind_interdomain(d0, 1, unbound), local);
}

static void test_loopback(void **state)
{
    int a = alloc_unbound(d1, DOMID_SELF, DOMID_SELF);
    int b = bind_interdomain(d1, DOMID_SELF, a);

    assert_true(a > 0 && b > 0 && a != b);
    expect_one(d1->vcpus[0], b);
    assert_int_equal(send_port(d1, b), 0);
    expect_one(d1->vcpus[0], a);
    assert_int_equal(close_port(d1, a), 0);
    assert_int_equal(status_of(d1, b).status, EVTCHNSTAT_unbound);
    assert_int_equal(close_port(d1, b), 0);
}

static void test_binding_errors(void **state)
{
    int port = alloc_unbound(d0, 1, 0);
    struct evtchn_status other = {.dom = 0, .port = 1};

    assert_true(port > 0); /* the control domain may allocate in others */
    assert_int_equal(alloc_unbound(d1, 0, 1), -EPERM);
    assert_int_equal(alloc_unbound(d0, 3, 1), -ESRCH);
    assert_int_equal(op(d1, EVTCHNOP_status, &other), -EPERM);
    other.dom = 1;
    assert_int_equal(op(d0, EVTCHNOP_status, &other), 0);
    other.port = 128;
    assert_int_equal(op(d0, EVTCHNOP_status, &other), -EINVAL);
    other.port = 0;
    assert_int_equal(op(d0, EVTCHNOP_status, &other), 0);
    assert_int_equal(other.status, EVTCHNSTAT_closed);

    assert_int_equal(bind_interdomain(d1, DOMID_SELF, port), -EINVAL); /* it is for domain 0 */
    assert_int_equal(bind_interdomain(d0, 1, 0), -EINVAL);
    assert_int_equal(bind_interdomain(d0, 1, 5), -EINVAL);
    assert_int_equal(bind_interdomain(d0, 1, ~0U), -EINVAL);
    assert_int_equal(bind_interdomain(d0, 3, port), -ESRCH);
    assert_true(bind_interdomain(d0, 1, port) > 0);
    assert_int_equal(bind_interdomain(d0, 1, port), -EINVAL); /* taken */

    assert_int_equal(send_port(d0, 0), -EINVAL);
    assert_int_equal(send_port(d0, 77), -EINVAL);
    assert_int_equal(send_port(d0, 200000), -EINVAL);
    assert_int_equal(close_port(d0, 0), -EINVAL);
    assert_int_equal(close_port(d0, 77), -EINVAL);
    assert_int_equal(close_port(d0, 131072), -EINVAL);
    assert_int_equal(unmask_port(d0, 131072), -EINVAL);
    assert_int_equal(bind_vcpu(d0, 77, 0), -EINVAL);
    assert_int_equal(bind_vcpu(d0, 1, 2), -ENOENT);
    assert_int_equal(bind_vcpu(d0, 1, ~0U), -ENOENT);
    assert_int_equal(set_priority(d0, 1, 3), -ENOSYS);
    assert_int_equal(op(d0, 99, &other), -ENOSYS);
    assert_int_equal(op(d0, EVTCHNOP_expand_array, &(struct evtchn_expand_array){0}), -EOPNOTSUPP);
    for (unsigned cmd = 0; cmd <= EVTCHNOP_set_priority; cmd++)
        assert_int_equal(op(d0, cmd, NULL), -EFAULT);
}

/* A result that cannot be written back leaves no port behind. */
static void test_result_fault(void **state)
{
    struct evtchn_alloc_unbound arg = {.dom = DOMID_SELF, .remote_dom = 1};

    domains_fake_access_fail_after = 1;
    assert_int_equal(op(d0, EVTCHNOP_alloc_unbound, &arg), -EFAULT);
    domains_fake_access_fail_after = -1;
    assert_int_equal(d0->events.used_count, 0);
    assert_int_equal(status_of(d0, 1).status, EVTCHNSTAT_closed);
}

static void test_virq(void **state)
{
    struct vcpu *v1 = d1->vcpus[1];
    int timer, console, port;

    event_raise_virq(v1, VIRQ_TIMER); /* nobody listens */
    expect_none(v1);
    assert_int_equal(bind_virq(d1, 24, 0), -EINVAL);
    assert_int_equal(bind_virq(d1, VIRQ_TIMER, 4), -ENOENT);
    assert_int_equal(bind_virq(d1, VIRQ_CONSOLE, 1), -EINVAL);
    assert_int_equal(bind_virq(d0, VIRQ_ARCH_0, 1), -EINVAL);

    timer = bind_virq(d1, VIRQ_TIMER, 1);
    assert_true(timer > 0);
    assert_int_equal(bind_virq(d1, VIRQ_TIMER, 1), -EEXIST);
    assert_true(bind_virq(d1, VIRQ_TIMER, 0) > 0);
    event_raise_virq(v1, VIRQ_TIMER);
    expect_one(v1, timer);
    expect_none(d1->vcpus[0]);
    assert_int_equal(bind_vcpu(d1, timer, 0), -EINVAL);
    assert_int_equal(send_port(d1, timer), -EINVAL);
    assert_int_equal(status_of(d1, timer).status, EVTCHNSTAT_virq);
    assert_int_equal(status_of(d1, timer).vcpu, 1);
    assert_int_equal(status_of(d1, timer).u.virq, VIRQ_TIMER);
    assert_int_equal(close_port(d1, timer), 0);
    event_raise_virq(v1, VIRQ_TIMER);
    expect_none(v1);
    port = bind_ipi(d1, 3); /* takes the freed number */
    assert_int_equal(port, timer);
    event_raise_virq(v1, VIRQ_TIMER);
    expect_none(v1);
    expect_none(d1->vcpus[3]);

    event_raise_global_virq(VIRQ_CONSOLE);
    console = bind_virq(d0, VIRQ_CONSOLE, 0);
    assert_true(console > 0);
    event_raise_global_virq(VIRQ_CONSOLE);
    expect_one(d0->vcpus[0], console);
    assert_int_equal(bind_vcpu(d0, console, 1), 0);
    event_raise_global_virq(VIRQ_CONSOLE);
    expect_one(d0->vcpus[1], console);
    assert_int_equal(bind_virq(d0, VIRQ_CONSOLE, 0), -EEXIST);
    assert_int_equal(close_port(d0, console), 0);
    assert_true(bind_virq(d0, VIRQ_CONSOLE, 0) > 0);
}

static void test_ipi(void **state)
{
    int port = bind_ipi(d1, 2);

    assert_int_equal(bind_ipi(d1, 4), -ENOENT);
    assert_int_equal(send_port(d1, port), 0);
    expect_one(d1->vcpus[2], port);
    assert_int_equal(bind_vcpu(d1, port, 1), -EINVAL);
    assert_int_equal(status_of(d1, port).status, EVTCHNSTAT_ipi);
    assert_int_equal(status_of(d1, port).vcpu, 2);
}

static void test_pirq(void **state)
{
    int port = bind_pirq(d0, 3);

    assert_true(port > 0);
    assert_int_equal(domains_fake_pirq_owner[3], 0);
    assert_int_equal(event_pirq_port(d0, 3), port);
    assert_int_equal(bind_pirq(d0, 3), -EEXIST);
    assert_int_equal(bind_pirq(d1, 3), -EBUSY);
    assert_int_equal(bind_pirq(d0, 8192), -EINVAL);
    assert_int_equal(bind_pirq(d0, ~0U), -EINVAL);
    domains_fake_pirq_error = -EPERM;
    assert_int_equal(bind_pirq(d0, 4), -EPERM);
    domains_fake_pirq_error = 0;
    assert_int_equal(event_pirq_port(d0, 4), 0);
    assert_int_equal(event_pirq_port(d0, ~0U), 0);

    assert_true(event_raise_pirq(d0, 3));
    assert_false(event_raise_pirq(d0, 4));
    assert_false(event_raise_pirq(d1, 3));
    expect_one(d0->vcpus[0], port);
    assert_int_equal(bind_vcpu(d0, port, 1), 0);
    assert_true(event_raise_pirq(d0, 3));
    expect_one(d0->vcpus[1], port);
    assert_int_equal(status_of(d0, port).u.pirq, 3);
    assert_int_equal(close_port(d0, port), 0);
    assert_int_equal(domains_fake_pirq_owner[3], -1);
    assert_false(event_raise_pirq(d0, 3));
    assert_true(bind_pirq(d0, 3) > 0);
}

static void test_mask(void **state)
{
    int port = bind_ipi(d1, 1);
    struct vcpu *v = d1->vcpus[1];

    event_guest_mask(d1, port);
    assert_true(event_port_is_masked(d1, port));
    assert_int_equal(send_port(d1, port), 0);
    assert_true(event_port_is_pending(d1, port));
    expect_none(v);
    assert_int_equal(unmask_port(d1, port), 0);
    assert_false(event_port_is_masked(d1, port));
    expect_one(v, port);
    assert_false(event_port_is_pending(d1, port));
    assert_int_equal(unmask_port(d1, port), 0);
    expect_none(v);
    assert_false(event_port_is_pending(d1, 131072));
    assert_false(event_port_is_masked(d1, 131072));
}

/* A pending port whose vCPU changes is seen by the new one. */
static void test_bind_vcpu_pending(void **state)
{
    int unbound = alloc_unbound(d1, DOMID_SELF, 0);
    int local = bind_interdomain(d0, 1, unbound);
    uint32_t ports[64];

    domains_fake_kicks(d0->vcpus[0]);
    assert_int_equal(bind_vcpu(d0, local, 1), 0);
    assert_true(vcpu_has_upcall(d0->vcpus[1]));
    assert_int_equal(take(d0->vcpus[1], ports), 1);
}

static void test_info_moved(void **state)
{
    struct vcpu *v = d1->vcpus[1];
    struct vcpu_info *old = v->info;
    struct vcpu_info moved = {0};
    int port = bind_ipi(d1, 1);

    assert_int_equal(send_port(d1, port), 0);
    assert_int_equal(domains_fake_kicks(v), 1);
    v->info = &moved;
    event_vcpu_info_moved(v);
    expect_one(v, port);

    /* No place at all yet: it is there when there is one. */
    v->info = NULL;
    assert_false(vcpu_has_upcall(v));
    assert_int_equal(send_port(d1, port), 0);
    event_vcpu_info_moved(v);
    v->info = old;
    event_vcpu_info_moved(v);
    expect_one(v, port);
}

static void test_limits(void **state)
{
    struct evtchn_reset reset = {.dom = DOMID_SELF};
    int first = alloc_unbound(d1, DOMID_SELF, 0);
    int port = first;

    while (port > 0) {
        assert_int_equal(port, first++);
        port = alloc_unbound(d1, DOMID_SELF, 0);
    }
    assert_int_equal(port, -ENOSPC);
    assert_int_equal(first, 4096);
    assert_int_equal(close_port(d1, 4000), 0);
    assert_int_equal(close_port(d1, 2), 0);
    assert_int_equal(alloc_unbound(d1, DOMID_SELF, 0), 2);
    assert_int_equal(alloc_unbound(d1, DOMID_SELF, 0), 4000);
    assert_int_equal(alloc_unbound(d1, DOMID_SELF, 0), -ENOSPC);
    domains_fake_yield_every = 3;
    assert_int_equal(op(d0, EVTCHNOP_reset, &(struct evtchn_reset){.dom = 3}), -ESRCH);
    assert_int_equal(op(d1, EVTCHNOP_reset, &(struct evtchn_reset){.dom = 0}), -EPERM);
    assert_int_equal(op(d1, EVTCHNOP_reset, &reset), 0);
    assert_int_equal(d1->events.used_count, 0);
    assert_int_equal(alloc_unbound(d1, DOMID_SELF, 0), 1);
}

static void test_small_domain(void **state)
{
    struct domain *d2 = domains_fake_add(2, 1);

    event_domain_free(d2);
    assert_int_equal(event_domain_init(d2, 0), -EINVAL);
    assert_int_equal(event_domain_init(d2, 3), 0);
    assert_int_equal(alloc_unbound(d2, DOMID_SELF, 0), 1);
    assert_int_equal(alloc_unbound(d2, DOMID_SELF, 0), 2);
    assert_int_equal(alloc_unbound(d2, DOMID_SELF, 0), -ENOSPC);
    domains_fake_remove(d2);
}

static void test_no_memory(void **state)
{
    fake_heap_fail_after(0);
    assert_int_equal(alloc_unbound(d1, DOMID_SELF, 0), -ENOMEM);
    fake_heap_fail_after(0);
    assert_int_equal(bind_pirq(d1, 3), -ENOMEM);
    fake_heap_fail_after(1);
    assert_int_equal(bind_pirq(d1, 3), -ENOMEM);
    fake_heap_fail_after(~0U);
    assert_int_equal(domains_fake_pirq_owner[3], -1);
    assert_int_equal(d1->events.used_count, 0);
    assert_int_equal(bind_pirq(d1, 3), 1);
}

/* The peer of a killed domain is left unbound; nobody can connect to the dead one. */
static void test_kill(void **state)
{
    int unbound = alloc_unbound(d1, DOMID_SELF, 0);
    int local = bind_interdomain(d0, 1, unbound);
    int other = alloc_unbound(d0, 1, 0);

    bind_pirq(d1, 5);
    bind_virq(d1, VIRQ_TIMER, 1);
    domains_fake_yield_every = 2;
    assert_true(domain_try_get(d1));
    domains_fake_remove(d1);
    assert_int_equal(domains_fake_pirq_owner[5], -1);
    assert_int_equal(status_of(d0, local).status, EVTCHNSTAT_unbound);
    assert_int_equal(status_of(d0, local).u.unbound.dom, 1);
    assert_int_equal(bind_interdomain(d0, 1, other), -EINVAL);
    assert_int_equal(alloc_unbound(d0, 1, 0), -EINVAL);
    event_raise_virq(d1->vcpus[1], VIRQ_TIMER);
    assert_false(event_raise_pirq(d1, 5));
    domain_put(d1);
    d1 = NULL;
    assert_int_equal(close_port(d0, local), 0);
}

static void test_poll(void **state)
{
    int port = bind_ipi(d1, 1), other = bind_ipi(d1, 1);
    struct vcpu *v = d1->vcpus[3];

    event_guest_mask(d1, port);
    event_guest_mask(d1, other);
    vcpu_stop(v, VCPU_STOP_BLOCKED);
    event_poll_begin(v, port);
    assert_int_equal(send_port(d1, other), 0);
    assert_int_equal(domains_fake_starts(v), 0);
    assert_int_equal(send_port(d1, port), 0);
    assert_int_equal(domains_fake_starts(v), 1);
    assert_false(v->polling);
    assert_false(event_poll_end(v));
    assert_int_equal(d1->events.poller_count, 0);
    assert_true(event_port_is_pending(d1, port));

    event_poll_begin(v, 0);
    assert_int_equal(send_port(d1, port), 0); /* was pending: the poller looked before it slept */
    assert_int_equal(domains_fake_starts(v), 0);
    event_guest_clear(d1, port);
    assert_int_equal(send_port(d1, port), 0);
    assert_int_equal(domains_fake_starts(v), 1);
    event_poll_begin(v, 0);
    assert_true(event_poll_end(v));
}

/* ---- FIFO ------------------------------------------------------------------------------------ */

/* Control blocks for all vCPUs and one array page. */
static void fifo_start(struct domain *d)
{
    for (unsigned i = 0; i < DOMAINS_FAKE_VCPU && d->vcpus[i] != NULL; i++)
        assert_int_equal(event_guest_control(d->vcpus[i], 8 * i), 0);
    assert_int_equal(event_guest_expand(d), 0);
}

static void test_fifo_interdomain(void **state)
{
    int unbound, local;

    fifo_start(d1);
    unbound = alloc_unbound(d1, DOMID_SELF, 0);
    local = bind_interdomain(d0, 1, unbound);
    expect_one(d0->vcpus[0], local);
    assert_int_equal(send_port(d0, local), 0);
    assert_int_equal(send_port(d0, local), 0);
    expect_one(d1->vcpus[0], unbound);
    assert_int_equal(bind_vcpu(d1, unbound, 3), 0);
    assert_int_equal(send_port(d0, local), 0);
    expect_none(d1->vcpus[0]);
    expect_one(d1->vcpus[3], unbound);

    event_guest_mask(d1, unbound);
    assert_int_equal(send_port(d0, local), 0);
    expect_none(d1->vcpus[3]);
    assert_int_equal(unmask_port(d1, unbound), 0);
    expect_one(d1->vcpus[3], unbound);
}

/* By priority, and first in first out within one. */
static void test_fifo_order(void **state)
{
    static const unsigned priorities[] = {7, 15, 0, 7, 0, 3, 7};
    static const unsigned expected[] = {2, 4, 5, 0, 3, 6, 1};
    int ports[ARRAY_SIZE(priorities)];
    uint32_t got[64];

    fifo_start(d1);
    for (unsigned i = 0; i < ARRAY_SIZE(priorities); i++) {
        ports[i] = bind_ipi(d1, 1);
        assert_int_equal(set_priority(d1, ports[i], priorities[i]), 0);
        assert_int_equal(send_port(d1, ports[i]), 0);
    }
    assert_int_equal(take(d1->vcpus[1], got), ARRAY_SIZE(priorities));
    for (unsigned i = 0; i < ARRAY_SIZE(priorities); i++)
        assert_int_equal(got[i], ports[expected[i]]);
    assert_int_equal(set_priority(d1, ports[0], 16), -EINVAL);
    assert_int_equal(set_priority(d1, 100, 1), -EINVAL);
    assert_int_equal(set_priority(d1, ~0U, 1), -EINVAL);
}

/* One upcall while the guest has not looked, none for what hangs behind an event it will see. */
static void test_fifo_kicks(void **state)
{
    int a, b;
    uint32_t got[64];

    fifo_start(d1);
    a = bind_ipi(d1, 1);
    b = bind_ipi(d1, 1);
    send_port(d1, a);
    send_port(d1, b);
    assert_int_equal(domains_fake_kicks(d1->vcpus[1]), 1);
    assert_int_equal(take(d1->vcpus[1], got), 2);
    send_port(d1, b);
    assert_int_equal(domains_fake_kicks(d1->vcpus[1]), 1);
    assert_int_equal(take(d1->vcpus[1], got), 1);
}

/* The tail of a queue moves on to another queue: the old one must not hang events behind it. */
static void test_fifo_queue_change(void **state)
{
    int a, b, c;
    uint32_t got[64];

    fifo_start(d1);
    a = alloc_unbound(d1, DOMID_SELF, 0);
    b = bind_interdomain(d0, 1, a);
    c = bind_ipi(d1, 0);
    take(d0->vcpus[0], got);
    domains_fake_kicks(d0->vcpus[0]);

    send_port(d0, b);
    assert_int_equal(take(d1->vcpus[0], got), 1); /* a was the tail of vCPU 0's queue */
    assert_int_equal(bind_vcpu(d1, a, 1), 0);
    send_port(d0, b); /* a is linked in vCPU 1's queue */
    send_port(d1, c); /* and this belongs to vCPU 0 */
    assert_int_equal(take(d1->vcpus[0], got), 1);
    assert_int_equal(got[0], c);
    assert_int_equal(take(d1->vcpus[1], got), 1);
    assert_int_equal(got[0], a);

    /* While linked it stays where it is, by priority too. */
    send_port(d0, b);
    assert_int_equal(set_priority(d1, a, 2), 0);
    assert_int_equal(bind_vcpu(d1, a, 2), 0);
    send_port(d0, b);
    assert_int_equal(take(d1->vcpus[2], got), 0);
    assert_int_equal(take(d1->vcpus[1], got), 1);
    send_port(d0, b);
    assert_int_equal(take(d1->vcpus[2], got), 1);
}

static void test_fifo_setup_errors(void **state)
{
    struct evtchn_init_control arg = {.control_gfn = domains_fake_page(d1)};
    mfn_t foreign = domains_fake_page(d0), table = domains_fake_page(d1);

    arg.vcpu = 4;
    assert_int_equal(op(d1, EVTCHNOP_init_control, &arg), -ENOENT);
    arg.vcpu = 1;
    arg.offset = 4;
    assert_int_equal(op(d1, EVTCHNOP_init_control, &arg), -EINVAL);
    arg.offset = 4096 - 64;
    assert_int_equal(op(d1, EVTCHNOP_init_control, &arg), -EINVAL);
    arg.offset = ~7U;
    assert_int_equal(op(d1, EVTCHNOP_init_control, &arg), -EINVAL);
    arg.offset = 4096 - 72;
    arg.control_gfn = foreign;
    assert_int_equal(op(d1, EVTCHNOP_init_control, &arg), -EINVAL);
    arg.control_gfn = ~0UL;
    assert_int_equal(op(d1, EVTCHNOP_init_control, &arg), -EINVAL);
    domains_fake_set_special(table, true);
    arg.control_gfn = table;
    assert_int_equal(op(d1, EVTCHNOP_init_control, &arg), -EINVAL);
    domains_fake_set_special(table, false);
    for (unsigned i = 0; i < 2; i++) {
        fake_heap_fail_after(i);
        assert_int_equal(op(d1, EVTCHNOP_init_control, &arg), -ENOMEM);
    }
    fake_heap_fail_after(~0U);
    assert_null(d1->events.fifo);
    assert_int_equal(domains_fake_writable_count(table), 0);
    assert_int_equal(op(d1, EVTCHNOP_init_control, &arg), 0);
    assert_int_equal(arg.link_bits, 17);
    assert_int_equal(domains_fake_writable_count(table), 1);
    assert_int_equal(op(d1, EVTCHNOP_init_control, &arg), -EEXIST);
    assert_int_equal(domains_fake_writable_count(table), 1);

    assert_int_equal(
        op(d1, EVTCHNOP_expand_array, &(struct evtchn_expand_array){.array_gfn = foreign}),
        -EINVAL);
    for (unsigned i = 0; i < 128; i++)
        assert_int_equal(event_guest_expand(d1), 0);
    assert_int_equal(event_guest_expand(d1), -ENOSPC);
}

/* Events from before there is a place for them are not lost. */
static void test_fifo_latched(void **state)
{
    int early = bind_ipi(d1, 1), late, unused;
    uint32_t got[64];

    send_port(d1, early); /* two-level */
    domains_fake_kicks(d1->vcpus[1]);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(event_guest_control(d1->vcpus[i], 0), 0);
    late = bind_ipi(d1, 2);
    unused = bind_ipi(d1, 2);
    send_port(d1, late);
    send_port(d1, unused);
    assert_true(event_port_is_pending(d1, late));
    assert_int_equal(close_port(d1, unused), 0);
    assert_int_equal(bind_ipi(d1, 2), unused);
    assert_int_equal(event_guest_expand(d1), 0);
    assert_int_equal(take(d1->vcpus[1], got), 1);
    assert_int_equal(got[0], early);
    assert_int_equal(take(d1->vcpus[2], got), 1);
    assert_int_equal(got[0], late);
}

/* A vCPU without a control block gets nothing; nothing breaks. */
static void test_fifo_no_control(void **state)
{
    int port;
    uint32_t got[64];

    assert_int_equal(event_guest_control(d1->vcpus[0], 0), 0);
    assert_int_equal(event_guest_expand(d1), 0);
    port = bind_ipi(d1, 2);
    event_guest_unmask_quietly(d1, port);
    send_port(d1, port);
    assert_false(vcpu_has_upcall(d1->vcpus[2]));
    assert_true(event_port_is_pending(d1, port));
    assert_int_equal(event_guest_control(d1->vcpus[2], 16), 0);
    assert_int_equal(unmask_port(d1, port), 0);
    assert_int_equal(take(d1->vcpus[2], got), 1);
}

/* A closed port that is still linked is not given out again before the guest took it. */
static void test_fifo_reuse(void **state)
{
    int port, next;
    uint32_t got[64];

    fifo_start(d1);
    port = bind_ipi(d1, 1);
    send_port(d1, port);
    assert_int_equal(close_port(d1, port), 0);
    next = bind_ipi(d1, 0);
    assert_int_not_equal(next, port);
    assert_int_equal(take(d1->vcpus[1], got), 0); /* not pending any more */
    assert_int_equal(bind_ipi(d1, 0), port);
}

static void test_fifo_reset(void **state)
{
    struct evtchn_reset self = {.dom = DOMID_SELF}, other = {.dom = 1};
    int port;
    mfn_t control;

    fifo_start(d1);
    control = event_guest_control_frame(d1->vcpus[0]);
    port = bind_ipi(d1, 1);
    send_port(d1, port);
    assert_int_equal(op(d0, EVTCHNOP_reset, &other), 0);
    assert_non_null(d1->events.fifo); /* only the domain itself changes its ABI */
    assert_int_equal(op(d1, EVTCHNOP_reset, &self), 0);
    assert_null(d1->events.fifo);
    assert_int_equal(domains_fake_writable_count(control), 0);
    event_guest_forget(d1);
    domains_fake_kicks(d1->vcpus[1]);

    port = bind_ipi(d1, 1);
    send_port(d1, port);
    expect_one(d1->vcpus[1], port);
    assert_int_equal(op(d1, EVTCHNOP_reset, &self), 0);
    fifo_start(d1);
    port = bind_ipi(d1, 1);
    send_port(d1, port);
    expect_one(d1->vcpus[1], port);
}

static void test_fifo_many(void **state)
{
    int port = 0;

    fifo_start(d1);
    for (unsigned i = 1; i < 128; i++)
        assert_int_equal(event_guest_expand(d1), 0);
    for (unsigned i = 1; i < 131072; i++)
        port = event_alloc_unbound(d1, 0);
    assert_int_equal(port, 131071);
    assert_int_equal(event_alloc_unbound(d1, 0), -ENOSPC);
    assert_true(bind_interdomain(d0, 1, port) > 0);
    send_port(d0, 1);
    expect_one(d1->vcpus[0], port);
}

/* ---- a guest that writes what it likes ---------------------------------------------------------
 */

static void test_fifo_corrupt(void **state)
{
    int ports[8];
    uint32_t junk = 12345;

    fifo_start(d1);
    for (unsigned i = 0; i < 8; i++)
        ports[i] = bind_ipi(d1, i % 4);
    for (unsigned round = 0; round < 20000; round++) {
        junk = junk * 1664525 + 1013904223;
        event_guest_scribble(d1, ports[junk >> 29], junk ^ junk << 7);
        event_guest_scribble_control(d1->vcpus[junk >> 20 & 3], junk >> 3);
        send_port(d1, ports[junk >> 26 & 7]);
        if (junk >> 10 & 1)
            unmask_port(d1, ports[junk >> 23 & 7]);
        if ((junk & 0x1f00) == 0)
            set_priority(d1, ports[junk >> 17 & 7], junk >> 13 & 15);
        if ((junk & 0x1f0) == 0) {
            close_port(d1, ports[0]);
            ports[0] = bind_ipi(d1, junk >> 18 & 3);
        }
    }
    assert_true(ports[0] > 0);
}

static void test_2l_corrupt(void **state)
{
    int port = bind_ipi(d1, 1);

    memset(d1->shared_info, 0xff, sizeof(*d1->shared_info));
    for (unsigned i = 1; i < 200; i++)
        assert_int_equal(bind_ipi(d1, i % 4), port + i);
    send_port(d1, port);
    memset(d1->shared_info, 0, sizeof(*d1->shared_info));
    send_port(d1, port);
    assert_int_equal(domains_fake_kicks(d1->vcpus[1]), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_interdomain),
        T(test_loopback),
        T(test_binding_errors),
        T(test_result_fault),
        T(test_virq),
        T(test_ipi),
        T(test_pirq),
        T(test_mask),
        T(test_bind_vcpu_pending),
        T(test_info_moved),
        T(test_limits),
        T(test_small_domain),
        T(test_no_memory),
        T(test_kill),
        T(test_poll),
        T(test_fifo_interdomain),
        T(test_fifo_order),
        T(test_fifo_kicks),
        T(test_fifo_queue_change),
        T(test_fifo_setup_errors),
        T(test_fifo_latched),
        T(test_fifo_no_control),
        T(test_fifo_reuse),
        T(test_fifo_reset),
        T(test_fifo_many),
        T(test_fifo_corrupt),
        T(test_2l_corrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
