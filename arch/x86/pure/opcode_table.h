/* SPDX-License-Identifier: MIT */
/*
 * The decoder's opcode maps (Intel SDM volume 2 appendix A): what each opcode is, how its operands
 * are encoded and which encodings are illegal. Included by decode.c alone. An empty entry means
 * "not one of ours".
 */
#pragma once

#include <x86/decode.h>

/* How operands are encoded. E is the ModRM register-or-memory operand, G its register. */
enum form {
    F_NONE,
    F_E,       /* dst = E */
    F_E_G,     /* dst = E, src = G */
    F_G_E,     /* dst = G, src = E */
    F_E_IMM,   /* dst = E, immediate of the operand size (32 bits at most) */
    F_E_IMM8,  /* dst = E, sign-extended byte */
    F_A_MOFFS, /* accumulator from an absolute address */
    F_MOFFS_A,
    F_STRING,
    F_IMM8,   /* immediate byte only */
    F_IN_IMM, /* accumulator and port */
    F_IN_DX,
    F_OUT_IMM,
    F_OUT_DX,
    F_FROM_SYS, /* control or debug register to general register */
    F_TO_SYS,
    F_GROUP,   /* op is an index of group_map; ModRM.reg selects */
    F_GROUP_7, /* 0f 01: register forms are instructions of their own */
};

enum {
    BYTE = 1 << 0,     /* operands are bytes */
    LOCK = 1 << 1,     /* LOCK is legal with a memory destination */
    NOT_64 = 1 << 2,   /* #UD in 64-bit mode */
    WIDE = 1 << 3,     /* operand size is 64 bits by default in 64-bit mode */
    MEM = 1 << 4,      /* #UD with a register operand */
    PLAIN = 1 << 5,    /* 66, f2, f3 make another instruction of it; a doubleword at least */
    SRC_8 = 1 << 6,    /* E is a byte though the operand size is not */
    WORD = 1 << 7,     /* E is a word */
    MEM_WORD = 1 << 8, /* E is a word if it is memory */
    SRC_32 = 1 << 9,   /* E is a doubleword at most */
    TABLE = 1 << 10,   /* E is a descriptor-table pointer */
    NO_SIZE = 1 << 11, /* E is an address, not data */
    CR = 1 << 12,
    DR = 1 << 13,
    ONLY_64 = 1 << 14, /* means something else outside 64-bit mode */
    PAIR = 1 << 15,    /* E is twice the operand size */
};

struct opcode {
    uint8_t op, form;
    uint16_t flags;
};

enum group { GROUP_ALU, GROUP_MOV, GROUP_UNARY, GROUP_INC, GROUP_6, GROUP_7, GROUP_BIT, GROUP_9 };

/* A group entry with form F_NONE takes the form of the opcode that led to it. */
static const struct opcode group_map[][8] = {
    [GROUP_ALU] = {{INSN_ADD, 0, LOCK},
                   {INSN_OR, 0, LOCK},
                   {INSN_ADC, 0, LOCK},
                   {INSN_SBB, 0, LOCK},
                   {INSN_AND, 0, LOCK},
                   {INSN_SUB, 0, LOCK},
                   {INSN_XOR, 0, LOCK},
                   {INSN_CMP, 0, 0}},
    [GROUP_MOV] = {{INSN_MOV, F_E_IMM, 0}},
    [GROUP_UNARY] = {{INSN_TEST, F_E_IMM, 0},
                     {INSN_TEST, F_E_IMM, 0},
                     {INSN_NOT, F_E, LOCK},
                     {INSN_NEG, F_E, LOCK}},
    [GROUP_INC] = {{INSN_INC, F_E, LOCK}, {INSN_DEC, F_E, LOCK}},
    [GROUP_6] = {{INSN_SLDT, F_E, MEM_WORD},
                 {INSN_STR, F_E, MEM_WORD},
                 {INSN_LLDT, F_E, WORD},
                 {INSN_LTR, F_E, WORD}},
    [GROUP_7] = {{INSN_SGDT, F_E, MEM | TABLE},
                 {INSN_SIDT, F_E, MEM | TABLE},
                 {INSN_LGDT, F_E, MEM | TABLE},
                 {INSN_LIDT, F_E, MEM | TABLE},
                 {INSN_SMSW, F_E, MEM_WORD},
                 {0, 0, 0},
                 {INSN_LMSW, F_E, WORD},
                 {INSN_INVLPG, F_E, MEM | NO_SIZE}},
    [GROUP_BIT] = {[4] = {INSN_BT, F_E_IMM8, 0},
                   {INSN_BTS, F_E_IMM8, LOCK},
                   {INSN_BTR, F_E_IMM8, LOCK},
                   {INSN_BTC, F_E_IMM8, LOCK}},
    [GROUP_9] = {[1] = {INSN_CMPXCHG_PAIR, F_E, LOCK | MEM | PAIR}},
};

#define ALU_ROW(base, name, lock)                                              \
    [base + 0] = {name, F_E_G, BYTE | lock}, [base + 1] = {name, F_E_G, lock}, \
            [base + 2] = {name, F_G_E, BYTE}, [base + 3] = {name, F_G_E, 0}

static const struct opcode one_byte_map[256] = {
    ALU_ROW(0x00, INSN_ADD, LOCK),
    ALU_ROW(0x08, INSN_OR, LOCK),
    ALU_ROW(0x10, INSN_ADC, LOCK),
    ALU_ROW(0x18, INSN_SBB, LOCK),
    ALU_ROW(0x20, INSN_AND, LOCK),
    ALU_ROW(0x28, INSN_SUB, LOCK),
    ALU_ROW(0x30, INSN_XOR, LOCK),
    ALU_ROW(0x38, INSN_CMP, 0),
    [0x63] = {INSN_MOVSX, F_G_E, SRC_32 | ONLY_64},
    [0x6c] = {INSN_INS, F_STRING, BYTE},
    [0x6d] = {INSN_INS, F_STRING, 0},
    [0x6e] = {INSN_OUTS, F_STRING, BYTE},
    [0x6f] = {INSN_OUTS, F_STRING, 0},
    [0x80] = {GROUP_ALU, F_GROUP, BYTE},
    [0x81] = {GROUP_ALU, F_GROUP, 0},
    [0x82] = {GROUP_ALU, F_GROUP, BYTE | NOT_64},
    [0x83] = {GROUP_ALU, F_GROUP, 0},
    [0x84] = {INSN_TEST, F_E_G, BYTE},
    [0x85] = {INSN_TEST, F_E_G, 0},
    [0x86] = {INSN_XCHG, F_E_G, BYTE | LOCK},
    [0x87] = {INSN_XCHG, F_E_G, LOCK},
    [0x88] = {INSN_MOV, F_E_G, BYTE},
    [0x89] = {INSN_MOV, F_E_G, 0},
    [0x8a] = {INSN_MOV, F_G_E, BYTE},
    [0x8b] = {INSN_MOV, F_G_E, 0},
    [0x9c] = {INSN_PUSHF, F_NONE, WIDE},
    [0x9d] = {INSN_POPF, F_NONE, WIDE},
    [0xa0] = {INSN_MOV, F_A_MOFFS, BYTE},
    [0xa1] = {INSN_MOV, F_A_MOFFS, 0},
    [0xa2] = {INSN_MOV, F_MOFFS_A, BYTE},
    [0xa3] = {INSN_MOV, F_MOFFS_A, 0},
    [0xa4] = {INSN_MOVS, F_STRING, BYTE},
    [0xa5] = {INSN_MOVS, F_STRING, 0},
    [0xa6] = {INSN_CMPS, F_STRING, BYTE},
    [0xa7] = {INSN_CMPS, F_STRING, 0},
    [0xaa] = {INSN_STOS, F_STRING, BYTE},
    [0xab] = {INSN_STOS, F_STRING, 0},
    [0xac] = {INSN_LODS, F_STRING, BYTE},
    [0xad] = {INSN_LODS, F_STRING, 0},
    [0xae] = {INSN_SCAS, F_STRING, BYTE},
    [0xaf] = {INSN_SCAS, F_STRING, 0},
    [0xc6] = {GROUP_MOV, F_GROUP, BYTE},
    [0xc7] = {GROUP_MOV, F_GROUP, 0},
    [0xcc] = {INSN_INT3, F_NONE, 0},
    [0xcd] = {INSN_INT, F_IMM8, 0},
    [0xce] = {INSN_INTO, F_NONE, NOT_64},
    [0xcf] = {INSN_IRET, F_NONE, 0},
    [0xe4] = {INSN_IN, F_IN_IMM, BYTE},
    [0xe5] = {INSN_IN, F_IN_IMM, 0},
    [0xe6] = {INSN_OUT, F_OUT_IMM, BYTE},
    [0xe7] = {INSN_OUT, F_OUT_IMM, 0},
    [0xec] = {INSN_IN, F_IN_DX, BYTE},
    [0xed] = {INSN_IN, F_IN_DX, 0},
    [0xee] = {INSN_OUT, F_OUT_DX, BYTE},
    [0xef] = {INSN_OUT, F_OUT_DX, 0},
    [0xf1] = {INSN_INT1, F_NONE, 0},
    [0xf4] = {INSN_HLT, F_NONE, 0},
    [0xf6] = {GROUP_UNARY, F_GROUP, BYTE},
    [0xf7] = {GROUP_UNARY, F_GROUP, 0},
    [0xfa] = {INSN_CLI, F_NONE, 0},
    [0xfb] = {INSN_STI, F_NONE, 0},
    [0xfe] = {GROUP_INC, F_GROUP, BYTE},
    [0xff] = {GROUP_INC, F_GROUP, 0},
};

static const struct opcode two_byte_map[256] = {
    [0x00] = {GROUP_6, F_GROUP, 0},           [0x01] = {GROUP_7, F_GROUP_7, 0},
    [0x05] = {INSN_SYSCALL, F_NONE, 0},       [0x06] = {INSN_CLTS, F_NONE, 0},
    [0x07] = {INSN_SYSRET, F_NONE, 0},        [0x08] = {INSN_INVD, F_NONE, 0},
    [0x09] = {INSN_WBINVD, F_NONE, 0},        [0x0b] = {INSN_UD2, F_NONE, 0},
    [0x20] = {INSN_MOV_CR, F_FROM_SYS, CR},   [0x21] = {INSN_MOV_DR, F_FROM_SYS, DR},
    [0x22] = {INSN_MOV_CR, F_TO_SYS, CR},     [0x23] = {INSN_MOV_DR, F_TO_SYS, DR},
    [0x30] = {INSN_WRMSR, F_NONE, 0},         [0x31] = {INSN_RDTSC, F_NONE, 0},
    [0x32] = {INSN_RDMSR, F_NONE, 0},         [0x33] = {INSN_RDPMC, F_NONE, 0},
    [0x34] = {INSN_SYSENTER, F_NONE, 0},      [0x35] = {INSN_SYSEXIT, F_NONE, 0},
    [0xa2] = {INSN_CPUID, F_NONE, 0},         [0xa3] = {INSN_BT, F_E_G, 0},
    [0xab] = {INSN_BTS, F_E_G, LOCK},         [0xb0] = {INSN_CMPXCHG, F_E_G, BYTE | LOCK},
    [0xb1] = {INSN_CMPXCHG, F_E_G, LOCK},     [0xb3] = {INSN_BTR, F_E_G, LOCK},
    [0xb6] = {INSN_MOVZX, F_G_E, SRC_8},      [0xb7] = {INSN_MOVZX, F_G_E, WORD},
    [0xba] = {GROUP_BIT, F_GROUP, 0},         [0xbb] = {INSN_BTC, F_E_G, LOCK},
    [0xbe] = {INSN_MOVSX, F_G_E, SRC_8},      [0xbf] = {INSN_MOVSX, F_G_E, WORD},
    [0xc0] = {INSN_XADD, F_E_G, BYTE | LOCK}, [0xc1] = {INSN_XADD, F_E_G, LOCK},
    [0xc3] = {INSN_MOV, F_E_G, MEM | PLAIN},  [0xc7] = {GROUP_9, F_GROUP, 0},
};

/* 0f 01 with a register form, by the whole ModRM byte; plain encodings only. */
static const struct {
    uint8_t modrm, op;
    bool only_64;
} group_7_registers[] = {
    {0xc1, INSN_VMCALL, false}, {0xc8, INSN_MONITOR, false}, {0xc9, INSN_MWAIT, false},
    {0xd0, INSN_XGETBV, false}, {0xd1, INSN_XSETBV, false},  {0xd9, INSN_VMMCALL, false},
    {0xf8, INSN_SWAPGS, true},  {0xf9, INSN_RDTSCP, false},
};
