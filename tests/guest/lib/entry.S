/* SPDX-License-Identifier: MIT */
/*
 * Where the hypervisor enters a test kernel: one stub per exception vector, the three callbacks, and
 * the way back by the iret hypercall. Frames are those of the PV ABI: RCX and R11 lie on top of the
 * hardware-like frame. Each stub leaves a struct trap_frame (trap.h) for trap_dispatch().
 */
#define HYPERCALL_IRET 23
#define VECTOR_SYSCALL 256
#define VECTOR_EVENT   257
#define VECTOR_FAILSAFE 258

    .section .text

/* What the entry looked like before anything was popped: trap.h, struct trap_raw. */
.macro record_raw
    movq %rsp, trap_raw + 0x00(%rip)
    pushfq
    popq trap_raw + 0x08(%rip)
    movw %cs, trap_raw + 0x10(%rip)
    movw %ss, trap_raw + 0x12(%rip)
.endm

.macro trap_stub vector, error
    .align 16
trap_stub_\vector:
    record_raw
    popq %rcx
    popq %r11
    .if !\error
    pushq $0
    .endif
    pushq $\vector
    jmp trap_common
.endm

.macro stub_address vector
    .quad trap_stub_\vector
.endm

    .altmacro
    .set vector, 0
    .rept 32
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21)
    trap_stub %vector, 1
    .else
    trap_stub %vector, 0
    .endif
    .set vector, vector + 1
    .endr
    .rept 224
    trap_stub %vector, 0
    .set vector, vector + 1
    .endr

    .section .rodata
    .align 8
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    stub_address %vector
    .set vector, vector + 1
    .endr
    .noaltmacro

    .section .text
    .globl entry_syscall, entry_event, entry_failsafe
entry_syscall:
    record_raw
    popq %rcx
    popq %r11
    pushq $0
    pushq $VECTOR_SYSCALL
    jmp trap_common

entry_event:
    record_raw
    popq %rcx
    popq %r11
    pushq $0
    pushq $VECTOR_EVENT
    jmp trap_common

/* Four selectors lie between R11 and the frame proper. */
entry_failsafe:
    record_raw
    popq %rcx
    popq %r11
    popq trap_failsafe_selectors + 0x00(%rip)
    popq trap_failsafe_selectors + 0x08(%rip)
    popq trap_failsafe_selectors + 0x10(%rip)
    popq trap_failsafe_selectors + 0x18(%rip)
    pushq $0
    pushq $VECTOR_FAILSAFE

trap_common:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi
    call trap_dispatch
    movq %rsp, %rdi

/* void trap_resume(struct trap_frame *frame): leaves for the state in frame; never returns. */
    .globl trap_resume
trap_resume:
    movq %rdi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    pushq trap_iret_flags(%rip)
    pushq %rcx
    pushq %r11
    pushq %rax
    movl $HYPERCALL_IRET, %eax
    syscall
    ud2

/* int recovery_save(struct recovery *): 0 now, 1 when a fault or recovery_jump() comes back here. */
    .globl recovery_save
recovery_save:
    movq %rbx, 0x00(%rdi)
    movq %rbp, 0x08(%rdi)
    movq %r12, 0x10(%rdi)
    movq %r13, 0x18(%rdi)
    movq %r14, 0x20(%rdi)
    movq %r15, 0x28(%rdi)
    leaq 8(%rsp), %rax
    movq %rax, 0x30(%rdi)
    movq (%rsp), %rax
    movq %rax, 0x38(%rdi)
    xorl %eax, %eax
    ret

/* void recovery_jump(struct recovery *) */
    .globl recovery_jump
recovery_jump:
    movq 0x00(%rdi), %rbx
    movq 0x08(%rdi), %rbp
    movq 0x10(%rdi), %r12
    movq 0x18(%rdi), %r13
    movq 0x20(%rdi), %r14
    movq 0x28(%rdi), %r15
    movq 0x30(%rdi), %rsp
    movl $1, %eax
    jmpq *0x38(%rdi)

    .section .note.GNU-stack, "", @progbits
