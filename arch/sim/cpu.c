/* SPDX-License-Identifier: MIT */
/*
 * Which simulated CPU goes on. With fibres one CPU runs at a time and hands over at the points of
 * interleaving (arch_interleave()), in spin loops, when it goes idle and before it enters a guest;
 * whom it hands over to is the schedule's choice. With threads the host interleaves.
 */
#include <kr/log.h>
#include <kr/sched.h>
#include <sim/cpu.h>
#include <sim/guest.h>
#include <sim/random.h>
#include <x86/irq.h>
#include <x86/tlb.h>
#include <x86/traps.h>

#include <stdatomic.h>
#include <threads.h>

#include "machine_internal.h"

#define NEVER           INT64_MAX
#define POINT_NS_MAX    64
#define CPU_STACK_BYTES (512 * KIB)
#define RELAX_NS        100
#define LINGER_BITS     12
#define MOVES_MAX       3000000
#define JUMPS_MAX       100

_Thread_local struct cpu *sim_cpu_now;
_Thread_local int64_t sim_interleave_in = NEVER;

/* ---- who goes on ------------------------------------------------------------------------------
 */

bool sim_cpu_has_interrupt(const struct sim_cpu *cpu)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(cpu->pending); i++)
        any |= atomic_load(&cpu->pending[i]);
    return any != 0 || atomic_load(&cpu->timer_ns) <= sim_time_ns();
}

bool sim_cpu_can_go_on(const struct sim_cpu *cpu)
{
    return !(cpu->is_idle || cpu->is_parked) || sim_cpu_has_interrupt(cpu) ||
           (cpu->is_parked && !machine.is_pausing);
}

/* One of those that can, NULL for none. */
static struct sim_cpu *choose(void)
{
    struct sim_cpu *able[SIM_CPU_COUNT_MAX], *lingering = NULL;
    unsigned count = 0;

    for (unsigned i = 0; i < cpu_count; i++) {
        struct sim_cpu *cpu = sim_cpu_by_id(i);

        if (!sim_cpu_can_go_on(cpu))
            continue;
        if (cpu->lingers == 0)
            able[count++] = cpu;
        else {
            cpu->lingers--;
            lingering = cpu;
        }
    }
    return count ? able[sim_random_below(SIM_STREAM_SCHEDULE, count)] : lingering;
}

/* From 0 to twice the mean. */
static void plan_interleaving(void)
{
    unsigned mean = machine.config.interleave_mean;

    sim_interleave_in =
        mean ? (int64_t)sim_random_below(SIM_STREAM_SCHEDULE, 2UL * mean + 1) : NEVER;
}

void sim_progress(void)
{
    machine.moves = machine.jumps = 0;
}

static void move_count(void)
{
    if (++machine.moves > MOVES_MAX)
        sim_failed("nothing gets anywhere: all CPUs spin, wait or restart");
}

static void hand_over(struct sim_cpu *from, struct sim_cpu *to)
{
    if (to == from)
        return;
    sim_cpu_now = to ? &to->cpu : &sim_cpu_by_id(0)->cpu;
    fibre_switch(&from->fibre, to ? &to->fibre : &machine.operator_fibre);
}

/* Lets another CPU go on, or the operator when none can. */
static void give_way(void)
{
    move_count();
    plan_interleaving();
    hand_over(sim_cpu_self(), choose());
}

/* Until there is something to do. *how: a field of `cpu` that says so. */
static void wait_for_work(struct sim_cpu *cpu, bool *how)
{
    if (machine.config.uses_threads) {
        sim_thread_wait(cpu, how);
        return;
    }
    *how = true;
    give_way();
    *how = false;
}

/* The compiler calls this at every branch of the core and of what is compiled of the x86 port: so
 * CPUs take turns in the middle of anything, lock or not. libFuzzer has one of its own, which is
 * not called: its programs are compiled otherwise. */
__attribute__((weak)) void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
    arch_interleave();
}

void sim_interleave(void)
{
    if (machine.config.uses_threads) {
        sim_interleave_in = machine.config.interleave_mean;
        thrd_yield();
        return;
    }
    plan_interleaving();
    if (!machine.is_running || sim_cpu_self()->is_in_guest)
        return;
    sim_time_pass(sim_random_below(SIM_STREAM_TIME, POINT_NS_MAX));
    hand_over(sim_cpu_self(), choose());
}

void sim_linger(void)
{
    struct sim_cpu *cpu = sim_cpu_self();

    cpu->lingers = 1U << sim_random_below(SIM_STREAM_SCHEDULE, LINGER_BITS);
    sim_interleave();
    cpu->lingers = 0;
}

/* Whoever spins waits for another CPU. */
void sim_relax(void)
{
    tlb_serve_request();
    if (machine.config.uses_threads)
        sim_thread_end_if_off();
    if (!machine.is_running)
        return;
    ASSERT(!sim_cpu_self()->is_in_guest); /* a guest's code is no part of the hypervisor */
    sim_time_pass(RELAX_NS);
    if (machine.config.uses_threads)
        thrd_yield();
    else
        give_way();
}

/* ---- interrupts -------------------------------------------------------------------------------
 */

void sim_cpu_interrupt(struct sim_cpu *cpu, unsigned vector)
{
    atomic_fetch_or(&cpu->pending[vector / 64], BIT(vector % 64));
}

/* Higher vectors first, as a local APIC has it. */
bool sim_cpu_take_interrupts(void)
{
    struct sim_cpu *cpu = sim_cpu_self();
    uint64_t timer_ns = atomic_load(&cpu->timer_ns);
    bool any = false;

    if (timer_ns <= sim_time_ns() &&
        atomic_compare_exchange_strong(&cpu->timer_ns, &timer_ns, UINT64_MAX))
        sim_cpu_interrupt(cpu, VECTOR_TIMER);
    for (unsigned i = ARRAY_SIZE(cpu->pending); i-- > 0;) {
        uint64_t bits = atomic_exchange(&cpu->pending[i], 0);

        for (; bits; any = true) {
            unsigned bit = 63 - __builtin_clzl(bits);

            bits &= ~BIT(bit);
            irq_dispatch(i * 64 + bit);
        }
    }
    return any;
}

void arch_cpu_idle(void)
{
    struct sim_cpu *cpu = sim_cpu_self();

    do {
        wait_for_work(cpu, &cpu->is_idle);
    } while (!sim_cpu_take_interrupts() && cpu->cpu.work == 0);
}

void arch_interrupt_window(void)
{
    arch_interleave();
    sim_cpu_take_interrupts();
}

/* ---- the life of a CPU ------------------------------------------------------------------------
 */

/* The door to a guest: here the machine may pause, and interrupts arrive, perhaps late. */
static bool may_enter_guest(struct sim_cpu *cpu)
{
    arch_interleave();
    move_count();
    if (machine.config.uses_threads)
        sim_thread_end_if_off();
    if (machine.is_pausing)
        wait_for_work(cpu, &cpu->is_parked);
    if (!machine.is_pausing && sim_random_one_in(SIM_STREAM_SCHEDULE, machine.config.late_one_in))
        return true;
    return !sim_cpu_take_interrupts() && !machine.is_pausing;
}

void sim_cpu_main(void *argument)
{
    struct sim_cpu *cpu = argument;

    for (;;) {
        guest_exit_prepare();
        if (may_enter_guest(cpu))
            sim_guest_run(cpu->cpu.current);
    }
}

static void cpu_create(unsigned id)
{
    struct sim_cpu *cpu = sim_cpu_by_id(id);

    cpu->cpu.arch.machine = cpu;
    cpu->cpu.arch.apic_id = id;
    cpu->timer_ns = UINT64_MAX;
    cpu_register(&cpu->cpu);
}

void sim_cpus_create(void)
{
    for (unsigned i = 0; i < machine.config.cpu_count; i++)
        cpu_create(i);
}

void sim_cpus_start(void)
{
    if (machine.config.uses_threads) {
        sim_threads_start();
        return;
    }
    for (unsigned i = 0; i < cpu_count; i++)
        fibre_create(&sim_cpu_by_id(i)->fibre, CPU_STACK_BYTES, sim_cpu_main, sim_cpu_by_id(i));
}

void sim_cpus_stop(void)
{
    if (machine.config.uses_threads)
        sim_threads_stop();
    for (unsigned i = 0; i < cpu_count; i++)
        fibre_destroy(&sim_cpu_by_id(i)->fibre);
}

static uint64_t next_timer_ns(void)
{
    uint64_t next = UINT64_MAX;

    for (unsigned i = 0; i < cpu_count; i++)
        next = MIN(next, atomic_load(&sim_cpu_by_id(i)->timer_ns));
    return next;
}

bool sim_time_jump(void)
{
    uint64_t timer_ns = next_timer_ns();

    if (timer_ns == UINT64_MAX || ++machine.jumps > JUMPS_MAX)
        return false;
    sim_time_pass(timer_ns - MIN(timer_ns, sim_time_ns()));
    return true;
}

/* The operator's side: hands over to CPUs until none can go on. Then the machine has paused, or
 * time jumps to where a timer fires. */
static enum sim_pause fibres_run(void)
{
    enum sim_pause why = SIM_PAUSE_WANTED;

    machine.is_running = true;
    while (machine.end == SIM_END_NOT) {
        struct sim_cpu *next = choose();

        if (next) {
            sim_cpu_now = &next->cpu;
            plan_interleaving();
            fibre_switch(&machine.operator_fibre, &next->fibre);
            continue;
        }
        if (machine.is_pausing)
            break;
        if (!sim_time_jump()) {
            why = SIM_PAUSE_IDLE;
            break;
        }
    }
    machine.is_running = false;
    machine.is_pausing = false;
    return machine.end == SIM_END_NOT ? why : SIM_PAUSE_OFF;
}

enum sim_pause sim_machine_run(void)
{
    enum sim_pause why = machine.config.uses_threads ? sim_threads_run() : fibres_run();

    sim_cpu_now = &sim_cpu_by_id(0)->cpu;
    sim_interleave_in = NEVER;
    return why;
}

bool sim_machine_is_running(void)
{
    return machine.is_running;
}

void sim_pause_request(void)
{
    machine.is_pausing = true;
}

/* Nothing runs any more, and nothing ever will: the operator goes on. */
void sim_machine_off(enum sim_end end)
{
    if (machine.end == SIM_END_NOT)
        machine.end = end;
    if (machine.config.uses_threads)
        sim_thread_end_if_off();
    for (;;)
        fibre_switch(&sim_cpu_self()->fibre, &machine.operator_fibre);
}
