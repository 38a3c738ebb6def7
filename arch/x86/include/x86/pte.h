/* SPDX-License-Identifier: MIT */
/* Page-table entries of 4-level paging (Intel SDM 3, 4.5). Pure. */
#pragma once

#include <kr/types.h>

#define PTE_P         0x001UL
#define PTE_RW        0x002UL
#define PTE_US        0x004UL
#define PTE_PWT       0x008UL
#define PTE_PCD       0x010UL
#define PTE_A         0x020UL
#define PTE_D         0x040UL
#define PTE_PSE       0x080UL /* L2, L3: large page */
#define PTE_PAT       0x080UL /* L1: PAT index bit 2 */
#define PTE_G         0x100UL
#define PTE_PAT_LARGE 0x1000UL
#define PTE_NX        (1UL << 63)
#define PTE_AVAIL     (0x7ffUL << 52 | 0xe00UL)
#define PTE_FRAME     0x000ffffffffff000UL

#define PTE_HV_DATA   (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_G | pte_nx)
#define PTE_HV_RO     (PTE_P | PTE_A | PTE_G | pte_nx)
#define PTE_HV_TEXT   (PTE_P | PTE_A | PTE_G)
#define PTE_HV_DEVICE (PTE_HV_DATA | PTE_PCD)
#define PTE_HV_TABLE  (PTE_P | PTE_RW | PTE_A)

/* PTE_NX when the CPU has it, else 0. */
extern uint64_t pte_nx;
/* Address bits beyond the machine's width: a fault when set. */
extern uint64_t pte_reserved;

static inline uint64_t pte_make(mfn_t mfn, uint64_t flags)
{
    return mfn << PAGE_SHIFT | flags;
}

/* An entry as it is at this moment: the caller holds the table, others may be writing it. */
static inline uint64_t pte_read(const void *table, unsigned slot)
{
    return __atomic_load_n((const uint64_t *)table + slot, __ATOMIC_RELAXED);
}

/* Stores one whole. Hardware may set Accessed or Dirty at any moment: only for entries of which
 * nobody needs those. */
static inline void pte_store(void *table, unsigned slot, uint64_t entry)
{
    __atomic_store_n((uint64_t *)table + slot, entry, __ATOMIC_RELAXED);
}

static inline mfn_t pte_frame(uint64_t pte)
{
    return (pte & PTE_FRAME) >> PAGE_SHIFT;
}

#define PTES_PER_TABLE 512
