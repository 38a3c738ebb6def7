/* SPDX-License-Identifier: MIT */
/* Timers: order, hardware programming, moves between CPUs, and random operations against a model.
 */
#include "machine.h"

#include <stdlib.h>

#include "../../core/lock.c"
#include "../../core/timer.c"

#define TIMERS 200

unsigned cpu_count = MACHINE_CPUS;

struct cpu *cpu_by_id(unsigned id)
{
    return id < cpu_count ? &machine_cpus[id] : NULL;
}

void cpu_raise_work(struct cpu *cpu, uint32_t work)
{
    cpu->work |= work;
}

/* ---- the model --------------------------------------------------------------------------------
 */

static struct timer timers[TIMERS];
static struct model {
    bool set;
    uint64_t deadline_ns;
    unsigned cpu, fired;
} model[TIMERS];
static uint64_t last_deadline_ns;

static void fired(struct timer *t)
{
    struct model *m = &model[t - timers];

    assert_int_equal(machine_cpu->locks_held, 0);
    assert_true(m->set);
    assert_true(m->deadline_ns <= machine_now_ns);
    assert_int_equal(m->cpu, machine_cpu->id);
    assert_true(m->deadline_ns >= last_deadline_ns);
    last_deadline_ns = m->deadline_ns;
    m->set = false;
    m->fired++;
}

static int setup(void **state)
{
    memset(machine_cpus, 0, sizeof(machine_cpus));
    memset(model, 0, sizeof(model));
    machine_now_ns = 1000;
    for (unsigned i = 0; i < MACHINE_CPUS; i++) {
        machine_cpus[i].id = i;
        timer_cpu_init(&machine_cpus[i].timers);
        machine_programmed_ns[i] = UINT64_MAX;
    }
    machine_cpu = &machine_cpus[0];
    for (unsigned i = 0; i < TIMERS; i++)
        timer_init(&timers[i], fired, 0);
    return 0;
}

static void model_set(unsigned i, uint64_t deadline_ns)
{
    model[i].set = true;
    model[i].deadline_ns = deadline_ns;
    timer_set(&timers[i], deadline_ns);
}

static void run_cpu(unsigned id)
{
    machine_cpu = &machine_cpus[id];
    machine_cpu->work &= ~CPU_WORK_TIMER;
    last_deadline_ns = 0;
    timer_run();
}

/* Nobody is late: what is due has fired, and what comes next is what the hardware waits for. */
static void check_cpu(unsigned id)
{
    uint64_t first = UINT64_MAX;
    unsigned count = 0;

    for (unsigned i = 0; i < TIMERS; i++) {
        assert_int_equal(timer_is_set(&timers[i]), model[i].set);
        if (!model[i].set || model[i].cpu != id)
            continue;
        first = MIN(first, model[i].deadline_ns);
        count++;
    }
    assert_int_equal(machine_cpus[id].timers.count, count);
    if (!(machine_cpus[id].work & CPU_WORK_TIMER))
        assert_true(machine_programmed_ns[id] <= first);
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void earliest_programs_the_hardware(void **state)
{
    model_set(0, 5000);
    assert_int_equal(machine_programmed_ns[0], 5000);
    model_set(1, 9000);
    assert_int_equal(machine_programmed_ns[0], 5000);
    model_set(2, 3000);
    assert_int_equal(machine_programmed_ns[0], 3000);
    assert_int_equal(machine_cpus[0].work, 0);
}

static void past_deadline_raises_work_at_once(void **state)
{
    model_set(0, 10);
    assert_int_equal(machine_cpus[0].work, CPU_WORK_TIMER);
    run_cpu(0);
    assert_int_equal(model[0].fired, 1);
    assert_int_equal(machine_programmed_ns[0], UINT64_MAX);
}

static void setting_again_moves_it(void **state)
{
    model_set(0, 5000);
    model_set(0, 7000);
    machine_now_ns = 6000;
    run_cpu(0);
    assert_int_equal(model[0].fired, 0);
    assert_int_equal(machine_programmed_ns[0], 7000);
    machine_now_ns = 7000;
    run_cpu(0);
    assert_int_equal(model[0].fired, 1);
    run_cpu(0);
    assert_int_equal(model[0].fired, 1);
}

static void stopped_one_stays_silent(void **state)
{
    model_set(0, 5000);
    timer_stop(&timers[0]);
    timer_stop(&timers[0]);
    model[0].set = false;
    machine_now_ns = 10000;
    run_cpu(0);
    assert_int_equal(model[0].fired, 0);
}

static void other_cpus_timer_is_that_cpus_work(void **state)
{
    model[0].cpu = 2;
    timer_migrate(&timers[0], 2);
    model_set(0, 5000);
    assert_int_equal(machine_cpus[2].work, CPU_WORK_TIMER);
    assert_int_equal(machine_programmed_ns[0], UINT64_MAX);
    run_cpu(2);
    assert_int_equal(machine_programmed_ns[2], 5000);
}

static uint64_t next_ns;
static unsigned periodic_count;

static void periodic(struct timer *t)
{
    periodic_count++;
    next_ns += 100;
    timer_set(t, next_ns);
}

static void callback_may_set_its_timer_again(void **state)
{
    struct timer t;

    timer_init(&t, periodic, 0);
    next_ns = 1100;
    timer_set(&t, next_ns);
    machine_now_ns = 1550;
    run_cpu(0);
    assert_int_equal(periodic_count, 5);
    assert_int_equal(machine_programmed_ns[0], 1600);
    timer_fini(&t);
    assert_false(timer_is_set(&t));
    dump_timers();
}

static void random_step(unsigned step)
{
    unsigned i = rand() % TIMERS;

    machine_cpu = &machine_cpus[rand() % MACHINE_CPUS];
    switch (rand() % 8) {
    case 0:
    case 1:
    case 2: model_set(i, machine_now_ns + rand() % 1000); break;
    case 3: model_set(i, machine_now_ns - rand() % 500); break;
    case 4:
        model[i].set = false;
        timer_stop(&timers[i]);
        break;
    case 5:
        model[i].cpu = rand() % MACHINE_CPUS;
        timer_migrate(&timers[i], model[i].cpu);
        break;
    default: machine_now_ns += rand() % 200; run_cpu(rand() % MACHINE_CPUS);
    }
}

static void random_operations_match_the_model(void **state)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        setup(state);
        srand(seed);
        for (unsigned step = 0; step < 5000; step++) {
            random_step(step);
            for (unsigned id = 0; step % 50 == 0 && id < MACHINE_CPUS; id++)
                check_cpu(id);
        }
        /* The walk of the debug key sees each timer once. */
        for (unsigned id = 0; id < MACHINE_CPUS; id++) {
            unsigned seen = 0;

            for (const struct timer *t = machine_cpus[id].timers.root; t; t = walk_next(t))
                seen++;
            assert_int_equal(seen, machine_cpus[id].timers.count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(earliest_programs_the_hardware, setup),
        cmocka_unit_test_setup(past_deadline_raises_work_at_once, setup),
        cmocka_unit_test_setup(setting_again_moves_it, setup),
        cmocka_unit_test_setup(stopped_one_stays_silent, setup),
        cmocka_unit_test_setup(other_cpus_timer_is_that_cpus_work, setup),
        cmocka_unit_test_setup(callback_may_set_its_timer_again, setup),
        cmocka_unit_test_setup(random_operations_match_the_model, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
