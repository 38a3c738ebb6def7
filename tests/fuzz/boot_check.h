/* SPDX-License-Identifier: MIT */
/* What holds of every struct boot_info that a parser of boot/ has accepted. */
#pragma once

#include "fuzz.h"
#include <kr/boot_info.h>

/* Sorted, disjoint, no empty piece, neighbours of one type merged. */
static inline void check_memory_map(const struct boot_info *info)
{
    FUZZ_CHECK(info->mem_count <= BOOT_MEMMAP_MAX);
    for (unsigned i = 0; i < info->mem_count; i++) {
        const struct boot_mem *m = &info->mem[i];

        FUZZ_CHECK(m->size != 0 && m->start + m->size > m->start);
        FUZZ_CHECK(m->type >= BOOT_MEM_RAM && m->type <= BOOT_MEM_UNUSABLE);
        if (i == 0)
            continue;
        FUZZ_CHECK(m[-1].start + m[-1].size <= m->start);
        FUZZ_CHECK(m[-1].type != m->type || m[-1].start + m[-1].size < m->start);
    }
}

static inline bool range_is_within_ram(const struct boot_info *info, uint64_t start, uint64_t end)
{
    for (unsigned i = 0; i < info->mem_count; i++)
        if (info->mem[i].type == BOOT_MEM_RAM && start >= info->mem[i].start &&
            end <= info->mem[i].start + info->mem[i].size)
            return true;
    return false;
}

/* Modules that pass the check are where it says. */
static inline void check_modules(const struct boot_info *info, uint64_t image_start,
                                 uint64_t image_end)
{
    struct boot_error why = {""};

    FUZZ_CHECK(info->module_count <= BOOT_MODULES_MAX);
    if (boot_check_modules(info, image_start, image_end, &why)) {
        FUZZ_CHECK(why.text[0]);
        FUZZ_CHECK_TEXT(why.text);
        return;
    }
    for (unsigned i = 0; i < info->module_count; i++) {
        uint64_t start = info->module[i].start, end = start + info->module[i].size;

        FUZZ_CHECK(start < end && (end <= image_start || start >= image_end));
        FUZZ_CHECK(range_is_within_ram(info, start, end));
        for (unsigned j = 0; j < i; j++)
            FUZZ_CHECK(end <= info->module[j].start ||
                       start >= info->module[j].start + info->module[j].size);
    }
}

static inline void check_boot_info(const struct boot_info *info)
{
    check_memory_map(info);
    FUZZ_CHECK_TEXT(info->loader);
    FUZZ_CHECK_TEXT(info->cmdline);
    FUZZ_CHECK(info->rsdp_size <= BOOT_RSDP_MAX_BYTES);
    for (unsigned i = 0; i < info->module_count; i++)
        FUZZ_CHECK_TEXT(info->module[i].cmdline);
    check_modules(info, 0x100000, 0x200000);
}

typedef int boot_parser(struct boot_info *info, const struct phys_window *w, uint64_t pa,
                        struct boot_error *e);

/* Input: u16 where in the memory the information lies, then the memory (phys_memory.h). */
void fuzz_boot_parser(boot_parser *parse, const uint8_t *data, size_t size);
