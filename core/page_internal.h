/* SPDX-License-Identifier: MIT */
/* What core/page.c and core/page_buddy.c share and nobody else sees. */
#pragma once

#include <kr/page.h>

/* struct page.order of the head of a free block; 0 in every other frame. */
#define PAGE_ORDER_BITS 0x1f
#define PAGE_HEAD       0x40 /* this frame heads a free block */
#define PAGE_KNOWN_ZERO 0x80 /* and the whole block is zero */

/* Changes a frame's state; asserts that the table in core/page.c allows it. */
void page_state_set(struct page *p, enum page_state to);
/* Writes zeroes over 2^order frames. */
void page_zero(mfn_t mfn, unsigned order);
/* Puts a block of HV frames into the free lists. */
void page_free_block(mfn_t mfn, unsigned order, bool known_zero);
/* The same for any number of neighbouring frames, 0 too. */
void page_free_run(mfn_t first, uint64_t count, bool known_zero);
/* Boot: puts DEVICE or still undescribed frames into the free lists. */
void page_free_range_boot(mfn_t first, uint64_t count);
/* Boot: accounts for RAM frames. */
void page_total_add(mfn_t first, uint64_t count);
