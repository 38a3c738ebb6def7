/* SPDX-License-Identifier: MIT */
/*
 * Timers: one pairing heap per CPU (Fredman, Sedgewick, Sleator, Tarjan 1986: "The pairing heap").
 * The earliest timer is the root; inserting compares with the root only, so the usual case, a guest
 * that moves its own one-shot timer, is a few instructions.
 *
 * The hardware is programmed no more than needed: it may fire earlier than the earliest timer (one
 * that was stopped or moved later), never later.
 */
#include <kr/cpu.h>
#include <kr/debugkey.h>
#include <kr/log.h>
#include <kr/symbol.h>
#include <kr/time.h>
#include <kr/timer.h>

/* Both are roots without siblings; the later one becomes the other's first child. */
static struct timer *heap_meld(struct timer *a, struct timer *b)
{
    if (b->deadline_ns < a->deadline_ns) {
        struct timer *t = a;

        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    a->child = b;
    return a;
}

/* Makes one tree of a list of siblings: melds them in pairs, then the pairs from last to first. */
static struct timer *heap_meld_siblings(struct timer *first)
{
    struct timer *pairs = NULL, *root = NULL;

    while (first) {
        struct timer *a = first, *b = a->next;

        first = b ? b->next : NULL;
        a->next = NULL;
        if (b) {
            b->next = NULL;
            a = heap_meld(a, b);
        }
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct timer *a = pairs;

        pairs = a->next;
        a->next = NULL;
        root = root ? heap_meld(root, a) : a;
    }
    return root;
}

static void queue_insert(struct timer_cpu *q, struct timer *t)
{
    t->child = t->next = t->prev = NULL;
    __atomic_store_n(&t->queued, true, __ATOMIC_RELAXED); /* timer_is_set() has no lock */
    q->root = q->root ? heap_meld(q->root, t) : t;
    q->root->prev = NULL;
    q->count++;
}

static void queue_remove(struct timer_cpu *q, struct timer *t)
{
    struct timer *rest = heap_meld_siblings(t->child);

    if (t == q->root) {
        q->root = rest;
    } else {
        if (t->prev->child == t)
            t->prev->child = t->next;
        else
            t->prev->next = t->next;
        if (t->next)
            t->next->prev = t->prev;
        if (rest)
            q->root = heap_meld(q->root, rest);
    }
    if (q->root)
        q->root->prev = q->root->next = NULL;
    __atomic_store_n(&t->queued, false, __ATOMIC_RELAXED);
    q->count--;
}

/* Locks the queue that the timer belongs to; another CPU may move it meanwhile. */
static struct cpu *timer_lock(struct timer *t)
{
    for (;;) {
        struct cpu *cpu = cpu_by_id(t->cpu);

        spin_lock(&cpu->timers.lock);
        if (likely(t->cpu == cpu->id))
            return cpu;
        spin_unlock(&cpu->timers.lock);
    }
}

/* The root may have become earlier than what the hardware waits for. Queue locked. */
static void queue_program(struct cpu *cpu)
{
    struct timer_cpu *q = &cpu->timers;

    if (!q->root || q->root->deadline_ns >= q->programmed_ns)
        return;
    if (cpu == this_cpu() && q->root->deadline_ns > time_now_ns()) {
        q->programmed_ns = q->root->deadline_ns;
        arch_timer_program(q->programmed_ns);
    } else {
        cpu_raise_work(cpu, CPU_WORK_TIMER);
    }
}

void timer_cpu_init(struct timer_cpu *q)
{
    spin_lock_init(&q->lock, LOCK_RANK_TIMER);
    q->root = q->running = NULL;
    q->programmed_ns = UINT64_MAX;
    q->count = 0;
}

void timer_init(struct timer *t, timer_fn fn, unsigned cpu)
{
    *t = (struct timer){.fn = fn, .cpu = cpu};
}

void timer_set(struct timer *t, uint64_t deadline_ns)
{
    struct cpu *cpu = timer_lock(t);

    if (t->queued)
        queue_remove(&cpu->timers, t);
    __atomic_store_n(&t->deadline_ns, deadline_ns, __ATOMIC_RELAXED);
    queue_insert(&cpu->timers, t);
    queue_program(cpu);
    spin_unlock(&cpu->timers.lock);
}

void timer_stop(struct timer *t)
{
    struct cpu *cpu;

    if (!__atomic_load_n(&t->queued, __ATOMIC_RELAXED))
        return;
    cpu = timer_lock(t);
    if (t->queued)
        queue_remove(&cpu->timers, t);
    spin_unlock(&cpu->timers.lock);
}

void timer_fini(struct timer *t)
{
    struct cpu *cpu;

    if (!t->fn)
        return;
    cpu = timer_lock(t);
    if (t->queued)
        queue_remove(&cpu->timers, t);
    spin_unlock(&cpu->timers.lock);
    while (cpu != this_cpu() && __atomic_load_n(&cpu->timers.running, __ATOMIC_ACQUIRE) == t)
        arch_cpu_relax();
    timer_stop(t); /* the callback may have set it again */
}

bool timer_is_set(const struct timer *t)
{
    return __atomic_load_n(&t->queued, __ATOMIC_RELAXED);
}

/* Locks two queues in ascending CPU order; they may be the same. */
static void queues_lock(struct cpu *a, struct cpu *b)
{
    struct cpu *first = a->id < b->id ? a : b;

    spin_lock(&first->timers.lock);
    if (a != b)
        spin_lock_nested(&(first == a ? b : a)->timers.lock);
}

static void queues_unlock(struct cpu *a, struct cpu *b)
{
    if (a != b)
        spin_unlock(&b->timers.lock);
    spin_unlock(&a->timers.lock);
}

void timer_migrate(struct timer *t, unsigned cpu_id)
{
    struct cpu *from, *to = cpu_by_id(cpu_id);

    for (;;) {
        from = cpu_by_id(t->cpu);
        queues_lock(from, to);
        if (likely(t->cpu == from->id))
            break;
        queues_unlock(from, to);
    }
    if (from != to && t->queued) {
        queue_remove(&from->timers, t);
        queue_insert(&to->timers, t);
        queue_program(to);
    }
    t->cpu = cpu_id;
    queues_unlock(from, to);
}

void timer_run(void)
{
    struct cpu *cpu = this_cpu();
    struct timer_cpu *q = &cpu->timers;
    uint64_t now = time_now_ns();

    spin_lock(&q->lock);
    while (q->root && q->root->deadline_ns <= now) {
        struct timer *t = q->root;

        queue_remove(q, t);
        __atomic_store_n(&q->running, t, __ATOMIC_RELAXED);
        spin_unlock(&q->lock);
        t->fn(t);
        spin_lock(&q->lock);
        __atomic_store_n(&q->running, NULL, __ATOMIC_RELEASE);
    }
    q->programmed_ns = q->root ? q->root->deadline_ns : UINT64_MAX;
    arch_timer_program(q->programmed_ns);
    spin_unlock(&q->lock);
}

/* Walks a queue, parents first. */
static const struct timer *walk_next(const struct timer *t)
{
    if (t->child)
        return t->child;
    while (t && !t->next) {
        while (t->prev && t->prev->child != t)
            t = t->prev;
        t = t->prev;
    }
    return t ? t->next : NULL;
}

static void dump_timers(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        struct timer_cpu *q = &cpu_by_id(i)->timers;
        uint64_t now = time_now_ns();
        char fn[96];

        if (!spin_try_lock(&q->lock))
            continue;
        log_always("CPU%u: %u timers, hardware fires in %lld us", i, q->count,
                   q->programmed_ns == UINT64_MAX ? -1LL
                                                  : (long long)(q->programmed_ns - now) / 1000);
        for (const struct timer *t = q->root; t; t = walk_next(t)) {
            symbol_format(fn, sizeof(fn), (uintptr_t)t->fn);
            log_always("  in %lld us: %s", (long long)(t->deadline_ns - now) / 1000, fn);
        }
        spin_unlock(&q->lock);
    }
}
DEBUGKEY('a', "dump timer queues", dump_timers);
