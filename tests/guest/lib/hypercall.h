/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls of a 64-bit PV kernel: number in RAX, arguments in RDI RSI RDX R10 R8, the SYSCALL
 * instruction, result in RAX; RCX and R11 are lost (xen/arch-x86/xen-x86_64.h).
 */
#pragma once

#include <kr/types.h>
#include <kr/errno.h>
#include <xen/xen.h>

static inline long hypercall5(unsigned long op, unsigned long a1, unsigned long a2,
                              unsigned long a3, unsigned long a4, unsigned long a5)
{
    register unsigned long r10 __asm__("r10") = a4;
    register unsigned long r8 __asm__("r8") = a5;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
                     : "0"(op)
                     : "rcx", "r11", "r9", "memory");
    return result;
}

#define HC_ARG(x)                  ((unsigned long)(x))
#define hypercall0(op)             hypercall5(op, 0, 0, 0, 0, 0)
#define hypercall1(op, a)          hypercall5(op, HC_ARG(a), 0, 0, 0, 0)
#define hypercall2(op, a, b)       hypercall5(op, HC_ARG(a), HC_ARG(b), 0, 0, 0)
#define hypercall3(op, a, b, c)    hypercall5(op, HC_ARG(a), HC_ARG(b), HC_ARG(c), 0, 0)
#define hypercall4(op, a, b, c, d) hypercall5(op, HC_ARG(a), HC_ARG(b), HC_ARG(c), HC_ARG(d), 0)

#define set_trap_table(traps)          hypercall1(__HYPERVISOR_set_trap_table, traps)
#define mmu_update(list, n, done, dom) hypercall4(__HYPERVISOR_mmu_update, list, n, done, dom)
#define set_gdt(frames, entries)       hypercall2(__HYPERVISOR_set_gdt, frames, entries)
#define stack_switch(ss, sp)           hypercall2(__HYPERVISOR_stack_switch, ss, sp)
#define fpu_taskswitch(set)            hypercall1(__HYPERVISOR_fpu_taskswitch, set)
#define platform_op(op)                hypercall1(__HYPERVISOR_platform_op, op)
#define set_debugreg(reg, value)       hypercall2(__HYPERVISOR_set_debugreg, reg, value)
#define get_debugreg(reg)              hypercall1(__HYPERVISOR_get_debugreg, reg)
#define update_descriptor(ma, desc)    hypercall2(__HYPERVISOR_update_descriptor, ma, desc)
#define memory_op(cmd, arg)            hypercall2(__HYPERVISOR_memory_op, cmd, arg)
#define multicall(list, n)             hypercall2(__HYPERVISOR_multicall, list, n)
#define update_va_mapping(va, pte, fl) hypercall3(__HYPERVISOR_update_va_mapping, va, pte, fl)
#define set_timer_op(deadline_ns)      hypercall1(__HYPERVISOR_set_timer_op, deadline_ns)
#define xen_version(cmd, arg)          hypercall2(__HYPERVISOR_xen_version, cmd, arg)
#define console_io(cmd, n, buf)        hypercall3(__HYPERVISOR_console_io, cmd, n, buf)
#define grant_table_op(cmd, ops, n)    hypercall3(__HYPERVISOR_grant_table_op, cmd, ops, n)
#define vm_assist(cmd, type)           hypercall2(__HYPERVISOR_vm_assist, cmd, type)
#define vcpu_op(cmd, vcpu, arg)        hypercall3(__HYPERVISOR_vcpu_op, cmd, vcpu, arg)
#define set_segment_base(reg, base)    hypercall2(__HYPERVISOR_set_segment_base, reg, base)
#define mmuext_op(ops, n, done, dom)   hypercall4(__HYPERVISOR_mmuext_op, ops, n, done, dom)
#define sched_op(cmd, arg)             hypercall2(__HYPERVISOR_sched_op, cmd, arg)
#define callback_op(cmd, arg)          hypercall2(__HYPERVISOR_callback_op, cmd, arg)
#define event_channel_op(cmd, arg)     hypercall2(__HYPERVISOR_event_channel_op, cmd, arg)
#define physdev_op(cmd, arg)           hypercall2(__HYPERVISOR_physdev_op, cmd, arg)
#define sysctl(op)                     hypercall1(__HYPERVISOR_sysctl, op)
#define domctl(op)                     hypercall1(__HYPERVISOR_domctl, op)
