/* SPDX-License-Identifier: MIT */
/*
 * All 131,071 event channels that the FIFO layout can name (131,072 with port 0, which is never
 * used) in one domain: allocated, bound, raised, received, each exactly once; one more is refused.
 * This kernel takes events from the queues itself, with its upcall masked. Not for Xen 4.17: it
 * looks at all ports for a free one, which makes minutes of this many (with 8192 it passes there).
 */
/* RUN: timeout=60 reference=no */
#include "guest.h"

#define PORTS     EVTCHN_FIFO_NR_CHANNELS
#define PER_PAGE  (PAGE_SIZE / sizeof(event_word_t))
#define PENDING   (1u << EVTCHN_FIFO_PENDING)
#define MASKED    (1u << EVTCHN_FIFO_MASKED)
#define LINKED    (1u << EVTCHN_FIFO_LINKED)
#define BURST     512 /* sends before a look at the queues */
#define QUEUES    EVTCHN_FIFO_MAX_QUEUES
#define NO_PORT   0
#define LINK_MASK EVTCHN_FIFO_LINK_MASK

static struct evtchn_fifo_control_block *control;
static event_word_t *pages[PORTS / PER_PAGE];
static uint32_t heads[QUEUES];
static uint32_t peers[PORTS];   /* by port: the one that raises it; NO_PORT: by itself */
static uint8_t received[PORTS]; /* since the last look */
static unsigned order_faults, last_queue;
static uint32_t count; /* ports in use, port 0 among them */

static event_word_t *word_of(uint32_t port)
{
    return &pages[port / PER_PAGE][port % PER_PAGE];
}

static uint32_t unlink(event_word_t *word)
{
    uint32_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST);

    while (!__atomic_compare_exchange_n(word, &old, old & ~(LINKED | LINK_MASK), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    return old & LINK_MASK;
}

static void queue_empty(unsigned queue)
{
    uint32_t port = heads[queue] ? heads[queue] : control->head[queue];

    while (port != 0) {
        event_word_t *word = word_of(port);
        uint32_t next = unlink(word);

        if ((__atomic_fetch_and(word, ~PENDING, __ATOMIC_SEQ_CST) & (PENDING | MASKED)) == PENDING)
            received[port]++;
        port = next;
    }
    heads[queue] = 0;
}

static void queues_empty(void)
{
    uint32_t ready;

    while ((ready = __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST)) != 0)
        for (; ready != 0; ready &= ready - 1)
            queue_empty(__builtin_ctz(ready));
}

TEST("layout")
{
    uint8_t *page = page_alloc();
    struct evtchn_init_control init = {.control_gfn = va_to_mfn(page)};

    REQUIRE_EQ(event_channel_op(EVTCHNOP_init_control, &init), 0);
    control = (struct evtchn_fifo_control_block *)page;
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
        struct evtchn_expand_array expand;

        pages[i] = page_alloc();
        expand.array_gfn = va_to_mfn(pages[i]);
        REQUIRE_EQ(event_channel_op(EVTCHNOP_expand_array, &expand), 0);
    }
    struct evtchn_expand_array more = {.array_gfn = va_to_mfn(page_alloc())};

    CHECK_EQ(event_channel_op(EVTCHNOP_expand_array, &more), -ENOSPC);
}

/* Pairs, each port of which raises the other, and one that raises itself. */
TEST("allocate")
{
    long a = event_bind_ipi(0), b;

    REQUIRE_EQ(a, 1);
    peers[a] = a;
    for (count = 2; count < PORTS; count += 2) {
        a = event_alloc_unbound(DOMID_SELF, DOMID_SELF);
        REQUIRE_EQ(a, count);
        b = event_bind_interdomain(DOMID_SELF, a);
        REQUIRE_EQ(b, count + 1);
        peers[a] = b;
        peers[b] = a;
    }
    CHECK_EQ(count, PORTS);
}

TEST("no-more")
{
    struct evtchn_status status;

    CHECK_EQ(event_alloc_unbound(DOMID_SELF, DOMID_SELF), -ENOSPC);
    CHECK_EQ(event_bind_ipi(0), -ENOSPC);
    CHECK_EQ(event_bind_virq(VIRQ_DEBUG, 0), -ENOSPC);
    CHECK_EQ(event_status(PORTS - 1, &status), 0);
    CHECK_EQ(status.status, EVTCHNSTAT_interdomain);
    CHECK_EQ(status.u.interdomain.port, PORTS - 2);
    CHECK(event_status(PORTS, &status) < 0);
    CHECK(event_send(PORTS) < 0);
    CHECK(event_unmask(PORTS) < 0);
    CHECK(event_close(PORTS) < 0);
}

static unsigned received_badly(unsigned wanted)
{
    unsigned bad = 0;

    for (uint32_t port = 1; port < PORTS; port++) {
        bad += received[port] != wanted;
        received[port] = 0;
    }
    return bad;
}

TEST("send")
{
    unsigned refused = 0;

    queues_empty();
    memset(received, 0, sizeof(received));
    for (uint32_t port = 1; port < PORTS; port++) {
        refused += event_send(peers[port]) != 0;
        if (port % BURST == 0)
            queues_empty();
    }
    queues_empty();
    CHECK_EQ(refused, 0);
    CHECK_EQ(received_badly(1), 0);
}

/* All of them pending at once: one queue, in the order of raising, none lost, none twice. */
TEST("all-pending")
{
    uint32_t port, expected = 0;

    for (port = 1; port < PORTS; port++)
        event_send(peers[port]);
    CHECK_EQ(event_send(peers[77]), 0); /* is pending already */
    __atomic_store_n(&control->ready, 0, __ATOMIC_SEQ_CST);
    port = control->head[EVTCHN_FIFO_PRIORITY_DEFAULT];
    for (; port != 0; expected++) {
        event_word_t *word = word_of(port);
        uint32_t next = unlink(word);

        order_faults += port != expected + 1;
        received[port] += __atomic_fetch_and(word, ~PENDING, __ATOMIC_SEQ_CST) & PENDING ? 1 : 0;
        port = next;
    }
    CHECK_EQ(expected, PORTS - 1);
    CHECK_EQ(order_faults, 0);
    CHECK_EQ(received_badly(1), 0);
}

/* Every port in the queue of its priority, by turns. */
TEST("priorities")
{
    unsigned refused = 0, misplaced = 0;

    for (uint32_t port = 1; port < PORTS; port += 7) {
        struct evtchn_set_priority set = {.port = port, .priority = port % QUEUES};

        refused += event_channel_op(EVTCHNOP_set_priority, &set) != 0;
    }
    CHECK_EQ(refused, 0);
    for (uint32_t port = 1; port < PORTS; port += 7) {
        event_send(peers[port]);
        last_queue = port % QUEUES;
        misplaced += (control->ready >> last_queue & 1) == 0;
    }
    CHECK_EQ(misplaced, 0);
    CHECK_EQ(control->ready, BIT(QUEUES) - 1);
    queues_empty();
    misplaced = 0;
    for (uint32_t port = 1; port < PORTS; port++)
        misplaced += received[port] != (port % 7 == 1);
    CHECK_EQ(misplaced, 0);
}

/* A port in the middle of all comes back when it is the only one free. */
TEST("close")
{
    unsigned refused = 0;

    CHECK_EQ(event_close(70001), 0);
    CHECK_EQ(event_alloc_unbound(DOMID_SELF, DOMID_SELF), 70001);
    CHECK_EQ(event_alloc_unbound(DOMID_SELF, DOMID_SELF), -ENOSPC);
    for (uint32_t port = 1; port < PORTS; port++)
        refused += event_close(port) != 0;
    CHECK_EQ(refused, 0);
    CHECK_EQ(event_alloc_unbound(DOMID_SELF, DOMID_SELF), 1);
    CHECK_EQ(event_close(1), 0);
}
