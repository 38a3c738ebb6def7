/* SPDX-License-Identifier: MIT */
/*
 * CPU policies: what CPUID (and two MSRs that enumerate features) says to whom. A policy is a
 * sorted list of leaves in the form of Xen's public xen_cpuid_leaf_t, so sysctl and domctl hand it
 * out as it is. Leaves and their meaning: Intel SDM volume 2 (CPUID), AMD APM volume 3 appendix E;
 * featureset words: xen/arch-x86/cpufeatureset.h; hypervisor leaves: xen/arch-x86/cpuid.h.
 *
 *   raw   what the CPU says
 *   host  what of it the hypervisor uses
 *   max   what of it a kind of guest may be given; default: what it is given unasked
 *
 * Pure: CPUID itself is executed by the reader the caller passes.
 */
#pragma once

#include <kr/types.h>

struct cpuid_regs {
    uint32_t a, b, c, d;
};

#define CPUID_NO_SUBLEAF (~0u)
/* The last leaves a policy holds; clients know no later ones (libxenguest 4.17 refuses them). */
#define CPUID_BASIC_LAST    0x0000000du
#define CPUID_EXTENDED_LAST 0x80000021u
/* Every leaf and subleaf there can be, and the MSRs: what clients are told to make room for. */
#define CPUID_LEAVES_MAX 120
#define CPU_POLICY_MSRS  2

#define CPU_FEATURE_WORDS 19

/* Leaf 1 features that AMD repeats in leaf 0x80000001 EDX. */
#define CPUID_AMD_REPEATED 0x0183f3ffu

struct cpuid_leaf {
    uint32_t leaf, subleaf; /* CPUID_NO_SUBLEAF where the leaf has none */
    struct cpuid_regs r;
};

struct cpu_policy {
    uint32_t leaf_count;
    struct cpuid_leaf leaves[CPUID_LEAVES_MAX]; /* ascending */
    uint64_t platform_info;                     /* MSR 0xce */
    uint64_t arch_caps;                         /* MSR 0x10a */
};

/* ---- one policy --------------------------------------------------------------------------------
 */

/* The leaf, or NULL. `subleaf` is ignored for leaves that have none. */
const struct cpuid_leaf *cpu_policy_find(const struct cpu_policy *p, uint32_t leaf,
                                         uint32_t subleaf);
/* Adds or replaces. -ERANGE: no such leaf in a policy. */
int cpu_policy_set(struct cpu_policy *p, uint32_t leaf, uint32_t subleaf,
                   const struct cpuid_regs *r) __must_check;
/* `feature` is an XEN_X86_FEATURE_* number. */
bool cpu_policy_has(const struct cpu_policy *p, unsigned feature);
void cpu_policy_set_feature(struct cpu_policy *p, unsigned feature, bool on);
/* All features as the public featureset words. */
void cpu_policy_featureset(const struct cpu_policy *p, uint32_t words[CPU_FEATURE_WORDS]);
void cpu_policy_set_featureset(struct cpu_policy *p, const uint32_t words[CPU_FEATURE_WORDS]);

/* XSAVE area in bytes for the components in `xcr0`, by the policy's own leaf 0xd. */
uint32_t cpu_policy_xsave_bytes(const struct cpu_policy *p, uint64_t xcr0, bool compact);
/* Components the policy lets a guest enable in XCR0; 0 without XSAVE. */
uint64_t cpu_policy_xcr0(const struct cpu_policy *p);

/* ---- the system's policies
 * ----------------------------------------------------------------------- */

typedef void cpuid_reader(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out);

/* Reads the CPU. The MSR values are zero where the CPU lacks the MSR. */
void cpu_policy_read_raw(struct cpu_policy *raw, cpuid_reader *read, uint64_t platform_info,
                         uint64_t arch_caps);

/* What the hypervisor itself can keep for guests. */
struct cpu_limits {
    uint64_t xcr0; /* components its context switch saves */
};

/* `host` and `raw` are two objects. */
void cpu_policy_make_host(struct cpu_policy *host, const struct cpu_policy *raw,
                          const struct cpu_limits *limits);

enum cpu_policy_kind {
    CPU_POLICY_PV_MAX,
    CPU_POLICY_PV_DEFAULT,
    CPU_POLICY_HVM_MAX,
    CPU_POLICY_HVM_DEFAULT
};

void cpu_policy_make_guest(struct cpu_policy *p, const struct cpu_policy *host,
                           enum cpu_policy_kind kind);
/* The control domain's: the default, and what it may know because it never migrates. */
void cpu_policy_make_dom0(struct cpu_policy *p, const struct cpu_policy *host);

/* ---- to and from the toolstack
 * --------------------------------------------------------------------- */

/* Where an update was refused; ~0 where it was not. */
struct cpu_policy_error {
    uint32_t leaf, subleaf, msr;
};

struct xen_cpuid_leaf;
struct xen_msr_entry;

/* The policy's MSRs, CPU_POLICY_MSRS entries. Leaves need no function: cpu_policy_leaves(). */
void cpu_policy_msrs(const struct cpu_policy *p, struct xen_msr_entry *out);
/* leaf_count entries in the public form. */
const struct xen_cpuid_leaf *cpu_policy_leaves(const struct cpu_policy *p);

/*
 * Applies one entry of a toolstack's policy to `p`. Entries may come in any order; what is not
 * mentioned stays. -ERANGE: no such leaf; -EINVAL: reserved fields are set. Fills `error`.
 */
int cpu_policy_apply_leaf(struct cpu_policy *p, const struct xen_cpuid_leaf *entry,
                          struct cpu_policy_error *error) __must_check;
int cpu_policy_apply_msr(struct cpu_policy *p, const struct xen_msr_entry *entry,
                         struct cpu_policy_error *error) __must_check;
/*
 * Ends an update: checks `p` against what this kind of guest may have at most and drops features
 * beyond it or without their prerequisites. -EINVAL: more leaves than there are, fills `error`; `p`
 * is to be thrown away then.
 */
int cpu_policy_finish(struct cpu_policy *p, const struct cpu_policy *max,
                      struct cpu_policy_error *error) __must_check;

/* ---- what a guest sees --------------------------------------------------------------------------
 */

/* The moving parts of a guest's CPUID. */
struct cpuid_guest {
    uint32_t domid, vcpu_id;
    uint64_t cr4;  /* the guest's own view */
    uint64_t xcr0; /* its current value */
    bool forced;   /* asked with the forced-emulation prefix, so by a PV kernel */
    /* Leaf 0x40000003: how time is kept. */
    bool tsc_emulated, tsc_reliable;
    uint32_t tsc_mode, tsc_khz, tsc_incarnation, host_tsc_khz;
    uint64_t tsc_offset;
    uint32_t tsc_to_ns_mul;
    int8_t tsc_to_ns_shift;
    uint8_t machine_address_bits;
};

/* CPUID as a PV guest with policy `p` gets it. */
void cpuid_pv_guest(const struct cpu_policy *p, const struct cpuid_guest *g, uint32_t leaf,
                    uint32_t subleaf, struct cpuid_regs *out);
