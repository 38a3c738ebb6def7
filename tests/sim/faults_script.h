/* SPDX-License-Identifier: MIT */
/* What the files tests/sim/faults_script*.c share. */
#pragma once

#include "faults.h"

#include <xen/xen.h>

extern const struct faults_script sweep_scripts[], guest_scripts[], control_scripts[],
    error_scripts[];

/* The domain that the control domain has built, 0 when there is none. */
uint16_t script_guest(void);
/* Pages of the caller's L1 table that map nothing at first. */
uint64_t script_window_va(unsigned n);
long script_map(struct actor *a, unsigned n, uint64_t mfn, bool is_writable);
