/* SPDX-License-Identifier: MIT */
/* The last steps of a run, for when a rule breaks, and a digest of all of them. */
#include "gen.h"

#include <kr/cpu.h>
#include <stdio.h>
#include <string.h>

#define KEPT 48

struct entry {
    uint64_t step;
    const char *what; /* NULL: a hypercall */
    uint16_t domain, vcpu, cpu;
    unsigned nr;
    uint64_t args[6];
    long result;
};

static struct entry entries[KEPT];
static uint64_t count, calls, digest;
extern bool run_is_verbose;

static const char *const call_names[64] = {
#define HYPERCALL(nr, name, argc, caller, long_running, purpose) [nr] = #name,
#include "../../core/hypercalls.def"
#undef HYPERCALL
};

void trace_reset(void)
{
    count = calls = 0;
    digest = 0xcbf29ce484222325UL;
}

static void mix(uint64_t value)
{
    digest = (digest ^ value) * 0x100000001b3UL;
    digest ^= digest >> 29;
}

static void entry_print(const struct entry *e)
{
    const char *name = e->what                           ? e->what
                       : e->nr < 64 && call_names[e->nr] ? call_names[e->nr]
                                                         : "?";

    printf("  step %lu cpu%u d%uv%u %s(", e->step, e->cpu, e->domain, e->vcpu, name);
    for (unsigned i = 0; i < (e->what ? 2 : 5); i++)
        printf("%s%#lx", i ? ", " : "", e->args[i]);
    printf(") = %ld\n", e->result);
}

static void entry_add(const struct actor *a, const char *what, unsigned nr, const uint64_t *args,
                      unsigned arg_count, long result)
{
    struct entry *e = &entries[count++ % KEPT];

    *e = (struct entry){.step = a->step,
                        .what = what,
                        .domain = a->domain->id,
                        .vcpu = a->vcpu->id,
                        .cpu = a->vcpu->sched.cpu,
                        .nr = nr,
                        .result = result};
    memcpy(e->args, args, arg_count * sizeof(*args));
    mix(e->step << 32 | e->domain << 16 | e->vcpu << 8 | e->cpu);
    mix(nr);
    for (unsigned i = 0; i < arg_count; i++)
        mix(args[i]);
    mix(result);
    mix(sim_time_ns());
    if (run_is_verbose)
        entry_print(e);
}

void trace_call(const struct actor *a, unsigned nr, const uint64_t args[6], long result)
{
    calls++;
    entry_add(a, NULL, nr, args, 6, result);
}

void trace_note(const struct actor *a, const char *what, uint64_t x, uint64_t y, long result)
{
    const uint64_t args[2] = {x, y};

    entry_add(a, what, 0, args, 2, result);
}

void trace_print(void)
{
    for (uint64_t i = count > KEPT ? count - KEPT : 0; i < count; i++)
        entry_print(&entries[i % KEPT]);
}

uint64_t trace_digest(void)
{
    return digest;
}

uint64_t trace_call_count(void)
{
    return calls;
}
