/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/alu.c arch/x86/pure/operand.c */
/* Emulated integer operations against the CPU the test runs on; registers and addresses. */
#include "unit.h"
#include <string.h>
#include <x86/operand.h>

static uint64_t rng_state = 0x4b72;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state * 0x2545f4914f6cdd1dULL;
}

/* Random, with the values around zero and the sign boundary often. */
static uint64_t interesting(unsigned bytes)
{
    uint64_t sign = 1UL << (8 * bytes - 1);

    switch (rng() % 4) {
    case 0: return (rng() % 5 - 2) & bytes_mask(bytes);
    case 1: return (sign + rng() % 5 - 2) & bytes_mask(bytes);
    default: return rng() & bytes_mask(bytes);
    }
}

/* One operation of one width on the real CPU. The red zone may hold locals: step over it. */
#define CPU_OP(text)                                             \
    __asm__("lea -128(%%rsp), %%rsp\n\tpush %2\n\tpopf\n\t" text \
            "\n\tpushf\n\tpop %1\n\tlea 128(%%rsp), %%rsp"       \
            : "+r"(*a), "=&r"(out)                               \
            : "r"(flags), "r"(b)                                 \
            : "cc", "memory")
#define CPU_BINARY(name)                       \
    switch (bytes) {                           \
    case 1: CPU_OP(name "b %b3, %b0"); break;  \
    case 2: CPU_OP(name "w %w3, %w0"); break;  \
    case 4: CPU_OP(name "l %k3, %k0"); break;  \
    default: CPU_OP(name "q %q3, %q0"); break; \
    }
#define CPU_UNARY(name)                   \
    switch (bytes) {                      \
    case 1: CPU_OP(name "b %b0"); break;  \
    case 2: CPU_OP(name "w %w0"); break;  \
    case 4: CPU_OP(name "l %k0"); break;  \
    default: CPU_OP(name "q %q0"); break; \
    }
#define CPU_BIT(name)                          \
    switch (bytes) {                           \
    case 2: CPU_OP(name "w %w3, %w0"); break;  \
    case 4: CPU_OP(name "l %k3, %k0"); break;  \
    default: CPU_OP(name "q %q3, %q0"); break; \
    }

static uint64_t cpu_compute(enum insn_op op, unsigned bytes, uint64_t *a, uint64_t b,
                            uint64_t flags)
{
    uint64_t out = 0;

    switch (op) {
    case INSN_ADD: CPU_BINARY("add"); break;
    case INSN_OR: CPU_BINARY("or"); break;
    case INSN_ADC: CPU_BINARY("adc"); break;
    case INSN_SBB: CPU_BINARY("sbb"); break;
    case INSN_AND: CPU_BINARY("and"); break;
    case INSN_SUB: CPU_BINARY("sub"); break;
    case INSN_XOR: CPU_BINARY("xor"); break;
    case INSN_CMP: CPU_BINARY("cmp"); break;
    case INSN_TEST: CPU_BINARY("test"); break;
    case INSN_INC: CPU_UNARY("inc"); break;
    case INSN_DEC: CPU_UNARY("dec"); break;
    case INSN_NOT: CPU_UNARY("not"); break;
    case INSN_NEG: CPU_UNARY("neg"); break;
    case INSN_BT: CPU_BIT("bt"); break;
    case INSN_BTS: CPU_BIT("bts"); break;
    case INSN_BTR: CPU_BIT("btr"); break;
    case INSN_BTC: CPU_BIT("btc"); break;
    default: fail();
    }
    return out;
}

/* The manual leaves these undefined. */
static uint64_t undefined_flags(enum insn_op op)
{
    switch (op) {
    case INSN_OR:
    case INSN_AND:
    case INSN_XOR:
    case INSN_TEST: return X86_FLAG_AF;
    case INSN_BT:
    case INSN_BTS:
    case INSN_BTR:
    case INSN_BTC: return X86_FLAG_OF | X86_FLAG_SF | X86_FLAG_AF | X86_FLAG_PF;
    default: return 0;
    }
}

static void check_one(enum insn_op op, unsigned bytes)
{
    uint64_t a = interesting(bytes), b = interesting(bytes);
    uint64_t flags = (rng() & X86_FLAG_ARITHMETIC) | 0x202, ours_flags = flags;
    uint64_t theirs = a, ours = a, theirs_flags, care;

    theirs_flags = cpu_compute(op, bytes, &theirs, b, flags);
    alu_compute(op, bytes, &ours, b, &ours_flags);
    care = X86_FLAG_ARITHMETIC & ~undefined_flags(op);
    if (ours != (theirs & bytes_mask(bytes)) || (ours_flags ^ theirs_flags) & care)
        fail_msg("op %d bytes %u a %lx b %lx flags %lx: %lx/%lx, CPU %lx/%lx", op, bytes, a, b,
                 flags, ours, ours_flags, theirs, theirs_flags);
    assert_int_equal(ours_flags & ~X86_FLAG_ARITHMETIC, flags & ~X86_FLAG_ARITHMETIC);
}

static void test_against_cpu(void **state)
{
    for (enum insn_op op = INSN_ADD; op <= INSN_BTC; op++)
        for (unsigned bytes = op >= INSN_BT ? 2 : 1; bytes <= 8; bytes *= 2)
            for (unsigned i = 0; i < 3000; i++)
                check_one(op, bytes);
}

static void test_flag_only_operations(void **state)
{
    uint64_t dst = 5, flags = 0;

    assert_false(alu_compute(INSN_CMP, 8, &dst, 5, &flags));
    assert_int_equal(dst, 5);
    assert_true(flags & X86_FLAG_ZF);
    assert_false(alu_compute(INSN_TEST, 8, &dst, 2, &flags));
    assert_false(alu_compute(INSN_BT, 8, &dst, 0, &flags));
    assert_true(flags & X86_FLAG_CF);
    assert_true(alu_compute(INSN_BTR, 8, &dst, 64, &flags));
    assert_int_equal(dst, 4);
}

static void test_registers(void **state)
{
    struct x86_regs regs;
    struct insn_operand high = {OPERAND_HIGH_BYTE, X86_RBX, 1};

    memset(&regs, 0xff, sizeof(regs));
    x86_reg_write(&regs, X86_R10, 4, 0x123456789);
    assert_int_equal(regs.r10, 0x23456789);
    x86_reg_write(&regs, X86_RSP, 2, 0xabcd1234);
    assert_int_equal(regs.rsp, 0xffffffffffff1234);
    x86_reg_write(&regs, X86_RDI, 1, 0);
    assert_int_equal(regs.rdi, 0xffffffffffffff00);
    assert_int_equal(x86_reg_read(&regs, X86_RDI, 2), 0xff00);
    operand_write(&regs, &high, 0x42);
    assert_int_equal(regs.rbx, 0xffffffffffff42ff);
    assert_int_equal(operand_read(&regs, &high), 0x42);
}

static void test_addresses(void **state)
{
    struct x86_regs regs = {.rip = 0x1000, .rax = 0x100, .rcx = 3};
    struct segment_bases bases = {.fs = 0x10000, .gs = 0x20000};
    struct insn in = {
        .length_bytes = 7, .address_bytes = 8, .mem = {X86_RAX, X86_RCX, 8, X86_DS, false, -0x10}};

    assert_int_equal(insn_mem_address(&in, &regs, &bases), 0x108);
    in.mem.segment = X86_GS;
    assert_int_equal(insn_mem_address(&in, &regs, &bases), 0x20108);
    in.mem = (struct insn_mem){X86_REG_NONE, X86_REG_NONE, 1, X86_DS, true, 1};
    assert_int_equal(insn_mem_address(&in, &regs, &bases), 0x1008);
    /* 32-bit addressing wraps before the base is added. */
    in.address_bytes = 4;
    in.mem = (struct insn_mem){X86_RAX, X86_REG_NONE, 1, X86_FS, false, -0x101};
    assert_int_equal(insn_mem_address(&in, &regs, &bases), 0x10000fffful);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_cpu),
        cmocka_unit_test(test_flag_only_operations),
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
