/* SPDX-License-Identifier: MIT */
/*
 * Rules of event delivery. What the hypervisor keeps for itself must always be right; that no event
 * is lost can be told only of guests that keep to the ABI, because they own the bits as we do.
 */
#include "check.h"
#include "gen.h"

#include <kr/cpu.h>
#include <kr/page.h>

#include <stdatomic.h>

#include "../../core/event_internal.h"

#define PENDING   BIT(EVTCHN_FIFO_PENDING)
#define MASKED    BIT(EVTCHN_FIFO_MASKED)
#define LINKED    BIT(EVTCHN_FIFO_LINKED)
#define LINK_MASK ((uint32_t)EVTCHN_FIFO_LINK_MASK)

/* ---- two-level --------------------------------------------------------------------------------
 */

/* A pending bit that is not masked: the port's vCPU has been told. */
static void check_2l_pending(struct domain *d, uint32_t number)
{
    const struct event_port *port = event_port_get(d, number);
    struct vcpu *v;

    RULE("event of nobody", port && port->state != EVENT_FREE,
         "d%u port %u is pending, but not in use", d->id, number);
    v = domain_vcpu(d, port->vcpu);
    RULE("lost event", !v || guest_bit_test(&v->info->evtchn_pending_sel, number / 64),
         "d%u port %u is pending, but v%u does not know of its word", d->id, number, port->vcpu);
    RULE("lost event", !v || v->info->evtchn_upcall_pending,
         "d%u port %u is pending, but v%u has no upcall", d->id, number, port->vcpu);
}

static void check_2l(struct domain *d)
{
    const struct shared_info *s = d->shared_info;

    for (unsigned word = 0; s && word < ARRAY_SIZE(s->evtchn_pending); word++) {
        uint64_t bits = s->evtchn_pending[word] & ~s->evtchn_mask[word];

        for (; bits; bits &= bits - 1)
            check_2l_pending(d, word * 64 + __builtin_ctzl(bits));
    }
}

/* ---- FIFO: our half ---------------------------------------------------------------------------
 */

static event_word_t *word_of(const struct event_fifo_domain *f, uint32_t number)
{
    return number / EVENT_FIFO_WORDS < f->page_count
               ? f->pages[number / EVENT_FIFO_WORDS] + number % EVENT_FIFO_WORDS
               : NULL;
}

static void check_frame(const struct domain *d, const void *p, const char *what)
{
    const struct page *page = page_of(virt_to_frame(p));

    RULE("FIFO frame", page->owner == d->id, "d%u: %s in a frame of d%u", d->id, what, page->owner);
}

/* A tail is a port that was linked there last. */
static void check_tails(struct domain *d, const struct vcpu *v)
{
    const struct event_fifo_vcpu *fv = v->events.fifo;

    for (unsigned priority = 0; priority < EVTCHN_FIFO_MAX_QUEUES; priority++) {
        uint32_t tail = fv->tail[priority];
        const struct event_port *port = tail ? event_port_get(d, tail) : NULL;

        if (tail == 0)
            continue;
        RULE("FIFO tail", port && word_of(d->events.fifo, tail),
             "d%uv%u queue %u: tail %u is no port with a word", d->id, v->id, priority, tail);
        RULE("FIFO tail", port->last_queue == EVENT_QUEUE(v->id, priority),
             "d%uv%u queue %u: tail %u was linked into queue %#x last", d->id, v->id, priority,
             tail, port->last_queue);
    }
}

static void check_fifo_vcpus(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(d, v, i)
    {
        if (!v->events.fifo)
            continue;
        RULE("FIFO", d->events.fifo, "d%uv%u has queues, the domain none", d->id, i);
        RULE("locks", !spin_is_locked(&v->events.fifo->lock), "queues of d%uv%u", d->id, i);
        check_frame(d, v->events.fifo->control, "a control block");
        check_tails(d, v);
    }
}

static void check_fifo_port(struct domain *d, uint32_t number)
{
    const struct event_port *port = event_port_get(d, number);
    const struct event_fifo_domain *f = d->events.fifo;
    uint32_t queue = port->last_queue;
    const struct vcpu *v;

    RULE("FIFO latch", !port->is_latched || (f && !word_of(f, number)),
         "d%u port %u is latched, and has a word", d->id, number);
    if (queue == EVENT_QUEUE_NONE)
        return;
    v = domain_vcpu(d, EVENT_QUEUE_VCPU(queue));
    RULE("FIFO queue", f && v && v->events.fifo, "d%u port %u was linked into queue %#x", d->id,
         number, queue);
}

/* ---- FIFO: both halves ------------------------------------------------------------------------
 */

/* Its upcall is still to come, for this queue; or the guest is at it. */
static void check_ready(const struct vcpu *v, unsigned priority)
{
    const struct evtchn_fifo_control_block *control = v->events.fifo->control;

    RULE("lost event", !(control->ready & BIT(priority)) || v->info->evtchn_upcall_pending,
         "d%uv%u queue %u is ready, but there is no upcall", v->domain->id, v->id, priority);
}

static void check_word(struct domain *d, uint32_t number)
{
    const struct event_port *port = event_port_get(d, number);
    const event_word_t *word = word_of(d->events.fifo, number);
    const struct vcpu *v = domain_vcpu(d, port->vcpu);

    if (!word || !(*word & PENDING))
        return;
    RULE("event of nobody", port->state != EVENT_FREE, "d%u port %u is pending, but not in use",
         d->id, number);
    RULE("lost event", (*word & (MASKED | LINKED)) || !v || !v->events.fifo,
         "d%u port %u is pending, but in no queue: %#x", d->id, number, *word);
}

static void check_fifo_honest(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    for (uint32_t number = 1; number < d->events.port_count; number++)
        check_word(d, number);
    domain_for_each_vcpu(d, v, i)
    {
        for (unsigned priority = 0; v->events.fifo && priority < EVTCHN_FIFO_MAX_QUEUES; priority++)
            check_ready(v, priority);
    }
    check_fifo_queues(d);
}

/* ---- both -------------------------------------------------------------------------------------
 */

/* Raised, by whomever, and not taken since. CPUs that are threads would be noted out of order. */
static void check_raised(struct domain *d)
{
    uint32_t end = MIN(d->events.port_count, (uint32_t)PORTS_KNOWN);

    for (uint32_t number = 1; number < end; number++)
        if (port_model(d, number)->is_raised)
            RULE("lost event",
                 event_uses_fifo(d) ? event_fifo_is_pending(d, number)
                                    : event_2l_is_pending(d, number),
                 "d%u port %u was raised and is not pending, but nobody took it", d->id, number);
}

void check_event_delivery(struct domain *d)
{
    bool is_honest = !model_of(d)->scribbles && d->refs > 0;

    check_fifo_vcpus(d);
    for (uint32_t number = 0; number < d->events.port_count; number++)
        check_fifo_port(d, number);
    for (uint32_t page = 0; d->events.fifo && page < d->events.fifo->page_count; page++)
        check_frame(d, d->events.fifo->pages[page], "event words");
    if (is_honest && d->events.fifo)
        check_fifo_honest(d);
    else if (is_honest)
        check_2l(d);
    if (is_honest && !sim_machine_config()->uses_threads)
        check_raised(d);
}
