/* SPDX-License-Identifier: MIT */
/* The rules about memory, in the order in which one relies on the other. */
#include "recount.h"

void check_memory(bool is_last)
{
    check_frames(is_last);
    check_references();
    check_pagetables();
    check_tlb();
    check_heap(is_last);
}
