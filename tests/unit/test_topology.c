/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/topology.c arch/x86/pure/mtrr.c arch/x86/pure/tsc_settings.c */
/* SOURCES: arch/x86/pure/cpuid.c */
/*
 * Fields of APIC ids, family and model, cache sizes, memory type ranges and TSC modes: what the
 * control calls compute from CPUID leaves and registers. The leaves are those of real machines.
 */
#include "unit.h"

#include <kr/errno.h>
#include <x86/mtrr.h>
#include <x86/topology.h>
#include <x86/tsc_settings.h>

static void leaf(struct cpu_policy *p, uint32_t number, uint32_t subleaf, struct cpuid_regs r)
{
    assert_int_equal(cpu_policy_set(p, number, subleaf, &r), 0);
}

static struct apic_id_fields fields(const struct cpu_policy *p, bool is_amd)
{
    return apic_id_fields_of(p, is_amd);
}

/* ---- APIC ids -----------------------------------------------------------------------------------
 */

static void test_one_cpu(void **state)
{
    struct cpu_policy p = {0};
    struct apic_id_fields f = fields(&p, false);

    assert_int_equal(f.thread_bits, 0);
    assert_int_equal(f.core_bits, 0);
    leaf(&p, 1, CPUID_NO_SUBLEAF, (struct cpuid_regs){.a = 0x60fb1, .b = 0x800});
    f = fields(&p, true);
    assert_int_equal(apic_id_socket(3, &f), 3);
    assert_int_equal(apic_id_core(3, &f), 0);
}

/* Leaf 0xb of a machine with 2 threads per core and ids for 16 threads per socket. */
static void test_levels(void **state)
{
    struct cpu_policy p = {0};
    struct apic_id_fields f;

    leaf(&p, 0xb, 0, (struct cpuid_regs){.a = 1, .b = 2, .c = 0x100});
    leaf(&p, 0xb, 1, (struct cpuid_regs){.a = 4, .b = 12, .c = 0x201});
    f = fields(&p, false);
    assert_int_equal(f.thread_bits, 1);
    assert_int_equal(f.core_bits, 3);
    assert_int_equal(apic_id_thread(0x1b, &f), 1);
    assert_int_equal(apic_id_core(0x1b, &f), 5);
    assert_int_equal(apic_id_socket(0x1b, &f), 1);
}

/* A core level that is narrower than the thread level makes no negative field. */
static void test_levels_nonsense(void **state)
{
    struct cpu_policy p = {0};
    struct apic_id_fields f;

    leaf(&p, 0xb, 0, (struct cpuid_regs){.a = 5, .b = 2, .c = 0x100});
    leaf(&p, 0xb, 1, (struct cpuid_regs){.a = 4, .b = 12, .c = 0x201});
    f = fields(&p, false);
    assert_int_equal(f.thread_bits, 5);
    assert_int_equal(f.core_bits, 0);
}

/* Before leaf 0xb: 16 ids per socket, 8 cores among them. */
static void test_intel_old(void **state)
{
    struct cpu_policy p = {0};
    struct apic_id_fields f;

    leaf(&p, 1, CPUID_NO_SUBLEAF, (struct cpuid_regs){.b = 16 << 16, .d = 1 << 28});
    leaf(&p, 4, 0, (struct cpuid_regs){.a = 7u << 26 | 0x21});
    f = fields(&p, false);
    assert_int_equal(f.thread_bits, 1);
    assert_int_equal(f.core_bits, 3);
}

static void test_amd(void **state)
{
    struct cpu_policy p = {0};
    struct apic_id_fields f;

    leaf(&p, 1, CPUID_NO_SUBLEAF, (struct cpuid_regs){.b = 16 << 16, .d = 1 << 28});
    leaf(&p, 0x80000008, CPUID_NO_SUBLEAF, (struct cpuid_regs){.c = 4 << 12 | 15});
    leaf(&p, 0x8000001e, CPUID_NO_SUBLEAF, (struct cpuid_regs){.b = 1 << 8});
    f = fields(&p, true);
    assert_int_equal(f.thread_bits, 1);
    assert_int_equal(f.core_bits, 3);
}

/* The width of the id is not given: it follows from the number of cores. */
static void test_amd_old(void **state)
{
    struct cpu_policy p = {0};
    struct apic_id_fields f;

    leaf(&p, 1, CPUID_NO_SUBLEAF, (struct cpuid_regs){.b = 6 << 16, .d = 1 << 28});
    leaf(&p, 0x80000008, CPUID_NO_SUBLEAF, (struct cpuid_regs){.c = 5});
    f = fields(&p, true);
    assert_int_equal(f.thread_bits, 0);
    assert_int_equal(f.core_bits, 3);
}

/* ---- family and model, caches -------------------------------------------------------------------
 */

static void test_version(void **state)
{
    static const struct {
        uint32_t eax, family, model, stepping;
    } cpus[] = {
        {0x00060fb1, 15, 107, 1}, /* QEMU's own CPU */
        {0x00050654, 6, 85, 4},   /* Skylake-SP */
        {0x00a20f12, 25, 33, 2},  /* Zen 3 */
        {0x00000543, 5, 4, 3},    /* Pentium MMX: no extended fields */
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cpus); i++) {
        uint32_t family, model, stepping;

        cpu_version_decode(cpus[i].eax, &family, &model, &stepping);
        assert_int_equal(family, cpus[i].family);
        assert_int_equal(model, cpus[i].model);
        assert_int_equal(stepping, cpus[i].stepping);
    }
}

static void test_cache(void **state)
{
    struct cpu_policy amd = {0}, intel = {0}, none = {0};

    assert_int_equal(cpu_cache_kib(&none), 0);
    leaf(&amd, 0x80000006, CPUID_NO_SUBLEAF, (struct cpuid_regs){.c = 0x02008140});
    assert_int_equal(cpu_cache_kib(&amd), 512);
    leaf(&amd, 0x80000006, CPUID_NO_SUBLEAF, (struct cpuid_regs){.c = 0x02008140, .d = 0x00808140});
    assert_int_equal(cpu_cache_kib(&amd), 16384);
    /* 8 ways of 64 lines of 64 bytes; 16 ways of 8192 sets. */
    leaf(&intel, 4, 0, (struct cpuid_regs){.a = 0x21, .b = 0x01c0003f, .c = 63});
    leaf(&intel, 4, 1, (struct cpuid_regs){.a = 0x63, .b = 0x03c0003f, .c = 8191});
    assert_int_equal(cpu_cache_kib(&intel), 8192);
}

/* ---- memory type ranges -------------------------------------------------------------------------
 */

static void test_mtrr(void **state)
{
    /* 3 GiB to 4 GiB uncached on a machine with 40 address bits, as SeaBIOS sets it. */
    struct mtrr_range r = mtrr_range_of(0xc0000000, 0xffc0000800, 40);

    assert_int_equal(r.first, 0xc0000);
    assert_int_equal(r.count, 0x40000);
    assert_int_equal(r.type, 0);
    r = mtrr_range_of(0x100000006, 0xff00000800, 40);
    assert_int_equal(r.first, 0x100000);
    assert_int_equal(r.count, 0x100000);
    assert_int_equal(r.type, 6);
    /* Not in use; nothing but the valid bit. */
    assert_int_equal(mtrr_range_of(0xc0000000, 0xffc0000000, 40).count, 0);
    assert_int_equal(mtrr_range_of(0, 0x800, 40).count, 0);
    /* Bits above the address width are not part of it. */
    assert_int_equal(mtrr_range_of(~0UL, 0xffffffff00000800UL, 36).count, 0x100000);
}

/* ---- TSC ----------------------------------------------------------------------------------------
 */

static void test_tsc(void **state)
{
    assert_int_equal(tsc_settings_check(TSC_MODE_DEFAULT, 0, 2000000), 0);
    assert_int_equal(tsc_settings_check(TSC_MODE_DEFAULT, 2000100, 2000000), 0);
    assert_int_equal(tsc_settings_check(TSC_MODE_DEFAULT, 2100000, 2000000), -EOPNOTSUPP);
    assert_int_equal(tsc_settings_check(TSC_MODE_DEFAULT, 1, 2000000), -EOPNOTSUPP);
    assert_int_equal(tsc_settings_check(TSC_MODE_ALWAYS_EMULATE, 0, 2000000), -EOPNOTSUPP);
    assert_int_equal(tsc_settings_check(TSC_MODE_NEVER_EMULATE, 2100000, 2000000), 0);
    assert_int_equal(tsc_settings_check(3, 0, 2000000), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_cpu),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_levels_nonsense),
        cmocka_unit_test(test_intel_old),
        cmocka_unit_test(test_amd),
        cmocka_unit_test(test_amd_old),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_mtrr),
        cmocka_unit_test(test_tsc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
