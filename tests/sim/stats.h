/* SPDX-License-Identifier: MIT */
/* Counts of results by hypercall and operation (`sim --stats`). */
#pragma once

#include "sim.h"

/* From now on they are counted: before workers are forked. */
void stats_open(void);
/* The operation that a call is about to ask for; in guest mode. */
uint64_t stats_op(struct sim_guest *g, unsigned nr, const uint64_t args[6]);
void stats_count(unsigned nr, uint64_t op, long result);
void stats_print(void);
