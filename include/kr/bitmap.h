/* SPDX-License-Identifier: MIT */
/*
 * Bitmaps: arrays of unsigned long, bit 0 is the lowest bit of word 0 (Xen's shared_info layout).
 * The plain functions need the owner's lock. The `_atomic` ones need none and order all memory
 * accesses around them (sequentially consistent), so that a set bit publishes what was written
 * before it.
 */
#pragma once

#include <kr/types.h>

#define BITS_PER_LONG      (8 * sizeof(unsigned long))
#define BITMAP_WORDS(bits) DIV_ROUND_UP((size_t)(bits), BITS_PER_LONG)
#define BITMAP_MASK(bit)   (1UL << ((bit) % BITS_PER_LONG))

static inline bool bitmap_test(const unsigned long *map, size_t bit)
{
    return map[bit / BITS_PER_LONG] & BITMAP_MASK(bit);
}

static inline void bitmap_set(unsigned long *map, size_t bit)
{
    map[bit / BITS_PER_LONG] |= BITMAP_MASK(bit);
}

static inline void bitmap_clear(unsigned long *map, size_t bit)
{
    map[bit / BITS_PER_LONG] &= ~BITMAP_MASK(bit);
}

static inline bool bitmap_test_atomic(const unsigned long *map, size_t bit)
{
    return __atomic_load_n(&map[bit / BITS_PER_LONG], __ATOMIC_SEQ_CST) & BITMAP_MASK(bit);
}

/* Both return what the bit was before. */
static inline bool bitmap_set_atomic(unsigned long *map, size_t bit)
{
    return __atomic_fetch_or(&map[bit / BITS_PER_LONG], BITMAP_MASK(bit), __ATOMIC_SEQ_CST) &
           BITMAP_MASK(bit);
}

static inline bool bitmap_clear_atomic(unsigned long *map, size_t bit)
{
    return __atomic_fetch_and(&map[bit / BITS_PER_LONG], ~BITMAP_MASK(bit), __ATOMIC_SEQ_CST) &
           BITMAP_MASK(bit);
}

/* The first set (clear) bit at or after `from`; `bit_count` when there is none. */
size_t bitmap_find_set(const unsigned long *map, size_t bit_count, size_t from);
size_t bitmap_find_clear(const unsigned long *map, size_t bit_count, size_t from);

/* Sets (clears) `count` bits from `first` on. */
void bitmap_set_range(unsigned long *map, size_t first, size_t count);
void bitmap_clear_range(unsigned long *map, size_t first, size_t count);

/* How many of the first `bit_count` bits are set. Bits after them do not matter. */
size_t bitmap_count(const unsigned long *map, size_t bit_count);

static inline bool bitmap_empty(const unsigned long *map, size_t bit_count)
{
    return bitmap_find_set(map, bit_count, 0) == bit_count;
}

static inline bool bitmap_full(const unsigned long *map, size_t bit_count)
{
    return bitmap_find_clear(map, bit_count, 0) == bit_count;
}

#define bitmap_for_each_set(bit, map, bit_count)                      \
    for (bit = bitmap_find_set(map, bit_count, 0); bit < (bit_count); \
         bit = bitmap_find_set(map, bit_count, bit + 1))
