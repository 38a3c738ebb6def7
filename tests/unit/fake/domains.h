/* SPDX-License-Identifier: MIT */
/*
 * Domains, their vCPUs and the port's part of both for host tests: PV rules (a guest frame number
 * is the machine's), guest addresses are pointers of the host program, a page table is a list of
 * mappings by address. Frames come from tests/unit/fake/memory.c.
 */
#pragma once

#include <kr/domain.h>

#define DOMAINS_FAKE_MAX  4
#define DOMAINS_FAKE_VCPU 4

/* A machine with some memory and no domain; heap objects are counted from here. */
void domains_fake_start(void);
/* All domains must have been removed; checks that nothing leaked. */
void domains_fake_stop(void);

/* A domain with vCPUs, shared_info, event channels and a grant table. Domain 0 is the control
 * domain. */
struct domain *domains_fake_add(uint16_t id, unsigned vcpu_count);
/* Kills it as domain_destroy() does; it goes with its last reference. */
void domains_fake_remove(struct domain *d);
/* Gives a domain a page; its frame number. */
mfn_t domains_fake_page(struct domain *d);
/* This vCPU runs: it is the one that makes hypercalls. */
void domains_fake_run(struct vcpu *v);

/* What the scheduler was told. */
struct fake_vcpu {
    struct vcpu v;
    unsigned kicks, starts;
};
unsigned domains_fake_kicks(struct vcpu *v); /* since last asked */
unsigned domains_fake_starts(struct vcpu *v);

/* hypercall_should_yield() says yes every n-th time; 0: never. */
extern unsigned domains_fake_yield_every;
/* guest_read() and guest_write() of addresses below this fail. */
#define DOMAINS_FAKE_BAD_ADDR 4096
/* Accesses that still succeed; -1: all. */
extern long domains_fake_access_fail_after;

/* The frame is a page table or the like: it cannot be had writable. */
void domains_fake_set_special(mfn_t mfn, bool special);
unsigned domains_fake_writable_count(mfn_t mfn);

/* Interrupts of the machine: bound by which domain, -1 nobody; what arch_pirq_bind() returns. */
#define DOMAINS_FAKE_PIRQS 16
extern int domains_fake_pirq_owner[DOMAINS_FAKE_PIRQS];
extern int domains_fake_pirq_error;

/* Grant mappings. An address that is mapped, or one not to be mapped, makes arch_grant_map() fail.
 */
struct fake_mapping {
    uint16_t domain;
    uint64_t addr;
    mfn_t mfn;
    bool readonly, contains_pte;
};
const struct fake_mapping *domains_fake_mapping(struct domain *d, uint64_t addr);
unsigned domains_fake_mapping_count(void);
/* The guest removes a mapping by other means. */
void domains_fake_zap(struct domain *d, uint64_t addr);
extern uint64_t domains_fake_unmappable_addr;
/* Unmapped but not flushed yet: must be 0 whenever the granter may think its page is free. */
/* Bytes whose cached contents were written to memory. */
extern uint64_t domains_fake_written_back;
/* By frame: the page number that was noted for it. */
extern uint64_t domains_fake_gfns[];
extern unsigned domains_fake_unflushed;
