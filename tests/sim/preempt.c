/* SPDX-License-Identifier: MIT */
/* Preemption checks (--wrap, tests/sim/sim.mk): in some runs they say "stop here" although nothing
 * waits, so that long operations are cut at every place where they may be. */
#include "run.h"

#include <kr/hypercall.h>
#include <sim/random.h>

bool __real_hypercall_should_yield(void);

bool __wrap_hypercall_should_yield(void)
{
    bool should = __real_hypercall_should_yield();

    return sim_random_one_in(SIM_STREAM_SCHEDULE, run.yield_one_in) || should;
}
