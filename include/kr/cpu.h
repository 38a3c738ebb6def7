/* SPDX-License-Identifier: MIT */
/*
 * One physical CPU as the core sees it. `this_cpu()` (from the port) is the only way to reach the
 * own one; a field without a letter is private to its CPU.
 * Legend: [I] immutable after bring-up  [a] atomic, any CPU
 */
#pragma once

#include <kr/arch.h>
#include <kr/cpumask.h>
#include <kr/lock.h>
#include <kr/sched.h>
#include <kr/timer.h>

/* Deferred work, done on the way back to a guest or in the idle loop. */
enum cpu_work {
    CPU_WORK_SCHED = BIT(0),   /* pick again which vCPU runs */
    CPU_WORK_TIMER = BIT(1),   /* the CPU's timer fired: run expired timers */
    CPU_WORK_CONSOLE = BIT(2), /* received characters are waiting */
    CPU_WORK_REAP = BIT(3),    /* free domains whose last reference has gone */
};

#define HYPERCALL_COUNT 64 /* one more than the highest hypercall number */

struct cpu {
    struct arch_cpu arch;  /* first: assembly reaches it from the per-CPU base */
    unsigned id;           /* [I] */
    struct vcpu *current;  /* running vCPU, NULL while idle */
    _Atomic uint32_t work; /* [a] enum cpu_work */
    struct sched_cpu sched;
    struct timer_cpu timers;
    bool in_multicall;   /* the running hypercall is an entry of a list */
    uint32_t locks_held; /* how many, and their ranks in order of acquisition */
    uint8_t lock_ranks[LOCK_DEPTH_MAX];
    uint64_t hypercall_count[HYPERCALL_COUNT];
};

extern unsigned cpu_count; /* [I] CPUs brought up */

/*
 * A CPU joins: numbers it with the next id and prepares its queues. `cpu` is zeroed but for `arch`.
 * Called by the port on the boot CPU, in order, before that CPU takes work.
 */
void cpu_register(struct cpu *cpu);
/* CPU by number, NULL when there is none. */
struct cpu *cpu_by_id(unsigned id);
/* The running vCPU of this CPU. */
static inline struct vcpu *current_vcpu(void)
{
    return this_cpu()->current;
}
/* Marks work for a CPU and makes it notice (an IPI when it is another one). Any context. */
void cpu_raise_work(struct cpu *cpu, uint32_t work);
/*
 * Does this CPU's pending work, all of it, with interrupts off and no lock held. Afterwards
 * `current` may be another vCPU, or NULL: then the exit path goes to sched_idle_until_runnable().
 */
void cpu_do_work(void);
