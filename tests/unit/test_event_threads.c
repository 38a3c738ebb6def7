/* SPDX-License-Identifier: MIT */
/*
 * Event channels with real concurrency: threads that send, threads that are the receiving guest's
 * vCPUs, and one that masks, unmasks and moves ports to other vCPUs and priorities, all on the same
 * few ports. In the end the guest must have looked at each port after the last event sent to it,
 * having been told by an upcall.
 */
/* SOURCES: core/event.c core/event_bind.c core/event_2l.c core/event_fifo.c core/event_op.c */
/* SOURCES: core/grant.c core/grant_pin.c core/page.c core/lock.c */
/* SOURCES: tests/unit/fake/memory.c tests/unit/fake/log.c */
/* SOURCES: tests/unit/fake/heap.c tests/unit/fake/domains.c tests/unit/fake/event_guest.c */
/* LIBS: -lpthread */
#include "unit.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include <kr/cpu.h>
#include <kr/errno.h>
#include <kr/event.h>
#include <kr/hypercall.h>

#include <xen/xen.h>

#include <xen/event_channel.h>

#include "fake/domains.h"
#include "fake/event_guest.h"

#define PORTS     6
#define SENDERS   2
#define RECEIVERS 2
#define SENDS     10000
#define CHANGES   4000

static struct domain *d0, *d1;
static uint32_t near_port[PORTS], far_port[PORTS]; /* in d0, in d1 */
static _Atomic unsigned sent[PORTS], seen[PORTS];
static atomic_bool stop;

int fake_locks_held; /* the real locks keep their own books */

/* Requests of a thread as a vCPU. */
static int op(struct vcpu *v, unsigned cmd, void *arg)
{
    struct hypercall_args args = {.arg = {cmd, (uint64_t)arg}};

    domains_fake_run(v);
    return do_event_channel_op(&args);
}

static int sender(void *seed)
{
    unsigned state = (unsigned)(uintptr_t)seed;

    for (unsigned i = 0; i < SENDS; i++) {
        unsigned n = (unsigned)rand_r(&state) % PORTS;

        atomic_fetch_add(&sent[n], 1);
        if (op(d0->vcpus[0], EVTCHNOP_send, &(struct evtchn_send){.port = near_port[n]}) != 0)
            abort();
    }
    return 0;
}

static void handle(uint32_t port)
{
    for (unsigned n = 0; n < PORTS; n++) {
        unsigned now, before;

        if (far_port[n] != port)
            continue;
        event_guest_clear(d1, port);
        now = atomic_load(&sent[n]);
        before = atomic_load(&seen[n]);
        while (before < now && !atomic_compare_exchange_weak(&seen[n], &before, now))
            ;
        return;
    }
    abort();
}

/* Looks for events only when there is an upcall. */
static void upcall(struct vcpu *v)
{
    uint32_t port;

    if (__atomic_exchange_n(&v->info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST) == 0)
        return;
    if (d1->events.fifo != NULL) {
        while (event_guest_step(v, &port))
            if (port != 0)
                handle(port);
    } else {
        event_guest_for_each_2l(v, handle);
    }
}

static int receiver(void *arg)
{
    while (!atomic_load(&stop)) {
        upcall(arg);
        thrd_yield(); /* there may be fewer CPUs than threads */
    }
    upcall(arg);
    return 0;
}

static void unmask(uint32_t port)
{
    if (event_guest_unmask_quietly(d1, port))
        op(d1->vcpus[0], EVTCHNOP_unmask, &(struct evtchn_unmask){.port = port});
}

static int changer(void *seed)
{
    unsigned state = (unsigned)(uintptr_t)seed;

    for (unsigned i = 0; i < CHANGES; i++) {
        uint32_t port = far_port[(unsigned)rand_r(&state) % PORTS];
        struct evtchn_bind_vcpu vcpu = {.port = port, .vcpu = (unsigned)rand_r(&state) % RECEIVERS};
        struct evtchn_set_priority priority = {.port = port,
                                               .priority = (unsigned)rand_r(&state) % 16};

        event_guest_mask(d1, port);
        if (rand_r(&state) % 2)
            op(d1->vcpus[0], EVTCHNOP_bind_vcpu, &vcpu);
        if (rand_r(&state) % 2)
            op(d1->vcpus[0], EVTCHNOP_set_priority, &priority);
        unmask(port);
    }
    return 0;
}

static void start(bool fifo)
{
    domains_fake_start();
    d0 = domains_fake_add(0, 1);
    d1 = domains_fake_add(1, RECEIVERS);
    event_guest_forget(d0);
    event_guest_forget(d1);
    if (fifo) {
        for (unsigned i = 0; i < RECEIVERS; i++)
            assert_int_equal(event_guest_control(d1->vcpus[i], 0), 0);
        assert_int_equal(event_guest_expand(d1), 0);
    }
    for (unsigned n = 0; n < PORTS; n++) {
        struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF};
        struct evtchn_bind_interdomain bind = {.remote_dom = 1};

        assert_int_equal(op(d1->vcpus[0], EVTCHNOP_alloc_unbound, &alloc), 0);
        bind.remote_port = far_port[n] = alloc.port;
        assert_int_equal(op(d0->vcpus[0], EVTCHNOP_bind_interdomain, &bind), 0);
        near_port[n] = bind.local_port;
        sent[n] = seen[n] = 0;
    }
    atomic_store(&stop, false);
}

static void run(bool fifo)
{
    thrd_t senders[SENDERS], receivers[RECEIVERS], change;

    start(fifo);
    for (unsigned i = 0; i < RECEIVERS; i++)
        thrd_create(&receivers[i], receiver, d1->vcpus[i]);
    for (unsigned i = 0; i < SENDERS; i++)
        thrd_create(&senders[i], sender, (void *)(uintptr_t)(i + 1));
    thrd_create(&change, changer, (void *)(uintptr_t)77);
    thrd_join(change, NULL);
    for (unsigned i = 0; i < SENDERS; i++)
        thrd_join(senders[i], NULL);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < RECEIVERS; i++)
        thrd_join(receivers[i], NULL);
    for (unsigned n = 0; n < PORTS; n++)
        assert_int_equal(seen[n], sent[n]);
    domains_fake_remove(d1);
    domains_fake_remove(d0);
    domains_fake_stop();
}

static void test_fifo(void **state)
{
    for (unsigned i = 0; i < 4; i++)
        run(true);
}

static void test_two_level(void **state)
{
    run(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fifo),
                                       cmocka_unit_test(test_two_level)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
