/* SPDX-License-Identifier: MIT */
/* SOURCES: boot/kernel_notes.c boot/boot_info.c lib/printf.c lib/string.c */
/* SOURCES: tests/fuzz/kernel_check.c boot/elf.c */
/* FLAGS: -max_len=2048 */
/*
 * Xen's ELF notes of an image anywhere in memory. Input: u32 first page and page count of the
 * image, u16 size of a first block of notes; that block, and a second of what is left.
 */
#include "kernel_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct elf_image elf;
    struct fuzz_input in = {data, size};
    uint64_t pages;
    uint16_t first;
    uint8_t *blocks[2];

    memset(&elf, 0, sizeof(elf));
    elf.paddr_start = (uint64_t)fuzz_u32(&in) << PAGE_SHIFT;
    pages = fuzz_u32(&in) % (KERNEL_SPAN_MAX >> PAGE_SHIFT) + 1;
    elf.paddr_end = elf.paddr_start + (pages << PAGE_SHIFT);
    first = fuzz_u16(&in);
    first = MIN(first, in.left);
    blocks[0] = fuzz_exact(in.next, first);
    blocks[1] = fuzz_exact(in.next + first, in.left - first);
    elf.note_count = elf.section_note_count = 1;
    elf.note[0] = (struct elf_note_block){blocks[0], first};
    elf.section_note[0] = (struct elf_note_block){blocks[1], in.left - first};
    check_notes(&elf);
    free(blocks[0]);
    free(blocks[1]);
    return 0;
}
