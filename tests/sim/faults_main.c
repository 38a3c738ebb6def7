/* SPDX-License-Identifier: MIT */
/* `sim --faults`: each script, then usual runs, in a process of its own each. */
#include "faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS         40 /* with the generators' choices */
#define RUN_STEPS    120
#define CASE_SECONDS 60 /* no case takes so long */

static const char *const call_names[64] = {
#define HYPERCALL(nr, name, argc, caller, long_running, purpose) [nr] = #name,
#include "../../core/hypercalls.def"
#undef HYPERCALL
};

static bool run_alone(const struct run_options *options)
{
    struct run_result result;
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(CASE_SECONDS);
        run_machine(options, &result);
        fflush(stdout);
        counters_keep();
        _exit(0);
    }
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool script_run(struct run_options o, unsigned number)
{
    uint64_t calls = faults_count->calls, failures = faults_count->failures;
    bool passed;

    o.script = number;
    o.seed = 1;
    passed = run_alone(&o);
    printf("%s %-44s %5lu hypercalls %5lu failures\n", passed ? "ok    " : "FAILED",
           faults_script(number)->name, faults_count->calls - calls,
           faults_count->failures - failures);
    return passed;
}

static bool seed_run(struct run_options o, uint64_t seed)
{
    bool passed;

    o.script = 0;
    o.seed = seed;
    o.steps = o.steps ? o.steps : RUN_STEPS;
    passed = run_alone(&o);
    if (!passed)
        printf("FAILED seed %lu: again with sim --faults --seed %lu --steps %lu\n", seed, seed,
               o.steps);
    return passed;
}

static void summary_print(void)
{
    const struct faults_count *c = faults_count;

    printf("sim-faults: %lu hypercalls tried, %lu of them allocate:", c->calls, c->allocating);
    for (unsigned nr = 0; nr < ARRAY_SIZE(call_names); nr++)
        if (c->sites[nr])
            printf(" %s %lu", call_names[nr] ? call_names[nr] : "?", c->sites[nr]);
    printf("\nsim-faults: %lu failures, after %lu the state was compared, %lu were no matter\n",
           c->failures, c->compared, c->tolerated);
}

int faults_run_all(const struct run_options *options)
{
    unsigned passed = 0, failed = 0;

    faults_count = mmap(NULL, sizeof(*faults_count), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (faults_count == MAP_FAILED)
        abort();
    if (options->script) {
        *(script_run(*options, options->script) ? &passed : &failed) += 1;
    } else if (options->seed) {
        *(seed_run(*options, options->seed) ? &passed : &failed) += 1;
    } else {
        for (unsigned n = 1; faults_script(n); n++)
            *(script_run(*options, n) ? &passed : &failed) += 1;
        for (uint64_t seed = 1; seed <= RUNS; seed++)
            *(seed_run(*options, seed) ? &passed : &failed) += 1;
    }
    summary_print();
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
