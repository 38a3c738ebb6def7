/* SPDX-License-Identifier: MIT */
/* What the generators of page-table operations share. */
#pragma once

#include "gen.h"

#include <xen/xen.h>

#define UPDATES_MAX 32
#define EXT_OPS_MAX 8

/* mmu_update of a list. `domains`: the argument with the foreign domains. */
long mmu_update_list(struct actor *a, const struct mmu_update *list, unsigned count,
                     uint64_t domains);
/* One entry: machine address of the entry with the type of the update. */
long mmu_update_one(struct actor *a, uint64_t entry_address, uint64_t value);
long mmuext_list(struct actor *a, const struct mmuext_op *list, unsigned count, uint16_t domain);
long mmuext_one(struct actor *a, unsigned cmd, uint64_t arg);
/* Any entry that an L1 table may have, mostly of its own frames. */
uint64_t entry_choose(struct actor *a);
/* And entries that must not be, or not in a table of this level. */
uint64_t entry_choose_wrong(struct actor *a, unsigned level);
/* A table of the model: a used or a free place, of a level (0: any). NULL: none. */
struct table_model *table_find(struct actor *a, bool is_used, unsigned level);
uint64_t table_frame(struct actor *a, const struct table_model *t);
