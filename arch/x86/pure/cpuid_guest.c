/* SPDX-License-Identifier: MIT */
/*
 * CPUID as a PV guest gets it: its policy, completed by what depends on the vCPU at this moment,
 * and the hypervisor's own leaves (xen/arch-x86/cpuid.h).
 */
#include <x86/cpuid.h>
#include <xen/xen.h>
#include <xen/version.h>
#include <xen/arch-x86/cpufeatureset.h>
#include <xen/arch-x86/cpuid.h>

#define CR4_OSXSAVE (1UL << 18)

#define VENDOR_AMD_EBX   0x68747541u /* "Auth" */
#define VENDOR_HYGON_EBX 0x6f677948u /* "Hygo" */

#define XEN_VERSION_MAJOR  4
#define XEN_VERSION_MINOR  17
#define MSR_HYPERCALL_BASE 0x40000000u

static void hypervisor_time_leaf(const struct cpu_policy *p, const struct cpuid_guest *g,
                                 uint32_t subleaf, struct cpuid_regs *out)
{
    switch (subleaf) {
    case 0:
        out->a = (g->tsc_emulated ? 1 : 0) | (g->tsc_reliable ? 2 : 0) |
                 (cpu_policy_has(p, XEN_X86_FEATURE_RDTSCP) ? 4 : 0);
        out->b = g->tsc_mode;
        out->c = g->tsc_khz;
        out->d = g->tsc_incarnation;
        break;
    case 1:
        *out = (struct cpuid_regs){g->tsc_offset, g->tsc_offset >> 32, g->tsc_to_ns_mul,
                                   (uint8_t)g->tsc_to_ns_shift};
        break;
    case 2: out->a = g->host_tsc_khz; break;
    default: break;
    }
}

static void hypervisor_leaf(const struct cpu_policy *p, const struct cpuid_guest *g, uint32_t leaf,
                            uint32_t subleaf, struct cpuid_regs *out)
{
    const struct cpuid_leaf *limit = cpu_policy_find(p, XEN_CPUID_FIRST_LEAF, 0);
    uint32_t last = limit ? limit->r.a & 0xff : XEN_CPUID_MAX_NUM_LEAVES;
    uint32_t index = leaf - XEN_CPUID_FIRST_LEAF;

    if (index > last)
        return;
    switch (index) {
    case 0:
        *out = (struct cpuid_regs){XEN_CPUID_LEAF(last), XEN_CPUID_SIGNATURE_EBX,
                                   XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX};
        break;
    case 1: out->a = XEN_VERSION_MAJOR << 16 | XEN_VERSION_MINOR; break;
    case 2:
        *out = (struct cpuid_regs){1, MSR_HYPERCALL_BASE, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD,
                                   0};
        break;
    case 3: hypervisor_time_leaf(p, g, subleaf, out); break;
    case 5:
        if (subleaf == 0)
            out->b = g->machine_address_bits;
        break;
    default: break; /* 4 is about HVM guests */
    }
}

/*
 * OSXSAVE of a PV guest. A kernel that asks with the forced-emulation prefix wants to know whether
 * it may use XSAVE at all: Linux (xen_check_xsave) gives it up for good unless the bit is set
 * before it has ever written CR4. Anybody else sees the architecture's meaning.
 */
static bool osxsave_visible(const struct cpu_policy *p, const struct cpuid_guest *g)
{
    return cpu_policy_has(p, XEN_X86_FEATURE_XSAVE) && (g->forced || g->cr4 & CR4_OSXSAVE);
}

static bool repeats_features(const struct cpu_policy *p)
{
    const struct cpuid_leaf *l = cpu_policy_find(p, 0, 0);

    return l && (l->r.b == VENDOR_AMD_EBX || l->r.b == VENDOR_HYGON_EBX);
}

static void complete_leaf(const struct cpu_policy *p, const struct cpuid_guest *g, uint32_t leaf,
                          uint32_t subleaf, struct cpuid_regs *out)
{
    const struct cpuid_leaf *basic;

    switch (leaf) {
    case 0x1:
        out->b |= g->vcpu_id * 2 << 24; /* initial APIC id */
        if (osxsave_visible(p, g))
            out->c |= 1u << (XEN_X86_FEATURE_OSXSAVE % 32);
        break;
    case 0xd:
        if (subleaf == 0 && out->a)
            out->b = cpu_policy_xsave_bytes(p, g->xcr0, false);
        if (subleaf == 1 && cpu_policy_has(p, XEN_X86_FEATURE_XSAVEC))
            out->b = cpu_policy_xsave_bytes(p, g->xcr0, true);
        break;
    case 0x80000001:
        basic = cpu_policy_find(p, 1, 0);
        if (basic && repeats_features(p))
            out->d |= basic->r.d & CPUID_AMD_REPEATED;
        break;
    default: break;
    }
}

/* A leaf above the guest's own limit does not exist, even if the policy still holds it. */
static bool leaf_within_limit(const struct cpu_policy *p, uint32_t leaf)
{
    const struct cpuid_leaf *first = cpu_policy_find(p, leaf & 0x80000000u, 0);

    return first && leaf <= first->r.a;
}

void cpuid_pv_guest(const struct cpu_policy *p, const struct cpuid_guest *g, uint32_t leaf,
                    uint32_t subleaf, struct cpuid_regs *out)
{
    const struct cpuid_leaf *l;

    *out = (struct cpuid_regs){0};
    if (leaf >> 16 == XEN_CPUID_FIRST_LEAF >> 16) {
        hypervisor_leaf(p, g, leaf, subleaf, out);
        return;
    }
    l = leaf_within_limit(p, leaf) ? cpu_policy_find(p, leaf, subleaf) : NULL;
    if (!l)
        return;
    *out = l->r;
    complete_leaf(p, g, leaf, subleaf, out);
}
