/* SPDX-License-Identifier: MIT */
/* What sysctl, platform_op and hypfs_op refuse. */
#include "faults_script.h"
#include "run.h"

#include <kr/errno.h>

#include <xen/hypfs.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

#define NO_DOMAIN 5000
#define NO_CPU    1000
#define NONSENSE  99

/* ---- sysctl -----------------------------------------------------------------------------------
 */

struct sysctl_refusal {
    const char *what;
    long expected;
    struct xen_sysctl op;
};

#define SYSCTL(text, rc, number, ...)                                                  \
    {                                                                                  \
        .what = text, .expected = rc, .op = {.cmd = XEN_SYSCTL_##number, __VA_ARGS__ } \
    }
#define SCHEDULER(rc, id, ...)                              \
    SYSCTL("parameters of the scheduler", rc, scheduler_op, \
           .u.scheduler_op = {.sched_id = id, __VA_ARGS__})
#define POOL(rc, number, ...)                        \
    SYSCTL("pool of CPUs: " #number, rc, cpupool_op, \
           .u.cpupool_op = {.op = XEN_SYSCTL_CPUPOOL_OP_##number, __VA_ARGS__})

static const struct sysctl_refusal sysctl_refusals[] = {
    SYSCTL("console to nowhere", -EFAULT, readconsole,
           .u.readconsole = {.count = 64, .buffer.p = NOWHERE}),
    SYSCTL("keys from nowhere", -EFAULT, debug_keys,
           .u.debug_keys = {.nr_keys = 1, .keys.p = NOWHERE}),
    SYSCTL("idle times to nowhere", -EFAULT, getcpuinfo,
           .u.getcpuinfo = {.max_cpus = 1, .info.p = NOWHERE}),
    SYSCTL("heap of a second node", -EINVAL, availheap, .u.availheap.node = 1),
    SYSCTL("no operation on frames", -EINVAL, page_offline_op, .u.page_offline.cmd = NONSENSE),
    SYSCTL("a frame offline", -EOPNOTSUPP, page_offline_op,
           .u.page_offline.cmd = sysctl_page_offline),
    SYSCTL("state of a frame to nowhere", -EFAULT, page_offline_op,
           .u.page_offline = {.cmd = sysctl_query_page_offline, .status.p = NOWHERE}),
    SYSCTL("power states", -ENODEV, get_pmstat, .u.get_pmstat.cpuid = 0),
    SYSCTL("power states of no CPU", -EINVAL, get_pmstat, .u.get_pmstat.cpuid = NO_CPU),
    SYSCTL("limit of idle states, index 2", -EINVAL, pm_op,
           .u.pm_op = {.cmd = XEN_SYSCTL_pm_op_get_max_cstate, .cpuid = 2}),
    SYSCTL("average frequency", -EINVAL, pm_op, .u.pm_op.cmd = GET_CPUFREQ_AVGFREQ),
    SYSCTL("no operation on power", -EOPNOTSUPP, pm_op, .u.pm_op.cmd = NONSENSE),
    SYSCTL("CPUs' places to nowhere", -EFAULT, cputopoinfo,
           .u.cputopoinfo = {.num_cpus = 1, .cputopo.p = NOWHERE}),
    SYSCTL("nodes' memory to nowhere", -EFAULT, numainfo,
           .u.numainfo = {.num_nodes = 1, .meminfo.p = NOWHERE}),
    SYSCTL("nodes' distances to nowhere", -EFAULT, numainfo,
           .u.numainfo = {.num_nodes = 1, .distance.p = NOWHERE}),
    SYSCTL("devices' nodes without devices", -EINVAL, pcitopoinfo, .u.pcitopoinfo.num_devs = 1),
    SYSCTL("devices from nowhere", -EFAULT, pcitopoinfo,
           .u.pcitopoinfo = {.num_devs = 1, .devs.p = NOWHERE, .nodes.p = NOWHERE}),
    SYSCTL("devices' nodes to nowhere", -EFAULT, pcitopoinfo,
           .u.pcitopoinfo = {.num_devs = 1, .devs.p = READONLY_L4, .nodes.p = NOWHERE}),
    SYSCTL("domains to nowhere", -EFAULT, getdomaininfolist,
           .u.getdomaininfolist = {.max_domains = 1, .buffer.p = NOWHERE}),
    SCHEDULER(-ESRCH, XEN_SCHEDULER_CREDIT2, .cpupool_id = 1),
    SCHEDULER(-EINVAL, XEN_SCHEDULER_CREDIT2 + 1, .cmd = 0),
    SCHEDULER(-EINVAL, XEN_SCHEDULER_CREDIT2, .cmd = NONSENSE),
    SCHEDULER(-EINVAL, XEN_SCHEDULER_CREDIT2, .cmd = XEN_SYSCTL_SCHEDOP_putinfo,
              .u.sched_credit2.ratelimit_us = 1),
    POOL(-ENOENT, INFO, .cpupool_id = 1),
    POOL(-EFAULT, INFO, .cpumap = {.bitmap.p = NOWHERE, .nr_bits = 8}),
    POOL(-ESRCH, MOVEDOMAIN, .domid = NO_DOMAIN),
    POOL(0, MOVEDOMAIN, .domid = 0),
    POOL(-ENOENT, MOVEDOMAIN, .domid = 0, .cpupool_id = 1),
    POOL(-EOPNOTSUPP, CREATE, .cpupool_id = 1),
    POOL(-EBUSY, DESTROY, .cpupool_id = 0),
    POOL(-ENOENT, DESTROY, .cpupool_id = 1),
    SYSCTL("no operation on pools", -ENOSYS, cpupool_op, .u.cpupool_op.op = NONSENSE),
};

static long sysctl(struct actor *a, struct xen_sysctl op)
{
    return call(a, __HYPERVISOR_sysctl, args_put(a, 0, &op, sizeof(op)), 0, 0, 0, 0);
}

static void sysctls_refuse(struct actor *a)
{
    struct xen_sysctl op = {.cmd = XEN_SYSCTL_sched_id};

    a->is_careful = true;
    for (unsigned i = 0; i < ARRAY_SIZE(sysctl_refusals); i++) {
        struct sysctl_refusal refusal = sysctl_refusals[i];

        refusal.op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
        script_expect(refusal.what, sysctl(a, refusal.op), refusal.expected);
    }
    script_expect("sysctl from nowhere",
                  call(a, __HYPERVISOR_sysctl, (uint64_t)NOWHERE, 0, 0, 0, 0), -EFAULT);
    script_expect("sysctl of another version", sysctl(a, op), -EACCES);
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    script_expect("sysctl that cannot be told of",
                  call(a, __HYPERVISOR_sysctl, script_readonly(a, &op, sizeof(op)), 0, 0, 0, 0),
                  -EFAULT);
    run.busy_count = 1;
    script_expect("sysctl during another", sysctl(a, op), 0);
    script_expect("sysctl was not kept waiting", run.busy_count, 0);
    a->is_careful = false;
}

/* ---- platform_op ------------------------------------------------------------------------------
 */

struct platform_refusal {
    const char *what;
    long expected;
    struct xen_platform_op op;
};

#define PLATFORM(text, rc, number, ...)                                           \
    {                                                                             \
        .what = text, .expected = rc, .op = {.cmd = XENPF_##number, __VA_ARGS__ } \
    }

static const struct platform_refusal platform_refusals[] = {
    PLATFORM("time with more to it", -EINVAL, settime64, .u.settime64.mbz = 1),
    /* The highest table begins with no entry: no CPU is asked for. The lowest asks for CPU 0. */
    PLATFORM("CPUs' bits into a page table", -EFAULT, getidletime,
             .u.getidletime = {.cpumap_bitmap.p = READONLY_L4, .cpumap_nr_cpus = 8}),
    PLATFORM("CPUs' bits from nowhere", -EFAULT, getidletime,
             .u.getidletime = {.cpumap_bitmap.p = NOWHERE, .cpumap_nr_cpus = 8}),
    PLATFORM("idle times to nowhere", -EFAULT, getidletime,
             .u.getidletime = {.cpumap_bitmap.p = READONLY_L1,
                               .cpumap_nr_cpus = 8,
                               .idletime.p = NOWHERE}),
    PLATFORM("a CPU online", 0, cpu_online, .u.cpu_ol.cpuid = 0),
    PLATFORM("no CPU online", -EINVAL, cpu_online, .u.cpu_ol.cpuid = NO_CPU),
    PLATFORM("a CPU offline", -EOPNOTSUPP, cpu_offline, .u.cpu_ol.cpuid = 0),
    PLATFORM("no CPU offline", -EINVAL, cpu_offline, .u.cpu_ol.cpuid = NO_CPU),
    PLATFORM("EFI", -ENOSYS, firmware_info, .u.firmware_info.type = XEN_FW_EFI_INFO),
    PLATFORM("no firmware", -EINVAL, firmware_info, .u.firmware_info.type = NONSENSE),
};

static long platform(struct actor *a, struct xen_platform_op op)
{
    return call(a, __HYPERVISOR_platform_op, args_put(a, 0, &op, sizeof(op)), 0, 0, 0, 0);
}

static void platform_refuses(struct actor *a)
{
    struct xen_platform_op op = {.cmd = XENPF_get_cpuinfo};

    a->is_careful = true;
    for (unsigned i = 0; i < ARRAY_SIZE(platform_refusals); i++) {
        struct platform_refusal refusal = platform_refusals[i];

        refusal.op.interface_version = XENPF_INTERFACE_VERSION;
        script_expect(refusal.what, platform(a, refusal.op), refusal.expected);
    }
    script_expect("platform_op from nowhere",
                  call(a, __HYPERVISOR_platform_op, (uint64_t)NOWHERE, 0, 0, 0, 0), -EFAULT);
    script_expect("platform_op of another version", platform(a, op), -EACCES);
    op.interface_version = XENPF_INTERFACE_VERSION;
    script_expect(
        "platform_op that cannot be told of",
        call(a, __HYPERVISOR_platform_op, script_readonly(a, &op, sizeof(op)), 0, 0, 0, 0),
        -EFAULT);
    run.busy_count = 1;
    script_expect("platform_op during another", platform(a, op), 0);
    script_expect("platform_op was not kept waiting", run.busy_count, 0);
    a->is_careful = false;
}

/* ---- hypfs_op ---------------------------------------------------------------------------------
 */

/* Reads into so much room. */
static long hypfs(struct actor *a, unsigned op, const char *path, size_t path_bytes, uint64_t addr,
                  size_t room_bytes)
{
    uint64_t path_va = path ? args_put(a, 0, path, path_bytes) : (uint64_t)NOWHERE;

    return call(a, __HYPERVISOR_hypfs_op, op, path_va, path_bytes, addr, room_bytes);
}

static void hypfs_refuses(struct actor *a)
{
    const size_t head = sizeof(struct xen_hypfs_direntry);
    uint64_t end = sim_page_va(a->model->page_count), room = args_page(a) + 1024;

    a->is_careful = true;
    script_expect("version with more to it",
                  hypfs(a, XEN_HYPFS_OP_get_version, "/", sizeof("/"), 0, 0), -EINVAL);
    script_expect("path from nowhere", hypfs(a, XEN_HYPFS_OP_read, NULL, 16, room, PAGE_SIZE),
                  -EFAULT);
    script_expect("path that is too short", hypfs(a, XEN_HYPFS_OP_read, "", 1, room, PAGE_SIZE),
                  -EINVAL);
    script_expect("path without its root",
                  hypfs(a, XEN_HYPFS_OP_read, "params", sizeof("params"), room, PAGE_SIZE),
                  -EINVAL);
    script_expect("path to nothing",
                  hypfs(a, XEN_HYPFS_OP_read, "/nothing", sizeof("/nothing"), room, PAGE_SIZE),
                  -ENOENT);
    script_expect("no room for a head", hypfs(a, XEN_HYPFS_OP_read, "/", 2, room, head - 1),
                  -EINVAL);
    script_expect("room for a head only", hypfs(a, XEN_HYPFS_OP_read, "/", 2, room, head),
                  -ENOBUFS);
    script_expect("head into a page table",
                  hypfs(a, XEN_HYPFS_OP_read, "/", 2, (uint64_t)READONLY_L1, PAGE_SIZE), -EFAULT);
    script_expect("list behind the end of what is mapped",
                  hypfs(a, XEN_HYPFS_OP_read, "/", 2, end - head, PAGE_SIZE), -EFAULT);
    script_expect("parameters written",
                  hypfs(a, XEN_HYPFS_OP_write_contents, "/params", sizeof("/params"), 0, 0),
                  -EACCES);
    script_expect("nothing written",
                  hypfs(a, XEN_HYPFS_OP_write_contents, "/nothing", sizeof("/nothing"), 0, 0),
                  -ENOENT);
    script_expect("no operation on the tree", hypfs(a, NONSENSE, "/", 2, 0, 0), -EOPNOTSUPP);
    a->is_careful = false;
}

const struct faults_script refusal_scripts[] = {
    {"sysctl refuses", false, sysctls_refuse},
    {"platform_op refuses", false, platform_refuses},
    {"hypfs_op refuses", false, hypfs_refuses},
    {0},
};
