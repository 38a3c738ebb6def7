/* SPDX-License-Identifier: MIT */
/*
 * A guest writes anything over what it shares with the hypervisor for event delivery: the bitmaps
 * of the two-level layout, then FIFO event words and its control block, while others send to it and
 * it makes every kind of call. A second guest and this kernel must not lose or gain one event by
 * it, and when the first one has ended, all is as before.
 */
/* RUN: timeout=60 */
/* RUN: name=seed2 args="seed=2" timeout=60 */
#include "domu_more.h"
#include <xen/version.h>

#define PAIRS      6
#define ROUNDS     400
#define CONTROL_AT 512 /* in its page */

static struct guest bad, good;
static volatile struct shared_info *bad_shared, *good_shared;
static evtchn_port_t bad_ports[PAIRS], our_bad_ports[PAIRS]; /* ours are the other ends */
static evtchn_port_t good_port, our_good_port;
static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Links to ports that exist, to none, all bits, none. */
static uint32_t random_event_word(void)
{
    switch (random_next() % 5) {
    case 0: return 0;
    case 1: return ~0u;
    case 2: return (uint32_t)random_next() << 29 | random_next() % 16;
    case 3: return (uint32_t)random_next() << 28 | random_next() % EVTCHN_FIFO_NR_CHANNELS;
    default: return random_next();
    }
}

static volatile struct shared_info *shared_map(const struct guest *g, unsigned place)
{
    memset(&op, 0, sizeof(op));
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, g->id), 0);
    return place_map(place, g->id, op.u.getdomaininfo.shared_info_frame);
}

static long guest_event_op(const struct guest *g, unsigned cmd, void *arg, size_t size_bytes)
{
    long err;

    memcpy(g->request->buffer, arg, size_bytes);
    err = guest_call(g, __HYPERVISOR_event_channel_op, cmd, BUFFER, 0, 0);
    memcpy(arg, g->request->buffer, size_bytes);
    return err;
}

/* A port of the guest's and one of ours, connected; yields the guest's. */
static evtchn_port_t pair_make(const struct guest *g, evtchn_port_t *ours)
{
    struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = 0};
    long port;

    REQUIRE_EQ(guest_event_op(g, EVTCHNOP_alloc_unbound, &unbound, sizeof(unbound)), 0);
    port = event_bind_interdomain(g->id, unbound.port);
    REQUIRE(port > 0);
    *ours = port;
    event_clear(port);
    return unbound.port;
}

static void both_start(void)
{
    random_state = option_given("seed=2") ? 0xda3e39cb94b95bdb : 0x853c49e6748fea9b;
    good = guest_build(program_calls);
    guest_move_aside(&good);
    bad = guest_build(program_calls);
    bad_shared = shared_map(&bad, PLACE_TABLE);
    good_shared = shared_map(&good, PLACE_TABLE2);
    guest_start(&bad);
    guest_start(&good);
    for (unsigned i = 0; i < PAIRS; i++)
        bad_ports[i] = pair_make(&bad, &our_bad_ports[i]);
    good_port = pair_make(&good, &our_good_port);
    good_shared->evtchn_pending[0] = 0;
}

static void both_end(void)
{
    guest_end_clear(&bad);
    guest_end_aside(&good);
    for (unsigned i = 0; i < PAIRS; i++)
        CHECK_EQ(event_close(our_bad_ports[i]), 0);
    CHECK_EQ(event_close(our_good_port), 0);
}

/* An event to the good guest and one from it: both arrive, and nothing else is pending there. */
static void good_check(void)
{
    struct evtchn_send send = {.port = good_port};

    REQUIRE_EQ(event_send(our_good_port), 0);
    REQUIRE_EQ(good_shared->evtchn_pending[0], BIT(good_port));
    good_shared->evtchn_pending[0] = 0;
    good_shared->vcpu_info[0].evtchn_pending_sel = 0;
    REQUIRE(!event_pending(our_good_port));
    REQUIRE_EQ(guest_event_op(&good, EVTCHNOP_send, &send, sizeof(send)), 0);
    REQUIRE(event_pending(our_good_port));
    event_clear(our_good_port);
    REQUIRE_EQ(xen_version(XENVER_version, NULL), 4 << 16 | 17);
}

/* One call of the bad guest about one of its ports, seldom about another number. */
static void bad_call(void)
{
    unsigned i = random_next() % PAIRS;
    evtchn_port_t port = random_next() % 8 ? bad_ports[i] : random_next() % 5000;
    struct evtchn_send send = {.port = port};
    struct evtchn_unmask unmask = {.port = port};
    struct evtchn_bind_vcpu bind = {.port = port};
    struct evtchn_set_priority set = {.port = port, .priority = random_next() % 17};
    struct evtchn_status status = {.dom = DOMID_SELF, .port = port};

    switch (random_next() % 5) {
    case 0: guest_event_op(&bad, EVTCHNOP_send, &send, sizeof(send)); break;
    case 1: guest_event_op(&bad, EVTCHNOP_unmask, &unmask, sizeof(unmask)); break;
    case 2: guest_event_op(&bad, EVTCHNOP_bind_vcpu, &bind, sizeof(bind)); break;
    case 3: guest_event_op(&bad, EVTCHNOP_set_priority, &set, sizeof(set)); break;
    default: guest_event_op(&bad, EVTCHNOP_status, &status, sizeof(status)); break;
    }
}

/* The mask of upcalls stays set: it has no handler. */
TEST("two-level")
{
    both_start();
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < 64; i++) {
            bad_shared->evtchn_pending[i] = random_next();
            bad_shared->evtchn_mask[i] = random_next() & random_next();
        }
        bad_shared->vcpu_info[0].evtchn_pending_sel = random_next();
        bad_shared->vcpu_info[0].evtchn_upcall_pending = random_next();
        for (unsigned i = 0; i < PAIRS; i++)
            CHECK_EQ(event_send(our_bad_ports[i]), 0);
        bad_call();
        good_check();
    }
    both_end();
}

TEST("fifo")
{
    struct evtchn_init_control init = {.offset = CONTROL_AT, .vcpu = 0};
    struct evtchn_expand_array expand;
    volatile uint32_t *words, *control;

    both_start();
    init.control_gfn = bad.mfns[STACK];
    expand.array_gfn = bad.mfns[EVENTS];
    REQUIRE_EQ(guest_event_op(&bad, EVTCHNOP_init_control, &init, sizeof(init)), 0);
    REQUIRE_EQ(guest_event_op(&bad, EVTCHNOP_expand_array, &expand, sizeof(expand)), 0);
    words = place_map(PLACE_MORE, bad.id, bad.mfns[EVENTS]);
    control =
        (uint32_t *)((uint8_t *)place_map(PLACE_MORE + 1, bad.id, bad.mfns[STACK]) + CONTROL_AT);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < 16; i++)
            words[random_next() % 16] = random_event_word();
        if (round % 8 == 0)
            for (unsigned i = 0; i < PAGE_SIZE / sizeof(words[0]); i++)
                words[i] = random_event_word();
        for (unsigned i = 0; i < sizeof(struct evtchn_fifo_control_block) / 4; i++)
            control[i] = random_next() % 2 ? random_event_word() : control[i];
        for (unsigned i = 0; i < PAIRS; i++)
            CHECK_EQ(event_send(our_bad_ports[i]), 0);
        bad_call();
        good_check();
    }
    /* It stops writing nonsense, and its events come again. */
    memset((void *)words, 0, PAGE_SIZE);
    memset((void *)control, 0, sizeof(struct evtchn_fifo_control_block));
    CHECK_EQ(event_send(our_bad_ports[0]), 0);
    CHECK(words[bad_ports[0]] & 1u << EVTCHN_FIFO_PENDING);
    both_end();
}

/* Unmasking upcalls without a handler ends the guest, and nobody else. */
TEST("upcall-without-handler")
{
    both_start();
    bad_shared->vcpu_info[0].evtchn_upcall_mask = 0;
    for (unsigned i = 0; i < PAIRS; i++)
        CHECK_EQ(event_send(our_bad_ports[i]), 0);
    for (unsigned i = 0; i < 200; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK(guest_flags(&bad) & (XEN_DOMINF_shutdown | XEN_DOMINF_running | XEN_DOMINF_blocked));
    good_check();
    both_end();
}

/* Its quota of ports: whatever it makes of them, one more is refused, and one given up counts. */
TEST("port-limit")
{
    enum { LIMIT = 100 };
    struct guest_limits limits = guest_limits_usual;
    struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = 0};
    struct evtchn_close close = {.port = 5};
    struct evtchn_bind_ipi ipi = {.vcpu = 0};
    unsigned count = 0;

    limits.port_max = LIMIT;
    bad = guest_build_limited(&limits);
    guest_start(&bad);
    while (count < 2 * LIMIT &&
           guest_event_op(&bad, EVTCHNOP_alloc_unbound, &unbound, sizeof(unbound)) == 0)
        count++;
    CHECK_EQ(count, LIMIT); /* of 0 to LIMIT, without 0 */
    CHECK_EQ(unbound.port, LIMIT);
    CHECK_EQ(guest_event_op(&bad, EVTCHNOP_alloc_unbound, &unbound, sizeof(unbound)), -ENOSPC);
    CHECK_EQ(guest_event_op(&bad, EVTCHNOP_bind_ipi, &ipi, sizeof(ipi)), -ENOSPC);
    CHECK_EQ(guest_event_op(&bad, EVTCHNOP_close, &close, sizeof(close)), 0);
    CHECK_EQ(guest_event_op(&bad, EVTCHNOP_bind_ipi, &ipi, sizeof(ipi)), 0);
    CHECK_EQ(ipi.port, 5);
    guest_end(&bad);
}
