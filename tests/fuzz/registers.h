/* SPDX-License-Identifier: MIT */
/* A guest's registers: by number, and filled. */
#pragma once

#include "fuzz.h"
#include <x86/regs.h>

static inline uint64_t *register_of(struct x86_regs *regs, unsigned reg)
{
    uint64_t *const place[] = {&regs->rax, &regs->rcx, &regs->rdx, &regs->rbx,
                               &regs->rsp, &regs->rbp, &regs->rsi, &regs->rdi,
                               &regs->r8,  &regs->r9,  &regs->r10, &regs->r11,
                               &regs->r12, &regs->r13, &regs->r14, &regs->r15};

    return place[reg];
}

/* Any values, so that a register taken for another shows. */
static inline void fill_registers(struct x86_regs *regs, uint64_t seed)
{
    uint64_t *words = (uint64_t *)regs;

    for (unsigned i = 0; i < sizeof(*regs) / sizeof(*words); i++) {
        seed = seed * 6364136223846793005UL + 1442695040888963407UL;
        words[i] = seed ^ seed >> 29;
    }
}
