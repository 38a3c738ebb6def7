/* SPDX-License-Identifier: MIT */
/*
 * Small objects for the hypervisor. Up to HEAP_SMALL_MAX bytes an object shares a page with others
 * of its size class; larger ones get whole pages.
 *
 * Alignment: 16 bytes; 64 for sizes of 64 to HEAP_SMALL_MAX; a page for larger ones.
 * Locks: takes LOCK_RANK_HEAP and LOCK_RANK_SLAB, one after the other. Any CPU, any context.
 */
#pragma once

#include <kr/types.h>

struct domain_memory;

#define HEAP_SMALL_MAX 1984
#define HEAP_LARGE_MAX (64 * MIB) /* more is a mistake of the caller's */

/* NULL: no memory, or size 0. */
void *heap_alloc(size_t size_bytes) __must_check;
void *heap_zalloc(size_t size_bytes) __must_check;
/* The same charged to a domain: what the object really takes is added to `m->heap_bytes` until it
 * is freed. NULL for `m` charges nobody. */
void *heap_alloc_for(struct domain_memory *m, size_t size_bytes) __must_check;
void *heap_zalloc_for(struct domain_memory *m, size_t size_bytes) __must_check;
/* An array; NULL also when the product overflows. */
void *heap_zalloc_array(struct domain_memory *m, size_t count, size_t element_bytes) __must_check;
/* NULL is nothing to do. The account the object was charged to must still exist. */
void heap_free(void *object);

/* Gives back the frames that are kept for the next object of their size: what a domain has cost is
 * to be free again when it is gone. */
void heap_trim(void);

/* Bytes in frames that the heap holds, and in objects now in use. */
uint64_t heap_held_bytes(void);
uint64_t heap_used_bytes(void);
