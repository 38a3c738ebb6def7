/* SPDX-License-Identifier: MIT */
/*
 * Policy "credit2": weighted fair sharing by credit.
 *
 * A vCPU starts a round with the same credit as everybody else and burns it while it runs, the
 * faster the smaller its domain's weight; the queue is in order of what is left. When the one that
 * is to run has none, a new round begins: everybody on that CPU gets a full ration on top, never
 * more than one ration in all, so that sleepers keep an advantage but cannot hoard. Those who slept
 * through rounds are caught up when they wake.
 */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/time.h>

#include <xen/domctl.h>

#define RATION_NS (10 * (int64_t)NS_PER_MS)

static void credit2_vcpu_init(struct vcpu *v)
{
    v->sched.credit = RATION_NS;
}

/* Rations of the rounds that began since it was last looked at. */
static void catch_up(struct cpu *cpu, struct vcpu *v)
{
    uint32_t rounds = cpu->sched.credit_round - v->sched.credit_round;
    int64_t debt = RATION_NS - v->sched.credit;

    v->sched.credit_round = cpu->sched.credit_round;
    if (rounds > debt / RATION_NS)
        v->sched.credit = RATION_NS;
    else
        v->sched.credit += (int64_t)rounds * RATION_NS;
}

/* As many new rounds as it takes until `first` has credit. */
static void new_rounds(struct cpu *cpu, const struct vcpu *first)
{
    struct vcpu *v;

    cpu->sched.credit_round += (uint32_t)(-first->sched.credit / RATION_NS) + 1;
    list_for_each_entry (v, &cpu->sched.queue, sched.queue)
        catch_up(cpu, v);
}

static void credit2_enqueue(struct cpu *cpu, struct vcpu *v, bool woken)
{
    struct vcpu *other;

    if (woken && v->sched.credit_round != cpu->sched.credit_round)
        catch_up(cpu, v);
    list_for_each_entry (other, &cpu->sched.queue, sched.queue)
        if (!v->sched.yielding && v->sched.credit > other->sched.credit)
            break;
    list_add_tail(&v->sched.queue, &other->sched.queue);
}

/* Nobody starts a turn without credit. */
static void credit2_chosen(struct cpu *cpu, struct vcpu *v)
{
    if (v->sched.credit <= 0)
        new_rounds(cpu, v);
}

static void credit2_charge(struct cpu *cpu, struct vcpu *v, uint64_t ran_ns)
{
    uint64_t cost = ran_ns * SCHED_WEIGHT_DEFAULT / v->domain->sched.weight;

    if (v->sched.credit_round != cpu->sched.credit_round)
        catch_up(cpu, v);
    /* One long turn alone on the CPU must not become a debt of many rounds. */
    v->sched.credit -= (int64_t)MIN(cost, (uint64_t)(2 * RATION_NS));
}

static uint64_t credit2_review_ns(struct cpu *cpu, struct vcpu *running, uint64_t now_ns)
{
    struct vcpu *first = list_first_entry(&cpu->sched.queue, struct vcpu, sched.queue);
    uint64_t earliest = running->sched.run_start_ns + sched_ratelimit_us * NS_PER_US;
    int64_t lead = running->sched.credit - first->sched.credit;
    uint64_t crossing = running->sched.run_start_ns;

    /* When the running one will have burned its lead over the first that waits. */
    if (lead > 0)
        crossing += (uint64_t)lead * running->domain->sched.weight / SCHED_WEIGHT_DEFAULT;
    return MAX(earliest, crossing);
}

const struct sched_policy sched_credit2 = {
    .name = "credit2",
    .label = "SMP Credit Scheduler rev2",
    .abi_id = XEN_SCHEDULER_CREDIT2,
    .vcpu_init = credit2_vcpu_init,
    .enqueue = credit2_enqueue,
    .chosen = credit2_chosen,
    .charge = credit2_charge,
    .review_ns = credit2_review_ns,
};
