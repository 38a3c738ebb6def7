/* SPDX-License-Identifier: MIT */
/*
 * One-shot timers in absolute system time, one queue per CPU. A callback runs on the timer's CPU
 * with interrupts off and no lock held; it may set its timer again.
 */
#pragma once

#include <kr/lock.h>

struct timer;
typedef void (*timer_fn)(struct timer *t);

struct timer {
    uint64_t deadline_ns;
    timer_fn fn;
    uint32_t cpu;        /* queue it belongs to */
    uint32_t heap_index; /* place in the queue, TIMER_IDLE when not queued */
};

#define TIMER_IDLE          0xffffffffU
#define TIMER_QUEUE_INLINE  64

/* Binary heap by deadline. Grows through the heap; the inline part covers small machines. */
struct timer_cpu {
    struct spinlock lock;
    struct timer **heap;
    uint32_t count, capacity;
    struct timer *inline_heap[TIMER_QUEUE_INLINE];
};

void timer_cpu_init(struct timer_cpu *q);
void timer_init(struct timer *t, timer_fn fn, unsigned cpu);
/* Reserves room so that timer_set() cannot fail; pairs with timer_fini(). */
int timer_reserve(struct timer *t) __must_check;
void timer_fini(struct timer *t);
/* (Re)arms; a deadline in the past fires at once (through CPU_WORK_TIMER). Any CPU. */
void timer_set(struct timer *t, uint64_t deadline_ns);
void timer_stop(struct timer *t);
bool timer_is_set(const struct timer *t);
/* Moves to another CPU's queue, keeping the deadline. */
void timer_migrate(struct timer *t, unsigned cpu);
/* Runs what expired on this CPU and programs the next deadline. From cpu_do_work(). */
void timer_run(void);
