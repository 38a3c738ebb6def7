/* SPDX-License-Identifier: MIT */
/*
 * User mode of a PV guest: the iret hypercall to it, system calls and exceptions from it, what it
 * may not do, the failsafe callback.
 *
 * QEMU 7.2's wrong error code of a refused `int n` (see ../trap) sends those of vectors without a
 * gate of their own astray on Xen 4.17; such tests are skipped when they meet it.
 */
/* RUN: */
/* RUN: name=qemu64 cpu=qemu64 */
/* RUN: name=epyc cpu=EPYC reference=no */
/* Xen trips over SMAP on QEMU 7.2 (iretq in ring 3 reads its frame with supervisor rights):
 * reference=no. */
/* RUN: name=smap cpu=max reference=no */
#include "guest.h"
#include "user.h"
#include <xen/callback.h>
#include <xen/physdev.h>

#define SYSCALL 0x0f, 0x05

TEST("setup")
{
    user_init();
}

TEST("syscall")
{
    struct trap_frame frame;
    static const uint8_t code[] = {SYSCALL};

    user_frame(&frame, code, sizeof(code), RFLAGS_IF | 2);
    frame.rax = 0x1111, frame.rbx = 0x2222, frame.rcx = 0x3333, frame.rdx = 0x4444;
    frame.rsi = 0x5555, frame.rdi = 0x6666, frame.rbp = 0x7777, frame.r8 = 0x8888;
    frame.r9 = 0x9999, frame.r10 = 0xaaaa, frame.r11 = 0xbbbb, frame.r15 = 0xffff;
    REQUIRE_EQ(user_run(&frame), VECTOR_SYSCALL);
    const struct trap_frame *got = &trap_last.frame;

    CHECK_EQ(got->rip, USER_CODE + 2);
    CHECK_EQ(got->rcx, USER_CODE + 2);
    CHECK_EQ(got->r11 & RFLAGS_IF, RFLAGS_IF);
    CHECK_EQ(got->rsp, USER_STACK);
    CHECK_EQ(got->rflags & (RFLAGS_IF | RFLAGS_IOPL), RFLAGS_IF);
    CHECK_EQ(got->cs >> 32 & 0xff, 0);
    CHECK_EQ(got->cs & 3, 3);
    CHECK_EQ(got->ss & 3, 3);
    CHECK_EQ(got->rax, 0x1111);
    CHECK_EQ(got->rbx, 0x2222);
    CHECK_EQ(got->rdx, 0x4444);
    CHECK_EQ(got->rsi, 0x5555);
    CHECK_EQ(got->rdi, 0x6666);
    CHECK_EQ(got->rbp, 0x7777);
    CHECK_EQ(got->r8, 0x8888);
    CHECK_EQ(got->r9, 0x9999);
    CHECK_EQ(got->r10, 0xaaaa);
    CHECK_EQ(got->r15, 0xffff);
    CHECK_EQ(trap_last.raw.rsp, user_kernel_stack_end - 7 * 8);
    CHECK_EQ(trap_last.raw.cs, FLAT_KERNEL_CS);
    CHECK_EQ(trap_last.raw.ss, FLAT_KERNEL_SS);
    CHECK_EQ(trap_last.upcall_mask, 1);
}

/* A system call is one from user mode only: a hypercall number in RAX means nothing there. */
TEST("syscall-is-no-hypercall")
{
    /* mov $17 (xen_version), %eax; syscall */
    CHECK_EQ(USER_RUN(0xb8, 17, 0, 0, 0, SYSCALL), VECTOR_SYSCALL);
    CHECK_EQ(trap_last.frame.rax, 17);
}

/* All user registers, RCX and R11 among them, arrive unless VGCF_in_syscall says otherwise. */
TEST("iret-registers")
{
    struct trap_frame frame;
    static const uint8_t code[] = {0x0f, 0x0b};

    user_frame(&frame, code, sizeof(code), RFLAGS_IF | 2);
    frame.rax = 1, frame.rcx = 2, frame.r11 = 3, frame.r12 = 4;
    REQUIRE_EQ(user_run(&frame), TRAP_UD);
    CHECK_EQ(trap_last.frame.rax, 1);
    CHECK_EQ(trap_last.frame.rcx, 2);
    CHECK_EQ(trap_last.frame.r11, 3);
    CHECK_EQ(trap_last.frame.r12, 4);
    CHECK_EQ(trap_last.frame.rip, USER_CODE);
    CHECK_EQ(trap_last.frame.cs & 0xffff, FLAT_USER_CS);
    CHECK_EQ(trap_last.frame.ss, FLAT_USER_SS);
    CHECK_EQ(trap_last.frame.rsp, USER_STACK);
    CHECK_EQ(trap_last.raw.rsp, user_kernel_stack_end - 7 * 8);
}

TEST("iret-in-syscall")
{
    struct trap_frame frame;
    static const uint8_t code[] = {0x0f, 0x0b};

    user_frame(&frame, code, sizeof(code), RFLAGS_IF | 2);
    frame.rax = 1, frame.r12 = 4;
    trap_iret_flags = VGCF_in_syscall;
    int vector = user_run(&frame);

    trap_iret_flags = 0;
    CHECK_EQ(vector, TRAP_UD);
    CHECK_EQ(trap_last.frame.rax, 1);
    CHECK_EQ(trap_last.frame.r12, 4);
    CHECK_EQ(trap_last.frame.rip, USER_CODE);
    CHECK_EQ(trap_last.frame.rsp, USER_STACK);
}

/* User mode has no IOPL and interrupts on, whatever the frame asks for. */
TEST("iret-flags")
{
    struct trap_frame frame;
    static const uint8_t code[] = {0x9c, 0x58, 0x0f, 0x0b}; /* pushf; pop %rax; ud2 */

    user_frame(&frame, code, sizeof(code), RFLAGS_IOPL | 2);
    REQUIRE_EQ(user_run(&frame), TRAP_UD);
    CHECK_EQ(trap_last.frame.rax & (RFLAGS_IF | RFLAGS_IOPL), RFLAGS_IF);
    CHECK_EQ(trap_last.frame.rflags & (RFLAGS_IF | RFLAGS_IOPL), 0);
    CHECK_EQ(trap_last.frame.cs >> 32 & 0xff, 1);
}

TEST("page-fault-read")
{
    /* mov 0x10000, %eax by absolute address */
    CHECK_EQ(USER_RUN(0x8b, 0x04, 0x25, 0x10, 0x00, 0x01, 0x00), TRAP_PF);
    CHECK_EQ(trap_last.cr2, 0x10010);
    CHECK_EQ(trap_last.frame.error, PF_USER);
    CHECK_EQ(trap_last.raw.rsp, user_kernel_stack_end - 8 * 8);
}

TEST("page-fault-write-read-only")
{
    /* mov %eax, 0x400000 */
    CHECK_EQ(USER_RUN(0x89, 0x04, 0x25, 0x00, 0x00, 0x40, 0x00), TRAP_PF);
    CHECK_EQ(trap_last.cr2, USER_CODE);
    CHECK_EQ(trap_last.frame.error, PF_USER | PF_WRITE | PF_PRESENT);
}

TEST("page-fault-fetch")
{
    struct trap_frame frame;

    user_frame(&frame, "", 0, 2);
    frame.rip = USER_DATA;
    CHECK_EQ(user_run(&frame), TRAP_PF);
    CHECK_EQ(trap_last.cr2, USER_DATA);
    CHECK_EQ(trap_last.frame.error, PF_USER | PF_FETCH | PF_PRESENT);
}

/* The kernel's addresses are not in the user tables. */
TEST("page-fault-kernel-address")
{
    /* mov 0xffffffff80100000, %eax (sign-extended displacement) */
    CHECK_EQ(USER_RUN(0x8b, 0x04, 0x25, 0x00, 0x00, 0x10, 0x80), TRAP_PF);
    CHECK_EQ(trap_last.cr2, 0xffffffff80100000);
    CHECK_EQ(trap_last.frame.error, PF_USER);
}

/* The M2P window is for the kernel alone. */
TEST("page-fault-hypervisor-address")
{
    struct trap_frame frame;
    static const uint8_t code[] = {0x8b, 0x00}; /* mov (%rax), %eax */
    static const uint64_t addresses[] = {MACH2PHYS_VIRT_START, MACH2PHYS_VIRT_END,
                                         HYPERVISOR_VIRT_END - 8, 0xffff820000000000};

    for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
        user_frame(&frame, code, sizeof(code), 2);
        frame.rax = addresses[i];
        CHECK_EQ(user_run(&frame), TRAP_PF);
        CHECK_EQ(trap_last.cr2, addresses[i]);
        CHECK_EQ(trap_last.frame.error & PF_USER, PF_USER);
    }
}

TEST("data-and-stack")
{
    /* movl $0x55, 0x401010; push $7; ud2 */
    CHECK_EQ(USER_RUN(0xc7, 0x04, 0x25, 0x10, 0x10, 0x40, 0x00, 0x55, 0, 0, 0, 0x6a, 7, 0x0f, 0x0b),
             TRAP_UD);
    CHECK_EQ((uint32_t)user_data[2], 0x55);
    CHECK_EQ(user_data[511], 7);
    CHECK_EQ(trap_last.frame.rsp, USER_STACK - 8);
}

TEST("exceptions")
{
    CHECK_EQ(USER_RUN(0xcc), TRAP_BP);
    CHECK_EQ(trap_last.frame.rip, USER_CODE + 1);
    CHECK_EQ(USER_RUN(0x31, 0xc9, 0xf7, 0xf1), TRAP_DE); /* xor %ecx, %ecx; div %ecx */
    CHECK_EQ(trap_last.frame.rip, USER_CODE + 2);
    CHECK_EQ(USER_RUN(0x9c, 0x80, 0x4c, 0x24, 0x01, 0x01, 0x9d, 0x90), TRAP_DB); /* set TF */
    CHECK_EQ(trap_last.frame.rip, USER_CODE + 8);
}

TEST("privileged")
{
    CHECK_EQ(USER_RUN(0xf4), TRAP_GP);             /* hlt */
    CHECK_EQ(USER_RUN(0xfa), TRAP_GP);             /* cli */
    CHECK_EQ(USER_RUN(0xfb), TRAP_GP);             /* sti */
    CHECK_EQ(USER_RUN(0xe4, 0x61), TRAP_GP);       /* in $0x61, %al */
    CHECK_EQ(USER_RUN(0xe6, 0x80), TRAP_GP);       /* out %al, $0x80 */
    CHECK_EQ(USER_RUN(0x0f, 0x20, 0xc0), TRAP_GP); /* mov %cr0, %rax */
    CHECK_EQ(USER_RUN(0x0f, 0x22, 0xd8), TRAP_GP); /* mov %rax, %cr3 */
    CHECK_EQ(USER_RUN(0x0f, 0x32), TRAP_GP);       /* rdmsr */
    CHECK_EQ(USER_RUN(0x0f, 0x30), TRAP_GP);       /* wrmsr */
    CHECK_EQ(USER_RUN(0x0f, 0x06), TRAP_GP);       /* clts */
    CHECK_EQ(USER_RUN(0x0f, 0x09), TRAP_GP);       /* wbinvd */
    CHECK_EQ(USER_RUN(0x0f, 0x21, 0xf8), TRAP_GP); /* mov %dr7, %rax */
    CHECK_EQ(USER_RUN(0x0f, 0x01, 0xf8), TRAP_GP); /* swapgs */
    CHECK_EQ(trap_last.frame.error, 0);
    CHECK_EQ(trap_last.frame.rip, USER_CODE);
}

TEST("vmcall")
{
    CHECK_EQ(USER_RUN(0x0f, 0x01, 0xc1), TRAP_UD);
    CHECK_EQ(USER_RUN(0x0f, 0x01, 0xd9), TRAP_UD);
}

/* The forced CPUID serves user mode, too. */
TEST("forced-cpuid")
{
    struct trap_frame frame;
    static const uint8_t code[] = {0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2, SYSCALL};

    user_frame(&frame, code, sizeof(code), 2);
    frame.rax = 0x40000000;
    CHECK_EQ(user_run(&frame), VECTOR_SYSCALL);
    CHECK_EQ(trap_last.frame.rbx, 0x566e6558);
}

/* With IOPL 3 user mode may do I/O. */
TEST("iopl-3")
{
    struct physdev_set_iopl op = {.iopl = 3};

    REQUIRE_EQ(physdev_op(PHYSDEVOP_set_iopl, &op), 0);
    CHECK_EQ(USER_RUN(0xe4, 0x61, SYSCALL), VECTOR_SYSCALL);
    CHECK_EQ(USER_RUN(0xe6, 0x80, SYSCALL), VECTOR_SYSCALL);
    op.iopl = 1;
    REQUIRE_EQ(physdev_op(PHYSDEVOP_set_iopl, &op), 0);
    CHECK_EQ(USER_RUN(0xe4, 0x61, SYSCALL), TRAP_GP);
}

TEST("int-0x80")
{
    REQUIRE_EQ(trap_register(0x80, 3), 0);
    CHECK_EQ(USER_RUN(0xcd, 0x80), 0x80);
    CHECK_EQ(trap_last.frame.rip, USER_CODE + 2);
    CHECK_EQ(trap_last.frame.cs & 0xffff, FLAT_USER_CS);
    CHECK_EQ(trap_last.raw.rsp, user_kernel_stack_end - 7 * 8);
}

TEST("int-dpl")
{
    REQUIRE_EQ(trap_register(0x81, 1), 0);
    CHECK_EQ(USER_RUN(0xcd, 0x81), TRAP_GP);
    CHECK_EQ(trap_last.frame.rip, USER_CODE);
    if (trap_last.frame.error != (0x81 << 3 | 2))
        SKIP("the emulated CPU gave a wrong error code");
    REQUIRE_EQ(trap_register(0x81, 3), 0);
    CHECK_EQ(USER_RUN(0xcd, 0x81), 0x81);
}

/* int3 through the gate of DPL 3, but not when the guest closes it. */
TEST("int3-dpl")
{
    REQUIRE_EQ(trap_register(TRAP_BP, 4), 0);
    int vector = USER_RUN(0xcc);

    REQUIRE_EQ(trap_register(TRAP_BP, 7), 0);
    CHECK(vector == TRAP_BP || vector == TRAP_GP);
}

static void resume_behind(struct trap_frame *frame)
{
    frame->rip += 2;
}

/* A trap from user mode whose handler returns: nested entry, same stack again. */
TEST("handled-trap")
{
    trap_handlers[TRAP_UD] = resume_behind;
    CHECK_EQ(USER_RUN(0x0f, 0x0b, 0x0f, 0x0b, SYSCALL), VECTOR_SYSCALL);
    CHECK_EQ(trap_last.frame.rip, USER_CODE + 6);
}

TEST("stack-switch")
{
    uint8_t *other = page_alloc();

    CHECK_EQ(stack_switch(FLAT_KERNEL_SS, other + 2056), 0);
    CHECK_EQ(USER_RUN(SYSCALL), VECTOR_SYSCALL);
    CHECK_EQ(trap_last.raw.rsp, other + 2048 - 7 * 8); /* aligned to 16 */
    CHECK_EQ(stack_switch(FLAT_KERNEL_SS, user_kernel_stack_end), 0);
    page_free(other);
}

/* GS is swapped on the way; FS is not. */
TEST("segment-bases")
{
    struct trap_frame frame;
    /* mov %gs:0, %rax; mov %fs:8, %rbx; syscall */
    static const uint8_t code[] = {0x65, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0,      0x64,
                                   0x48, 0x8b, 0x1c, 0x25, 8,    0, 0, 0, SYSCALL};
    static uint64_t kernel_cell = 99;
    uint64_t value;

    user_data[0] = 0x1234;
    user_data[1] = 0x5678;
    CHECK_EQ(set_segment_base(SEGBASE_GS_USER, USER_DATA), 0);
    CHECK_EQ(set_segment_base(SEGBASE_FS, USER_DATA), 0);
    CHECK_EQ(set_segment_base(SEGBASE_GS_KERNEL, &kernel_cell), 0);
    user_frame(&frame, code, sizeof(code), 2);
    CHECK_EQ(user_run(&frame), VECTOR_SYSCALL);
    CHECK_EQ(trap_last.frame.rax, 0x1234);
    CHECK_EQ(trap_last.frame.rbx, 0x5678);
    __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
    CHECK_EQ(value, 99);
    CHECK_EQ(set_segment_base(SEGBASE_GS_USER, 1UL << 63), -EINVAL);
    CHECK_EQ(set_segment_base(7, 0), -EINVAL);
}

TEST("segment-selector")
{
    struct trap_frame frame;
    static const uint8_t code[] = {0x8c, 0xe8, SYSCALL}; /* mov %gs, %eax */

    CHECK_EQ(set_segment_base(SEGBASE_GS_USER_SEL, FLAT_USER_DS32), 0);
    user_frame(&frame, code, sizeof(code), 2);
    CHECK_EQ(user_run(&frame), VECTOR_SYSCALL);
    CHECK_EQ((uint16_t)trap_last.frame.rax, FLAT_USER_DS32);
    /* One that cannot be loaded becomes 0 (in Xen with success). */
    CHECK(set_segment_base(SEGBASE_GS_USER_SEL, 0x1238) <= 0);
    user_frame(&frame, code, sizeof(code), 2);
    CHECK_EQ(user_run(&frame), VECTOR_SYSCALL);
    CHECK_EQ((uint16_t)trap_last.frame.rax, 0);
    CHECK_EQ(set_segment_base(SEGBASE_GS_USER_SEL, 0), 0);
}

/*
 * A return that the CPU refuses: Xen 4.17 raises #GP in the kernel, as if the user code at its
 * target had made it, with the selector for error code. The failsafe callback is the older answer.
 */
static void check_refused_return(int vector, uint64_t selector)
{
    CHECK(vector == TRAP_GP || vector == VECTOR_FAILSAFE);
    if (vector == TRAP_GP)
        CHECK_EQ(trap_last.frame.error, selector & ~3UL);
    CHECK_EQ(trap_last.frame.rip, USER_CODE);
    CHECK_EQ(trap_last.frame.rsp, USER_STACK);
    CHECK_EQ(trap_last.upcall_mask, 1);
    CHECK_EQ(trap_last.raw.rsp, user_kernel_stack_end - (vector == TRAP_GP ? 8 : 11) * 8);
}

TEST("return-to-bad-cs")
{
    struct trap_frame frame;

    user_frame(&frame, "", 0, 2);
    frame.cs = 0x1003;
    check_refused_return(user_run(&frame), 0x1003);
}

TEST("return-to-bad-ss")
{
    struct trap_frame frame;

    user_frame(&frame, "", 0, 2);
    frame.ss = 0x1003;
    check_refused_return(user_run(&frame), 0x1003);
}

TEST("non-canonical-rip")
{
    struct trap_frame frame;
    int vector;

    user_frame(&frame, "", 0, 2);
    frame.rip = 0x8000000000000000;
    vector = user_run(&frame);
    if (!CHECK(vector == VECTOR_FAILSAFE || vector == TRAP_GP))
        print("vector %d", vector);
}

TEST("callbacks-refused")
{
    struct callback_register reg = {.type = 99, .address = (unsigned long)entry_syscall};
    struct callback_unregister unreg = {.type = CALLBACKTYPE_event};

    CHECK_EQ(callback_op(CALLBACKOP_register, &reg), -ENOSYS);
    reg.type = CALLBACKTYPE_syscall;
    reg.address = 1UL << 63;
    CHECK_EQ(callback_op(CALLBACKOP_register, &reg), -EINVAL);
    CHECK_EQ(callback_op(CALLBACKOP_unregister, &unreg), -EINVAL);
    CHECK_EQ(callback_op(9, &reg), -ENOSYS);
    CHECK_EQ(callback_op(CALLBACKOP_register, 0x1000), -EFAULT);
}

/* Without CALLBACKF_mask_events a system call leaves the mask as it was. */
TEST("syscall-unmasked")
{
    struct callback_register reg = {.type = CALLBACKTYPE_syscall,
                                    .address = (unsigned long)entry_syscall};
    struct trap_frame frame;
    static const uint8_t code[] = {SYSCALL};

    REQUIRE_EQ(callback_op(CALLBACKOP_register, &reg), 0);
    user_frame(&frame, code, sizeof(code), RFLAGS_IF | 2);
    CHECK_EQ(user_run(&frame), VECTOR_SYSCALL);
    CHECK_EQ(trap_last.upcall_mask, 0);
    reg.flags = CALLBACKF_mask_events;
    REQUIRE_EQ(callback_op(CALLBACKOP_register, &reg), 0);
}

/* An event that comes while user mode runs enters on the kernel stack. */
static struct trap_frame event_frame;
static uint64_t event_raw_rsp;

static void end_loop(struct trap_frame *frame)
{
    event_frame = *frame;
    event_raw_rsp = trap_last.raw.rsp;
    vcpu_info_self()->evtchn_upcall_pending = 0;
    frame->rip += 2;
}

TEST("event-in-user-mode")
{
    long port = event_alloc_unbound(DOMID_SELF, DOMID_SELF);
    struct trap_frame frame;
    static const uint8_t code[] = {0xeb, 0xfe, SYSCALL}; /* jmp . */

    REQUIRE(port > 0);
    long other = event_bind_interdomain(DOMID_SELF, port);

    REQUIRE(other > 0);
    CHECK_EQ(event_send(other), 0);
    trap_handlers[VECTOR_EVENT] = end_loop;
    user_frame(&frame, code, sizeof(code), RFLAGS_IF | 2);
    CHECK_EQ(user_run(&frame), VECTOR_SYSCALL);
    CHECK_EQ(event_frame.rip, USER_CODE);
    CHECK_EQ(event_frame.cs & 3, 3);
    CHECK_EQ(event_raw_rsp, user_kernel_stack_end - 7 * 8);
    event_clear(port);
    vcpu_info_self()->evtchn_pending_sel = 0;
    CHECK_EQ(event_close(other), 0);
    CHECK_EQ(event_close(port), 0);
}

TEST("no-user-root")
{
    CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, user_root), 0);
    CHECK_EQ(USER_RUN(SYSCALL), VECTOR_SYSCALL);
}
