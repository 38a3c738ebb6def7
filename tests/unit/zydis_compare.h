/* SPDX-License-Identifier: MIT */
/*
 * The decoder against Zydis, for a unit test and a fuzz target (SOURCES:
 * tests/unit/zydis_compare.c, LIBS: -lZydis). Whatever ours accepts, Zydis accepts with the same
 * meaning, length, operands and access size; what ours calls invalid, Zydis refuses; and an
 * instruction of ours that Zydis knows is not missed.
 */
#pragma once

#include <x86/decode.h>

#define ZYDIS_COMPARE_BYTES 15

/* Decodes ZYDIS_COMPARE_BYTES at `bytes` with both, into *in; returns what ours says of them. */
enum decode_status zydis_compare(const uint8_t *bytes, enum code_mode mode, struct insn *in);

/*
 * The address of the memory operand with these registers as Zydis computes it, without the base of
 * a segment; `in` is the instruction as ours understood it. False: it has no such operand, or Zydis
 * is mistaken.
 */
bool zydis_mem_address(const uint8_t *bytes, enum code_mode mode, const struct insn *in,
                       const struct x86_regs *regs, uint64_t *address);

/* Provided by the program: they differ, in `what` and these bytes. Does not return. */
void zydis_differs(const char *what) __noreturn;
