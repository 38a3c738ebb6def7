/* SPDX-License-Identifier: MIT */
/*
 * The simulation: one run is a machine (arch/sim), guests that do random things (the generators,
 * tests/sim/gen_*.c), and rules that must hold whenever the machine stands still (the checkers,
 * tests/sim/check_*.c). One seed decides everything.
 */
#pragma once

#include <kr/types.h>
#include <sim/guest.h>
#include <sim/machine.h>

/* ---- a run ------------------------------------------------------------------------------------
 */

/* What a run may be told beside its seed; 0 and NULL: as the seed says. */
struct run_options {
    uint64_t seed;
    uint64_t steps;
    unsigned cpus;
    uint64_t groups_off;   /* groups of operations (enum op_group) that are never chosen */
    bool is_serial;        /* no interleaving of CPUs */
    bool checks_each_step; /* pause after every step, not after some */
    bool is_verbose;       /* print each step as it happens */
    bool uses_threads;     /* each CPU is a thread: not repeatable */
    bool is_faults;        /* each allocation of every hypercall fails once (faults.h) */
    unsigned script;       /* then: which of the prepared situations; 0: the usual steps */
    const char *skip;      /* steps left out: "12,40-57" */
    const uint8_t *bytes;  /* a fuzzer's, in place of the guests' choices */
    size_t byte_count;
};

struct run_result {
    uint64_t steps, hypercalls, checks;
    uint64_t digest; /* of every step: the same seed gives the same */
};

/* One run, from start-up to the last domain's end. Returns only when all rules held. */
void run_machine(const struct run_options *options, struct run_result *result);

/* A rule does not hold: prints seed, step, rule, text and the last steps, and ends the process. */
void rule_broken(const char *rule, const char *fmt, ...) __printf(2, 3) __noreturn;
#define RULE(name, holds, ...) ((holds) ? (void)0 : rule_broken((name), __VA_ARGS__))

/* ---- state of the hypervisor's files (reset.c) ------------------------------------------------
 */

/* Keeps what they start with; then puts them back to that, for the next run. */
void reset_prepare(void);
/* Where coverage is counted: what was counted so far goes to the files. */
void counters_keep(void);
void reset_all(void);

/* ---- trace.c ----------------------------------------------------------------------------------
 */

struct actor; /* gen.h */

void trace_reset(void);
/* One line about the present step; what is passed here goes into the digest as well. */
void trace_call(const struct actor *a, unsigned nr, const uint64_t args[6], long result);
void trace_note(const struct actor *a, const char *what, uint64_t x, uint64_t y, long result);
void trace_print(void);
uint64_t trace_digest(void);
uint64_t trace_call_count(void);

/* ---- allocations (instrument.c) ---------------------------------------------------------------
 */

void alloc_reset(void);
/* The machine stops: nothing of its memory is forbidden, others may get those addresses. */
void alloc_open_all(void);
/* From now on the n-th allocation fails (1: the next), and only that; 0: none. With `keeps_failing`
 * all from that on. */
void alloc_fail_after(uint64_t n, bool keeps_failing);
/* One in so many fails, as the seed says; 0: none. */
void alloc_fail_one_in(uint64_t count);
/* Allocations since start-up, and those that were made to fail. */
uint64_t alloc_count(void);
uint64_t alloc_failed_count(void);

/* Behind each object there are so many bytes more, which nobody may touch. */
#define ALLOC_ZONE_BYTES 16
#define ALLOC_OWNER_NONE 0xfffe /* charged to nobody */
/* An object of the heap in use, as its user asked for it. */
struct alloc_object {
    void *object;
    uint32_t size_bytes;
    uint16_t owner;
};
const struct alloc_object *alloc_objects(unsigned *count);
/* A table of zeros that is never given back; it takes memory only where it is written. */
void *sparse_table_map(size_t bytes);
/* Was this frame, which somebody still holds, the hypervisor's (page_conceal())? */
bool alloc_was_exposed(mfn_t mfn);

/* ---- checkers: called while the machine stands still ------------------------------------------
 */

/* A machine has been started, and has not run yet. */
void check_start(void);
/* All of them; `is_last`: every domain but dom0 has been destroyed. */
void check_all(bool is_last);
