/* SPDX-License-Identifier: MIT */
/*
 * A domain's memory growing and shrinking: frames of the allocator become a domain's and the other
 * way round, with the machine-to-physical entry that goes with them. ABI side: core/memory_op.c.
 */
#pragma once

#include <kr/types.h>

struct domain;

#define MEMORY_GFN_INVALID    (~0UL) /* M2P entry of a frame that is nobody's page */
#define MEMORY_EXCHANGE_ORDER 12     /* largest piece that memory_exchange() trades at once */

/*
 * Gives the domain 2^order zeroed, contiguous frames below 2^address_bits (0: anywhere), as its
 * pages `gfn` and up, or without a number (MEMORY_GFN_INVALID). -ENOMEM: none, or claimed by
 * others; -ENOSPC over the domain's maximum; -ESRCH it is dying.
 */
int memory_populate(struct domain *d, uint64_t gfn, unsigned order, unsigned address_bits,
                    mfn_t *mfn) __must_check;
/* Takes one page back; it is free once nobody uses it any more. -EINVAL: not the domain's. */
int memory_release(struct domain *d, mfn_t mfn) __must_check;
/*
 * Trades single frames for as many in naturally aligned pieces of 2^order frames: `count` frames
 * `old`, a multiple of 2^order, for count >> order pieces, stored in `new`. All or nothing. -EINVAL
 * not the domain's frame, -EBUSY a frame is in use, -ENOMEM.
 */
int memory_exchange(struct domain *d, const uint64_t *old, unsigned count, unsigned order,
                    unsigned address_bits, mfn_t *new) __must_check;
/*
 * Sets frames aside for a domain until it has `pages` in all; 0 ends that. -EINVAL: has a claim
 * already, or more than its maximum, or fewer than it has; -ESRCH: it is dying; -ENOMEM.
 */
int memory_claim(struct domain *d, uint64_t pages) __must_check;
/* Ends a claim. */
void memory_claim_drop(struct domain *d);
/* What the domain still may take of its claim, and all domains together. */
uint64_t memory_claimed(struct domain *d);
uint64_t memory_claimed_total(void);
