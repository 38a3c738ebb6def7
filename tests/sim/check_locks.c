/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <kr/cpu.h>

void check_locks(void)
{
    for (unsigned i = 0; i < cpu_count; i++)
        RULE("locks", cpu_by_id(i)->locks_held == 0, "CPU %u holds %u at a guest's door", i,
             cpu_by_id(i)->locks_held);
}
