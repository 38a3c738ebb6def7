/* SPDX-License-Identifier: MIT */
/*
 * Exceptions, system calls and callbacks of a test kernel, and the means to survive an expected
 * fault: FAULT_OF(statement) runs the statement and yields the vector it faulted with, or NO_FAULT.
 */
#pragma once

#include "hypercall.h"

#define VECTOR_SYSCALL  256
#define VECTOR_EVENT    257
#define VECTOR_FAILSAFE 258
#define VECTOR_COUNT    259
#define NO_FAULT        (-1)

#define TRAP_DE  0
#define TRAP_DB  1
#define TRAP_NMI 2
#define TRAP_BP  3
#define TRAP_OF  4
#define TRAP_BR  5
#define TRAP_UD  6
#define TRAP_NM  7
#define TRAP_NP  11
#define TRAP_SS  12
#define TRAP_GP  13
#define TRAP_PF  14
#define TRAP_MF  16
#define TRAP_AC  17

#define PF_PRESENT 1
#define PF_WRITE   2
#define PF_USER    4
#define PF_FETCH   16

#define RFLAGS_TF   (1UL << 8)
#define RFLAGS_IF   (1UL << 9)
#define RFLAGS_IOPL (3UL << 12)
#define RFLAGS_NT   (1UL << 14)
#define RFLAGS_RF   (1UL << 16)
#define RFLAGS_AC   (1UL << 18)

/* Built by entry.S; the order is its pushes. The tail from rip on is the ABI's. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* The CPU as the latest entry found it, before anything was popped (offsets used by entry.S). */
struct trap_raw {
    uint64_t rsp, rflags;
    uint16_t cs, ss;
};

/* The latest trap that was taken, as dispatch saw it. */
struct trap_record {
    int vector;
    struct trap_frame frame;
    struct trap_raw raw;
    uint64_t cr2;
    bool upcall_mask; /* vcpu_info.evtchn_upcall_mask inside the handler */
};

/* Callee-saved state to come back to (offsets used by entry.S). */
struct recovery {
    uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
};

/* A handler owns its vector: it may change the frame; the frame is then resumed. */
typedef void trap_handler_fn(struct trap_frame *frame);

extern struct trap_raw trap_raw;
extern struct trap_record trap_last;
extern int fault_vector;                    /* what FAULT_OF() yields */
extern uint64_t trap_failsafe_selectors[4]; /* DS ES FS GS */
extern uint64_t trap_iret_flags; /* "flags" word of every iret hypercall; 0 but in tests */
extern trap_handler_fn *trap_handlers[VECTOR_COUNT];
extern struct recovery *recovery_current;
extern const uint64_t trap_stubs[256];

void entry_syscall(void);
void entry_event(void);
void entry_failsafe(void);

/* Registers all vectors (DPL 3 for #BP and #OF, else 0, events masked on entry) and the callbacks.
 */
void trap_init(void);
/* Re-registers one vector with these TI flags. Returns the hypercall's result. */
long trap_register(unsigned vector, uint8_t flags);
void trap_dispatch(struct trap_frame *frame);
void trap_resume(struct trap_frame *frame) __noreturn;
int recovery_save(struct recovery *to) __attribute__((returns_twice));
void recovery_jump(struct recovery *to) __noreturn;

#define FAULT_OF(...)                                      \
    ({                                                     \
        struct recovery here_, *outer_ = recovery_current; \
        fault_vector = NO_FAULT;                           \
        if (recovery_save(&here_) == 0) {                  \
            recovery_current = &here_;                     \
            __asm__ volatile("" ::: "memory");             \
            __VA_ARGS__;                                   \
            __asm__ volatile("" ::: "memory");             \
        }                                                  \
        recovery_current = outer_;                         \
        fault_vector;                                      \
    })
