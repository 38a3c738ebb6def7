/* SPDX-License-Identifier: MIT */
/*
 * A small machine's memory for host tests: an arena of RAM at a frame number of the test's choice,
 * a frame table for it, domain accounts by id. Everything is fresh after memory_fake_start().
 */
#pragma once

#include <kr/page.h>

/* Reserves room for frames 0..end-1 (their contents appear when touched) and an empty, zeroed
 * table. */
void memory_fake_start(mfn_t end);
void memory_fake_stop(void);
/* Makes domain_memory_of(m->owner) find the account. */
void memory_fake_domain(struct domain_memory *m);
/* What domain_memory_gone() does; NULL: it must not be called. */
extern void (*memory_fake_gone)(struct domain_memory *m);

/*
 * Recounts everything: free lists against states, counters and contents, accounts against their
 * lists. Aborts with a message at the first thing that is wrong.
 */
void memory_fake_check(void);

/* Of tests/unit/fake/lock.c, for convenience: 0 when everything taken was released. */
extern int fake_locks_held;

/* The call after the next `count` allocations of frames fails, once; ~0u: none does. */
void memory_fake_fail_after(unsigned count);

/* Calls of arch_tlb_sync() and the last epoch asked for. */
extern unsigned memory_fake_syncs;
extern uint32_t memory_fake_sync_epoch;
