/* SPDX-License-Identifier: MIT */
/*
 * sysctl: the control domain inspects and tunes the machine. ABI: xen/sysctl.h. Each operation gets
 * our copy of the structure; what it left there goes back to the caller unless it failed with
 * -EFAULT, so operations change only fields that are results.
 */
#include <kr/access.h>
#include <kr/console.h>
#include <kr/cpu.h>
#include <kr/debugkey.h>
#include <kr/domain.h>
#include <kr/memory.h>
#include <kr/page.h>
#include <kr/sched.h>
#include <kr/string.h>

#include <xen/sysctl.h>

#include "control.h"

#define CHUNK_SIZE 512

/* ---- console ----------------------------------------------------------------------------------
 */

static long sysctl_op_readconsole(struct xen_sysctl *op)
{
    struct xen_sysctl_readconsole *r = &op->u.readconsole;
    uint32_t wanted = r->count, index = r->index;
    bool incremental = r->incremental;
    char chunk[CHUNK_SIZE];

    r->count = 0;
    while (r->count < wanted) {
        uint32_t length = console_read_ring(chunk, MIN(wanted - r->count, (uint32_t)sizeof(chunk)),
                                            &index, r->clear, incremental);

        if (length == 0)
            break;
        if (arch_guest_write(guest_handle(r->buffer) + r->count, chunk, length))
            return -EFAULT;
        r->count += length;
        incremental = true;
    }
    r->index = index;
    return 0;
}

static long sysctl_op_debug_keys(struct xen_sysctl *op)
{
    const struct xen_sysctl_debug_keys *keys = &op->u.debug_keys;

    for (uint32_t i = 0; i < keys->nr_keys; i++) {
        char key;

        if (guest_read_at(&key, guest_handle(keys->keys), i))
            return -EFAULT;
        debugkey_handle(key);
    }
    return 0;
}

/* ---- the machine ------------------------------------------------------------------------------
 */

static long sysctl_op_physinfo(struct xen_sysctl *op)
{
    struct xen_sysctl_physinfo *p = &op->u.physinfo;
    struct arch_machine_info machine = {0};

    arch_machine_describe(&machine);
    memset(p, 0, sizeof(*p));
    p->threads_per_core = machine.threads_per_core;
    p->cores_per_socket = machine.cores_per_socket;
    p->nr_cpus = cpu_count;
    p->max_cpu_id = cpu_count - 1;
    p->nr_nodes = 1;
    p->cpu_khz = machine.cpu_khz;
    p->capabilities = machine.abilities;
    p->total_pages = machine.ram_count;
    p->free_pages = page_free_count();
    p->outstanding_pages = memory_claimed_total();
    p->max_mfn = machine.frame_max;
    memcpy(p->hw_cap, machine.cpu_features, sizeof(p->hw_cap));
    return 0;
}

static long sysctl_op_getcpuinfo(struct xen_sysctl *op)
{
    struct xen_sysctl_getcpuinfo *get = &op->u.getcpuinfo;
    uint32_t count = MIN(get->max_cpus, cpu_count);

    for (uint32_t i = 0; i < count; i++) {
        struct xen_sysctl_cpuinfo info = {.idletime = sched_idle_time_ns(cpu_by_id(i))};

        if (guest_write_at(guest_handle(get->info), i, &info))
            return -EFAULT;
    }
    get->nr_cpus = count;
    return 0;
}

static long sysctl_op_availheap(struct xen_sysctl *op)
{
    struct xen_sysctl_availheap *a = &op->u.availheap;
    uint64_t below_max, below_min;

    if (a->node > 0)
        return -EINVAL;
    below_max = a->max_bitwidth ? page_free_count_below(a->max_bitwidth) : page_free_count();
    below_min = a->min_bitwidth ? page_free_count_below(a->min_bitwidth) : 0;
    a->avail_bytes = (below_max - MIN(below_min, below_max)) * PAGE_SIZE;
    return 0;
}

/* What cannot be done to a frame is said for each of the range; nothing is ever taken offline. */
static long sysctl_op_page_offline_op(struct xen_sysctl *op)
{
    const struct xen_sysctl_page_offline_op *p = &op->u.page_offline;

    if (p->cmd < sysctl_page_offline || p->cmd > sysctl_query_page_offline || p->end < p->start ||
        p->end - p->start >= PAGE_SIZE)
        return -EINVAL;
    if (p->cmd != sysctl_query_page_offline)
        return -EOPNOTSUPP;
    for (uint32_t i = 0; i <= p->end - p->start; i++) {
        uint32_t status =
            frame_is_ram(p->start + i) ? PG_OFFLINE_STATUS_ONLINE : PG_OFFLINE_INVALID;

        if (guest_write_at(guest_handle(p->status), i, &status))
            return -EFAULT;
    }
    return 0;
}

/* Neither frequencies nor idle states beyond HLT are driven by us. */
static long sysctl_op_get_pmstat(struct xen_sysctl *op)
{
    return op->u.get_pmstat.cpuid < cpu_count ? -ENODEV : -EINVAL;
}

static long sysctl_op_pm_op(struct xen_sysctl *op)
{
    struct xen_sysctl_pm_op *pm = &op->u.pm_op;

    switch (pm->cmd) {
    case XEN_SYSCTL_pm_op_get_max_cstate:
        if (pm->cpuid > 1)
            return -EINVAL;
        pm->u.get_max_cstate = XEN_SYSCTL_CX_UNLIMITED;
        return 0;
    case GET_CPUFREQ_PARA:
    case SET_CPUFREQ_GOV:
    case SET_CPUFREQ_PARA:
    case GET_CPUFREQ_AVGFREQ: return -EINVAL;
    default: return -EOPNOTSUPP;
    }
}

/* ---- topology ---------------------------------------------------------------------------------
 */

static long sysctl_op_cputopoinfo(struct xen_sysctl *op)
{
    struct xen_sysctl_cputopoinfo *t = &op->u.cputopoinfo;
    uint32_t count = MIN(t->num_cpus, cpu_count);

    if (guest_handle(t->cputopo) == 0) {
        t->num_cpus = cpu_count;
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct xen_sysctl_cputopo topo = {.node = 0};

        arch_cpu_place(cpu_by_id(i), &topo.core, &topo.socket);
        if (guest_write_at(guest_handle(t->cputopo), i, &topo))
            return -EFAULT;
    }
    t->num_cpus = count;
    return 0;
}

static long sysctl_op_numainfo(struct xen_sysctl *op)
{
    struct xen_sysctl_numainfo *n = &op->u.numainfo;
    struct xen_sysctl_meminfo memory = {.memfree = page_free_count() * PAGE_SIZE};
    struct arch_machine_info machine = {0};
    uint32_t here = 10; /* a node's distance to itself, as ACPI counts */

    arch_machine_describe(&machine);
    memory.memsize = machine.ram_count * PAGE_SIZE;
    if (n->num_nodes > 0) {
        if (guest_handle(n->meminfo) != 0 && guest_write(guest_handle(n->meminfo), &memory))
            return -EFAULT;
        if (guest_handle(n->distance) != 0 && guest_write(guest_handle(n->distance), &here))
            return -EFAULT;
    }
    n->num_nodes = 1;
    return 0;
}

static long sysctl_op_pcitopoinfo(struct xen_sysctl *op)
{
    struct xen_sysctl_pcitopoinfo *t = &op->u.pcitopoinfo;

    if (guest_handle(t->devs) == 0 || guest_handle(t->nodes) == 0)
        return -EINVAL;
    for (uint32_t i = 0; i < t->num_devs; i++) {
        physdev_pci_device_t dev;
        uint32_t node;

        if (guest_read_at(&dev, guest_handle(t->devs), i))
            return -EFAULT;
        node =
            arch_pci_is_known(dev.seg, dev.bus, dev.devfn) ? XEN_INVALID_NODE_ID : XEN_INVALID_DEV;
        if (guest_write_at(guest_handle(t->nodes), i, &node))
            return -EFAULT;
    }
    return 0;
}

/* ---- domains and scheduling -------------------------------------------------------------------
 */

static long sysctl_op_getdomaininfolist(struct xen_sysctl *op)
{
    struct xen_sysctl_getdomaininfolist *list = &op->u.getdomaininfolist;
    uint32_t count = 0, next = list->first_domain;

    while (count < list->max_domains && next < DOMAIN_ID_FIRST_RESERVED) {
        struct xen_domctl_getdomaininfo info;
        struct domain *d = domain_get_next(next);

        if (!d)
            break;
        next = d->id + 1;
        control_domain_info(d, &info);
        domain_put(d);
        if (guest_write_at(guest_handle(list->buffer), count, &info))
            return -EFAULT;
        count++;
    }
    list->num_domains = count;
    return 0;
}

static long sysctl_op_sched_id(struct xen_sysctl *op)
{
    op->u.sched_id.sched_id = sched_credit2.abi_id;
    return 0;
}

static long sysctl_op_scheduler_op(struct xen_sysctl *op)
{
    struct xen_sysctl_scheduler_op *s = &op->u.scheduler_op;
    uint32_t ratelimit_us = s->u.sched_credit2.ratelimit_us;

    if (s->cpupool_id != 0)
        return -ESRCH;
    if (s->sched_id != sched_credit2.abi_id)
        return -EINVAL;
    switch (s->cmd) {
    case XEN_SYSCTL_SCHEDOP_getinfo: s->u.sched_credit2.ratelimit_us = sched_ratelimit_us; return 0;
    case XEN_SYSCTL_SCHEDOP_putinfo:
        if (ratelimit_us != 0 && (ratelimit_us < XEN_SYSCTL_SCHED_RATELIMIT_MIN ||
                                  ratelimit_us > XEN_SYSCTL_SCHED_RATELIMIT_MAX))
            return -EINVAL;
        sched_ratelimit_us = ratelimit_us;
        return 0;
    default: return -EINVAL;
    }
}

static long sysctl_op_cpupool_op(struct xen_sysctl *op)
{
    return control_cpupool_op(&op->u.cpupool_op);
}

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(XEN_SYSCTL_, nr, name);
#include "../sysctl_ops.def"
#undef OPERATION

static long dispatch(struct xen_sysctl *op)
{
    switch (op->cmd) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return sysctl_op_##name(op);
#include "../sysctl_ops.def"
#undef OPERATION
    default: return arch_sysctl(op);
    }
}

hypercall_result do_sysctl(struct hypercall_args *args)
{
    struct xen_sysctl op;
    long rc;

    if (guest_read(&op, args->arg[0]))
        return -EFAULT;
    if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
        return -EACCES;
    if (!control_enter())
        return -ERESTART;
    rc = dispatch(&op);
    control_leave();
    if (rc != -EFAULT && guest_write(args->arg[0], &op))
        rc = -EFAULT;
    return rc;
}
