/* SPDX-License-Identifier: MIT */
/* The rules, from the cheapest to the dearest. */
#include "check.h"

void check_all(bool is_last)
{
    check_locks();
}
