/* SPDX-License-Identifier: MIT */
/* Between the scheduler's files. */
#pragma once

#include <kr/sched.h>

/* Locks the run queue that the vCPU belongs to and returns that CPU. */
struct cpu *sched_lock(struct vcpu *v);
