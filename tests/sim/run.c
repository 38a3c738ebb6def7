/* SPDX-License-Identifier: MIT */
/* One run: a machine after the seed's wishes, steps until there are enough, rules in between, and
 * the end of all domains. */
#include "faults.h"
#include "run.h"

#include <kr/cpu.h>
#include <kr/list.h>
#include <kr/time.h>
#include <sim/random.h>

#include <xen/xen.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_DEFAULT  300
#define PAUSES_AFTER   64 /* for the clean-up */
#define LOG_TAIL_BYTES 2000
#define ZOMBIES_NS     (300 * NS_PER_MS)
#define IDLE_MAX       3

struct run_state run;
const struct run_options *run_options_now;
bool run_is_verbose;

/* ---- what the seed decides --------------------------------------------------------------------
 */

static uint64_t draw(uint64_t bound)
{
    return sim_random_below(SIM_STREAM_SCHEDULE, bound);
}

static void ram_choose(struct sim_config *c)
{
    static const uint64_t sizes[] = {64 * MIB, 64 * MIB, 96 * MIB, 128 * MIB};

    c->node_count = 1 + (draw(4) == 0);
    c->ram_count = c->node_count;
    c->ram[0] = (struct sim_ram_range){0, sizes[draw(ARRAY_SIZE(sizes))], 0};
    if (c->node_count > 1)
        c->ram[1] = (struct sim_ram_range){GIB + draw(4) * GIB, 64 * MIB, 1};
    if (draw(200) == 0)
        c->ram[c->ram_count - 1].size_bytes = SIM_RAM_MAX - 5 * GIB;
}

static void config_choose(struct sim_config *c, const struct run_options *o)
{
    static const unsigned cpus[] = {1, 1, 2, 2, 2, 3, 4, 4, 8, 16};

    memset(c, 0, sizeof(*c));
    c->cpu_count = draw(100) == 0 ? 64 : cpus[draw(ARRAY_SIZE(cpus))];
    if (o->cpus)
        c->cpu_count = o->cpus;
    ram_choose(c);
    c->device_count = draw(SIM_DEVICE_MAX + 1);
    c->dom0_vcpus = 1 + draw(MIN(c->cpu_count + 1, 4U));
    c->dom0_pages = SIM_PAGES_MIN + draw(4) * 32;
    c->interleave_mean = 2U << draw(14);
    c->late_one_in = draw(3) ? 0 : 8;
    c->linger_one_in = draw(2) ? 0 : 1 + draw(4);
    if (o->is_serial)
        c->interleave_mean = c->linger_one_in = 0;
    c->uses_threads = o->uses_threads;
    if (o->is_faults)
        faults_config(c);
    if (o->bytes || o->uses_threads) { /* whose memory costs too much */
        c->ram_count = c->node_count = 1;
        c->ram[0] = (struct sim_ram_range){0, 64 * MIB, 0};
    }
    c->command_line = "console=sim loglvl=warning guest_loglvl=error noreboot";
}

/* Swarm testing (Groce, Zhang, Eide, Chen, Regehr 2012): leaving things out shows other faults. */
static uint64_t groups_choose(void)
{
    uint64_t off = 0;

    for (unsigned i = 0; i < GROUP_COUNT; i++)
        if (i != GROUP_BUILD && draw(4) == 0)
            off |= BIT(i);
    return off;
}

/* ---- steps ------------------------------------------------------------------------------------
 */

static bool is_skipped(uint64_t step)
{
    for (const char *p = run.options->skip; p && *p;) {
        char *end;
        uint64_t first = strtoul(p, &end, 10), last = first;

        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        if (step >= first && step <= last)
            return true;
        if (*end != ',')
            return false;
        p = end + 1;
    }
    return false;
}

bool run_step_begin(struct actor *a)
{
    if (run.is_over || run.step >= run.step_count || !sim_random_has_more()) {
        run.is_over = true;
        sim_pause_request();
        return false;
    }
    a->step = ++run.step;
    sim_progress();
    sim_time_pass(sim_random_below(SIM_STREAM_TIME, run.step_ns_max));
    a->random_state = (run.options->seed * 0x9e3779b97f4a7c15UL) ^ (a->step * 0xd1342543de82ef95UL);
    if (sim_random_one_in(SIM_STREAM_DEVICE, run.stir_one_in))
        sim_devices_stir();
    return !is_skipped(a->step);
}

void run_step_end(struct actor *a)
{
    if (++run.steps_since_pause >= run.steps_per_pause)
        sim_pause_request();
}

/* ---- the run ----------------------------------------------------------------------------------
 */

/* Slices of time end after some steps, or none. */
static const uint64_t step_times[] = {0, 10000, 200000, 200000, 2000000};

static void run_prepare(const struct run_options *o, struct sim_config *config)
{
    memset(&run, 0, sizeof(run));
    run.options = run_options_now = o;
    run_is_verbose = o->is_verbose;
    sim_random_seed(o->seed);
    sim_random_bytes(o->bytes, o->byte_count);
    config_choose(config, o);
    run.step_count = o->steps ? o->steps : STEPS_DEFAULT;
    run.groups_off = groups_choose() | o->groups_off;
    if (o->bytes)
        run.groups_off = o->groups_off; /* the bytes choose */
    run.steps_per_pause = o->checks_each_step ? 1 : 1U << draw(6);
    run.step_ns_max = step_times[draw(ARRAY_SIZE(step_times))];
    run.yield_one_in = draw(3) ? 0 : 2 + draw(8);
    run.stir_one_in = draw(2) ? 0 : 2 + draw(20);
    trace_reset();
    models_reset();
    alloc_reset();
    faults_reset();
}

/* All CPUs wait and no timer will ever fire: something happens outside that dom0 hears of. */
static void wake_somebody(void)
{
    struct domain *d = domain_get(0);
    struct vcpu *v;
    unsigned i;

    run.steps_since_pause = 0;
    sim_progress();
    if (!d)
        return;
    domain_for_each_vcpu(d, v, i)
    {
        __atomic_store_n(&v->info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
        vcpu_kick(v);
        arch_cpu_kick(cpu_by_id(v->sched.cpu)); /* the operator is none of the CPUs */
    }
    domain_put(d);
}

/* For the guests' code, which may not look for itself: finding a domain takes a lock. */
static void domains_note(void)
{
    struct domain *d;

    run.domain_count = 0;
    for (unsigned id = 0; (d = domain_get_next(id)) != NULL; id = d->id + 1, domain_put(d))
        if (run.domain_count < DOMAINS_SEEN_MAX)
            run.domains[run.domain_count++] = d->id;
}

static void machine_drive(void)
{
    unsigned idle = 0, pauses_after = 0;
    uint64_t step = 0;

    while (!run.is_clean) {
        enum sim_pause why = sim_machine_run();

        if (why == SIM_PAUSE_OFF)
            return;
        check_all(false);
        domains_note();
        faults_look();
        run.checks++;
        run.steps_since_pause = 0;
        if (why == SIM_PAUSE_IDLE) {
            idle = run.step == step ? idle + 1 : 0;
            step = run.step;
            if (idle > IDLE_MAX)
                return; /* dom0 itself waits for ever */
            wake_somebody();
        }
        if (run.is_given_up || (run.is_over && ++pauses_after > PAUSES_AFTER))
            return;
    }
    /* Domains that wait for their last frames are looked at now and then only. */
    sim_time_pass(ZOMBIES_NS);
    if (sim_machine_run() != SIM_PAUSE_OFF)
        check_all(true);
}

void run_machine(const struct run_options *options, struct run_result *result)
{
    struct sim_config config;

    run_prepare(options, &config);
    sim_machine_start(&config);
    check_start();
    if (!options->bytes && draw(4) == 0)
        alloc_fail_one_in(20 + draw(100));
    machine_drive();
    alloc_open_all();
    sim_machine_stop();
    *result = (struct run_result){.steps = run.step,
                                  .hypercalls = trace_call_count(),
                                  .checks = run.checks,
                                  .digest = trace_digest()};
}

/* ---- failure ----------------------------------------------------------------------------------
 */

static void failure_print(const char *rule, const char *text)
{
    const char *log = sim_log();
    size_t length = strlen(log);

    printf("FAILED seed %lu step %lu: %s: %s\n", run.options->seed, run.step, rule, text);
    trace_print();
    printf("log:\n%s\n", log + (length > LOG_TAIL_BYTES ? length - LOG_TAIL_BYTES : 0));
    printf("again: make sim SEED=%lu STEPS=%lu V=1\n", run.options->seed, run.step_count);
    fflush(stdout);
}

void rule_broken(const char *rule, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    failure_print(rule, text);
    if (run.options->bytes)
        abort(); /* for the fuzzer to see */
    _Exit(1);
}

void sim_failed(const char *what)
{
    char line[400];

    snprintf(line, sizeof(line), "%.*s", (int)strcspn(what, "\r\n"), what);
    rule_broken("the hypervisor stopped", "%s", line);
}
