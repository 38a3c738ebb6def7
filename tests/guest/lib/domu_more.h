/* SPDX-License-Identifier: MIT */
/*
 * Other domains for tests that need more of them than domu.h has: limits of their own, several at
 * the same time, version 2 of grant tables, and more places to look at their pages.
 */
#pragma once

#include "domu.h"

/* What a guest is created with; guest_limits_usual is as guest_build() has it. */
struct guest_limits {
    unsigned grant_version, grant_frames, maptrack_frames, port_max;
};
extern const struct guest_limits guest_limits_usual;

#define GUEST_KIB    256 /* the most memory that each may have */
#define PLACE_DATA   0   /* for place_map() */
#define PLACE_TABLE  1
#define PLACE_TABLE2 2
#define PLACE_MORE   3
#define PLACES       6

/* Like window_map(), in other places. */
void *place_map(unsigned place, domid_t id, mfn_t mfn);

/* guest_build(program_calls) with such limits. */
struct guest guest_build_limited(const struct guest_limits *limits);
/* A guest that runs and has chosen version 2 of grant tables. */
struct guest guest_build_v2(void);
/* Its data page is seen at PLACE_DATA from now on, so that another guest can be built. */
void guest_move_aside(struct guest *g);
/* The end of a guest that was moved aside. */
void guest_end_aside(struct guest *g);
/* Nothing of any guest is seen at any place but PLACE_DATA; then guest_end(). */
void guest_end_clear(struct guest *g);
/* The first frame of a guest's grant table (array 0) or status array (1), mapped at a place. */
volatile void *guest_table_map(const struct guest *g, unsigned place, unsigned array);
