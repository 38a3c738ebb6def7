/* SPDX-License-Identifier: MIT */
/*
 * From the raw policy to the host's, from that to what guests may have, and the check of what a
 * toolstack asks for. See x86/cpuid.h; which features guests get is cpu_features.def.
 */
#include <kr/errno.h>
#include <kr/string.h>
#include <x86/cpuid.h>
#include <xen/xen.h>
#include <xen/arch-x86/cpufeatureset.h>
#include <xen/arch-x86/cpuid.h>

#define PLATFORM_INFO_CPUID_FAULTING (1UL << 31)

#define XSTATE_X87_SSE 0x3UL
#define XSTATE_AVX     0x4UL
#define XSTATE_MPX     0x18UL
#define XSTATE_AVX512  0xe0UL
#define XSTATE_PKRU    0x200UL

enum feature_class { ALL, ALL_OPT, HVM, HVM_OPT };

static const struct {
    uint16_t feature;
    uint8_t class;
} feature_table[] = {
#define FEATURE(name, class)       {XEN_X86_FEATURE_##name, class},
#define FEATURE_BIT(number, class) {number, class},
#include "cpu_features.def"
};

#define F(name) XEN_X86_FEATURE_##name

/* Without the first there is no second; ordered so that one pass carries a loss all the way. */
static const struct {
    uint16_t need, feature;
} dependency[] = {
    {F(FXSR), F(SSE)},
    {F(SSE), F(SSE2)},
    {F(SSE2), F(SSE3)},
    {F(SSE3), F(SSSE3)},
    {F(SSSE3), F(SSE4_1)},
    {F(SSE4_1), F(SSE4_2)},
    {F(SSE2), F(AESNI)},
    {F(SSE2), F(PCLMULQDQ)},
    {F(SSE2), F(SHA)},
    {F(SSE2), F(GFNI)},
    {F(SSE3), F(SSE4A)},
    {F(XSAVE), F(XSAVEOPT)},
    {F(XSAVE), F(XSAVEC)},
    {F(XSAVE), F(XGETBV1)},
    {F(XSAVE), F(XSAVES)},
    {F(XSAVE), F(AVX)},
    {F(XSAVE), F(PKU)},
    {F(XSAVE), F(MPX)},
    {F(AVX), F(FMA)},
    {F(AVX), F(FMA4)},
    {F(AVX), F(F16C)},
    {F(AVX), F(XOP)},
    {F(AVX), F(AVX2)},
    {F(AVX2), F(VAES)},
    {F(AESNI), F(VAES)},
    {F(AVX2), F(VPCLMULQDQ)},
    {F(PCLMULQDQ), F(VPCLMULQDQ)},
    {F(AVX2), F(AVX_VNNI)},
    {F(AVX2), F(AVX512F)},
    {F(AVX512F), F(AVX512DQ)},
    {F(AVX512F), F(AVX512PF)},
    {F(AVX512F), F(AVX512ER)},
    {F(AVX512F), F(AVX512CD)},
    {F(AVX512F), F(AVX512BW)},
    {F(AVX512F), F(AVX512VL)},
    {F(AVX512F), F(AVX512_IFMA)},
    {F(AVX512F), F(AVX512_VNNI)},
    {F(AVX512F), F(AVX512_VPOPCNTDQ)},
    {F(AVX512F), F(AVX512_4VNNIW)},
    {F(AVX512F), F(AVX512_4FMAPS)},
    {F(AVX512F), F(AVX512_VP2INTERSECT)},
    {F(AVX512BW), F(AVX512_VBMI)},
    {F(AVX512BW), F(AVX512_VBMI2)},
    {F(AVX512BW), F(AVX512_BITALG)},
    {F(AVX512BW), F(AVX512_BF16)},
    {F(AVX512BW), F(AVX512_FP16)},
    {F(LM), F(LAHF_LM)},
    {F(LM), F(CX16)},
    {F(LM), F(PCID)},
    {F(LM), F(PAGE1GB)},
    {F(PCID), F(INVPCID)},
    {F(APIC), F(X2APIC)},
    {F(APIC), F(TSC_DEADLINE)},
    {F(RTM), F(TSXLDTRK)},
};

static void drop_unsupported(struct cpu_policy *p)
{
    for (unsigned i = 0; i < ARRAY_SIZE(dependency); i++)
        if (!cpu_policy_has(p, dependency[i].need))
            cpu_policy_set_feature(p, dependency[i].feature, false);
}

/* ---- leaf 0xd -------------------------------------------------------------------------------- */

static uint64_t xcr0_of_features(const struct cpu_policy *p)
{
    uint64_t xcr0 = 0;

    if (!cpu_policy_has(p, F(XSAVE)))
        return 0;
    xcr0 |= XSTATE_X87_SSE;
    xcr0 |= cpu_policy_has(p, F(AVX)) ? XSTATE_AVX : 0;
    xcr0 |= cpu_policy_has(p, F(MPX)) ? XSTATE_MPX : 0;
    xcr0 |= cpu_policy_has(p, F(AVX512F)) ? XSTATE_AVX512 : 0;
    xcr0 |= cpu_policy_has(p, F(PKU)) ? XSTATE_PKRU : 0;
    return xcr0;
}

static struct cpuid_leaf *leaf_of(struct cpu_policy *p, uint32_t leaf, uint32_t subleaf)
{
    return (struct cpuid_leaf *)cpu_policy_find(p, leaf, subleaf);
}

/* Puts components `xcr0` into leaf 0xd; their places in the area are `from`'s. Sizes that follow
 * the current XCR0 are filled in when a guest asks. */
static void set_xstate(struct cpu_policy *p, const struct cpu_policy *from, uint64_t xcr0)
{
    struct cpuid_leaf *l;

    for (unsigned i = 2; i < 63; i++) {
        const struct cpuid_leaf *source = cpu_policy_find(from, 0xd, i);

        l = leaf_of(p, 0xd, i);
        if (l)
            l->r = source && xcr0 >> i & 1 ? source->r : (struct cpuid_regs){0};
    }
    l = leaf_of(p, 0xd, 0);
    if (l)
        l->r = (struct cpuid_regs){xcr0, 0, xcr0 ? cpu_policy_xsave_bytes(p, xcr0, false) : 0,
                                   xcr0 >> 32};
    l = leaf_of(p, 0xd, 1);
    if (l)
        l->r.b = l->r.c = l->r.d = 0;
}

/* Features whose registers cannot be kept go first, then leaf 0xd follows the features. */
static void rebuild_xstate(struct cpu_policy *p, const struct cpu_policy *from, uint64_t limit)
{
    limit &= cpu_policy_xcr0(from);
    if ((limit & XSTATE_X87_SSE) != XSTATE_X87_SSE)
        cpu_policy_set_feature(p, F(XSAVE), false);
    if ((limit & XSTATE_AVX) == 0)
        cpu_policy_set_feature(p, F(AVX), false);
    if ((limit & XSTATE_MPX) != XSTATE_MPX)
        cpu_policy_set_feature(p, F(MPX), false);
    if ((limit & XSTATE_AVX512) != XSTATE_AVX512)
        cpu_policy_set_feature(p, F(AVX512F), false);
    if ((limit & XSTATE_PKRU) == 0)
        cpu_policy_set_feature(p, F(PKU), false);
    drop_unsupported(p);
    set_xstate(p, from, xcr0_of_features(p) & limit);
}

/* ---- host ------------------------------------------------------------------------------------ */

/* Every feature the public header knows by name: of the others nobody can say what they need. */
static const uint16_t known_features[] = {
#define XEN_CPUFEATURE(name, value) value,
#include <xen/arch-x86/cpufeatureset.h>
#undef XEN_CPUFEATURE
};

static void keep_words(struct cpu_policy *p, const uint32_t mask[CPU_FEATURE_WORDS])
{
    uint32_t words[CPU_FEATURE_WORDS];

    cpu_policy_featureset(p, words);
    for (unsigned i = 0; i < CPU_FEATURE_WORDS; i++)
        words[i] &= mask[i];
    cpu_policy_set_featureset(p, words);
}

void cpu_policy_make_host(struct cpu_policy *host, const struct cpu_policy *raw,
                          const struct cpu_limits *limits)
{
    uint32_t mask[CPU_FEATURE_WORDS] = {[2] = CPUID_AMD_REPEATED};

    *host = *raw;
    for (unsigned i = 0; i < ARRAY_SIZE(known_features); i++)
        mask[known_features[i] / 32] |= 1u << (known_features[i] % 32);
    keep_words(host, mask);
    /* These two say what an operating system has switched on, not what there is. */
    cpu_policy_set_feature(host, F(OSXSAVE), false);
    cpu_policy_set_feature(host, F(OSPKE), false);
    rebuild_xstate(host, raw, limits->xcr0);
}

/* ---- guests ------------------------------------------------------------------------------------
 */

/* Leaves whose contents a guest may see besides its features. The rest describe the machine's power
 * management, performance counters, debug and trace units and topology: they read as zero. */
static bool leaf_is_for_guests(uint32_t leaf)
{
    switch (leaf) {
    case 0x0:
    case 0x1:
    case 0x2:
    case 0x4:
    case 0x7:
    case 0xd:
    case 0x40000000:
    case 0x40000100: return true;
    default:
        return (leaf >= 0x80000000 && leaf <= 0x80000008) || leaf == 0x80000019 ||
               leaf == 0x8000001a || leaf == 0x80000021;
    }
}

/* Keeps of each leaf what is about the CPU as such; feature words are dealt with apart. */
static void keep_guest_registers(struct cpuid_leaf *l)
{
    struct cpuid_regs *r = &l->r;

    if (!leaf_is_for_guests(l->leaf)) {
        *r = (struct cpuid_regs){0};
        return;
    }
    switch (l->leaf) {
    case 0x1: r->b &= 0x0000ff00; break; /* CLFLUSH size; APIC id and brand are not shared */
    case 0x4: r->a &= 0x00003fff; break; /* cores and threads sharing the cache */
    case 0x7:
        if (l->subleaf == 2)
            r->a = r->b = r->c = 0;
        break;
    case 0x40000000:
        r->a = MIN(r->a & 0xff, XEN_CPUID_MAX_NUM_LEAVES);
        if (r->a == 0)
            r->a = XEN_CPUID_MAX_NUM_LEAVES;
        r->b = r->c = r->d = 0;
        break;
    case 0x80000001: r->b = 0; break;
    case 0x80000007: r->a = r->b = r->c = 0; break;
    case 0x80000008:
        /* Four-level paging: 48 bits of linear address. */
        r->a = (r->a & 0xff) | MIN(r->a & 0xff00, 0x3000);
        r->c = r->d = 0;
        break;
    case 0x80000021: r->b = r->d = 0; break;
    default: break;
    }
}

static void keep_guest_leaves(struct cpu_policy *p)
{
    for (unsigned i = 0; i < p->leaf_count; i++)
        keep_guest_registers(&p->leaves[i]);
    p->platform_info &= PLATFORM_INFO_CPUID_FAULTING;
}

static bool class_allows(enum feature_class class, enum cpu_policy_kind kind)
{
    bool hvm = kind == CPU_POLICY_HVM_MAX || kind == CPU_POLICY_HVM_DEFAULT;
    bool max = kind == CPU_POLICY_PV_MAX || kind == CPU_POLICY_HVM_MAX;

    if ((class == HVM || class == HVM_OPT) && !hvm)
        return false;
    return max || class == ALL || class == HVM;
}

static void keep_guest_features(struct cpu_policy *p, enum cpu_policy_kind kind)
{
    uint32_t mask[CPU_FEATURE_WORDS] = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(feature_table); i++)
        if (class_allows(feature_table[i].class, kind))
            mask[feature_table[i].feature / 32] |= 1u << (feature_table[i].feature % 32);
    keep_words(p, mask);
}

void cpu_policy_make_guest(struct cpu_policy *p, const struct cpu_policy *host,
                           enum cpu_policy_kind kind)
{
    bool hvm = kind == CPU_POLICY_HVM_MAX || kind == CPU_POLICY_HVM_DEFAULT;

    *p = *host;
    p->platform_info = p->arch_caps = 0;
    keep_guest_leaves(p);
    keep_guest_features(p, kind);
    cpu_policy_set_feature(p, F(HYPERVISOR), true);
    if (hvm)
        cpu_policy_set_feature(p, F(X2APIC), true); /* emulated, whatever the machine has */
    if (kind == CPU_POLICY_HVM_MAX)
        cpu_policy_set_feature(p, F(HTT), true); /* toolstacks describe their own topology */
    rebuild_xstate(p, host, ~0UL);
}

void cpu_policy_make_dom0(struct cpu_policy *p, const struct cpu_policy *host)
{
    cpu_policy_make_guest(p, host, CPU_POLICY_PV_DEFAULT);
    cpu_policy_set_feature(p, F(ITSC), cpu_policy_has(host, F(ITSC)));
}

/* ---- a toolstack's policy
 * ------------------------------------------------------------------------ */

static int refuse_leaf(struct cpu_policy_error *error, uint32_t leaf, uint32_t subleaf)
{
    error->leaf = leaf;
    error->subleaf = subleaf;
    return -EINVAL;
}

static uint32_t leaf_eax(const struct cpu_policy *p, uint32_t leaf, uint32_t subleaf)
{
    const struct cpuid_leaf *l = cpu_policy_find(p, leaf, subleaf);

    return l ? l->r.a : 0;
}

int cpu_policy_finish(struct cpu_policy *p, const struct cpu_policy *max,
                      struct cpu_policy_error *error)
{
    uint32_t most[CPU_FEATURE_WORDS];

    *error = (struct cpu_policy_error){~0u, ~0u, ~0u};
    if (leaf_eax(p, 0, 0) > leaf_eax(max, 0, 0))
        return refuse_leaf(error, 0, CPUID_NO_SUBLEAF);
    if (leaf_eax(p, 0x80000000, 0) > MAX(leaf_eax(max, 0x80000000, 0), 0x80000008))
        return refuse_leaf(error, 0x80000000, CPUID_NO_SUBLEAF);
    if (leaf_eax(p, 7, 0) > leaf_eax(max, 7, 0))
        return refuse_leaf(error, 7, 0);
    if (p->platform_info & ~max->platform_info) {
        error->msr = 0xce;
        return -EINVAL;
    }
    keep_guest_leaves(p);
    cpu_policy_featureset(max, most);
    keep_words(p, most);
    rebuild_xstate(p, max, ~0UL);
    return 0;
}
