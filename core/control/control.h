/* SPDX-License-Identifier: MIT */
/*
 * What the control domain's calls (sysctl, domctl, platform_op) share. They run one at a time,
 * under the control lock: what they do is rare, may wait for vCPUs to stop, and is easier to get
 * right alone. A caller that finds it taken tries again later.
 */
#pragma once

#include <kr/cpumask.h>
#include <kr/domain.h>
#include <kr/hypercall.h>

#include <xen/domctl.h>

/* False: another call is under way; return -ERESTART. */
bool control_enter(void) __must_check;
void control_leave(void);

/*
 * Bitmaps of the ABI: bytes at a guest address with a count of bits. Reading gives 0 for bits that
 * are not there; writing clears what is beyond `bit_count`. -EFAULT.
 */
int control_bitmap_read(uint64_t *bits, unsigned bit_count,
                        const struct xenctl_bitmap *map) __must_check;
int control_bitmap_write(const struct xenctl_bitmap *map, const uint64_t *bits,
                         unsigned bit_count) __must_check;

/* What tools are told about a domain. */
void control_domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info);

/* sysctl's cpupool operations (core/control/cpupool.c). */
struct xen_sysctl_cpupool_op;
long control_cpupool_op(struct xen_sysctl_cpupool_op *op);
