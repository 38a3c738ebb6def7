/* SPDX-License-Identifier: MIT */
/*
 * One-shot timers in absolute system time, one queue per CPU. A callback runs on the timer's CPU
 * with interrupts off and no lock held; it may set its timer again.
 *
 * A queue is a pairing heap threaded through the timers themselves, so setting a timer never
 * allocates and cannot fail. A timer's `cpu` says whose lock protects its other fields.
 */
#pragma once

#include <kr/lock.h>

struct timer;
typedef void (*timer_fn)(struct timer *t);

struct timer {
    uint64_t deadline_ns;
    timer_fn fn;
    _Atomic uint32_t cpu; /* queue it belongs to; changes under both queues' locks */
    bool queued;
    struct timer *child; /* first of those that expire later */
    struct timer *next;  /* next sibling */
    struct timer *prev;  /* previous sibling; the parent for the first one */
};

struct timer_cpu {
    struct spinlock lock;
    struct timer *root;     /* earliest */
    struct timer *running;  /* whose callback runs at this moment */
    uint64_t programmed_ns; /* what the hardware was last asked for, UINT64_MAX for nothing */
    uint32_t count;         /* timers in the queue */
};

void timer_cpu_init(struct timer_cpu *q);
void timer_init(struct timer *t, timer_fn fn, unsigned cpu);
/* Stops it and waits until a callback running on another CPU has returned: memory may go. */
void timer_fini(struct timer *t);
/* (Re)arms; a deadline in the past fires at once (through CPU_WORK_TIMER). Any CPU. */
void timer_set(struct timer *t, uint64_t deadline_ns);
void timer_stop(struct timer *t);
bool timer_is_set(const struct timer *t);
/* The last one it was set to. Any CPU, no lock. */
static inline uint64_t timer_deadline_ns(const struct timer *t)
{
    return __atomic_load_n(&t->deadline_ns, __ATOMIC_RELAXED);
}
/* Moves to another CPU's queue, keeping the deadline. */
void timer_migrate(struct timer *t, unsigned cpu);
/* Runs what expired on this CPU and programs the next deadline. From cpu_do_work(). */
void timer_run(void);
