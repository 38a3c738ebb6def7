/* SPDX-License-Identifier: MIT */
/*
 * Scheduling: mechanism in core/sched.c, policy in core/sched_<name>.c. A vCPU runs when it is up,
 * not paused and not blocked. Switching happens only on the way back to a guest or in the idle
 * loop, never inside a hypercall.
 *
 * Legend: [s] under the run queue's lock of the CPU that the vCPU belongs to  [a] atomic
 *         [c] private to that CPU
 */
#pragma once

#include <kr/cpumask.h>
#include <kr/list.h>
#include <kr/lock.h>
#include <kr/timer.h>

struct vcpu;
struct domain;
struct cpu;

/* Why a vCPU does not run; runnable means no bit set. Changed atomically. */
enum vcpu_stop {
    VCPU_STOP_DOWN = BIT(0),     /* VCPUOP_down, or never brought up */
    VCPU_STOP_BLOCKED = BIT(1),  /* waits for an event */
    VCPU_STOP_PAUSED = BIT(2),   /* its own pause count is above zero */
    VCPU_STOP_DOMAIN = BIT(3),   /* the domain's pause count is above zero */
    VCPU_STOP_SHUTDOWN = BIT(4), /* the domain has shut down */
    VCPU_STOP_CAP = BIT(5),      /* the domain has run more than its cap allows */
};

/* Per-vCPU part. */
struct vcpu_sched {
    _Atomic uint32_t stop; /* [a] enum vcpu_stop */
    _Atomic uint32_t cpu;  /* [s] CPU it runs on, waits for, or ran on last */
    struct list queue;     /* [s] place on a run queue, empty when not queued */
    _Atomic bool running;  /* [s] it is that CPU's current vCPU */
    _Atomic bool loaded;   /* [s] that CPU's registers hold its state, running or not */
    bool yielding;         /* [s] gives way once */
    int64_t credit;        /* [s] policy's, and so is the next */
    uint32_t credit_round;
    uint64_t run_start_ns;           /* [s] when it was last given the CPU */
    bool pinned;                     /* [s] `hard` is one CPU for a while */
    struct cpu_mask hard;            /* [s] CPUs it may use */
    struct cpu_mask hard_before_pin; /* [s] */
    struct cpu_mask soft;            /* [s] CPUs it prefers */
};

#define SCHED_WEIGHT_DEFAULT 256

/* Per-domain part: what `xl sched-credit2` sets. */
struct domain_sched {
    _Atomic uint16_t weight;      /* [a] 1..65535 */
    _Atomic uint16_t cap_percent; /* [a] of one CPU, 0 for none */
    struct timer cap_timer;       /* end of the cap's period; protects the next two */
    int64_t cap_budget_ns;
    uint64_t cap_ran_ns; /* CPU time at the last end of a period */
};

struct sched_cpu {
    struct spinlock lock;
    struct list queue;       /* [s] runnable vCPUs, policy's order */
    _Atomic uint32_t queued; /* [s] how many; others guess from it */
    uint32_t credit_round;   /* [s] policy's */
    struct timer slice;
    struct vcpu *_Atomic running; /* [s] who was given the CPU, NULL while idle */
    struct vcpu *loaded;          /* [c] whose state the registers hold; kept while idle */
    _Atomic bool unload;          /* [a] asks to store the state of an idle loaded vCPU */
    uint64_t idle_start_ns;       /* [s] */
    uint64_t idle_ns;             /* [s] total time spent idle, but for the present spell */
};

/*
 * What a policy provides. It keeps the queue in order; the first one that may use the CPU runs
 * next. All but vcpu_init run under the run queue's lock.
 */
struct sched_policy {
    const char *name, *label; /* for the command line and for people */
    unsigned abi_id;          /* xen/domctl.h XEN_SCHEDULER_* */
    void (*vcpu_init)(struct vcpu *v);
    /* Puts it in its place on the CPU's queue. `woken`: it was not runnable before. */
    void (*enqueue)(struct cpu *cpu, struct vcpu *v, bool woken);
    /* It is next to run, still on the queue. */
    void (*chosen)(struct cpu *cpu, struct vcpu *v);
    /* It has run for so long. */
    void (*charge)(struct cpu *cpu, struct vcpu *v, uint64_t ran_ns);
    /* When the running vCPU should be looked at again because of the ones that wait: now or
     * earlier means at once. */
    uint64_t (*review_ns)(struct cpu *cpu, struct vcpu *running, uint64_t now_ns);
};
extern const struct sched_policy sched_credit2;
/* A vCPU runs at least so long before another may take over. */
extern _Atomic uint32_t sched_ratelimit_us;

void sched_cpu_init(struct cpu *cpu);
/* A new vCPU: stopped (DOWN), on this CPU. */
void sched_vcpu_init(struct vcpu *v, unsigned cpu);
/* It has stopped for good. */
void sched_vcpu_fini(struct vcpu *v);
void sched_domain_init(struct domain *d);
/* A dying domain: its cap ends. Not from its own timers. */
void sched_domain_fini(struct domain *d);
/* Percent of one CPU, 0 for none. The control lock is held, and the domain is not dying. */
void sched_set_cap(struct domain *d, uint16_t percent);

/* Sets or clears stop reasons; queues the vCPU or asks its CPU to let go of it. Any CPU. */
void vcpu_stop(struct vcpu *v, uint32_t reason);
void vcpu_start(struct vcpu *v, uint32_t reason);
/*
 * As vcpu_stop(), and returns only when no CPU holds its state. Never for the current vCPU, nor
 * with BLOCKED, which an event would end. Two CPUs must not wait for each other, so the caller
 * holds the control lock (LOCK_RANK_CONTROL) or is start-up code.
 */
void vcpu_stop_sync(struct vcpu *v, uint32_t reason);
/* An event became pending: ends blocking and polling and makes a running vCPU notice. */
void vcpu_kick(struct vcpu *v);
/* The current vCPU gives way to others. */
void sched_yield(void);
/* Picks and switches; from cpu_do_work() when CPU_WORK_SCHED is set. */
void sched_run(void);
/* The idle loop and first entry: does work and waits until a vCPU was switched in. */
void sched_idle_until_runnable(void);
/* CPUs it may run on and those it prefers; moves it if it must. -EINVAL: no CPU left in `hard`. */
int sched_set_affinity(struct vcpu *v, const struct cpu_mask *hard, const struct cpu_mask *soft);
void sched_get_affinity(struct vcpu *v, struct cpu_mask *hard, struct cpu_mask *soft);
/* Keeps it on one CPU until called with a negative number. -EINVAL: no such CPU, not pinned;
 * -EBUSY: pinned already. */
int sched_pin(struct vcpu *v, int cpu);
/* Time a CPU has been idle since boot. */
uint64_t sched_idle_time_ns(struct cpu *cpu);
/* The same, [s] held. */
uint64_t sched_idle_time_locked_ns(const struct cpu *cpu);
