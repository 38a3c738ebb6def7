/* SPDX-License-Identifier: MIT */
/*
 * ELF64 files for x86-64 (System V ABI, chapters 4 and 5): what loading a kernel needs. The file is
 * hostile: every header is checked against its size before anything is used. Pure.
 */
#pragma once

#include <kr/boot_info.h>
#include <kr/types.h>

#define ELF_SEGMENTS_MAX 32
#define ELF_NOTES_MAX    16
/* No kernel is larger in memory; what claims to be is damaged. */
#define KERNEL_SPAN_MAX (1UL << 30)

/* One PT_LOAD segment. `data` is the file's part of it; the rest up to `memory_size` is zero. */
struct elf_segment {
    const uint8_t *data;
    uint64_t file_size;
    uint64_t memory_size;
    uint64_t paddr, vaddr;
    uint32_t flags; /* ELF_FLAG_* */
};

#define ELF_FLAG_EXEC  1
#define ELF_FLAG_WRITE 2
#define ELF_FLAG_READ  4

/* A block of notes: the content of one PT_NOTE segment or SHT_NOTE section. */
struct elf_note_block {
    const uint8_t *data;
    size_t size;
};

struct elf_image {
    uint64_t entry;
    unsigned segment_count;
    struct elf_segment segment[ELF_SEGMENTS_MAX]; /* in order of paddr, disjoint */
    uint64_t paddr_start, paddr_end;              /* that they span */
    unsigned note_count;                          /* from PT_NOTE */
    struct elf_note_block note[ELF_NOTES_MAX];
    unsigned section_note_count; /* from SHT_NOTE; none when there are no section headers */
    struct elf_note_block section_note[ELF_NOTES_MAX];
};

/*
 * Reads the headers of [file, file + size), which must stay in place while *elf is used. -ENOEXEC
 * when it is no ELF file, -EOPNOTSUPP when it is one of another kind (32-bit, another machine, not
 * executable), -EINVAL when it is damaged or truncated, -E2BIG when it has more parts than we have
 * room for; reason in *e.
 */
int elf_parse(struct elf_image *elf, const void *file, size_t size, struct boot_error *e);

/*
 * Puts `size` bytes at physical offset `paddr` of the kernel's memory; `data` NULL means zeroes.
 * What it returns (0 or a negative errno) ends elf_load().
 */
typedef int (*elf_write_fn)(void *context, uint64_t paddr, const void *data, uint64_t size);

/* Hands every segment's bytes and then its zeroes to `write`, in order of paddr. */
int elf_load(const struct elf_image *elf, elf_write_fn write, void *context);
