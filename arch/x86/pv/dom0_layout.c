/* SPDX-License-Identifier: MIT */
/*
 * Plans dom0's memory (x86/dom0.h). Order in the linear area: kernel, initrd and P2M when they must
 * be mapped there, start_info, page tables, stack, padding to 4 MiB. Behind it, unmapped: initrd,
 * P2M with the page tables that map it at the address the kernel asked for. Pure.
 */
#include <kr/errno.h>
#include <x86/dom0.h>
#include <x86/layout.h>

#define LINEAR_ALIGN (4 * MIB)

static uint64_t pages(uint64_t bytes)
{
    return DIV_ROUND_UP(bytes, PAGE_SIZE);
}

/* Tables of one level that cover [start, end) when each covers 2^shift bytes. */
static uint64_t tables_at(uint64_t start, uint64_t end, unsigned shift)
{
    return start == end ? 0 : ((end - 1) >> shift) - (start >> shift) + 1;
}

static uint64_t tables_below_l4(uint64_t start, uint64_t end)
{
    return tables_at(start, end, 21) + tables_at(start, end, 30) + tables_at(start, end, 39);
}

static uint64_t linear_end(uint64_t virt_base, uint64_t used_pages)
{
    return ALIGN_UP(virt_base + used_pages * PAGE_SIZE + 512 * KIB, LINEAR_ALIGN);
}

/* The tables map themselves, so their number is found by trying. */
static void plan_tables(struct dom0_layout *l)
{
    uint64_t end, before;

    l->table_count = 0;
    do {
        before = l->table_count;
        end = linear_end(l->virt_base, l->tables_pfn + l->table_count + 1);
        l->table_count = 1 + tables_below_l4(l->virt_base, end);
    } while (l->table_count != before);
    l->stack_pfn = l->tables_pfn + l->table_count;
    l->linear_end_pfn = (end - l->virt_base) >> PAGE_SHIFT;
}

static bool addresses_fit(const struct dom0_layout *l)
{
    uint64_t end = l->virt_base + (l->linear_end_pfn << PAGE_SHIFT);

    return !(l->virt_base & (LINEAR_ALIGN - 1)) && (end > l->virt_base || end == 0) &&
           (end <= HV_VIRT_START || l->virt_base >= HV_VIRT_END) &&
           (l->p2m_va == 0 ||
            ((l->p2m_va + l->page_count * 8 <= HV_VIRT_START || l->p2m_va >= HV_VIRT_END) &&
             !(l->p2m_va & ~PAGE_MASK)));
}

int dom0_layout_plan(struct dom0_layout *l, const struct dom0_kernel *kernel, uint64_t page_count,
                     uint64_t initrd_bytes, uint64_t *needed)
{
    uint64_t next = pages(kernel_pseudo_physical(&kernel->notes, kernel->elf.paddr_end));
    bool p2m_apart = kernel->notes.present & KERNEL_NOTE_INIT_P2M;

    *l = (struct dom0_layout){.page_count = page_count,
                              .virt_base = kernel->notes.virt_base,
                              .initrd_count = pages(initrd_bytes),
                              .p2m_count = pages(page_count * sizeof(uint64_t)),
                              .p2m_va = p2m_apart ? kernel->notes.init_p2m : 0};
    if (!kernel->notes.mod_start_pfn) {
        l->initrd_pfn = next;
        next += l->initrd_count;
    }
    if (!p2m_apart) {
        l->p2m_pfn = next;
        next += l->p2m_count;
    }
    l->start_info_pfn = next;
    l->tables_pfn = next + 1;
    plan_tables(l);
    next = l->linear_end_pfn;
    if (kernel->notes.mod_start_pfn) {
        l->initrd_pfn = next;
        next += l->initrd_count;
    }
    if (p2m_apart) {
        l->p2m_pfn = next;
        l->p2m_tables_pfn = next + l->p2m_count;
        l->p2m_table_count = tables_below_l4(l->p2m_va, l->p2m_va + l->p2m_count * PAGE_SIZE);
        next = l->p2m_tables_pfn + l->p2m_table_count;
    }
    *needed = next;
    if (next > page_count)
        return -ENOMEM;
    return addresses_fit(l) ? 0 : -EINVAL;
}
