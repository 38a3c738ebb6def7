/* SPDX-License-Identifier: MIT */
/* Between pagetype.c (counts) and pagetable.c (contents). */
#pragma once

#include <x86/pagetype.h>

/* Checks a frame as a page table or descriptor page from entry *index on and takes the entries'
 * references; *index is how far it came. -ERESTART: other work waits, go on from there later. */
int contents_validate(struct page *p, enum page_type type, struct domain *d,
                      unsigned *index) __must_check;
/* Drops the references of the entries below *index, from the top. False: other work waits; *index
 * is how many are left. */
bool contents_release(struct page *p, enum page_type type, unsigned *index);
/* Gives up a busy table (LOCKED, not VALID, counted once) of which `index` entries hold references,
 * now or, when that takes long, before the vCPU returns to its guest. */
void table_release(struct page *p, enum page_type type, unsigned index);
