/* SPDX-License-Identifier: MIT */
/*
 * The queues of the FIFO event layout, walked as a guest would (xen/event_channel.h): from the
 * heads in the control blocks along the links in the event words. A guest takes events without
 * leaving guest mode, so while the machine stands still a queue is either ready and whole, or
 * empty. Told only of guests that keep to the ABI.
 */
#include "check.h"
#include "gen.h"

#include <kr/cpu.h>

#include <stdatomic.h>

#include "../../core/event_internal.h"

#define MASKED    BIT(EVTCHN_FIFO_MASKED)
#define LINKED    BIT(EVTCHN_FIFO_LINKED)
#define BUSY      BIT(EVTCHN_FIFO_BUSY)
#define LINK_MASK ((uint32_t)EVTCHN_FIFO_LINK_MASK)

/* Ports met in this look, by their number: the look's own. */
static uint32_t met[EVTCHN_FIFO_NR_CHANNELS], look;

static const event_word_t *word_of(const struct event_fifo_domain *f, uint32_t number)
{
    return number / EVENT_FIFO_WORDS < f->page_count
               ? f->pages[number / EVENT_FIFO_WORDS] + number % EVENT_FIFO_WORDS
               : NULL;
}

/* One in a queue. Where its link leads. */
static uint32_t check_linked(struct domain *d, uint32_t queue, uint32_t number)
{
    const struct event_port *port = event_port_get(d, number);
    const event_word_t *word = word_of(d->events.fifo, number);

    RULE("FIFO queue", port && word, "d%u queue %#x leads to port %u, which has no word", d->id,
         queue, number);
    RULE("FIFO queue", met[number] != look, "d%u queue %#x: port %u is in a queue twice", d->id,
         queue, number);
    RULE("FIFO queue", (*word & LINKED) && !(*word & BUSY), "d%u queue %#x: port %u has word %#x",
         d->id, queue, number, *word);
    RULE("FIFO queue", port->last_queue == queue,
         "d%u queue %#x: port %u was linked into queue %#x", d->id, queue, number,
         port->last_queue);
    met[number] = look;
    return *word & LINK_MASK;
}

/* A guest that knows of a new event finds all of them, up to the one that the next is put behind.
 */
static void check_ready_queue(struct domain *d, const struct event_fifo_vcpu *fv, uint32_t queue)
{
    unsigned priority = EVENT_QUEUE_PRIORITY(queue);
    uint32_t number = fv->control->head[priority], last = 0;

    while (number != 0) {
        last = number;
        number = check_linked(d, queue, number);
    }
    RULE("FIFO queue", last != 0, "d%u queue %#x is ready, but empty", d->id, queue);
    RULE("FIFO tail", last == fv->tail[priority], "d%u queue %#x ends with port %u, its tail is %u",
         d->id, queue, last, fv->tail[priority]);
}

/* What was its tail is in no queue any more: the next event must go to the head. */
static void check_empty_queue(struct domain *d, const struct event_fifo_vcpu *fv, uint32_t queue)
{
    uint32_t tail = fv->tail[EVENT_QUEUE_PRIORITY(queue)];
    const event_word_t *word = tail ? word_of(d->events.fifo, tail) : NULL;

    RULE("lost event", !word || !(*word & LINKED),
         "d%u queue %#x is not ready, but its tail, port %u, is linked: %#x", d->id, queue, tail,
         *word);
}

/* A port is put where its vCPU and priority say, and stays there if they change. */
static void check_place(struct domain *d, uint32_t number, uint32_t word)
{
    const struct event_port *port = event_port_get(d, number);
    struct port_model *m = port_model(d, number);

    if (!m)
        return;
    if (!(word & LINKED))
        m->is_moved = false;
    else if (!m->is_moved && port->state != EVENT_FREE)
        RULE("FIFO queue", port->last_queue == EVENT_QUEUE(port->vcpu, port->priority),
             "d%u port %u of vCPU %u, priority %u, is in queue %#x", d->id, number, port->vcpu,
             port->priority, port->last_queue);
}

void check_fifo_queues(struct domain *d)
{
    const struct event_fifo_domain *f = d->events.fifo;
    struct vcpu *v;
    unsigned i;

    look++;
    domain_for_each_vcpu(d, v, i)
    {
        for (unsigned p = 0; v->events.fifo && p < EVTCHN_FIFO_MAX_QUEUES; p++) {
            if (v->events.fifo->control->ready & BIT(p))
                check_ready_queue(d, v->events.fifo, EVENT_QUEUE(v->id, p));
            else
                check_empty_queue(d, v->events.fifo, EVENT_QUEUE(v->id, p));
        }
    }
    for (uint32_t number = 1; number < d->events.port_count && word_of(f, number); number++) {
        uint32_t word = *word_of(f, number);

        RULE("lost event", !(word & LINKED) || met[number] == look,
             "d%u port %u is linked (%#x), but its vCPU finds it in no queue; last: %#x", d->id,
             number, word, event_port_get(d, number)->last_queue);
        check_place(d, number, word);
    }
}
