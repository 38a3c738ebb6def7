/* SPDX-License-Identifier: MIT */
/* Where vCPUs may run, and what became of the time: the scheduler's questions and settings. */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/errno.h>
#include <kr/time.h>

#include <stdatomic.h>

#include "sched_internal.h"

/* Makes the CPU let go of a vCPU that may not use it any more. Queue locked. */
static void leave_forbidden(struct cpu *cpu, struct vcpu *v)
{
    if (cpu_mask_test(&v->sched.hard, cpu->id))
        return;
    atomic_store(&cpu->sched.unload, true);
    cpu_raise_work(cpu, CPU_WORK_SCHED);
}

int sched_set_affinity(struct vcpu *v, const struct cpu_mask *hard, const struct cpu_mask *soft)
{
    struct cpu_mask online = cpu_mask_first(cpu_count), usable;
    struct cpu *cpu;

    if (hard) {
        usable = cpu_mask_and(hard, &online);
        if (cpu_mask_is_empty(&usable))
            return -EINVAL;
    }
    cpu = sched_lock(v);
    if (hard && v->sched.pinned)
        v->sched.hard_before_pin = *hard;
    else if (hard)
        v->sched.hard = *hard;
    if (soft)
        v->sched.soft = *soft;
    leave_forbidden(cpu, v);
    spin_unlock(&cpu->sched.lock);
    return 0;
}

int sched_pin(struct vcpu *v, int cpu_id)
{
    struct cpu *cpu;
    int rc = 0;

    if (cpu_id >= 0 && !cpu_by_id(cpu_id))
        return -EINVAL;
    cpu = sched_lock(v);
    if (v->sched.pinned != (cpu_id < 0)) {
        rc = cpu_id < 0 ? -EINVAL : -EBUSY;
    } else if (cpu_id < 0) {
        v->sched.hard = v->sched.hard_before_pin;
        v->sched.pinned = false;
    } else {
        v->sched.hard_before_pin = v->sched.hard;
        v->sched.hard = (struct cpu_mask){0};
        cpu_mask_set(&v->sched.hard, cpu_id);
        v->sched.pinned = true;
    }
    leave_forbidden(cpu, v);
    spin_unlock(&cpu->sched.lock);
    return rc;
}

void sched_get_affinity(struct vcpu *v, struct cpu_mask *hard, struct cpu_mask *soft)
{
    struct cpu *cpu = sched_lock(v);

    *hard = v->sched.hard;
    *soft = v->sched.soft;
    spin_unlock(&cpu->sched.lock);
}

uint64_t sched_idle_time_locked_ns(const struct cpu *cpu)
{
    uint64_t spell_ns = cpu->sched.running ? 0 : time_now_ns() - cpu->sched.idle_start_ns;

    return cpu->sched.idle_ns + spell_ns;
}

uint64_t sched_idle_time_ns(struct cpu *cpu)
{
    uint64_t idle_ns;

    spin_lock(&cpu->sched.lock);
    idle_ns = sched_idle_time_locked_ns(cpu);
    spin_unlock(&cpu->sched.lock);
    return idle_ns;
}

void vcpu_runstate_copy(struct vcpu *v, struct vcpu_runstate *out)
{
    struct cpu *cpu = sched_lock(v);

    *out = v->runstate;
    spin_unlock(&cpu->sched.lock);
}

void vcpu_runstate_get(struct vcpu *v, struct vcpu_runstate *out)
{
    struct cpu *cpu = sched_lock(v);
    uint64_t now = time_now_ns();

    *out = v->runstate;
    out->time_ns[out->state] += now > out->entry_ns ? now - out->entry_ns : 0;
    spin_unlock(&cpu->sched.lock);
}
