/* SPDX-License-Identifier: MIT */
/* SOURCES: boot/elf.c boot/kernel_notes.c boot/boot_info.c lib/printf.c lib/string.c */
/* SOURCES: tests/fuzz/kernel_check.c */
/* FLAGS: -max_len=3072 */
/* A kernel's ELF file: headers, loading, notes. Input: the file. */
#include "kernel_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *file = fuzz_exact(data, size);

    check_kernel(file, size);
    free(file);
    return 0;
}
