/* SPDX-License-Identifier: MIT */
/* Checkers. Each looks at the whole machine while it stands still: every CPU is idle or about to
 * enter a guest, with no work left; hypercalls may be half done (-ERESTART), with their progress in
 * the guest's registers and what they keep for later with the vCPU. */
#pragma once

#include "sim.h"

struct domain;

/* No lock is held, no list of calls is under way. */
void check_locks(void);
/* Frames, references, page tables, TLBs, heap. Start: once, before a machine runs. */
void check_memory_start(void);
void check_memory(bool is_last);

/* The domains in the table of ids, ascending, also those whose last reference has gone; as
 * check_domains_find() last found them. */
#define CHECK_DOMAINS_MAX 64
extern struct domain *check_domain[CHECK_DOMAINS_MAX];
extern unsigned check_domain_count;
void check_domains_find(void);

/* Domains and vCPUs: references, pauses, reasons to stop, what a dying one has given up. */
void check_domains(bool is_last);
/* Run queues, who runs where, runstates, caps. */
void check_sched(void);
/* The timers' queues. */
void check_timers(void);
/* Event channels: ports, bindings, delivery. */
void check_events(void);
/* check_delivery.c */
void check_event_delivery(struct domain *d);
/* check_fifo.c: of a guest that keeps to the ABI. */
void check_fifo_queues(struct domain *d);
/* Grant tables and what was mapped through them. */
void check_grants(void);
/* Mappings that hold a reference on the domain. Counted by check_grants(). */
uint32_t check_grant_mappings_of(const struct domain *d);
