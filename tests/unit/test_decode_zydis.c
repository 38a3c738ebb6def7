/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/decode.c tests/unit/zydis_compare.c */
/* LIBS: -lZydis */
/*
 * The decoder against Zydis over random bytes in the three code modes (zydis_compare.h).
 * UNIT_SEED and UNIT_ROUNDS (environment) choose another or a longer run.
 */
#include "unit.h"
#include <stdlib.h>
#include "zydis_compare.h"

static uint64_t rng_state;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state * 0x2545f4914f6cdd1dULL;
}

/* Mostly plausible instructions: prefixes, a REX, an opcode of ours half of the time. */
static void random_bytes(uint8_t *bytes)
{
    static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
                                       0x66, 0x67, 0xf0, 0xf2, 0xf3};
    unsigned at = 0;

    for (unsigned i = 0; i < ZYDIS_COMPARE_BYTES; i++)
        bytes[i] = rng();
    while (rng() % 3 == 0 && at < 6)
        bytes[at++] = prefixes[rng() % sizeof(prefixes)];
    if (rng() % 2)
        bytes[at++] = 0x40 | rng() % 16;
    if (rng() % 2)
        bytes[at++] = 0x0f;
}

void zydis_differs(const char *what)
{
    fail_msg("%s", what);
    abort();
}

static void test_random_bytes(void **state)
{
    const char *seed = getenv("UNIT_SEED"), *rounds = getenv("UNIT_ROUNDS");
    unsigned long count = rounds ? strtoul(rounds, NULL, 0) : 300000;
    static const enum code_mode modes[] = {CODE_64, CODE_32, CODE_16};

    rng_state = seed ? strtoul(seed, NULL, 0) : 0x4b72;
    for (unsigned m = 0; m < ARRAY_SIZE(modes); m++) {
        for (unsigned long i = 0; i < count; i++) {
            uint8_t bytes[ZYDIS_COMPARE_BYTES];
            struct insn in;

            random_bytes(bytes);
            zydis_compare(bytes, modes[m], &in);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_bytes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
