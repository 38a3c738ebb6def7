/* SPDX-License-Identifier: MIT */
/*
 * Other domains: a test kernel, the control domain, builds tiny PV guests of nine pages each and
 * has them make hypercalls, one at a time. Every step that must not fail ends the test.
 */
#pragma once

#include <kr/types.h>
#include <xen/domctl.h>

#define DOMU_BASE  0x400000UL /* where a guest has its pages */
#define DOMU_TURNS 20000      /* yields that a guest is waited for */

enum {
    DOMU_L4,
    DOMU_L3,
    DOMU_L2,
    DOMU_L1,
    DOMU_CODE,
    DOMU_DATA,
    DOMU_STACK,
    DOMU_SPARE,
    DOMU_EVENTS,
    DOMU_PAGES,
    DOMU_PLACES = DOMU_PAGES + 3, /* where domu_map() maps; the last ones are for tests */
};

#define DOMU_VA(page) (DOMU_BASE + (page)*PAGE_SIZE)

/* What the program domu_calls does for us: one hypercall each time `wanted` changes. */
struct domu_request {
    volatile uint64_t wanted, done, op, args[5];
    volatile long result;
    uint8_t buffer[1024];
};

#define DOMU_BUFFER (DOMU_VA(DOMU_DATA) + offsetof(struct domu_request, buffer))

struct domu {
    domid_t id;
    xen_pfn_t mfns[DOMU_PAGES];
    unsigned data_place;
    struct domu_request *request; /* its data page, mapped at data_place */
};

/* How the guest is created; a test that changes it puts it back. */
struct domu_options {
    unsigned grant_version, grant_frames, maptrack_frames, port_max, max_kib;
    unsigned data_place; /* for domu_map(): guests that live at the same time have one each */
};
extern struct domu_options domu_options;

/* Programs: RBX points at the data page. Waits for requests; counts in `done`; crashes. */
extern const uint8_t domu_calls[], domu_counts[], domu_crashes[];

/* The argument of domctl_do(); cmd, version and domain are set by it. */
extern struct xen_domctl domctl_op;
/* Repeated while the hypervisor says -ERESTART. */
long domctl_do(uint32_t cmd, domid_t id);
/* Of the machine. */
uint64_t free_pages(void);

/* A guest's page in our address space, in one of DOMU_PLACES places; MFN 0: our own page again. */
void *domu_map(unsigned place, domid_t id, mfn_t mfn);

/* Built, pinned, with registers set; not started. */
struct domu domu_build(const uint8_t *program);
/* The registers alone: the result of setvcpucontext. */
long domu_context_set(const struct domu *g, const uint8_t *program);
void domu_start(const struct domu *g);
/* XEN_DOMINF_*; ~0 when it is not there. */
uint32_t domu_flags(const struct domu *g);
bool domu_is_there(const struct domu *g);
void domu_kill(const struct domu *g);
/* Killed, and soon gone. Its data page is not mapped any more. */
void domu_end(struct domu *g);
/* The same for the last one alive: nothing of any guest is mapped any more. */
void domu_end_all(struct domu *g);
/* One mmuext operation about it, made by us. */
long domu_pin(const struct domu *g, unsigned cmd, mfn_t mfn);

/* The guest makes a hypercall; its result. */
long domu_call(const struct domu *g, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/* The first frame of a guest's grant table (array 0) or status array (1), mapped at a place. */
volatile void *domu_table_map(const struct domu *g, unsigned place, unsigned array);
/* A guest that runs domu_calls and has chosen version 2 of grant tables. */
struct domu domu_build_v2(unsigned data_place);
