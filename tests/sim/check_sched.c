/* SPDX-License-Identifier: MIT */
/* Rules of the scheduler: who runs, who waits where, what became of the time. */
#include "check.h"
#include "run.h"

#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/time.h>

#include <xen/vcpu.h>

#include <stdatomic.h>
#include <string.h>

#define WAIT_MAX_NS    NS_PER_SEC
#define CAP_SHARE_NS   (10 * (int64_t)NS_PER_MS) /* per 100 % */
#define ACCOUNTS_COUNT 1024

/* When the account of a vCPU's time began: never changes. */
struct account {
    const struct vcpu *vcpu;
    uint64_t domain_created_ns, begin_ns;
    uint16_t domain_id;
};
static struct account accounts[ACCOUNTS_COUNT];

/* ---- CPUs -------------------------------------------------------------------------------------
 */

static void check_running(const struct cpu *cpu)
{
    const struct vcpu *v = cpu->sched.running;

    RULE("running vcpu", cpu->current == v, "CPU %u was given to %p, but runs %p", cpu->id,
         (void *)v, (void *)cpu->current);
    if (!v)
        return;
    RULE("running vcpu", cpu->sched.loaded == v, "CPU %u runs d%uv%u without its state", cpu->id,
         v->domain->id, v->id);
    RULE("running vcpu", v->sched.cpu == cpu->id && v->sched.running && v->sched.loaded,
         "CPU %u runs d%uv%u, which is on CPU %u, running %u, loaded %u", cpu->id, v->domain->id,
         v->id, v->sched.cpu, v->sched.running, v->sched.loaded);
    RULE("running vcpu", v->sched.stop == 0, "CPU %u runs d%uv%u, stopped for %#x", cpu->id,
         v->domain->id, v->id, v->sched.stop);
    RULE("affinity", cpu_mask_test(&v->sched.hard, cpu->id), "d%uv%u runs on forbidden CPU %u",
         v->domain->id, v->id, cpu->id);
}

static uint64_t wait_max_ns(const struct cpu *cpu)
{
    uint64_t weight = SCHED_WEIGHT_DEFAULT;
    const struct vcpu *v;

    list_for_each_entry (v, &cpu->sched.queue, sched.queue)
        weight = MAX(weight, (uint64_t)v->domain->sched.weight);
    if (cpu->sched.running)
        weight = MAX(weight, (uint64_t)cpu->sched.running->domain->sched.weight);
    return WAIT_MAX_NS * weight / SCHED_WEIGHT_DEFAULT * cpu->sched.queued;
}

static void check_waiting(const struct cpu *cpu, const struct vcpu *v)
{
    uint64_t waits_ns = time_now_ns() - v->runstate.entry_ns;

    RULE("waiting vcpu", v->sched.cpu == cpu->id && !v->sched.running && v->sched.stop == 0,
         "queue of CPU %u has d%uv%u, which is on CPU %u, running %u, stopped for %#x", cpu->id,
         v->domain->id, v->id, v->sched.cpu, v->sched.running, v->sched.stop);
    RULE("affinity", cpu_mask_test(&v->sched.hard, cpu->id), "d%uv%u waits for forbidden CPU %u",
         v->domain->id, v->id, cpu->id);
    RULE("starvation", waits_ns <= wait_max_ns(cpu) || v->runstate.entry_ns > time_now_ns(),
         "d%uv%u has waited for %lu us for CPU %u", v->domain->id, v->id, waits_ns / 1000, cpu->id);
}

static unsigned check_cpu(struct cpu *cpu)
{
    struct sched_cpu *s = &cpu->sched;
    const struct vcpu *v;
    unsigned count = 0;

    RULE("work", cpu->work == 0, "CPU %u stands still with work %#x", cpu->id, cpu->work);
    check_running(cpu);
    list_for_each_entry (v, &s->queue, sched.queue) {
        RULE("run queue", v->sched.queue.next->prev == &v->sched.queue && count < s->queued,
             "queue of CPU %u: bad link after %u of %u", cpu->id, count, s->queued);
        check_waiting(cpu, v);
        count++;
    }
    RULE("run queue", count == s->queued, "queue of CPU %u has %u vCPUs, %u are counted", cpu->id,
         count, s->queued);
    RULE("lost wake-up", count == 0 || s->running, "CPU %u is idle while %u wait for it", cpu->id,
         count);
    RULE("time slice", count == 0 || timer_is_set(&s->slice),
         "%u wait for CPU %u, and nothing will end the turn", count, cpu->id);
    RULE("idle time", s->running || s->idle_start_ns <= time_now_ns(), "CPU %u idle in future",
         cpu->id);
    RULE("locks", !spin_is_locked(&s->lock), "run queue of CPU %u", cpu->id);
    if (s->loaded)
        RULE("loaded vcpu", s->loaded->sched.loaded && s->loaded->sched.cpu == cpu->id,
             "CPU %u holds the state of d%uv%u, which is on CPU %u, loaded %u", cpu->id,
             s->loaded->domain->id, s->loaded->id, s->loaded->sched.cpu, s->loaded->sched.loaded);
    return count;
}

/* ---- vCPUs ------------------------------------------------------------------------------------
 */

static uint32_t runstate_wanted(const struct vcpu *v)
{
    uint32_t stop = v->sched.stop;

    if (v->sched.running)
        return RUNSTATE_running;
    if (stop & ~(VCPU_STOP_BLOCKED | VCPU_STOP_CAP))
        return RUNSTATE_offline;
    return stop & VCPU_STOP_BLOCKED ? RUNSTATE_blocked : RUNSTATE_runnable;
}

static struct account *account_of(const struct vcpu *v)
{
    uintptr_t at = (uintptr_t)v / 64 * 0x9e3779b97f4a7c15UL >> 54;

    while (accounts[at % ACCOUNTS_COUNT].vcpu && accounts[at % ACCOUNTS_COUNT].vcpu != v)
        at++;
    return &accounts[at % ACCOUNTS_COUNT];
}

static void check_account(const struct vcpu *v)
{
    const struct vcpu_runstate *r = &v->runstate;
    struct account *a = account_of(v);
    uint64_t begin_ns = r->entry_ns;

    for (unsigned i = 0; i < ARRAY_SIZE(r->time_ns); i++)
        begin_ns -= r->time_ns[i];
    if (a->vcpu != v || a->domain_id != v->domain->id ||
        a->domain_created_ns != v->domain->created_ns)
        *a = (struct account){v, v->domain->created_ns, begin_ns, v->domain->id};
    RULE("runstate", a->begin_ns == begin_ns,
         "d%uv%u: states are accounted for from %lu ns on, before from %lu ns on", v->domain->id,
         v->id, begin_ns, a->begin_ns);
    RULE("runstate", begin_ns >= v->domain->created_ns && r->entry_ns <= time_now_ns(),
         "d%uv%u: account from %lu to %lu ns", v->domain->id, v->id, begin_ns, r->entry_ns);
}

static bool is_on_cpu(const struct vcpu *v)
{
    const struct cpu *cpu = cpu_by_id(v->sched.cpu);

    return cpu && (!v->sched.running || cpu->sched.running == v) &&
           (!v->sched.loaded || cpu->sched.loaded == v);
}

static void check_vcpu(const struct vcpu *v)
{
    bool is_queued = !list_empty(&v->sched.queue);

    RULE("vcpu place", is_on_cpu(v), "d%uv%u on CPU %u: running %u, loaded %u, not so there",
         v->domain->id, v->id, v->sched.cpu, v->sched.running, v->sched.loaded);
    RULE("vcpu place", (v->sched.stop == 0) == (v->sched.running || is_queued),
         "d%uv%u: stopped for %#x, running %u, queued %u", v->domain->id, v->id, v->sched.stop,
         v->sched.running, is_queued);
    RULE("runstate", v->runstate.state == runstate_wanted(v), "d%uv%u is in state %u, not %u",
         v->domain->id, v->id, v->runstate.state, runstate_wanted(v));
    RULE("pinned",
         !v->sched.pinned || cpu_mask_test(&v->sched.hard, v->sched.cpu) || v->sched.stop != 0,
         "d%uv%u is not where it is pinned", v->domain->id, v->id);
    check_account(v);
}

static void check_cap(const struct domain *d)
{
    const struct domain_sched *s = &d->sched;
    bool is_held = false;
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(d, v, i) is_held |= (v->sched.stop & VCPU_STOP_CAP) != 0;
    RULE("cap", d->is_dying || !(is_held || s->cap_percent) || timer_is_set(&s->cap_timer),
         "d%u: cap %u %%, held %u, and no period ends", d->id, s->cap_percent, is_held);
    RULE("cap", s->cap_budget_ns <= CAP_SHARE_NS * UINT16_MAX / 100, "d%u: budget of %ld ns", d->id,
         s->cap_budget_ns);
    RULE("cap", !d->is_dying || d->destroy_step == 0 || !timer_is_set(&s->cap_timer),
         "d%u is dying, but its periods end", d->id);
}

void check_sched(void)
{
    unsigned queued = 0, queued_there = 0;
    struct vcpu *v;
    unsigned id;

    if (run.checks == 0)
        memset(accounts, 0, sizeof(accounts));
    for (unsigned i = 0; i < cpu_count; i++)
        queued_there += check_cpu(cpu_by_id(i));
    for (unsigned i = 0; i < check_domain_count; i++) {
        check_cap(check_domain[i]);
        domain_for_each_vcpu(check_domain[i], v, id)
        {
            check_vcpu(v);
            queued += !list_empty(&v->sched.queue);
        }
    }
    RULE("run queue", queued == queued_there, "%u vCPUs are queued, queues have %u", queued,
         queued_there);
}
