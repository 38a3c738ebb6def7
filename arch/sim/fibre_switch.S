/* SPDX-License-Identifier: MIT */
/* void fibre_switch_stacks(void **save_sp, void *load_sp): what the System V ABI lets a callee keep
 * goes to the old stack and comes from the new one. */
    .text
    .globl fibre_switch_stacks
    .type fibre_switch_stacks, @function
fibre_switch_stacks:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size fibre_switch_stacks, . - fibre_switch_stacks
    .section .note.GNU-stack, "", @progbits
