/* SPDX-License-Identifier: MIT */
/* The consumer's side of FIFO event channels (xen/event_channel.h), for one vCPU. */
#include "guest.h"

#define WORDS_PER_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define PENDING        (1u << EVTCHN_FIFO_PENDING)
#define MASKED         (1u << EVTCHN_FIFO_MASKED)
#define LINKED         (1u << EVTCHN_FIFO_LINKED)

/* Not at the start of its page: offset is part of the interface. */
#define CONTROL_OFFSET 512

static struct evtchn_fifo_control_block *control;
static event_word_t *pages[8];
static unsigned page_count;
static uint32_t heads[EVTCHN_FIFO_MAX_QUEUES];

bool event_fifo_in_use(void)
{
    return control != NULL;
}

uint32_t *event_fifo_word(evtchn_port_t port)
{
    return &pages[port / WORDS_PER_PAGE][port % WORDS_PER_PAGE];
}

long event_fifo_expand(void)
{
    event_word_t *page = page_alloc();
    struct evtchn_expand_array op = {.array_gfn = va_to_mfn(page)};

    pages[page_count++] = page;
    long err = event_channel_op(EVTCHNOP_expand_array, &op);

    if (err)
        page_count--;
    return err;
}

long event_fifo_start(void)
{
    uint8_t *page = page_alloc();
    struct evtchn_init_control op = {.control_gfn = va_to_mfn(page), .offset = CONTROL_OFFSET};
    long err = event_channel_op(EVTCHNOP_init_control, &op);

    if (err)
        return err;
    if (op.link_bits != EVTCHN_FIFO_LINK_BITS)
        return -EINVAL;
    control = (struct evtchn_fifo_control_block *)(page + CONTROL_OFFSET);
    return event_fifo_expand();
}

/* Unlinks a word: yields its link, 0 at the tail. */
static uint32_t word_unlink(uint32_t *word)
{
    uint32_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST), new;

    do {
        new = old & ~(LINKED | EVTCHN_FIFO_LINK_MASK);
    } while (
        !__atomic_compare_exchange_n(word, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return old & EVTCHN_FIFO_LINK_MASK;
}

static void consume_one(unsigned priority, uint32_t *ready)
{
    uint32_t port = heads[priority];

    if (port == 0)
        port = __atomic_load_n(&control->head[priority], __ATOMIC_SEQ_CST);

    uint32_t *word = event_fifo_word(port);

    heads[priority] = word_unlink(word);
    if (heads[priority] == 0)
        *ready &= ~(1u << priority);
    uint32_t bits = __atomic_load_n(word, __ATOMIC_SEQ_CST);

    if ((bits & PENDING) && !(bits & MASKED)) {
        __atomic_and_fetch(word, ~PENDING, __ATOMIC_SEQ_CST);
        event_deliver(port);
    }
}

void event_fifo_collect(void)
{
    uint32_t ready = __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);

    while (ready) {
        consume_one(__builtin_ctz(ready), &ready);
        ready |= __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);
    }
}
