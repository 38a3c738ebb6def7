/* SPDX-License-Identifier: MIT */
/*
 * Our instruction decoder beside Zydis: what every instruction of ours is called there, and the
 * comparison of one decoded instruction. Relies on Zydis 4.
 */
#include "zydis_compare.h"
#include <stdio.h>
#include <Zydis/Zydis.h>

static const struct {
    ZydisMnemonic zydis;
    uint8_t op;
} meaning[] = {
    {ZYDIS_MNEMONIC_ADD, INSN_ADD},
    {ZYDIS_MNEMONIC_OR, INSN_OR},
    {ZYDIS_MNEMONIC_ADC, INSN_ADC},
    {ZYDIS_MNEMONIC_SBB, INSN_SBB},
    {ZYDIS_MNEMONIC_AND, INSN_AND},
    {ZYDIS_MNEMONIC_SUB, INSN_SUB},
    {ZYDIS_MNEMONIC_XOR, INSN_XOR},
    {ZYDIS_MNEMONIC_CMP, INSN_CMP},
    {ZYDIS_MNEMONIC_TEST, INSN_TEST},
    {ZYDIS_MNEMONIC_INC, INSN_INC},
    {ZYDIS_MNEMONIC_DEC, INSN_DEC},
    {ZYDIS_MNEMONIC_NOT, INSN_NOT},
    {ZYDIS_MNEMONIC_NEG, INSN_NEG},
    {ZYDIS_MNEMONIC_BT, INSN_BT},
    {ZYDIS_MNEMONIC_BTS, INSN_BTS},
    {ZYDIS_MNEMONIC_BTR, INSN_BTR},
    {ZYDIS_MNEMONIC_BTC, INSN_BTC},
    {ZYDIS_MNEMONIC_XADD, INSN_XADD},
    {ZYDIS_MNEMONIC_CMPXCHG, INSN_CMPXCHG},
    {ZYDIS_MNEMONIC_CMPXCHG8B, INSN_CMPXCHG_PAIR},
    {ZYDIS_MNEMONIC_CMPXCHG16B, INSN_CMPXCHG_PAIR},
    {ZYDIS_MNEMONIC_XCHG, INSN_XCHG},
    {ZYDIS_MNEMONIC_MOV, INSN_MOV},
    {ZYDIS_MNEMONIC_MOV, INSN_MOV_CR},
    {ZYDIS_MNEMONIC_MOV, INSN_MOV_DR},
    {ZYDIS_MNEMONIC_MOVNTI, INSN_MOV},
    {ZYDIS_MNEMONIC_MOVZX, INSN_MOVZX},
    {ZYDIS_MNEMONIC_MOVSX, INSN_MOVSX},
    {ZYDIS_MNEMONIC_MOVSXD, INSN_MOVSX},
    {ZYDIS_MNEMONIC_MOVSB, INSN_MOVS},
    {ZYDIS_MNEMONIC_MOVSW, INSN_MOVS},
    {ZYDIS_MNEMONIC_MOVSD, INSN_MOVS},
    {ZYDIS_MNEMONIC_MOVSQ, INSN_MOVS},
    {ZYDIS_MNEMONIC_STOSB, INSN_STOS},
    {ZYDIS_MNEMONIC_STOSW, INSN_STOS},
    {ZYDIS_MNEMONIC_STOSD, INSN_STOS},
    {ZYDIS_MNEMONIC_STOSQ, INSN_STOS},
    {ZYDIS_MNEMONIC_LODSB, INSN_LODS},
    {ZYDIS_MNEMONIC_LODSW, INSN_LODS},
    {ZYDIS_MNEMONIC_LODSD, INSN_LODS},
    {ZYDIS_MNEMONIC_LODSQ, INSN_LODS},
    {ZYDIS_MNEMONIC_CMPSB, INSN_CMPS},
    {ZYDIS_MNEMONIC_CMPSW, INSN_CMPS},
    {ZYDIS_MNEMONIC_CMPSD, INSN_CMPS},
    {ZYDIS_MNEMONIC_CMPSQ, INSN_CMPS},
    {ZYDIS_MNEMONIC_SCASB, INSN_SCAS},
    {ZYDIS_MNEMONIC_SCASW, INSN_SCAS},
    {ZYDIS_MNEMONIC_SCASD, INSN_SCAS},
    {ZYDIS_MNEMONIC_SCASQ, INSN_SCAS},
    {ZYDIS_MNEMONIC_INSB, INSN_INS},
    {ZYDIS_MNEMONIC_INSW, INSN_INS},
    {ZYDIS_MNEMONIC_INSD, INSN_INS},
    {ZYDIS_MNEMONIC_OUTSB, INSN_OUTS},
    {ZYDIS_MNEMONIC_OUTSW, INSN_OUTS},
    {ZYDIS_MNEMONIC_OUTSD, INSN_OUTS},
    {ZYDIS_MNEMONIC_IN, INSN_IN},
    {ZYDIS_MNEMONIC_OUT, INSN_OUT},
    {ZYDIS_MNEMONIC_CLI, INSN_CLI},
    {ZYDIS_MNEMONIC_STI, INSN_STI},
    {ZYDIS_MNEMONIC_HLT, INSN_HLT},
    {ZYDIS_MNEMONIC_INVD, INSN_INVD},
    {ZYDIS_MNEMONIC_WBINVD, INSN_WBINVD},
    {ZYDIS_MNEMONIC_CLTS, INSN_CLTS},
    {ZYDIS_MNEMONIC_LMSW, INSN_LMSW},
    {ZYDIS_MNEMONIC_SMSW, INSN_SMSW},
    {ZYDIS_MNEMONIC_INVLPG, INSN_INVLPG},
    {ZYDIS_MNEMONIC_RDMSR, INSN_RDMSR},
    {ZYDIS_MNEMONIC_WRMSR, INSN_WRMSR},
    {ZYDIS_MNEMONIC_RDTSC, INSN_RDTSC},
    {ZYDIS_MNEMONIC_RDTSCP, INSN_RDTSCP},
    {ZYDIS_MNEMONIC_RDPMC, INSN_RDPMC},
    {ZYDIS_MNEMONIC_XGETBV, INSN_XGETBV},
    {ZYDIS_MNEMONIC_XSETBV, INSN_XSETBV},
    {ZYDIS_MNEMONIC_CPUID, INSN_CPUID},
    {ZYDIS_MNEMONIC_SGDT, INSN_SGDT},
    {ZYDIS_MNEMONIC_SIDT, INSN_SIDT},
    {ZYDIS_MNEMONIC_LGDT, INSN_LGDT},
    {ZYDIS_MNEMONIC_LIDT, INSN_LIDT},
    {ZYDIS_MNEMONIC_SLDT, INSN_SLDT},
    {ZYDIS_MNEMONIC_STR, INSN_STR},
    {ZYDIS_MNEMONIC_LLDT, INSN_LLDT},
    {ZYDIS_MNEMONIC_LTR, INSN_LTR},
    {ZYDIS_MNEMONIC_SWAPGS, INSN_SWAPGS},
    {ZYDIS_MNEMONIC_MONITOR, INSN_MONITOR},
    {ZYDIS_MNEMONIC_MWAIT, INSN_MWAIT},
    {ZYDIS_MNEMONIC_VMCALL, INSN_VMCALL},
    {ZYDIS_MNEMONIC_VMMCALL, INSN_VMMCALL},
    {ZYDIS_MNEMONIC_PUSHF, INSN_PUSHF},
    {ZYDIS_MNEMONIC_PUSHFD, INSN_PUSHF},
    {ZYDIS_MNEMONIC_PUSHFQ, INSN_PUSHF},
    {ZYDIS_MNEMONIC_POPF, INSN_POPF},
    {ZYDIS_MNEMONIC_POPFD, INSN_POPF},
    {ZYDIS_MNEMONIC_POPFQ, INSN_POPF},
    {ZYDIS_MNEMONIC_IRET, INSN_IRET},
    {ZYDIS_MNEMONIC_IRETD, INSN_IRET},
    {ZYDIS_MNEMONIC_IRETQ, INSN_IRET},
    {ZYDIS_MNEMONIC_INT, INSN_INT},
    {ZYDIS_MNEMONIC_INT1, INSN_INT1},
    {ZYDIS_MNEMONIC_INT3, INSN_INT3},
    {ZYDIS_MNEMONIC_INTO, INSN_INTO},
    {ZYDIS_MNEMONIC_SYSCALL, INSN_SYSCALL},
    {ZYDIS_MNEMONIC_SYSRET, INSN_SYSRET},
    {ZYDIS_MNEMONIC_SYSENTER, INSN_SYSENTER},
    {ZYDIS_MNEMONIC_SYSEXIT, INSN_SYSEXIT},
    {ZYDIS_MNEMONIC_UD2, INSN_UD2},
};

static bool same_meaning(ZydisMnemonic zydis, unsigned op)
{
    for (unsigned i = 0; i < ARRAY_SIZE(meaning); i++)
        if (meaning[i].zydis == zydis && meaning[i].op == op)
            return true;
    return false;
}

/* Mnemonics whose every form with an explicit memory operand we claim to decode. */
static bool ours_with_memory(ZydisMnemonic zydis)
{
    for (unsigned i = 0; i < ARRAY_SIZE(meaning); i++)
        if (meaning[i].zydis == zydis)
            return meaning[i].op < INSN_MOVS;
    return false;
}

/* Number of a general register as instructions count them, high bytes as 0x100 + base. */
static unsigned reg_number(ZydisRegister reg)
{
    if (reg == ZYDIS_REGISTER_NONE)
        return X86_REG_NONE;
    if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
        return 0x100 + (reg - ZYDIS_REGISTER_AH);
    /* Zydis counts SPL and up behind the four high bytes. */
    if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
        return ZydisRegisterGetId(reg) - 4;
    return ZydisRegisterGetId(reg);
}

/* What is being compared, for the message when they differ. */
static struct {
    const uint8_t *bytes;
    enum code_mode mode;
    enum decode_status status;
} now;

static void differ(const char *what)
{
    char text[300];
    int at =
        snprintf(text, sizeof(text), "%s: mode %d status %d bytes", what, now.mode * 8, now.status);

    for (unsigned i = 0; i < ZYDIS_COMPARE_BYTES; i++)
        at += snprintf(text + at, sizeof(text) - at, " %02x", now.bytes[i]);
    zydis_differs(text);
}

#define CHECK(e)        \
    do {                \
        if (!(e))       \
            differ(#e); \
    } while (0)

static void check_memory(const struct insn *in, const ZydisDecodedOperand *z)
{
    bool rip = z->mem.base == ZYDIS_REGISTER_RIP || z->mem.base == ZYDIS_REGISTER_EIP;

    CHECK(in->mem.rip_relative == rip);
    CHECK(rip ? in->mem.base == X86_REG_NONE : in->mem.base == reg_number(z->mem.base));
    CHECK(in->mem.index == reg_number(z->mem.index));
    if (z->mem.index != ZYDIS_REGISTER_NONE)
        CHECK(in->mem.scale == z->mem.scale);
    CHECK(in->mem.disp == z->mem.disp.value);
    CHECK(in->mem.segment == z->mem.segment - ZYDIS_REGISTER_ES);
}

static void check_operand(const struct insn *in, const struct insn_operand *o,
                          const ZydisDecodedOperand *z)
{
    unsigned bits;

    switch (o->kind) {
    case OPERAND_MEM:
        CHECK(z->type == ZYDIS_OPERAND_TYPE_MEMORY);
        check_memory(in, z);
        /* Zydis gives MOVSXD r16 a doubleword source, the manual (which we follow) a word. */
        if (in->op != INSN_INVLPG && !(in->opcode == 0x63 && in->operand_bytes == 2))
            CHECK(o->bytes * 8 == z->size);
        break;
    case OPERAND_REG:
        CHECK(z->type == ZYDIS_OPERAND_TYPE_REGISTER);
        CHECK(o->reg == reg_number(z->reg.value));
        if (!(in->opcode == 0x63 && in->operand_bytes == 2))
            CHECK(o->bytes * 8 == z->size);
        break;
    case OPERAND_HIGH_BYTE:
        CHECK(z->type == ZYDIS_OPERAND_TYPE_REGISTER);
        CHECK(0x100u + o->reg == reg_number(z->reg.value));
        break;
    case OPERAND_IMM:
        CHECK(z->type == ZYDIS_OPERAND_TYPE_IMMEDIATE);
        bits = in->opcode == 0xba ? 8 : 8 * MIN(o->bytes, 8);
        CHECK((in->imm ^ z->imm.value.u) << (64 - bits) == 0);
        break;
    case OPERAND_CR:
    case OPERAND_DR:
        CHECK(z->type == ZYDIS_OPERAND_TYPE_REGISTER);
        CHECK(o->reg == ZydisRegisterGetId(z->reg.value));
        break;
    default: break;
    }
}

/* The implicit operand at RSI is the one a segment override applies to. */
static void check_string(const struct insn *in, const ZydisDecodedInstruction *z,
                         const ZydisDecodedOperand *ops)
{
    for (unsigned i = 0; i < z->operand_count; i++) {
        if (ops[i].type != ZYDIS_OPERAND_TYPE_MEMORY)
            continue;
        CHECK(in->operand_bytes * 8 == ops[i].size);
        if (ZydisRegisterGetId(ops[i].mem.base) == X86_RSI)
            CHECK(in->mem.segment == ops[i].mem.segment - ZYDIS_REGISTER_ES);
    }
    CHECK(in->repne == !!(z->attributes & ZYDIS_ATTRIB_HAS_REPNE) || !in->repne ||
          in->op < INSN_CMPS || in->op > INSN_SCAS);
}

static unsigned mem_operand_count(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops)
{
    unsigned n = 0;

    for (unsigned i = 0; i < z->operand_count_visible; i++)
        n += ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY;
    return n;
}

/* Zydis 4.0 takes [disp32 + index] for [r13d + index] when 67 and REX.B meet; objdump agrees with
 * us. */
static bool zydis_mistaken(const struct insn *in)
{
    return in->address_bytes == 4 && in->rex & 1 && in->has_modrm && (in->modrm & 0xc7) == 4 &&
           in->mem.base == X86_REG_NONE;
}

static const ZydisDecoder *decoder_for(enum code_mode mode)
{
    static ZydisDecoder decoders[3];
    static const struct {
        enum code_mode mode;
        ZydisMachineMode machine;
        ZydisStackWidth stack;
    } modes[] = {
        {CODE_64, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64},
        {CODE_32, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32},
        {CODE_16, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16},
    };
    static bool ready;

    for (unsigned i = 0; !ready && i < ARRAY_SIZE(modes); i++) {
        if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoders[i], modes[i].machine, modes[i].stack)))
            zydis_differs("Zydis does not start");
        ZydisDecoderEnableMode(&decoders[i], ZYDIS_DECODER_MODE_AMD_BRANCHES, ZYAN_TRUE);
    }
    ready = true;
    return &decoders[mode == CODE_64 ? 0 : mode == CODE_32 ? 1 : 2];
}

static void compare_decoded(const struct insn *in, const ZydisDecodedInstruction *z,
                            const ZydisDecodedOperand *ops)
{
    CHECK(same_meaning(z->mnemonic, in->op));
    CHECK(in->length_bytes == z->length);
    CHECK(in->address_bytes * 8 == z->address_width);
    CHECK(in->lock == !!(z->attributes & ZYDIS_ATTRIB_HAS_LOCK));
    if (in->dst.kind != OPERAND_NONE)
        check_operand(in, &in->dst, &ops[0]);
    if (in->src.kind != OPERAND_NONE)
        check_operand(in, &in->src, &ops[1]);
    if (in->op >= INSN_MOVS && in->op <= INSN_OUTS)
        check_string(in, z, ops);
}

enum decode_status zydis_compare(const uint8_t *bytes, enum code_mode mode, struct insn *in)
{
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction z;
    enum decode_status status = insn_decode(bytes, ZYDIS_COMPARE_BYTES, mode, in);
    bool zydis_ok = ZYAN_SUCCESS(
        ZydisDecoderDecodeFull(decoder_for(mode), bytes, ZYDIS_COMPARE_BYTES, &z, ops));

    now.bytes = bytes;
    now.mode = mode;
    now.status = status;
    CHECK(status != DECODE_NEED_BYTES);
    if (status == DECODE_INVALID)
        CHECK(!zydis_ok);
    if (status == DECODE_UNKNOWN)
        CHECK(!zydis_ok || !ours_with_memory(z.mnemonic) || mem_operand_count(&z, ops) == 0 ||
              in->opcode == 0x8c || in->opcode == 0x8e);
    if (status != DECODE_OK || zydis_mistaken(in))
        return status;
    CHECK(zydis_ok);
    compare_decoded(in, &z, ops);
    return status;
}

bool zydis_mem_address(const uint8_t *bytes, enum code_mode mode, const struct insn *in,
                       const struct x86_regs *regs, uint64_t *address)
{
    const uint64_t values[] = {regs->rax, regs->rcx, regs->rdx, regs->rbx, regs->rsp, regs->rbp,
                               regs->rsi, regs->rdi, regs->r8,  regs->r9,  regs->r10, regs->r11,
                               regs->r12, regs->r13, regs->r14, regs->r15};
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    static ZydisRegisterContext context;
    ZydisDecodedInstruction z;

    if (zydis_mistaken(in) || !ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder_for(mode), bytes,
                                                                   ZYDIS_COMPARE_BYTES, &z, ops)))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
        context.values[ZYDIS_REGISTER_RAX + i] = values[i];
        context.values[ZYDIS_REGISTER_EAX + i] = (uint32_t)values[i];
        context.values[ZYDIS_REGISTER_AX + i] = (uint16_t)values[i];
    }
    for (unsigned i = 0; i < z.operand_count_visible; i++)
        if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
            return ZYAN_SUCCESS(
                ZydisCalcAbsoluteAddressEx(&z, &ops[i], regs->rip, &context, address));
    return false;
}
