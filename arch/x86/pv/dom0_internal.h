/* SPDX-License-Identifier: MIT */
/* Between the files that build the PV control domain (dom0_*.c). Boot CPU, start-up only. */
#pragma once

#include <kr/domain.h>
#include <x86/dom0.h>

#define DOM0_EXTENTS_MAX 512

/* dom0's memory as runs of contiguous frames, in PFN order. */
struct dom0_extent {
    uint64_t pfn, count;
    mfn_t mfn;
};

struct dom0_builder {
    struct domain *d;
    struct dom0_layout layout;
    struct dom0_extent extents[DOM0_EXTENTS_MAX];
    unsigned extent_count, last_hit;
};

/* Where a page of dom0 lies; the page number is below layout.page_count. */
mfn_t dom0_pfn_to_mfn(struct dom0_builder *b, uint64_t pfn);
void *dom0_pfn_to_virt(struct dom0_builder *b, uint64_t pfn);

/* Gives dom0 all its memory, with kernel and initrd in place, and frees what those took before. */
void dom0_memory_make(struct dom0_builder *b, const struct boot_info *info,
                      struct dom0_kernel *kernel);
/* Fills in the page tables; returns the root. */
mfn_t dom0_tables_make(struct dom0_builder *b);
/* Fills in the array of machine frames by page number. */
void dom0_p2m_make(struct dom0_builder *b);
void dom0_start_info_make(struct dom0_builder *b, const struct boot_info *info,
                          const struct dom0_kernel *kernel);
