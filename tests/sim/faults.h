/* SPDX-License-Identifier: MIT */
/*
 * Each allocation failed in turn (`sim --faults`). Every hypercall that the guests' code makes is
 * made again and again: its first allocation fails, then its second, and so on until none is left
 * to fail, each time only that one and then all that follow as well. After a call that failed, the
 * state of the machine must be what it was before (snapshot.h).
 */
#pragma once

#include "gen.h"

struct faults_count {
    _Atomic uint64_t calls;      /* hypercalls tried */
    _Atomic uint64_t allocating; /* of those, how many allocate */
    _Atomic uint64_t failures;   /* calls in which an allocation was made to fail */
    _Atomic uint64_t compared;   /* of those, how many had their state compared */
    _Atomic uint64_t tolerated;  /* and how many did not mind */
    _Atomic uint64_t sites[64];  /* calls that allocate, by hypercall */
};
/* Shared by all processes of a run of runs. */
extern struct faults_count *faults_count;

/* ---- for the run ------------------------------------------------------------------------------
 */

void faults_reset(void);
void faults_config(struct sim_config *c);
/* The machine stands still: takes the snapshot that a call under way asks for. */
void faults_look(void);
/* A hypercall is being tried: nobody else takes a step. */
bool faults_is_busy(void);
/* For those others: lets the caller have the CPU back. */
void faults_give_way(struct actor *a);
/* Does the present run follow a script? */
bool faults_is_scripted(void);
/* Code of `a` begins to run that is not the present hypercall's. */
void faults_note_entry(const struct actor *a);

/* The result of the call when nothing fails. */
long faults_call(struct actor *a, unsigned nr, const uint64_t args[6]);

/* A list of operations, each of its allocations failed, and all after it. `make` does the call and
 * notes which entries it says were done; `undo` takes back these and no others: then everything
 * must be as it was. True: `make` had to do without memory at least once. */
struct faults_list {
    const char *name;
    void (*make)(struct actor *a);
    void (*undo)(struct actor *a);
};
bool faults_list_try(struct actor *a, const struct faults_list *list);
/* For these: not tried any further. Traced. */
long faults_list_call(struct actor *a, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2);

/* ---- prepared situations (faults_script*.c) ---------------------------------------------------
 */

struct faults_script {
    const char *name;
    bool by_guest; /* acts in a domain that the control domain has built */
    void (*act)(struct actor *a);
};
extern const struct faults_script *const faults_scripts[];
/* 1, 2, ...; NULL: there are no more. */
const struct faults_script *faults_script(unsigned number);
/* What a vCPU's code does when there is a script. */
void faults_script_main(struct actor *a);

/* Everything, in processes of their own: prints and returns the exit status. */
int faults_run_all(const struct run_options *options);
