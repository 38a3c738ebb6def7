/* SPDX-License-Identifier: MIT */
/* Stores into read-only device pages, behind x86/emulate_store.h. */
#include <kr/string.h>
#include <x86/emulate_priv.h>
#include <x86/emulate_store.h>

static enum emul_code emulate(struct vcpu *v, const struct insn *in, struct x86_regs *regs,
                              const struct segment_bases *bases, uint64_t fault_address,
                              struct emul_outcome *out)
{
    unsigned bytes = in->dst.bytes;
    uint64_t address, value;

    if (in->op != INSN_MOV || in->forced || in->dst.kind != OPERAND_MEM || bytes == 0 || bytes > 8)
        return EMUL_UNHANDLED;
    address = insn_mem_address(in, regs, bases);
    if (address % bytes != 0 || fault_address - address >= bytes)
        return EMUL_UNHANDLED;
    value = in->src.kind == OPERAND_IMM ? in->imm : operand_read(regs, &in->src);
    if (pv_emul_device_store(v, address, value & bytes_mask(bytes), bytes) != 0)
        return EMUL_UNHANDLED;
    regs->rip += in->length_bytes;
    return emul_finish(out, regs, EMUL_DONE);
}

void store_emulate(struct vcpu *v, struct x86_regs *regs, const struct segment_bases *bases,
                   uint64_t fault_address, struct emul_outcome *out)
{
    uint8_t code[INSN_BYTES_MAX];
    size_t count = pv_emul_fetch(v, regs->rip, code, sizeof(code));
    struct insn in;

    memset(out, 0, sizeof(*out));
    out->code = EMUL_UNHANDLED;
    if (insn_decode(code, count, CODE_64, &in) != DECODE_OK)
        return;
    out->length_bytes = in.length_bytes;
    out->code = emulate(v, &in, regs, bases, fault_address, out);
}
