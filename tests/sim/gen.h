/* SPDX-License-Identifier: MIT */
/*
 * Generators: what a guest does in one step. An operation is a function with a weight, in one of
 * the groups that a run may switch off. It acts as a vCPU (`struct actor`) and remembers with its
 * domain (`struct domain_model`) what it got: ports, grants, frames, so that later steps can use it
 * rightly as well as wrongly.
 */
#pragma once

#include "event_model.h"
#include "memory_model.h"
#include "sim.h"

enum op_group {
    GROUP_RAW,       /* any hypercall with any arguments */
    GROUP_EVENT,     /* event channels, rightly used */
    GROUP_FIFO,      /* and their FIFO layout */
    GROUP_GRANT,     /* grant tables */
    GROUP_MEMORY,    /* memory_op */
    GROUP_PAGETABLE, /* mmu_update, pinning, stores into tables */
    GROUP_VCPU,      /* vCPUs up and down, timers, registered areas */
    GROUP_SCHED,     /* yield, block, poll, shutdown */
    GROUP_TRAP,      /* handlers, descriptors, faults, privileged instructions, user mode */
    GROUP_CONTROL,   /* the control domain: other domains' lives and settings */
    GROUP_BUILD,     /* the control domain makes domains */
    GROUP_DEVICE,    /* interrupts and PCI */
    GROUP_SCRIBBLE,  /* writes to memory shared with the hypervisor */
    GROUP_COUNT,
};

/* The last values of a kind that a domain has come by. */
#define POOL_SIZE 16
struct pool {
    uint64_t value[POOL_SIZE];
    unsigned count, next;
};
void pool_add(struct pool *p, uint64_t value);
void pool_remove(struct pool *p, uint64_t value);

/* What a domain's code knows. By domain id; anew for each domain that gets the id. */
struct domain_model {
    uint16_t id;
    uint64_t created_ns;
    bool scribbles;         /* has written what it shares with the hypervisor against the ABI */
    bool has_gifts;         /* the control domain may have put frames of its own into its tables */
    bool overwrites_grants; /* has changed entries of its grant table while they were used */
    bool is_set_up;         /* first vCPU has installed its handlers */
    uint64_t page_count;
    struct pool ports;   /* its event channel ports */
    struct pool grefs;   /* its grant references that were filled in */
    struct pool handles; /* grant handles it has mapped */
    struct pool frames;  /* machine frames it was given beyond its first pages */
    struct pool pirqs;
    struct pool offers; /* event_offer(): ports that wait for another domain */
    struct fifo_model fifo;
    struct port_model port[PORTS_KNOWN];
    uint64_t taken_count; /* events, on any port, and ports closed */
    struct vcpu_model vcpus[SIM_VCPU_MAX];
    unsigned grant_version;   /* 0: table not mapped yet */
    uint64_t grant_table_pfn; /* where it has mapped its grant table; 0: nowhere */
    uint64_t shared_info_pfn; /* and its shared_info */
    struct memory_model memory;
};

struct actor {
    struct sim_guest *guest;
    struct vcpu *vcpu;
    struct domain *domain;
    struct domain_model *model;
    uint64_t random_state;
    uint64_t step;
    bool in_upcall;
    bool is_careful; /* makes no mistakes on purpose */
};

struct operation {
    const char *name;
    enum op_group group;
    unsigned weight;
    bool is_control; /* only the control domain's code does it */
    void (*act)(struct actor *a);
};

/* Each file of generators has one table that ends with an empty entry (all_operations.c lists
 * them). */
extern const struct operation *const all_operations[];

/* ---- choices of this step ---------------------------------------------------------------------
 */

uint64_t pick(struct actor *a, uint64_t bound); /* 0 .. bound - 1 */
uint64_t pick_range(struct actor *a, uint64_t first, uint64_t last);
bool pick_one_in(struct actor *a, uint64_t count);
uint64_t pick_word(struct actor *a);                       /* any 64 bits, edges more often */
uint64_t pick_pool(struct actor *a, const struct pool *p); /* 0 when empty; seldom something else */
uint16_t pick_domain(struct actor *a); /* ids that exist, reserved ones, others */
uint64_t pick_frame(struct actor *a);  /* machine frame: mostly one of its own */
uint64_t pick_pfn(struct actor *a);    /* page number of its own pages without a purpose */
uint32_t pick_port(struct actor *a);
unsigned pick_vcpu(struct actor *a);

/* ---- acts -------------------------------------------------------------------------------------
 */

/* Traced. More arguments are 0. */
long call(struct actor *a, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
          uint64_t a4);
/* The page for arguments of this vCPU: its address, and that of `size_bytes` in it after `object`
 * has been written there (the n-th piece of 512 bytes). Seldom elsewhere, or not mapped. */
uint64_t args_page(struct actor *a);
uint64_t args_put(struct actor *a, unsigned n, const void *object, size_t size_bytes);
bool args_get(struct actor *a, unsigned n, void *object, size_t size_bytes);
/* The usual form: operation number and one structure. in and out. */
long call_struct(struct actor *a, unsigned nr, uint64_t op, void *object, size_t size_bytes);
/* The machine frame of one of its first pages, by its own P2M. */
uint64_t own_frame(struct actor *a, uint64_t pfn);
struct domain_model *model_of(const struct domain *d);
void models_reset(void);
/* Has this domain's code anything to say about itself yet? Installs handlers, callbacks, stacks. */
void domain_set_up(struct actor *a);
/* The control domain makes a domain, perhaps not to the end. True: it runs. */
bool domain_build(struct actor *a, uint16_t *id);
