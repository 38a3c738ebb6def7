/* SPDX-License-Identifier: MIT */
/*
 * Scheduling: mechanism here, policy in sched_<name>.c. A vCPU runs when it is up, not paused and
 * not blocked. Switching happens only on the way back to a guest or in the idle loop.
 */
#pragma once

#include <kr/list.h>
#include <kr/lock.h>
#include <kr/timer.h>

/* Why a vCPU does not run; runnable means no bit set. Changed atomically. */
enum vcpu_stop {
    VCPU_STOP_DOWN = BIT(0),    /* VCPUOP_down, or never brought up */
    VCPU_STOP_BLOCKED = BIT(1), /* waits for an event */
    VCPU_STOP_PAUSED = BIT(2),  /* domain or vCPU pause count above zero */
};

/* Per-vCPU part. [s] under the run queue's lock. */
struct vcpu_sched {
    _Atomic uint32_t stop;     /* enum vcpu_stop */
    struct list queue;         /* [s] place on a run queue, empty when not queued */
    uint32_t cpu;              /* CPU it runs on or ran on last */
    bool running;              /* on a CPU right now */
    int64_t credit;            /* [s] policy's */
    uint64_t run_start_ns;     /* when it was last given the CPU */
};

/* Per-domain part: what `xl sched-credit2` sets. */
struct domain_sched {
    uint16_t weight; /* 1..65535, 256 by default */
    uint16_t cap_percent;
};

struct sched_cpu {
    struct spinlock lock;
    struct list queue; /* runnable vCPUs, policy's order */
    struct timer slice;
};

struct vcpu;
struct domain;
struct cpu;

void sched_cpu_init(struct cpu *cpu);
int sched_vcpu_init(struct vcpu *v);
void sched_vcpu_fini(struct vcpu *v);
void sched_domain_init(struct domain *d);

/* Sets or clears stop reasons; queues the vCPU or asks its CPU to let go of it. Any CPU. */
void vcpu_stop(struct vcpu *v, uint32_t reason);
void vcpu_start(struct vcpu *v, uint32_t reason);
/* As vcpu_stop(), and returns only when it is off its CPU (never call for the current vCPU). */
void vcpu_stop_sync(struct vcpu *v, uint32_t reason);
/* An event became pending: ends blocking and makes a running vCPU notice. */
void vcpu_kick(struct vcpu *v);
/* The current vCPU gives way to others. */
void sched_yield(void);
/* Picks and switches; from cpu_do_work() when CPU_WORK_SCHED is set. */
void sched_run(void);
/* The idle loop and first entry: does work and waits until a vCPU was switched in. */
void sched_idle_until_runnable(void);
