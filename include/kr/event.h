/* SPDX-License-Identifier: MIT */
/*
 * Event channels: ports of a domain, two delivery ABIs (two-level bitmaps in shared_info, FIFO
 * queues in guest pages), and what may raise them. Raising is O(1), takes no global lock and may
 * be done on any CPU with interrupts off. ABI: xen/event_channel.h.
 */
#pragma once

#include <kr/lock.h>
#include <kr/types.h>

struct domain;
struct vcpu;
struct event_port;
struct event_fifo_domain;
struct event_fifo_vcpu;

#define EVENT_VIRQ_COUNT 24 /* NR_VIRQS */

/* Per-domain part. [e] domain's event lock, [a] atomic */
struct domain_events {
    struct spinlock lock;
    struct event_port **groups;  /* [e] grows by groups of ports, never moves; readers need no lock */
    uint32_t port_count;         /* [e] ports allocated so far (group granularity) */
    uint32_t port_max;           /* limit set at creation, at most 131072 */
    struct event_fifo_domain *fifo; /* NULL: two-level ABI */
    uint32_t next_free_hint;     /* [e] */
};

/* Per-vCPU part. */
struct vcpu_events {
    _Atomic uint32_t virq_port[EVENT_VIRQ_COUNT]; /* 0 = not bound */
    struct event_fifo_vcpu *fifo;
};

int event_domain_init(struct domain *d, uint32_t port_max) __must_check;
/* Closes every port and frees everything; peers see their end unbound. Bounded: -ERESTART. */
int event_domain_fini(struct domain *d) __must_check;
void event_vcpu_fini(struct vcpu *v);
/* Raises again all that is pending for a vCPU whose vcpu_info moved (two-level). */
void event_vcpu_info_moved(struct vcpu *v);

/* Virtual interrupts (xen/xen.h VIRQ_*). Not bound: nothing happens. */
void event_raise_virq(struct vcpu *v, unsigned virq);
/* A global virq: goes to its handler, the control domain unless told otherwise. */
void event_raise_global_virq(unsigned virq);
/* A machine interrupt bound to a pirq of this domain. False when nobody listens. */
bool event_raise_pirq(struct domain *d, unsigned pirq);
/* Is a port pending or masked (pirq status, poll)? Out of range: false. */
bool event_port_is_pending(struct domain *d, uint32_t port);
/* The port a pirq is bound to, 0 for none. */
uint32_t event_pirq_port(struct domain *d, unsigned pirq);
/* True when the vCPU has unmasked events waiting: upcall_pending and not upcall_mask. */
bool vcpu_has_upcall(const struct vcpu *v);
/* Connects a hypervisor-made port: an unbound port of `d` for `remote`, negative errno on failure. */
int event_alloc_unbound(struct domain *d, uint16_t remote_domain) __must_check;
