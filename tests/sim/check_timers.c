/* SPDX-License-Identifier: MIT */
/* Rules of timers: each queue is a heap of live timers, and the hardware fires in time. */
#include "check.h"

#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/time.h>
#include <sim/cpu.h>

#include <stdatomic.h>
#include <string.h>

#define KNOWN_SLOTS     4096
#define LATE_NS         (50 * NS_PER_MS)
#define CLOCK_PRECISION 10000

extern char __start_kr_data[], __stop_kr_data[], __start_kr_bss[], __stop_kr_bss[];

/* Timers that say they are queued, by address. */
static const struct timer *known[KNOWN_SLOTS];
static unsigned known_count;

/* ---- timers of living objects -----------------------------------------------------------------
 */

static unsigned slot_of(const struct timer *t)
{
    unsigned at = (uintptr_t)t / 8 * 0x9e3779b97f4a7c15UL >> 52;

    while (known[at] && known[at] != t)
        at = (at + 1) % KNOWN_SLOTS;
    return at;
}

static void known_add(const struct timer *t)
{
    if (!t->queued || known_count >= KNOWN_SLOTS / 2)
        return;
    known[slot_of(t)] = t;
    known_count++;
}

static void check_owned(const struct timer *t, const struct vcpu *v)
{
    RULE("timer", t->cpu == v->sched.cpu, "a timer of d%uv%u is with CPU %u, the vCPU with %u",
         v->domain->id, v->id, t->cpu, v->sched.cpu);
    known_add(t);
}

static void domain_timers_add(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    known_add(&d->sched.cap_timer);
    for (i = 0; i < WATCHDOG_COUNT; i++)
        known_add(&d->watchdogs[i].timer);
    domain_for_each_vcpu(d, v, i)
    {
        check_owned(&v->singleshot, v);
        check_owned(&v->periodic, v);
        check_owned(&v->poll_timer, v);
    }
}

static void known_find(void)
{
    memset(known, 0, sizeof(known));
    known_count = 0;
    for (unsigned i = 0; i < cpu_count; i++)
        known_add(&cpu_by_id(i)->sched.slice);
    for (unsigned i = 0; i < check_domain_count; i++)
        domain_timers_add(check_domain[i]);
}

/* A variable of some file of the hypervisor: there for ever. */
static bool is_static(const struct timer *t)
{
    const char *p = (const char *)t;

    return (p >= __start_kr_data && p < __stop_kr_data) ||
           (p >= __start_kr_bss && p < __stop_kr_bss);
}

/* ---- heaps ------------------------------------------------------------------------------------
 */

static void check_timer(const struct cpu *cpu, const struct timer *t)
{
    /* First of all: whatever else it says may be of freed memory. */
    RULE("timer", is_static(t) || known[slot_of(t)] == t,
         "queue of CPU %u has a timer that belongs to nothing alive", cpu->id);
    RULE("timer", t->queued && t->fn && t->cpu == cpu->id,
         "queue of CPU %u has a timer that is queued %u, of CPU %u", cpu->id, t->queued, t->cpu);
}

static void check_child(const struct cpu *cpu, const struct timer *parent, const struct timer *prev,
                        const struct timer *t)
{
    RULE("timer heap", t->prev == prev, "queue of CPU %u: a timer does not know who is before it",
         cpu->id);
    RULE("timer heap", t->deadline_ns >= parent->deadline_ns,
         "queue of CPU %u: %lu ns below %lu ns", cpu->id, t->deadline_ns, parent->deadline_ns);
}

/* Parents first; `*statics` counts those that are nobody's. */
static unsigned check_heap(const struct cpu *cpu, unsigned *statics)
{
    const struct timer *stack[512], *t = cpu->timers.root;
    unsigned depth = 0, count = 0;

    if (t) {
        RULE("timer heap", !t->prev && !t->next, "root of CPU %u has siblings", cpu->id);
        stack[depth++] = t;
    }
    while (depth > 0) {
        const struct timer *parent = stack[--depth], *prev = parent;

        check_timer(cpu, parent);
        RULE("timer heap", ++count <= cpu->timers.count && depth < ARRAY_SIZE(stack) / 2,
             "queue of CPU %u has more than the %u that are counted", cpu->id, cpu->timers.count);
        *statics += is_static(parent) && known[slot_of(parent)] != parent;
        for (t = parent->child; t; prev = t, t = t->next) {
            check_child(cpu, parent, prev, t);
            RULE("timer heap", depth < ARRAY_SIZE(stack), "queue of CPU %u: loop", cpu->id);
            stack[depth++] = t;
        }
    }
    RULE("timer heap", count == cpu->timers.count, "queue of CPU %u has %u timers, %u are counted",
         cpu->id, count, cpu->timers.count);
    return count;
}

/* When the hardware fires, by the hypervisor's clock, which differs from the machine's by a
 * constant.
 */
static uint64_t fires_at_ns(struct cpu *cpu)
{
    uint64_t fires_ns = atomic_load(&((struct sim_cpu *)cpu)->timer_ns);

    return fires_ns == UINT64_MAX ? UINT64_MAX : fires_ns - (sim_time_ns() - time_now_ns());
}

static void check_programmed(struct cpu *cpu)
{
    struct timer_cpu *q = &cpu->timers;
    uint64_t fires_ns = fires_at_ns(cpu), now = time_now_ns(), due_ns, late_ns;

    RULE("timer", !q->running, "CPU %u: a callback runs", cpu->id);
    RULE("timer", !spin_is_locked(&q->lock), "CPU %u: the queue is locked", cpu->id);
    if (!q->root)
        return;
    due_ns = q->root->deadline_ns;
    RULE("timer programmed", q->programmed_ns <= due_ns,
         "CPU %u: programmed for %lu ns, the first is due at %lu ns", cpu->id, q->programmed_ns,
         due_ns);
    /* Clocks are measured: one does not run as fast as another is believed to. */
    late_ns = LATE_NS + (due_ns > now ? due_ns - now : 0) / CLOCK_PRECISION;
    RULE("timer programmed", fires_ns <= due_ns || fires_ns - due_ns <= late_ns,
         "CPU %u: the hardware fires at %lu ns, the first is due at %lu ns", cpu->id, fires_ns,
         due_ns);
}

void check_timers(void)
{
    unsigned count = 0, statics = 0;

    known_find();
    for (unsigned i = 0; i < cpu_count; i++) {
        count += check_heap(cpu_by_id(i), &statics);
        check_programmed(cpu_by_id(i));
    }
    RULE("timer", count == known_count + statics || known_count >= KNOWN_SLOTS / 2,
         "%u timers say they are queued, queues have %u and %u of files", known_count,
         count - statics, statics);
}
