/* SPDX-License-Identifier: MIT */
/* The port contract's view of frames for PV: guest frame numbers are machine frame numbers. */
#include <kr/domain.h>
#include <kr/page.h>
#include <x86/cpu.h>
#include <x86/map.h>
#include <x86/pagetype.h>

/* What CLFLUSH works on is no smaller on any x86-64 CPU. */
#define CACHE_LINE_BYTES 64

mfn_t arch_frame_pin_writable(struct domain *d, uint64_t gfn)
{
    struct page *p;

    return page_typed_get(d, gfn, PAGE_TYPE_WRITABLE, &p) == 0 ? gfn : MFN_INVALID;
}

void arch_frame_unpin(mfn_t mfn)
{
    page_typed_put(page_of(mfn));
}

void arch_frame_expose(struct domain *d, mfn_t mfn)
{
    /* Held as writable for good: a frame that we write must never be taken for a page table. */
    page_expose(&d->memory, mfn, page_type_held(PAGE_TYPE_WRITABLE));
}

void arch_frame_conceal(struct domain *d, mfn_t mfn)
{
    page_conceal(&d->memory, mfn);
}

void arch_frame_given_up(mfn_t mfn)
{
    page_type_drop_pin(page_of(mfn));
}

void arch_frame_set_gfn(mfn_t mfn, uint64_t gfn)
{
    m2p_set(mfn, gfn);
}

mfn_t arch_frame_end(void)
{
    return page_end();
}

mfn_t arch_frame_lookup(struct domain *d, uint64_t gfn)
{
    return gfn;
}

void arch_cache_write_back(const void *start, size_t size_bytes)
{
    uintptr_t line = (uintptr_t)start & ~(uintptr_t)(CACHE_LINE_BYTES - 1);
    uintptr_t end = (uintptr_t)start + size_bytes;

    memory_fence();
    for (; line < end; line += CACHE_LINE_BYTES)
        clflush((const void *)line);
    memory_fence();
}
