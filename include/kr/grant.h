/* SPDX-License-Identifier: MIT */
/* Grant tables: a domain lends frames to others by number. ABI: xen/grant_table.h. */
#pragma once

#include <kr/lock.h>
#include <kr/types.h>

struct domain;
struct grant_table;

/* Limits are counts of frames; allocates the first shared frame lazily. */
int grant_domain_init(struct domain *d, uint32_t frame_max, uint32_t maptrack_max, unsigned version_max) __must_check;
/* Revokes what the dying domain maps and, when others have let go, frees the table. -ERESTART. */
int grant_domain_fini(struct domain *d) __must_check;
/* Frame `index` of the shared (or status) array for resource mapping, grown on demand;
 * negative errno. */
int grant_frame_get(struct domain *d, bool status, uint32_t index, mfn_t *mfn) __must_check;
