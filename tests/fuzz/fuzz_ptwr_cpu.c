/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/decode.c arch/x86/pure/operand.c arch/x86/pure/alu.c */
/* SOURCES: arch/x86/pure/emulate_ptwr.c tests/fuzz/native.c */
/* FLAGS: -max_len=48 */
/*
 * An emulated store into a page table beside the CPU itself: the same instruction on the same
 * registers and memory leaves the same of both. The registers that address the operand are made to
 * point at it, else hardly any input would.
 * Input: u8 flags, u64 seed of the registers, u16 where in the table, u64 its entry, the code.
 */
#include "guest.h"
#include <x86/emulate_ptwr.h>
#include "native.h"
#include "registers.h"

#define FLAG_EXPECTED 0x01 /* RAX, or RDX and RAX, hold what is in the entry */

static uint64_t fault, entry;

int pv_emul_mem_read(struct vcpu *v, uint64_t gva, void *buffer, unsigned bytes)
{
    const uint8_t *source = native_page(NATIVE_SOURCE);
    uint64_t offset = gva - (uintptr_t)source;

    if (offset > PAGE_SIZE - bytes)
        return -EFAULT;
    memcpy(buffer, source + offset, bytes);
    return 0;
}

int pv_emul_pte_read(struct vcpu *v, uint64_t gva, uint64_t *value)
{
    FUZZ_CHECK(gva == (fault & ~7UL));
    *value = entry;
    return 0;
}

int pv_emul_pte_write(struct vcpu *v, uint64_t gva, uint64_t old, uint64_t new, bool compare)
{
    FUZZ_CHECK(!compare || old == entry);
    entry = new;
    return 0;
}

/* ---- */

/* With a register, a bit operation goes on from the operand by the index that it holds. */
static int64_t bit_displacement(const struct insn *insn, struct x86_regs *regs)
{
    unsigned bytes = insn->dst.bytes;
    int64_t index;

    if (insn->op < INSN_BT || insn->op > INSN_BTC || insn->src.kind != OPERAND_REG)
        return 0;
    index = *register_of(regs, insn->src.reg);
    if (bytes == 2)
        index = (int16_t)index;
    else if (bytes == 4)
        index = (int32_t)index;
    return (index - (int64_t)((uint64_t)index % (bytes * 8))) / 8;
}

/* Makes the instruction's operand lie at the fault's place. False: its form does not let us. */
static bool aim(const struct insn *insn, struct x86_regs *regs)
{
    static const struct segment_bases none;
    uint64_t *base, wanted;

    if (insn->op == INSN_STOS || insn->op == INSN_MOVS) {
        regs->rdi = fault;
        regs->rsi = (uintptr_t)native_page(NATIVE_SOURCE) + regs->rsi % (PAGE_SIZE - 8);
        if (insn->rep || insn->repne)
            regs->rcx = 1;
        return insn->mem.segment < X86_FS;
    }
    if (insn->dst.kind != OPERAND_MEM || insn->mem.segment >= X86_FS ||
        insn->mem.base == X86_REG_NONE || insn->mem.base == insn->mem.index)
        return false;
    base = register_of(regs, insn->mem.base);
    wanted = fault - bit_displacement(insn, regs);
    *base += wanted - insn_mem_address(insn, regs, &none);
    return insn_mem_address(insn, regs, &none) + bit_displacement(insn, regs) == fault;
}

/* Flags that the manual leaves undefined. */
static uint64_t undefined_flags(const struct insn *insn)
{
    switch (insn->op) {
    case INSN_AND:
    case INSN_OR:
    case INSN_XOR:
    case INSN_TEST: return X86_FLAG_AF;
    case INSN_BT:
    case INSN_BTS:
    case INSN_BTR:
    case INSN_BTC: return X86_FLAG_OF | X86_FLAG_SF | X86_FLAG_AF | X86_FLAG_PF;
    default: return 0;
    }
}

/* What is taken when its operand is aligned and in one entry. */
static bool is_supported(const struct insn *insn)
{
    if (insn->op == INSN_STOS || insn->op == INSN_MOVS)
        return true;
    return insn->op >= INSN_ADD && insn->op <= INSN_MOV && insn->dst.bytes <= 8;
}

static void compare(const struct vcpu *v, const struct insn *insn, const struct x86_regs *before,
                    struct x86_regs emulated)
{
    uint64_t *table = (uint64_t *)native_page(NATIVE_TABLE), unchanged = 0x5aa5f00f5aa5f00f;
    struct x86_regs native = *before;
    unsigned at = fault % PAGE_SIZE / 8;

    native_run(v->code, insn->length_bytes, &native);
    FUZZ_CHECK(table[at] == entry);
    for (unsigned i = at ? at - 1 : 0; i < MIN(at + 2, PAGE_SIZE / 8); i++)
        FUZZ_CHECK(i == at || table[i] == unchanged);
    for (unsigned reg = 0; reg < 16; reg++)
        FUZZ_CHECK(*register_of(&native, reg) == *register_of(&emulated, reg));
    FUZZ_CHECK(!((native.rflags ^ emulated.rflags) & X86_FLAG_ARITHMETIC & ~undefined_flags(insn)));
}

/* An operand's own alignment, at the place in the table that the input says. */
static uint64_t choose_fault(const struct insn *insn, uint16_t place)
{
    unsigned bytes = insn->dst.kind == OPERAND_MEM ? insn->dst.bytes : insn->operand_bytes;

    bytes = bytes == 0 || bytes > 8 ? 8 : bytes;
    return (uintptr_t)native_page(NATIVE_TABLE) + place % PAGE_SIZE / bytes * bytes;
}

static void fill_memory(void)
{
    uint64_t *table = (uint64_t *)native_page(NATIVE_TABLE);
    uint8_t *source = native_page(NATIVE_SOURCE);

    for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
        table[i] = 0x5aa5f00f5aa5f00f;
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        source[i] = i * 7;
    table[fault % PAGE_SIZE / 8] = entry;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct segment_bases bases;
    struct fuzz_input in = {data, size};
    uint8_t flags = fuzz_u8(&in);
    struct x86_regs before, regs;
    struct emul_outcome out;
    struct vcpu v = {.code_bytes = INSN_BYTES_MAX};
    struct insn insn;
    uint16_t place;

    fill_registers(&regs, fuzz_u64(&in));
    place = fuzz_u16(&in);
    entry = fuzz_u64(&in);
    fuzz_take(&in, v.code, sizeof(v.code));
    v.rip = regs.rip;
    if (insn_decode(v.code, v.code_bytes, CODE_64, &insn) != DECODE_OK || insn.forced)
        return 0;
    fault = choose_fault(&insn, place);
    if (flags & FLAG_EXPECTED) {
        regs.rax = entry >> fault % 8 * 8;
        regs.rdx = entry >> 32;
    }
    regs.rflags &= ~(uint64_t)X86_FLAG_TF;
    if (!aim(&insn, &regs))
        return 0;
    fill_memory();
    before = regs;
    ptwr_emulate(&v, &regs, &bases, fault, &out);
    FUZZ_CHECK(out.code == (is_supported(&insn) ? EMUL_DONE : EMUL_UNHANDLED));
    if (out.code == EMUL_DONE)
        compare(&v, &insn, &before, regs);
    return 0;
}
