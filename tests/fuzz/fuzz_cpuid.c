/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/cpuid.c arch/x86/pure/cpuid_policy.c arch/x86/pure/cpuid_guest.c */
/* SOURCES: arch/x86/pure/cpuid_abi.c arch/x86/pure/topology.c */
/* FLAGS: -max_len=2048 */
/*
 * A toolstack's CPU policy, leaf by leaf, over that of a recorded CPU or of one that answers as the
 * input says: nothing a guest sees is beyond what its kind may have at most.
 * Input: flags, then what that CPU answers (FLAG_OWN_CPU); u8 count of leaves, leaves, MSRs.
 */
#include "fuzz.h"
#include <kr/errno.h>
#include <x86/cpuid.h>
#include <x86/topology.h>
#include <xen/xen.h>
#include <xen/arch-x86/cpufeatureset.h>
#include "../unit/data/cpuid_leaves.h"

#define FLAG_INTEL   0x01
#define FLAG_OWN_CPU 0x02
#define FLAG_DOM0    0x04

static const struct cpuid_leaf *cpu;
static size_t cpu_leaves;
static struct cpuid_leaf own[32];
static struct cpu_policy raw, host, max, policy, dom0;

static void read_cpu(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    *out = (struct cpuid_regs){0};
    for (size_t i = 0; i < cpu_leaves; i++)
        if (cpu[i].leaf == leaf && (cpu[i].subleaf == ANY || cpu[i].subleaf == subleaf))
            *out = cpu[i].r;
}

static void choose_cpu(struct fuzz_input *in, uint8_t flags)
{
    cpu = flags & FLAG_INTEL ? intel : amd;
    cpu_leaves = flags & FLAG_INTEL ? ARRAY_SIZE(intel) : ARRAY_SIZE(amd);
    if (!(flags & FLAG_OWN_CPU))
        return;
    cpu = own;
    cpu_leaves = fuzz_u8(in) % ARRAY_SIZE(own);
    fuzz_take(in, own, cpu_leaves * sizeof(own[0]));
}

static void check_sorted(const struct cpu_policy *p)
{
    FUZZ_CHECK(p->leaf_count <= CPUID_LEAVES_MAX);
    for (unsigned i = 1; i < p->leaf_count; i++) {
        const struct cpuid_leaf *a = &p->leaves[i - 1], *b = a + 1;

        FUZZ_CHECK(a->leaf < b->leaf || (a->leaf == b->leaf && a->subleaf < b->subleaf));
    }
}

/* Features and XSAVE components of `p` are among those of `most`. */
static void check_within(const struct cpu_policy *p, const struct cpu_policy *most)
{
    uint32_t words[CPU_FEATURE_WORDS], most_words[CPU_FEATURE_WORDS];

    cpu_policy_featureset(p, words);
    cpu_policy_featureset(most, most_words);
    for (unsigned i = 0; i < CPU_FEATURE_WORDS; i++)
        FUZZ_CHECK(!(words[i] & ~most_words[i]));
    FUZZ_CHECK(!(cpu_policy_xcr0(p) & ~cpu_policy_xcr0(most)));
}

/* Leaf 0xd follows the features. */
static void check_xstate(const struct cpu_policy *p)
{
    static const struct {
        unsigned feature;
        uint64_t components;
    } needs[] = {{XEN_X86_FEATURE_AVX, 0x7},
                 {XEN_X86_FEATURE_AVX512F, 0xe7},
                 {XEN_X86_FEATURE_MPX, 0x1b},
                 {XEN_X86_FEATURE_PKU, 0x203}};
    uint64_t xcr0 = cpu_policy_xcr0(p);

    FUZZ_CHECK(cpu_policy_has(p, XEN_X86_FEATURE_XSAVE) || xcr0 == 0);
    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++)
        if (cpu_policy_has(p, needs[i].feature) && cpu_policy_find(p, 0xd, 0))
            FUZZ_CHECK((xcr0 & needs[i].components) == needs[i].components);
}

/* False: refused, and the error says where. */
static bool apply(struct cpu_policy *p, struct fuzz_input *in)
{
    unsigned leaves = fuzz_u8(in) % (CPUID_LEAVES_MAX + 1);
    struct cpu_policy_error error;
    struct xen_cpuid_leaf leaf;
    struct xen_msr_entry msr;

    for (unsigned i = 0; i < leaves && in->left; i++) {
        fuzz_take(in, &leaf, sizeof(leaf));
        if (cpu_policy_apply_leaf(p, &leaf, &error)) {
            FUZZ_CHECK(error.leaf == leaf.leaf && error.subleaf == leaf.subleaf);
            return false;
        }
    }
    for (unsigned i = 0; i < CPU_POLICY_MSRS && in->left; i++) {
        fuzz_take(in, &msr, sizeof(msr));
        if (cpu_policy_apply_msr(p, &msr, &error)) {
            FUZZ_CHECK(error.msr == msr.idx);
            return false;
        }
    }
    if (cpu_policy_finish(p, &max, &error) == 0)
        return true;
    FUZZ_CHECK(error.leaf != ~0u || error.msr != ~0u);
    return false;
}

/* What a guest of that policy reads, anywhere. */
static void ask(const struct cpu_policy *p, uint64_t xcr0)
{
    static const uint32_t firsts[] = {0, 0x40000000, 0x80000000, 0xffffff00};
    struct cpuid_guest g = {.cr4 = 1UL << 18, .xcr0 = xcr0, .vcpu_id = 3, .host_tsc_khz = 1};
    struct cpuid_regs r;

    for (unsigned f = 0; f < ARRAY_SIZE(firsts); f++)
        for (uint32_t leaf = firsts[f]; leaf < firsts[f] + 0x28; leaf++)
            for (uint32_t subleaf = 0; subleaf < 3; subleaf++)
                cpuid_pv_guest(p, &g, leaf, subleaf, &r);
}

static void check_topology(bool is_amd)
{
    struct apic_id_fields f = apic_id_fields_of(&raw, is_amd);

    FUZZ_CHECK(f.thread_bits + f.core_bits < 32); /* the id is shifted by them */
    (void)cpu_cache_kib(&raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cpu_limits limits = {.xcr0 = 0x2e7};
    struct fuzz_input in = {data, size};
    uint8_t flags = fuzz_u8(&in);

    choose_cpu(&in, flags);
    cpu_policy_read_raw(&raw, read_cpu, 0x80000000, 0x1234);
    check_topology(!(flags & FLAG_INTEL));
    cpu_policy_make_host(&host, &raw, &limits);
    cpu_policy_make_guest(&max, &host, CPU_POLICY_PV_MAX);
    cpu_policy_make_guest(&policy, &host, CPU_POLICY_PV_DEFAULT);
    cpu_policy_make_dom0(&dom0, &host);
    check_sorted(&host);
    check_within(&host, &raw);
    check_xstate(&host);
    check_xstate(&max);
    check_xstate(&dom0);
    if (flags & FLAG_DOM0)
        policy = dom0;
    if (!apply(&policy, &in))
        return 0;
    check_sorted(&policy);
    check_within(&policy, &max);
    check_xstate(&policy);
    ask(&policy, cpu_policy_xcr0(&policy));
    return 0;
}
