/* SPDX-License-Identifier: MIT */
/*
 * Names for code addresses. The table is made by tools/symbols.py from a first link of the image
 * and linked into the second. Any context, no locks.
 */
#pragma once

#include <kr/types.h>

#define SYMBOL_NAME_SIZE 64 /* longer names are cut */

struct symbol {
    char name[SYMBOL_NAME_SIZE];
    size_t offset; /* of the address in the function */
    size_t size;   /* of the function, up to the next */
};

/* The function around `address`; false outside of our code, or in an image without a table. */
bool symbol_lookup(uintptr_t address, struct symbol *symbol);

/* The function with this number, in order of addresses, for listing them all; false: no such
 * number.
 */
bool symbol_get(uint32_t number, uintptr_t *address, struct symbol *symbol);

/* `<address> name+0xoffset/0xsize`, or the address alone. Returns as kr_snprintf(). */
int symbol_format(char *buf, size_t size, uintptr_t address);

/*
 * The generated table. Addresses are relative to symbol_lookup() itself, ascending, and one more
 * for the end of the last. Names lean on the one before: a byte that says how many characters are
 * shared, a byte with the count of those that follow, those. Every SYMBOL_BLOCK-th stands alone and
 * is found through symbol_blocks.
 */
#define SYMBOL_BLOCK 16

extern const uint32_t symbol_count;
extern const int32_t symbol_addresses[];
extern const uint32_t symbol_blocks[];
extern const uint8_t symbol_names[];
