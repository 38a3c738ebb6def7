/* SPDX-License-Identifier: MIT */
/* Page-table work left over from a hypercall (mm/walk.h). */
#pragma once

#include <kr/domain.h>

/* Is there something to give up first? Then an operation on page tables asks to be issued again, so
 * that at most one tree at a time is under way. */
static inline bool walk_is_left(const struct vcpu *v)
{
    return v->arch.walk_is_pending;
}
/* One bounded step of giving up tables, on the way back to the guest. */
void walk_release_step(struct vcpu *v);
/* Ends what a vCPU that will not run again has left: 0, or -ERESTART while there is more. */
int walk_drop(struct vcpu *v) __must_check;
