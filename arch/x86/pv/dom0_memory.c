/* SPDX-License-Identifier: MIT */
/*
 * dom0's memory: frames for its pages, the kernel copied to where it wants to be, the initrd's
 * frames handed over as the loader left them.
 */
#include <kr/log.h>
#include <kr/string.h>
#include <x86/map.h>

#include "dom0_internal.h"

mfn_t dom0_pfn_to_mfn(struct dom0_builder *b, uint64_t pfn)
{
    const struct dom0_extent *e = &b->extents[b->last_hit];

    if (pfn - e->pfn >= e->count)
        for (b->last_hit = 0; pfn - b->extents[b->last_hit].pfn >= b->extents[b->last_hit].count;)
            ASSERT(++b->last_hit < b->extent_count);
    e = &b->extents[b->last_hit];
    return e->mfn + (pfn - e->pfn);
}

void *dom0_pfn_to_virt(struct dom0_builder *b, uint64_t pfn)
{
    return frame_to_virt(dom0_pfn_to_mfn(b, pfn));
}

static void extent_add(struct dom0_builder *b, uint64_t pfn, mfn_t mfn, uint64_t count)
{
    struct dom0_extent *last = b->extent_count ? &b->extents[b->extent_count - 1] : NULL;

    if (last && last->mfn + last->count == mfn && last->pfn + last->count == pfn) {
        last->count += count;
    } else {
        if (b->extent_count == DOM0_EXTENTS_MAX)
            boot_refuse("memory is too fragmented for dom0");
        b->extents[b->extent_count++] = (struct dom0_extent){pfn, count, mfn};
    }
    for (uint64_t i = 0; i < count; i++)
        m2p_set(mfn + i, pfn + i);
}

/* Fills PFNs [pfn, end) with the largest blocks there are. */
static void memory_fill(struct dom0_builder *b, uint64_t pfn, uint64_t end)
{
    unsigned order = PAGE_ORDER_MAX;

    while (pfn < end) {
        mfn_t mfn = MFN_INVALID;

        while ((1UL << order) > end - pfn)
            order--;
        mfn = page_alloc(order, 0);
        if (mfn == MFN_INVALID) {
            if (order == 0)
                boot_refuse("out of memory while building dom0");
            order--;
            continue;
        }
        ASSERT(page_assign(&b->d->memory, mfn, order) == 0);
        extent_add(b, pfn, mfn, 1UL << order);
        pfn += 1UL << order;
    }
}

/* The loader put the initrd into RAM that nobody else uses: dom0 gets those very frames. */
static void initrd_adopt(struct dom0_builder *b, const struct boot_module *m)
{
    mfn_t first = m->start >> PAGE_SHIFT;
    uint64_t tail = m->size & ~PAGE_MASK;

    for (uint64_t i = 0; i < b->layout.initrd_count; i++)
        ASSERT(page_assign(&b->d->memory, first + i, 0) == 0);
    extent_add(b, b->layout.initrd_pfn, first, b->layout.initrd_count);
    if (tail)
        memset((char *)phys_to_virt(m->start + m->size), 0, PAGE_SIZE - tail);
}

static void initrd_copy(struct dom0_builder *b, const struct boot_module *m)
{
    for (uint64_t i = 0; i < b->layout.initrd_count; i++) {
        uint64_t offset = i * PAGE_SIZE, bytes = MIN(m->size - offset, PAGE_SIZE);

        memcpy(dom0_pfn_to_virt(b, b->layout.initrd_pfn + i), phys_to_virt(m->start + offset),
               bytes);
    }
}

/* Kernel segments lie at their pseudo-physical addresses. */
struct kernel_target {
    struct dom0_builder *b;
    uint64_t paddr_offset;
};

static int kernel_write(void *context, uint64_t paddr, const void *data, uint64_t size)
{
    const struct kernel_target *t = context;

    paddr -= t->paddr_offset;
    while (size) {
        uint64_t in_page = paddr & ~PAGE_MASK, bytes = MIN(PAGE_SIZE - in_page, size);
        char *dst = (char *)dom0_pfn_to_virt(t->b, paddr >> PAGE_SHIFT) + in_page;

        if (data) {
            memcpy(dst, data, bytes);
            data = (const char *)data + bytes;
        } else {
            memset(dst, 0, bytes);
        }
        paddr += bytes;
        size -= bytes;
    }
    return 0;
}

/* The frames of a module that dom0 does not take over. */
static void module_free(const struct boot_module *m)
{
    mfn_t first = m->start >> PAGE_SHIFT;

    page_free_range(first, DIV_ROUND_UP(m->start + m->size, PAGE_SIZE) - first);
}

/* The linear area first, because the kernel goes there; what the kernel's file and its unpacked
 * image took is then free for the rest. */
void dom0_memory_make(struct dom0_builder *b, const struct boot_info *info,
                      struct dom0_kernel *kernel)
{
    const struct boot_module *initrd = info->module_count > 1 ? &info->module[1] : NULL;
    const struct dom0_layout *l = &b->layout;
    struct kernel_target target = {b, kernel->notes.paddr_offset};
    bool adopts = initrd && l->initrd_pfn >= l->linear_end_pfn && !(initrd->start & ~PAGE_MASK);

    memory_fill(b, 0, l->linear_end_pfn);
    elf_load(&kernel->elf, kernel_write, &target);
    dom0_kernel_free(kernel);
    module_free(&info->module[0]);
    if (adopts) {
        memory_fill(b, l->linear_end_pfn, l->initrd_pfn);
        initrd_adopt(b, initrd);
        memory_fill(b, l->initrd_pfn + l->initrd_count, l->page_count);
        return;
    }
    memory_fill(b, l->linear_end_pfn, l->page_count);
    if (initrd) {
        initrd_copy(b, initrd);
        module_free(initrd);
    }
}
