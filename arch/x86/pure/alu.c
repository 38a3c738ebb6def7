/* SPDX-License-Identifier: MIT */
/*
 * The integer operations that emulated instructions perform on memory, with the flags the CPU would
 * set (Intel SDM volume 1 appendix A). tests/unit/test_alu.c compares them with the real CPU.
 * Where the manual leaves a flag undefined it keeps its value.
 */
#include <x86/operand.h>

struct alu {
    uint64_t a, b, mask;
    unsigned bits;
    uint64_t flags;
};

static uint64_t flag_if(bool condition, uint64_t flag)
{
    return condition ? flag : 0;
}

static void set_flags(struct alu *s, uint64_t which, uint64_t values)
{
    s->flags = (s->flags & ~which) | (values & which);
}

static bool sign_of(const struct alu *s, uint64_t value)
{
    return value >> (s->bits - 1) & 1;
}

/* PF, ZF and SF follow the result alone. */
static void set_result_flags(struct alu *s, uint64_t result)
{
    set_flags(s, X86_FLAG_PF | X86_FLAG_ZF | X86_FLAG_SF,
              flag_if(!__builtin_parity(result & 0xff), X86_FLAG_PF) |
                  flag_if(result == 0, X86_FLAG_ZF) | flag_if(sign_of(s, result), X86_FLAG_SF));
}

static uint64_t alu_add(struct alu *s, uint64_t carry)
{
    uint64_t result = (s->a + s->b + carry) & s->mask;
    bool carried = result < s->a || (carry && result == s->a);

    set_flags(s, X86_FLAG_CF | X86_FLAG_AF | X86_FLAG_OF,
              flag_if(carried, X86_FLAG_CF) | flag_if((s->a ^ s->b ^ result) & 0x10, X86_FLAG_AF) |
                  flag_if(sign_of(s, ~(s->a ^ s->b) & (s->a ^ result)), X86_FLAG_OF));
    set_result_flags(s, result);
    return result;
}

static uint64_t alu_sub(struct alu *s, uint64_t borrow)
{
    uint64_t result = (s->a - s->b - borrow) & s->mask;
    bool borrowed = s->a < s->b || (borrow && s->a == s->b);

    set_flags(s, X86_FLAG_CF | X86_FLAG_AF | X86_FLAG_OF,
              flag_if(borrowed, X86_FLAG_CF) | flag_if((s->a ^ s->b ^ result) & 0x10, X86_FLAG_AF) |
                  flag_if(sign_of(s, (s->a ^ s->b) & (s->a ^ result)), X86_FLAG_OF));
    set_result_flags(s, result);
    return result;
}

static uint64_t alu_logic(struct alu *s, uint64_t result)
{
    set_flags(s, X86_FLAG_CF | X86_FLAG_OF, 0);
    set_result_flags(s, result);
    return result;
}

/* INC and DEC are ADD and SUB of one that keep CF. */
static uint64_t alu_step(struct alu *s, bool up)
{
    uint64_t carry = s->flags & X86_FLAG_CF, result;

    s->b = 1;
    result = up ? alu_add(s, 0) : alu_sub(s, 0);
    set_flags(s, X86_FLAG_CF, carry);
    return result;
}

static uint64_t alu_negate(struct alu *s)
{
    s->b = s->a;
    s->a = 0;
    return alu_sub(s, 0);
}

static uint64_t alu_bit(struct alu *s, enum insn_op op)
{
    uint64_t bit = 1UL << (s->b & (s->bits - 1));

    set_flags(s, X86_FLAG_CF, flag_if(s->a & bit, X86_FLAG_CF));
    if (op == INSN_BTS)
        return s->a | bit;
    return op == INSN_BTR ? s->a & ~bit : s->a ^ bit;
}

bool alu_compute(enum insn_op op, unsigned bytes, uint64_t *dst, uint64_t src, uint64_t *flags)
{
    uint64_t mask = bytes_mask(bytes), result;
    struct alu s = {*dst & mask, src & mask, mask, 8 * bytes, *flags};

    switch (op) {
    case INSN_ADD: result = alu_add(&s, 0); break;
    case INSN_ADC: result = alu_add(&s, s.flags & X86_FLAG_CF); break;
    case INSN_CMP:
    case INSN_SUB: result = alu_sub(&s, 0); break;
    case INSN_SBB: result = alu_sub(&s, s.flags & X86_FLAG_CF); break;
    case INSN_OR: result = alu_logic(&s, s.a | s.b); break;
    case INSN_TEST:
    case INSN_AND: result = alu_logic(&s, s.a & s.b); break;
    case INSN_XOR: result = alu_logic(&s, s.a ^ s.b); break;
    case INSN_INC: result = alu_step(&s, true); break;
    case INSN_DEC: result = alu_step(&s, false); break;
    case INSN_NEG: result = alu_negate(&s); break;
    case INSN_NOT: result = ~s.a & mask; break;
    default: result = alu_bit(&s, op); break;
    }
    *flags = s.flags;
    if (op == INSN_CMP || op == INSN_TEST || op == INSN_BT)
        return false;
    *dst = result;
    return true;
}
