/* SPDX-License-Identifier: MIT */
/*
 * Where a run's choices come from. Each kind of choice has a stream of its own, so that drawing
 * more or less of one does not change the others. A stream is a seeded generator (splitmix64), or
 * somebody's bytes: those of a fuzzer, after which everything is 0.
 */
#pragma once

#include <kr/types.h>

enum sim_stream {
    SIM_STREAM_SCHEDULE, /* which CPU goes on, and when */
    SIM_STREAM_TIME,     /* how much time passes */
    SIM_STREAM_DEVICE,   /* interrupts */
    SIM_STREAM_GUEST,    /* what guests do */
    SIM_STREAM_FAULT,    /* which allocations fail */
    SIM_STREAM_COUNT,
};

/* All streams from one seed. */
void sim_random_seed(uint64_t seed);
/* One stream anew, from the seed of the run and a number: whatever was drawn before. */
void sim_random_restart(enum sim_stream stream, uint64_t number);
/* The guests' choices come from these bytes, which must stay; NULL: from the seed again. */
void sim_random_bytes(const uint8_t *bytes, size_t count);
/* Are there bytes left? True without bytes. */
bool sim_random_has_more(void);

uint64_t sim_random(enum sim_stream stream);
/* 0 .. bound - 1; 0 for a bound of 0. */
uint64_t sim_random_below(enum sim_stream stream, uint64_t bound);
/* True once in so many; never for 0. */
bool sim_random_one_in(enum sim_stream stream, uint64_t count);
