/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/decode.c arch/x86/pure/operand.c tests/unit/zydis_compare.c */
/* LIBS: -lZydis */
/* FLAGS: -max_len=24 */
/*
 * The instruction decoder beside Zydis: meaning, length, operands and access size
 * (zydis_compare.h). An instruction that is cut anywhere asks for more and for nothing else, and
 * the forced-emulation prefix changes nothing but the length. Input: a byte for the code mode, the
 * instruction.
 */
#include "fuzz.h"
#include <x86/operand.h>
#include "registers.h"
#include "../unit/zydis_compare.h"

void zydis_differs(const char *what)
{
    fuzz_fail(what, "Zydis", 0);
}

/* With fewer bytes than it takes, the answer is "more", or "no" for what comes after them too. */
static void check_cut(const uint8_t *bytes, enum code_mode mode, unsigned length)
{
    for (unsigned count = 0; count < length; count++) {
        uint8_t *cut = fuzz_exact(bytes, count);
        struct insn in;

        FUZZ_CHECK(insn_decode(cut, count, mode, &in) == DECODE_NEED_BYTES);
        free(cut);
    }
}

static void check_forced(const uint8_t *bytes, enum code_mode mode, const struct insn *plain)
{
    uint8_t forced[INSN_PREFIX_BYTES + ZYDIS_COMPARE_BYTES] = {0x0f, 0x0b, 0x78, 0x65, 0x6e};
    struct insn in;

    memcpy(forced + INSN_PREFIX_BYTES, bytes, ZYDIS_COMPARE_BYTES);
    FUZZ_CHECK(insn_decode(forced, sizeof(forced), mode, &in) == DECODE_OK);
    FUZZ_CHECK(in.forced && in.length_bytes == plain->length_bytes + INSN_PREFIX_BYTES);
    in.forced = false;
    in.length_bytes = plain->length_bytes;
    FUZZ_CHECK(memcmp(&in, plain, sizeof(in)) == 0);
}

/* Where the memory operand lies. */
static void check_address(const uint8_t *bytes, enum code_mode mode, const struct insn *in,
                          struct fuzz_input *input)
{
    static const struct segment_bases bases;
    struct x86_regs regs;
    uint64_t address;

    fill_registers(&regs, fuzz_u64(input));
    if ((in->dst.kind == OPERAND_MEM || in->src.kind == OPERAND_MEM) &&
        zydis_mem_address(bytes, mode, in, &regs, &address))
        FUZZ_CHECK(insn_mem_address(in, &regs, &bases) == address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum code_mode modes[] = {CODE_64, CODE_32, CODE_16};
    static const uint8_t prefix[INSN_PREFIX_BYTES] = {0x0f, 0x0b, 0x78, 0x65, 0x6e};
    struct fuzz_input input = {data, size};
    enum code_mode mode = modes[fuzz_u8(&input) % ARRAY_SIZE(modes)];
    uint8_t bytes[ZYDIS_COMPARE_BYTES];
    struct insn in;

    fuzz_take(&input, bytes, sizeof(bytes));
    if (memcmp(bytes, prefix, sizeof(prefix)) == 0) /* Zydis sees a UD2 there */
        return 0;
    if (zydis_compare(bytes, mode, &in) != DECODE_OK)
        return 0;
    FUZZ_CHECK(in.length_bytes <= sizeof(bytes));
    check_cut(bytes, mode, in.length_bytes);
    check_forced(bytes, mode, &in);
    check_address(bytes, mode, &in, &input);
    return 0;
}
