/* SPDX-License-Identifier: MIT */
/* What the files tests/sim/faults_script*.c share. */
#pragma once

#include "faults.h"

#include <xen/xen.h>

extern const struct faults_script sweep_scripts[], guest_scripts[], control_scripts[],
    error_scripts[], list_scripts[], refusal_scripts[], domctl_refusal_scripts[],
    guest_refusal_scripts[];

/* The domain that the control domain has built, 0 when there is none. */
uint16_t script_guest(void);
/* Pages of the caller's L1 table that map nothing at first. */
uint64_t script_window_va(unsigned n);
long script_map(struct actor *a, unsigned n, uint64_t mfn, bool is_writable);
/* The caller's grant table: its version; its first frames (listed), 0 or what is wrong. */
void script_grant_version(struct actor *a, unsigned version);
long script_grant_frames(struct actor *a, unsigned frame_count, uint64_t *frames);

/* ---- refusals (faults_script_refuse*.c) -------------------------------------------------------
 * Every error that the hypercall layer returns is returned once, and looked at: `make coverage`
 * fails for one that is not. */

/* Nothing is mapped there. */
#define NOWHERE ((void *)8)
/* A page table, which can be read but not written: the highest, and the lowest. */
#define READONLY_L4 ((void *)(SIM_VIRT_BASE + SIM_PFN_TABLES * PAGE_SIZE))
#define READONLY_L1 ((void *)(SIM_VIRT_BASE + (SIM_PFN_TABLES + 3) * PAGE_SIZE))

/* Puts the object where the caller can read it but not write; its address. */
uint64_t script_readonly(struct actor *a, const void *object, size_t size_bytes);
/* The call answers what it should. */
void script_expect(const char *what, long result, long expected);
