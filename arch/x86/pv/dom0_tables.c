/* SPDX-License-Identifier: MIT */
/* dom0's first page tables and its P2M array, as xen/xen.h describes a PV domain's start of day. */
#include <kr/log.h>
#include <kr/string.h>
#include <x86/pte.h>

#include "dom0_internal.h"

struct table_pool {
    uint64_t next_pfn, end_pfn;
};

static uint64_t *table_take(struct dom0_builder *b, struct table_pool *pool, uint64_t *mfn)
{
    uint64_t *table = dom0_pfn_to_virt(b, pool->next_pfn);

    ASSERT(pool->next_pfn < pool->end_pfn);
    *mfn = dom0_pfn_to_mfn(b, pool->next_pfn++);
    memset(table, 0, PAGE_SIZE);
    return table;
}

static uint64_t *table_below(struct dom0_builder *b, struct table_pool *pool, uint64_t *entry)
{
    uint64_t mfn;

    if (!(*entry & PTE_P)) {
        table_take(b, pool, &mfn);
        *entry = pte_make(mfn, PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D);
    }
    return frame_to_virt(pte_frame(*entry));
}

static void map_page(struct dom0_builder *b, struct table_pool *pool, uint64_t *l4, uint64_t va,
                     uint64_t pfn, bool writable)
{
    uint64_t *l3 = table_below(b, pool, &l4[L4_SLOT(va)]);
    uint64_t *l2 = table_below(b, pool, &l3[L3_SLOT(va)]);
    uint64_t *l1 = table_below(b, pool, &l2[L2_SLOT(va)]);

    l1[L1_SLOT(va)] =
        pte_make(dom0_pfn_to_mfn(b, pfn), PTE_P | PTE_US | PTE_A | (writable ? PTE_RW | PTE_D : 0));
}

mfn_t dom0_tables_make(struct dom0_builder *b)
{
    const struct dom0_layout *l = &b->layout;
    struct table_pool pool = {l->tables_pfn, l->tables_pfn + l->table_count};
    struct table_pool p2m_pool = {l->p2m_tables_pfn, l->p2m_tables_pfn + l->p2m_table_count};
    uint64_t root, *l4 = table_take(b, &pool, &root);

    for (uint64_t pfn = 0; pfn < l->linear_end_pfn; pfn++) {
        bool is_table = pfn - l->tables_pfn < l->table_count;

        map_page(b, &pool, l4, l->virt_base + (pfn << PAGE_SHIFT), pfn, !is_table);
    }
    if (l->p2m_va)
        for (uint64_t i = 0; i < l->p2m_count; i++)
            map_page(b, &p2m_pool, l4, l->p2m_va + (i << PAGE_SHIFT), l->p2m_pfn + i, true);
    return root;
}

void dom0_p2m_make(struct dom0_builder *b)
{
    const struct dom0_layout *l = &b->layout;
    uint64_t *page = NULL;

    for (unsigned i = 0; i < b->extent_count; i++) {
        const struct dom0_extent *e = &b->extents[i];

        for (uint64_t j = 0; j < e->count; j++) {
            uint64_t pfn = e->pfn + j;

            if (!page || pfn % 512 == 0)
                page = dom0_pfn_to_virt(b, l->p2m_pfn + pfn / 512);
            page[pfn % 512] = e->mfn + j;
        }
    }
    if (l->page_count % 512)
        memset(page + l->page_count % 512, 0xff, (512 - l->page_count % 512) * sizeof(*page));
}
