/* SPDX-License-Identifier: MIT */
/* Checkers. Each looks at the whole machine while it stands still: every CPU is idle or about to
 * enter a guest, with no work left; hypercalls may be half done (-ERESTART), with their progress in
 * the guest's registers and what they keep for later with the vCPU. */
#pragma once

#include "sim.h"

/* No lock is held. */
void check_locks(void);
/* Frames, references, page tables, TLBs, heap. Start: once, before a machine runs. */
void check_memory_start(void);
void check_memory(bool is_last);
