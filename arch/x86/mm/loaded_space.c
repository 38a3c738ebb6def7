/* SPDX-License-Identifier: MIT */
/* Copies through the address space that is loaded: plain ones, whose faults are caught. */
#include <x86/pv.h>
#include <x86/traps.h>

int loaded_space_read(void *dst, uint64_t va, size_t size_bytes)
{
    return copy_faulting(dst, (const void *)va, size_bytes);
}

int loaded_space_write(uint64_t va, const void *src, size_t size_bytes)
{
    return copy_faulting((void *)va, src, size_bytes);
}
