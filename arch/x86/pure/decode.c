/* SPDX-License-Identifier: MIT */
/*
 * The instruction decoder behind x86/decode.h: prefixes, opcode maps, ModRM and SIB, immediates.
 * Relies on opcode_table.h for what each opcode is; compared against Zydis by
 * tests/unit/test_decode_zydis.c.
 */
#include <kr/string.h>
#include <x86/decode.h>
#include "opcode_table.h"

#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

static const uint8_t forced_prefix[INSN_PREFIX_BYTES] = {0x0f, 0x0b, 0x78, 0x65, 0x6e};

/* Reading position. `stop` stays DECODE_OK until a read goes past what there is or may be. */
struct cursor {
    const uint8_t *bytes;
    size_t count, at, limit;
    enum decode_status stop;
};

static bool cursor_has(struct cursor *c, size_t bytes)
{
    if (c->at + bytes > c->limit)
        c->stop = DECODE_INVALID;
    else if (c->at + bytes > c->count)
        c->stop = DECODE_NEED_BYTES;
    return c->stop == DECODE_OK;
}

static uint8_t cursor_byte(struct cursor *c)
{
    return cursor_has(c, 1) ? c->bytes[c->at++] : 0;
}

static int64_t cursor_signed(struct cursor *c, unsigned bytes)
{
    uint64_t value = 0;

    if (bytes == 0 || !cursor_has(c, bytes))
        return 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)c->bytes[c->at++] << (8 * i);
    if (bytes < 8 && value >> (8 * bytes - 1))
        value |= ~0UL << (8 * bytes);
    return value;
}

/* What the prefixes ask for, before it is known what they apply to. */
struct prefixes {
    enum code_mode mode;
    uint8_t segment; /* override, or X86_REG_NONE */
};

/* In 64-bit mode the overrides of ES, CS, SS and DS do nothing. */
static void segment_override(struct prefixes *p, enum x86_segment segment)
{
    if (p->mode != CODE_64 || segment >= X86_FS)
        p->segment = segment;
}

static bool legacy_prefix(uint8_t byte, struct prefixes *p, struct insn *out)
{
    switch (byte) {
    case 0x26: segment_override(p, X86_ES); return true;
    case 0x2e: segment_override(p, X86_CS); return true;
    case 0x36: segment_override(p, X86_SS); return true;
    case 0x3e: segment_override(p, X86_DS); return true;
    case 0x64: segment_override(p, X86_FS); return true;
    case 0x65: segment_override(p, X86_GS); return true;
    case 0x66: out->operand_prefix = true; return true;
    case 0x67: out->address_prefix = true; return true;
    case 0xf0: out->lock = true; return true;
    case 0xf2:
    case 0xf3:
        out->repne = byte == 0xf2;
        out->rep = byte == 0xf3;
        return true;
    default: return false;
    }
}

/* Consumes prefixes and returns the first opcode byte. A REX byte counts only right before it. */
static uint8_t take_prefixes(struct cursor *c, struct prefixes *p, struct insn *out)
{
    for (;;) {
        uint8_t byte = cursor_byte(c);

        if (c->stop != DECODE_OK)
            return 0;
        if (legacy_prefix(byte, p, out))
            out->rex = 0;
        else if (p->mode == CODE_64 && (byte & 0xf0) == 0x40)
            out->rex = byte;
        else
            return byte;
    }
}

static void set_address_size(struct insn *out, enum code_mode mode)
{
    if (mode == CODE_64)
        out->address_bytes = out->address_prefix ? 4 : 8;
    else
        out->address_bytes = (mode == CODE_32) != out->address_prefix ? 4 : 2;
}

static void set_operand_size(struct insn *out, enum code_mode mode, unsigned flags)
{
    if (flags & BYTE)
        out->operand_bytes = 1;
    else if (mode == CODE_64 && (out->rex & REX_W || (flags & WIDE && !out->operand_prefix)))
        out->operand_bytes = 8;
    else
        out->operand_bytes = flags & PLAIN || (mode != CODE_16) != out->operand_prefix ? 4 : 2;
}

static void set_segment(struct insn *out, const struct prefixes *p, bool stack)
{
    if (p->segment != X86_REG_NONE)
        out->mem.segment = p->segment;
    else
        out->mem.segment = stack ? X86_SS : X86_DS;
}

static void decode_memory_16(struct cursor *c, const struct prefixes *p, struct insn *out)
{
    static const uint8_t base[] = {X86_RBX, X86_RBX, X86_RBP, X86_RBP,
                                   X86_RSI, X86_RDI, X86_RBP, X86_RBX};
    static const uint8_t index[] = {X86_RSI, X86_RDI, X86_RSI, X86_RDI};
    unsigned mod = out->modrm >> 6, rm = out->modrm & 7;

    if (mod == 0 && rm == 6) {
        out->mem.disp = cursor_signed(c, 2);
    } else {
        out->mem.base = base[rm];
        if (rm < 4)
            out->mem.index = index[rm];
        out->mem.disp = cursor_signed(c, mod);
    }
    set_segment(out, p, out->mem.base == X86_RBP);
}

/* Returns the base register field; with mod 0, five means a displacement without a base. */
static unsigned decode_sib(struct cursor *c, struct insn *out)
{
    uint8_t sib = cursor_byte(c);
    unsigned index = ((sib >> 3) & 7) | (out->rex & REX_X ? 8 : 0);

    if (index != X86_RSP) {
        out->mem.index = index;
        out->mem.scale = 1 << (sib >> 6);
    }
    return sib & 7;
}

static void decode_memory(struct cursor *c, const struct prefixes *p, struct insn *out)
{
    unsigned mod = out->modrm >> 6, base = out->modrm & 7;
    bool sib = base == 4;

    if (out->address_bytes == 2) {
        decode_memory_16(c, p, out);
        return;
    }
    if (sib)
        base = decode_sib(c, out);
    if (mod == 0 && base == 5) {
        out->mem.disp = cursor_signed(c, 4);
        out->mem.rip_relative = !sib && p->mode == CODE_64;
    } else {
        out->mem.base = base | (out->rex & REX_B ? 8 : 0);
        out->mem.disp = cursor_signed(c, mod == 1 ? 1 : mod == 2 ? 4 : 0);
    }
    set_segment(out, p, out->mem.base == X86_RSP || out->mem.base == X86_RBP);
}

static struct insn_operand operand_register(const struct insn *in, unsigned reg, unsigned bytes)
{
    if (bytes == 1 && in->rex == 0 && reg >= 4)
        return (struct insn_operand){OPERAND_HIGH_BYTE, reg - 4, 1};
    return (struct insn_operand){OPERAND_REG, reg, bytes};
}

static struct insn_operand operand_g(const struct insn *in)
{
    unsigned reg = ((in->modrm >> 3) & 7) | (in->rex & REX_R ? 8 : 0);

    return operand_register(in, reg, in->operand_bytes);
}

static unsigned e_size(const struct insn *in, unsigned flags, bool memory)
{
    if (flags & SRC_8)
        return 1;
    if (flags & WORD || (flags & MEM_WORD && memory))
        return 2;
    if (flags & SRC_32)
        return MIN(in->operand_bytes, 4);
    if (flags & PAIR)
        return in->operand_bytes == 8 ? 16 : 8;
    return flags & NO_SIZE ? 0 : in->operand_bytes;
}

static struct insn_operand operand_e(struct cursor *c, const struct prefixes *p,
                                     const struct opcode *op, struct insn *out)
{
    bool memory = out->modrm < 0xc0;
    unsigned bytes = e_size(out, op->flags, memory);

    if (op->flags & TABLE)
        bytes = p->mode == CODE_64 ? 10 : 6;
    if (!memory)
        return operand_register(out, (out->modrm & 7) | (out->rex & REX_B ? 8 : 0), bytes);
    decode_memory(c, p, out);
    return (struct insn_operand){.kind = OPERAND_MEM, .bytes = bytes};
}

static void take_immediate(struct cursor *c, struct insn *out, unsigned bytes)
{
    out->imm = cursor_signed(c, bytes);
}

static enum decode_status decode_system_move(const struct prefixes *p, const struct opcode *op,
                                             struct insn *out)
{
    unsigned sys = ((out->modrm >> 3) & 7) | (out->rex & REX_R ? 8 : 0);
    unsigned bytes = p->mode == CODE_64 ? 8 : 4;
    struct insn_operand general = {OPERAND_REG, (out->modrm & 7) | (out->rex & REX_B ? 8 : 0),
                                   bytes};
    struct insn_operand system = {op->flags & CR ? OPERAND_CR : OPERAND_DR, sys, bytes};
    /* CR0, 2, 3, 4, 8 exist, and all of DR0..7. */
    unsigned exist = op->flags & CR ? 0x11d : 0xff;

    if (!(exist >> sys & 1))
        return DECODE_INVALID;
    out->operand_bytes = bytes;
    out->dst = op->form == F_FROM_SYS ? general : system;
    out->src = op->form == F_FROM_SYS ? system : general;
    return DECODE_OK;
}

static void decode_port(struct cursor *c, const struct opcode *op, struct insn *out)
{
    bool in = op->form == F_IN_IMM || op->form == F_IN_DX;
    bool immediate = op->form == F_IN_IMM || op->form == F_OUT_IMM;
    struct insn_operand port = {OPERAND_REG, X86_RDX, 2}, data;

    out->operand_bytes = MIN(out->operand_bytes, 4);
    data = (struct insn_operand){OPERAND_REG, X86_RAX, out->operand_bytes};
    if (immediate) {
        out->imm = cursor_byte(c);
        port = (struct insn_operand){.kind = OPERAND_IMM, .bytes = 1};
    }
    out->dst = in ? data : port;
    out->src = in ? port : data;
}

static void decode_absolute(struct cursor *c, const struct prefixes *p, const struct opcode *op,
                            struct insn *out)
{
    struct insn_operand acc = {OPERAND_REG, X86_RAX, out->operand_bytes};
    struct insn_operand memory = {.kind = OPERAND_MEM, .bytes = out->operand_bytes};

    out->mem.disp = cursor_signed(c, out->address_bytes);
    set_segment(out, p, false);
    out->dst = op->form == F_A_MOFFS ? acc : memory;
    out->src = op->form == F_A_MOFFS ? memory : acc;
}

static enum decode_status decode_operands(struct cursor *c, const struct prefixes *p,
                                          const struct opcode *op, struct insn *out)
{
    switch (op->form) {
    case F_E: out->dst = operand_e(c, p, op, out); break;
    case F_E_G:
        out->dst = operand_e(c, p, op, out);
        out->src = operand_g(out);
        break;
    case F_G_E:
        out->dst = operand_g(out);
        out->src = operand_e(c, p, op, out);
        break;
    case F_E_IMM:
    case F_E_IMM8:
        out->dst = operand_e(c, p, op, out);
        out->src = (struct insn_operand){.kind = OPERAND_IMM, .bytes = out->operand_bytes};
        take_immediate(c, out, op->form == F_E_IMM8 ? 1 : MIN(out->operand_bytes, 4));
        break;
    case F_IMM8: out->imm = cursor_byte(c); break;
    case F_A_MOFFS:
    case F_MOFFS_A: decode_absolute(c, p, op, out); break;
    case F_STRING:
        if (out->op == INSN_INS || out->op == INSN_OUTS)
            out->operand_bytes = MIN(out->operand_bytes, 4);
        set_segment(out, p, false);
        break;
    case F_IN_IMM:
    case F_IN_DX:
    case F_OUT_IMM:
    case F_OUT_DX: decode_port(c, op, out); break;
    case F_FROM_SYS:
    case F_TO_SYS: return decode_system_move(p, op, out);
    default: break;
    }
    return DECODE_OK;
}

/* 0f 01 with a register: most are instructions without operands, told apart by the whole byte. */
static enum decode_status select_group_7(const struct prefixes *p, struct opcode *op,
                                         const struct insn *in)
{
    unsigned reg = (in->modrm >> 3) & 7;

    if (in->modrm < 0xc0 || reg == 4 || reg == 6) {
        *op = group_map[GROUP_7][reg];
        return op->op == INSN_NONE ? DECODE_UNKNOWN : DECODE_OK;
    }
    if (in->operand_prefix || in->rep || in->repne)
        return DECODE_UNKNOWN;
    for (unsigned i = 0; i < ARRAY_SIZE(group_7_registers); i++) {
        if (group_7_registers[i].modrm != in->modrm)
            continue;
        if (group_7_registers[i].only_64 && p->mode != CODE_64)
            return DECODE_INVALID;
        *op = (struct opcode){group_7_registers[i].op, F_NONE, 0};
        return DECODE_OK;
    }
    return DECODE_UNKNOWN;
}

static enum decode_status select_group(const struct prefixes *p, struct opcode *op,
                                       const struct insn *in)
{
    unsigned outer_flags = op->flags;

    if (op->form == F_GROUP_7)
        return select_group_7(p, op, in);
    *op = group_map[op->op][(in->modrm >> 3) & 7];
    if (op->op == INSN_NONE)
        return DECODE_UNKNOWN;
    if (op->form == F_NONE)
        op->form = in->opcode == 0x83 ? F_E_IMM8 : F_E_IMM;
    op->flags |= outer_flags;
    return DECODE_OK;
}

static bool form_has_modrm(unsigned form)
{
    return (form >= F_E && form <= F_E_IMM8) || form >= F_FROM_SYS;
}

/* Rules that hold for every instruction, once its operands are known. */
static enum decode_status check_legal(const struct prefixes *p, const struct opcode *op,
                                      const struct insn *in)
{
    if (op->flags & NOT_64 && p->mode == CODE_64)
        return DECODE_INVALID;
    if (op->flags & MEM && in->modrm >= 0xc0)
        return DECODE_INVALID;
    if (in->lock && !(op->flags & LOCK && in->dst.kind == OPERAND_MEM))
        return DECODE_INVALID;
    return DECODE_OK;
}

static enum decode_status decode_body(struct cursor *c, struct insn *out, enum code_mode mode)
{
    struct prefixes p = {.mode = mode, .segment = X86_REG_NONE};
    enum decode_status status;
    struct opcode op;

    out->opcode = take_prefixes(c, &p, out);
    if (out->opcode == 0x0f && c->stop == DECODE_OK) {
        out->two_byte = true;
        out->opcode = cursor_byte(c);
    }
    if (c->stop != DECODE_OK)
        return c->stop;
    op = out->two_byte ? two_byte_map[out->opcode] : one_byte_map[out->opcode];
    if (form_has_modrm(op.form)) {
        out->has_modrm = true;
        out->modrm = cursor_byte(c);
        if (c->stop != DECODE_OK)
            return c->stop;
    }
    if (op.form == F_GROUP || op.form == F_GROUP_7) {
        status = select_group(&p, &op, out);
        if (status != DECODE_OK)
            return status;
    }
    if (op.op == INSN_NONE || (op.flags & ONLY_64 && mode != CODE_64))
        return DECODE_UNKNOWN;
    if (op.flags & PLAIN && (out->operand_prefix || out->rep || out->repne))
        return DECODE_UNKNOWN;
    out->op = op.op;
    set_address_size(out, mode);
    set_operand_size(out, mode, op.flags);
    status = decode_operands(c, &p, &op, out);
    if (status == DECODE_OK)
        status = check_legal(&p, &op, out);
    return c->stop != DECODE_OK ? c->stop : status;
}

enum decode_status insn_decode(const uint8_t *bytes, size_t count, enum code_mode mode,
                               struct insn *out)
{
    struct cursor c = {.bytes = bytes, .count = MIN(count, INSN_BYTES_MAX), .limit = 15};
    enum decode_status status;

    memset(out, 0, sizeof(*out));
    out->mem.base = out->mem.index = X86_REG_NONE;
    out->mem.scale = 1;
    if (count >= sizeof(forced_prefix) &&
        memcmp(bytes, forced_prefix, sizeof(forced_prefix)) == 0) {
        out->forced = true;
        c.at = sizeof(forced_prefix);
        c.limit += sizeof(forced_prefix);
    }
    status = decode_body(&c, out, mode);
    out->length_bytes = c.at;
    return status;
}
