/* SPDX-License-Identifier: MIT */
/*
 * The simulation's command line.
 *   sim --seed N [--steps M] [--cpus C] [--serial] [--each] [--off MASK] [--skip LIST] [--verbose]
 *   sim --faults [--script N | --seed N]           each allocation failed in turn (faults.h)
 *   sim --threads ...                              each CPU is a thread: not repeatable
 *   sim --runs N [--first SEED] [--jobs J] [--twice] [--first-failure] [--stats] ...
 *                                  many seeds, in worker processes; twice: and each again, to
 * compare
 */
#include "faults.h"
#include "sim.h"
#include "stats.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 64

struct totals {
    _Atomic uint64_t next_seed, runs, steps, hypercalls, checks, failed;
    _Atomic uint64_t now[JOBS_MAX]; /* the seed that each worker is at */
};

static struct run_options options;
static uint64_t runs, first_seed = 1;
static unsigned jobs;
static bool runs_twice, stops_first;

static void usage(void)
{
    fprintf(stderr, "usage: sim --seed N | --runs N [--first SEED] [--jobs J] [--stats]\n"
                    "           [--steps M] [--cpus C] [--serial] [--each] [--off MASK] [--skip "
                    "LIST] [--verbose]\n");
    exit(64);
}

static void parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"seed", required_argument, NULL, 's'},    {"steps", required_argument, NULL, 'n'},
        {"runs", required_argument, NULL, 'r'},    {"first", required_argument, NULL, 'f'},
        {"jobs", required_argument, NULL, 'j'},    {"cpus", required_argument, NULL, 'c'},
        {"serial", no_argument, NULL, 'S'},        {"each", no_argument, NULL, 'e'},
        {"off", required_argument, NULL, 'o'},     {"skip", required_argument, NULL, 'k'},
        {"verbose", no_argument, NULL, 'v'},       {"twice", no_argument, NULL, '2'},
        {"first-failure", no_argument, NULL, '1'}, {"faults", no_argument, NULL, 'F'},
        {"script", required_argument, NULL, 'C'},  {"stats", no_argument, NULL, 't'},
        {"threads", no_argument, NULL, 'T'},       {0}};
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 's': options.seed = strtoull(optarg, NULL, 0); break;
        case 'n': options.steps = strtoull(optarg, NULL, 0); break;
        case 'r': runs = strtoull(optarg, NULL, 0); break;
        case 'f': first_seed = strtoull(optarg, NULL, 0); break;
        case 'j': jobs = strtoul(optarg, NULL, 0); break;
        case 'c': options.cpus = strtoul(optarg, NULL, 0); break;
        case 'S': options.is_serial = true; break;
        case 'e': options.checks_each_step = true; break;
        case 'o': options.groups_off = strtoull(optarg, NULL, 0); break;
        case 'k': options.skip = optarg; break;
        case '2': runs_twice = true; break;
        case '1': stops_first = true; break;
        case 'F': options.is_faults = options.is_serial = true; break;
        case 'T': options.uses_threads = true; break;
        case 'C': options.script = strtoul(optarg, NULL, 0); break;
        case 'v': options.is_verbose = true; break;
        case 't': stats_open(); break;
        default: usage();
        }
    }
    if (optind != argc || (options.seed == 0 && runs == 0 && !options.is_faults))
        usage();
}

static void one(void)
{
    struct run_result r;

    run_machine(&options, &r);
    if (options.is_verbose)
        printf("log:\n%s\n", sim_log());
    printf("seed %lu: %lu steps, %lu hypercalls, %lu checks, digest %016lx\n", options.seed,
           r.steps, r.hypercalls, r.checks, r.digest);
}

/* The same seed does the same. */
static void run_again(const struct run_result *before)
{
    struct run_result r;

    run_machine(&options, &r);
    RULE("repeatable", r.digest == before->digest && r.steps == before->steps,
         "%lu steps with digest %016lx, then %lu with %016lx", before->steps, before->digest,
         r.steps, r.digest);
    reset_all();
}

/* Takes seeds until there are no more. */
static void work(struct totals *t, unsigned worker)
{
    struct run_result r;
    uint64_t seed;

    reset_prepare();
    while ((seed = t->next_seed++) < first_seed + runs) {
        t->now[worker] = seed;
        options.seed = seed;
        run_machine(&options, &r);
        reset_all();
        if (runs_twice)
            run_again(&r);
        t->runs++;
        t->steps += r.steps;
        t->hypercalls += r.hypercalls;
        t->checks += r.checks;
    }
    t->now[worker] = 0;
}

static pid_t start(struct totals *t, unsigned worker)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        work(t, worker);
        exit(0); /* what counts coverage writes its files */
    }
    return pid;
}

/* A worker that a seed ended is followed by another one. */
static void many(void)
{
    struct totals *t =
        mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[JOBS_MAX], pid;
    struct timespec from, to;
    double seconds;
    int status;

    clock_gettime(CLOCK_MONOTONIC, &from);
    t->next_seed = first_seed;
    for (unsigned i = 0; i < jobs; i++)
        pids[i] = start(t, i);
    while ((pid = wait(&status)) > 0) {
        for (unsigned i = 0; i < jobs; i++) {
            if (pids[i] != pid || status == 0)
                continue;
            printf("sim: seed %lu failed\n", t->now[i]);
            t->failed++;
            if (stops_first)
                t->next_seed = first_seed + runs;
            pids[i] = start(t, i);
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    printf("sim: %lu runs in %.1f s: %lu steps (%.0f a second), %lu hypercalls, %lu checks\n",
           t->runs, seconds, t->steps, (double)t->steps / seconds, t->hypercalls, t->checks);
    stats_print();
    printf("%lu passed, %lu failed\n", t->runs, t->failed);
    exit(t->failed != 0);
}

int main(int argc, char **argv)
{
    jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    parse(argc, argv);
    if (jobs == 0 || jobs > JOBS_MAX)
        usage();
    if (options.is_faults)
        return faults_run_all(&options);
    if (runs)
        many();
    else
        one();
    return 0;
}
