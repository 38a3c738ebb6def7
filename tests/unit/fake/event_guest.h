/* SPDX-License-Identifier: MIT */
/*
 * The guest's half of event channels for host tests: takes events as Linux's two-level and FIFO
 * drivers do (from the rules of xen/event_channel.h), in whichever ABI the domain is using.
 */
#pragma once

#include <kr/domain.h>

/* FIFO: gives the vCPU a control block in a fresh page; EVTCHNOP_init_control's result. */
int event_guest_control(struct vcpu *v, uint32_t offset);
mfn_t event_guest_control_frame(struct vcpu *v);
/* FIFO: one more array page, nothing masked in it; EVTCHNOP_expand_array's result. */
int event_guest_expand(struct domain *d);
/* After a reset or the end of the domain. */
void event_guest_forget(struct domain *d);

/* An upcall: clears it and takes all events, up to `max`; the number of ports that were pending and
 * not masked, in order. */
unsigned event_guest_take(struct vcpu *v, uint32_t *ports, unsigned max);
/* One step of the FIFO consumer, for concurrent tests: false when nothing was ready. */
bool event_guest_step(struct vcpu *v, uint32_t *port);

/* Two-level: calls for each pending, unmasked port of the words selected; the callback clears it.
 */
void event_guest_for_each_2l(struct vcpu *v, void (*handle)(uint32_t port));

void event_guest_mask(struct domain *d, uint32_t port);
/* Clears the mask; true: it was pending, so the hypervisor must be asked to unmask. */
bool event_guest_unmask_quietly(struct domain *d, uint32_t port);
void event_guest_clear(struct domain *d, uint32_t port);
bool event_guest_is_pending(struct domain *d, uint32_t port);
bool event_guest_is_masked(struct domain *d, uint32_t port);

/* Against the rules. */
void event_guest_scribble(struct domain *d, uint32_t port, uint32_t word);
void event_guest_scribble_control(struct vcpu *v, uint32_t junk);
