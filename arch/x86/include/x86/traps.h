/* SPDX-License-Identifier: MIT */
/* Entry points of the hypervisor and the assembly helpers that catch their own faults. */
#pragma once

#include <kr/types.h>
#include <x86/regs.h>

extern char entry_stubs[], entry_syscall[], entry_syscall32[], guest_iretq[];

/* Copies within hypervisor-visible memory; 0, or -EFAULT when either side faults. */
int copy_faulting(void *dst, const void *src, size_t size_bytes);
/* Selector loads; false when the CPU refuses, then null is loaded. */
bool segment_load_ds(uint16_t selector);
bool segment_load_es(uint16_t selector);
bool segment_load_fs(uint16_t selector);
bool segment_load_gs(uint16_t selector, struct cpu *cpu, uint64_t *base);

/* Called by cpu/entry.S on the CPU's stack, interrupts off. */
void trap_from_guest(struct x86_regs *regs);
void trap_from_hypervisor(struct x86_regs *regs);
void trap_iret_fault(struct x86_regs *regs);
void syscall_from_guest(struct x86_regs *regs);
void syscall32_from_guest(struct x86_regs *regs);
struct x86_regs *guest_exit_prepare(void);
/* Leaves for the current vCPU for the first time; the stack is abandoned. */
void guest_enter_first(void) __noreturn;
void x86_start(uint32_t loader_magic, uint32_t info_phys) __noreturn;
