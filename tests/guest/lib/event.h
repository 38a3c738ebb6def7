/* SPDX-License-Identifier: MIT */
/*
 * Event channels of a test kernel: the upcall counts what arrives, per port, by the two-level
 * layout or, after event_fifo_start(), by the FIFO one. Events are masked for the whole vCPU until
 * events_enable(); a handler runs with them masked.
 */
#pragma once

#include <kr/types.h>
#include <xen/event_channel.h>

#define EVENT_PORTS 4096

typedef void event_handler_fn(evtchn_port_t port);

extern volatile unsigned event_counts[EVENT_PORTS];
extern volatile unsigned upcall_count;
extern evtchn_port_t event_order[64]; /* ports in the order they were seen, newest overwrites */
extern volatile unsigned event_order_count;

void event_reset_handlers(void);
void event_handler_set(evtchn_port_t port, event_handler_fn *fn);

/* Unmasks the vCPU and collects what is pending, as an STI does. */
void events_enable(void);
void events_disable(void);
/* Two-level bits of a port. */
bool event_pending(evtchn_port_t port);
bool event_masked(evtchn_port_t port);
void event_mask(evtchn_port_t port);
void event_clear(evtchn_port_t port);
/* EVTCHNOP_unmask, EVTCHNOP_send, EVTCHNOP_close: the call's result. */
long event_unmask(evtchn_port_t port);
long event_send(evtchn_port_t port);
long event_close(evtchn_port_t port);
/* Port or negative error. */
long event_bind_virq(uint32_t virq, uint32_t vcpu);
long event_bind_ipi(uint32_t vcpu);
long event_alloc_unbound(domid_t dom, domid_t remote);
long event_bind_interdomain(domid_t remote, evtchn_port_t port);
/* Waits until event_counts[port] reaches count; false after timeout. Events must be enabled. */
bool event_wait(evtchn_port_t port, unsigned count, uint64_t timeout_ns);
/* EVTCHNOP_status of a port of our own: the result; *status is what it is (EVTCHNSTAT_*). */
long event_status(evtchn_port_t port, struct evtchn_status *status);
/* A connected pair of ports of our own. Ends the test when refused. */
void event_pair(evtchn_port_t *a, evtchn_port_t *b);

/*
 * FIFO layout (EVTCHNOP_init_control): event_fifo_start() switches vCPU 0 over and gives the first
 * array page; the upcall then follows the queues and event_fifo_word() has a port's bits.
 */
bool event_fifo_in_use(void);
void event_fifo_collect(void);
void event_deliver(evtchn_port_t port);
long event_fifo_start(void);
long event_fifo_expand(void);
uint32_t *event_fifo_word(evtchn_port_t port);
