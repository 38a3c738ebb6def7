/* SPDX-License-Identifier: MIT */
/* The table of physical CPUs and the work word each of them looks at before it enters a guest. */
#include <kr/console.h>
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/log.h>

#include <stdatomic.h>

unsigned cpu_count;
static struct cpu *cpus[CPU_COUNT_MAX];

void cpu_register(struct cpu *cpu)
{
    ASSERT(cpu_count < CPU_COUNT_MAX);
    cpu->id = cpu_count;
    timer_cpu_init(&cpu->timers);
    sched_cpu_init(cpu);
    cpus[cpu->id] = cpu;
    __atomic_store_n(&cpu_count, cpu->id + 1, __ATOMIC_RELEASE);
}

struct cpu *cpu_by_id(unsigned id)
{
    return id < cpu_count ? cpus[id] : NULL;
}

void cpu_raise_work(struct cpu *cpu, uint32_t work)
{
    uint32_t before = atomic_fetch_or(&cpu->work, work);

    /* Work that was there before has its kick under way already. */
    if (cpu != this_cpu() && (before & work) != work)
        arch_cpu_kick(cpu);
}

void cpu_do_work(void)
{
    struct cpu *cpu = this_cpu();
    uint32_t work;

    while (atomic_load(&cpu->work) != 0) {
        work = atomic_exchange(&cpu->work, 0);
        if (work & CPU_WORK_TIMER)
            timer_run();
        if (work & CPU_WORK_CONSOLE)
            console_do_work();
        if (work & CPU_WORK_REAP)
            domain_reap();
        if (work & CPU_WORK_SCHED)
            sched_run();
    }
}
