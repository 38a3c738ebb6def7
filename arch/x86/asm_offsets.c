/* SPDX-License-Identifier: MIT */
/* Structure offsets for assembly: compiled to text, from which the makefile takes the numbers. */
#include <kr/cpu.h>
#include <kr/domain.h>

#define DEFINE(name, value) __asm__ volatile("\n->" #name " %0" : : "i"(value))

void asm_offsets(void);
void asm_offsets(void)
{
    DEFINE(CPU_STACK_TOP, offsetof(struct cpu, arch.stack_top));
    DEFINE(CPU_FRAME_END, offsetof(struct cpu, arch.frame_end));
    DEFINE(CPU_SCRATCH, offsetof(struct cpu, arch.scratch));
    DEFINE(REGS_RIP, offsetof(struct x86_regs, rip));
    DEFINE(REGS_CS, offsetof(struct x86_regs, cs));
    DEFINE(REGS_ERROR, offsetof(struct x86_regs, error_code));
}
