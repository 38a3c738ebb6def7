/* SPDX-License-Identifier: MIT */
/* What the generators of grant table operations share. */
#pragma once

#include "gen.h"

#include <xen/xen.h>

#include <xen/grant_table.h>

/* The call with `size_bytes` of arguments for `count` operations, in and out. */
long grant_call(struct actor *a, unsigned op, void *arguments, size_t size_bytes, unsigned count);
/* Gives back all that the domain has mapped, and waits for nothing. For dom0's end. */
void grants_unmap_all(struct actor *a);
/* The actor's own table: made and mapped; where an entry is; a number for one, seldom beyond the
 * usual ones; is there something in it; flags, domain and frame into it, the frame first. */
void grant_setup(struct actor *a);
uint64_t grant_entry_va(struct actor *a, uint32_t ref);
uint32_t grant_ref_choose(struct actor *a);
bool grant_ref_is_used(struct actor *a, uint32_t ref);
bool grant_entry_write(struct actor *a, uint32_t ref, uint16_t flags, uint16_t to, uint64_t frame);
/* Something that was granted to this domain; NULL: nothing found. */
const struct grant_out *grant_find(struct actor *a, uint16_t *owner);
