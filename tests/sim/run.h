/* SPDX-License-Identifier: MIT */
/* The state of the present run, for the files of the simulation. */
#pragma once

#include "gen.h"

#define DOMAINS_SEEN_MAX 64

struct run_state {
    const struct run_options *options;
    uint64_t step, step_count;
    uint64_t groups_off;
    unsigned steps_per_pause; /* between two looks at the rules */
    unsigned steps_since_pause;
    uint64_t step_ns_max;  /* what a guest computes between two operations */
    unsigned yield_one_in; /* preemption checks that say stop for no reason; 0: none */
    bool always_yields;    /* all of them do */
    unsigned busy_count;   /* control calls that will find another one under way */
    unsigned stir_one_in;  /* steps per happening at a device */
    bool is_over;          /* all steps done: dom0 ends what there is */
    bool is_clean;         /* and has */
    bool is_given_up;      /* or cannot any more */
    uint64_t checks;
    _Atomic uint64_t yields;            /* preemption checks that said stop for no reason */
    uint16_t domains[DOMAINS_SEEN_MAX]; /* ids of those that there were at the last pause */
    unsigned domain_count;
};
extern struct run_state run;

/* False: this step is left out, or the run is over. */
bool run_step_begin(struct actor *a);
void run_step_end(struct actor *a);
/* dom0's last act: gives back what it has of others, destroys every other domain. */
void run_clean_up(struct actor *a);
