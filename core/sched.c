/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's mechanism: stop reasons, run queues, the world switch, the idle loop.
 *
 * A vCPU belongs to one CPU at a time (sched.cpu) and changes CPU only while no CPU's registers
 * hold its state. When a vCPU stops and nothing else is runnable, its state stays loaded: waking it
 * again on the same CPU, the usual case of a mostly idle guest, needs no switch at all.
 */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/errno.h>
#include <kr/log.h>
#include <kr/time.h>

#include <xen/vcpu.h>

#include <stdatomic.h>

#include "sched_internal.h"

static const struct sched_policy *const policy = &sched_credit2;
_Atomic uint32_t sched_ratelimit_us = 1000;

static void slice_expired(struct timer *t)
{
    cpu_raise_work(this_cpu(), CPU_WORK_SCHED);
}

void sched_cpu_init(struct cpu *cpu)
{
    struct sched_cpu *s = &cpu->sched;

    spin_lock_init(&s->lock, LOCK_RANK_SCHED);
    list_init(&s->queue);
    timer_init(&s->slice, slice_expired, cpu->id);
    s->idle_start_ns = time_now_ns();
}

void sched_vcpu_init(struct vcpu *v, unsigned cpu)
{
    struct vcpu_sched *s = &v->sched;

    s->stop = VCPU_STOP_DOWN;
    s->cpu = cpu;
    list_init(&s->queue);
    cpu_mask_fill(&s->hard);
    cpu_mask_fill(&s->soft);
    policy->vcpu_init(v);
}

void sched_vcpu_fini(struct vcpu *v)
{
    ASSERT(!v->sched.running && !v->sched.loaded && list_empty(&v->sched.queue));
}

struct cpu *sched_lock(struct vcpu *v)
{
    for (;;) {
        struct cpu *cpu = cpu_by_id(v->sched.cpu);

        spin_lock(&cpu->sched.lock);
        if (likely(v->sched.cpu == cpu->id))
            return cpu;
        spin_unlock(&cpu->sched.lock);
    }
}

static uint32_t stopped_runstate(uint32_t stop)
{
    if (stop & ~(VCPU_STOP_BLOCKED | VCPU_STOP_CAP))
        return RUNSTATE_offline;
    return stop & VCPU_STOP_BLOCKED ? RUNSTATE_blocked : RUNSTATE_runnable;
}

/* ---- choosing a CPU ---------------------------------------------------------------------------
 */

/* Lower is better: idle before busy, preferred before merely allowed, near before far. */
static unsigned cpu_cost(const struct vcpu *v, unsigned id)
{
    const struct cpu *cpu = cpu_by_id(id);
    unsigned load = cpu->sched.queued + (cpu->sched.running != NULL);

    return load * 4 + 2 * !cpu_mask_test(&v->sched.soft, id) + (id != v->sched.cpu);
}

/* A guess without locks: the loads may change meanwhile, which costs time but breaks nothing. */
static unsigned choose_cpu(const struct vcpu *v)
{
    unsigned best = v->sched.cpu, best_cost = UINT32_MAX;

    for (unsigned id = 0; id < cpu_count; id++) {
        if (!cpu_mask_test(&v->sched.hard, id))
            continue;
        if (cpu_cost(v, id) < best_cost) {
            best_cost = cpu_cost(v, id);
            best = id;
        }
    }
    return best;
}

/* Both run queues are locked and the vCPU's state is nowhere loaded. */
static void change_cpu(struct vcpu *v, unsigned cpu)
{
    ASSERT(!v->sched.loaded && list_empty(&v->sched.queue));
    timer_migrate(&v->singleshot, cpu);
    timer_migrate(&v->periodic, cpu);
    timer_migrate(&v->poll_timer, cpu);
    v->sched.cpu = cpu;
}

/* Locks a second run queue; ascending order, so the first may have to be let go meanwhile. */
static void lock_second(struct cpu *held, struct cpu *other)
{
    if (held->id < other->id) {
        spin_lock_nested(&other->sched.lock);
        return;
    }
    spin_unlock(&held->sched.lock);
    spin_lock(&other->sched.lock);
    spin_lock_nested(&held->sched.lock);
}

/* ---- queues -----------------------------------------------------------------------------------
 */

/* Sees to it that the CPU looks at its queue when it should. Queue locked. */
static void review_running(struct cpu *cpu, uint64_t now)
{
    uint64_t when;

    if (cpu->sched.queued == 0)
        return;
    if (!cpu->sched.running) {
        cpu_raise_work(cpu, CPU_WORK_SCHED);
        return;
    }
    when = policy->review_ns(cpu, cpu->sched.running, now);
    if (when <= now)
        cpu_raise_work(cpu, CPU_WORK_SCHED);
    else if (!timer_is_set(&cpu->sched.slice) || timer_deadline_ns(&cpu->sched.slice) > when)
        timer_set(&cpu->sched.slice, when);
}

static void queue_add(struct cpu *cpu, struct vcpu *v, bool woken)
{
    policy->enqueue(cpu, v, woken);
    cpu->sched.queued++;
}

static void queue_del(struct cpu *cpu, struct vcpu *v)
{
    list_del(&v->sched.queue);
    cpu->sched.queued--;
}

/* Runnable, but neither running nor queued: queue it. Returns with the queue unlocked. */
static void wake(struct vcpu *v)
{
    struct cpu *cpu = sched_lock(v);
    uint64_t now = time_now_ns();

    if (cpu_count > 1 && !v->sched.loaded && !v->sched.running && list_empty(&v->sched.queue)) {
        struct cpu *better = cpu_by_id(choose_cpu(v));

        if (better != cpu) {
            lock_second(cpu, better);
            /* The locks were perhaps let go: look again. */
            if (v->sched.cpu == cpu->id && !v->sched.loaded && !v->sched.running &&
                list_empty(&v->sched.queue)) {
                change_cpu(v, better->id);
                spin_unlock(&cpu->sched.lock);
                cpu = better;
            } else {
                spin_unlock(&better->sched.lock);
                if (v->sched.cpu != cpu->id) {
                    spin_unlock(&cpu->sched.lock);
                    cpu = sched_lock(v);
                }
            }
        }
    }
    if (v->sched.stop == 0 && !v->sched.running && list_empty(&v->sched.queue)) {
        vcpu_runstate_change(v, RUNSTATE_runnable, now);
        queue_add(cpu, v, true);
        review_running(cpu, now);
    }
    spin_unlock(&cpu->sched.lock);
}

/* Still stopped, but for other reasons than before. */
static void restate(struct vcpu *v)
{
    struct cpu *cpu = sched_lock(v);

    if (v->sched.stop != 0 && !v->sched.running)
        vcpu_runstate_change(v, stopped_runstate(v->sched.stop), time_now_ns());
    spin_unlock(&cpu->sched.lock);
}

void vcpu_start(struct vcpu *v, uint32_t reason)
{
    uint32_t before = atomic_fetch_and(&v->sched.stop, ~reason);

    if ((before & reason) == 0)
        return;
    if ((before & ~reason) == 0)
        wake(v);
    else
        restate(v);
}

void vcpu_stop(struct vcpu *v, uint32_t reason)
{
    uint32_t before = atomic_fetch_or(&v->sched.stop, reason);
    struct cpu *cpu;

    if ((before & reason) == reason)
        return;
    cpu = sched_lock(v);
    if (v->sched.stop != 0) {
        if (v->sched.running) {
            cpu_raise_work(cpu, CPU_WORK_SCHED);
        } else {
            if (!list_empty(&v->sched.queue))
                queue_del(cpu, v);
            vcpu_runstate_change(v, stopped_runstate(v->sched.stop), time_now_ns());
        }
    }
    spin_unlock(&cpu->sched.lock);
}

/* Stores the state that this CPU's registers hold and loads another's, or nobody's. */
static void load_state(struct cpu *cpu, struct vcpu *next)
{
    struct vcpu *before = cpu->sched.loaded;

    arch_vcpu_switch(before, next);
    cpu->sched.loaded = next;
    if (before)
        atomic_store_explicit(&before->sched.loaded, false, memory_order_release);
}

void vcpu_stop_sync(struct vcpu *v, uint32_t reason)
{
    ASSERT(v != current_vcpu() && !(reason & VCPU_STOP_BLOCKED));
    vcpu_stop(v, reason);
    while (atomic_load(&v->sched.loaded)) {
        struct cpu *cpu = cpu_by_id(v->sched.cpu);

        if (cpu == this_cpu()) {
            /* Not current, so it is a leftover; nobody else can load it here. */
            if (cpu->sched.loaded == v && !cpu->current)
                load_state(cpu, NULL);
            continue;
        }
        atomic_store(&cpu->sched.unload, true);
        cpu_raise_work(cpu, CPU_WORK_SCHED);
        arch_cpu_relax();
    }
}

void vcpu_kick(struct vcpu *v)
{
    struct cpu *cpu;

    /* The caller's atomic change of the pending bit orders this read behind it; SCHEDOP_block and
     * poll set the stop bit before they look for pending events. */
    if (atomic_load(&v->sched.stop) & VCPU_STOP_BLOCKED) {
        event_poll_end(v);
        vcpu_start(v, VCPU_STOP_BLOCKED);
        return;
    }
    cpu = cpu_by_id(v->sched.cpu);
    if (v->sched.running && cpu != this_cpu())
        arch_cpu_kick(cpu);
}

void sched_yield(void)
{
    struct vcpu *v = current_vcpu();

    if (this_cpu()->sched.queued == 0)
        return;
    v->sched.yielding = true;
    cpu_raise_work(this_cpu(), CPU_WORK_SCHED);
}

/* ---- the switch -------------------------------------------------------------------------------
 */

/* The queue's locked. Ends the current vCPU's turn; it goes to the queue if it can go on. */
static void put_back(struct cpu *cpu, struct vcpu *v, uint64_t now)
{
    policy->charge(cpu, v, now - v->sched.run_start_ns);
    v->sched.running = false;
    if (v->sched.stop == 0) {
        vcpu_runstate_change(v, RUNSTATE_runnable, now);
        queue_add(cpu, v, false);
    } else {
        vcpu_runstate_change(v, stopped_runstate(v->sched.stop), now);
    }
}

/* Another CPU's waiting vCPU that may run here and whose state is nowhere loaded. Queue locked. */
static struct vcpu *steal(struct cpu *cpu)
{
    for (unsigned i = 1; i < cpu_count; i++) {
        struct cpu *other = cpu_by_id((cpu->id + i) % cpu_count);
        struct vcpu *v;

        if (other->sched.queued == 0 || !spin_try_lock(&other->sched.lock))
            continue;
        list_for_each_entry (v, &other->sched.queue, sched.queue) {
            if (v->sched.loaded || !cpu_mask_test(&v->sched.hard, cpu->id))
                continue;
            queue_del(other, v);
            change_cpu(v, cpu->id);
            spin_unlock(&other->sched.lock);
            queue_add(cpu, v, true);
            return v;
        }
        spin_unlock(&other->sched.lock);
    }
    return NULL;
}

/* The first waiting vCPU that may use this CPU. Queue locked. */
static struct vcpu *first_allowed(struct cpu *cpu)
{
    struct vcpu *v;

    list_for_each_entry (v, &cpu->sched.queue, sched.queue)
        if (likely(cpu_mask_test(&v->sched.hard, cpu->id)))
            return v;
    return cpu_count > 1 ? steal(cpu) : NULL;
}

/* Takes the next vCPU off the queue and gives it the CPU. Queue locked. NULL: go idle. */
static struct vcpu *take_next(struct cpu *cpu, uint64_t now)
{
    struct sched_cpu *s = &cpu->sched;
    struct vcpu *next = first_allowed(cpu);
    bool was_idle = !s->running;

    s->running = next;
    if (!next) {
        if (!was_idle)
            s->idle_start_ns = now;
        return NULL;
    }
    if (was_idle)
        s->idle_ns += now - s->idle_start_ns;
    policy->chosen(cpu, next);
    queue_del(cpu, next);
    next->sched.running = true;
    next->sched.loaded = true;
    next->sched.yielding = false;
    next->sched.run_start_ns = now;
    vcpu_runstate_change(next, RUNSTATE_running, now);
    return next;
}

/* A waiting vCPU that may not use this CPU (any more) goes elsewhere. True when one went. */
static bool send_away(struct cpu *cpu)
{
    struct vcpu *v;

    list_for_each_entry (v, &cpu->sched.queue, sched.queue) {
        if (likely(cpu_mask_test(&v->sched.hard, cpu->id)) || v->sched.loaded)
            continue;
        queue_del(cpu, v);
        spin_unlock(&cpu->sched.lock);
        wake(v);
        spin_lock(&cpu->sched.lock);
        return true;
    }
    return false;
}

/* The world switch, no lock held: from what the registers hold to `next`. */
static void switch_to(struct cpu *cpu, struct vcpu *prev, struct vcpu *next, bool must_unload)
{
    cpu->current = NULL; /* nobody runs until the switch is done */
    if (prev)
        vcpu_runstate_publish(prev);
    if (next != cpu->sched.loaded && (next || must_unload))
        load_state(cpu, next);
    if (next) {
        cpu->current = next;
        vcpu_runstate_publish(next);
    }
}

void sched_run(void)
{
    struct cpu *cpu = this_cpu();
    struct vcpu *prev = cpu->current, *next;
    bool must_unload = atomic_load(&cpu->sched.unload);
    uint64_t now;

    if (prev && prev->sched.stop == 0 && cpu->sched.queued == 0 && !must_unload)
        return; /* nobody else to run */
    now = time_now_ns();
    spin_lock(&cpu->sched.lock);
    atomic_store(&cpu->sched.unload, false);
    if (prev)
        put_back(cpu, prev, now);
    next = take_next(cpu, now);
    must_unload |= cpu->sched.queued != 0; /* one that waits may have to go elsewhere */
    spin_unlock(&cpu->sched.lock);

    if (next != prev || !prev)
        switch_to(cpu, prev, next, must_unload);

    spin_lock(&cpu->sched.lock);
    while (send_away(cpu))
        ;
    review_running(cpu, now);
    spin_unlock(&cpu->sched.lock);
}

void sched_idle_until_runnable(void)
{
    struct cpu *cpu = this_cpu();

    for (;;) {
        cpu_do_work();
        if (cpu->current)
            return;
        if (cpu->work == 0)
            arch_cpu_idle();
    }
}
