/* SPDX-License-Identifier: MIT */
/*
 * 32-bit user code under a 64-bit kernel: entry through FLAT_USER_CS32, exceptions, `int 0x80` and
 * SYSCALL from compatibility mode.
 */
#include "guest.h"
#include "cpu.h"
#include "user.h"
#include <xen/callback.h>

static int run32(const void *code, uint64_t size_bytes)
{
    struct trap_frame frame;

    user_frame(&frame, code, size_bytes, RFLAGS_IF | 2);
    frame.cs = FLAT_USER_CS32;
    frame.ss = FLAT_USER_SS32;
    return user_run(&frame);
}

#define RUN32(...)                                    \
    ({                                                \
        static const uint8_t code_[] = {__VA_ARGS__}; \
        run32(code_, sizeof(code_));                  \
    })

static void check_frame(uint64_t offset)
{
    CHECK_EQ(trap_last.frame.cs & 0xffff, FLAT_USER_CS32);
    CHECK_EQ(trap_last.frame.ss, FLAT_USER_SS32);
    CHECK_EQ(trap_last.frame.rip, USER_CODE + offset);
    CHECK_EQ(trap_last.raw.cs, FLAT_KERNEL_CS);
}

TEST("setup")
{
    user_init();
    REQUIRE_EQ(trap_register(0x80, 3), 0);
}

/* The code is 32-bit: 0x40 is inc %eax there and a prefix in 64-bit mode. */
TEST("mode")
{
    CHECK_EQ(RUN32(0x31, 0xc0, 0x40, 0x40, 0x0f, 0x0b),
             TRAP_UD); /* xor %eax, %eax; inc; inc; ud2 */
    CHECK_EQ(trap_last.frame.rax, 2);
    check_frame(4);
}

TEST("page-fault")
{
    CHECK_EQ(RUN32(0xa1, 0x00, 0x00, 0x01, 0xf0), TRAP_PF); /* mov 0xf0010000, %eax */
    CHECK_EQ(trap_last.cr2, 0xf0010000);
    CHECK_EQ(trap_last.frame.error, PF_USER);
    check_frame(0);
}

TEST("stack")
{
    CHECK_EQ(RUN32(0x68, 0x78, 0x56, 0x34, 0x12, 0x0f, 0x0b), TRAP_UD); /* push $0x12345678 */
    CHECK_EQ(trap_last.frame.rsp, USER_STACK - 4);
    CHECK_EQ((uint32_t)(user_data[511] >> 32), 0x12345678);
}

TEST("int-0x80")
{
    CHECK_EQ(RUN32(0xb8, 0x14, 0, 0, 0, 0xcd, 0x80), 0x80);
    CHECK_EQ(trap_last.frame.rax, 0x14);
    check_frame(7);
}

TEST("privileged")
{
    CHECK_EQ(RUN32(0xf4), TRAP_GP);
    check_frame(0);
    CHECK_EQ(RUN32(0xfa), TRAP_GP);
    CHECK_EQ(RUN32(0xe4, 0x61), TRAP_GP);
}

/* Sign of the overflow trap that exists only here. */
TEST("into")
{
    CHECK_EQ(RUN32(0xb0, 0x7f, 0x04, 0x01, 0xce), TRAP_OF); /* mov $127, %al; add $1, %al; into */
    check_frame(5);
}

TEST("bound")
{
    /* bound %eax, 0x401000 with an empty range */
    CHECK_EQ(RUN32(0xb8, 5, 0, 0, 0, 0x62, 0x05, 0x00, 0x10, 0x40, 0x00), TRAP_BR);
    check_frame(5);
}

/* On AMD; elsewhere the instruction does not exist in this mode. */
TEST("syscall32")
{
    struct callback_register reg = {.type = CALLBACKTYPE_syscall32,
                                    .flags = CALLBACKF_mask_events,
                                    .address = (unsigned long)entry_syscall};
    bool amd = cpuid_forced(0, 0).c == 0x444d4163; /* "cAMD" */
    long err = callback_op(CALLBACKOP_register, &reg);

    if (err != 0)
        SKIP("no 32-bit system calls: %ld", err);
    int vector = RUN32(0xb8, 0x14, 0, 0, 0, 0x0f, 0x05);

    CHECK_EQ(vector, amd ? VECTOR_SYSCALL : TRAP_UD);
    if (vector == VECTOR_SYSCALL) {
        CHECK_EQ(trap_last.frame.rip, USER_CODE + 7);
        CHECK_EQ(trap_last.frame.rax, 0x14);
        CHECK_EQ(trap_last.frame.cs & 3, 3);
    }
}

/* Without a callback the instruction is undefined for the user. */
TEST("sysenter-unregistered")
{
    int vector = RUN32(0x0f, 0x34);

    CHECK(vector == TRAP_GP || vector == TRAP_UD);
}

/* Back to 64-bit code by a far jump between the flat selectors. */
TEST("far-jump")
{
    static const uint8_t code[] = {0xea, 0x07, 0x00, 0x40, 0x00, 0x33, 0xe0, /* ljmp $0xe033, $+7 */
                                   0x48, 0xb8, 1,    2,    3,    4,    5,
                                   6,    7,    8, /* movabs, %rax */
                                   0x0f, 0x05};

    CHECK_EQ(run32(code, sizeof(code)), VECTOR_SYSCALL);
    CHECK_EQ(trap_last.frame.rax, 0x0807060504030201);
}
