/* SPDX-License-Identifier: MIT */
/*
 * Stands in for core/heap.c in unit tests of what allocates (SOURCES: tests/unit/fake/heap.c): the
 * host's malloc, so that the address sanitizer sees overruns and leaks, with real charging.
 */
#pragma once

#include <kr/heap.h>

/* The allocation after the next `count` fails, once; ~0u: none does. */
void fake_heap_fail_after(unsigned count);
/* Objects not freed yet. */
extern unsigned fake_heap_live_count;
