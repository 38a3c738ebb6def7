/* SPDX-License-Identifier: MIT */
/*
 * Other domains for kernels that are the control domain: PV guests of nine pages, which run one of
 * a few programs. Whatever is refused on the way ends the test.
 */
#pragma once

#include "guest.h"
#include <xen/domctl.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/sysctl.h>

#define BASE             0x400000UL /* where a guest has its pages */
#define TURNS            20000      /* yields before something counts as not happening */
#define REASON_OF(flags) ((flags) >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask)

enum { L4, L3, L2, L1, CODE, DATA, STACK, SPARE, EVENTS, PAGES };

/* What the guest's program below does for us: one hypercall each time `wanted` changes. */
struct request {
    volatile uint64_t wanted, done, op, args[5];
    volatile long result;
    uint8_t buffer[1024];
};

#define BUFFER (BASE + DATA * PAGE_SIZE + offsetof(struct request, buffer))

struct guest {
    domid_t id;
    xen_pfn_t mfns[PAGES];
    xen_pfn_t shared_info;   /* mapped behind its pages */
    struct request *request; /* its data page, mapped here */
};

/*
 * What a guest runs: hypercalls as its request says; a counter in `done`; nothing legal; or one
 * step of `done` and then sleep until the port in args[0] has an event (struct sched_poll in the
 * buffer).
 */
extern const uint8_t program_calls[], program_counts[], program_crashes[], program_waits[];

extern struct xen_domctl op;
extern struct vcpu_guest_context context;

/* With `op`'s arguments; goes on for as long as the call asks for it. */
long domctl_do(uint32_t cmd, domid_t id);
uint64_t free_pages(void);
/* A guest's page in our address space, one for each i; MFN 0: our own page again. */
void *window_map(unsigned i, domid_t id, mfn_t mfn);
long context_set(const struct guest *g, const uint8_t *program);
long foreign_pin(const struct guest *g, unsigned cmd, mfn_t mfn);

/* The steps of building: a domain without anything; with a vCPU and pages; its tables written. */
struct guest guest_create(void);
void guest_populate(struct guest *g);
void guest_fill(struct guest *g);
/* All of them, pinned, with registers set; not started. */
struct guest guest_build(const uint8_t *program);
void guest_start(const struct guest *g);
/* XEN_DOMINF_*, all ones when there is no such domain. */
uint32_t guest_flags(const struct guest *g);
bool guest_is_there(const struct guest *g);
void guest_kill(const struct guest *g);
/* Waits until it is gone, and checks that. */
void guest_await_end(const struct guest *g);
/* Killed, and soon gone. */
void guest_end(struct guest *g);
/* Waits until it has ended by itself; its flags. */
uint32_t wait_for_shutdown(const struct guest *g);
/* A hypercall of the guest's (program_calls). */
long guest_call(const struct guest *g, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

#define CALL1(g, nr, a)       guest_call(g, nr, a, 0, 0, 0)
#define CALL2(g, nr, a, b)    guest_call(g, nr, a, b, 0, 0)
#define CALL3(g, nr, a, b, c) guest_call(g, nr, a, b, c, 0)

/* Puts a structure where the guest can point at it. */
#define GIVE(g, object) (memcpy((g)->request->buffer, (object), sizeof(*(object))), BUFFER)
#define TAKE(g, object) memcpy((object), (g)->request->buffer, sizeof(*(object)))
