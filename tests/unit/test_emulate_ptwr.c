/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/decode.c arch/x86/pure/operand.c arch/x86/pure/alu.c */
/* SOURCES: arch/x86/pure/emulate_ptwr.c */
/* Emulated stores into read-only page tables, over a fake table of sixteen entries. */
#include "unit.h"
#include <errno.h>
#include <string.h>
#include <x86/emulate_priv.h>
#include <x86/emulate_ptwr.h>

#define CODE  0x10000UL
#define TABLE 0x30000UL

struct vcpu {
    uint8_t code[INSN_BYTES_MAX];
    size_t code_bytes;
    uint64_t entry[16], source;
    unsigned races; /* compare-and-writes that find the entry changed */
    unsigned writes;
    int refusal;
    bool last_compare;
};

static struct vcpu vcpu;
static struct x86_regs regs;
static struct segment_bases bases;
static struct emul_outcome out;

size_t pv_emul_fetch(struct vcpu *v, uint64_t rip, uint8_t *buffer, size_t bytes)
{
    memcpy(buffer, v->code, v->code_bytes);
    return v->code_bytes;
}

int pv_emul_mem_read(struct vcpu *v, uint64_t gva, void *buffer, unsigned bytes)
{
    memcpy(buffer, &v->source, bytes);
    return gva == 0x5000 ? 0 : -EFAULT;
}

int pv_emul_pte_read(struct vcpu *v, uint64_t gva, uint64_t *entry)
{
    assert_true(gva >= TABLE && gva < TABLE + sizeof(v->entry) && gva % 8 == 0);
    *entry = v->entry[(gva - TABLE) / 8];
    return 0;
}

int pv_emul_pte_write(struct vcpu *v, uint64_t gva, uint64_t old, uint64_t new, bool compare)
{
    uint64_t *entry = &v->entry[(gva - TABLE) / 8];

    if (v->refusal)
        return v->refusal;
    if (compare && v->races) {
        v->races--;
        *entry |= 0x60; /* the CPU set accessed and dirty */
    }
    if (compare && *entry != old)
        return -EAGAIN;
    *entry = new;
    v->writes++;
    v->last_compare = compare;
    return 0;
}

static int fresh(void **unused)
{
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&regs, 0, sizeof(regs));
    regs.rflags = 0x10202;
    regs.rdi = TABLE;
    bases = (struct segment_bases){0};
    return 0;
}

static enum emul_code run_bytes(uint64_t fault, const uint8_t *bytes, size_t count)
{
    memcpy(vcpu.code, bytes, count);
    vcpu.code_bytes = count;
    regs.rip = CODE;
    ptwr_emulate(&vcpu, &regs, &bases, fault, &out);
    return out.code;
}

#define RUN(fault, ...) \
    run_bytes(fault, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void test_mov(void **unused)
{
    regs.rsi = 0x8000000000001067;
    assert_int_equal(RUN(TABLE, 0x48, 0x89, 0x37), EMUL_DONE);
    assert_int_equal(vcpu.entry[0], 0x8000000000001067);
    assert_false(vcpu.last_compare);
    assert_int_equal(regs.rip, CODE + 3);
    assert_int_equal(regs.rflags, 0x202);
    /* movq $0x67, 8(%rdi) */
    assert_int_equal(RUN(TABLE + 8, 0x48, 0xc7, 0x47, 8, 0x67, 0, 0, 0), EMUL_DONE);
    assert_int_equal(vcpu.entry[1], 0x67);
    /* movl to the upper half keeps the lower. */
    regs.rax = 0x80000000;
    assert_int_equal(RUN(TABLE + 12, 0x89, 0x47, 12), EMUL_DONE);
    assert_int_equal(vcpu.entry[1], 0x8000000000000067);
    assert_true(vcpu.last_compare);
    /* through GS */
    bases.gs = 0x1000;
    regs.rdi = TABLE - 0x1000;
    assert_int_equal(RUN(TABLE, 0x65, 0x48, 0xc7, 0x07, 0, 0, 0, 0), EMUL_DONE);
    assert_int_equal(vcpu.entry[0], 0);
}

static void test_exchange(void **unused)
{
    vcpu.entry[2] = 0x2067;
    regs.rax = 0;
    assert_int_equal(RUN(TABLE + 16, 0x48, 0x87, 0x47, 16), EMUL_DONE);
    assert_int_equal(vcpu.entry[2], 0);
    assert_int_equal(regs.rax, 0x2067);
    assert_true(vcpu.last_compare);
    /* lock xadd %rax,16(%rdi) */
    vcpu.entry[2] = 5;
    assert_int_equal(RUN(TABLE + 16, 0xf0, 0x48, 0x0f, 0xc1, 0x47, 16), EMUL_DONE);
    assert_int_equal(vcpu.entry[2], 0x206c);
    assert_int_equal(regs.rax, 5);
}

static void test_cmpxchg(void **unused)
{
    vcpu.entry[0] = 0x1027;
    regs.rax = 0x1027;
    regs.rcx = 0x1067;
    assert_int_equal(RUN(TABLE, 0xf0, 0x48, 0x0f, 0xb1, 0x0f), EMUL_DONE);
    assert_int_equal(vcpu.entry[0], 0x1067);
    assert_true(regs.rflags & X86_FLAG_ZF);
    assert_int_equal(regs.rax, 0x1027);
    assert_int_equal(RUN(TABLE, 0xf0, 0x48, 0x0f, 0xb1, 0x0f), EMUL_DONE);
    assert_false(regs.rflags & X86_FLAG_ZF);
    assert_int_equal(regs.rax, 0x1067);
    assert_int_equal(vcpu.writes, 1);
    assert_int_equal(regs.rip, CODE + 5);
    /* cmpxchg8b, then the pair of 16 bytes, which is refused */
    vcpu.entry[0] = 0x100000002;
    regs.rax = 2;
    regs.rdx = 1;
    regs.rbx = 4;
    regs.rcx = 3;
    assert_int_equal(RUN(TABLE, 0xf0, 0x0f, 0xc7, 0x0f), EMUL_DONE);
    assert_int_equal(vcpu.entry[0], 0x300000004);
    assert_int_equal(RUN(TABLE, 0xf0, 0x0f, 0xc7, 0x0f), EMUL_DONE);
    assert_int_equal(regs.rax, 4);
    assert_int_equal(regs.rdx, 3);
    assert_false(regs.rflags & X86_FLAG_ZF);
    assert_int_equal(RUN(TABLE, 0xf0, 0x48, 0x0f, 0xc7, 0x0f), EMUL_UNHANDLED);
}

static void test_arithmetic(void **unused)
{
    vcpu.entry[0] = 0x1067;
    assert_int_equal(RUN(TABLE, 0xf0, 0x48, 0x83, 0x27, 0xfd), EMUL_DONE); /* lock andq $~2 */
    assert_int_equal(vcpu.entry[0], 0x1065);
    vcpu.entry[0] = 0x7000000000001067;
    assert_int_equal(RUN(TABLE, 0xf0, 0x80, 0x27, 0xfd), EMUL_DONE); /* lock andb $~2 */
    assert_int_equal(vcpu.entry[0], 0x7000000000001065);
    assert_int_equal(RUN(TABLE, 0x66, 0x83, 0x0f, 0x02), EMUL_DONE); /* orw $2 */
    assert_int_equal(vcpu.entry[0], 0x7000000000001067);
    vcpu.entry[0] = 0x1065;
    assert_int_equal(RUN(TABLE, 0xf0, 0x48, 0x0f, 0xba, 0x37, 5), EMUL_DONE); /* lock btrq $5 */
    assert_int_equal(vcpu.entry[0], 0x1045);
    assert_true(regs.rflags & X86_FLAG_CF);
    /* btsq %rax,(%rdi): bit 64 is bit 0 of the next entry, -64 of the one before */
    regs.rax = 64;
    assert_int_equal(RUN(TABLE + 8, 0x48, 0x0f, 0xab, 0x07), EMUL_DONE);
    assert_int_equal(vcpu.entry[1], 1);
    regs.rdi = TABLE + 8;
    regs.rax = -62;
    assert_int_equal(RUN(TABLE, 0x48, 0x0f, 0xab, 0x07), EMUL_DONE);
    assert_int_equal(vcpu.entry[0], 0x1045);
    assert_int_equal(RUN(TABLE + 8, 0x48, 0xff, 0x07), EMUL_DONE); /* incq */
    assert_int_equal(vcpu.entry[1], 2);
    assert_int_equal(RUN(TABLE + 8, 0x48, 0xf7, 0x1f), EMUL_DONE); /* negq */
    assert_int_equal(vcpu.entry[1], -2L);
}

static void test_races(void **unused)
{
    vcpu.entry[0] = 0x1007;
    vcpu.races = 2;
    regs.rax = 0;
    assert_int_equal(RUN(TABLE, 0x48, 0x87, 0x07), EMUL_DONE);
    assert_int_equal(regs.rax, 0x1067); /* what the CPU set is not lost */
    assert_int_equal(vcpu.entry[0], 0);
    /* A race that never ends goes back to the guest with nothing changed, not even a step. */
    regs.rflags |= X86_FLAG_TF;
    vcpu.refusal = -EAGAIN;
    assert_int_equal(RUN(TABLE, 0x48, 0x87, 0x07), EMUL_RETRY);
    assert_int_equal(regs.rax, 0x1067);
    assert_int_equal(regs.rip, CODE);
}

static void test_refusals(void **unused)
{
    regs.rax = 0x1234;
    vcpu.refusal = -EINVAL;
    assert_int_equal(RUN(TABLE, 0x48, 0x87, 0x07), EMUL_UNHANDLED);
    assert_int_equal(regs.rax, 0x1234);
    assert_int_equal(regs.rip, CODE);
    vcpu.refusal = 0;
    assert_int_equal(RUN(TABLE + 8, 0x48, 0x89, 0x07), EMUL_UNHANDLED); /* another address */
    regs.rdi = TABLE + 4;
    assert_int_equal(RUN(TABLE + 4, 0x48, 0x89, 0x07), EMUL_UNHANDLED); /* misaligned */
    assert_int_equal(RUN(TABLE + 8, 0x48, 0x89, 0x07), EMUL_UNHANDLED);
    assert_int_equal(RUN(TABLE, 0x48, 0x8b, 0x07), EMUL_UNHANDLED); /* a load */
    assert_int_equal(RUN(TABLE, 0x0f, 0x11, 0x07), EMUL_UNHANDLED); /* movups */
    assert_int_equal(vcpu.writes, 0);
}

static void test_strings(void **unused)
{
    regs.rax = 0x1067;
    regs.rcx = 2;
    assert_int_equal(RUN(TABLE, 0xf3, 0x48, 0xab), EMUL_RETRY);
    assert_int_equal(regs.rdi, TABLE + 8);
    assert_int_equal(regs.rip, CODE);
    assert_int_equal(RUN(TABLE + 8, 0xf3, 0x48, 0xab), EMUL_DONE);
    assert_int_equal(regs.rip, CODE + 3);
    assert_int_equal(regs.rcx, 0);
    assert_int_equal(vcpu.entry[1], 0x1067);
    regs.rdi = TABLE + 16;
    regs.rsi = 0x5000;
    regs.rflags |= X86_FLAG_DF;
    vcpu.source = 0x3067;
    assert_int_equal(RUN(TABLE + 16, 0x48, 0xa5), EMUL_DONE);
    assert_int_equal(vcpu.entry[2], 0x3067);
    assert_int_equal(regs.rdi, TABLE + 8);
    assert_int_equal(regs.rsi, 0x4ff8);
    assert_int_equal(RUN(TABLE + 8, 0x48, 0xa5), EMUL_UNHANDLED); /* unreadable source */
    assert_int_equal(regs.rdi, TABLE + 8);
}

#define CASE(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_mov),   CASE(test_exchange), CASE(test_cmpxchg), CASE(test_arithmetic),
        CASE(test_races), CASE(test_refusals), CASE(test_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
