/* SPDX-License-Identifier: MIT */
/* Between core/domain.c (the table of domains) and core/domain_life.c (what a domain consists of).
 */
#pragma once

#include <kr/domain.h>

#define DOMAIN_DESTROY_STEPS 7 /* domain_destroy() has done all there is to do */

/* Makes it known under its id. -EEXIST, -ENOMEM. */
int domain_table_insert(struct domain *d) __must_check;
void domain_table_remove(struct domain *d);
/* After the last reference: gives back the rest of what it holds. False: others hold frames of it
 * still, domain_memory_gone() follows, then this is to be called again. */
bool domain_dismantle(struct domain *d);
/* Frees the structure; not in the table any more. */
void domain_free(struct domain *d);
