/* SPDX-License-Identifier: MIT */
/*
 * Guest registers by number and effective addresses. The only file that ties struct x86_regs to
 * Xen's public register structure.
 */
#include <x86/operand.h>
#include <xen/xen.h>

#define SAME_PLACE(ours, theirs)                                                              \
    _Static_assert(offsetof(struct x86_regs, ours) == offsetof(struct cpu_user_regs, theirs), \
                   "struct x86_regs follows the ABI")

SAME_PLACE(r15, r15);
SAME_PLACE(rbp, rbp);
SAME_PLACE(rbx, rbx);
SAME_PLACE(r11, r11);
SAME_PLACE(r8, r8);
SAME_PLACE(rax, rax);
SAME_PLACE(rcx, rcx);
SAME_PLACE(rdx, rdx);
SAME_PLACE(rsi, rsi);
SAME_PLACE(rdi, rdi);
SAME_PLACE(error_code, error_code);
SAME_PLACE(vector, entry_vector);
SAME_PLACE(rip, rip);
SAME_PLACE(cs, cs);
SAME_PLACE(saved_upcall_mask, saved_upcall_mask);
SAME_PLACE(rflags, rflags);
SAME_PLACE(rsp, rsp);
SAME_PLACE(ss, ss);
SAME_PLACE(es, es);
SAME_PLACE(ds, ds);
SAME_PLACE(fs, fs);
SAME_PLACE(gs, gs);
_Static_assert(sizeof(struct x86_regs) == sizeof(struct cpu_user_regs), "same size");

static uint64_t *reg_slot(struct x86_regs *regs, unsigned reg)
{
#define AT(name) offsetof(struct x86_regs, name) / sizeof(uint64_t)
    static const uint8_t slot[16] = {
        AT(rax), AT(rcx), AT(rdx), AT(rbx), AT(rsp), AT(rbp), AT(rsi), AT(rdi),
        AT(r8),  AT(r9),  AT(r10), AT(r11), AT(r12), AT(r13), AT(r14), AT(r15),
    };
#undef AT
    return (uint64_t *)regs + slot[reg & 15];
}

uint64_t x86_reg_read(const struct x86_regs *regs, unsigned reg, unsigned bytes)
{
    return *reg_slot((struct x86_regs *)regs, reg) & bytes_mask(bytes);
}

void x86_reg_write(struct x86_regs *regs, unsigned reg, unsigned bytes, uint64_t value)
{
    uint64_t *slot = reg_slot(regs, reg), mask = bytes_mask(bytes);

    *slot = bytes >= 4 ? value & mask : (*slot & ~mask) | (value & mask);
}

uint64_t operand_read(const struct x86_regs *regs, const struct insn_operand *operand)
{
    if (operand->kind == OPERAND_HIGH_BYTE)
        return x86_reg_read(regs, operand->reg, 2) >> 8;
    return x86_reg_read(regs, operand->reg, operand->bytes);
}

void operand_write(struct x86_regs *regs, const struct insn_operand *operand, uint64_t value)
{
    if (operand->kind == OPERAND_HIGH_BYTE)
        x86_reg_write(regs, operand->reg, 2,
                      x86_reg_read(regs, operand->reg, 1) | (value & 0xff) << 8);
    else
        x86_reg_write(regs, operand->reg, operand->bytes, value);
}

uint64_t insn_segment_base(const struct insn *in, const struct segment_bases *bases)
{
    if (in->mem.segment == X86_FS)
        return bases->fs;
    return in->mem.segment == X86_GS ? bases->gs : 0;
}

uint64_t insn_mem_address(const struct insn *in, const struct x86_regs *regs,
                          const struct segment_bases *bases)
{
    uint64_t offset = in->mem.disp;

    if (in->mem.rip_relative)
        offset += regs->rip + in->length_bytes;
    if (in->mem.base != X86_REG_NONE)
        offset += x86_reg_read(regs, in->mem.base, 8);
    if (in->mem.index != X86_REG_NONE)
        offset += x86_reg_read(regs, in->mem.index, 8) * in->mem.scale;
    return (offset & bytes_mask(in->address_bytes)) + insn_segment_base(in, bases);
}
