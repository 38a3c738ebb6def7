/* SPDX-License-Identifier: MIT */
/* From a hypercall's number to its handler, through the table in hypercalls.def. */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/hypercall.h>

#include <stdatomic.h>

bool hypercall_caller_is(enum hypercall_caller callers)
{
    return callers == ANYONE || current_vcpu()->domain->is_privileged;
}

bool hypercall_should_yield(void)
{
    struct cpu *cpu = this_cpu();

    arch_interleave();
    if (atomic_load(&cpu->work) == 0 && cpu->locks_held == 0)
        arch_interrupt_window();
    return atomic_load(&cpu->work) != 0;
}

#define HYPERCALL(nr, name, argc, callers, long_running, purpose) \
    _Static_assert((nr) < HYPERCALL_COUNT && (argc) <= 6, #name);
#include "hypercalls.def"
#undef HYPERCALL

bool hypercall_may_restart(uint64_t nr)
{
    switch (nr) {
#define HYPERCALL(nr, name, argc, callers, long_running, purpose) \
    case nr:                                                      \
        return long_running;
#include "hypercalls.def"
#undef HYPERCALL
    default: return false;
    }
}

hypercall_result hypercall(uint64_t nr, struct hypercall_args *args)
{
    uint64_t *count;

    if (nr >= HYPERCALL_COUNT)
        return -ENOSYS;
    count = &this_cpu()->hypercall_count[nr];
    __atomic_store_n(count, *count + 1, __ATOMIC_RELAXED); /* a debug key reads it */

    switch (nr) {
#define HYPERCALL(nr, name, argc, callers, long_running, purpose) \
    case nr:                                                      \
        return hypercall_caller_is(callers) ? do_##name(args) : -EPERM;
#include "hypercalls.def"
#undef HYPERCALL
    default: return -ENOSYS;
    }
}
