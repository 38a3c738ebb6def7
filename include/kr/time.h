/* SPDX-License-Identifier: MIT */
/* System time and wall clock as guests see them. */
#pragma once

#include <kr/arch.h>
#include <kr/types.h>

struct domain;
struct vcpu;

#define NS_PER_SEC 1000000000UL
#define NS_PER_MS  1000000UL
#define NS_PER_US  1000UL

/* Reads the machine's clock. Boot, after system time runs and before the first domain is made. */
void time_init(void);
/* Monotonic nanoseconds since boot. */
static inline uint64_t time_now_ns(void)
{
    return arch_time_ns();
}
/* Wall clock: seconds and nanoseconds since 1970 at system time 0. */
void time_wallclock_get(uint64_t *sec, uint32_t *nsec);
/* Control domain sets it (XENPF_settime): `sec.nsec` was true at `system_time_ns`. Republished to
 * all. */
void time_wallclock_set(uint64_t sec, uint32_t nsec, uint64_t system_time_ns);
/* Writes the wall clock into a domain's shared_info (version protocol, xen/xen.h). */
void time_publish_wallclock(struct domain *d);
