/* SPDX-License-Identifier: MIT */
/* The port contract's view of frames for PV: guest frame numbers are machine frame numbers. */
#include <kr/domain.h>
#include <kr/page.h>
#include <x86/map.h>
#include <x86/pagetype.h>

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
