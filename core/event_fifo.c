/* SPDX-License-Identifier: MIT */
/*
 * Event channels, FIFO delivery (xen/event_channel.h "FIFO ABI"). The guest gives us an array of
 * 32-bit event words, one per port, and per vCPU a control block with the heads of 16 queues. A
 * word holds PENDING, MASKED, LINKED, BUSY and the number of the next port in its queue (LINK).
 *
 * Raising sets PENDING; if the port is neither MASKED nor LINKED it is appended to a queue: LINKED
 * is set, then the old tail's LINK if that tail is still in the queue, else the queue is empty and
 * its head is set and its bit in the `ready` word. The guest takes events from the head: it clears
 * LINKED and LINK in one step, and only then looks at PENDING and MASKED.
 *
 * A port is in one queue at a time. If its vCPU or priority changes it stays where it is linked
 * until the guest took it out; then the old queue must forget that it was its tail, as its LINKED
 * bit now speaks of another queue. port->last_queue remembers that one.
 *
 * The guest can write all of this at any moment. The array is only a list of what it shall look at:
 * we follow no LINK, and keep tails on our side. A guest that corrupts its words loses its own
 * events. Loops on guest words are bounded.
 */
#include <kr/errno.h>
#include <kr/heap.h>
#include <kr/log.h>

#include <stdatomic.h>

#include "event_internal.h"

#define PENDING   BIT(EVTCHN_FIFO_PENDING)
#define MASKED    BIT(EVTCHN_FIFO_MASKED)
#define LINKED    BIT(EVTCHN_FIFO_LINKED)
#define BUSY      BIT(EVTCHN_FIFO_BUSY)
#define LINK_MASK ((uint32_t)EVTCHN_FIFO_LINK_MASK)

/* With BUSY set, a guest that keeps the rules changes a word at most this often: clears PENDING,
 * sets MASKED, unlinks. */
#define LINK_TRIES 4
/* The queue of a port can change while we wait for locks only if the guest changes the binding. */
#define QUEUE_TRIES 8

static uint32_t word_set(event_word_t *word, uint32_t bits)
{
    return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}

static uint32_t word_clear(event_word_t *word, uint32_t bits)
{
    return __atomic_fetch_and(word, ~bits, __ATOMIC_SEQ_CST);
}

static struct event_fifo_domain *fifo_of(struct domain *d)
{
    return __atomic_load_n(&d->events.fifo, __ATOMIC_ACQUIRE);
}

/* NULL: the guest has not given a page for this port yet. */
static event_word_t *fifo_word(struct domain *d, uint32_t number)
{
    struct event_fifo_domain *f = fifo_of(d);
    uint32_t index = number / EVENT_FIFO_WORDS;

    if (f == NULL || index >= atomic_load(&f->page_count))
        return NULL;
    return f->pages[index] + number % EVENT_FIFO_WORDS;
}

static struct event_fifo_vcpu *fifo_vcpu(struct domain *d, uint32_t vcpu)
{
    struct vcpu *v = domain_vcpu(d, vcpu);

    return v != NULL ? __atomic_load_n(&v->events.fifo, __ATOMIC_ACQUIRE) : NULL;
}

/* ---- linking --------------------------------------------------------------------------------- */

/* Makes `next` the successor of a tail; false: that tail is in no queue any more. */
static bool fifo_append_to(event_word_t *tail, uint32_t next)
{
    uint32_t word = __atomic_load_n(tail, __ATOMIC_SEQ_CST);

    for (unsigned i = 0; i <= LINK_TRIES; i++) {
        if (!(word & LINKED))
            break;
        if (__atomic_compare_exchange_n(tail, &word, (word & ~(BUSY | LINK_MASK)) | next, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return true;
        /* The guest is at it: from now on it must not unmask. */
        if (i == 0)
            word = word_set(tail, BUSY) | BUSY;
    }
    if (word & BUSY)
        word_clear(tail, BUSY);
    return false;
}

/*
 * Both queues' locks held. Links a port that is in no queue; true: the queue was empty and the vCPU
 * did not know it had something in it.
 */
static bool fifo_link_locked(struct domain *d, struct event_port *port, uint32_t number,
                             struct event_fifo_vcpu *from, struct event_fifo_vcpu *to,
                             uint32_t queue)
{
    uint32_t last = port->last_queue, priority = EVENT_QUEUE_PRIORITY(queue), tail;

    if (word_set(fifo_word(d, number), LINKED) & LINKED)
        return false; /* somebody else was faster */
    if (last != queue) {
        if (last != EVENT_QUEUE_NONE && from->tail[EVENT_QUEUE_PRIORITY(last)] == number)
            from->tail[EVENT_QUEUE_PRIORITY(last)] = 0;
        port->last_queue = queue;
    }
    tail = to->tail[priority];
    to->tail[priority] = number;
    if (tail != 0 && tail != number && fifo_append_to(fifo_word(d, tail), number))
        return false; /* the guest gets there from the event before */
    __atomic_store_n(&to->control->head[priority], number, __ATOMIC_SEQ_CST);
    return !(word_set(&to->control->ready, BIT(priority)) & BIT(priority));
}

/* By ascending address is as good as any order: these locks never leave this file. */
static void fifo_lock_queues(struct event_fifo_vcpu *a, struct event_fifo_vcpu *b)
{
    spin_lock(a < b ? &a->lock : &b->lock);
    if (a != b)
        spin_lock_nested(a < b ? &b->lock : &a->lock);
}

static void fifo_unlock_queues(struct event_fifo_vcpu *a, struct event_fifo_vcpu *b)
{
    spin_unlock(&a->lock);
    if (a != b)
        spin_unlock(&b->lock);
}

/* Puts a pending port into the queue of its vCPU and priority, if it is in none. */
static void fifo_link(struct domain *d, struct event_port *port, uint32_t number)
{
    uint32_t vcpu = port->vcpu, queue = EVENT_QUEUE(vcpu, port->priority);
    struct event_fifo_vcpu *to = fifo_vcpu(d, vcpu);

    if (to == NULL) /* no control block: the guest does not want events there */
        return;
    for (unsigned i = 0; i < QUEUE_TRIES; i++) {
        uint32_t last = atomic_load(&port->last_queue);
        struct event_fifo_vcpu *from =
            last == EVENT_QUEUE_NONE ? to : fifo_vcpu(d, EVENT_QUEUE_VCPU(last));
        bool is_same, is_news = false;

        fifo_lock_queues(from, to);
        is_same = atomic_load(&port->last_queue) == last;
        if (is_same)
            is_news = fifo_link_locked(d, port, number, from, to, queue);
        fifo_unlock_queues(from, to);
        if (is_news)
            event_upcall(domain_vcpu(d, vcpu));
        if (is_same)
            return;
    }
}

bool event_fifo_raise(struct domain *d, struct event_port *port, uint32_t number)
{
    event_word_t *word = fifo_word(d, number);
    uint32_t old;

    if (word == NULL) {
        /* Kept for event_fifo_expand_array(), which may be adding the page right now. */
        atomic_store(&port->is_latched, 1);
        word = fifo_word(d, number);
        if (word == NULL || atomic_exchange(&port->is_latched, 0) == 0)
            return true;
    }
    old = word_set(word, PENDING);
    if (!(old & (MASKED | LINKED)))
        fifo_link(d, port, number);
    return !(old & PENDING);
}

void event_fifo_unmask(struct domain *d, struct event_port *port, uint32_t number)
{
    event_word_t *word = fifo_word(d, number);

    if (word != NULL && (word_clear(word, MASKED) & (PENDING | LINKED)) == PENDING)
        fifo_link(d, port, number);
}

void event_fifo_clear_pending(struct domain *d, struct event_port *port, uint32_t number)
{
    event_word_t *word = fifo_word(d, number);

    atomic_store(&port->is_latched, 0);
    if (word != NULL)
        word_clear(word, PENDING);
}

static bool fifo_test(struct domain *d, uint32_t number, uint32_t bit)
{
    event_word_t *word = fifo_word(d, number);

    return word != NULL && (__atomic_load_n(word, __ATOMIC_SEQ_CST) & bit);
}

bool event_fifo_is_pending(struct domain *d, uint32_t number)
{
    return fifo_test(d, number, PENDING) || atomic_load(&event_port_get(d, number)->is_latched);
}

bool event_fifo_is_masked(struct domain *d, uint32_t number)
{
    return fifo_test(d, number, MASKED);
}

bool event_fifo_is_linked(struct domain *d, uint32_t number)
{
    return fifo_test(d, number, LINKED);
}

/* ---- giving and taking back guest frames ----------------------------------------------------- */

/* [e] The domain changes to FIFO. What is pending in the old place waits for its array page. */
static void fifo_enter(struct domain *d, struct event_fifo_domain *f)
{
    struct event_port *port;

    __atomic_store_n(&d->events.fifo, f, __ATOMIC_SEQ_CST);
    for (uint32_t number = 1; number < MIN(d->events.port_count, EVTCHN_2L_NR_CHANNELS); number++) {
        port = event_port_get(d, number);
        if (port->state != EVENT_FREE && event_2l_is_pending(d, number)) {
            event_2l_clear_pending(d, number);
            atomic_store(&port->is_latched, 1);
        }
    }
}

/* [e] The vCPU has queues now: what was raised for it before goes there. */
static void fifo_link_waiting(struct vcpu *v)
{
    struct domain *d = v->domain;

    for (uint32_t number = 1; number < d->events.port_count; number++) {
        struct event_port *port = event_port_get(d, number);
        event_word_t *word = fifo_word(d, number);

        if (word == NULL)
            return;
        if (port->state == EVENT_FREE || port->vcpu != v->id)
            continue;
        spin_lock(&port->lock);
        if ((__atomic_load_n(word, __ATOMIC_SEQ_CST) & (PENDING | MASKED | LINKED)) == PENDING)
            fifo_link(d, port, number);
        spin_unlock(&port->lock);
    }
}

/* Takes over `control`, `*fv` and `*f` (setting them to NULL where used) or fails. */
static int fifo_set_control(struct vcpu *v, struct evtchn_fifo_control_block *control,
                            struct event_fifo_vcpu **fv, struct event_fifo_domain **f)
{
    struct domain *d = v->domain;
    int rc = 0;

    spin_lock(&d->events.lock);
    if (d->events.is_closed) {
        rc = -EINVAL;
    } else if (v->events.fifo != NULL) {
        rc = -EEXIST;
    } else {
        spin_lock_init(&(*fv)->lock, LOCK_RANK_EVENT_QUEUE);
        (*fv)->control = control;
        __atomic_store_n(&v->events.fifo, *fv, __ATOMIC_RELEASE);
        *fv = NULL;
        if (d->events.fifo == NULL) {
            fifo_enter(d, *f);
            *f = NULL;
        }
        fifo_link_waiting(v);
    }
    spin_unlock(&d->events.lock);
    return rc;
}

int event_fifo_init_control(struct domain *d, const struct evtchn_init_control *op)
{
    struct vcpu *v = domain_vcpu(d, op->vcpu);
    struct event_fifo_domain *f;
    struct event_fifo_vcpu *fv;
    mfn_t mfn;
    int rc;

    if (v == NULL)
        return -ENOENT;
    if (op->offset % 8 != 0 || op->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block))
        return -EINVAL;
    mfn = arch_frame_pin_writable(d, op->control_gfn);
    if (mfn == MFN_INVALID)
        return -EINVAL;

    f = heap_zalloc_for(&d->memory, sizeof(*f));
    fv = heap_zalloc_for(&d->memory, sizeof(*fv));
    if (f == NULL || fv == NULL)
        rc = -ENOMEM;
    else
        rc = fifo_set_control(v, (void *)((char *)frame_to_virt(mfn) + op->offset), &fv, &f);
    heap_free(fv);
    heap_free(f);
    if (rc != 0)
        arch_frame_unpin(mfn);
    return rc;
}

/* [e] A new page: raise what was raised before it was there. */
static void fifo_raise_latched(struct domain *d, uint32_t first)
{
    uint32_t end = MIN(first + (uint32_t)EVENT_FIFO_WORDS, d->events.port_count);

    for (uint32_t number = first; number < end; number++) {
        struct event_port *port = event_port_get(d, number);

        if (port->state != EVENT_FREE && atomic_exchange(&port->is_latched, 0) != 0)
            event_raise(d, port, number);
    }
}

int event_fifo_expand_array(struct domain *d, uint64_t array_gfn)
{
    struct event_fifo_domain *f;
    uint32_t count;
    mfn_t mfn;
    int rc = 0;

    if (!event_uses_fifo(d))
        return -EOPNOTSUPP;
    mfn = arch_frame_pin_writable(d, array_gfn);
    if (mfn == MFN_INVALID)
        return -EINVAL;

    spin_lock(&d->events.lock);
    f = d->events.fifo;
    count = f != NULL ? f->page_count : 0;
    if (f == NULL) {
        rc = -EOPNOTSUPP;
    } else if (count == EVENT_FIFO_PAGES) {
        rc = -ENOSPC;
    } else {
        f->pages[count] = frame_to_virt(mfn);
        atomic_store(&f->page_count, count + 1);
        fifo_raise_latched(d, count * EVENT_FIFO_WORDS);
    }
    spin_unlock(&d->events.lock);
    if (rc != 0)
        arch_frame_unpin(mfn);
    return rc;
}

static void fifo_vcpu_free(struct vcpu *v)
{
    struct event_fifo_vcpu *fv = v->events.fifo;

    if (fv == NULL)
        return;
    __atomic_store_n(&v->events.fifo, NULL, __ATOMIC_RELEASE);
    arch_frame_unpin(virt_to_frame(fv->control));
    heap_free(fv);
}

int event_fifo_leave(struct domain *d)
{
    struct event_fifo_domain *f;
    struct vcpu *v;
    unsigned i;

    spin_lock(&d->events.lock);
    if (d->events.used_count != 0) {
        spin_unlock(&d->events.lock);
        return -EBUSY;
    }
    f = d->events.fifo;
    __atomic_store_n(&d->events.fifo, NULL, __ATOMIC_RELEASE);
    domain_for_each_vcpu(d, v, i) fifo_vcpu_free(v);
    for (uint32_t number = 0; number < d->events.port_count; number++)
        event_port_get(d, number)->last_queue = EVENT_QUEUE_NONE;
    spin_unlock(&d->events.lock);

    for (uint32_t page = 0; f != NULL && page < f->page_count; page++)
        arch_frame_unpin(virt_to_frame(f->pages[page]));
    heap_free(f);
    return 0;
}

void event_vcpu_fini(struct vcpu *v)
{
    fifo_vcpu_free(v);
}
