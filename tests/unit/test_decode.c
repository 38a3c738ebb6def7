/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/decode.c */
/* The decoder on chosen encodings: what PV guests really execute, cut-off and overlong input. */
#include "unit.h"
#include <string.h>
#include <x86/decode.h>

#define DECODE(in, mode, ...) \
    insn_decode((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), mode, in)

static void test_pv_instructions(void **state)
{
    struct insn in;

    assert_int_equal(DECODE(&in, CODE_64, 0xfa), DECODE_OK);
    assert_int_equal(in.op, INSN_CLI);
    assert_int_equal(DECODE(&in, CODE_64, 0x0f, 0x30), DECODE_OK);
    assert_int_equal(in.op, INSN_WRMSR);
    assert_int_equal(DECODE(&in, CODE_64, 0x0f, 0x20, 0xd0), DECODE_OK); /* mov rax, cr2 */
    assert_int_equal(in.op, INSN_MOV_CR);
    assert_int_equal(in.dst.kind, OPERAND_REG);
    assert_int_equal(in.src.kind, OPERAND_CR);
    assert_int_equal(in.src.reg, 2);
    assert_int_equal(DECODE(&in, CODE_64, 0x0f, 0x01, 0xd1), DECODE_OK);
    assert_int_equal(in.op, INSN_XSETBV);
    assert_int_equal(DECODE(&in, CODE_64, 0xe5, 0x70), DECODE_OK);
    assert_int_equal(in.op, INSN_IN);
    assert_int_equal(in.imm, 0x70);
    assert_int_equal(in.dst.bytes, 4);
    assert_int_equal(DECODE(&in, CODE_64, 0xe4, 0xf0), DECODE_OK);
    assert_int_equal(in.imm, 0xf0);
    assert_int_equal(DECODE(&in, CODE_64, 0x66, 0xef), DECODE_OK);
    assert_int_equal(in.op, INSN_OUT);
    assert_int_equal(in.src.bytes, 2);
    assert_int_equal(in.dst.reg, X86_RDX);
    assert_int_equal(DECODE(&in, CODE_64, 0xf3, 0x6c), DECODE_OK);
    assert_int_equal(in.op, INSN_INS);
    assert_true(in.rep);
    assert_int_equal(in.operand_bytes, 1);
    assert_int_equal(DECODE(&in, CODE_64, 0xcd, 0x80), DECODE_OK);
    assert_int_equal(in.op, INSN_INT);
    assert_int_equal(in.imm, 0x80);
}

static void test_forced_prefix(void **state)
{
    struct insn in;

    assert_int_equal(DECODE(&in, CODE_64, 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2), DECODE_OK);
    assert_true(in.forced);
    assert_int_equal(in.op, INSN_CPUID);
    assert_int_equal(in.length_bytes, 7);
    assert_int_equal(DECODE(&in, CODE_64, 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f), DECODE_NEED_BYTES);
    assert_int_equal(DECODE(&in, CODE_64, 0x0f, 0x0b, 0x78, 0x65, 0x6d, 0x0f, 0xa2), DECODE_OK);
    assert_int_equal(in.op, INSN_UD2);
    assert_false(in.forced);
}

static void test_page_table_writes(void **state)
{
    struct insn in;

    /* mov %rsi,(%rdi) */
    assert_int_equal(DECODE(&in, CODE_64, 0x48, 0x89, 0x37), DECODE_OK);
    assert_int_equal(in.op, INSN_MOV);
    assert_int_equal(in.dst.kind, OPERAND_MEM);
    assert_int_equal(in.dst.bytes, 8);
    assert_int_equal(in.mem.base, X86_RDI);
    assert_int_equal(in.src.reg, X86_RSI);
    /* lock cmpxchg %r8,-8(%r13,%rcx,8) */
    assert_int_equal(DECODE(&in, CODE_64, 0xf0, 0x4d, 0x0f, 0xb1, 0x44, 0xcd, 0xf8), DECODE_OK);
    assert_int_equal(in.op, INSN_CMPXCHG);
    assert_true(in.lock);
    assert_int_equal(in.mem.base, X86_R13);
    assert_int_equal(in.mem.index, X86_RCX);
    assert_int_equal(in.mem.scale, 8);
    assert_int_equal(in.mem.disp, -8);
    /* lock btr $1,%gs:0x10(%rip) */
    assert_int_equal(DECODE(&in, CODE_64, 0x65, 0xf0, 0x48, 0x0f, 0xba, 0x35, 0x10, 0, 0, 0, 1),
                     DECODE_OK);
    assert_int_equal(in.op, INSN_BTR);
    assert_true(in.mem.rip_relative);
    assert_int_equal(in.mem.segment, X86_GS);
    assert_int_equal(in.imm, 1);
    /* movq $-1,(%rax) */
    assert_int_equal(DECODE(&in, CODE_64, 0x48, 0xc7, 0, 0xff, 0xff, 0xff, 0xff), DECODE_OK);
    assert_int_equal(in.imm, -1);
    /* cmpxchg16b (%rsi) */
    assert_int_equal(DECODE(&in, CODE_64, 0x48, 0x0f, 0xc7, 0x0e), DECODE_OK);
    assert_int_equal(in.op, INSN_CMPXCHG_PAIR);
    assert_int_equal(in.dst.bytes, 16);
}

static void test_refused(void **state)
{
    struct insn in;

    assert_int_equal(DECODE(&in, CODE_64, 0xf0, 0x89, 0x37), DECODE_INVALID); /* lock mov */
    assert_int_equal(DECODE(&in, CODE_64, 0xf0, 0x01, 0xf7), DECODE_INVALID); /* lock, register */
    assert_int_equal(DECODE(&in, CODE_64, 0x0f, 0x22, 0xc8), DECODE_INVALID); /* cr1 */
    assert_int_equal(DECODE(&in, CODE_64, 0x0f, 0x01, 0x28), DECODE_UNKNOWN); /* 0f 01 /5 */
    assert_int_equal(DECODE(&in, CODE_64, 0xce), DECODE_INVALID);             /* into */
    assert_int_equal(DECODE(&in, CODE_32, 0xce), DECODE_OK);
    assert_int_equal(DECODE(&in, CODE_64, 0xc5, 0xf8, 0x77), DECODE_UNKNOWN); /* vzeroupper */
    assert_int_equal(DECODE(&in, CODE_32, 0x48, 0x89, 0x37), DECODE_UNKNOWN); /* dec eax */
    assert_int_equal(DECODE(&in, CODE_64, 0xf3, 0x0f, 0xc3, 7), DECODE_UNKNOWN);
}

static void test_length_limits(void **state)
{
    uint8_t bytes[INSN_BYTES_MAX + 4];
    struct insn in;

    memset(bytes, 0x66, sizeof(bytes));
    assert_int_equal(insn_decode(bytes, 14, CODE_64, &in), DECODE_NEED_BYTES);
    assert_int_equal(insn_decode(bytes, 15, CODE_64, &in), DECODE_INVALID);
    assert_int_equal(insn_decode(bytes, sizeof(bytes), CODE_64, &in), DECODE_INVALID);
    bytes[14] = 0xf4;
    assert_int_equal(insn_decode(bytes, sizeof(bytes), CODE_64, &in), DECODE_OK);
    assert_int_equal(in.length_bytes, 15);
    assert_int_equal(insn_decode(bytes, 0, CODE_64, &in), DECODE_NEED_BYTES);
}

/* Every cut of a good instruction asks for more; the buffer ends right there for the sanitizer. */
static void test_cut_off(void **state)
{
    static const uint8_t whole[] = {0x65, 0xf0, 0x48, 0x81, 0x8c, 0xcd, 1, 2, 3, 4, 5, 6, 7, 8};
    struct insn in;

    assert_int_equal(insn_decode(whole, sizeof(whole), CODE_64, &in), DECODE_OK);
    assert_int_equal(in.length_bytes, sizeof(whole));
    for (size_t n = 0; n < sizeof(whole); n++) {
        uint8_t *cut = test_malloc(n + 1);

        memcpy(cut + 1, whole, n);
        assert_int_equal(insn_decode(cut + 1, n, CODE_64, &in), DECODE_NEED_BYTES);
        test_free(cut);
    }
}

static void test_addressing_16(void **state)
{
    struct insn in;

    /* mov %al,-2(%bp,%si) */
    assert_int_equal(DECODE(&in, CODE_16, 0x88, 0x42, 0xfe), DECODE_OK);
    assert_int_equal(in.address_bytes, 2);
    assert_int_equal(in.mem.base, X86_RBP);
    assert_int_equal(in.mem.index, X86_RSI);
    assert_int_equal(in.mem.disp, -2);
    assert_int_equal(in.mem.segment, X86_SS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pv_instructions),   cmocka_unit_test(test_forced_prefix),
        cmocka_unit_test(test_page_table_writes), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_length_limits),     cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_addressing_16),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
