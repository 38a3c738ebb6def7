/* SPDX-License-Identifier: MIT */
/*
 * The scheduler on a pretended machine of four CPUs: single rules, shares by weight, and random
 * operations with every invariant checked after each.
 */
#include "machine.h"

#include <stdlib.h>

#include "../../core/lock.c"
#include "../../core/timer.c"
#include "../../core/cpu.c"
#include "../../core/sched.c"
#include "../../core/sched_affinity.c"
#include "../../core/sched_cap.c"
#include "../../core/sched_credit2.c"
#include "../../core/vcpu.c"

#define DOMAINS 3
#define VCPUS   4
#define MS      NS_PER_MS

static struct domain domain_of[DOMAINS];
static struct vcpu *vcpu_array[DOMAINS][VCPUS];
static struct shared_info shared[DOMAINS];
static struct vcpu *hardware[MACHINE_CPUS]; /* whose state the registers hold */
static unsigned switches;
static uint64_t made_ns;

/* ---- the port and the rest of the core --------------------------------------------------------
 */

void arch_vcpu_switch(struct vcpu *from, struct vcpu *to)
{
    assert_ptr_equal(hardware[machine_cpu->id], from);
    assert_null(machine_cpu->current);
    assert_int_equal(machine_cpu->locks_held, 0);
    for (unsigned i = 0; to && i < MACHINE_CPUS; i++)
        assert_ptr_not_equal(hardware[i], to);
    hardware[machine_cpu->id] = to;
    switches++;
}

void arch_vcpu_write_guest(struct vcpu *v, uint64_t addr, const void *src, size_t size)
{
    assert_ptr_equal(hardware[machine_cpu->id], v);
    memcpy((void *)addr, src, size);
}

static unsigned idle_calls;

void arch_cpu_idle(void)
{
    idle_calls++;
}

int arch_vcpu_create(struct vcpu *v)
{
    return 0;
}

void arch_vcpu_destroy(struct vcpu *v)
{
}

void arch_vcpu_time_publish(struct vcpu *v)
{
}

mfn_t arch_frame_pin_writable(struct domain *d, uint64_t gfn)
{
    return MFN_INVALID;
}

void arch_frame_unpin(mfn_t mfn)
{
}

void *frame_to_virt(mfn_t mfn)
{
    return NULL;
}

void event_raise_virq(struct vcpu *v, unsigned virq)
{
    vcpu_kick(v);
}

void event_vcpu_info_moved(struct vcpu *v)
{
}

bool event_poll_end(struct vcpu *v)
{
    return atomic_exchange(&v->polling, false);
}

void console_do_work(void)
{
}

void domain_reap(void)
{
}

void *heap_zalloc_for(struct domain_memory *m, size_t size)
{
    return calloc(1, size);
}

void heap_free(void *p)
{
    free(p);
}

/* ---- the machine runs -------------------------------------------------------------------------
 */

static void play_cpu(unsigned id)
{
    struct cpu *before = machine_cpu;

    machine_cpu = &machine_cpus[id];
    if (machine_programmed_ns[id] <= machine_now_ns) {
        machine_programmed_ns[id] = UINT64_MAX;
        cpu_raise_work(machine_cpu, CPU_WORK_TIMER);
    }
    cpu_do_work();
    machine_cpu = before;
}

static void play_all(void)
{
    for (unsigned i = 0; i < cpu_count; i++)
        play_cpu(i);
}

static void play_others(void)
{
    for (unsigned i = 0; i < cpu_count; i++)
        if (&machine_cpus[i] != machine_cpu)
            play_cpu(i);
}

static void play_until(uint64_t end_ns, uint64_t step_ns)
{
    while (machine_now_ns < end_ns) {
        machine_now_ns += step_ns;
        play_all();
    }
}

static void start_machine(unsigned cpus)
{
    memset(machine_cpus, 0, sizeof(machine_cpus));
    memset(domain_of, 0, sizeof(domain_of));
    memset(hardware, 0, sizeof(hardware));
    memset(shared, 0, sizeof(shared));
    machine_now_ns = made_ns = 1000 * MS;
    machine_relax = play_others;
    sched_ratelimit_us = 1000;
    cpu_count = 0;
    switches = 0;
    for (unsigned i = 0; i < cpus; i++) {
        machine_programmed_ns[i] = UINT64_MAX;
        cpu_register(&machine_cpus[i]);
    }
    machine_cpu = &machine_cpus[0];
    for (unsigned i = 0; i < DOMAINS; i++) {
        struct domain *d = &domain_of[i];

        d->id = i;
        d->vcpu_max = VCPUS;
        d->vcpus = vcpu_array[i];
        d->shared_info = &shared[i];
        memset(vcpu_array[i], 0, sizeof(vcpu_array[i]));
        spin_lock_init(&d->lock, LOCK_RANK_DOMAIN);
        sched_domain_init(d);
    }
}

static struct vcpu *add_vcpu(unsigned domain, unsigned id, unsigned cpu)
{
    struct vcpu *v;

    assert_int_equal(vcpu_create(&domain_of[domain], id, cpu, &v), 0);
    return v;
}

static int stop_machine(void **state)
{
    struct vcpu *v;
    unsigned i;

    for (unsigned n = 0; n < DOMAINS; n++)
        domain_for_each_vcpu(&domain_of[n], v, i)
        {
            machine_cpu = &machine_cpus[0];
            if (v == machine_cpu->current) {
                vcpu_stop(v, VCPU_STOP_DOWN);
                play_all();
            }
            vcpu_stop_sync(v, VCPU_STOP_DOWN);
            vcpu_destroy(v);
            vcpu_array[n][i] = NULL;
        }
    return 0;
}

/* ---- invariants -------------------------------------------------------------------------------
 */

static unsigned times_queued(const struct vcpu *v)
{
    unsigned count = 0;
    struct vcpu *queued;

    for (unsigned i = 0; i < cpu_count; i++)
        list_for_each_entry (queued, &machine_cpus[i].sched.queue, sched.queue)
            if (queued == v) {
                assert_int_equal(v->sched.cpu, i);
                count++;
            }
    return count;
}

static void check_vcpu(struct vcpu *v)
{
    unsigned running = 0, loaded = 0, queued = times_queued(v);
    struct vcpu_runstate r;
    uint64_t sum = 0;

    for (unsigned i = 0; i < cpu_count; i++) {
        running += machine_cpus[i].sched.running == v;
        loaded += hardware[i] == v;
        assert_true(hardware[i] != v || v->sched.cpu == i);
    }
    assert_int_equal(running, v->sched.running);
    assert_int_equal(loaded, v->sched.loaded);
    assert_true(!v->sched.running || v->sched.loaded);
    if (v->sched.stop == 0)
        assert_int_equal(running + queued, 1);
    else
        assert_int_equal(queued, 0);
    if (v->sched.running && v->sched.stop)
        assert_true(machine_cpus[v->sched.cpu].work & CPU_WORK_SCHED);
    assert_int_equal(v->singleshot.cpu, v->sched.cpu);

    vcpu_runstate_get(v, &r);
    for (unsigned i = 0; i < 4; i++)
        sum += r.time_ns[i];
    assert_int_equal(sum, machine_now_ns - made_ns);
    assert_int_equal(r.state == RUNSTATE_running, v->sched.running);
    if (!v->sched.running)
        assert_int_equal(r.state,
                         v->sched.stop == 0 ? RUNSTATE_runnable : stopped_runstate(v->sched.stop));
}

static void check_all(void)
{
    struct vcpu *v;
    unsigned i;

    for (unsigned n = 0; n < DOMAINS; n++)
        domain_for_each_vcpu(&domain_of[n], v, i) check_vcpu(v);
    for (i = 0; i < cpu_count; i++) {
        struct cpu *cpu = &machine_cpus[i];
        unsigned count = 0;

        list_for_each_entry (v, &cpu->sched.queue, sched.queue)
            count++;
        assert_int_equal(cpu->sched.queued, count);
        assert_ptr_equal(cpu->sched.loaded, hardware[i]);
        assert_ptr_equal(cpu->current, cpu->sched.running);
        assert_int_equal(cpu->locks_held, 0);
        /* An idle CPU with something to run knows of it. */
        if (count > 0 && !cpu->sched.running)
            assert_true(cpu->work & CPU_WORK_SCHED);
    }
}

/* ---- single rules -----------------------------------------------------------------------------
 */

static void starts_and_blocks_without_a_switch(void **state)
{
    struct vcpu *v;

    start_machine(1);
    v = add_vcpu(0, 0, 0);
    play_all();
    assert_null(machine_cpu->current);
    vcpu_start(v, VCPU_STOP_DOWN);
    play_all();
    assert_ptr_equal(machine_cpu->current, v);
    assert_int_equal(switches, 1);

    for (unsigned i = 0; i < 10; i++) {
        vcpu_stop(v, VCPU_STOP_BLOCKED);
        play_all();
        assert_null(machine_cpu->current);
        machine_now_ns += MS;
        vcpu_kick(v);
        play_all();
        assert_ptr_equal(machine_cpu->current, v);
        check_all();
    }
    assert_int_equal(switches, 1);
    assert_int_equal(sched_idle_time_ns(machine_cpu), 10 * MS);
}

static void several_reasons_must_all_go(void **state)
{
    struct vcpu *v;

    start_machine(1);
    v = add_vcpu(0, 0, 0);
    vcpu_start(v, VCPU_STOP_DOWN);
    vcpu_stop(v, VCPU_STOP_PAUSED);
    vcpu_stop(v, VCPU_STOP_BLOCKED);
    vcpu_start(v, VCPU_STOP_BLOCKED);
    play_all();
    assert_null(machine_cpu->current);
    assert_int_equal(v->runstate.state, RUNSTATE_offline);
    vcpu_start(v, VCPU_STOP_PAUSED);
    play_all();
    assert_ptr_equal(machine_cpu->current, v);
}

static void idle_loop_returns_with_a_vcpu(void **state)
{
    struct vcpu *v;

    start_machine(1);
    v = add_vcpu(0, 0, 0);
    vcpu_start(v, VCPU_STOP_DOWN);
    sched_idle_until_runnable();
    assert_ptr_equal(machine_cpu->current, v);
    assert_int_equal(idle_calls, 0);
}

static void stop_sync_takes_the_state_out(void **state)
{
    struct vcpu *here, *there, *left;

    start_machine(2);
    here = add_vcpu(0, 0, 0);
    there = add_vcpu(1, 0, 1);
    vcpu_start(here, VCPU_STOP_DOWN);
    vcpu_start(there, VCPU_STOP_DOWN);
    play_all();
    assert_ptr_equal(machine_cpus[1].current, there);
    vcpu_stop_sync(there, VCPU_STOP_PAUSED);
    assert_null(hardware[1]);
    check_all();
    /* One that blocked and was left in the registers, its own CPU's and another's. */
    left = there;
    vcpu_start(left, VCPU_STOP_PAUSED);
    play_all();
    vcpu_stop(left, VCPU_STOP_BLOCKED);
    play_all();
    assert_ptr_equal(hardware[1], left);
    vcpu_stop_sync(left, VCPU_STOP_PAUSED);
    assert_null(hardware[1]);
    check_all();
}

static void wakes_on_an_idle_cpu(void **state)
{
    struct vcpu *a, *b;

    start_machine(2);
    a = add_vcpu(0, 0, 0);
    b = add_vcpu(0, 1, 0);
    vcpu_start(a, VCPU_STOP_DOWN);
    play_all();
    vcpu_start(b, VCPU_STOP_DOWN);
    play_all();
    assert_ptr_equal(machine_cpus[0].current, a);
    assert_ptr_equal(machine_cpus[1].current, b);
    check_all();
}

static void idle_cpu_takes_over_who_waits(void **state)
{
    struct vcpu *a, *b, *c;

    start_machine(2);
    a = add_vcpu(0, 0, 0);
    b = add_vcpu(0, 1, 1);
    c = add_vcpu(1, 0, 0);
    vcpu_start(a, VCPU_STOP_DOWN);
    vcpu_start(b, VCPU_STOP_DOWN);
    vcpu_start(c, VCPU_STOP_DOWN);
    play_all();
    assert_int_equal(machine_cpus[0].sched.queued + machine_cpus[1].sched.queued, 1);
    vcpu_stop(machine_cpus[0].sched.queued ? machine_cpus[1].current : machine_cpus[0].current,
              VCPU_STOP_BLOCKED);
    play_all();
    assert_int_equal(machine_cpus[0].sched.queued + machine_cpus[1].sched.queued, 0);
    assert_non_null(machine_cpus[0].current);
    assert_non_null(machine_cpus[1].current);
    check_all();
}

static void affinity_moves_a_running_one(void **state)
{
    struct cpu_mask only_1 = {.bits = {BIT(1)}}, none = {.bits = {BIT(9)}}, hard, soft;
    struct vcpu *v;

    start_machine(2);
    v = add_vcpu(0, 0, 0);
    vcpu_start(v, VCPU_STOP_DOWN);
    play_all();
    assert_ptr_equal(machine_cpus[0].current, v);
    assert_int_equal(sched_set_affinity(v, &none, NULL), -EINVAL);
    assert_int_equal(sched_set_affinity(v, &only_1, NULL), 0);
    play_all();
    play_all();
    assert_null(machine_cpus[0].current);
    assert_ptr_equal(machine_cpus[1].current, v);
    sched_get_affinity(v, &hard, &soft);
    assert_int_equal(hard.bits[0], BIT(1));
    assert_int_equal(soft.bits[0], UINT64_MAX);
    check_all();
}

static void affinity_moves_one_that_sleeps(void **state)
{
    struct cpu_mask only_1 = {.bits = {BIT(1)}};
    struct vcpu *v;

    start_machine(2);
    v = add_vcpu(0, 0, 0);
    vcpu_start(v, VCPU_STOP_DOWN);
    play_all();
    vcpu_stop(v, VCPU_STOP_BLOCKED);
    play_all();
    assert_int_equal(sched_set_affinity(v, &only_1, NULL), 0);
    vcpu_kick(v);
    play_all();
    play_all();
    assert_ptr_equal(machine_cpus[1].current, v);
    check_all();
}

static void pinning_is_undone(void **state)
{
    struct vcpu *v;

    start_machine(2);
    v = add_vcpu(0, 0, 0);
    vcpu_start(v, VCPU_STOP_DOWN);
    play_all();
    assert_int_equal(sched_pin(v, -1), -EINVAL);
    assert_int_equal(sched_pin(v, 7), -EINVAL);
    assert_int_equal(sched_pin(v, 1), 0);
    assert_int_equal(sched_pin(v, 0), -EBUSY);
    play_all();
    play_all();
    assert_ptr_equal(machine_cpus[1].current, v);
    assert_int_equal(sched_pin(v, -1), 0);
    assert_int_equal(v->sched.hard.bits[0], UINT64_MAX);
}

static void runstate_area_is_kept(void **state)
{
    static struct vcpu_runstate_info area;
    struct vcpu *v;

    start_machine(1);
    v = add_vcpu(0, 0, 0);
    v->runstate_guest_addr = (uint64_t)&area;
    vcpu_start(v, VCPU_STOP_DOWN);
    play_all();
    assert_int_equal(area.state, RUNSTATE_running);
    machine_now_ns += 3 * MS;
    vcpu_stop(v, VCPU_STOP_BLOCKED);
    play_all();
    assert_int_equal(area.state, RUNSTATE_blocked);
    assert_int_equal(area.time[RUNSTATE_running], 3 * MS);
    machine_now_ns += 2 * MS;
    domain_of[0].vm_assist = BIT(VMASST_TYPE_runstate_update_flag);
    vcpu_kick(v);
    play_all();
    assert_int_equal(area.state, RUNSTATE_running);
    assert_int_equal(area.time[RUNSTATE_blocked], 2 * MS);
    assert_int_equal(area.state_entry_time, machine_now_ns);
}

static void periodic_timer_ticks(void **state)
{
    struct vcpu *v;

    start_machine(1);
    v = add_vcpu(0, 0, 0);
    vcpu_start(v, VCPU_STOP_DOWN);
    play_all();
    v->period_ns = MS;
    timer_set(&v->periodic, machine_now_ns + MS);
    for (unsigned i = 0; i < 5; i++) {
        vcpu_stop(v, VCPU_STOP_BLOCKED);
        play_all();
        assert_null(machine_cpu->current);
        machine_now_ns += MS;
        play_all();
        assert_ptr_equal(machine_cpu->current, v);
    }
}

/* ---- shares -----------------------------------------------------------------------------------
 */

static uint64_t ran_ms(struct vcpu *v)
{
    struct vcpu_runstate r;

    vcpu_runstate_get(v, &r);
    return r.time_ns[RUNSTATE_running] / MS;
}

static void equal_weights_share_equally(void **state)
{
    struct vcpu *v[3];

    start_machine(1);
    for (unsigned i = 0; i < 3; i++) {
        v[i] = add_vcpu(i, 0, 0);
        vcpu_start(v[i], VCPU_STOP_DOWN);
    }
    play_until(machine_now_ns + 3000 * MS, MS / 10);
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(ran_ms(v[i]), 970, 1030);
    assert_true(switches <= 3010); /* no more than one in a millisecond */
    check_all();
}

static void weights_divide_the_cpu(void **state)
{
    struct vcpu *light, *heavy;

    start_machine(1);
    domain_of[1].sched.weight = 768;
    light = add_vcpu(0, 0, 0);
    heavy = add_vcpu(1, 0, 0);
    vcpu_start(light, VCPU_STOP_DOWN);
    vcpu_start(heavy, VCPU_STOP_DOWN);
    play_until(machine_now_ns + 4000 * MS, MS / 10);
    assert_in_range(ran_ms(light), 900, 1100);
    assert_in_range(ran_ms(heavy), 2900, 3100);
}

static void one_that_ran_alone_owes_little(void **state)
{
    struct vcpu *hog, *late;
    uint64_t started;

    start_machine(1);
    hog = add_vcpu(0, 0, 0);
    late = add_vcpu(1, 0, 0);
    vcpu_start(hog, VCPU_STOP_DOWN);
    for (unsigned i = 0; i < 200; i++) {
        play_until(machine_now_ns + 15 * MS, MS);
        vcpu_stop(hog, VCPU_STOP_BLOCKED);
        play_all();
        vcpu_kick(hog);
        play_all();
    }
    vcpu_start(late, VCPU_STOP_DOWN);
    play_all();
    while (machine_cpu->current != late)
        play_until(machine_now_ns + MS / 10, MS / 10);
    started = machine_now_ns;
    while (machine_cpu->current != hog)
        play_until(machine_now_ns + MS / 10, MS / 10);
    assert_true(machine_now_ns - started <= 40 * MS);
}

/* `busy` has the CPU nearly always; then the other, which mostly slept, wants it too. */
static void nobody_waits_long_for_one_that_slept_much(void **state)
{
    struct vcpu *busy, *other;
    uint64_t left_ns, longest_ns = 0;

    start_machine(1);
    busy = add_vcpu(0, 0, 0);
    other = add_vcpu(1, 0, 0);
    vcpu_start(busy, VCPU_STOP_DOWN);
    vcpu_start(other, VCPU_STOP_DOWN);
    for (unsigned i = 0; i < 300; i++) {
        play_until(machine_now_ns + MS / 10, MS / 10);
        vcpu_stop(other, VCPU_STOP_BLOCKED);
        play_until(machine_now_ns + 15 * MS, MS / 2);
        vcpu_kick(other);
    }
    left_ns = machine_now_ns;
    for (unsigned i = 0; i < 10000; i++) {
        play_until(machine_now_ns + MS / 10, MS / 10);
        if (machine_cpu->current == busy)
            left_ns = machine_now_ns;
        longest_ns = MAX(longest_ns, machine_now_ns - left_ns);
    }
    assert_true(longest_ns <= 40 * MS);
}

static void a_cap_holds_on_an_idle_machine(void **state)
{
    struct vcpu *v, *other;
    uint64_t before;

    start_machine(2);
    v = add_vcpu(1, 0, 0);
    other = add_vcpu(1, 1, 1);
    sched_set_cap(&domain_of[1], 40);
    vcpu_start(v, VCPU_STOP_DOWN);
    play_until(machine_now_ns + 1000 * MS, MS / 2);
    assert_in_range(ran_ms(v), 380, 420);
    /* The time it was held back counts as waiting. */
    assert_in_range(v->runstate.time_ns[RUNSTATE_runnable] / MS, 570, 620);
    /* Of one CPU, over all vCPUs. */
    before = ran_ms(v);
    vcpu_start(other, VCPU_STOP_DOWN);
    play_until(machine_now_ns + 1000 * MS, MS / 2);
    assert_in_range(ran_ms(v) - before + ran_ms(other), 380, 420);
    check_all();
    before = ran_ms(v);
    sched_set_cap(&domain_of[1], 0);
    play_until(machine_now_ns + 100 * MS, MS / 2);
    assert_in_range(ran_ms(v) - before, 88, 101);
    assert_false(timer_is_set(&domain_of[1].sched.cap_timer));
}

static void one_that_slept_comes_soon_but_not_forever(void **state)
{
    struct vcpu *busy, *sleeper;
    uint64_t waited;

    start_machine(1);
    busy = add_vcpu(0, 0, 0);
    sleeper = add_vcpu(1, 0, 0);
    vcpu_start(busy, VCPU_STOP_DOWN);
    vcpu_start(sleeper, VCPU_STOP_DOWN);
    vcpu_stop(sleeper, VCPU_STOP_BLOCKED);
    play_until(machine_now_ns + 1000 * MS, MS / 10);
    vcpu_kick(sleeper);
    waited = machine_now_ns;
    while (machine_cpu->current != sleeper) {
        machine_now_ns += MS / 10;
        play_all();
    }
    assert_true(machine_now_ns - waited <= 2 * MS);
    waited = machine_now_ns;
    while (machine_cpu->current != busy) {
        machine_now_ns += MS / 10;
        play_all();
    }
    assert_true(machine_now_ns - waited <= 40 * MS);
}

static void alone_there_is_no_slice_timer(void **state)
{
    struct vcpu *v;

    start_machine(1);
    v = add_vcpu(0, 0, 0);
    vcpu_start(v, VCPU_STOP_DOWN);
    play_until(machine_now_ns + 100 * MS, MS);
    assert_false(timer_is_set(&machine_cpu->sched.slice));
    assert_int_equal(switches, 1);
}

static void yielding_lets_the_other_run(void **state)
{
    struct vcpu *a, *b;

    start_machine(1);
    a = add_vcpu(0, 0, 0);
    b = add_vcpu(1, 0, 0);
    vcpu_start(a, VCPU_STOP_DOWN);
    play_all();
    sched_yield();
    assert_int_equal(machine_cpu->work, 0);
    vcpu_start(b, VCPU_STOP_DOWN);
    play_all();
    assert_ptr_equal(machine_cpu->current, a);
    sched_yield();
    play_all();
    assert_ptr_equal(machine_cpu->current, b);
    sched_yield();
    play_all();
    assert_ptr_equal(machine_cpu->current, a);
    check_all();
}

/* ---- random -----------------------------------------------------------------------------------
 */

static void random_affinity(struct vcpu *v)
{
    struct cpu_mask mask = {.bits = {rand() % 15 + 1}}, soft = {.bits = {rand() % 16}};
    int rc = sched_set_affinity(v, rand() % 2 ? &mask : NULL, &soft);

    assert_true(rc == 0 || (mask.bits[0] & (BIT(cpu_count) - 1)) == 0);
}

static void random_step(void)
{
    static const uint32_t reasons[] = {VCPU_STOP_BLOCKED, VCPU_STOP_BLOCKED, VCPU_STOP_PAUSED,
                                       VCPU_STOP_DOWN};
    struct vcpu *v = vcpu_array[rand() % DOMAINS][rand() % VCPUS];
    uint32_t reason = reasons[rand() % ARRAY_SIZE(reasons)];

    machine_cpu = &machine_cpus[rand() % cpu_count];
    switch (rand() % 12) {
    case 0:
    case 1: vcpu_stop(v, reason); break;
    case 2:
    case 3: vcpu_start(v, reason); break;
    case 4:
    case 5: vcpu_kick(v); break;
    case 6:
        if (machine_cpu->current)
            sched_yield();
        break;
    case 7: random_affinity(v); break;
    case 8:
        if (v != machine_cpu->current) {
            vcpu_stop_sync(v, VCPU_STOP_PAUSED);
            assert_false(v->sched.loaded);
            check_all();
            vcpu_start(v, rand() % 2 ? VCPU_STOP_PAUSED : reason);
        }
        break;
    case 9:
        if (rand() % 20 == 0)
            sched_set_cap(v->domain, rand() % 2 * (rand() % 120));
        timer_set(&v->singleshot, machine_now_ns + rand() % (5 * MS));
        break;
    default: machine_now_ns += rand() % (2 * MS); play_cpu(rand() % cpu_count);
    }
}

static void random_operations_keep_the_rules(void **state)
{
    for (unsigned seed = 1; seed <= 60; seed++) {
        srand(seed);
        start_machine(1 + seed % MACHINE_CPUS);
        for (unsigned n = 0; n < DOMAINS; n++)
            for (unsigned i = 0; i < VCPUS; i++)
                add_vcpu(n, i, rand() % cpu_count);
        for (unsigned step = 0; step < 3000; step++) {
            random_step();
            check_all();
        }
        /* Left alone, all CPUs are busy as long as there is somebody for them. */
        for (unsigned i = 0; i < 10; i++)
            play_all();
        check_all();
        stop_machine(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(starts_and_blocks_without_a_switch, stop_machine),
        cmocka_unit_test_teardown(several_reasons_must_all_go, stop_machine),
        cmocka_unit_test_teardown(idle_loop_returns_with_a_vcpu, stop_machine),
        cmocka_unit_test_teardown(stop_sync_takes_the_state_out, stop_machine),
        cmocka_unit_test_teardown(wakes_on_an_idle_cpu, stop_machine),
        cmocka_unit_test_teardown(idle_cpu_takes_over_who_waits, stop_machine),
        cmocka_unit_test_teardown(affinity_moves_a_running_one, stop_machine),
        cmocka_unit_test_teardown(affinity_moves_one_that_sleeps, stop_machine),
        cmocka_unit_test_teardown(pinning_is_undone, stop_machine),
        cmocka_unit_test_teardown(runstate_area_is_kept, stop_machine),
        cmocka_unit_test_teardown(periodic_timer_ticks, stop_machine),
        cmocka_unit_test_teardown(equal_weights_share_equally, stop_machine),
        cmocka_unit_test_teardown(weights_divide_the_cpu, stop_machine),
        cmocka_unit_test_teardown(one_that_ran_alone_owes_little, stop_machine),
        cmocka_unit_test_teardown(nobody_waits_long_for_one_that_slept_much, stop_machine),
        cmocka_unit_test_teardown(a_cap_holds_on_an_idle_machine, stop_machine),
        cmocka_unit_test_teardown(one_that_slept_comes_soon_but_not_forever, stop_machine),
        cmocka_unit_test_teardown(alone_there_is_no_slice_timer, stop_machine),
        cmocka_unit_test_teardown(yielding_lets_the_other_run, stop_machine),
        cmocka_unit_test(random_operations_keep_the_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
