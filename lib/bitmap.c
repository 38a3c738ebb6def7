/* SPDX-License-Identifier: MIT */
/* Searching, filling and counting in bitmaps, a word at a time. */
#include <kr/bitmap.h>

/* Finds a set bit in `map ^ invert`. */
static size_t find_bit(const unsigned long *map, size_t bit_count, size_t from,
                       unsigned long invert)
{
    size_t index = from / BITS_PER_LONG, bit;
    unsigned long word;

    if (from >= bit_count)
        return bit_count;
    word = (map[index] ^ invert) & (~0UL << (from % BITS_PER_LONG));
    while (!word) {
        if (++index >= BITMAP_WORDS(bit_count))
            return bit_count;
        word = map[index] ^ invert;
    }
    bit = index * BITS_PER_LONG + __builtin_ctzl(word);
    return MIN(bit, bit_count);
}

size_t bitmap_find_set(const unsigned long *map, size_t bit_count, size_t from)
{
    return find_bit(map, bit_count, from, 0);
}

size_t bitmap_find_clear(const unsigned long *map, size_t bit_count, size_t from)
{
    return find_bit(map, bit_count, from, ~0UL);
}

/* The bits of word `index` that lie within first..end. */
static unsigned long range_mask(size_t index, size_t first, size_t end)
{
    unsigned long mask = ~0UL;

    if (index == first / BITS_PER_LONG)
        mask &= ~0UL << (first % BITS_PER_LONG);
    if (index == end / BITS_PER_LONG)
        mask &= BITMAP_MASK(end) - 1;
    return mask;
}

void bitmap_set_range(unsigned long *map, size_t first, size_t count)
{
    size_t end = first + count;

    for (size_t i = first / BITS_PER_LONG; i < BITMAP_WORDS(end); i++)
        map[i] |= range_mask(i, first, end);
}

void bitmap_clear_range(unsigned long *map, size_t first, size_t count)
{
    size_t end = first + count;

    for (size_t i = first / BITS_PER_LONG; i < BITMAP_WORDS(end); i++)
        map[i] &= ~range_mask(i, first, end);
}

/* The classic sum by halves: the target has no popcount instruction in its baseline. */
static unsigned word_count(unsigned long word)
{
    word -= (word >> 1) & 0x5555555555555555UL;
    word = (word & 0x3333333333333333UL) + ((word >> 2) & 0x3333333333333333UL);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fUL;
    return (word * 0x0101010101010101UL) >> 56;
}

size_t bitmap_count(const unsigned long *map, size_t bit_count)
{
    size_t count = 0;

    for (size_t i = 0; i < BITMAP_WORDS(bit_count); i++)
        count += word_count(map[i] & range_mask(i, 0, bit_count));
    return count;
}
