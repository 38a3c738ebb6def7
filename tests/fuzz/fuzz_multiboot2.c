/* SPDX-License-Identifier: MIT */
/* SOURCES: boot/boot_info.c boot/multiboot2.c lib/printf.c lib/string.c tests/fuzz/boot_check.c */
/* FLAGS: -max_len=4096 */
/* Multiboot 2 information: whatever is accepted is consistent. Input: see boot_check.h. */
#include "boot_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_boot_parser(boot_parse_multiboot2, data, size);
    return 0;
}
