/* SPDX-License-Identifier: MIT */
/*
 * User mode: an address space of its own with one code page and one data page, and the way in and
 * back. user_run() leaves by the iret hypercall; the first trap or system call of the user code
 * that no handler takes ends it (trap_last holds the user's frame).
 */
#pragma once

#include "trap.h"

#define USER_CODE  0x400000UL
#define USER_DATA  0x401000UL
#define USER_STACK (USER_DATA + 0x1000)

extern uint8_t *user_code; /* the same pages as the kernel sees them */
extern uint64_t *user_data;
extern mfn_t user_root; /* the user L4 */
extern uint8_t user_kernel_stack[8192] __aligned(16);
#define user_kernel_stack_end (user_kernel_stack + sizeof(user_kernel_stack))

/* Makes and installs the address space once; the kernel stack for traps from user mode, too. */
void user_init(void);
/* A frame that starts at USER_CODE with the code given, events masked as the RFLAGS.IF says. */
void user_frame(struct trap_frame *frame, const void *code, uint64_t size_bytes, uint64_t rflags);
/* Runs a frame until something comes back; yields the vector. */
int user_run(struct trap_frame *frame);
/* user_frame() and user_run() with interrupts masked. */
int user_run_code(const void *code, uint64_t size_bytes);

#define USER_RUN(...)                                 \
    ({                                                \
        static const uint8_t code_[] = {__VA_ARGS__}; \
        user_run_code(code_, sizeof(code_));          \
    })
