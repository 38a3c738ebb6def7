/* SPDX-License-Identifier: MIT */
/*
 * domctl: the control domain makes, changes and ends domains. ABI: xen/domctl.h. Each operation
 * gets our copy of the structure and the domain it names, with a reference; what it left in the
 * structure goes back to the caller unless it failed with -EFAULT. Operations on one vCPU are in
 * core/control/domctl_vcpu.c.
 */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/sched.h>
#include <kr/string.h>

#include "domctl.h"

#define GRANT_FRAMES_DEFAULT 64
#define MAPTRACK_DEFAULT     1024
#define GRANT_VERSION_MAX    2
#define MEMORY_KB_PER_PAGE   (PAGE_SIZE / 1024)
#define DOMAIN_ID_ANY_FROM   1
#define WEIGHT_MAX           65535

/* ---- life -------------------------------------------------------------------------------------
 */

/* A domain id the caller asked for, or the next one that was not used for longest. */
static uint16_t pick_id(uint16_t wanted)
{
    static uint16_t last; /* under the control lock */
    uint16_t id;

    if (wanted != 0 && wanted < DOMAIN_ID_FIRST_RESERVED)
        return wanted;
    id = domain_free_id(last + 1);
    if (id == DOMAIN_ID_INVALID)
        id = domain_free_id(DOMAIN_ID_ANY_FROM);
    if (id != DOMAIN_ID_INVALID)
        last = id;
    return id;
}

static int check_config(const struct xen_domctl_createdomain *c)
{
    unsigned grant_version = XEN_DOMCTL_GRANT_version(c->grant_opts);

    if (c->max_vcpus == 0 || c->max_vcpus > VCPU_COUNT_MAX || grant_version == 0 ||
        grant_version > GRANT_VERSION_MAX || (c->grant_opts & ~XEN_DOMCTL_GRANT_version_mask) ||
        c->cpupool_id != 0)
        return -EINVAL;
    if (c->vmtrace_size != 0 || c->iommu_opts != 0 || (c->flags & XEN_DOMCTL_CDF_iommu))
        return -EOPNOTSUPP;
    return arch_domain_config_check(c);
}

static long domctl_op_createdomain(struct domain *none, struct xen_domctl *op)
{
    const struct xen_domctl_createdomain *c = &op->u.createdomain;
    struct domain_config config = {
        .id = pick_id(op->domain),
        .vcpu_max = c->max_vcpus,
        .port_max = MIN(c->max_evtchn_port, (uint32_t)EVENT_PORT_COUNT_MAX - 1) + 1,
        .grant_frame_max = c->max_grant_frames < 0 ? GRANT_FRAMES_DEFAULT : c->max_grant_frames,
        .maptrack_max = c->max_maptrack_frames < 0 ? MAPTRACK_DEFAULT : c->max_maptrack_frames,
        .grant_version_max = XEN_DOMCTL_GRANT_version(c->grant_opts),
        .create_flags = c->flags,
    };
    struct domain *d;
    int rc = check_config(c);

    if (rc != 0)
        return rc;
    if (config.id == DOMAIN_ID_INVALID)
        return -ENOMEM;
    memcpy(config.handle, c->handle, sizeof(config.handle));
    rc = domain_create(&config, &d);
    if (rc == 0)
        op->domain = d->id;
    return rc;
}

static long domctl_op_destroydomain(struct domain *d, struct xen_domctl *op)
{
    return d == current_vcpu()->domain ? -EINVAL : domain_destroy(d);
}

static long domctl_op_pausedomain(struct domain *d, struct xen_domctl *op)
{
    if (d == current_vcpu()->domain)
        return -EINVAL;
    spin_lock(&d->lock);
    d->control_pause_count++;
    spin_unlock(&d->lock);
    domain_pause(d);
    return 0;
}

static long domctl_op_unpausedomain(struct domain *d, struct xen_domctl *op)
{
    bool was_paused;

    spin_lock(&d->lock);
    was_paused = d->control_pause_count > 0;
    d->control_pause_count -= was_paused;
    spin_unlock(&d->lock);
    if (!was_paused)
        return -EINVAL;
    domain_unpause(d);
    return 0;
}

static long domctl_op_resumedomain(struct domain *d, struct xen_domctl *op)
{
    if (d == current_vcpu()->domain)
        return -EINVAL;
    domain_resume(d);
    return 0;
}

/* ---- what is known and limited ----------------------------------------------------------------
 */

static long domctl_op_getdomaininfo(struct domain *d, struct xen_domctl *op)
{
    control_domain_info(d, &op->u.getdomaininfo);
    op->domain = d->id;
    return 0;
}

static long domctl_op_setdomainhandle(struct domain *d, struct xen_domctl *op)
{
    spin_lock(&d->lock);
    memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
    spin_unlock(&d->lock);
    return 0;
}

/* A limit below what the domain has is fine: it only cannot get more. */
static long domctl_op_max_mem(struct domain *d, struct xen_domctl *op)
{
    spin_lock(&d->memory.lock);
    __atomic_store_n(&d->memory.max_page_count, op->u.max_mem.max_memkb / MEMORY_KB_PER_PAGE,
                     __ATOMIC_RELAXED);
    spin_unlock(&d->memory.lock);
    return 0;
}

/* The vCPUs, all of them, that the domain was made for. */
static long domctl_op_max_vcpus(struct domain *d, struct xen_domctl *op)
{
    struct vcpu *v;

    if (d == current_vcpu()->domain || op->u.max_vcpus.max != d->vcpu_max)
        return -EINVAL;
    for (unsigned id = 0; id < d->vcpu_max; id++) {
        int rc = domain_vcpu(d, id) ? 0 : vcpu_create(d, id, id % cpu_count, &v);

        if (rc != 0)
            return rc;
    }
    return 0;
}

static long domctl_op_scheduler_op(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_scheduler_op *s = &op->u.scheduler_op;
    struct xen_domctl_sched_credit2 *c = &s->u.credit2;

    if (s->sched_id != sched_credit2.abi_id)
        return -EINVAL;
    switch (s->cmd) {
    case XEN_DOMCTL_SCHEDOP_putinfo:
        if (d->is_dying)
            return -EINVAL; /* its timer has stopped and must not start again */
        if (c->weight != 0)
            d->sched.weight = c->weight;
        if (c->cap != UINT16_MAX) /* all ones: leave it */
            sched_set_cap(d, c->cap);
        return 0;
    case XEN_DOMCTL_SCHEDOP_getinfo:
        c->weight = d->sched.weight;
        c->cap = d->sched.cap_percent;
        return 0;
    default: return -EINVAL; /* no parameters of single vCPUs */
    }
}

/* There is one node. */
static long domctl_op_setnodeaffinity(struct domain *d, struct xen_domctl *op)
{
    uint64_t nodes;

    if (control_bitmap_read(&nodes, 1, &op->u.nodeaffinity.nodemap))
        return -EFAULT;
    return nodes & 1 ? 0 : -EINVAL;
}

static long domctl_op_getnodeaffinity(struct domain *d, struct xen_domctl *op)
{
    uint64_t nodes = 1;

    return control_bitmap_write(&op->u.nodeaffinity.nodemap, &nodes, 1);
}

/* ---- devices ----------------------------------------------------------------------------------
 * Giving a device to a domain takes an IOMMU, and none is driven. */

static long domctl_op_assign_device(struct domain *d, struct xen_domctl *op)
{
    return -EOPNOTSUPP;
}

static long domctl_op_test_assign_device(struct domain *d, struct xen_domctl *op)
{
    return -EOPNOTSUPP;
}

static long domctl_op_deassign_device(struct domain *d, struct xen_domctl *op)
{
    return -EOPNOTSUPP;
}

static long domctl_op_get_device_group(struct domain *d, struct xen_domctl *op)
{
    return -EOPNOTSUPP;
}

/* ---- dispatch ---------------------------------------------------------------------------------
 */

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(XEN_DOMCTL_, nr, name);
#include "../domctl_ops.def"
#undef OPERATION

static long dispatch(struct domain *d, struct xen_domctl *op)
{
    switch (op->cmd) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return domctl_op_##name(d, op);
#include "../domctl_ops.def"
#undef OPERATION
    default: return arch_domctl(d, op);
    }
}

/* A new domain has no name yet; devices may be put aside under DOMID_IO, which is no domain. */
static bool needs_domain(const struct xen_domctl *op)
{
    switch (op->cmd) {
    case XEN_DOMCTL_createdomain: return false;
    case XEN_DOMCTL_assign_device:
    case XEN_DOMCTL_test_assign_device:
    case XEN_DOMCTL_deassign_device: return op->domain != DOMAIN_ID_IO;
    default: return true;
    }
}

/* With a reference; NULL: none. Tools list domains by asking for descriptions in turn, so that one
 * operation takes the next domain where there is none. */
static struct domain *domain_named(const struct xen_domctl *op)
{
    struct domain *d;

    if (op->cmd == XEN_DOMCTL_createdomain)
        return NULL;
    d = domain_get_by_guest_id(op->domain);
    if (!d && op->cmd == XEN_DOMCTL_getdomaininfo && op->domain < DOMAIN_ID_FIRST_RESERVED)
        d = domain_get_next(op->domain);
    return d;
}

hypercall_result do_domctl(struct hypercall_args *args)
{
    struct xen_domctl op;
    struct domain *d;
    long rc;

    if (guest_read(&op, args->arg[0]))
        return -EFAULT;
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return -EACCES;
    d = domain_named(&op);
    if (!d && needs_domain(&op))
        return -ESRCH;
    if (control_enter()) {
        rc = dispatch(d, &op);
        control_leave();
    } else {
        rc = -ERESTART;
    }
    if (d)
        domain_put(d);
    if (rc != -EFAULT && rc != -ERESTART && guest_write(args->arg[0], &op))
        rc = -EFAULT;
    return rc;
}
