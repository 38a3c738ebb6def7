/* SPDX-License-Identifier: MIT */
/* What makes a call go on later (--wrap, tests/sim/sim.mk). Preemption checks: in some runs they
 * say "stop here" although nothing waits, so that long operations are cut at every place where they
 * may be. The lock of the control calls: a script has it found taken, as by another CPU. */
#include "run.h"

#include <kr/hypercall.h>
#include <sim/random.h>

bool __real_hypercall_should_yield(void);

bool __wrap_hypercall_should_yield(void)
{
    bool should = __real_hypercall_should_yield();

    if (run.always_yields || sim_random_one_in(SIM_STREAM_SCHEDULE, run.yield_one_in)) {
        run.yields++;
        return true;
    }
    return should;
}

bool __real_control_enter(void);

bool __wrap_control_enter(void)
{
    if (run.busy_count > 0 && sim_machine_is_running()) { /* a checker hears the truth */
        run.busy_count--;
        return false;
    }
    return __real_control_enter();
}
