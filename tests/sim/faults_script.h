/* SPDX-License-Identifier: MIT */
/* What the files tests/sim/faults_script*.c share. */
#pragma once

#include "faults.h"

#include <xen/xen.h>

extern const struct faults_script sweep_scripts[], guest_scripts[], control_scripts[],
    error_scripts[], list_scripts[];

/* The domain that the control domain has built, 0 when there is none. */
uint16_t script_guest(void);
/* Pages of the caller's L1 table that map nothing at first. */
uint64_t script_window_va(unsigned n);
long script_map(struct actor *a, unsigned n, uint64_t mfn, bool is_writable);
/* The caller's grant table: its version; its first frames (listed), 0 or what is wrong. */
void script_grant_version(struct actor *a, unsigned version);
long script_grant_frames(struct actor *a, unsigned frame_count, uint64_t *frames);
