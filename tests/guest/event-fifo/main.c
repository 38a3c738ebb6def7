/* SPDX-License-Identifier: MIT */
/* Event channels in the FIFO layout: switching over, queues and priorities, array growth. */
#include "guest.h"
#include <xen/version.h>

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED  (1u << EVTCHN_FIFO_MASKED)

static evtchn_port_t pairs[8][2]; /* send on [1], arrives at [0] */

TEST("init-refused")
{
    uint8_t *page = page_alloc();
    struct evtchn_init_control op = {.control_gfn = va_to_mfn(page), .vcpu = 1};
    struct evtchn_expand_array array = {.array_gfn = va_to_mfn(page)};

    CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &op), -ENOENT);
    op.vcpu = 0;
    op.offset = 4;
    CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &op), -EINVAL);
    op.offset = PAGE_SIZE - 8;
    CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &op), -EINVAL);
    op.offset = 0;
    op.control_gfn = 1UL << 39;
    CHECK(event_channel_op(EVTCHNOP_init_control, &op) < 0);
    op.control_gfn = va_to_mfn(pt_entry(page, 1)); /* a page table */
    CHECK(event_channel_op(EVTCHNOP_init_control, &op) < 0);
    CHECK(event_channel_op(EVTCHNOP_expand_array, &array) < 0);
    page_free(page);
}

TEST("init")
{
    REQUIRE_EQ(event_fifo_start(), 0);
    uint8_t *page = page_alloc();
    struct evtchn_init_control op = {.control_gfn = va_to_mfn(page)};

    CHECK(event_channel_op(EVTCHNOP_init_control, &op) < 0); /* once per vCPU */
    page_free(page);
    for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++)
        event_pair(&pairs[i][0], &pairs[i][1]);
    events_enable();
    events_disable();
}

static void reset_counts(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++)
        event_counts[pairs[i][0]] = event_counts[pairs[i][1]] = 0;
    event_order_count = 0;
    upcall_count = 0;
}

TEST("send")
{
    reset_counts();
    events_enable();
    CHECK_EQ(event_send(pairs[0][1]), 0);
    CHECK_EQ(event_counts[pairs[0][0]], 1);
    CHECK_EQ(event_send(pairs[0][1]), 0);
    CHECK_EQ(event_counts[pairs[0][0]], 2);
    events_disable();
}

TEST("order-within-queue")
{
    static const unsigned order[] = {3, 0, 5, 1, 7};

    reset_counts();
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        CHECK_EQ(event_send(pairs[order[i]][1]), 0);
    CHECK_EQ(event_send(pairs[3][1]), 0); /* is in the queue already */
    events_enable();
    events_disable();
    CHECK_EQ(upcall_count, 1);
    REQUIRE_EQ(event_order_count, ARRAY_SIZE(order));
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        CHECK_EQ(event_order[i], pairs[order[i]][0]);
}

static long priority_set(evtchn_port_t port, uint32_t priority)
{
    struct evtchn_set_priority op = {.port = port, .priority = priority};

    return event_channel_op(EVTCHNOP_set_priority, &op);
}

TEST("priorities")
{
    reset_counts();
    CHECK_EQ(priority_set(pairs[2][0], EVTCHN_FIFO_PRIORITY_MAX), 0);
    CHECK_EQ(priority_set(pairs[4][0], EVTCHN_FIFO_PRIORITY_MIN), 0);
    CHECK_EQ(event_send(pairs[4][1]), 0);
    CHECK_EQ(event_send(pairs[1][1]), 0);
    CHECK_EQ(event_send(pairs[2][1]), 0);
    events_enable();
    events_disable();
    REQUIRE_EQ(event_order_count, 3);
    CHECK_EQ(event_order[0], pairs[2][0]);
    CHECK_EQ(event_order[1], pairs[1][0]);
    CHECK_EQ(event_order[2], pairs[4][0]);
    CHECK_EQ(priority_set(pairs[2][0], EVTCHN_FIFO_PRIORITY_DEFAULT), 0);
    CHECK_EQ(priority_set(pairs[4][0], EVTCHN_FIFO_PRIORITY_DEFAULT), 0);
}

TEST("priority-refused")
{
    CHECK_EQ(priority_set(pairs[0][0], EVTCHN_FIFO_PRIORITY_MIN + 1), -EINVAL);
    CHECK(priority_set(~0u, 0) < 0);
}

TEST("mask")
{
    uint32_t *word = event_fifo_word(pairs[0][0]);

    reset_counts();
    __atomic_or_fetch(word, MASKED, __ATOMIC_SEQ_CST);
    events_enable();
    CHECK_EQ(event_send(pairs[0][1]), 0);
    CHECK_EQ(event_counts[pairs[0][0]], 0);
    CHECK_EQ(*word & PENDING, PENDING);
    CHECK_EQ(event_unmask(pairs[0][0]), 0);
    CHECK_EQ(*word & (MASKED | PENDING), 0);
    CHECK_EQ(event_counts[pairs[0][0]], 1);
    events_disable();
}

/* Masked after it was queued: the consumer skips it, unmask queues it again. */
TEST("mask-while-queued")
{
    uint32_t *word = event_fifo_word(pairs[0][0]);

    reset_counts();
    CHECK_EQ(event_send(pairs[0][1]), 0);
    __atomic_or_fetch(word, MASKED, __ATOMIC_SEQ_CST);
    CHECK_EQ(event_send(pairs[1][1]), 0);
    events_enable();
    CHECK_EQ(event_counts[pairs[0][0]], 0);
    CHECK_EQ(event_counts[pairs[1][0]], 1);
    CHECK_EQ(event_unmask(pairs[0][0]), 0);
    CHECK_EQ(event_counts[pairs[0][0]], 1);
    events_disable();
}

/* Changing the priority of a queued port must neither lose nor double it. */
TEST("priority-change-while-queued")
{
    reset_counts();
    CHECK_EQ(event_send(pairs[0][1]), 0);
    CHECK_EQ(priority_set(pairs[0][0], 3), 0);
    CHECK_EQ(event_send(pairs[0][1]), 0);
    events_enable();
    events_disable();
    CHECK_EQ(event_counts[pairs[0][0]], 1);
    events_enable();
    CHECK_EQ(event_send(pairs[0][1]), 0);
    CHECK_EQ(event_counts[pairs[0][0]], 2);
    events_disable();
    CHECK_EQ(priority_set(pairs[0][0], EVTCHN_FIFO_PRIORITY_DEFAULT), 0);
}

/* Ports beyond the array page exist; their events wait until the guest gives the page. */
TEST("expand-array")
{
    evtchn_port_t low[2], high;
    long port = 0;

    while (port < 1030 && port >= 0)
        port = event_alloc_unbound(DOMID_SELF, DOMID_SELF);
    REQUIRE_EQ(port, 1030);
    event_pair(&low[0], &low[1]);
    high = low[0];
    REQUIRE(high >= 1024);
    CHECK_EQ(event_send(low[1]), 0);
    event_counts[high] = event_counts[low[1]] = 0;
    CHECK_EQ(event_fifo_expand(), 0);
    CHECK_EQ(*event_fifo_word(high) & PENDING, PENDING);
    events_enable();
    CHECK_EQ(event_counts[high], 1);
    CHECK_EQ(event_send(low[1]), 0);
    CHECK_EQ(event_counts[high], 2);
    events_disable();
}

TEST("expand-refused")
{
    struct evtchn_expand_array op = {.array_gfn = 1UL << 39};

    CHECK(event_channel_op(EVTCHNOP_expand_array, &op) < 0);
    op.array_gfn = va_to_mfn(pt_entry(boot_stack, 1));
    CHECK(event_channel_op(EVTCHNOP_expand_array, &op) < 0);
}

/* The words are the guest's memory: a link that points nowhere is its own fault and nobody else's.
 */
TEST("hostile-words")
{
    uint32_t *word = event_fifo_word(pairs[5][0]);

    for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++)
        CHECK_EQ(event_send(pairs[i][1]), 0);
    *word = 0xffffffff & ~MASKED;
    for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++)
        event_send(pairs[i][1]);
    CHECK(priority_set(pairs[5][0], 2) <= 0);
    CHECK(event_unmask(pairs[5][0]) <= 0);
    *word = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++)
        event_send(pairs[i][1]);
    CHECK_EQ(xen_version(XENVER_version, NULL), 4 << 16 | 17);
}
