/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <kr/cpu.h>

void check_locks(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        const struct cpu *cpu = cpu_by_id(i);

        RULE("locks", cpu->locks_held == 0, "CPU %u holds %u at a guest's door", i,
             cpu->locks_held);
        RULE("multicall", !cpu->in_multicall, "CPU %u is still in a list at a guest's door", i);
    }
}
