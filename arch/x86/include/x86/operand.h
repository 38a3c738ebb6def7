/* SPDX-License-Identifier: MIT */
/*
 * What instruction emulation shares: guest registers by number, effective addresses, and the
 * integer operations with their flags (Intel SDM volume 1 section 3.4, volume 2). Pure.
 */
#pragma once

#include <x86/decode.h>

/* All ones in the low `bytes` (1..8). */
static inline uint64_t bytes_mask(unsigned bytes)
{
    return ~0UL >> (64 - 8 * bytes);
}

/* A register's low `bytes`, zero-extended. `reg` is an enum x86_reg. */
uint64_t x86_reg_read(const struct x86_regs *regs, unsigned reg, unsigned bytes);
/* As the CPU writes it: 4 bytes clear the upper half, 1 and 2 keep the rest. */
void x86_reg_write(struct x86_regs *regs, unsigned reg, unsigned bytes, uint64_t value);

/* The same for a register operand of a decoded instruction (OPERAND_REG, OPERAND_HIGH_BYTE). */
uint64_t operand_read(const struct x86_regs *regs, const struct insn_operand *operand);
void operand_write(struct x86_regs *regs, const struct insn_operand *operand, uint64_t value);

/* Bases of the two segments that have one in 64-bit mode. */
struct segment_bases {
    uint64_t fs, gs;
};

/* Linear address of the memory operand. regs->rip is the instruction's start. ES, CS, SS and DS
 * count as based at zero. */
uint64_t insn_mem_address(const struct insn *in, const struct x86_regs *regs,
                          const struct segment_bases *bases);
/* The base that the segment of the memory operand adds. */
uint64_t insn_segment_base(const struct insn *in, const struct segment_bases *bases);

/*
 * dst OP src for INSN_ADD … INSN_BTC, `bytes` wide; unary operations ignore src, bit operations
 * take src modulo the width. Stores the result in *dst, updates the arithmetic bits of *flags.
 * Returns false when the operation only sets flags (CMP, TEST, BT), *dst is unchanged then.
 */
bool alu_compute(enum insn_op op, unsigned bytes, uint64_t *dst, uint64_t src, uint64_t *flags);
