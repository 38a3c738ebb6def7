/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/decode.c arch/x86/pure/operand.c arch/x86/pure/emulate_store.c */
/* Emulated stores into read-only device pages. */
#include "unit.h"
#include <errno.h>
#include <string.h>
#include <x86/emulate_priv.h>
#include <x86/emulate_store.h>

#define CODE   0x10000UL
#define DEVICE 0x30000UL

struct vcpu {
    const uint8_t *code;
    size_t code_bytes;
    uint64_t address, value;
    unsigned bytes, stores;
    int refusal;
};

static struct vcpu vcpu;
static struct x86_regs regs;

size_t pv_emul_fetch(struct vcpu *v, uint64_t rip, uint8_t *buffer, size_t bytes)
{
    assert_int_equal(rip, CODE);
    memcpy(buffer, v->code, v->code_bytes);
    return v->code_bytes;
}

int pv_emul_device_store(struct vcpu *v, uint64_t gva, uint64_t value, unsigned bytes)
{
    if (v->refusal)
        return v->refusal;
    v->address = gva;
    v->value = value;
    v->bytes = bytes;
    v->stores++;
    return 0;
}

static int fresh(void **state)
{
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&regs, 0, sizeof(regs));
    regs.rip = CODE;
    regs.rflags = 0x10202;
    regs.rdi = DEVICE + 0x10;
    regs.rax = 0x1122334455667788;
    return 0;
}

static enum emul_code run_bytes(uint64_t fault, const uint8_t *code, size_t count)
{
    struct segment_bases bases = {0};
    struct emul_outcome out;

    vcpu.code = code;
    vcpu.code_bytes = count;
    store_emulate(&vcpu, &regs, &bases, fault, &out);
    return out.code;
}
#define run(fault, ...) \
    run_bytes(fault, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void stored(uint64_t address, uint64_t value, unsigned bytes, unsigned length)
{
    assert_int_equal(vcpu.stores, 1);
    assert_int_equal(vcpu.address, address);
    assert_int_equal(vcpu.value, value);
    assert_int_equal(vcpu.bytes, bytes);
    assert_int_equal(regs.rip, CODE + length);
    assert_int_equal(regs.rflags & X86_FLAG_RF, 0);
    fresh(NULL);
}

static void test_registers(void **state)
{
    assert_int_equal(run(DEVICE + 0x10, 0x89, 0x07), EMUL_DONE); /* mov %eax,(%rdi) */
    stored(DEVICE + 0x10, 0x55667788, 4, 2);
    assert_int_equal(run(DEVICE + 0x10, 0x48, 0x89, 0x07), EMUL_DONE);
    stored(DEVICE + 0x10, 0x1122334455667788, 8, 3);
    assert_int_equal(run(DEVICE + 0x12, 0x66, 0x89, 0x47, 0x02), EMUL_DONE);
    stored(DEVICE + 0x12, 0x7788, 2, 4);
    assert_int_equal(run(DEVICE + 0x10, 0x88, 0x27), EMUL_DONE); /* mov %ah,(%rdi) */
    stored(DEVICE + 0x10, 0x77, 1, 2);
}

static void test_immediates(void **state)
{
    assert_int_equal(run(DEVICE + 0x10, 0xc7, 0x07, 1, 0, 0, 0x80), EMUL_DONE);
    stored(DEVICE + 0x10, 0x80000001, 4, 6);
    assert_int_equal(run(DEVICE + 0x10, 0x48, 0xc7, 0x07, 0xff, 0xff, 0xff, 0xff), EMUL_DONE);
    stored(DEVICE + 0x10, ~0UL, 8, 7);
    assert_int_equal(run(DEVICE + 0x10, 0xc6, 0x07, 0xfe), EMUL_DONE);
    stored(DEVICE + 0x10, 0xfe, 1, 3);
}

static void test_refused(void **state)
{
    static const struct {
        uint8_t code[4], count;
    } others[] = {
        {{0x01, 0x07}, 2},       /* add %eax,(%rdi) */
        {{0x8b, 0x07}, 2},       /* mov (%rdi),%eax */
        {{0x87, 0x07}, 2},       /* xchg %eax,(%rdi) */
        {{0xab}, 1},             /* stos */
        {{0x0f, 0x0b}, 2},       /* ud2 */
        {{0x89}, 1},             /* cut off */
        {{0x89, 0x47, 0x01}, 3}, /* not aligned */
    };

    for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(run_bytes(DEVICE + 0x10, others[i].code, others[i].count), EMUL_UNHANDLED);
    assert_int_equal(run(DEVICE + 0x20, 0x89, 0x07), EMUL_UNHANDLED); /* the fault was elsewhere */
    vcpu.refusal = -EFAULT;
    assert_int_equal(run(DEVICE + 0x10, 0x89, 0x07), EMUL_UNHANDLED);
    assert_int_equal(vcpu.stores, 0);
    assert_int_equal(regs.rip, CODE);
}

static void test_single_step(void **state)
{
    regs.rflags |= X86_FLAG_TF;
    assert_int_equal(run(DEVICE + 0x10, 0x89, 0x07), EMUL_INJECT);
    assert_int_equal(vcpu.stores, 1);
    assert_int_equal(regs.rip, CODE + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_registers, fresh),
        cmocka_unit_test_setup(test_immediates, fresh),
        cmocka_unit_test_setup(test_refused, fresh),
        cmocka_unit_test_setup(test_single_step, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
