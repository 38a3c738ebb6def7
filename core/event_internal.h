/* SPDX-License-Identifier: MIT */
/*
 * Event channels: what the files core/event*.c share.
 *
 * event.c       ports: groups, lookup, sending and raising, virtual interrupts, polling
 * event_bind.c  connecting and closing ports
 * event_2l.c    two-level delivery: bitmaps in shared_info, a selector word per vCPU
 * event_fifo.c  FIFO delivery: linked lists through an array of words in guest memory
 * event_op.c    decoding of the hypercall
 * event_dump.c  debug key
 *
 * Locks. A port changes state with both its domain's event lock [e] and its own lock [p] held, an
 * interdomain port also with those of its peer; so either one is enough to read. Whoever raises
 * holds the [p] of a bound port: of the port itself, or of the peer it is sent from. Therefore,
 * once all ports of a domain are free and its event lock is held, nobody is raising there, and the
 * delivery structures may go. Order: event lock, port lock, FIFO queue lock; two of a kind by
 * ascending domain id, then port number or vCPU id.
 */
#pragma once

#include <kr/domain.h>
#include <kr/event.h>

#include <xen/xen.h>

#include <xen/event_channel.h>

#define EVENT_GROUP_SHIFT 7 /* 128 ports of 32 bytes: a page */
#define EVENT_GROUP_PORTS (1U << EVENT_GROUP_SHIFT)

#define EVENT_QUEUE_NONE (~0U)

/* The values are those of EVTCHNSTAT_*. */
enum event_state {
    EVENT_FREE,
    EVENT_UNBOUND,
    EVENT_INTERDOMAIN,
    EVENT_PIRQ,
    EVENT_VIRQ,
    EVENT_IPI,
};

/* One port. [e+p] as above  [a] atomic  [q] queue locks of event_fifo.c */
struct event_port {
    struct spinlock lock;
    uint8_t state;               /* [e+p] enum event_state */
    _Atomic uint8_t priority;    /* [a] FIFO: which queue */
    _Atomic uint16_t vcpu;       /* [a] whom to notify */
    uint16_t remote_id;          /* [e+p] UNBOUND: who may connect */
    _Atomic uint8_t is_latched;  /* [a] FIFO: raised while it had no event word yet */
    _Atomic uint32_t last_queue; /* [q] FIFO: where it was linked last, EVENT_QUEUE_NONE: nowhere */
    uint32_t source;             /* [e+p] INTERDOMAIN: peer's port; PIRQ, VIRQ: number */
    struct domain *remote;       /* [e+p] INTERDOMAIN: peer's domain, alive while connected */
};
_Static_assert(sizeof(struct event_port) <= 32, "ports are many");

/* FIFO delivery: event words in guest frames that are pinned, 1024 to a page. */
#define EVENT_FIFO_WORDS (PAGE_SIZE / sizeof(event_word_t))
#define EVENT_FIFO_PAGES (EVTCHN_FIFO_NR_CHANNELS / EVENT_FIFO_WORDS)

struct event_fifo_domain {
    _Atomic uint32_t page_count; /* [e] grows, one page at a time */
    event_word_t *pages[EVENT_FIFO_PAGES];
};

struct event_fifo_vcpu {
    struct spinlock lock; /* LOCK_RANK_EVENT_QUEUE */
    uint32_t tail[EVTCHN_FIFO_MAX_QUEUES];
    struct evtchn_fifo_control_block *control; /* in a pinned guest frame */
};

/* A queue by number: vCPU and priority. */
#define EVENT_QUEUE(vcpu, priority) ((uint32_t)(vcpu) << 4 | (priority))
#define EVENT_QUEUE_VCPU(queue)     ((queue) >> 4)
#define EVENT_QUEUE_PRIORITY(queue) ((queue)&0xf)

/* ---- bits of words that the guest writes too --------------------------------------------------
 */

static inline bool guest_bit_test(const uint64_t *words, uint32_t bit)
{
    return __atomic_load_n(&words[bit / 64], __ATOMIC_SEQ_CST) >> (bit % 64) & 1;
}

static inline bool guest_bit_test_and_set(uint64_t *words, uint32_t bit)
{
    return __atomic_fetch_or(&words[bit / 64], BIT(bit % 64), __ATOMIC_SEQ_CST) >> (bit % 64) & 1;
}

static inline bool guest_bit_test_and_clear(uint64_t *words, uint32_t bit)
{
    return __atomic_fetch_and(&words[bit / 64], ~BIT(bit % 64), __ATOMIC_SEQ_CST) >> (bit % 64) & 1;
}

/* ---- event.c --------------------------------------------------------------------------------- */

/* The port by number, NULL when its group does not exist. No lock. */
struct event_port *event_port_get(struct domain *d, uint32_t number);
/* Makes a port pending; the caller holds what keeps it bound (see above). */
void event_raise(struct domain *d, struct event_port *port, uint32_t number);
/* The guest's vCPU shall look for events. */
void event_upcall(struct vcpu *v);
/* Most ports the current ABI can address in this domain, port 0 included. [e] */
uint32_t event_port_limit(const struct domain *d);
/*
 * Finds a free port, growing the table, and makes it FREE -> state. [e] held, returns with the
 * port's lock held too, so that the caller fills in the rest.
 * Port number, or -ENOSPC, -ENOMEM, -EINVAL when the domain dies.
 */
int event_port_take(struct domain *d, enum event_state state,
                    struct event_port **port) __must_check;
/* Back to FREE. [e] and port lock held; the latter is released. */
void event_port_release(struct domain *d, struct event_port *port, uint32_t number);

static inline bool event_uses_fifo(const struct domain *d)
{
    return __atomic_load_n(&d->events.fifo, __ATOMIC_ACQUIRE) != NULL;
}

/* ---- event_bind.c: one function per operation, `d` is the caller's domain ---------------------
 */

int event_bind_interdomain(struct domain *d, struct domain *remote,
                           uint32_t remote_number) __must_check;
int event_bind_virq(struct domain *d, uint32_t virq, uint32_t vcpu) __must_check;
int event_bind_pirq(struct domain *d, uint32_t pirq, bool share) __must_check;
int event_bind_ipi(struct domain *d, uint32_t vcpu) __must_check;
int event_bind_vcpu(struct domain *d, uint32_t number, uint32_t vcpu) __must_check;
int event_set_priority(struct domain *d, uint32_t number, uint32_t priority) __must_check;
/* 0, or -EINVAL: nothing to close. */
int event_close(struct domain *d, uint32_t number);
/* Closes all ports, in bounded steps; `to_2l`: also leaves the FIFO ABI. */
int event_reset(struct domain *d, bool to_2l) __must_check;
/* Is this virq one per domain, bound on vCPU 0? */
bool event_virq_is_global(uint32_t virq);

/* ---- delivery -------------------------------------------------------------------------------- */

/* Sets pending and notifies; true when it was not pending before. */
bool event_2l_raise(struct domain *d, struct event_port *port, uint32_t number);
bool event_fifo_raise(struct domain *d, struct event_port *port, uint32_t number);
/* Clears the mask and delivers what is pending. */
void event_2l_unmask(struct domain *d, struct event_port *port, uint32_t number);
void event_fifo_unmask(struct domain *d, struct event_port *port, uint32_t number);
void event_2l_clear_pending(struct domain *d, uint32_t number);
void event_fifo_clear_pending(struct domain *d, struct event_port *port, uint32_t number);
bool event_2l_is_pending(struct domain *d, uint32_t number);
bool event_fifo_is_pending(struct domain *d, uint32_t number);
bool event_2l_is_masked(struct domain *d, uint32_t number);
bool event_fifo_is_masked(struct domain *d, uint32_t number);
/* A pending port now belongs to another vCPU: tell that one. */
void event_2l_moved(struct domain *d, struct event_port *port, uint32_t number);
/* Is a free port still in a queue, so that it must not be used again yet? */
bool event_fifo_is_linked(struct domain *d, uint32_t number);

int event_fifo_init_control(struct domain *d, const struct evtchn_init_control *op) __must_check;
int event_fifo_expand_array(struct domain *d, uint64_t array_gfn) __must_check;
/* Back to the two-level ABI. No port is in use; [e] not held. -EBUSY when a port was bound
 * meanwhile. */
int event_fifo_leave(struct domain *d) __must_check;
