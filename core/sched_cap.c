/* SPDX-License-Identifier: MIT */
/*
 * Caps: an upper limit of a domain's CPU time, in percent of one CPU, whatever else is idle. Every
 * period the domain earns its share and pays for what its vCPUs ran; while it owes, they are
 * stopped. It may so run over its share within a period, and stops for longer after. Policies know
 * nothing of it. Without a cap there is no timer.
 */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/sched.h>
#include <kr/time.h>

#include <xen/vcpu.h>

#include <stdatomic.h>

#define PERIOD_NS (10 * NS_PER_MS)

static uint64_t domain_ran_ns(struct domain *d)
{
    struct vcpu_runstate runstate;
    uint64_t sum_ns = 0;
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(d, v, i)
    {
        vcpu_runstate_get(v, &runstate);
        sum_ns += runstate.time_ns[RUNSTATE_running];
    }
    return sum_ns;
}

static void hold_or_release(struct domain *d, bool hold)
{
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(d, v, i)
    {
        if (hold)
            vcpu_stop(v, VCPU_STOP_CAP);
        else
            vcpu_start(v, VCPU_STOP_CAP);
    }
}

static void period_ends(struct timer *t)
{
    struct domain *d = container_of(t, struct domain, sched.cap_timer);
    struct domain_sched *s = &d->sched;
    uint32_t percent = atomic_load(&s->cap_percent);
    uint64_t ran_ns = domain_ran_ns(d);
    int64_t share_ns = PERIOD_NS * percent / 100;

    if (percent == 0) {
        hold_or_release(d, false);
        return;
    }
    s->cap_budget_ns += share_ns - (int64_t)(ran_ns - s->cap_ran_ns);
    s->cap_budget_ns = MIN(s->cap_budget_ns, share_ns); /* unused time is not saved up */
    s->cap_ran_ns = ran_ns;
    hold_or_release(d, s->cap_budget_ns < 0);
    timer_set(t, MAX(timer_deadline_ns(t) + PERIOD_NS, time_now_ns()));
}

void sched_domain_init(struct domain *d)
{
    d->sched.weight = SCHED_WEIGHT_DEFAULT;
    timer_init(&d->sched.cap_timer, period_ends, this_cpu()->id);
}

void sched_domain_fini(struct domain *d)
{
    atomic_store(&d->sched.cap_percent, 0);
    timer_fini(&d->sched.cap_timer);
}

void sched_set_cap(struct domain *d, uint16_t percent)
{
    struct domain_sched *s = &d->sched;
    uint16_t before = atomic_load(&s->cap_percent);

    if (percent == before)
        return;
    if (before == 0) {
        s->cap_budget_ns = 0;
        s->cap_ran_ns = domain_ran_ns(d);
    }
    atomic_store(&s->cap_percent, percent);
    /* The end of the period takes the new value, or, without a cap, releases everybody. */
    if (!timer_is_set(&s->cap_timer))
        timer_set(&s->cap_timer, time_now_ns() + PERIOD_NS);
}
