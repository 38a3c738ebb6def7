/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: GNTTABOP_cache_flush, for guests whose devices do not see CPU caches. A guest may
 * ask for its own frames and for those that others have granted to it and that it uses at the
 * moment. Only writing back is done: to throw a page's cached contents away would undo what others
 * have written (xen/grant_table.h; the same refusals as Xen 4.17).
 */
#include <kr/errno.h>
#include <kr/hypercall.h>
#include <kr/page.h>

#include "grant_internal.h"

#define FLUSH_OPS (GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL)

static int request_check(const struct gnttab_cache_flush *op)
{
    if (op->offset >= PAGE_SIZE || op->length > PAGE_SIZE - op->offset)
        return -EINVAL;
    /* Nobody can say by one number whose grant is meant: Xen refuses this form whatever it says. */
    if (op->op & ~(uint32_t)FLUSH_OPS)
        return -EINVAL;
    return op->op == GNTTAB_CACHE_INVAL ? -EOPNOTSUPP : 0;
}

/* [g] Is the frame lent to this user by one of the entries `first` to `end` - 1? */
static bool is_lent(struct domain *owner, uint16_t user_id, mfn_t mfn, uint32_t first, uint32_t end)
{
    for (uint32_t ref = first; ref < end; ref++) {
        const struct grant_active *active = grant_active(owner, ref, false);

        if (active != NULL && (active->reads | active->writes) != 0 && active->mfn == mfn &&
            active->user_id == user_id && !grant_active_is_transitive(active))
            return true;
    }
    return false;
}

/* Looks for such an entry from *next on. 0, -EINVAL: none; -ERESTART with *next moved on. */
static int lent_find(struct domain *owner, uint16_t user_id, mfn_t mfn, uint32_t *next)
{
    struct grant_table *gt = owner->grants;

    for (;;) {
        bool found = false;
        uint32_t first = *next, end, count;

        spin_lock(&gt->lock);
        count = gt->active != NULL ? grant_entry_count(gt) : 0;
        if (first < count) {
            end = MIN(first + (uint32_t)GRANT_V2_PER_FRAME, count);
            found = is_lent(owner, user_id, mfn, first, end);
            *next = end;
        }
        spin_unlock(&gt->lock);
        if (found)
            return 0;
        if (first >= count || *next >= count)
            return -EINVAL;
        if (hypercall_should_yield())
            return -ERESTART;
    }
}

int grant_cache_flush(struct domain *d, const struct gnttab_cache_flush *op, uint32_t *next)
{
    mfn_t mfn = op->a.dev_bus_addr >> PAGE_SHIFT;
    struct domain *owner;
    struct page *page;
    int rc = request_check(op);

    if (rc != 0 || op->length == 0 || op->op == 0)
        return rc;
    if (!frame_is_valid(mfn) || !page_get_any(page_of(mfn)))
        return -EINVAL;
    page = page_of(mfn);
    if (page->owner != d->id) {
        owner = domain_get(page->owner);
        rc = owner != NULL && owner->grants != NULL ? lent_find(owner, d->id, mfn, next) : -EINVAL;
        if (owner != NULL)
            domain_put(owner);
    }
    if (rc == 0)
        arch_cache_write_back((char *)frame_to_virt(mfn) + op->offset, op->length);
    page_put(page);
    return rc;
}
