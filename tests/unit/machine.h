/* SPDX-License-Identifier: MIT */
/*
 * A machine of several CPUs in one thread, for tests of what is per CPU. The test says which CPU it
 * plays (machine_cpu) and what time it is. Included before any other header of ours, because it
 * defines this_cpu(); the sources under test are included, not linked, for the same reason.
 */
#pragma once

#include "unit.h"
#include <string.h>

#define this_cpu       fake_this_cpu
#define arch_cpu_relax fake_cpu_relax
#include <arch/types.h>
#undef this_cpu
#undef arch_cpu_relax

static struct cpu *machine_cpu;
/* What the other CPUs do while this one waits for them. */
static void (*machine_relax)(void);

static inline struct cpu *this_cpu(void)
{
    return machine_cpu;
}

static inline void arch_cpu_relax(void)
{
    if (machine_relax)
        machine_relax();
}

#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/log.h>

#define MACHINE_CPUS 4

static struct cpu machine_cpus[MACHINE_CPUS];
static uint64_t machine_now_ns;
static uint64_t machine_programmed_ns[MACHINE_CPUS]; /* deadline of each CPU's timer hardware */
static unsigned machine_kicks[MACHINE_CPUS];

uint64_t arch_time_ns(void)
{
    return machine_now_ns;
}

void arch_timer_program(uint64_t deadline_ns)
{
    machine_programmed_ns[machine_cpu->id] = deadline_ns;
}

void arch_cpu_kick(struct cpu *cpu)
{
    machine_kicks[cpu->id]++;
}

/* ---- the log and the end of the world ---------------------------------------------------------
 */

void log_always(const char *fmt, ...)
{
}

void log_print(enum log_level level, const char *fmt, ...)
{
}

void log_guest(enum log_level level, const struct domain *d, const char *fmt, ...)
{
}

void assert_fail(const char *expr, const char *file, int line, const char *func)
{
    mock_assert(0, expr, file, line);
    __builtin_trap();
}

int symbol_format(char *buf, size_t size, uintptr_t address)
{
    buf[0] = '\0';
    return 0;
}
