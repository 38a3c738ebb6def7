/* SPDX-License-Identifier: MIT */
/* CPU policies to the tools' buffers. */
#include <kr/access.h>

#include <xen/xen.h>

#include "policy_copy.h"

static int leaves_out(const struct cpu_policy *p, uint64_t addr, uint32_t *count)
{
    if (addr == 0) {
        *count = CPUID_LEAVES_MAX;
        return 0;
    }
    if (*count < p->leaf_count)
        return -ENOBUFS;
    *count = p->leaf_count;
    return arch_guest_write(addr, cpu_policy_leaves(p), p->leaf_count * sizeof(xen_cpuid_leaf_t));
}

static int msrs_out(const struct cpu_policy *p, uint64_t addr, uint32_t *count)
{
    xen_msr_entry_t msrs[CPU_POLICY_MSRS];

    if (addr == 0) {
        *count = CPU_POLICY_MSRS;
        return 0;
    }
    if (*count < CPU_POLICY_MSRS)
        return -ENOBUFS;
    *count = CPU_POLICY_MSRS;
    cpu_policy_msrs(p, msrs);
    return guest_write(addr, &msrs);
}

int policy_copy_out(const struct cpu_policy *p, uint64_t leaves_addr, uint32_t *leaf_count,
                    uint64_t msrs_addr, uint32_t *msr_count)
{
    int rc = leaves_out(p, leaves_addr, leaf_count);

    return rc != 0 ? rc : msrs_out(p, msrs_addr, msr_count);
}
