/* SPDX-License-Identifier: MIT */
/*
 * Every way into the hypervisor and the one way back.
 *
 * Guests run in ring 3 with GS theirs; KERNEL_GS_BASE then holds our struct cpu. A trap from a guest
 * pushes into the register area of its vCPU (TSS.rsp0 points at its end), so a world switch copies
 * no registers; handlers run on the CPU's stack. A trap from ring 0 nests on the stack it found.
 * #DB, NMI, #DF and #MC have stacks of their own whose last word points at struct cpu, because they
 * can hit the few instructions where GS is not ours yet.
 */
#include <x86/layout.h>
#include <x86/msr.h>
#include <asm_offsets.h>

    .macro SAVE_GPRS
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %rax
    push %r8
    push %r9
    push %r10
    push %r11
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    .endm

    .macro RESTORE_GPRS
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rax
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    .endm

    .text
/* 256 stubs of 16 bytes: error code and vector share one word of the frame. */
    .macro STUB vector, has_error
    .align 16
    .if \has_error == 0
    push $0
    .endif
    movl $\vector, 4(%rsp)
    .if \vector == 1 || \vector == 2 || \vector == 8 || \vector == 18
    jmp entry_ist
    .else
    jmp entry_trap
    .endif
    .endm

    .align 16
    .globl entry_stubs
entry_stubs:
    .set vector, 0
    .rept 256
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
    STUB vector, 1
    .else
    STUB vector, 0
    .endif
    .set vector, vector + 1
    .endr

    .align 16
entry_trap:
    testb $3, REGS_CS - REGS_ERROR(%rsp)
    jz entry_nested
    swapgs
    SAVE_GPRS
trap_saved:
    cld
    mov %rsp, %rdi
    mov %gs:CPU_STACK_TOP, %rsp
    xor %ebp, %ebp
    call trap_from_guest

/* Back to whichever vCPU is current after pending work was done. */
    .globl guest_resume
guest_resume:
    call guest_exit_prepare /* rax: register area to load */
    mov %rax, %rsp
    RESTORE_GPRS
    add $8, %rsp
    swapgs
    .globl guest_iretq
guest_iretq:
    iretq

    .globl guest_enter_first
guest_enter_first:
    mov %gs:CPU_STACK_TOP, %rsp
    jmp guest_resume

entry_nested:
    SAVE_GPRS
    cld
    mov %rsp, %rdi
    lea guest_iretq(%rip), %rax
    cmp %rax, REGS_RIP(%rsp)
    je entry_iret_fault
    mov %rsp, %rbx
    and $-16, %rsp
    call trap_from_hypervisor
    mov %rbx, %rsp
    RESTORE_GPRS
    add $8, %rsp
    iretq

/* The iretq above refused what the guest asked for: GS is the guest's, the registers in this frame
 * are the guest's too, and the frame lies over the vCPU's register area. */
entry_iret_fault:
    swapgs
    mov %gs:CPU_STACK_TOP, %rsp
    xor %ebp, %ebp
    call trap_iret_fault
    jmp guest_resume

/* #DB, NMI, #DF, #MC on their own stacks. */
    .align 16
entry_ist:
    testb $3, REGS_CS - REGS_ERROR(%rsp)
    jz ist_nested
    /* From a guest: move the frame to where an ordinary trap would have put it. */
    swapgs
    push %rax
    mov %rsp, %gs:CPU_SCRATCH
    mov %rsp, %rax
    mov %gs:CPU_FRAME_END, %rsp
    push 48(%rax) /* ss */
    push 40(%rax) /* rsp */
    push 32(%rax) /* rflags */
    push 24(%rax) /* cs */
    push 16(%rax) /* rip */
    push 8(%rax)  /* error code, vector */
    mov (%rax), %rax
    SAVE_GPRS
    jmp trap_saved

ist_nested:
    SAVE_GPRS
    cld
    mov $MSR_GS_BASE, %ecx
    rdmsr
    mov %eax, %r12d
    mov %edx, %r13d
    mov %rsp, %rdi
    or $(IST_STACK_SIZE - 1), %rdi
    mov -7(%rdi), %rax
    mov %rax, %rdx
    shr $32, %rdx
    wrmsr
    mov %rsp, %rdi
    mov %rsp, %rbx
    and $-16, %rsp
    call trap_from_hypervisor
    mov %rbx, %rsp
    mov $MSR_GS_BASE, %ecx
    mov %r12d, %eax
    mov %r13d, %edx
    wrmsr
    RESTORE_GPRS
    add $8, %rsp
    iretq

/* SYSCALL from ring 3: the frame that a trap would have pushed. Interrupts and TF are off by SFMASK. */
    .macro SYSCALL_ENTRY cs, handler
    swapgs
    mov %rsp, %gs:CPU_SCRATCH
    mov %gs:CPU_FRAME_END, %rsp
    push $SEL_USER_DS
    push %gs:CPU_SCRATCH
    push %r11
    push $\cs
    push %rcx
    push $0
    SAVE_GPRS
    cld
    mov %rsp, %rdi
    mov %gs:CPU_STACK_TOP, %rsp
    xor %ebp, %ebp
    call \handler
    jmp guest_resume
    .endm

/* 64-bit: a hypercall from guest kernel mode, else the guest's own system call. */
    .align 16
    .globl entry_syscall
entry_syscall:
    SYSCALL_ENTRY SEL_USER_CS64, syscall_from_guest

/* From compatibility mode (AMD). */
    .align 16
    .globl entry_syscall32
entry_syscall32:
    SYSCALL_ENTRY SEL_USER_CS32, syscall32_from_guest

/* Copies that may fault. int copy_faulting(void *dst, const void *src, size_t size): 0 or -EFAULT(-14). */
    .align 16
    .globl copy_faulting
copy_faulting:
    mov %rdx, %rcx
    shr $3, %rcx
    and $7, %edx
1:  rep movsq
    mov %edx, %ecx
2:  rep movsb
    xor %eax, %eax
    ret
3:  mov $-14, %eax
    ret
    .section .extable, "a", @progbits
    .quad 1b, 3b
    .quad 2b, 3b
    .text

/* bool rdmsr_safe(uint32_t msr, uint64_t *value) */
    .globl rdmsr_safe
rdmsr_safe:
    mov %edi, %ecx
1:  rdmsr
    shl $32, %rdx
    mov %eax, %eax
    or %rdx, %rax
    mov %rax, (%rsi)
    mov $1, %eax
    ret
2:  xor %eax, %eax
    ret
    .section .extable, "a", @progbits
    .quad 1b, 2b
    .text

/* bool wrmsr_safe(uint32_t msr, uint64_t value) */
    .globl wrmsr_safe
wrmsr_safe:
    mov %edi, %ecx
    mov %esi, %eax
    mov %rsi, %rdx
    shr $32, %rdx
1:  wrmsr
    mov $1, %eax
    ret
2:  xor %eax, %eax
    ret
    .section .extable, "a", @progbits
    .quad 1b, 2b

/* Selector loads that may fault: bool segment_load_<s>(uint16_t selector); false loads null. */
    .macro SEGMENT_LOAD seg
    .text
    .globl segment_load_\seg
segment_load_\seg:
1:  mov %edi, %\seg
    mov $1, %eax
    ret
2:  xor %eax, %eax
    mov %eax, %\seg
    ret
    .section .extable, "a", @progbits
    .quad 1b, 2b
    .endm
    SEGMENT_LOAD ds
    SEGMENT_LOAD es
    SEGMENT_LOAD fs

/* bool segment_load_gs(uint16_t selector, struct cpu *cpu, uint64_t *base): loads the GS selector and
 * hands out the base that its descriptor gave; our own base is put back. */
    .text
    .globl segment_load_gs
segment_load_gs:
    mov %rdx, %r8
    mov %edi, %r9d
    xor %r10d, %r10d
1:  mov %r9d, %gs
    inc %r10d
    mov $MSR_GS_BASE, %ecx
    rdmsr
    shl $32, %rdx
    mov %eax, %eax
    or %rdx, %rax
    test $~3, %r9w /* null keeps the base on some AMD CPUs: ours */
    jnz 3f
    xor %eax, %eax
3:  mov %rax, (%r8)
    mov %rsi, %rax
    mov %rsi, %rdx
    shr $32, %rdx
    mov $MSR_GS_BASE, %ecx
    wrmsr
    mov %r10d, %eax
    ret
2:  xor %eax, %eax
    mov %eax, %gs
    jmp 3b
    .section .extable, "a", @progbits
    .quad 1b, 2b
    .section .note.GNU-stack, "", @progbits
