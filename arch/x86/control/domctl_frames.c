/* SPDX-License-Identifier: MIT */
/* domctl getpageframeinfo3: what a PV domain's frames are, for saving it. */
#include <kr/access.h>
#include <kr/page.h>
#include <x86/pagetype.h>

#include "domctl.h"

#define FRAMES_PER_CALL 1024 /* what libxenguest asks for at once at most */
#define FRAMES_PER_COPY 64

/* Tables that nobody uses as such any more are plain memory. */
static uint32_t type_of_word(uint32_t word)
{
    enum page_type type = page_type_of(word);

    if (!page_type_is_table(type) || (word & PAGE_TYPE_COUNT_MASK) == 0)
        return XEN_DOMCTL_PFINFO_NOTAB;
    return (type - PAGE_TYPE_L1 + 1) << XEN_DOMCTL_PFINFO_LTAB_SHIFT |
           (word & PAGE_TYPE_PINNED ? XEN_DOMCTL_PFINFO_LPINTAB : 0);
}

static uint32_t frame_describe(const struct domain *d, mfn_t mfn)
{
    struct page *p = page_get_frame(mfn, d->id);
    uint32_t type;

    if (!p)
        return XEN_DOMCTL_PFINFO_XTAB;
    type = type_of_word(p->type);
    page_put(p);
    return type;
}

long domctl_op_getpageframeinfo3(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_getpageframeinfo3 *info = &op->u.getpageframeinfo3;
    xen_pfn_t part[FRAMES_PER_COPY];

    if (info->num > FRAMES_PER_CALL)
        return -E2BIG;
    for (uint64_t done = 0; done < info->num; done += FRAMES_PER_COPY) {
        uint64_t addr = guest_handle(info->array) + done * sizeof(*part);
        unsigned count = MIN(info->num - done, (uint64_t)FRAMES_PER_COPY);

        if (arch_guest_read(part, addr, count * sizeof(*part)))
            return -EFAULT;
        for (unsigned i = 0; i < count; i++)
            part[i] = frame_describe(d, part[i]);
        if (arch_guest_write(addr, part, count * sizeof(*part)))
            return -EFAULT;
    }
    return 0;
}
