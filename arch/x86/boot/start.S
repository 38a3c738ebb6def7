/* SPDX-License-Identifier: MIT */
/*
 * Entry from a loader (Multiboot 1, Multiboot 2, PVH): 32-bit protected mode, paging off. Builds
 * the first page tables (4 GiB identity, direct map and image window share them), turns on long
 * mode and calls x86_start(loader magic, info address) on the boot CPU's stack.
 */
#include <x86/layout.h>
#include <x86/msr.h>

#define MB1_MAGIC 0x1BADB002
#define MB1_FLAGS 0x00010003 /* page-aligned modules, memory map, address fields valid */
#define MB2_MAGIC 0xE85250D6
#define PVH_MAGIC 0x336ec578

#define PHYS(sym) ((sym) - IMAGE_BASE)

    .section .text.header, "ax", @progbits
    .globl start_header
    .align 8
start_header:
mb1_header:
    .long MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
    .long PHYS(mb1_header), PHYS(image_start), load_end_phys, image_end_phys, start_phys

    .align 8
mb2_header:
    .long MB2_MAGIC, 0, mb2_header_end - mb2_header, -(MB2_MAGIC + (mb2_header_end - mb2_header))
    .short 1, 0 /* information wanted: command line, modules, map, RSDP old and new, framebuffer */
    .long 8 + 7 * 4
    .long 1, 3, 6, 14, 15, 8, 4
    .align 8
    .short 2, 0 /* address fields */
    .long 24
    .long PHYS(mb2_header), PHYS(image_start), load_end_phys, image_end_phys
    .short 3, 0 /* entry address */
    .long 12, start_phys
    .align 8
    .short 6, 1 /* modules on page boundaries */
    .long 8
    .short 0, 0
    .long 8
mb2_header_end:

    .code32
    .globl start
start:
    cld
    cli
    mov %eax, %ebp
    jmp start_common
start_pvh:
    cld
    cli
    mov $PVH_MAGIC, %ebp

start_common:
    mov $PHYS(boot_stack + BOOT_STACK_SIZE), %esp
    mov %ebx, %esi

    /* A CPU without long mode cannot run us. */
    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb no_long_mode
    mov $0x80000001, %eax
    cpuid
    bt $29, %edx
    jnc no_long_mode
    mov %edx, %ebx /* bit 20: NX */

    /* 2 MiB pages over the first 4 GiB. */
    mov $PHYS(boot_l2), %edi
    mov $0x83, %eax
    xor %ecx, %ecx
1:  mov %eax, (%edi)
    mov %ecx, 4(%edi)
    add $8, %edi
    add $0x200000, %eax
    jnc 1b

    mov $PHYS(boot_l2) + 3, %eax
    xor %ecx, %ecx
1:  mov %eax, PHYS(boot_l3_direct)(, %ecx, 8)
    add $0x1000, %eax
    inc %ecx
    cmp $4, %ecx
    jne 1b
    movl $PHYS(boot_l2) + 3, PHYS(boot_l3_image) + 8 * L3_SLOT(IMAGE_BASE)
    movl $PHYS(boot_l3_direct) + 3, PHYS(hv_l4)
    movl $PHYS(boot_l3_direct) + 3, PHYS(hv_l4) + 8 * L4_SLOT(DIRECT_MAP_BASE)
    movl $PHYS(boot_l3_image) + 3, PHYS(hv_l4) + 8 * L4_SLOT(IMAGE_BASE)

    mov $(CR4_PAE), %eax
    mov %eax, %cr4
    mov $PHYS(hv_l4), %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $(EFER_LME | EFER_SCE), %eax
    bt $20, %ebx
    jnc 1f
    or $EFER_NXE, %eax
1:  wrmsr
    mov $(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
    mov %eax, %cr0
    lgdt PHYS(boot_gdtr)
    ljmp $8, $PHYS(start64)

no_long_mode:
    mov $PHYS(no_long_mode_text), %esi
1:  lodsb
    test %al, %al
    jz 3f
    mov %al, %bl
    mov $0x3fd, %dx
    mov $100000, %ecx
2:  in %dx, %al
    test $0x20, %al
    loopz 2b
    mov %bl, %al
    mov $0x3f8, %dx
    out %al, %dx
    jmp 1b
3:  hlt
    jmp 3b

    .code64
start64:
    movabs $start_high, %rax
    jmp *%rax
start_high:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    lea boot_stack + BOOT_STACK_SIZE(%rip), %rsp
    mov %ebp, %edi
    mov %esi, %esi
    xor %ebp, %ebp
    call x86_start
    ud2

    .section .rodata
no_long_mode_text:
    .asciz "\r\n(XEN) Krypton cannot start: this CPU has no 64-bit mode\r\n"
    .align 8
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff /* 64-bit code */
    .quad 0x00cf92000000ffff /* data */
boot_gdtr:
    .word 23
    .long PHYS(boot_gdt)
    .long 0

    .section .note.Xen, "a", @note
    .align 4
    .long 4, 4, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long PHYS(start_pvh)

    .section .bss.page_aligned, "aw", @nobits
    .align 4096
    .globl hv_l4, boot_l3_direct, boot_l3_image, boot_stack
hv_l4:          .skip 4096
boot_l3_direct: .skip 4096
boot_l3_image:  .skip 4096
boot_l2:        .skip 4 * 4096
    .align 4096
boot_stack:     .skip BOOT_STACK_SIZE
    .section .note.GNU-stack, "", @progbits
