/* SPDX-License-Identifier: MIT */
/* Threads and mutexes of the process. The C library's <sched.h> has a function of the same name as
 * kr/sched.h. */
#pragma once

#define sched_yield host_sched_yield
#include <pthread.h>
#undef sched_yield
