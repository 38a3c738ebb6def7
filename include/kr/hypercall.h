/* SPDX-License-Identifier: MIT */
/*
 * The one way from a guest's request to its handler. hypercalls.def is the table; it expands to the
 * prototypes here, to the dispatch switch and to docs/hypercalls.md. A handler gets the six raw
 * argument registers and returns the value for the guest: >= 0, or a negative errno.
 */
#pragma once

#include <kr/errno.h>
#include <kr/types.h>

struct hypercall_args {
    uint64_t arg[6];
};

/*
 * A handler that must stop before it is done changes its arguments in place so that calling it
 * again goes on, and returns -ERESTART; the entry path then re-issues the call. ERESTART never
 * reaches a guest.
 */
typedef long hypercall_result;

enum hypercall_caller { ANYONE, CONTROL };
enum hypercall_length { NO, YES }; /* may it take long, and so return -ERESTART? */

/*
 * Calls with many operations have a table of the same kind one level down (core/<call>_ops.def,
 * rows OPERATION(nr, name, callers, long, purpose)), expanded as a switch into one function per
 * row. A row whose number differs from the public header's does not compile.
 */
#define OPERATION_CHECK(prefix, nr, name) \
    _Static_assert((nr) == prefix##name, "number of " #prefix #name)

#define HYPERCALL(nr, name, argc, caller, long_running, purpose) \
    hypercall_result do_##name(struct hypercall_args *args);
#include "../../core/hypercalls.def"
#undef HYPERCALL

/* Is the current domain one of these callers? */
bool hypercall_caller_is(enum hypercall_caller callers);
/* Dispatches one call of the current vCPU. */
hypercall_result hypercall(uint64_t nr, struct hypercall_args *args);
/* Does -ERESTART from this call mean that? What a call that does not take long returns may be any
 * number of the guest's, this one too. */
bool hypercall_may_restart(uint64_t nr);
/* True when a long operation should stop here: other work is pending on this CPU. Takes interrupts
 * for a moment when no lock is held. Costs little; ask after each bounded step. */
bool hypercall_should_yield(void);
