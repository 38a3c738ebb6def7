/* SPDX-License-Identifier: MIT */
/* SOURCES: boot/boot_info.c lib/printf.c lib/string.c */
/* FLAGS: -max_len=1024 */
/*
 * The memory map from a loader's list of ranges: sorted, disjoint, merged, and each address of the
 * type that forbids most among the ranges that contain it. Addresses are scaled to 64 units, so
 * that a table with an entry for each is the model. Input: bytes of three: first unit, count, type;
 * then modules, likewise.
 */
#include "fuzz.h"
#include "boot_check.h"

#define UNITS 64
#define COUNT 16 /* of units in a range at most */
#define UNIT  0x1000UL

static struct boot_info info;
static struct boot_error why;

/* Of two types, the one that forbids more. */
static uint8_t stricter(uint8_t a, uint8_t b)
{
    static const uint8_t order[] = {
        0, BOOT_MEM_RAM, BOOT_MEM_ACPI, BOOT_MEM_NVS, BOOT_MEM_RESERVED, BOOT_MEM_UNUSABLE};

    for (unsigned i = 0; i < sizeof(order); i++) {
        if (order[i] == a)
            return b;
        if (order[i] == b)
            return a;
    }
    return a;
}

static void model_add(uint8_t *model, unsigned first, unsigned count, uint8_t type)
{
    if (type < BOOT_MEM_RAM || type > BOOT_MEM_UNUSABLE)
        type = BOOT_MEM_RESERVED;
    for (unsigned u = first; u < first + count; u++)
        model[u] = stricter(model[u], type);
}

static uint8_t type_at(uint64_t address)
{
    for (unsigned i = 0; i < info.mem_count; i++)
        if (address >= info.mem[i].start && address - info.mem[i].start < info.mem[i].size)
            return info.mem[i].type;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t model[UNITS + COUNT] = {0};
    struct fuzz_input in = {data, size};
    unsigned ranges = fuzz_u8(&in) % 64;
    bool any_ram = false;

    memset(&info, 0, sizeof(info));
    for (unsigned i = 0; i < ranges; i++) {
        unsigned first = fuzz_u8(&in) % UNITS, count = fuzz_u8(&in) % COUNT, type = fuzz_u8(&in);

        FUZZ_CHECK(boot_mem_add(&info, first * UNIT, count * UNIT, type, &why) == 0);
        model_add(model, first, count, type);
    }
    for (unsigned u = 0; u < ARRAY_SIZE(model); u++) {
        FUZZ_CHECK(type_at(u * UNIT) == model[u] && type_at(u * UNIT + UNIT - 1) == model[u]);
        any_ram |= model[u] == BOOT_MEM_RAM;
    }
    FUZZ_CHECK((boot_mem_finish(&info, &why) == 0) == any_ram);
    check_memory_map(&info);
    while (in.left && info.module_count < BOOT_MODULES_MAX) {
        unsigned first = fuzz_u8(&in) % UNITS, count = fuzz_u8(&in) % 4;

        FUZZ_CHECK(boot_module_add(&info, first * UNIT, count * UNIT, NULL, 0, &why) == 0);
    }
    check_modules(&info, 0x4000, 0x8000);
    return 0;
}
