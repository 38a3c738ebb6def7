/* SPDX-License-Identifier: MIT */
/*
 * Page tables that are too much work for one go. Checking a tree of tables, or giving one up, stops
 * when other work waits; what was reached is kept with the vCPU on whose behalf it is done, one
 * table for each level. A table in either state is busy: counted once, LOCKED and not VALID, so
 * nobody else can use it.
 *
 * Checking goes on when the hypercall is issued again (-ERESTART), and is undone when the
 * place is needed for another one. Giving up goes on before the vCPU returns to its guest, so a
 * guest never sees it.
 */
#pragma once

#include <x86/pagetype.h>

/* May a walk stop here? False while there is no vCPU to keep it for (start-up). */
bool walk_should_stop(void);

/* Keeps a stopped check; false: it cannot be kept (go on then). */
bool walk_keep_validation(struct page *p, enum page_type type, unsigned index);
/* Takes back a check that the current vCPU has kept for this table. */
bool walk_take_validation(struct page *p, enum page_type type, unsigned *index);

/* The same for a release. */
bool walk_keep_release(struct page *p, enum page_type type, unsigned index);
bool walk_release_is_pending(void);
