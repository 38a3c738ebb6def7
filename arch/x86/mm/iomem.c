/* SPDX-License-Identifier: MIT */
/*
 * Which machine frames that are not RAM a domain may map. The control domain drives the devices and
 * may map all of them, except those that the hypervisor drives itself.
 */
#include <kr/log.h>
#include <x86/iomem.h>
#include <x86/pagetype.h>

#define RANGES_MAX 64

static struct {
    mfn_t first, end;
    bool readable;
} reserved[RANGES_MAX];
static _Atomic unsigned reserved_count;

bool iomem_reserve(mfn_t first, uint64_t count, bool readable)
{
    unsigned n = reserved_count;

    if (n == RANGES_MAX)
        return false;
    reserved[n].first = first;
    reserved[n].end = first + count;
    reserved[n].readable = readable;
    reserved_count = n + 1;
    return true;
}

bool iomem_is_allowed(const struct domain *d, mfn_t mfn, bool writable)
{
    if (!d->is_privileged)
        return false;
    for (unsigned i = 0; i < reserved_count; i++)
        if (mfn >= reserved[i].first && mfn < reserved[i].end)
            return reserved[i].readable && !writable;
    return true;
}

bool iomem_is_readonly(mfn_t mfn)
{
    for (unsigned i = 0; i < reserved_count; i++)
        if (mfn >= reserved[i].first && mfn < reserved[i].end)
            return reserved[i].readable;
    return false;
}
