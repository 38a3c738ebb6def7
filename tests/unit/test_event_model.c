/* SPDX-License-Identifier: MIT */
/*
 * Event channels under random sequences of all operations by three domains, in both ABIs, against a
 * model that only remembers what is connected to what and what must be pending. After each step:
 * the states agree; and now and then every vCPU takes its events: each pending unmasked port must
 * be among them, none lost and none invented. A failure prints the seed.
 */
/* SOURCES: core/event.c core/event_bind.c core/event_2l.c core/event_fifo.c core/event_op.c */
/* SOURCES: core/grant.c core/grant_pin.c core/page.c */
/* SOURCES: tests/unit/fake/memory.c tests/unit/fake/lock.c tests/unit/fake/log.c */
/* SOURCES: tests/unit/fake/heap.c tests/unit/fake/domains.c tests/unit/fake/event_guest.c */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kr/arch.h>
#include <kr/errno.h>
#include <kr/event.h>
#include <kr/hypercall.h>

#include <xen/xen.h>

#include <xen/event_channel.h>

#include "fake/domains.h"
#include "fake/event_guest.h"
#include "fake/memory.h"

#define DOMAINS 3
#define VCPUS   3
#define PORTS   200 /* more than one group */

enum { FREE, UNBOUND, INTERDOMAIN, PIRQ, VIRQ, IPI };

static struct port_model {
    unsigned state, vcpu, remote, remote_port, source;
    bool pending, masked;
} model[DOMAINS][PORTS];

static struct domain *domains[DOMAINS];
static unsigned seed;

static unsigned below(unsigned n)
{
    return (unsigned)rand() % n;
}

static int op(unsigned d, unsigned cmd, void *arg)
{
    struct hypercall_args args = {.arg = {cmd, (uint64_t)arg}};
    int rc;

    domains_fake_run(domains[d]->vcpus[below(VCPUS)]);
    do {
        rc = do_event_channel_op(&args);
    } while (rc == -ERESTART);
    if (fake_locks_held != 0)
        fail_msg("seed %u: locks held after operation %u", seed, cmd);
    return rc;
}

static void expect(int is, int should, const char *what)
{
    if (is != should)
        fail_msg("seed %u: %s gave %d, not %d", seed, what, is, should);
}

/* A port just made by the hypervisor. */
static struct port_model *model_new(unsigned d, int port, unsigned state)
{
    if (port <= 0 || port >= PORTS || model[d][port].state != FREE)
        fail_msg("seed %u: domain %u was given port %d", seed, d, port);
    model[d][port] = (struct port_model){.state = state, .masked = model[d][port].masked};
    return &model[d][port];
}

static unsigned model_used(unsigned d)
{
    unsigned count = 0;

    for (unsigned i = 0; i < PORTS; i++)
        count += model[d][i].state != FREE;
    return count;
}

static void model_raise(unsigned d, unsigned port)
{
    model[d][port].pending = true;
}

static unsigned random_port(unsigned d)
{
    unsigned first = below(PORTS);

    for (unsigned i = 0; i < PORTS && below(8) != 0; i++)
        if (model[d][(first + i) % PORTS].state != FREE)
            return (first + i) % PORTS;
    return first;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void step_alloc(unsigned d)
{
    struct evtchn_alloc_unbound arg = {.dom = DOMID_SELF, .remote_dom = below(DOMAINS)};

    if (model_used(d) > PORTS - 80)
        return;
    expect(op(d, EVTCHNOP_alloc_unbound, &arg), 0, "alloc_unbound");
    model_new(d, arg.port, UNBOUND)->remote = arg.remote_dom;
}

static void step_bind(unsigned d)
{
    struct evtchn_bind_interdomain arg = {.remote_dom = below(DOMAINS)};
    struct port_model *remote;
    int rc;

    if (model_used(d) > PORTS - 80)
        return;
    arg.remote_port = random_port(arg.remote_dom);
    remote = &model[arg.remote_dom][arg.remote_port];
    rc = op(d, EVTCHNOP_bind_interdomain, &arg);
    expect(rc, remote->state == UNBOUND && remote->remote == d ? 0 : -EINVAL, "bind_interdomain");
    if (rc != 0)
        return;
    *model_new(d, arg.local_port, INTERDOMAIN) =
        (struct port_model){.state = INTERDOMAIN,
                            .remote = arg.remote_dom,
                            .remote_port = arg.remote_port,
                            .masked = model[d][arg.local_port].masked};
    remote->state = INTERDOMAIN;
    remote->remote = d;
    remote->remote_port = arg.local_port;
    model_raise(d, arg.local_port);
}

static int find_source(unsigned d, unsigned state, unsigned source, int vcpu)
{
    for (unsigned i = 0; i < PORTS; i++)
        if (model[d][i].state == state && model[d][i].source == source &&
            (vcpu < 0 || model[d][i].vcpu == (unsigned)vcpu))
            return i;
    return 0;
}

static void step_virq(unsigned d)
{
    static const unsigned virqs[] = {VIRQ_TIMER, VIRQ_DEBUG, VIRQ_DOM_EXC, VIRQ_CON_RING};
    struct evtchn_bind_virq arg = {.virq = virqs[below(4)], .vcpu = below(VCPUS)};
    bool global = arg.virq >= VIRQ_CONSOLE;
    int rc = op(d, EVTCHNOP_bind_virq, &arg);
    struct port_model *p;

    if (global && arg.vcpu != 0)
        expect(rc, -EINVAL, "bind_virq");
    else if (find_source(d, VIRQ, arg.virq, global ? -1 : (int)arg.vcpu))
        expect(rc, -EEXIST, "bind_virq");
    else
        expect(rc, 0, "bind_virq");
    if (rc != 0)
        return;
    p = model_new(d, arg.port, VIRQ);
    p->source = arg.virq;
    p->vcpu = arg.vcpu;
}

static void step_ipi(unsigned d)
{
    struct evtchn_bind_ipi arg = {.vcpu = below(VCPUS)};

    if (model_used(d) > PORTS - 80)
        return;
    expect(op(d, EVTCHNOP_bind_ipi, &arg), 0, "bind_ipi");
    model_new(d, arg.port, IPI)->vcpu = arg.vcpu;
}

static void step_pirq(unsigned d)
{
    struct evtchn_bind_pirq arg = {.pirq = below(DOMAINS_FAKE_PIRQS)};
    int owner = domains_fake_pirq_owner[arg.pirq];
    int rc = op(d, EVTCHNOP_bind_pirq, &arg);

    expect(rc, owner == -1 ? 0 : owner == (int)d ? -EEXIST : -EBUSY, "bind_pirq");
    if (rc == 0)
        model_new(d, arg.port, PIRQ)->source = arg.pirq;
}

static void model_close(unsigned d, unsigned port)
{
    struct port_model *p = &model[d][port];

    if (p->state == INTERDOMAIN) {
        struct port_model *remote = &model[p->remote][p->remote_port];

        remote->state = UNBOUND;
        remote->remote = d;
    }
    *p = (struct port_model){.masked = p->masked};
}

static void step_close(unsigned d)
{
    struct evtchn_close arg = {.port = random_port(d)};

    expect(op(d, EVTCHNOP_close, &arg), model[d][arg.port].state == FREE ? -EINVAL : 0, "close");
    model_close(d, arg.port);
}

static void step_send(unsigned d)
{
    struct evtchn_send arg = {.port = random_port(d)};
    struct port_model *p = &model[d][arg.port];
    int rc = op(d, EVTCHNOP_send, &arg);

    switch (p->state) {
    case INTERDOMAIN: model_raise(p->remote, p->remote_port); break;
    case IPI: model_raise(d, arg.port); break;
    case UNBOUND: break;
    default: expect(rc, -EINVAL, "send"); return;
    }
    expect(rc, 0, "send");
}

static void step_raise(unsigned d)
{
    unsigned vcpu = below(VCPUS), virq = below(4), pirq = below(DOMAINS_FAKE_PIRQS);
    int port;

    event_raise_virq(domains[d]->vcpus[vcpu], virq);
    port = find_source(d, VIRQ, virq, virq >= VIRQ_CONSOLE ? -1 : (int)vcpu);
    if (port != 0 && (virq < VIRQ_CONSOLE || vcpu == 0))
        model_raise(d, port);
    expect(event_raise_pirq(domains[d], pirq), find_source(d, PIRQ, pirq, -1) != 0, "raise_pirq");
    port = find_source(d, PIRQ, pirq, -1);
    if (port != 0)
        model_raise(d, port);
}

static void step_vcpu(unsigned d)
{
    struct evtchn_bind_vcpu arg = {.port = random_port(d), .vcpu = below(VCPUS)};
    struct port_model *p = &model[d][arg.port];
    int rc = op(d, EVTCHNOP_bind_vcpu, &arg);

    if (p->state == FREE || p->state == IPI || (p->state == VIRQ && p->source < VIRQ_CONSOLE)) {
        expect(rc, -EINVAL, "bind_vcpu");
    } else {
        expect(rc, 0, "bind_vcpu");
        p->vcpu = arg.vcpu;
    }
}

static void step_priority(unsigned d)
{
    struct evtchn_set_priority arg = {.port = random_port(d), .priority = below(17)};
    int rc = op(d, EVTCHNOP_set_priority, &arg);

    if (arg.port >= domains[d]->events.port_count)
        expect(rc, -EINVAL, "set_priority");
    else if (domains[d]->events.fifo == NULL)
        expect(rc, -ENOSYS, "set_priority");
    else
        expect(rc, arg.priority > 15 || model[d][arg.port].state == FREE ? -EINVAL : 0,
               "set_priority");
}

static void step_mask(unsigned d)
{
    unsigned port = random_port(d);

    event_guest_mask(domains[d], port);
    model[d][port].masked = true;
}

/* As Linux does it, or leaving it all to the hypercall. */
static void step_unmask(unsigned d)
{
    struct evtchn_unmask arg = {.port = random_port(d)};

    if (below(2) || event_guest_unmask_quietly(domains[d], arg.port))
        expect(op(d, EVTCHNOP_unmask, &arg), arg.port < domains[d]->events.port_count ? 0 : -EINVAL,
               "unmask");
    if (model[d][arg.port].state != FREE)
        model[d][arg.port].masked = false;
    else
        model[d][arg.port].masked = event_guest_is_masked(domains[d], arg.port);
}

/* All vCPUs of a domain handle their upcalls. */
static void take_all(unsigned d)
{
    uint32_t ports[PORTS * VCPUS];

    for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++) {
        unsigned count;

        if (!vcpu_has_upcall(domains[d]->vcpus[vcpu]))
            continue;
        count = event_guest_take(domains[d]->vcpus[vcpu], ports, ARRAY_SIZE(ports));
        for (unsigned i = 0; i < count; i++) {
            struct port_model *p = &model[d][ports[i]];

            if (!p->pending || p->masked)
                fail_msg("seed %u: domain %u port %u came for nothing", seed, d, ports[i]);
            p->pending = false;
        }
    }
    for (unsigned port = 0; port < PORTS; port++)
        if (model[d][port].state != FREE && model[d][port].pending && !model[d][port].masked)
            fail_msg("seed %u: domain %u lost an event of port %u (vCPU %u)", seed, d, port,
                     model[d][port].vcpu);
}

static void step_reset(unsigned d)
{
    struct evtchn_reset arg = {.dom = DOMID_SELF};

    if (below(200) != 0)
        return;
    expect(op(d, EVTCHNOP_reset, &arg), 0, "reset");
    for (unsigned port = 0; port < PORTS; port++) {
        model_close(d, port);
        model[d][port].masked = false;
    }
    memset(domains[d]->shared_info->evtchn_mask, 0, 512);
    event_guest_forget(domains[d]);
    if (below(4) == 0)
        return; /* two-level from now on */
    for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++)
        expect(event_guest_control(domains[d]->vcpus[vcpu], 8 * vcpu), 0, "init_control");
    expect(event_guest_expand(domains[d]), 0, "expand_array");
}

static void check_states(unsigned d)
{
    unsigned used = 0;

    for (unsigned port = 0; port < PORTS; port++) {
        struct evtchn_status arg = {.dom = DOMID_SELF, .port = port};
        const struct port_model *p = &model[d][port];

        used += p->state != FREE;
        if (port >= domains[d]->events.port_count) {
            expect(p->state, FREE, "state of a port that is not there");
            continue;
        }
        expect(op(d, EVTCHNOP_status, &arg), 0, "status");
        expect(arg.status, p->state, "state");
        if (p->state != FREE)
            expect(arg.vcpu, p->vcpu, "vCPU");
        if (p->state == INTERDOMAIN) {
            expect(arg.u.interdomain.dom, p->remote, "peer");
            expect(arg.u.interdomain.port, p->remote_port, "peer's port");
        }
        if (p->state != FREE)
            expect(event_port_is_pending(domains[d], port), p->pending, "pending");
    }
    expect(domains[d]->events.used_count, used, "used_count");
}

static void run(unsigned steps)
{
    static void (*const kinds[])(unsigned) = {
        step_alloc, step_bind,   step_bind,   step_virq,  step_ipi,      step_pirq,
        step_close, step_send,   step_send,   step_send,  step_send,     step_send,
        step_raise, step_raise,  step_vcpu,   step_vcpu,  step_priority, step_mask,
        step_mask,  step_unmask, step_unmask, step_reset, take_all,
    };

    srand(seed);
    memset(model, 0, sizeof(model));
    domains_fake_start();
    for (unsigned d = 0; d < DOMAINS; d++) {
        domains[d] = domains_fake_add(d, VCPUS);
        event_guest_forget(domains[d]);
        /* Room for model ports from the start, as masks are per port. */
    }
    domains_fake_run(domains[0]->vcpus[0]);
    domains_fake_yield_every = below(5);
    for (unsigned d = 0; d < DOMAINS; d++) {
        if (below(3) == 0)
            continue;
        for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++)
            expect(event_guest_control(domains[d]->vcpus[vcpu], 8 * vcpu), 0, "init_control");
        expect(event_guest_expand(domains[d]), 0, "expand_array");
    }
    for (unsigned i = 0; i < steps; i++) {
        kinds[below(ARRAY_SIZE(kinds))](below(DOMAINS));
        if (i % 500 == 0)
            for (unsigned d = 0; d < DOMAINS; d++)
                check_states(d);
    }
    for (unsigned d = 0; d < DOMAINS; d++) {
        check_states(d);
        take_all(d);
    }
    for (unsigned d = DOMAINS; d-- > 0;)
        domains_fake_remove(domains[d]);
    domains_fake_stop();
}

static void test_random(void **state)
{
    const char *given = getenv("SEED");

    for (unsigned i = 0; i < (given ? 1 : 60); i++) {
        seed = given ? strtoul(given, NULL, 0) : 1000 + i;
        run(4000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
