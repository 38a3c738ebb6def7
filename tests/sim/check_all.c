/* SPDX-License-Identifier: MIT */
/* The rules, from the cheapest to the dearest. */
#include "check.h"

void check_all(bool is_last)
{
    check_locks();
    check_memory(is_last);
}

void check_start(void)
{
    check_memory_start();
}
