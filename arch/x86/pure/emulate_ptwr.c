/* SPDX-License-Identifier: MIT */
/*
 * Stores into read-only page tables, behind x86/emulate_ptwr.h. An operation that depends on the
 * old entry is computed on what was read and committed by compare-and-write, because the CPU may
 * set the accessed and dirty bits in between; it is tried again a few times, then the guest
 * retries.
 */
#include <kr/errno.h>
#include <kr/string.h>
#include <x86/emulate_priv.h>
#include <x86/emulate_ptwr.h>

#define COMMIT_TRIES 4

/* What the instruction does to the entry. */
enum effect {
    EFFECT_REFUSED,
    EFFECT_NONE,   /* registers and flags only */
    EFFECT_STORE,  /* `value`, whatever was there */
    EFFECT_MODIFY, /* `value`, made from what was there */
};

struct ptwr {
    struct vcpu *v;
    struct insn in;
    const struct segment_bases *bases;
    struct x86_regs next; /* registers as they will be */
    uint64_t address;     /* of the operand */
    uint64_t value;       /* of the operand: before, then after */
    unsigned bytes;       /* 1, 2, 4 or 8 */
};

static bool is_string(const struct ptwr *p)
{
    return p->in.op == INSN_STOS || p->in.op == INSN_MOVS;
}

/* Finds the operand; false when it is none of ours. */
static bool locate(struct ptwr *p, uint64_t fault_address)
{
    const struct insn *in = &p->in;

    if (is_string(p)) {
        p->bytes = in->operand_bytes;
        p->address = x86_reg_read(&p->next, X86_RDI, in->address_bytes);
    } else {
        p->bytes = in->dst.kind == OPERAND_MEM ? in->dst.bytes : in->src.bytes;
        p->address = insn_mem_address(in, &p->next, p->bases);
    }
    if (p->bytes == 0 || p->bytes > 8)
        return false;
    /* With a register, the bit operations reach beyond the operand: the index selects the word. */
    if (in->op >= INSN_BT && in->op <= INSN_BTC && in->src.kind == OPERAND_REG) {
        int64_t index = operand_read(&p->next, &in->src);

        unsigned unused_bits = 64 - p->bytes * 8;

        index = (int64_t)((uint64_t)index << unused_bits) >> unused_bits;
        p->address += (index >> (p->bytes == 8 ? 6 : p->bytes == 4 ? 5 : 4)) * p->bytes;
    }
    return p->address % p->bytes == 0 && fault_address - p->address < p->bytes;
}

static uint64_t source_value(const struct ptwr *p)
{
    if (p->in.src.kind == OPERAND_IMM)
        return p->in.imm;
    if (p->in.src.kind == OPERAND_NONE)
        return 0;
    return operand_read(&p->next, &p->in.src);
}

static enum effect compute_cmpxchg(struct ptwr *p)
{
    uint64_t expected = x86_reg_read(&p->next, X86_RAX, p->bytes), scratch = expected;

    alu_compute(INSN_CMP, p->bytes, &scratch, p->value, &p->next.rflags);
    if (p->value == expected) {
        p->value = operand_read(&p->next, &p->in.src);
        return EFFECT_MODIFY;
    }
    x86_reg_write(&p->next, X86_RAX, p->bytes, p->value);
    return EFFECT_NONE;
}

static enum effect compute_cmpxchg8b(struct ptwr *p)
{
    uint64_t expected = p->next.rdx << 32 | (uint32_t)p->next.rax;

    if (p->value == expected) {
        p->next.rflags |= X86_FLAG_ZF;
        p->value = p->next.rcx << 32 | (uint32_t)p->next.rbx;
        return EFFECT_MODIFY;
    }
    p->next.rflags &= ~(uint64_t)X86_FLAG_ZF;
    p->next.rax = (uint32_t)p->value;
    p->next.rdx = p->value >> 32;
    return EFFECT_NONE;
}

static enum effect compute_xadd(struct ptwr *p)
{
    uint64_t old = p->value;

    alu_compute(INSN_ADD, p->bytes, &p->value, operand_read(&p->next, &p->in.src), &p->next.rflags);
    operand_write(&p->next, &p->in.src, old);
    return EFFECT_MODIFY;
}

static enum effect compute_xchg(struct ptwr *p)
{
    uint64_t old = p->value;

    p->value = operand_read(&p->next, &p->in.src);
    operand_write(&p->next, &p->in.src, old);
    return EFFECT_MODIFY;
}

/* STOS and MOVS, one element; with REP the caller goes back to the guest while any is left. */
static enum effect compute_string(struct ptwr *p)
{
    unsigned size = p->in.address_bytes;
    int64_t step = p->next.rflags & X86_FLAG_DF ? -(int64_t)p->bytes : (int64_t)p->bytes;
    uint64_t rsi = x86_reg_read(&p->next, X86_RSI, size);

    p->value = x86_reg_read(&p->next, X86_RAX, p->bytes);
    if (p->in.op == INSN_MOVS) {
        p->value = 0;
        if (pv_emul_mem_read(p->v, rsi + insn_segment_base(&p->in, p->bases), &p->value,
                             p->bytes) != 0)
            return EFFECT_REFUSED;
        x86_reg_write(&p->next, X86_RSI, size, rsi + step);
    }
    x86_reg_write(&p->next, X86_RDI, size, x86_reg_read(&p->next, X86_RDI, size) + step);
    if (p->in.rep || p->in.repne)
        x86_reg_write(&p->next, X86_RCX, size, x86_reg_read(&p->next, X86_RCX, size) - 1);
    return EFFECT_STORE;
}

static enum effect compute(struct ptwr *p)
{
    switch (p->in.op) {
    case INSN_MOV: p->value = source_value(p) & bytes_mask(p->bytes); return EFFECT_STORE;
    case INSN_XCHG: return compute_xchg(p);
    case INSN_CMPXCHG: return compute_cmpxchg(p);
    case INSN_CMPXCHG_PAIR: return compute_cmpxchg8b(p);
    case INSN_XADD: return compute_xadd(p);
    case INSN_STOS:
    case INSN_MOVS: return compute_string(p);
    default: break;
    }
    if (p->in.op < INSN_ADD || p->in.op > INSN_BTC)
        return EFFECT_REFUSED;
    return alu_compute(p->in.op, p->bytes, &p->value, source_value(p), &p->next.rflags)
               ? EFFECT_MODIFY
               : EFFECT_NONE;
}

/* One attempt: reads the entry, computes, writes. -EAGAIN when the entry moved meanwhile. */
static int attempt(struct ptwr *p)
{
    uint64_t gva = p->address & ~7UL, old = 0, new;
    unsigned shift = (p->address & 7) * 8;
    uint64_t mask = bytes_mask(p->bytes) << shift;
    enum effect effect;

    if (pv_emul_pte_read(p->v, gva, &old) != 0)
        return -EFAULT;
    p->value = (old & mask) >> shift;
    effect = compute(p);
    if (effect == EFFECT_REFUSED)
        return -EOPNOTSUPP;
    if (effect == EFFECT_NONE)
        return 0;
    new = (old & ~mask) | p->value << shift;
    return pv_emul_pte_write(p->v, gva, old, new, effect == EFFECT_MODIFY || p->bytes < 8);
}

/* Is the memory operand the one that is written? */
static bool writes_memory(const struct insn *in)
{
    return in->dst.kind == OPERAND_MEM || in->op == INSN_STOS || in->op == INSN_MOVS;
}

static enum emul_code emulate(struct ptwr *p, struct x86_regs *regs, uint64_t fault_address,
                              struct emul_outcome *out)
{
    int result = -EAGAIN;
    bool more;

    if (!writes_memory(&p->in) || p->in.forced)
        return EMUL_UNHANDLED;
    for (int i = 0; i < COMMIT_TRIES && result == -EAGAIN; i++) {
        p->next = *regs;
        if (!locate(p, fault_address))
            return EMUL_UNHANDLED;
        result = attempt(p);
    }
    if (result == -EAGAIN)
        return EMUL_RETRY;
    if (result != 0)
        return EMUL_UNHANDLED;
    more = is_string(p) && (p->in.rep || p->in.repne) &&
           x86_reg_read(&p->next, X86_RCX, p->in.address_bytes) != 0;
    if (!more)
        p->next.rip += p->in.length_bytes;
    *regs = p->next;
    return emul_finish(out, regs, more ? EMUL_RETRY : EMUL_DONE);
}

void ptwr_emulate(struct vcpu *v, struct x86_regs *regs, const struct segment_bases *bases,
                  uint64_t fault_address, struct emul_outcome *out)
{
    struct ptwr p = {.v = v, .bases = bases};
    uint8_t bytes[INSN_BYTES_MAX];
    size_t count = pv_emul_fetch(v, regs->rip, bytes, sizeof(bytes));

    memset(out, 0, sizeof(*out));
    out->code = EMUL_UNHANDLED;
    if (insn_decode(bytes, count, CODE_64, &p.in) != DECODE_OK)
        return;
    out->length_bytes = p.in.length_bytes;
    out->code = emulate(&p, regs, fault_address, out);
}
