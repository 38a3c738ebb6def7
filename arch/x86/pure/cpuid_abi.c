/* SPDX-License-Identifier: MIT */
/*
 * CPU policies at the edge: the public forms of leaves and MSRs (xen/arch-x86/xen.h). Our list of
 * leaves has the public layout, asserted here, so handing it out is a copy.
 */
#include <kr/errno.h>
#include <x86/cpuid.h>
#include <xen/xen.h>
#include <xen/arch-x86/cpufeatureset.h>

#define MSR_PLATFORM_INFO 0xceu
#define MSR_ARCH_CAPS     0x10au

_Static_assert(sizeof(struct cpuid_leaf) == sizeof(xen_cpuid_leaf_t), "public layout");
_Static_assert(offsetof(struct cpuid_leaf, subleaf) == offsetof(xen_cpuid_leaf_t, subleaf), "same");
_Static_assert(offsetof(struct cpuid_leaf, r.a) == offsetof(xen_cpuid_leaf_t, a), "same");
_Static_assert(offsetof(struct cpuid_leaf, r.d) == offsetof(xen_cpuid_leaf_t, d), "same");
_Static_assert(CPUID_NO_SUBLEAF == XEN_CPUID_NO_SUBLEAF, "same");
_Static_assert(XEN_X86_FEATURE_TSA_L1_NO / 32 + 1 == CPU_FEATURE_WORDS, "all words known");

const struct xen_cpuid_leaf *cpu_policy_leaves(const struct cpu_policy *p)
{
    return (const struct xen_cpuid_leaf *)p->leaves;
}

void cpu_policy_msrs(const struct cpu_policy *p, struct xen_msr_entry *out)
{
    out[0] = (struct xen_msr_entry){.idx = MSR_PLATFORM_INFO, .val = p->platform_info};
    out[1] = (struct xen_msr_entry){.idx = MSR_ARCH_CAPS, .val = p->arch_caps};
}

int cpu_policy_apply_leaf(struct cpu_policy *p, const struct xen_cpuid_leaf *entry,
                          struct cpu_policy_error *error)
{
    struct cpuid_regs r = {entry->a, entry->b, entry->c, entry->d};
    int result = cpu_policy_set(p, entry->leaf, entry->subleaf, &r);

    *error = (struct cpu_policy_error){~0u, ~0u, ~0u};
    if (result != 0) {
        error->leaf = entry->leaf;
        error->subleaf = entry->subleaf;
    }
    return result;
}

int cpu_policy_apply_msr(struct cpu_policy *p, const struct xen_msr_entry *entry,
                         struct cpu_policy_error *error)
{
    *error = (struct cpu_policy_error){~0u, ~0u, entry->idx};
    if (entry->flags != 0)
        return -EINVAL;
    if (entry->idx == MSR_PLATFORM_INFO)
        p->platform_info = entry->val;
    else if (entry->idx == MSR_ARCH_CAPS)
        p->arch_caps = entry->val;
    else
        return -ERANGE;
    error->msr = ~0u;
    return 0;
}
