/* SPDX-License-Identifier: MIT */
/*
 * Memory of a test kernel. PFN p of the area the domain builder mapped lies at VIRT_BASE + p *
 * 4096; behind the boot stack that area is free and feeds page_alloc(). Frames that are not mapped
 * at all come from frame_take(). Page tables are the builder's; they are read through the same
 * area.
 */
#pragma once

#include <kr/types.h>

#define VIRT_BASE 0xffffffff80000000UL

#define PTE_P        (1UL << 0)
#define PTE_W        (1UL << 1)
#define PTE_U        (1UL << 2)
#define PTE_PWT      (1UL << 3)
#define PTE_PCD      (1UL << 4)
#define PTE_A        (1UL << 5)
#define PTE_D        (1UL << 6)
#define PTE_PS       (1UL << 7)
#define PTE_G        (1UL << 8)
#define PTE_NX       (1UL << 63)
#define PTE_MFN_MASK 0x000ffffffffff000UL

#define PTE_RO    (PTE_P | PTE_U | PTE_A)
#define PTE_RW    (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)
#define PTE_TABLE (PTE_P | PTE_W | PTE_U | PTE_A)

static inline uint64_t pte_make(mfn_t mfn, uint64_t flags)
{
    return mfn << PAGE_SHIFT | flags;
}

static inline mfn_t pte_mfn(uint64_t pte)
{
    return (pte & PTE_MFN_MASK) >> PAGE_SHIFT;
}

static inline void *pfn_to_va(uint64_t pfn)
{
    return (void *)(VIRT_BASE + (pfn << PAGE_SHIFT));
}

static inline uint64_t va_to_pfn(const void *va)
{
    return ((uint64_t)va - VIRT_BASE) >> PAGE_SHIFT;
}

/* The P2M as the builder left it. */
mfn_t pfn_to_mfn(uint64_t pfn);
/* The M2P window; the entry of a frame that is not ours is whatever it is. May fault. */
uint64_t mfn_to_pfn(mfn_t mfn);
mfn_t va_to_mfn(const void *va);
/* Machine address of a byte in the mapped area. */
uint64_t va_to_machine(const void *va);

void mm_init(void);
/* First PFN behind the boot stack that the builder mapped, and the first that it did not. */
uint64_t mm_free_start_pfn(void);
uint64_t mm_mapped_end_pfn(void);

/* One zeroed, mapped, writable page. Never fails: it ends the test run instead. */
void *page_alloc(void);
void page_free(void *page);
/* A PFN of ours that is not mapped anywhere (never given back). */
uint64_t frame_take(void);

/* The entry of level (1..4) that translates va in the kernel's tables, NULL when none is reachable.
 */
const uint64_t *pt_entry(const void *va, unsigned level);
uint64_t pt_entry_machine(const void *va, unsigned level);
/* update_va_mapping with INVLPG of this CPU. */
long map_va(const void *va, uint64_t pte);
/* Changes only the write permission of a mapped page of ours. */
long page_set_writable(const void *page, bool writable);
/* One MMU_NORMAL_PT_UPDATE of the entry at this machine address. */
long pte_write(uint64_t entry_machine, uint64_t pte);
/* One mmuext operation with arg1 mfn. */
long mmuext(unsigned cmd, mfn_t mfn);
