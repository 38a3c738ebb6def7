/* SPDX-License-Identifier: MIT */
/* Frames, pages and the walk of our own page tables. See mm.h for the layout relied on. */
#include "guest.h"

struct start_info *start_info;
struct shared_info *shared_info;
struct vcpu_info *vcpu_info_current;

static uint64_t free_start_pfn, next_pfn, mapped_end_pfn, next_frame_pfn;
static void *free_pages[64];
static unsigned free_page_count;
static uint8_t shared_info_page[PAGE_SIZE] __aligned(PAGE_SIZE);

mfn_t pfn_to_mfn(uint64_t pfn)
{
    return ((const uint64_t *)start_info->mfn_list)[pfn];
}

uint64_t mfn_to_pfn(mfn_t mfn)
{
    return ((const uint64_t *)MACH2PHYS_VIRT_START)[mfn];
}

mfn_t va_to_mfn(const void *va)
{
    return pfn_to_mfn(va_to_pfn(va));
}

uint64_t va_to_machine(const void *va)
{
    return va_to_mfn(va) << PAGE_SHIFT | ((uint64_t)va & (PAGE_SIZE - 1));
}

const uint64_t *pt_entry(const void *va, unsigned level)
{
    const uint64_t *table = (const uint64_t *)start_info->pt_base;

    for (unsigned l = 4;; l--) {
        const uint64_t *entry = &table[(uint64_t)va >> (12 + 9 * (l - 1)) & 511];

        if (l == level)
            return entry;
        if (!(*entry & PTE_P) || (*entry & PTE_PS))
            return NULL;
        uint64_t pfn = mfn_to_pfn(pte_mfn(*entry));

        if (pfn >= mapped_end_pfn)
            return NULL;
        table = pfn_to_va(pfn);
    }
}

uint64_t pt_entry_machine(const void *va, unsigned level)
{
    const uint64_t *entry = pt_entry(va, level);

    return entry ? va_to_machine(entry) : 0;
}

long map_va(const void *va, uint64_t pte)
{
    return update_va_mapping(va, pte, UVMF_INVLPG | UVMF_LOCAL);
}

long page_set_writable(const void *page, bool writable)
{
    return map_va(page, pte_make(va_to_mfn(page), writable ? PTE_RW : PTE_RO));
}

long pte_write(uint64_t entry_machine, uint64_t pte)
{
    struct mmu_update update = {.ptr = entry_machine | MMU_NORMAL_PT_UPDATE, .val = pte};

    return mmu_update(&update, 1, NULL, DOMID_SELF);
}

long mmuext(unsigned cmd, mfn_t mfn)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = mfn};

    return mmuext_op(&op, 1, NULL, DOMID_SELF);
}

uint64_t mm_free_start_pfn(void)
{
    return free_start_pfn;
}

uint64_t mm_mapped_end_pfn(void)
{
    return mapped_end_pfn;
}

void *page_alloc(void)
{
    void *page;

    if (free_page_count > 0)
        page = free_pages[--free_page_count];
    else if (next_pfn < mapped_end_pfn)
        page = pfn_to_va(next_pfn++);
    else
        test_die("out of pages");
    memset(page, 0, PAGE_SIZE);
    return page;
}

void page_free(void *page)
{
    if (free_page_count < ARRAY_SIZE(free_pages))
        free_pages[free_page_count++] = page;
}

uint64_t frame_take(void)
{
    uint64_t pfn = --next_frame_pfn;

    if (pfn < mapped_end_pfn + 1024)
        test_die("out of frames");
    return pfn;
}

static bool range_has(uint64_t start, uint64_t count, uint64_t pfn)
{
    return pfn >= start && pfn < start + count;
}

/* Unmapped frames are given out downwards from below whatever the builder put highest. */
static void frames_init(void)
{
    uint64_t module_pfn = start_info->flags & SIF_MOD_START_PFN ? start_info->mod_start
                          : start_info->mod_start ? va_to_pfn((void *)start_info->mod_start)
                                                  : 0;
    uint64_t module_pages = DIV_ROUND_UP(start_info->mod_len, PAGE_SIZE);

    next_frame_pfn = start_info->nr_pages;
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned back = 1; back <= 2048 && !moved; back++) {
            if (range_has(module_pfn, module_pages, next_frame_pfn - back)) {
                next_frame_pfn = module_pfn;
                moved = true;
            } else if (range_has(start_info->first_p2m_pfn, start_info->nr_p2m_frames,
                                 next_frame_pfn - back)) {
                next_frame_pfn = start_info->first_p2m_pfn;
                moved = true;
            }
        }
    }
}

void mm_init(void)
{
    uint64_t va;

    mapped_end_pfn = start_info->nr_pages;
    free_start_pfn = va_to_pfn((void *)start_info->pt_base) + start_info->nr_pt_frames + 1;
    for (va = (uint64_t)pfn_to_va(free_start_pfn); va >= VIRT_BASE; va += PAGE_SIZE) {
        const uint64_t *entry = pt_entry((void *)va, 1);

        if (!entry || !(*entry & PTE_P))
            break;
    }
    mapped_end_pfn = va_to_pfn((void *)va);
    next_pfn = free_start_pfn;
    frames_init();

    shared_info = (struct shared_info *)shared_info_page;
    long err = map_va(shared_info, start_info->shared_info | PTE_RW);

    if (err)
        test_die("shared_info mapping refused: %ld", err);
    vcpu_info_current = &shared_info->vcpu_info[0];
}
