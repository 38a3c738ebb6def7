/* SPDX-License-Identifier: MIT */
/*
 * CPUs as threads of the process (sim_config.uses_threads): the host interleaves them, and
 * ThreadSanitizer sees whether they agree on what they share. A guest's fibre goes on on whichever
 * thread plays the CPU that its vCPU is on. CPUs wait (idle, or at a guest's door) at one gate; the
 * operator closes it once all of them wait and none could go on, and so sees a machine at rest.
 */
#include <sim/cpu.h>
#include <sim/random.h>

#include <time.h>

#include "host_thread.h"
#include "machine_internal.h"

#define LOOK_NS 20000 /* between two looks whether to go on, of this process' time */
#define PASS_NS 20000 /* the machine's time that goes by meanwhile */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_t threads[SIM_CPU_COUNT_MAX];
/* Under the gate. */
static bool is_closed; /* nobody goes on */
static bool is_over;   /* and nobody ever will */

static void host_sleep(void)
{
    struct timespec t = {.tv_nsec = LOOK_NS};

    nanosleep(&t, NULL);
}

/* The machine is off: whatever this CPU was at stays as it is. On the thread's own stack. */
void sim_thread_end_if_off(void)
{
    if (machine.end != SIM_END_NOT)
        pthread_exit(NULL);
}

/* Gate held. */
static bool can_go_on(const struct sim_cpu *cpu)
{
    return sim_cpu_can_go_on(cpu) || (cpu->is_idle && cpu->cpu.work != 0);
}

void sim_thread_wait(struct sim_cpu *cpu, bool *how)
{
    bool ends;

    pthread_mutex_lock(&gate);
    *how = true;
    while (!is_over && (is_closed || !can_go_on(cpu))) {
        pthread_mutex_unlock(&gate);
        host_sleep();
        pthread_mutex_lock(&gate);
    }
    *how = false;
    ends = is_over;
    pthread_mutex_unlock(&gate);
    if (ends)
        pthread_exit(NULL);
}

static void *thread_main(void *argument)
{
    struct sim_cpu *cpu = argument;

    sim_cpu_now = &cpu->cpu;
    sim_interleave_in = machine.config.interleave_mean;
    fibre_of_thread(&cpu->fibre);
    for (unsigned i = 0; i < SIM_STREAM_COUNT; i++)
        sim_random_restart(i, cpu->cpu.id + 1);
    sim_thread_wait(cpu, &cpu->is_parked);
    sim_cpu_main(cpu);
    return NULL;
}

void sim_threads_start(void)
{
    is_closed = true;
    is_over = false;
    for (unsigned i = 0; i < cpu_count; i++)
        if (pthread_create(&threads[i], NULL, thread_main, sim_cpu_by_id(i)) != 0)
            sim_failed("no thread for a CPU");
}

void sim_threads_stop(void)
{
    pthread_mutex_lock(&gate);
    is_over = true;
    pthread_mutex_unlock(&gate);
    for (unsigned i = 0; i < cpu_count; i++)
        pthread_join(threads[i], NULL);
}

/* Gate held. Does every CPU wait, and for something that does not come by itself? */
static bool is_at_rest(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        const struct sim_cpu *cpu = sim_cpu_by_id(i);

        if (!(cpu->is_idle || cpu->is_parked) || can_go_on(cpu))
            return false;
    }
    return true;
}

/* Gate held. True: the machine has come to rest, and this is why. */
static bool look(enum sim_pause *why)
{
    *why = SIM_PAUSE_WANTED;
    if (!is_at_rest()) {
        sim_time_pass(PASS_NS);
        return false;
    }
    if (machine.is_pausing)
        return true;
    *why = SIM_PAUSE_IDLE;
    return !sim_time_jump();
}

enum sim_pause sim_threads_run(void)
{
    enum sim_pause why = SIM_PAUSE_OFF;
    bool rests = false;

    pthread_mutex_lock(&gate);
    machine.is_running = true;
    is_closed = false;
    while (machine.end == SIM_END_NOT && !rests) {
        pthread_mutex_unlock(&gate);
        host_sleep();
        pthread_mutex_lock(&gate);
        rests = look(&why);
    }
    is_closed = true;
    machine.is_running = false;
    machine.is_pausing = false;
    pthread_mutex_unlock(&gate);
    return machine.end == SIM_END_NOT ? why : SIM_PAUSE_OFF;
}
