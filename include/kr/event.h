/* SPDX-License-Identifier: MIT */
/*
 * Event channels: ports of a domain, two delivery ABIs (two-level bitmaps in shared_info, FIFO
 * queues in guest pages), and what may raise them. Raising is O(1), takes no global lock and may
 * be done on any CPU with interrupts off, with locks below LOCK_RANK_EVENT_PORT held.
 * ABI: xen/event_channel.h.
 */
#pragma once

#include <kr/lock.h>
#include <kr/types.h>

struct domain;
struct vcpu;
struct event_port;
struct event_fifo_domain;
struct event_fifo_vcpu;

#define EVENT_VIRQ_COUNT     24 /* NR_VIRQS */
#define EVENT_PORT_COUNT_MAX 131072
#define EVENT_PIRQ_COUNT_MAX 8192
#define EVENT_PIRQ_GROUP     256

/* Per-domain part. [e] domain's event lock, [a] atomic */
struct domain_events {
    struct spinlock lock;
    bool is_closed;                 /* [e] dying: nothing more may be bound */
    struct event_port **groups;     /* [I] one slot per group of ports; readers need no lock */
    uint8_t *group_free;            /* [e] free ports in each group */
    _Atomic uint32_t port_count;    /* [a] ports allocated so far; written under [e] */
    uint32_t port_max;              /* [I] ports the domain may have, port 0 included */
    uint32_t used_count;            /* [e] ports that are not free */
    uint32_t free_group_hint;       /* [e] no group below has a free port */
    struct event_fifo_domain *fifo; /* [a] NULL: two-level ABI */
    _Atomic uint32_t poller_count;  /* [a] vCPUs in SCHEDOP_poll */
    /* [a] port of a pirq, 0 = not bound; groups come on demand under [e] */
    _Atomic(_Atomic uint32_t *) pirq_ports[EVENT_PIRQ_COUNT_MAX / EVENT_PIRQ_GROUP];
};

/* Per-vCPU part. */
struct vcpu_events {
    _Atomic uint32_t virq_port[EVENT_VIRQ_COUNT]; /* 0 = not bound */
    struct event_fifo_vcpu *fifo;                 /* [a] */
};

/* `port_max` counts ports including port 0 (the toolstack's max_evtchn_port + 1); more than
 * EVENT_PORT_COUNT_MAX means that many. -ENOMEM, -EINVAL for 0. */
int event_domain_init(struct domain *d, uint32_t port_max) __must_check;
/* Kill: closes every port and lets go of all guest frames; peers see their end unbound.
 * Bounded: -ERESTART. The structures stay until event_domain_free(). */
int event_domain_fini(struct domain *d) __must_check;
/* The domain's last reference has gone: frees what is left. Harmless without or after a failed
 * event_domain_init(). */
void event_domain_free(struct domain *d);
void event_vcpu_fini(struct vcpu *v);
/* To call after v->info changed (registered elsewhere, or the vCPU is new): makes the vCPU look at
 * all its events, so that none that was raised through the old place is lost. */
void event_vcpu_info_moved(struct vcpu *v);

/* Virtual interrupts (xen/xen.h VIRQ_*). Not bound: nothing happens. */
void event_raise_virq(struct vcpu *v, unsigned virq);
/* A global virq: goes to its handler, the control domain unless told otherwise. */
void event_raise_global_virq(unsigned virq);
/* A machine interrupt bound to a pirq of this domain. False when nobody listens. */
bool event_raise_pirq(struct domain *d, unsigned pirq);
/* Is a port pending, masked? Out of range: false. Take the event lock. */
bool event_port_is_pending(struct domain *d, uint32_t port);
bool event_port_is_masked(struct domain *d, uint32_t port);
/* The port a pirq is bound to, 0 for none. */
uint32_t event_pirq_port(struct domain *d, unsigned pirq);
/* True when the vCPU has unmasked events waiting: upcall_pending and not upcall_mask. */
bool vcpu_has_upcall(const struct vcpu *v);
/* Connects a hypervisor-made port: an unbound port of `d` for `remote`, negative errno on failure.
 */
int event_alloc_unbound(struct domain *d, uint16_t remote_domain) __must_check;
/* EVTCHNOP_unmask: what waits behind the mask is told. -EINVAL: no such port. */
int event_unmask(struct domain *d, uint32_t port) __must_check;
/* EVTCHNOP_send of domain `d` from its port. -EINVAL: not a port that sends. */
int event_send(struct domain *d, uint32_t port) __must_check;

/*
 * SCHEDOP_poll, for the current vCPU: first event_poll_begin(), then vcpu_stop(BLOCKED), then look
 * whether it still polls and at the ports with event_port_is_pending(); if it does not or one is,
 * event_poll_end() and vcpu_start(BLOCKED).
 * From begin on, an event on `port` (0: on any) ends the poll and starts the vCPU, masked or not.
 */
void event_poll_begin(struct vcpu *v, uint32_t port);
/* Ends it (timeout, another wake-up); false: had ended already. */
bool event_poll_end(struct vcpu *v);
