/* SPDX-License-Identifier: MIT */
/* x86/topology.h: Intel SDM 2A CPUID leaves 1, 4 and 0xb; AMD APM 3 leaves 0x80000008, 0x8000001e.
 */
#include <x86/topology.h>

#define LEAF_VERSION        1u
#define LEAF_CACHES         4u
#define LEAF_TOPOLOGY       0xbu
#define LEAF_AMD_CACHES     0x80000006u
#define AMD_LEVEL3_UNIT_KIB 512
#define LEAF_AMD_SIZES      0x80000008u
#define LEAF_AMD_TOPOLOGY   0x8000001eu
#define FEATURE_HTT         (1u << 28)
#define LEVEL_THREAD        1u
#define LEVEL_CORE          2u

/* Bits that it takes to number `count` things. */
static uint8_t bits_for(uint32_t count)
{
    uint8_t bits = 0;

    while (bits < 31 && 1u << bits < count)
        bits++;
    return bits;
}

/* Leaf 0xb says the shifts themselves. */
static bool fields_from_levels(const struct cpu_policy *p, struct apic_id_fields *f)
{
    uint8_t thread_shift = 0, socket_shift = 0;
    const struct cpuid_leaf *l;

    for (uint32_t i = 0; (l = cpu_policy_find(p, LEAF_TOPOLOGY, i)) && (l->r.b & 0xffff); i++) {
        uint32_t level = l->r.c >> 8 & 0xff;

        if (level == LEVEL_THREAD)
            thread_shift = l->r.a & 0x1f;
        if (level == LEVEL_CORE)
            socket_shift = l->r.a & 0x1f;
    }
    if (socket_shift == 0 && thread_shift == 0)
        return false;
    f->thread_bits = thread_shift;
    f->core_bits = socket_shift > thread_shift ? socket_shift - thread_shift : 0;
    return true;
}

static struct apic_id_fields fields_amd(const struct cpu_policy *p)
{
    const struct cpuid_leaf *sizes = cpu_policy_find(p, LEAF_AMD_SIZES, 0);
    const struct cpuid_leaf *topology = cpu_policy_find(p, LEAF_AMD_TOPOLOGY, 0);
    uint32_t threads_per_core = topology ? (topology->r.b >> 8 & 0xff) + 1 : 1;
    uint8_t thread_bits = bits_for(threads_per_core), socket_bits = 0;

    if (sizes) {
        socket_bits = sizes->r.c >> 12 & 0xf;
        if (socket_bits == 0)
            socket_bits = bits_for((sizes->r.c & 0xff) + 1);
    }
    return (struct apic_id_fields){thread_bits,
                                   socket_bits > thread_bits ? socket_bits - thread_bits : 0};
}

/* Leaf 1 counts the ids of a socket, leaf 4 the cores among them. */
static struct apic_id_fields fields_intel(const struct cpu_policy *p,
                                          const struct cpuid_leaf *version)
{
    const struct cpuid_leaf *caches = cpu_policy_find(p, LEAF_CACHES, 0);
    uint8_t socket_bits = bits_for(version->r.b >> 16 & 0xff);
    uint8_t core_bits = caches ? bits_for((caches->r.a >> 26) + 1) : socket_bits;

    if (core_bits > socket_bits)
        core_bits = socket_bits;
    return (struct apic_id_fields){socket_bits - core_bits, core_bits};
}

struct apic_id_fields apic_id_fields_of(const struct cpu_policy *raw, bool is_amd)
{
    const struct cpuid_leaf *version = cpu_policy_find(raw, LEAF_VERSION, 0);
    struct apic_id_fields f = {0, 0};

    if (fields_from_levels(raw, &f))
        return f;
    if (!version || !(version->r.d & FEATURE_HTT))
        return f;
    return is_amd ? fields_amd(raw) : fields_intel(raw, version);
}

static uint32_t cache_kib_intel(const struct cpu_policy *raw)
{
    const struct cpuid_leaf *l;
    uint32_t largest = 0;

    for (uint32_t i = 0; (l = cpu_policy_find(raw, LEAF_CACHES, i)) && (l->r.a & 0x1f); i++) {
        uint64_t ways = (l->r.b >> 22) + 1, partitions = (l->r.b >> 12 & 0x3ff) + 1;
        uint64_t line_bytes = (l->r.b & 0xfff) + 1, sets = (uint64_t)l->r.c + 1;
        uint64_t kib = ways * partitions * line_bytes * sets / KIB;

        if (kib > largest && kib <= UINT32_MAX)
            largest = kib;
    }
    return largest;
}

uint32_t cpu_cache_kib(const struct cpu_policy *raw)
{
    const struct cpuid_leaf *l = cpu_policy_find(raw, LEAF_AMD_CACHES, 0);
    uint32_t level2 = l ? l->r.c >> 16 : 0, level3 = l ? (l->r.d >> 18) * AMD_LEVEL3_UNIT_KIB : 0;
    uint32_t counted = cache_kib_intel(raw);

    if (counted)
        return counted;
    return level3 ? level3 : level2;
}

void cpu_version_decode(uint32_t eax, uint32_t *family, uint32_t *model, uint32_t *stepping)
{
    uint32_t base_family = eax >> 8 & 0xf, base_model = eax >> 4 & 0xf;

    *family = base_family == 0xf ? base_family + (eax >> 20 & 0xff) : base_family;
    *model = base_family == 6 || base_family == 0xf ? base_model | (eax >> 12 & 0xf0) : base_model;
    *stepping = eax & 0xf;
}
