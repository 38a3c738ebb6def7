/* SPDX-License-Identifier: MIT */
/*
 * memory_op: the part of it that changes or reports how much memory a domain has. ABI:
 * xen/memory.h. An operation on a list that stops in the middle keeps the number of entries done in
 * the upper bits of its first argument.
 */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/heap.h>
#include <kr/hypercall.h>
#include <kr/memory.h>

#include <xen/domctl.h>
#include <xen/memory.h>

#define PROGRESS_SHIFT    6 /* operation numbers are below 64 */
#define ORDER_MAX_GUEST   9
#define ORDER_MAX_CONTROL MEMORY_EXCHANGE_ORDER

static unsigned order_max(void)
{
    return current_vcpu()->domain->is_privileged ? ORDER_MAX_CONTROL : ORDER_MAX_GUEST;
}

/* The domain an operation is about, with a reference: oneself, or any for the control domain. */
static long target_get(uint16_t id, struct domain **out)
{
    struct domain *self = current_vcpu()->domain;

    if (id != DOMAIN_ID_SELF && id != self->id && !self->is_privileged)
        return -EPERM;
    *out = domain_get_by_guest_id(id);
    return *out ? 0 : -ESRCH;
}

/* ---- lists of extents -------------------------------------------------------------------------
 */

/* One entry of a list. Negative errno or 0. */
typedef int (*extent_fn)(struct domain *d, const struct xen_memory_reservation *r, uint64_t index);

static int extent_release(struct domain *d, const struct xen_memory_reservation *r, uint64_t index)
{
    xen_pfn_t first;
    int rc = 0;

    if (guest_read_at(&first, guest_handle(r->extent_start), index))
        return -EFAULT;
    for (uint64_t i = 0; rc == 0 && i < 1UL << r->extent_order; i++)
        rc = memory_release(d, first + i);
    return rc;
}

/* Gives memory and says where; takes it back if that cannot be said. */
static int give_and_tell(struct domain *d, const struct xen_memory_reservation *r, uint64_t index,
                         uint64_t gfn)
{
    mfn_t mfn;
    int rc = memory_populate(d, gfn, r->extent_order, XENMEMF_get_address_bits(r->mem_flags), &mfn);

    if (rc != 0 || guest_handle(r->extent_start) == 0)
        return rc;
    if (guest_write_at(guest_handle(r->extent_start), index, &mfn) == 0)
        return 0;
    for (uint64_t i = 0; i < 1UL << r->extent_order; i++)
        rc = memory_release(d, mfn + i);
    return -EFAULT;
}

static int extent_increase(struct domain *d, const struct xen_memory_reservation *r, uint64_t index)
{
    return give_and_tell(d, r, index, MEMORY_GFN_INVALID);
}

static int extent_populate(struct domain *d, const struct xen_memory_reservation *r, uint64_t index)
{
    xen_pfn_t gfn;

    if (guest_read_at(&gfn, guest_handle(r->extent_start), index))
        return -EFAULT;
    return give_and_tell(d, r, index, gfn);
}

/* Returns how many entries were done; the first that cannot be ends it. */
static long for_extents(struct hypercall_args *args, extent_fn fn)
{
    uint64_t done = args->arg[0] >> PROGRESS_SHIFT;
    struct xen_memory_reservation r;
    struct domain *d;
    long rc;

    if (guest_read(&r, args->arg[1]))
        return -EFAULT;
    if (r.nr_extents > UINT64_MAX >> PROGRESS_SHIFT || done > r.nr_extents)
        return -EINVAL;
    if (r.extent_order > order_max())
        return done;
    rc = target_get(r.domid, &d);
    if (rc != 0)
        return rc;
    rc = 0;
    /* What a dying domain has is given back by its end. */
    while (rc == 0 && done < r.nr_extents && !d->is_dying) {
        if (fn(d, &r, done) != 0)
            break;
        done++;
        if (done < r.nr_extents && hypercall_should_yield())
            rc = -ERESTART;
    }
    domain_put(d);
    if (rc == 0)
        return done;
    args->arg[0] = (args->arg[0] & (BIT(PROGRESS_SHIFT) - 1)) | done << PROGRESS_SHIFT;
    return rc;
}

static long memory_op_increase_reservation(struct hypercall_args *args)
{
    return for_extents(args, extent_increase);
}

static long memory_op_decrease_reservation(struct hypercall_args *args)
{
    return for_extents(args, extent_release);
}

static long memory_op_populate_physmap(struct hypercall_args *args)
{
    return for_extents(args, extent_populate);
}

/* ---- exchange ---------------------------------------------------------------------------------
 */

static bool exchange_is_valid(const struct xen_memory_exchange *x)
{
    uint64_t in = x->in.nr_extents, out = x->out.nr_extents;
    unsigned in_order = x->in.extent_order, out_order = x->out.extent_order;

    return in_order <= order_max() && out_order <= order_max() && in <= UINT32_MAX &&
           out <= UINT32_MAX && in << in_order == out << out_order && x->in.domid == x->out.domid &&
           x->nr_exchanged <= in &&
           x->nr_exchanged << in_order >> out_order << out_order == x->nr_exchanged << in_order;
}

/* Reads the next piece's frames: `count` single ones out of extents of the input order. */
static int read_old(const struct xen_memory_exchange *x, uint64_t *old, unsigned count)
{
    unsigned order = x->in.extent_order;

    for (unsigned i = 0; i < count; i += 1U << order) {
        xen_pfn_t first;

        if (guest_read_at(&first, guest_handle(x->in.extent_start), x->nr_exchanged + (i >> order)))
            return -EFAULT;
        for (unsigned j = 0; j < 1U << order; j++)
            old[i + j] = first + j;
    }
    return 0;
}

/* The guest's page numbers for the new pieces. */
static int read_gfns(const struct xen_memory_exchange *x, uint64_t first, uint64_t *gfns,
                     unsigned pieces)
{
    for (unsigned i = 0; i < pieces; i++)
        if (guest_read_at(&gfns[i], guest_handle(x->out.extent_start), first + i))
            return -EFAULT;
    return 0;
}

/*
 * Trades the smallest amount that is whole on both sides. `frames` has room for twice as many
 * numbers as there are frames in it.
 */
static int exchange_step(struct domain *d, struct xen_memory_exchange *x, uint64_t *frames)
{
    unsigned in_order = x->in.extent_order, out_order = x->out.extent_order;
    unsigned count = 1U << MAX(in_order, out_order), pieces = count >> out_order;
    uint64_t first_out = x->nr_exchanged << in_order >> out_order;
    uint64_t *old = frames, *gfns = frames + count, mfns[1];
    mfn_t *new = pieces == 1 ? mfns : frames + 2 * count;
    int rc = read_old(x, old, count);

    if (rc == 0)
        rc = read_gfns(x, first_out, gfns, pieces);
    if (rc == 0)
        rc = memory_exchange(d, old, count, out_order, XENMEMF_get_address_bits(x->out.mem_flags),
                             new);
    for (unsigned i = 0; rc == 0 && i < pieces; i++) {
        for (unsigned j = 0; j < 1U << out_order; j++)
            arch_frame_set_gfn(new[i] + j, gfns[i] + j);
        if (guest_write_at(guest_handle(x->out.extent_start), first_out + i, &new[i]))
            rc = -EFAULT;
    }
    if (rc == 0)
        x->nr_exchanged += count >> in_order;
    return rc;
}

static long memory_op_exchange(struct hypercall_args *args)
{
    uint64_t done_addr = args->arg[1] + offsetof(struct xen_memory_exchange, nr_exchanged);
    struct xen_memory_exchange x;
    uint64_t *frames;
    struct domain *d;
    long rc;

    if (guest_read(&x, args->arg[1]))
        return -EFAULT;
    if (!exchange_is_valid(&x))
        return -EINVAL;
    rc = target_get(x.in.domid, &d);
    if (rc != 0)
        return rc;
    frames = heap_alloc(3 * sizeof(*frames) << MAX(x.in.extent_order, x.out.extent_order));
    if (!frames)
        rc = -ENOMEM;
    while (rc == 0 && x.nr_exchanged < x.in.nr_extents) {
        rc = exchange_step(d, &x, frames);
        if (rc == 0 && x.nr_exchanged < x.in.nr_extents && hypercall_should_yield())
            rc = -ERESTART;
    }
    heap_free(frames);
    domain_put(d);
    if (guest_write(done_addr, &x.nr_exchanged))
        rc = -EFAULT;
    return rc;
}

/* ---- questions about a domain -----------------------------------------------------------------
 */

static long memory_op_maximum_ram_page(struct hypercall_args *args)
{
    return page_end() - 1;
}

/* Reads the argument of a question and finds the domain. */
static long question_target(struct hypercall_args *args, struct domain **d)
{
    struct xen_memory_domain question;

    if (guest_read(&question, args->arg[1]))
        return -EFAULT;
    return target_get(question.domid, d);
}

static long memory_op_current_reservation(struct hypercall_args *args)
{
    struct domain *d;
    long rc = question_target(args, &d);

    if (rc == 0) {
        rc = __atomic_load_n(&d->memory.page_count, __ATOMIC_RELAXED);
        domain_put(d);
    }
    return rc;
}

static long memory_op_maximum_reservation(struct hypercall_args *args)
{
    uint64_t most;
    struct domain *d;
    long rc = question_target(args, &d);

    if (rc == 0) {
        /* "No limit" is 32 bits of ones to those who ask. */
        most = __atomic_load_n(&d->memory.max_page_count, __ATOMIC_RELAXED);
        rc = MIN(most, (uint64_t)UINT32_MAX);
        domain_put(d);
    }
    return rc;
}

static long memory_op_maximum_gpfn(struct hypercall_args *args)
{
    struct domain *d;
    long rc = question_target(args, &d);

    if (rc == 0) {
        rc = arch_domain_max_gfn(d);
        domain_put(d);
    }
    return rc;
}

/* PV domains have no populate on demand; with nested paging everything is populated from the start,
 * which is what a target of all pages says. */
static long pod_target(struct hypercall_args *args)
{
    struct xen_pod_target target;
    struct domain *d;
    long rc;

    if (guest_read(&target, args->arg[1]))
        return -EFAULT;
    rc = target_get(target.domid, &d);
    if (rc != 0)
        return rc;
    target.tot_pages = __atomic_load_n(&d->memory.page_count, __ATOMIC_RELAXED);
    target.pod_cache_pages = target.pod_entries = 0;
    rc = d->create_flags & XEN_DOMCTL_CDF_hvm ? guest_write(args->arg[1], &target) : -EINVAL;
    domain_put(d);
    return rc;
}

static long memory_op_set_pod_target(struct hypercall_args *args)
{
    return pod_target(args);
}

static long memory_op_get_pod_target(struct hypercall_args *args)
{
    return pod_target(args);
}

static long memory_op_get_sharing_freed_pages(struct hypercall_args *args)
{
    return 0;
}

static long memory_op_get_sharing_shared_pages(struct hypercall_args *args)
{
    return 0;
}

static long memory_op_claim_pages(struct hypercall_args *args)
{
    struct xen_memory_reservation r;
    struct domain *d;
    long rc;

    if (guest_read(&r, args->arg[1]))
        return -EFAULT;
    if (guest_handle(r.extent_start) != 0 || r.extent_order != 0 || r.mem_flags != 0)
        return -EINVAL;
    rc = target_get(r.domid, &d);
    if (rc == 0) {
        rc = memory_claim(d, r.nr_extents);
        domain_put(d);
    }
    return rc;
}

static long memory_op_get_vnumainfo(struct hypercall_args *args)
{
    return -EOPNOTSUPP;
}

/* ---- resources --------------------------------------------------------------------------------
 */

/* Writes the numbers of the frames, from where it has stopped before. */
static long grant_resource(struct domain *d, const struct xen_mem_acquire_resource *r,
                           struct hypercall_args *args)
{
    bool status = r->id == XENMEM_resource_grant_table_id_status;
    uint64_t done = args->arg[0] >> PROGRESS_SHIFT, end = r->frame + r->nr_frames;
    mfn_t mfn;
    int rc = 0;

    if (end < r->frame || end > UINT32_MAX)
        return -EINVAL;
    /* The last one first: the table grows to where it must, or not at all. */
    if (done == 0)
        rc = grant_frame_get(d, status, end - 1, &mfn);
    while (rc == 0 && done < r->nr_frames) {
        rc = grant_frame_get(d, status, r->frame + done, &mfn);
        if (rc == 0)
            rc = guest_write_at(guest_handle(r->frame_list), done, &mfn);
        done++;
        if (rc == 0 && done < r->nr_frames && hypercall_should_yield()) {
            args->arg[0] = (args->arg[0] & (BIT(PROGRESS_SHIFT) - 1)) | done << PROGRESS_SHIFT;
            return -ERESTART;
        }
    }
    return rc;
}

/* Kinds of resources that PV domains do not have are no mistake of number. */
static long resource_check(const struct xen_mem_acquire_resource *r)
{
    bool asks = guest_handle(r->frame_list) == 0;

    if (r->pad != 0 || asks != (r->nr_frames == 0))
        return -EINVAL;
    switch (r->type) {
    case XENMEM_resource_grant_table:
        return r->id <= XENMEM_resource_grant_table_id_status ? 0 : -EINVAL;
    case XENMEM_resource_ioreq_server:
    case XENMEM_resource_vmtrace_buf: return -EINVAL;
    default: return -EOPNOTSUPP;
    }
}

static long memory_op_acquire_resource(struct hypercall_args *args)
{
    uint64_t count_addr = args->arg[1] + offsetof(struct xen_mem_acquire_resource, nr_frames);
    struct xen_mem_acquire_resource r;
    struct domain *d;
    uint32_t limit;
    long rc;

    if (guest_read(&r, args->arg[1]))
        return -EFAULT;
    /* Another domain's: one's own one has already. */
    if (r.domid == DOMAIN_ID_SELF)
        return -ESRCH;
    if (r.domid == current_vcpu()->domain->id)
        return -EPERM;
    rc = resource_check(&r);
    if (rc == 0)
        rc = target_get(r.domid, &d);
    if (rc != 0)
        return rc;
    limit = grant_frame_limit(d, r.id == XENMEM_resource_grant_table_id_status);
    if (guest_handle(r.frame_list) == 0)
        rc = guest_write(count_addr, &limit);
    else
        rc = r.nr_frames > limit ? -EINVAL : grant_resource(d, &r, args);
    domain_put(d);
    return rc;
}

/* ---- where pages are --------------------------------------------------------------------------
 */

/* PV domains keep their page numbers themselves: the answer for each that exists, as Xen's. */
static long physmap_refuse(uint16_t id)
{
    struct domain *d = domain_get_by_guest_id(id);

    if (!d)
        return -ESRCH;
    domain_put(d);
    return -EACCES;
}

static long memory_op_add_to_physmap(struct hypercall_args *args)
{
    struct xen_add_to_physmap add;

    if (guest_read(&add, args->arg[1]))
        return -EFAULT;
    return add.space == XENMAPSPACE_gmfn_foreign ? -ENOSYS : physmap_refuse(add.domid);
}

static long memory_op_add_to_physmap_batch(struct hypercall_args *args)
{
    struct xen_add_to_physmap_batch add;

    if (guest_read(&add, args->arg[1]))
        return -EFAULT;
    return add.space == XENMAPSPACE_gmfn_range ? -EOPNOTSUPP : physmap_refuse(add.domid);
}

static long memory_op_remove_from_physmap(struct hypercall_args *args)
{
    struct xen_remove_from_physmap remove;

    if (guest_read(&remove, args->arg[1]))
        return -EFAULT;
    return physmap_refuse(remove.domid);
}

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(XENMEM_, nr, name);
#include "memory_ops.def"
#undef OPERATION

hypercall_result do_memory_op(struct hypercall_args *args)
{
    unsigned op = args->arg[0] & (BIT(PROGRESS_SHIFT) - 1);

    switch (op) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return hypercall_caller_is(callers) ? memory_op_##name(args) : -EPERM;
#include "memory_ops.def"
#undef OPERATION
    default: return arch_memory_op(op, args);
    }
}
