/* SPDX-License-Identifier: MIT */
/* All a test kernel needs: one include. */
#pragma once

#include <kr/types.h>
#include <kr/string.h>
#include <kr/printf.h>
#include <xen/xen.h>
#include "hypercall.h"
#include "trap.h"
#include "mm.h"
#include "event.h"
#include "test.h"

/* Registers at the entry point (written by start.S, same order). */
struct entry_state {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rflags;
    uint16_t cs, ss, ds, es, fs, gs;
};

extern struct entry_state entry_state;
extern struct start_info *start_info;
extern struct shared_info *shared_info; /* mapped by guest_main() */
extern uint8_t boot_stack[], boot_stack_end[];

/* vCPU 0's information area: in shared_info, or where the test registered it. */
extern struct vcpu_info *vcpu_info_current;

static inline struct vcpu_info *vcpu_info_self(void)
{
    return vcpu_info_current;
}

static inline uint64_t tsc_read(void)
{
    uint32_t lo, hi;

    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

/* System time by the pvclock protocol from a vcpu_time_info. */
uint64_t time_read(const struct vcpu_time_info *t);
/* System time of vCPU 0. */
uint64_t time_now(void);
