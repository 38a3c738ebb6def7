/* SPDX-License-Identifier: MIT */
/*
 * What a domain's code remembers about its event channels and its vCPUs. Other domains' code may
 * read it: a toolstack or the xenstore would have told them.
 */
#pragma once

#include <sim/guest.h>

struct actor;
struct domain_model;

#define FIFO_QUEUES      16
#define FIFO_PAGES_MAX   8
#define FIFO_PAGE_EVENTS (PAGE_SIZE / sizeof(uint32_t))

/* The guest's half of the FIFO layout (xen/event_channel.h). */
struct fifo_model {
    uint64_t control_va[SIM_VCPU_MAX]; /* 0: none that this code knows of */
    uint64_t control_frame[SIM_VCPU_MAX];
    uint32_t head[SIM_VCPU_MAX][FIFO_QUEUES];
    uint64_t array_pfn[FIFO_PAGES_MAX], array_frame[FIFO_PAGES_MAX];
    unsigned array_count;
    bool is_growing; /* a page is on its way */
};

/* A port, as port_model.c sees it from outside. */
#define PORTS_KNOWN 1024
struct port_model {
    uint32_t ends;  /* how often its event was taken, or the port closed */
    bool is_raised; /* by somebody, and not taken since */
    bool is_moved;  /* to another vCPU or priority, since it was last seen in no queue */
};

struct vcpu_model {
    bool has_fpu_pattern;
    uint64_t fpu_pattern;
};

/* ---- gen_event.c ------------------------------------------------------------------------------
 */

/* Some domain that there was at the last pause, often this one. */
uint16_t pick_living(struct actor *a);
long event_op(struct actor *a, unsigned op, void *object, size_t size_bytes);
/* Binds VIRQ_TIMER, as every kernel does, so that a vCPU that sleeps can be woken. */
void event_timer_bind(struct actor *a);

/* ---- fifo.c: queues of the vCPU ---------------------------------------------------------------
 */

/* The event word of a port; NULL: none, or not mapped at present. Good until the guest leaves. */
uint32_t *fifo_word(struct actor *a, uint32_t port);
/* Takes all events of the vCPU in order of priority. */
void fifo_take_events(struct actor *a);
void fifo_mask(struct actor *a, uint32_t port);
/* False: the hypervisor has to do it. */
bool fifo_unmask(struct actor *a, uint32_t port);
void fifo_forget(struct domain_model *m);

/* ---- port_model.c -----------------------------------------------------------------------------
 */

struct domain;
/* NULL: one that nothing is noted of. */
struct port_model *port_model(const struct domain *d, uint32_t number);
/* The guest has cleared a pending bit that was set. */
void port_model_take(const struct domain *d, uint32_t number);

/* ---- gen_instruction.c ------------------------------------------------------------------------
 */

/* By an instruction that the hypervisor emulates; needs the I/O privilege. */
void port_write(struct actor *a, uint16_t port, unsigned size_bytes, uint32_t value);

/* ---- context.c --------------------------------------------------------------------------------
 */

struct vcpu_guest_context;
/* A vCPU's first context: entry, stack, handlers, this root; not online. */
void context_fill(struct vcpu_guest_context *c, unsigned vcpu, uint64_t root_frame);
