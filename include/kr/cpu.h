/* SPDX-License-Identifier: MIT */
/*
 * One physical CPU as the core sees it. `this_cpu()` (from the port) is the only way to reach the
 * own one; a field without a letter is private to its CPU.
 * Legend: [I] immutable after bring-up  [a] atomic, any CPU
 */
#pragma once

#include <kr/arch.h>
#include <kr/sched.h>
#include <kr/timer.h>

#define CPU_COUNT_MAX 256

/* Deferred work, done on the way back to a guest or in the idle loop. */
enum cpu_work {
    CPU_WORK_SCHED = BIT(0), /* pick again which vCPU runs */
    CPU_WORK_TIMER = BIT(1), /* the CPU's timer fired: run expired timers */
    CPU_WORK_CONSOLE = BIT(2), /* received characters are waiting */
};

struct cpu {
    struct arch_cpu arch;    /* first: assembly reaches it from the per-CPU base */
    unsigned id;             /* [I] */
    struct vcpu *current;    /* running vCPU, NULL while idle */
    _Atomic uint32_t work;   /* [a] enum cpu_work */
    struct sched_cpu sched;
    struct timer_cpu timers;
    uint64_t idle_ns;        /* total time spent idle */
    uint32_t locks_held;     /* how many, and the ranks as a stack */
    uint8_t lock_ranks[12];
};

extern unsigned cpu_count; /* [I] CPUs brought up */

/* CPU by number, NULL when there is none. */
struct cpu *cpu_by_id(unsigned id);
/* The running vCPU of this CPU. */
static inline struct vcpu *current_vcpu(void)
{
    return this_cpu()->current;
}
/* Marks work for a CPU and makes it notice (an IPI when it is another one). */
void cpu_raise_work(struct cpu *cpu, uint32_t work);
/* Does this CPU's pending work; called with interrupts off by the exit path and the idle loop. */
void cpu_do_work(void);
