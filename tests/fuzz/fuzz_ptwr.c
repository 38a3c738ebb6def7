/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/decode.c arch/x86/pure/operand.c arch/x86/pure/alu.c */
/* SOURCES: arch/x86/pure/emulate_ptwr.c */
/* FLAGS: -max_len=512 */
/*
 * Stores into a read-only page table: by any instruction only the entry that the fault was in is
 * looked at, only the operand's bytes of it change, and once at most.
 * Input: code, bases and registers (guest.h); where the fault was; the entry; answers.
 */
#include "guest.h"
#include <x86/emulate_ptwr.h>

static uint64_t fault, entry;
static unsigned reads, writes, moved;

int pv_emul_mem_read(struct vcpu *v, uint64_t gva, void *buffer, unsigned bytes)
{
    FUZZ_CHECK(bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
    if (fuzz_u8(&v->answers) == 1)
        return -EFAULT;
    fuzz_take(&v->answers, buffer, bytes);
    return 0;
}

int pv_emul_pte_read(struct vcpu *v, uint64_t gva, uint64_t *value)
{
    FUZZ_CHECK(gva == (fault & ~7UL));
    FUZZ_CHECK(++reads <= 16); /* a guest must not keep us trying */
    if (fuzz_u8(&v->answers) == 1)
        return -EFAULT;
    *value = entry;
    return 0;
}

/* The operand is aligned and the fault lies in it: these bits of the entry it may change. */
static uint64_t operand_mask(const struct vcpu *v)
{
    unsigned bytes;
    struct insn insn;

    FUZZ_CHECK(insn_decode(v->code, v->code_bytes, CODE_64, &insn) == DECODE_OK);
    bytes = insn.dst.kind == OPERAND_MEM ? insn.dst.bytes : insn.operand_bytes;
    return bytes_mask(bytes) << (fault & (8 - bytes)) * 8;
}

int pv_emul_pte_write(struct vcpu *v, uint64_t gva, uint64_t old, uint64_t new, bool compare)
{
    uint8_t a = fuzz_u8(&v->answers);

    FUZZ_CHECK(gva == (fault & ~7UL) && writes == 0);
    if (a == 1)
        return -EINVAL;
    if (compare && a == 2) { /* the CPU set accessed and dirty */
        moved++;
        entry |= 0x60;
    }
    if (compare && entry != old)
        return -EAGAIN;
    FUZZ_CHECK(!((old ^ new) & ~operand_mask(v)));
    writes = 1;
    entry = new;
    v->acts++;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct x86_regs before, regs;
    struct segment_bases bases;
    struct emul_outcome out;
    struct vcpu v;

    reads = writes = moved = 0;
    guest_start(&v, &regs, &bases, &in);
    fault = fuzz_u64(&v.answers);
    entry = fuzz_u64(&v.answers);
    if (fuzz_u8(&v.answers) & 1) { /* the usual form of it: the register that points at the entry */
        fault = regs.rdi;
        bases.fs = bases.gs = 0;
    }
    before = regs;
    ptwr_emulate(&v, &regs, &bases, fault, &out);
    guest_check(&v, &before, &regs, &out);
    FUZZ_CHECK(out.code != EMUL_INJECT || out.vector == X86_EXC_DB);
    FUZZ_CHECK(out.code != EMUL_SOFT_INT);
    FUZZ_CHECK(out.code != EMUL_DONE || reads > 0);
    if (out.code == EMUL_RETRY && writes == 0) /* it moved each time */
        FUZZ_CHECK(moved > 0 && memcmp(&before, &regs, sizeof(regs)) == 0);
    return 0;
}
