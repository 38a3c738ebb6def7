/* SPDX-License-Identifier: MIT */
/*
 * One CPU policy: a sorted list of leaves, features in it by number, sizes of the XSAVE area, and
 * reading it from the CPU. See x86/cpuid.h.
 */
#include <kr/errno.h>
#include <kr/string.h>
#include <x86/cpuid.h>

#define HYPERVISOR_FIRST 0x40000000u
#define EXTENDED_FIRST   0x80000000u

/* Subleaves a leaf may have in a policy; 0 for a leaf without. */
static uint32_t subleaf_count(uint32_t leaf)
{
    switch (leaf) {
    case 0x4: return 6;
    case 0x7: return 3;
    case 0xb: return 2;
    case 0xd: return 63;
    default: return 0;
    }
}

static bool leaf_exists(uint32_t leaf, uint32_t subleaf)
{
    uint32_t subleaves = subleaf_count(leaf);

    if (leaf > CPUID_BASIC_LAST && leaf != HYPERVISOR_FIRST && leaf != HYPERVISOR_FIRST + 0x100 &&
        (leaf < EXTENDED_FIRST || leaf > CPUID_EXTENDED_LAST))
        return false;
    return subleaves ? subleaf < subleaves : subleaf == CPUID_NO_SUBLEAF;
}

/* Where the leaf is, or would have to be inserted. */
static unsigned leaf_position(const struct cpu_policy *p, uint32_t leaf, uint32_t subleaf)
{
    uint64_t key = (uint64_t)leaf << 32 | subleaf;
    unsigned low = 0, high = p->leaf_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct cpuid_leaf *l = &p->leaves[middle];

        if (((uint64_t)l->leaf << 32 | l->subleaf) < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct cpu_policy *p, unsigned at, uint32_t leaf, uint32_t subleaf)
{
    return at < p->leaf_count && p->leaves[at].leaf == leaf && p->leaves[at].subleaf == subleaf;
}

const struct cpuid_leaf *cpu_policy_find(const struct cpu_policy *p, uint32_t leaf,
                                         uint32_t subleaf)
{
    unsigned at;

    if (subleaf_count(leaf) == 0)
        subleaf = CPUID_NO_SUBLEAF;
    at = leaf_position(p, leaf, subleaf);
    return is_at(p, at, leaf, subleaf) ? &p->leaves[at] : NULL;
}

int cpu_policy_set(struct cpu_policy *p, uint32_t leaf, uint32_t subleaf,
                   const struct cpuid_regs *r)
{
    unsigned at = leaf_position(p, leaf, subleaf);

    if (!leaf_exists(leaf, subleaf))
        return -ERANGE;
    if (!is_at(p, at, leaf, subleaf)) {
        /* All leaves that exist fit: CPUID_LEAVES_MAX counts them. */
        memmove(&p->leaves[at + 1], &p->leaves[at], (p->leaf_count - at) * sizeof(p->leaves[0]));
        p->leaf_count++;
    }
    p->leaves[at] = (struct cpuid_leaf){leaf, subleaf, *r};
    return 0;
}

/* ---- features ------------------------------------------------------------------------------- */

/* Where each word of the public featureset comes from. Words 16 and 17 are MSR 0x10a. */
static const struct {
    uint32_t leaf, subleaf;
    uint8_t reg; /* 0 EAX … 3 EDX */
} feature_word[CPU_FEATURE_WORDS] = {
    {0x1, CPUID_NO_SUBLEAF, 3},
    {0x1, CPUID_NO_SUBLEAF, 2},
    {0x80000001, CPUID_NO_SUBLEAF, 3},
    {0x80000001, CPUID_NO_SUBLEAF, 2},
    {0xd, 1, 0},
    {0x7, 0, 1},
    {0x7, 0, 2},
    {0x80000007, CPUID_NO_SUBLEAF, 3},
    {0x80000008, CPUID_NO_SUBLEAF, 1},
    {0x7, 0, 3},
    {0x7, 1, 0},
    {0x80000021, CPUID_NO_SUBLEAF, 0},
    {0x7, 1, 1},
    {0x7, 2, 3},
    {0x7, 1, 2},
    {0x7, 1, 3},
    {0, 0, 0},
    {0, 0, 0},
    {0x80000021, CPUID_NO_SUBLEAF, 2},
};

#define WORD_ARCH_CAPS_LOW  16
#define WORD_ARCH_CAPS_HIGH 17

static uint32_t *leaf_register(struct cpuid_leaf *l, unsigned reg)
{
    switch (reg) {
    case 0: return &l->r.a;
    case 1: return &l->r.b;
    case 2: return &l->r.c;
    default: return &l->r.d;
    }
}

static bool word_is_msr(unsigned word)
{
    return word == WORD_ARCH_CAPS_LOW || word == WORD_ARCH_CAPS_HIGH;
}

/* The word in its leaf; NULL when the policy has no such leaf. */
static uint32_t *word_place(const struct cpu_policy *p, unsigned word)
{
    const struct cpuid_leaf *l =
        cpu_policy_find(p, feature_word[word].leaf, feature_word[word].subleaf);

    return l ? leaf_register((struct cpuid_leaf *)l, feature_word[word].reg) : NULL;
}

static uint32_t word_read(const struct cpu_policy *p, unsigned word)
{
    const uint32_t *place;

    if (word_is_msr(word))
        return word == WORD_ARCH_CAPS_LOW ? p->arch_caps : p->arch_caps >> 32;
    place = word_place(p, word);
    return place ? *place : 0;
}

/* A word whose leaf is missing stays zero: the leaf is beyond the policy's limits. */
static void word_write(struct cpu_policy *p, unsigned word, uint32_t value)
{
    uint32_t *place;

    if (word_is_msr(word)) {
        unsigned shift = word == WORD_ARCH_CAPS_LOW ? 0 : 32;

        p->arch_caps = (p->arch_caps & ~(0xffffffffUL << shift)) | (uint64_t)value << shift;
        return;
    }
    place = word_place(p, word);
    if (place)
        *place = value;
}

bool cpu_policy_has(const struct cpu_policy *p, unsigned feature)
{
    return word_read(p, feature / 32) >> (feature % 32) & 1;
}

void cpu_policy_set_feature(struct cpu_policy *p, unsigned feature, bool on)
{
    uint32_t bit = 1u << (feature % 32), word = word_read(p, feature / 32);

    word_write(p, feature / 32, on ? word | bit : word & ~bit);
}

void cpu_policy_featureset(const struct cpu_policy *p, uint32_t words[CPU_FEATURE_WORDS])
{
    for (unsigned i = 0; i < CPU_FEATURE_WORDS; i++)
        words[i] = word_read(p, i);
}

void cpu_policy_set_featureset(struct cpu_policy *p, const uint32_t words[CPU_FEATURE_WORDS])
{
    for (unsigned i = 0; i < CPU_FEATURE_WORDS; i++)
        word_write(p, i, words[i]);
}

/* ---- XSAVE ---------------------------------------------------------------------------------- */

#define XSAVE_LEGACY_BYTES 576u /* x87, SSE and the header are always there */
#define XSAVE_ALIGN_64     2u   /* ECX of a component's leaf */

uint64_t cpu_policy_xcr0(const struct cpu_policy *p)
{
    const struct cpuid_leaf *l = cpu_policy_find(p, 0xd, 0);

    return l ? (uint64_t)l->r.d << 32 | l->r.a : 0;
}

uint32_t cpu_policy_xsave_bytes(const struct cpu_policy *p, uint64_t xcr0, bool compact)
{
    uint32_t bytes = XSAVE_LEGACY_BYTES;

    for (unsigned i = 2; i < 63; i++) {
        const struct cpuid_leaf *l = xcr0 >> i & 1 ? cpu_policy_find(p, 0xd, i) : NULL;

        if (!l)
            continue;
        if (compact)
            bytes = (l->r.c & XSAVE_ALIGN_64 ? ALIGN_UP(bytes, 64u) : bytes) + l->r.a;
        else
            bytes = MAX(bytes, l->r.b + l->r.a);
    }
    return bytes;
}

/* ---- reading the CPU ------------------------------------------------------------------------- */

static void add(struct cpu_policy *p, uint32_t leaf, uint32_t subleaf, const struct cpuid_regs *r)
{
    if (cpu_policy_set(p, leaf, subleaf, r) != 0)
        return; /* not one that a policy holds: the callers stay within those */
}

/* Leaves 4 and 0xb end with a subleaf of type 0; leaf 7 says how many it has. */
static void read_subleaves(struct cpu_policy *p, cpuid_reader *read, uint32_t leaf)
{
    uint32_t count = subleaf_count(leaf);
    struct cpuid_regs r;

    for (uint32_t i = 0; i < count; i++) {
        read(leaf, i, &r);
        if (leaf == 0x7 && i == 0)
            count = MIN(count, r.a + 1ul);
        if (leaf == 0x4 && (r.a & 0x1f) == 0)
            break;
        if (leaf == 0xb && (r.c & 0xff00) == 0)
            break;
        add(p, leaf, i, &r);
    }
}

static void read_xstate(struct cpu_policy *p, cpuid_reader *read)
{
    struct cpuid_regs r;
    uint64_t components;

    read(0xd, 0, &r);
    components = (uint64_t)r.d << 32 | r.a;
    add(p, 0xd, 0, &r);
    read(0xd, 1, &r);
    components |= (uint64_t)r.d << 32 | r.c;
    add(p, 0xd, 1, &r);
    for (uint32_t i = 2; i < 63; i++) {
        if (!(components >> i & 1))
            continue;
        read(0xd, i, &r);
        add(p, 0xd, i, &r);
    }
}

static void read_basic(struct cpu_policy *p, cpuid_reader *read)
{
    struct cpuid_regs r;
    uint32_t last;

    read(0, 0, &r);
    last = MIN(r.a, CPUID_BASIC_LAST);
    for (uint32_t leaf = 0; leaf <= last; leaf++) {
        if (leaf == 0xd) {
            read_xstate(p, read);
        } else if (subleaf_count(leaf)) {
            read_subleaves(p, read, leaf);
        } else {
            read(leaf, 0, &r);
            add(p, leaf, CPUID_NO_SUBLEAF, &r);
        }
    }
}

void cpu_policy_read_raw(struct cpu_policy *raw, cpuid_reader *read, uint64_t platform_info,
                         uint64_t arch_caps)
{
    struct cpuid_regs r;

    memset(raw, 0, sizeof(*raw));
    raw->platform_info = platform_info;
    raw->arch_caps = arch_caps;
    read_basic(raw, read);
    add(raw, HYPERVISOR_FIRST, CPUID_NO_SUBLEAF, &(struct cpuid_regs){0});
    add(raw, HYPERVISOR_FIRST + 0x100, CPUID_NO_SUBLEAF, &(struct cpuid_regs){0});
    read(EXTENDED_FIRST, 0, &r);
    for (uint32_t leaf = EXTENDED_FIRST; leaf <= MIN(r.a, CPUID_EXTENDED_LAST); leaf++) {
        struct cpuid_regs extended;

        read(leaf, 0, &extended);
        add(raw, leaf, CPUID_NO_SUBLEAF, &extended);
    }
}
