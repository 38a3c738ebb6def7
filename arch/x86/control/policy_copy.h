/* SPDX-License-Identifier: MIT */
/* CPU policies to the tools' buffers, for sysctl and domctl. */
#pragma once

#include <x86/cpuid.h>

struct xen_cpuid_leaf;
struct xen_msr_entry;

/*
 * Writes a policy to guest arrays with room for *leaf_count leaves and *msr_count MSRs. An address
 * of 0 asks for the number there can be; else the number written comes back. -ENOBUFS: no room;
 * -EFAULT.
 */
int policy_copy_out(const struct cpu_policy *p, uint64_t leaves_addr, uint32_t *leaf_count,
                    uint64_t msrs_addr, uint32_t *msr_count) __must_check;
