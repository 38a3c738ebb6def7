/* SPDX-License-Identifier: MIT */
/*
 * A recount of all memory, from nothing, while the machine stands still: which frames are in use
 * (check_frames.c), who holds each of them and as what (check_holders.c, check_pagetables.c), and
 * whether the frame table says the same (check_references.c).
 */
#pragma once

#include "check.h"

#include <kr/domain.h>
#include <kr/page.h>
#include <x86/pagetype.h>

/* A frame that is not free, and what was found to hold it. */
struct tally {
    uint32_t mfn;
    uint32_t refs;
    uint32_t type_count; /* those of `refs` that hold a type */
    uint8_t type;        /* enum page_type; the first one found */
    bool is_listed;      /* met in its owner's list */
    bool is_busy;        /* half-checked or half given up: kept by a vCPU */
    uint16_t index;      /* then: how many entries hold references */
};

/* The frames in use, in ascending order. */
void recount_reset(void);
struct tally *recount_add(mfn_t mfn);
/* NULL: not in use. */
struct tally *recount_find(mfn_t mfn);
struct tally *recount_tallies(unsigned *count);

/* Somebody holds a frame: a reference, with a type reference unless PAGE_TYPE_NONE. `who` and two
 * numbers say who it is, for the message of a rule that breaks. */
void recount_hold(mfn_t mfn, enum page_type type, const char *who, uint64_t a, uint64_t b);
/* Begins a list of the holders of one frame: whatever is passed to recount_hold() from now on. */
void recount_explain(mfn_t mfn);
const char *recount_explanation(void);

/* ---- domains ----------------------------------------------------------------------------------
 */

#define RECOUNT_DOMAINS_MAX 256
/* Every domain that there is, those whose last reference has gone included, by id. */
struct domain *const *recount_domains(unsigned *count);
struct domain *recount_domain(uint16_t id);
void recount_domains_find(void);

/* ---- the parts --------------------------------------------------------------------------------
 */

void check_frames_start(void);
/* Thorough: looks at what is inside free blocks, too. */
void check_frames(bool is_thorough);
/* check_holders.c, check_pagetables.c: recount_hold() for all that is not one of the frame's own
 * states. */
void holders_count(void);
void tables_count(void);
/* Could a domain have mapped this frame, by what is known at present, not by its tables? */
bool recount_may_have_mapped(const struct domain *d, mfn_t mfn, bool is_writable);
void check_references(void);
void check_pagetables(void);
void check_tlb(void);
void check_heap_start(void);
void check_heap(bool is_last);
