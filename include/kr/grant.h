/* SPDX-License-Identifier: MIT */
/* Grant tables: a domain lends frames to others by number. ABI: xen/grant_table.h. */
#pragma once

#include <kr/lock.h>
#include <kr/types.h>

struct domain;
struct grant_table;

/* More is clamped: 8 million grants, 8 million mappings. */
#define GRANT_FRAME_COUNT_MAX    16384
#define GRANT_MAPTRACK_COUNT_MAX 16384

/*
 * Limits are counts of frames: shared ones, and pages of maptrack entries; the first shared frame
 * comes with the first use. `version_max` 1 or 2. -ENOMEM, -EINVAL.
 */
int grant_domain_init(struct domain *d, uint32_t frame_max, uint32_t maptrack_max,
                      unsigned version_max) __must_check;
/*
 * Kill: lets go of everything the domain has mapped (its vCPUs no longer run) and takes its own
 * table away from it. What others still have mapped of it stays counted, and its frames with them.
 * Bounded: -ERESTART.
 */
int grant_domain_fini(struct domain *d) __must_check;
/* The domain's last reference has gone: frees the table. A mapping holds a reference on the domain
 * that granted it, so nobody has anything of this one mapped any more. */
void grant_domain_free(struct domain *d);
/* Frame `index` of the shared (or status) array for resource mapping, grown on demand;
 * -EINVAL over the limit or no such array, -ENOMEM. */
int grant_frame_get(struct domain *d, bool status, uint32_t index, mfn_t *mfn) __must_check;
/* How many such frames there may be. */
uint32_t grant_frame_limit(struct domain *d, bool status);
