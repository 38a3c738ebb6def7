/* SPDX-License-Identifier: MIT */
/*
 * A kernel's half of the FIFO event layout, by the words of xen/event_channel.h and its design: for
 * each vCPU 16 queues by priority. `ready` says which have something new; a queue is taken from
 * its head on, along the links in the event words. Taking an event clears LINKED and the link in
 * one step; from then on the hypervisor may link it anew.
 */
#include "gen.h"

#include <xen/xen.h>

#include <xen/event_channel.h>

#include <string.h>

#define PENDING BIT(EVTCHN_FIFO_PENDING)
#define MASKED  BIT(EVTCHN_FIFO_MASKED)
#define LINKED  BIT(EVTCHN_FIFO_LINKED)
#define BUSY    BIT(EVTCHN_FIFO_BUSY)

/* More than there are ports in a turn: the words were scribbled on and lead in a circle. */
#define EVENTS_MAX (FIFO_PAGES_MAX * FIFO_PAGE_EVENTS)

/* A word of a page that the hypervisor has. Where the guest has mapped something else since, or
 * nothing, its events are lost by its own doing. */
static void *shared_word(struct actor *a, uint64_t va, uint64_t frame)
{
    void *word = sim_guest_word(a->guest, va);

    if (word && virt_to_frame(word) == frame)
        return word;
    a->model->scribbles = true;
    return NULL;
}

uint32_t *fifo_word(struct actor *a, uint32_t port)
{
    const struct fifo_model *f = &a->model->fifo;
    uint32_t page = port / FIFO_PAGE_EVENTS;

    if (page >= f->array_count)
        return NULL;
    return shared_word(a,
                       sim_page_va(f->array_pfn[page]) + port % FIFO_PAGE_EVENTS * sizeof(uint32_t),
                       f->array_frame[page]);
}

/* The control block lies in one page, so its words lie behind the first. */
static struct evtchn_fifo_control_block *control_block(struct actor *a)
{
    const struct fifo_model *f = &a->model->fifo;
    unsigned vcpu = a->vcpu->id % SIM_VCPU_MAX;

    return f->control_va[vcpu] ? shared_word(a, f->control_va[vcpu], f->control_frame[vcpu]) : NULL;
}

void fifo_forget(struct domain_model *m)
{
    for (unsigned i = 0; i < m->fifo.array_count; i++)
        m->memory.use[m->fifo.array_pfn[i]] = USE_PLAIN;
    for (unsigned i = 0; i < SIM_VCPU_MAX; i++)
        if (m->fifo.control_va[i])
            m->memory.use[(m->fifo.control_va[i] - SIM_VIRT_BASE) >> PAGE_SHIFT] = USE_PLAIN;
    memset(&m->fifo, 0, sizeof(m->fifo));
}

/* ---- masks ------------------------------------------------------------------------------------
 */

void fifo_mask(struct actor *a, uint32_t port)
{
    uint32_t *word = fifo_word(a, port);

    if (word)
        __atomic_fetch_or(word, MASKED, __ATOMIC_SEQ_CST);
}

/* One that is pending must be linked, and only the hypervisor links. While it is BUSY with a word,
 * nobody may unmask there. */
bool fifo_unmask(struct actor *a, uint32_t port)
{
    uint32_t *word = fifo_word(a, port), seen;

    if (!word)
        return false;
    seen = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    do {
        if (!(seen & MASKED))
            return true;
        if (seen & (PENDING | BUSY))
            return false;
    } while (!__atomic_compare_exchange_n(word, &seen, seen & ~MASKED, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    return true;
}

/* ---- taking events ----------------------------------------------------------------------------
 */

/* Out of its queue. The next one in it. */
static uint32_t unlink(uint32_t *word)
{
    uint32_t seen = __atomic_load_n(word, __ATOMIC_SEQ_CST);

    while (!__atomic_compare_exchange_n(word, &seen,
                                        seen & ~(uint32_t)(LINKED | EVTCHN_FIFO_LINK_MASK), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    return seen & EVTCHN_FIFO_LINK_MASK;
}

/* False: the queue is empty now. */
static bool take_one(struct actor *a, struct evtchn_fifo_control_block *control, unsigned queue)
{
    uint32_t *head = &a->model->fifo.head[a->vcpu->id][queue], port = *head, *word;

    if (port == 0)
        port = __atomic_load_n(&control->head[queue], __ATOMIC_SEQ_CST);
    word = fifo_word(a, port);
    if (!word) {
        *head = 0;
        return false;
    }
    *head = unlink(word);
    if ((__atomic_load_n(word, __ATOMIC_SEQ_CST) & (PENDING | MASKED)) == PENDING) {
        __atomic_fetch_and(word, ~(uint32_t)PENDING, __ATOMIC_SEQ_CST);
        port_model_take(a->domain, port);
        trace_note(a, "FIFO event", port, queue, 0);
    }
    return *head != 0;
}

void fifo_take_events(struct actor *a)
{
    struct evtchn_fifo_control_block *control = control_block(a);
    unsigned taken = 0;
    uint32_t ready;

    if (!control)
        return;
    ready = __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);
    while (ready & 0xffff) {
        unsigned queue = __builtin_ctz(ready);

        if (!take_one(a, control, queue))
            ready &= ~BIT(queue);
        if (++taken > EVENTS_MAX) {
            memset(a->model->fifo.head, 0, sizeof(a->model->fifo.head));
            return;
        }
        ready |= __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);
    }
}
