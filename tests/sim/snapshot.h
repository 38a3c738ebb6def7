/* SPDX-License-Identifier: MIT */
/*
 * What the hypervisor knows at a moment, as a list of named numbers: two of them are equal when
 * nothing has changed that anybody could notice. Not in it: time and what follows from it (credits,
 * accounts, time records), which frames are free, and what the heap keeps for the next object.
 * Taken while the machine stands still.
 */
#pragma once

#include "sim.h"

struct snapshot_item {
    const char *what; /* a literal */
    uint32_t a, b;    /* of what: domain and vCPU, port, frame ... */
    uint64_t value;
};

#define SNAPSHOT_AREAS_MAX 128

struct snapshot {
    struct snapshot_item *items;
    size_t count, room;
    uint64_t digest;
    uint64_t next_timer_ns;   /* when a guest's timer would change something by itself */
    const uint64_t *left_out; /* frames whose contents are not looked at */
    unsigned left_out_count;
    uint64_t areas[SNAPSHOT_AREAS_MAX]; /* frames that time is told in */
    unsigned area_count;
};

/* Reuses the list's memory; zeroed at first. */
void snapshot_take(struct snapshot *s);
/* True: equal. Else `text` says what the first difference is. */
bool snapshot_equals(const struct snapshot *before, const struct snapshot *after, char *text,
                     size_t text_bytes);
/* The first item of that name for `a`; 0 when there is none. */
uint64_t snapshot_value(const struct snapshot *s, const char *what, uint32_t a);
