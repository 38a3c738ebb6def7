/* SPDX-License-Identifier: MIT */
/* Between pagetype.c (counts) and pagetable.c (contents). */
#pragma once

#include <x86/pagetype.h>

/* Checks a whole frame as a page table or descriptor page and takes its entries' references. */
int contents_validate(struct page *p, enum page_type type, struct domain *d) __must_check;
/* Drops what contents_validate() and later writes took. */
void contents_release(struct page *p, enum page_type type);
