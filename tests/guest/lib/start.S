/* SPDX-License-Identifier: MIT */
/*
 * Entry of a test kernel and its Xen ELF notes (xen/elfnote.h). The registers found at entry are kept
 * in entry_state (guest.h) for the tests that look at them; then BSS is cleared and guest_main() runs
 * on our own stack. GUEST_PLAIN_NOTES leaves out INIT_P2M and MOD_START_PFN: the hypervisor must then
 * place the P2M and the module inside the mapped area behind the kernel.
 */
#include <xen/elfnote.h>

#define VIRT_BASE 0xffffffff80000000

.macro note type, directive, value:vararg
    .align 4
    .long 2f - 1f, 4f - 3f, \type
1:  .asciz "Xen"
2:  .align 4
3:  \directive \value
4:  .align 4
.endm

    .section .note.Xen, "a", @note
    note XEN_ELFNOTE_GUEST_OS, .asciz, "krypton-test"
    note XEN_ELFNOTE_GUEST_VERSION, .asciz, "1"
    note XEN_ELFNOTE_XEN_VERSION, .asciz, "xen-3.0"
    note XEN_ELFNOTE_LOADER, .asciz, "generic"
    note XEN_ELFNOTE_PAE_MODE, .asciz, "yes"
    note XEN_ELFNOTE_VIRT_BASE, .quad, VIRT_BASE
    note XEN_ELFNOTE_PADDR_OFFSET, .quad, 0
    note XEN_ELFNOTE_ENTRY, .quad, _start
    note XEN_ELFNOTE_HV_START_LOW, .quad, 0xffff800000000000
    note XEN_ELFNOTE_L1_MFN_VALID, .quad, 1, 1
    note XEN_ELFNOTE_FEATURES, .asciz, "!writable_page_tables"
    note XEN_ELFNOTE_SUPPORTED_FEATURES, .long, 1 << 11
    note XEN_ELFNOTE_SUSPEND_CANCEL, .long, 1
#ifndef GUEST_PLAIN_NOTES
    note XEN_ELFNOTE_INIT_P2M, .quad, 0x8000000000
    note XEN_ELFNOTE_MOD_START_PFN, .quad, 1
#endif

    .section .text
    .globl _start
_start:
    movq %rax, entry_state + 0x00(%rip)
    movq %rbx, entry_state + 0x08(%rip)
    movq %rcx, entry_state + 0x10(%rip)
    movq %rdx, entry_state + 0x18(%rip)
    movq %rsi, entry_state + 0x20(%rip)
    movq %rdi, entry_state + 0x28(%rip)
    movq %rbp, entry_state + 0x30(%rip)
    movq %rsp, entry_state + 0x38(%rip)
    movq %r8, entry_state + 0x40(%rip)
    movq %r9, entry_state + 0x48(%rip)
    movq %r10, entry_state + 0x50(%rip)
    movq %r11, entry_state + 0x58(%rip)
    movq %r12, entry_state + 0x60(%rip)
    movq %r13, entry_state + 0x68(%rip)
    movq %r14, entry_state + 0x70(%rip)
    movq %r15, entry_state + 0x78(%rip)
    pushfq
    popq entry_state + 0x80(%rip)
    cld
    movw %cs, entry_state + 0x88(%rip)
    movw %ss, entry_state + 0x8a(%rip)
    movw %ds, entry_state + 0x8c(%rip)
    movw %es, entry_state + 0x8e(%rip)
    movw %fs, entry_state + 0x90(%rip)
    movw %gs, entry_state + 0x92(%rip)

    leaq guest_bss_start(%rip), %rdi
    leaq guest_image_end(%rip), %rcx
    subq %rdi, %rcx
    xorl %eax, %eax
    rep stosb
    leaq boot_stack_end(%rip), %rsp
    xorl %ebp, %ebp
    pushq %rbp
    call guest_main
    ud2

    .data
    .globl entry_state
    .align 8
entry_state:
    .skip 0x98

    .bss
    .align 4096
    .globl boot_stack, boot_stack_end
boot_stack:
    .skip 32768
boot_stack_end:

    .section .note.GNU-stack, "", @progbits
