/* SPDX-License-Identifier: MIT */
/* Meaning of memory type range registers (x86/mtrr.h). */
#include <x86/mtrr.h>

#define MASK_VALID BIT(11)
#define TYPE_MASK  0xff

/* The mask's lowest bit is the range's size; masks with holes have no size and are not used. */
struct mtrr_range mtrr_range_of(uint64_t base, uint64_t mask, unsigned phys_bits)
{
    uint64_t address_bits = (BIT(phys_bits) - 1) & PAGE_MASK;
    uint64_t kept = mask & address_bits;

    if (!(mask & MASK_VALID) || kept == 0)
        return (struct mtrr_range){0};
    return (struct mtrr_range){.first = (base & address_bits) >> PAGE_SHIFT,
                               .count = (kept & -kept) >> PAGE_SHIFT,
                               .type = base & TYPE_MASK};
}
