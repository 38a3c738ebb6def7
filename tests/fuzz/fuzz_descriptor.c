/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/descriptor.c */
/* FLAGS: -max_len=64 */
/*
 * Segment descriptors of a guest: whatever is let through is a code or data segment of ring 3, or
 * not present, and only its privilege level was touched. Input: descriptors of eight bytes.
 */
#include "fuzz.h"
#include <x86/pagetype.h>

#define DPL_SHIFT 45

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};

    while (in.left) {
        uint64_t before = fuzz_u64(&in), after = before;
        bool accepted = descriptor_check(&after), present = before >> 47 & 1;

        FUZZ_CHECK(!((before ^ after) & ~(3UL << DPL_SHIFT)));
        if (!accepted || !present) {
            FUZZ_CHECK(after == before);
            FUZZ_CHECK(accepted || present);
            continue;
        }
        FUZZ_CHECK((after >> DPL_SHIFT & 3) == 3);
        FUZZ_CHECK(after >> 44 & 1);
        /* 64-bit code of a 32-bit default size is reserved. */
        FUZZ_CHECK(!(after >> 43 & 1) || (after >> 53 & 3) != 3);
        FUZZ_CHECK(descriptor_check(&after)); /* and stays good */
    }
    return 0;
}
