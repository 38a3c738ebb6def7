/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/cpuid.c arch/x86/pure/cpuid_policy.c */
/* SOURCES: arch/x86/pure/cpuid_guest.c arch/x86/pure/cpuid_abi.c */
/* LIBS: -lxenguest */
/*
 * CPU policies over two recorded CPUs, an AMD one (QEMU's max) and an Intel-like one with more
 * leaves. The toolstack's own library is the judge of the form in which leaves are handed out.
 */
#include "unit.h"
#include <errno.h>
#include <string.h>
#include <x86/cpuid.h>
#include <xen/xen.h>
#include <xen/arch-x86/cpufeatureset.h>
#include "data/cpuid_leaves.h"

#define F(name) XEN_X86_FEATURE_##name

static const struct cpuid_leaf *cpu_leaves = amd;
static size_t cpu_leaf_count = ARRAY_SIZE(amd);

static void fake_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    *out = (struct cpuid_regs){0};
    for (size_t i = 0; i < cpu_leaf_count; i++)
        if (cpu_leaves[i].leaf == leaf &&
            (cpu_leaves[i].subleaf == ANY || cpu_leaves[i].subleaf == subleaf))
            *out = cpu_leaves[i].r;
}

static struct cpu_policy raw, host, pv, pv_max, hvm, hvm_max, dom0;

static void build(const struct cpuid_leaf *leaves, size_t count, uint64_t xcr0)
{
    struct cpu_limits limits = {.xcr0 = xcr0};

    cpu_leaves = leaves;
    cpu_leaf_count = count;
    cpu_policy_read_raw(&raw, fake_cpuid, 0x80000000, 0x1234);
    cpu_policy_make_host(&host, &raw, &limits);
    cpu_policy_make_guest(&pv, &host, CPU_POLICY_PV_DEFAULT);
    cpu_policy_make_guest(&pv_max, &host, CPU_POLICY_PV_MAX);
    cpu_policy_make_guest(&hvm, &host, CPU_POLICY_HVM_DEFAULT);
    cpu_policy_make_guest(&hvm_max, &host, CPU_POLICY_HVM_MAX);
    cpu_policy_make_dom0(&dom0, &host);
}

static void assert_sorted(const struct cpu_policy *p)
{
    for (unsigned i = 1; i < p->leaf_count; i++) {
        const struct cpuid_leaf *a = &p->leaves[i - 1], *b = a + 1;

        assert_true(a->leaf < b->leaf || (a->leaf == b->leaf && a->subleaf < b->subleaf));
    }
}

static void test_raw(void **state)
{
    build(intel, ARRAY_SIZE(intel), ~0UL);
    assert_sorted(&raw);
    assert_int_equal(cpu_policy_find(&raw, 0, 0)->r.a, 0x1b);
    assert_non_null(cpu_policy_find(&raw, 4, 2));
    assert_null(cpu_policy_find(&raw, 4, 3));
    assert_non_null(cpu_policy_find(&raw, 7, 2));
    assert_int_equal(cpu_policy_find(&raw, 0xb, 1)->r.b, 0x20);
    assert_int_equal(cpu_policy_find(&raw, 0xd, 8)->r.a, 0x80); /* a supervisor component */
    assert_null(cpu_policy_find(&raw, 0xd, 10));
    assert_null(cpu_policy_find(&raw, 0x14, 0));
    assert_null(cpu_policy_find(&raw, 0x80000009, 0));
    assert_int_equal(raw.arch_caps, 0x1234);
    assert_true(cpu_policy_has(&raw, F(RDCL_NO)) == (0x1234 & 1));
    assert_true(cpu_policy_has(&raw, F(EIBRS)) == (0x1234 >> 1 & 1));
}

static void test_featureset_words(void **state)
{
    uint32_t words[CPU_FEATURE_WORDS];

    build(intel, ARRAY_SIZE(intel), ~0UL);
    cpu_policy_featureset(&raw, words);
    assert_int_equal(words[0], 0xbfebfbff);
    assert_int_equal(words[1], 0xfffaf3ab);
    assert_int_equal(words[2], 0x2c100800);
    assert_int_equal(words[3], 0x121);
    assert_int_equal(words[4], 0xf);
    assert_int_equal(words[5], 0xf3bfffbb);
    assert_int_equal(words[6], 0x40405f4e);
    assert_int_equal(words[7], 0x100);
    assert_int_equal(words[9], 0xbc000410);
    assert_int_equal(words[10], 0x30);
    assert_int_equal(words[13], 0x3f);
    assert_int_equal(words[16], 0x1234);
    assert_int_equal(words[18], 0);
}

/* What Debian's Xen 4.17 gives PV guests on the same CPU, but for what Krypton decides otherwise.
 */
static void test_pv_on_amd(void **state)
{
    uint32_t words[CPU_FEATURE_WORDS];

    build(amd, ARRAY_SIZE(amd), 7);
    cpu_policy_featureset(&pv, words);
    assert_int_equal(words[0], 0x0fc9c3f5);
    assert_int_equal(words[1], 0xf6d83203);
    assert_int_equal(words[2], 0xe8500800);
    assert_int_equal(words[3], 0x61);
    assert_int_equal(words[4], 5);
    assert_int_equal(words[5], 0x01880329);
    assert_int_equal(words[6], 0x200);
    for (unsigned i = 7; i < CPU_FEATURE_WORDS; i++)
        assert_int_equal(words[i], 0);
    assert_int_equal(cpu_policy_xcr0(&pv), 7);
    assert_int_equal(cpu_policy_find(&pv, 0xd, 0)->r.c, 0x340);
    assert_int_equal(cpu_policy_find(&pv, 0xd, 9)->r.a, 0);
    assert_int_equal(cpu_policy_find(&pv, 0x8000000a, 0)->r.b, 0);
    assert_int_equal(cpu_policy_find(&pv, 0x80000008, 0)->r.a, 0x3028);
    assert_int_equal(cpu_policy_find(&pv, 0xb, 0)->r.b, 0);
    assert_int_equal(cpu_policy_find(&pv, 1, 0)->r.b, 0x800);
    assert_int_equal(pv.platform_info, 0);
}

/* The host's own featureset: what no public name stands for is gone. */
static void test_host(void **state)
{
    uint32_t words[CPU_FEATURE_WORDS];

    build(amd, ARRAY_SIZE(amd), 0x21f);
    cpu_policy_featureset(&host, words);
    assert_int_equal(words[0], 0x0fcbfbfd);
    assert_int_equal(words[1], 0xf6d8320b);
    assert_int_equal(words[2], 0xedd3fbfd);
    assert_int_equal(words[3], 0x75);
    assert_int_equal(words[4], 5);
    assert_int_equal(words[5], 0x018843a9);
    assert_int_equal(words[6], 0x20c);
    assert_int_equal(cpu_policy_xcr0(&host), 0x21f);
    cpu_policy_featureset(&hvm, words);
    assert_int_equal(words[0], 0x0fcbfbfd);
    assert_int_equal(words[1], 0xf6f83203);
    assert_int_equal(words[2], 0xec500800);
    assert_int_equal(words[3], 0x71);
    assert_int_equal(words[5], 0x018803a9);
    assert_int_equal(words[6], 0x20c);
}

static void test_classes(void **state)
{
    build(intel, ARRAY_SIZE(intel), ~0UL);
    assert_false(cpu_policy_has(&host, F(OSXSAVE)));
    assert_false(cpu_policy_has(&pv, F(PCID)));
    assert_false(cpu_policy_has(&pv, F(MTRR)));
    assert_false(cpu_policy_has(&pv, F(VMX)));
    assert_false(cpu_policy_has(&pv_max, F(VMX)));
    assert_false(cpu_policy_has(&pv, F(SMEP)));
    assert_false(cpu_policy_has(&pv, F(IBRSB)));
    assert_false(cpu_policy_has(&pv, F(RTM)));
    assert_true(cpu_policy_has(&pv_max, F(RTM)));
    assert_false(cpu_policy_has(&pv, F(ITSC)));
    assert_true(cpu_policy_has(&dom0, F(ITSC)));
    assert_true(cpu_policy_has(&hvm, F(PCID)));
    assert_true(cpu_policy_has(&hvm, F(X2APIC)));
    assert_false(cpu_policy_has(&hvm, F(VMX)));
    assert_true(cpu_policy_has(&hvm_max, F(VMX)));
    assert_true(cpu_policy_has(&pv, F(AVX512F)));
    assert_int_equal(cpu_policy_xcr0(&pv), 0xe7);
    assert_int_equal(cpu_policy_xcr0(&hvm_max), 0x2ff);
    assert_int_equal(cpu_policy_find(&pv, 0xa, 0)->r.a, 0);
    assert_int_equal(cpu_policy_find(&pv, 4, 2)->r.a, 0x143);
}

/* What the hypervisor cannot switch between vCPUs nobody gets. */
static void test_xstate_limits(void **state)
{
    build(intel, ARRAY_SIZE(intel), 7);
    assert_true(cpu_policy_has(&host, F(AVX2)));
    assert_false(cpu_policy_has(&host, F(AVX512F)));
    assert_false(cpu_policy_has(&pv, F(AVX512BW)));
    assert_int_equal(cpu_policy_xcr0(&host), 7);
    build(intel, ARRAY_SIZE(intel), 3);
    assert_false(cpu_policy_has(&pv, F(AVX)));
    assert_false(cpu_policy_has(&pv, F(FMA)));
    assert_false(cpu_policy_has(&pv, F(AVX2)));
    assert_true(cpu_policy_has(&pv, F(XSAVE)));
    build(intel, ARRAY_SIZE(intel), 0);
    assert_false(cpu_policy_has(&pv, F(XSAVE)));
    assert_false(cpu_policy_has(&pv, F(XSAVEOPT)));
    assert_true(cpu_policy_has(&pv, F(SSE4_2)));
    assert_int_equal(cpu_policy_xcr0(&pv), 0);
    assert_int_equal(cpu_policy_find(&pv, 0xd, 0)->r.c, 0);
}

static struct cpuid_regs guest(const struct cpu_policy *p, const struct cpuid_guest *g,
                               uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;

    cpuid_pv_guest(p, g, leaf, subleaf, &r);
    return r;
}

static void test_guest_leaf_1(void **state)
{
    struct cpuid_guest g = {.vcpu_id = 3, .cr4 = 0x660, .xcr0 = 1};
    struct cpuid_regs r;

    build(amd, ARRAY_SIZE(amd), 7);
    r = guest(&pv, &g, 1, 0);
    assert_int_equal(r.b >> 24, 6);
    assert_true(r.c & 1u << 31);
    assert_false(r.c & 1u << 27);
    g.forced = true;
    assert_true(guest(&pv, &g, 1, 0).c & 1u << 27);
    g.forced = false;
    g.cr4 = 0x50660;
    assert_true(guest(&pv, &g, 1, 0).c & 1u << 27);
    cpu_policy_set_feature(&pv, F(XSAVE), false);
    assert_false(guest(&pv, &g, 1, 0).c & 1u << 27);
}

static void test_guest_xsave(void **state)
{
    struct cpuid_guest g = {.xcr0 = 3};

    build(intel, ARRAY_SIZE(intel), ~0UL);
    assert_int_equal(guest(&pv, &g, 0xd, 0).b, 576);
    assert_int_equal(guest(&pv, &g, 0xd, 0).c, 0xa80);
    g.xcr0 = 7;
    assert_int_equal(guest(&pv, &g, 0xd, 0).b, 0x340);
    assert_int_equal(guest(&pv, &g, 0xd, 1).b, 0x340);
    g.xcr0 = 0xe3;
    assert_int_equal(guest(&pv, &g, 0xd, 0).b, 0xa80);
    assert_int_equal(guest(&pv, &g, 0xd, 1).b, 576 + 0x40 + 0x200 + 0x400);
    assert_int_equal(guest(&pv, &g, 0xd, 1).a, 7); /* no XSAVES */
    assert_int_equal(guest(&pv, &g, 0xd, 8).a, 0);
    assert_int_equal(guest(&pv, &g, 0xd, 64).a, 0);
    assert_int_equal(cpu_policy_xsave_bytes(&hvm_max, 0x201, true), 576 + 8);
}

static void test_guest_limits(void **state)
{
    struct cpuid_guest g = {0};

    build(amd, ARRAY_SIZE(amd), 7);
    assert_int_equal(guest(&pv, &g, 0xe, 0).a, 0);
    assert_int_equal(guest(&pv, &g, 0x80000021, 0).a, 0);
    assert_int_equal(guest(&pv, &g, 0xffffffff, 0).a, 0);
    assert_int_equal(guest(&pv, &g, 0x80000002, 5).a, 0x554d4551);
    assert_int_equal(guest(&pv, &g, 0x80000001, 0).d, 0xe9d1cbf5);
    assert_int_equal(guest(&pv, &g, 6, 0).a, 0);
    build(intel, ARRAY_SIZE(intel), 7);
    assert_int_equal(guest(&pv, &g, 0x80000001, 0).d, 0x28100800);
}

static void test_hypervisor_leaves(void **state)
{
    struct cpuid_guest g = {.tsc_mode = 2,
                            .tsc_khz = 1000,
                            .host_tsc_khz = 2300000,
                            .tsc_reliable = true,
                            .tsc_offset = 0x100000002,
                            .tsc_to_ns_mul = 7,
                            .tsc_to_ns_shift = -1,
                            .machine_address_bits = 31};
    struct cpuid_regs r;

    build(amd, ARRAY_SIZE(amd), 7);
    r = guest(&pv, &g, 0x40000000, 0);
    assert_int_equal(r.a, 0x40000005);
    assert_memory_equal(&r.b, "XenVMMXenVMM", 12);
    assert_int_equal(guest(&pv, &g, 0x40000001, 0).a, 0x40011);
    r = guest(&pv, &g, 0x40000002, 0);
    assert_int_equal(r.a, 1);
    assert_int_equal(r.b, 0x40000000);
    assert_int_equal(r.c, 1);
    r = guest(&pv, &g, 0x40000003, 0);
    assert_int_equal(r.a, 6);
    assert_int_equal(r.b, 2);
    assert_int_equal(r.c, 1000);
    r = guest(&pv, &g, 0x40000003, 1);
    assert_int_equal(r.a, 2);
    assert_int_equal(r.b, 1);
    assert_int_equal(r.c, 7);
    assert_int_equal(r.d, 0xff);
    assert_int_equal(guest(&pv, &g, 0x40000003, 2).a, 2300000);
    assert_int_equal(guest(&pv, &g, 0x40000004, 0).a, 0);
    assert_int_equal(guest(&pv, &g, 0x40000005, 0).b, 31);
    assert_int_equal(guest(&pv, &g, 0x40000005, 1).b, 0);
    assert_int_equal(guest(&pv, &g, 0x40000006, 0).a, 0);
    /* Linux looks for other hypervisors at each of these. */
    for (uint32_t leaf = 0x40000100; leaf < 0x40010000; leaf += 0x100) {
        r = guest(&pv, &g, leaf, 0);
        assert_int_equal(r.a | r.b | r.c | r.d, 0);
    }
}

/* ---- the toolstack's side ---------------------------------------------------------------- */

/* libxenguest's own conversion between a list of leaves and its idea of a policy. */
int x86_cpuid_copy_to_buffer(const void *policy, xen_cpuid_leaf_t *leaves, uint32_t *count);
int x86_cpuid_copy_from_buffer(void *policy, const xen_cpuid_leaf_t *leaves, uint32_t count,
                               uint32_t *bad_leaf, uint32_t *bad_subleaf);

static void check_client_accepts(const struct cpu_policy *p)
{
    static uint64_t client[4096]; /* larger than the client's structure, whose size is its own */
    xen_cpuid_leaf_t back[CPUID_LEAVES_MAX];
    uint32_t count = CPUID_LEAVES_MAX, leaf = 0, subleaf = 0;
    struct cpu_policy update = *p;
    struct cpu_policy_error error;

    memset(client, 0, sizeof(client));
    assert_int_equal(
        x86_cpuid_copy_from_buffer(client, cpu_policy_leaves(p), p->leaf_count, &leaf, &subleaf),
        0);
    assert_int_equal(x86_cpuid_copy_to_buffer(client, back, &count), 0);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(cpu_policy_apply_leaf(&update, &back[i], &error), 0);
    for (unsigned i = 0; i < p->leaf_count; i++) {
        const struct cpuid_leaf *ours = &p->leaves[i];

        assert_memory_equal(cpu_policy_find(&update, ours->leaf, ours->subleaf), ours,
                            sizeof(*ours));
    }
}

static void test_client_round_trip(void **state)
{
    build(amd, ARRAY_SIZE(amd), ~0UL);
    check_client_accepts(&raw);
    check_client_accepts(&pv);
    check_client_accepts(&hvm_max);
    build(intel, ARRAY_SIZE(intel), ~0UL);
    check_client_accepts(&raw);
    check_client_accepts(&host);
    check_client_accepts(&pv);
    check_client_accepts(&dom0);
    check_client_accepts(&hvm);
}

/* Every leaf there is, in an order that makes each insertion move all others. */
static void test_full_list(void **state)
{
    struct cpu_policy p = {0};
    struct cpuid_regs r = {1, 2, 3, 4};
    unsigned accepted = 0;

    for (int64_t leaf = 0x80000030; leaf >= 0; leaf--) {
        if (leaf == 0x7fffffff)
            leaf = 0x40000200;
        if (leaf == 0x3fffffff)
            leaf = 0x20;
        for (int64_t subleaf = 70; subleaf >= -1; subleaf--)
            accepted += cpu_policy_set(&p, leaf, subleaf, &r) == 0;
    }
    assert_int_equal(accepted, CPUID_LEAVES_MAX);
    assert_int_equal(p.leaf_count, CPUID_LEAVES_MAX);
    assert_sorted(&p);
}

static void apply(struct cpu_policy *p, uint32_t leaf, uint32_t subleaf, struct cpuid_regs r)
{
    struct cpu_policy_error error;
    xen_cpuid_leaf_t entry = {leaf, subleaf, r.a, r.b, r.c, r.d};

    assert_int_equal(cpu_policy_apply_leaf(p, &entry, &error), 0);
    assert_int_equal(error.leaf, ~0u);
}

static void test_update(void **state)
{
    struct cpu_policy_error error;
    struct cpu_policy p;
    struct cpuid_regs r;

    build(intel, ARRAY_SIZE(intel), ~0UL);
    p = pv;
    r = cpu_policy_find(&pv, 1, 0)->r;
    r.c = (r.c & ~(1u << 28)) | 1u << 5; /* no AVX; VMX, which nobody may have */
    apply(&p, 1, ANY, r);
    assert_int_equal(cpu_policy_finish(&p, &pv_max, &error), 0);
    assert_false(cpu_policy_has(&p, F(VMX)));
    assert_false(cpu_policy_has(&p, F(AVX2)));
    assert_false(cpu_policy_has(&p, F(AVX512F)));
    assert_int_equal(cpu_policy_xcr0(&p), 3);
    assert_int_equal(cpu_policy_find(&p, 0xd, 2)->r.a, 0);
    /* ask for an optional feature, and a smaller CPU */
    p = pv;
    cpu_policy_set_feature(&p, F(ITSC), true);
    apply(&p, 0, ANY, (struct cpuid_regs){7, 1, 2, 3});
    apply(&p, 0x40000000, ANY, (struct cpuid_regs){0x40000002, 1, 1, 1});
    assert_int_equal(cpu_policy_finish(&p, &pv_max, &error), 0);
    assert_true(cpu_policy_has(&p, F(ITSC)));
    assert_int_equal(cpu_policy_find(&p, 0x40000000, 0)->r.a, 2);
    assert_int_equal(cpu_policy_find(&p, 0x40000000, 0)->r.b, 0);
    assert_int_equal(guest(&p, &(struct cpuid_guest){.xcr0 = 3}, 0xd, 0).a, 0);
    assert_int_equal(guest(&p, &(struct cpuid_guest){0}, 0x40000003, 2).a, 0);
}

static void test_update_refused(void **state)
{
    struct cpu_policy_error error;
    struct cpu_policy p;
    xen_msr_entry_t msr = {.idx = 0xce, .val = 1UL << 31};

    build(amd, ARRAY_SIZE(amd), ~0UL);
    p = pv;
    assert_int_equal(
        cpu_policy_apply_leaf(&p, &(xen_cpuid_leaf_t){.leaf = 0x14, .subleaf = 2}, &error),
        -ERANGE);
    assert_int_equal(error.leaf, 0x14);
    assert_int_equal(error.subleaf, 2);
    assert_int_equal(error.msr, ~0u);
    assert_int_equal(
        cpu_policy_apply_leaf(&p, &(xen_cpuid_leaf_t){.leaf = 1, .subleaf = 0}, &error), -ERANGE);
    apply(&p, 0, ANY, (struct cpuid_regs){0xe, 0, 0, 0});
    assert_int_equal(cpu_policy_finish(&p, &pv_max, &error), -EINVAL);
    assert_int_equal(error.leaf, 0);
    p = pv;
    apply(&p, 7, 0, (struct cpuid_regs){1, 0, 0, 0});
    assert_int_equal(cpu_policy_finish(&p, &pv_max, &error), -EINVAL);
    assert_int_equal(error.leaf, 7);
    assert_int_equal(error.subleaf, 0);
    p = pv;
    assert_int_equal(cpu_policy_apply_msr(&p, &msr, &error), 0);
    assert_int_equal(cpu_policy_finish(&p, &pv_max, &error), -EINVAL);
    assert_int_equal(error.msr, 0xce);
    msr.flags = 1;
    assert_int_equal(cpu_policy_apply_msr(&p, &msr, &error), -EINVAL);
    msr = (xen_msr_entry_t){.idx = 0x10};
    assert_int_equal(cpu_policy_apply_msr(&p, &msr, &error), -ERANGE);
    assert_int_equal(error.msr, 0x10);
}

static void test_msrs_out(void **state)
{
    xen_msr_entry_t msrs[CPU_POLICY_MSRS];

    build(amd, ARRAY_SIZE(amd), ~0UL);
    cpu_policy_msrs(&raw, msrs);
    assert_int_equal(msrs[0].idx, 0xce);
    assert_int_equal(msrs[0].val, 0x80000000);
    assert_int_equal(msrs[1].idx, 0x10a);
    assert_int_equal(msrs[1].val, 0x1234);
    assert_int_equal(msrs[1].flags, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_featureset_words),
        cmocka_unit_test(test_pv_on_amd),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_xstate_limits),
        cmocka_unit_test(test_guest_leaf_1),
        cmocka_unit_test(test_guest_xsave),
        cmocka_unit_test(test_guest_limits),
        cmocka_unit_test(test_hypervisor_leaves),
        cmocka_unit_test(test_client_round_trip),
        cmocka_unit_test(test_full_list),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_update_refused),
        cmocka_unit_test(test_msrs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
