/* SPDX-License-Identifier: MIT */
/*
 * Instruction decoder: bytes in, a description of one instruction out (Intel SDM volume 2,
 * chapter 2 and appendix A). Knows what the hypervisor emulates and nothing else:
 *   - privileged and I/O instructions of PV guests,
 *   - integer moves and read-modify-writes with a memory operand (read-only page tables, MMIO).
 * Register-only forms of those that have a ModRM byte decode as well. Pure: no state, no memory
 * access beyond the buffer given.
 */
#pragma once

#include <x86/regs.h>

/* Longest encoding: an instruction (15) behind Xen's forced-emulation prefix (5). */
#define INSN_PREFIX_BYTES 5
#define INSN_BYTES_MAX    (15 + INSN_PREFIX_BYTES)

/* Default sizes of the code segment the instruction runs in. */
enum code_mode { CODE_16 = 2, CODE_32 = 4, CODE_64 = 8 };

enum decode_status {
    DECODE_OK,
    DECODE_NEED_BYTES, /* cut off: fetch more and try again */
    DECODE_UNKNOWN,    /* may be a fine instruction, but not one of ours */
    DECODE_INVALID,    /* the CPU raises #UD, or #GP when it is too long */
};

enum insn_op {
    INSN_NONE,
    /* Integer operations on register or memory; order of the first eight is the opcode map's. */
    INSN_ADD,
    INSN_OR,
    INSN_ADC,
    INSN_SBB,
    INSN_AND,
    INSN_SUB,
    INSN_XOR,
    INSN_CMP,
    INSN_TEST,
    INSN_INC,
    INSN_DEC,
    INSN_NOT,
    INSN_NEG,
    INSN_BT,
    INSN_BTS,
    INSN_BTR,
    INSN_BTC,
    INSN_XADD,
    INSN_CMPXCHG,
    INSN_CMPXCHG_PAIR, /* CMPXCHG8B, or CMPXCHG16B when operand_bytes is 8 */
    INSN_XCHG,
    INSN_MOV, /* also MOVNTI */
    INSN_MOVZX,
    INSN_MOVSX,
    /* String instructions: memory through RSI and RDI, no ModRM. */
    INSN_MOVS,
    INSN_STOS,
    INSN_LODS,
    INSN_CMPS,
    INSN_SCAS,
    INSN_INS,
    INSN_OUTS,
    /* Ports: src (IN) or dst (OUT) is an immediate port number or DX. */
    INSN_IN,
    INSN_OUT,
    /* System instructions. */
    INSN_CLI,
    INSN_STI,
    INSN_HLT,
    INSN_INVD,
    INSN_WBINVD, /* also WBNOINVD */
    INSN_CLTS,
    INSN_MOV_CR, /* dst or src is the control register */
    INSN_MOV_DR,
    INSN_LMSW,
    INSN_SMSW,
    INSN_INVLPG,
    INSN_RDMSR,
    INSN_WRMSR,
    INSN_RDTSC,
    INSN_RDTSCP,
    INSN_RDPMC,
    INSN_XGETBV,
    INSN_XSETBV,
    INSN_CPUID,
    INSN_SGDT,
    INSN_SIDT,
    INSN_LGDT,
    INSN_LIDT,
    INSN_SLDT,
    INSN_STR,
    INSN_LLDT,
    INSN_LTR,
    INSN_SWAPGS,
    INSN_MONITOR,
    INSN_MWAIT,
    INSN_VMCALL,
    INSN_VMMCALL,
    INSN_PUSHF,
    INSN_POPF,
    INSN_IRET,
    INSN_INT, /* imm is the vector */
    INSN_INT1,
    INSN_INT3,
    INSN_INTO,
    INSN_SYSCALL,
    INSN_SYSRET,
    INSN_SYSENTER,
    INSN_SYSEXIT,
    INSN_UD2,
};

enum insn_operand_kind {
    OPERAND_NONE,
    OPERAND_REG,
    OPERAND_HIGH_BYTE, /* AH CH DH BH: reg is the number of RAX RCX RDX RBX */
    OPERAND_MEM,
    OPERAND_IMM,
    OPERAND_CR,
    OPERAND_DR,
};

struct insn_operand {
    uint8_t kind; /* enum insn_operand_kind */
    uint8_t reg;  /* register number where the kind is a register */
    uint8_t bytes;
};

/* address = segment base + base + index * scale + disp, cut to address_bytes before the base of
 * the segment is added. String instructions and XLAT-like implicit operands leave it empty. */
struct insn_mem {
    uint8_t base, index; /* enum x86_reg or X86_REG_NONE */
    uint8_t scale;       /* 1, 2, 4, 8 */
    uint8_t segment;   /* enum x86_segment, after overrides; also the source of string operations */
    bool rip_relative; /* disp counts from the next instruction */
    int64_t disp;
};

struct insn {
    uint8_t op;            /* enum insn_op */
    uint8_t length_bytes;  /* whole, with prefixes */
    uint8_t operand_bytes; /* effective operand size: 1, 2, 4 or 8 */
    uint8_t address_bytes; /* effective address size: 2, 4 or 8 */
    uint8_t opcode;        /* last opcode byte */
    bool two_byte;         /* opcode came after 0f */
    uint8_t rex;           /* 0 when there is none */
    bool has_modrm;
    uint8_t modrm;
    bool lock, rep, repne; /* f0, f3, f2 (of the last two only the later) */
    bool operand_prefix, address_prefix;
    bool forced; /* Xen's forced-emulation prefix stood before it */
    struct insn_operand dst, src;
    struct insn_mem mem;
    int64_t imm; /* sign-extended to the operand size where the instruction does so */
};

/*
 * Decodes the instruction at `bytes`, of which `count` are readable; looks at INSN_BYTES_MAX at
 * most. `out` is complete only with DECODE_OK.
 */
enum decode_status insn_decode(const uint8_t *bytes, size_t count, enum code_mode mode,
                               struct insn *out);
