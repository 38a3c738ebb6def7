/* SPDX-License-Identifier: MIT */
/* Who is not the control domain must hear -EPERM of the calls that are the control domain's,
 * whatever else is wrong. Looked at where a call is dispatched (--wrap, tests/sim/sim.mk), since a
 * guest's registers may have been replaced by the time it reads the result. */
#include "sim.h"

#include <kr/cpu.h>
#include <kr/hypercall.h>

hypercall_result __real_hypercall(uint64_t nr, struct hypercall_args *args);

static bool is_control_only(uint64_t nr)
{
    static const enum hypercall_caller callers[HYPERCALL_COUNT] = {
#define HYPERCALL(nr, name, argc, caller, long_running, purpose) [nr] = caller,
#include "../../core/hypercalls.def"
#undef HYPERCALL
    };

    return nr < ARRAY_SIZE(callers) && callers[nr] == CONTROL;
}

hypercall_result __wrap_hypercall(uint64_t nr, struct hypercall_args *args)
{
    const struct domain *d = current_vcpu()->domain;
    hypercall_result result = __real_hypercall(nr, args);

    RULE("privilege", !is_control_only(nr) || d->is_privileged || result == -EPERM,
         "d%u: hypercall %lu, the control domain's, returned %ld", d->id, nr, result);
    return result;
}
