/* SPDX-License-Identifier: MIT */
/* What domctl refuses. */
#include "faults_script.h"
#include "gen_control.h"
#include "run.h"

#include <kr/errno.h>

#define NO_VCPU     1000
#define NONSENSE    99
#define FRESH_VCPUS 4

struct refusal {
    const char *what;
    bool is_of_self; /* otherwise of the domain that the control domain has built */
    long expected;
    struct xen_domctl op;
};

#define ON_SELF(text, rc, number, ...)                            \
    {                                                             \
        .what = text, .is_of_self = true, .expected = rc, .op = { \
            .cmd = XEN_DOMCTL_##number,                           \
            __VA_ARGS__                                           \
        }                                                         \
    }
#define ON_OTHER(text, rc, number, ...)                                                \
    {                                                                                  \
        .what = text, .expected = rc, .op = {.cmd = XEN_DOMCTL_##number, __VA_ARGS__ } \
    }
#define AFFINITY(text, rc, number, ...) ON_OTHER(text, rc, number, .u.vcpuaffinity = {__VA_ARGS__})
#define MAP(place)                      \
    {                                   \
        .bitmap.p = place, .nr_bits = 8 \
    }
#define SCHEDULER(rc, id, ...)                                \
    ON_OTHER("parameters of the scheduler", rc, scheduler_op, \
             .u.scheduler_op = {.sched_id = id, __VA_ARGS__})

/* The lowest page table begins with an entry that is present: CPU 0 in a map of CPUs. */
static const struct refusal refusals[] = {
    ON_SELF("the caller's end", -EINVAL, destroydomain),
    ON_SELF("the caller paused", -EINVAL, pausedomain),
    ON_SELF("the caller resumed", -EINVAL, resumedomain),
    ON_SELF("the caller's vCPUs made", -EINVAL, max_vcpus),
    ON_SELF("the caller's context set", -EINVAL, setvcpucontext),
    ON_SELF("the caller's context", -EINVAL, getvcpucontext),
    ON_OTHER("a domain unpaused that runs", -EINVAL, unpausedomain),
    ON_OTHER("another number of vCPUs", -EINVAL, max_vcpus, .u.max_vcpus.max = NO_VCPU),
    ON_OTHER("no vCPU's context set", -ESRCH, setvcpucontext, .u.vcpucontext.vcpu = NO_VCPU),
    ON_OTHER("a vCPU's reset", -EOPNOTSUPP, setvcpucontext),
    ON_OTHER("no vCPU's context", -ESRCH, getvcpucontext, .u.vcpucontext.vcpu = NO_VCPU),
    ON_OTHER("no vCPU's state", -EINVAL, getvcpuinfo, .u.getvcpuinfo.vcpu = NO_VCPU),
    AFFINITY("no vCPU's affinity set", -ESRCH, setvcpuaffinity, .vcpu = NO_VCPU),
    AFFINITY("no vCPU's affinity", -ESRCH, getvcpuaffinity, .vcpu = NO_VCPU),
    AFFINITY("no affinity set", -EINVAL, setvcpuaffinity, .flags = 0),
    AFFINITY("hard affinity from nowhere", -EFAULT, setvcpuaffinity, .flags = XEN_VCPUAFFINITY_HARD,
             .cpumap_hard = MAP(NOWHERE)),
    AFFINITY("soft affinity from nowhere", -EFAULT, setvcpuaffinity, .flags = XEN_VCPUAFFINITY_SOFT,
             .cpumap_soft = MAP(NOWHERE)),
    AFFINITY("hard affinity into a page table", -EFAULT, setvcpuaffinity,
             .flags = XEN_VCPUAFFINITY_HARD, .cpumap_hard = MAP(READONLY_L1)),
    AFFINITY("soft affinity into a page table", -EFAULT, setvcpuaffinity,
             .flags = XEN_VCPUAFFINITY_SOFT, .cpumap_soft = MAP(READONLY_L1)),
    SCHEDULER(-EINVAL, XEN_SCHEDULER_CREDIT2 + 1, .cmd = 0),
    SCHEDULER(-EINVAL, XEN_SCHEDULER_CREDIT2, .cmd = NONSENSE),
    ON_OTHER("nodes from nowhere", -EFAULT, setnodeaffinity,
             .u.nodeaffinity.nodemap = MAP(NOWHERE)),
    ON_OTHER("the first node", 0, setnodeaffinity, .u.nodeaffinity.nodemap = MAP(READONLY_L1)),
    ON_OTHER("no node", -EINVAL, setnodeaffinity, .u.nodeaffinity.nodemap = MAP(READONLY_L4)),
    ON_OTHER("a device given", -EOPNOTSUPP, assign_device),
    ON_OTHER("a device that could be given", -EOPNOTSUPP, test_assign_device),
    ON_OTHER("a device taken back", -EOPNOTSUPP, deassign_device),
    ON_OTHER("devices that go together", -EOPNOTSUPP, get_device_group),
};

static void table_refused(struct actor *a)
{
    for (unsigned i = 0; i < ARRAY_SIZE(refusals); i++) {
        struct refusal r = refusals[i];
        uint16_t id = r.is_of_self ? a->domain->id : script_guest();

        script_expect(r.what, domctl(a, r.op.cmd, id, &r.op), r.expected);
    }
}

static const struct xen_domctl fresh_domain = {.cmd = XEN_DOMCTL_createdomain,
                                               .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
                                               .u.createdomain = {.max_vcpus = FRESH_VCPUS,
                                                                  .max_evtchn_port = 1023,
                                                                  .max_grant_frames = 64,
                                                                  .max_maptrack_frames = 1024,
                                                                  .grant_opts = 2}};

/* Ids are looked for like memory: the search fails when allocations do, and from its second
 * starting point as well. */
static void ids_run_out(struct actor *a)
{
    const uint64_t args[6] = {args_put(a, 0, &fresh_domain, sizeof(fresh_domain))};
    long rc;

    alloc_fail_after(1, true);
    rc = sim_hypercall(a->guest, __HYPERVISOR_domctl, args);
    alloc_fail_after(0, false);
    script_expect("a domain when there are no ids", rc, -ENOMEM);
}

static void fresh_domain_refuses(struct actor *a)
{
    struct xen_domctl op = fresh_domain;
    uint16_t id;

    script_expect("a domain made", domctl(a, op.cmd, 0, &op), 0);
    id = op.domain;
    op = (struct xen_domctl){.u.getvcpuinfo.vcpu = FRESH_VCPUS - 1};
    script_expect("state of a vCPU to come", domctl(a, XEN_DOMCTL_getvcpuinfo, id, &op), -ESRCH);
    op = (struct xen_domctl){0};
    script_expect("its end", domctl(a, XEN_DOMCTL_destroydomain, id, &op), 0);
}

static long plain(struct actor *a, struct xen_domctl op)
{
    return call(a, __HYPERVISOR_domctl, args_put(a, 0, &op, sizeof(op)), 0, 0, 0, 0);
}

static void calls_refused(struct actor *a)
{
    struct xen_domctl op = {.cmd = XEN_DOMCTL_getdomaininfo, .domain = script_guest()};

    script_expect("domctl from nowhere",
                  call(a, __HYPERVISOR_domctl, (uint64_t)NOWHERE, 0, 0, 0, 0), -EFAULT);
    script_expect("domctl of another version", plain(a, op), -EACCES);
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    script_expect("domctl that cannot be told of",
                  call(a, __HYPERVISOR_domctl, script_readonly(a, &op, sizeof(op)), 0, 0, 0, 0),
                  -EFAULT);
    run.busy_count = 1;
    script_expect("domctl during another", plain(a, op), 0);
    script_expect("domctl was not kept waiting", run.busy_count, 0);
}

/* A domain that is about to end: for a moment in which the checkers do not look. */
static void dying_refuses(struct actor *a)
{
    struct domain *d = domain_get(script_guest()); /* scripts run alone: no lock is taken */
    struct xen_domctl op = {.cmd = XEN_DOMCTL_setvcpucontext,
                            .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
                            .domain = d->id,
                            .u.vcpucontext.ctxt.p = (void *)args_page(a)};
    const uint64_t args[6] = {args_put(a, 0, &op, sizeof(op))};

    domain_put(d); /* it stays as long as the script */
    d->is_dying = true;
    script_expect("context of a dying domain's vCPU",
                  sim_hypercall(a->guest, __HYPERVISOR_domctl, args), -EINVAL);
    d->is_dying = false;
}

static void domctls_refuse(struct actor *a)
{
    a->is_careful = true;
    table_refused(a);
    ids_run_out(a);
    fresh_domain_refuses(a);
    calls_refused(a);
    dying_refuses(a);
    a->is_careful = false;
}

const struct faults_script domctl_refusal_scripts[] = {
    {"domctl refuses", false, domctls_refuse},
    {0},
};
