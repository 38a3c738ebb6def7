/* SPDX-License-Identifier: MIT */
/* Finds the function around an address in the table that tools/symbols.py made. */
#include <kr/printf.h>
#include <kr/string.h>
#include <kr/symbol.h>

/* Index of the last symbol at or before `relative`; the caller knows that there is one. */
static uint32_t find_index(int64_t relative)
{
    uint32_t low = 0, high = symbol_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (symbol_addresses[middle] <= relative)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void unpack_name(uint32_t index, char *name)
{
    const uint8_t *p = symbol_names + symbol_blocks[index / SYMBOL_BLOCK];
    size_t length = 0;

    for (uint32_t i = 0; i <= index % SYMBOL_BLOCK; i++) {
        size_t shared = p[0], added = p[1];

        p += 2;
        length = shared + added;
        for (size_t at = shared; at < length && at < SYMBOL_NAME_SIZE - 1; at++)
            name[at] = p[at - shared];
        p += added;
    }
    name[MIN(length, SYMBOL_NAME_SIZE - 1)] = '\0';
}

bool symbol_lookup(uintptr_t address, struct symbol *symbol)
{
    int64_t relative = address - (uintptr_t)symbol_lookup;
    uint32_t index;

    if (!symbol_count || relative < symbol_addresses[0] ||
        relative >= symbol_addresses[symbol_count])
        return false;
    index = find_index(relative);
    unpack_name(index, symbol->name);
    symbol->offset = relative - symbol_addresses[index];
    symbol->size = symbol_addresses[index + 1] - symbol_addresses[index];
    return true;
}

bool symbol_get(uint32_t number, uintptr_t *address, struct symbol *symbol)
{
    if (number >= symbol_count)
        return false;
    *address = (uintptr_t)symbol_lookup + symbol_addresses[number];
    return symbol_lookup(*address, symbol);
}

int symbol_format(char *buf, size_t size, uintptr_t address)
{
    struct symbol symbol;

    if (!symbol_lookup(address, &symbol))
        return kr_snprintf(buf, size, "<%016lx>", address);
    return kr_snprintf(buf, size, "<%016lx> %s+%#zx/%#zx", address, symbol.name, symbol.offset,
                       symbol.size);
}
