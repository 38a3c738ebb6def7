/* SPDX-License-Identifier: MIT */
/* The control domain looks at the machine and tunes it: sysctl, platform_op, hypfs, console. */
#include "gen_control.h"

#include <kr/cpu.h>
#include <kr/errno.h>
#include <kr/page.h>

#include <xen/platform.h>
#include <xen/sysctl.h>

#include <xen/arch-x86/xen-mca.h>
#include <xen/hypfs.h>
#include <xen/physdev.h>

#include <string.h>

#define BUFFER_PIECE 2
#define SECOND_PIECE 10
#define COUNT_MAX    16
#define LEAVES_MAX   100

static uint64_t buffer(struct actor *a, unsigned piece)
{
    return pick_one_in(a, 64) ? pick_word(a) : args_page(a) + piece * 512UL;
}

static unsigned count(struct actor *a)
{
    return pick_one_in(a, 24) ? (unsigned)pick_word(a) : pick(a, COUNT_MAX);
}

/* A count that must not be more than the buffer has room for, or there is none. */
static void *buffer_or_none(struct actor *a, unsigned piece)
{
    return pick_one_in(a, 6) ? NULL : (void *)buffer(a, piece);
}

/* ---- sysctl -----------------------------------------------------------------------------------
 */

typedef void (*fill_fn)(struct actor *a, struct xen_sysctl *op);

static void fill_nothing(struct actor *a, struct xen_sysctl *op)
{
}

static void fill_console(struct actor *a, struct xen_sysctl *op)
{
    op->u.readconsole =
        (struct xen_sysctl_readconsole){.clear = pick_one_in(a, 8),
                                        .incremental = pick(a, 2),
                                        .index = pick_one_in(a, 2) ? 0 : pick_word(a),
                                        .count = pick(a, 3000)};
    op->u.readconsole.buffer.p = (void *)buffer(a, BUFFER_PIECE);
}

static void fill_domains(struct actor *a, struct xen_sysctl *op)
{
    op->u.getdomaininfolist = (struct xen_sysctl_getdomaininfolist){
        .first_domain = pick_one_in(a, 8) ? pick_domain(a) : pick(a, 4),
        .max_domains = pick(a, 20)};
    op->u.getdomaininfolist.buffer.p = (void *)buffer(a, BUFFER_PIECE);
}

static void fill_keys(struct actor *a, struct xen_sysctl *op)
{
    static const char harmless[] = "0adeghimpqrt#";
    char keys[4];

    for (unsigned i = 0; i < sizeof(keys); i++)
        keys[i] = harmless[pick(a, sizeof(harmless) - 1)];
    op->u.debug_keys.keys.p = (void *)args_put(a, BUFFER_PIECE, keys, sizeof(keys));
    op->u.debug_keys.nr_keys = 1 + pick(a, sizeof(keys));
    if (!op->u.debug_keys.keys.p || (uint64_t)op->u.debug_keys.keys.p != args_page(a) + 1024)
        op->u.debug_keys.nr_keys = 0; /* no keys from elsewhere: one of them is a reboot */
}

static void fill_cpus(struct actor *a, struct xen_sysctl *op)
{
    op->u.getcpuinfo.max_cpus = count(a);
    op->u.getcpuinfo.info.p = (void *)buffer(a, BUFFER_PIECE);
}

static void fill_heap(struct actor *a, struct xen_sysctl *op)
{
    op->u.availheap.min_bitwidth = pick_one_in(a, 2) ? 0 : pick(a, 64);
    op->u.availheap.max_bitwidth = pick_one_in(a, 2) ? 0 : pick(a, 64);
    op->u.availheap.node = pick_one_in(a, 8) ? 1 : -(uint32_t)pick(a, 2);
}

static void fill_power(struct actor *a, struct xen_sysctl *op)
{
    static const uint32_t cmds[] = {XEN_SYSCTL_pm_op_get_max_cstate,
                                    XEN_SYSCTL_pm_op_set_max_cstate, GET_CPUFREQ_PARA,
                                    XEN_SYSCTL_pm_op_enable_turbo};

    op->u.pm_op.cmd = cmds[pick(a, ARRAY_SIZE(cmds))];
    op->u.pm_op.cpuid = pick(a, 3);
}

static void fill_offline(struct actor *a, struct xen_sysctl *op)
{
    uint32_t start = pick(a, page_end() + 64);

    op->u.page_offline = (struct xen_sysctl_page_offline_op){
        .cmd = pick_one_in(a, 4) ? pick(a, 5) : sysctl_query_page_offline,
        .start = start,
        .end = pick_one_in(a, 16) ? pick_word(a) : start + pick(a, 100)};
    op->u.page_offline.status.p = (void *)buffer(a, BUFFER_PIECE);
}

static void fill_topology(struct actor *a, struct xen_sysctl *op)
{
    op->u.cputopoinfo.num_cpus = count(a);
    op->u.cputopoinfo.cputopo.p = buffer_or_none(a, BUFFER_PIECE);
}

static void fill_numa(struct actor *a, struct xen_sysctl *op)
{
    op->u.numainfo.num_nodes = pick(a, 3);
    op->u.numainfo.meminfo.p = buffer_or_none(a, BUFFER_PIECE);
    op->u.numainfo.distance.p = buffer_or_none(a, SECOND_PIECE);
}

static void fill_pci(struct actor *a, struct xen_sysctl *op)
{
    physdev_pci_device_t devices[4];

    for (unsigned i = 0; i < ARRAY_SIZE(devices); i++)
        devices[i] = (physdev_pci_device_t){.devfn = pick(a, 8) * 8};
    op->u.pcitopoinfo.num_devs = pick(a, ARRAY_SIZE(devices) + 1);
    op->u.pcitopoinfo.devs.p = (void *)args_put(a, BUFFER_PIECE, devices, sizeof(devices));
    op->u.pcitopoinfo.nodes.p = buffer_or_none(a, SECOND_PIECE);
}

static void fill_pool(struct actor *a, struct xen_sysctl *op)
{
    op->u.cpupool_op =
        (struct xen_sysctl_cpupool_op){.op = pick(a, 10),
                                       .cpupool_id = pick_one_in(a, 3) ? pick_word(a) : 0,
                                       .domid = pick_domain(a),
                                       .cpu = pick(a, cpu_count + 1),
                                       .cpumap.nr_bits = pick(a, 100)};
    op->u.cpupool_op.cpumap.bitmap.p = (void *)buffer(a, BUFFER_PIECE);
}

static void fill_scheduler(struct actor *a, struct xen_sysctl *op)
{
    op->u.scheduler_op = (struct xen_sysctl_scheduler_op){
        .cpupool_id = pick_one_in(a, 16),
        .sched_id = pick_one_in(a, 16) ? pick(a, 9) : XEN_SCHEDULER_CREDIT2,
        .cmd = pick(a, 3),
        .u.sched_credit2.ratelimit_us = pick_one_in(a, 3) ? pick_word(a) : pick(a, 5000)};
}

static void fill_featureset(struct actor *a, struct xen_sysctl *op)
{
    op->u.cpu_featureset.index = pick(a, 8);
    op->u.cpu_featureset.nr_features = pick(a, 40);
    op->u.cpu_featureset.features.p = buffer_or_none(a, BUFFER_PIECE);
}

static void fill_policy(struct actor *a, struct xen_sysctl *op)
{
    op->u.cpu_policy =
        (struct xen_sysctl_cpu_policy){.index = pick(a, 8),
                                       .nr_leaves = pick_one_in(a, 4) ? pick(a, 40) : LEAVES_MAX,
                                       .nr_msrs = pick(a, 4),
                                       ._rsvd = pick_one_in(a, 24)};
    op->u.cpu_policy.leaves.p = buffer_or_none(a, BUFFER_PIECE);
    op->u.cpu_policy.msrs.p = buffer_or_none(a, 15);
}

static const struct inquiry {
    uint32_t cmd;
    fill_fn fill;
} inquiries[] = {
    {XEN_SYSCTL_readconsole, fill_console},
    {XEN_SYSCTL_physinfo, fill_nothing},
    {XEN_SYSCTL_sched_id, fill_nothing},
    {XEN_SYSCTL_getdomaininfolist, fill_domains},
    {XEN_SYSCTL_debug_keys, fill_keys},
    {XEN_SYSCTL_getcpuinfo, fill_cpus},
    {XEN_SYSCTL_availheap, fill_heap},
    {XEN_SYSCTL_get_pmstat, fill_power},
    {XEN_SYSCTL_pm_op, fill_power},
    {XEN_SYSCTL_page_offline_op, fill_offline},
    {XEN_SYSCTL_cputopoinfo, fill_topology},
    {XEN_SYSCTL_numainfo, fill_numa},
    {XEN_SYSCTL_cpupool_op, fill_pool},
    {XEN_SYSCTL_scheduler_op, fill_scheduler},
    {XEN_SYSCTL_pcitopoinfo, fill_pci},
    {XEN_SYSCTL_cpu_hotplug, fill_power},
    {XEN_SYSCTL_psr_cmt_op, fill_nothing},
    {XEN_SYSCTL_psr_alloc, fill_nothing},
    {XEN_SYSCTL_get_cpu_levelling_caps, fill_nothing},
    {XEN_SYSCTL_get_cpu_featureset, fill_featureset},
    {XEN_SYSCTL_get_cpu_policy, fill_policy},
};

static void sysctl(struct actor *a)
{
    const struct inquiry *q = &inquiries[pick(a, ARRAY_SIZE(inquiries))];
    struct xen_sysctl op = {.cmd = q->cmd, .interface_version = XEN_SYSCTL_INTERFACE_VERSION};

    q->fill(a, &op);
    if (pick_one_in(a, 64))
        op.interface_version++;
    trace_note(a, "sysctl op", q->cmd, 0,
               call(a, __HYPERVISOR_sysctl, args_put(a, 0, &op, sizeof(op)), 0, 0, 0, 0));
}

/* ---- platform_op ------------------------------------------------------------------------------
 */

static void fill_idle(struct actor *a, struct xen_platform_op *op)
{
    uint64_t map = pick_word(a);

    op->u.getidletime.cpumap_bitmap.p = (void *)args_put(a, BUFFER_PIECE, &map, sizeof(map));
    op->u.getidletime.cpumap_nr_cpus = pick(a, 70);
    op->u.getidletime.idletime.p = (void *)buffer(a, SECOND_PIECE);
}

static void platform_fill(struct actor *a, struct xen_platform_op *op)
{
    switch (op->cmd) {
    case XENPF_settime32:
        op->u.settime32 = (struct xenpf_settime32){pick_word(a), pick(a, 1000000000),
                                                   sim_time_ns() - pick(a, 1000)};
        break;
    case XENPF_settime64:
        op->u.settime64 =
            (struct xenpf_settime64){pick_word(a), pick_word(a), pick_one_in(a, 8), sim_time_ns()};
        break;
    case XENPF_getidletime: fill_idle(a, op); break;
    case XENPF_get_cpu_version:
    case XENPF_get_cpuinfo:
    case XENPF_cpu_online:
    case XENPF_cpu_offline: op->u.pcpu_info.xen_cpuid = pick(a, cpu_count + 2); break;
    case XENPF_firmware_info: op->u.firmware_info.type = pick(a, 8); break;
    case XENPF_get_symbol:
        op->u.symdata.namelen = pick(a, 64);
        op->u.symdata.symnum = pick_one_in(a, 3) ? pick_word(a) : pick(a, 4);
        op->u.symdata.name.p = (void *)buffer(a, BUFFER_PIECE);
        break;
    default: op->u.read_memtype.reg = pick(a, 10);
    }
}

static void platform(struct actor *a)
{
    static const uint8_t cmds[] = {XENPF_settime32,       XENPF_settime64,     XENPF_getidletime,
                                   XENPF_get_cpu_version, XENPF_get_cpuinfo,   XENPF_cpu_online,
                                   XENPF_cpu_offline,     XENPF_firmware_info, XENPF_get_symbol,
                                   XENPF_add_memtype,     XENPF_del_memtype,   XENPF_read_memtype};
    struct xen_platform_op op = {.cmd = cmds[pick(a, sizeof(cmds))],
                                 .interface_version = XENPF_INTERFACE_VERSION};

    platform_fill(a, &op);
    trace_note(a, "platform_op op", op.cmd, 0,
               call(a, __HYPERVISOR_platform_op, args_put(a, 0, &op, sizeof(op)), 0, 0, 0, 0));
}

/* ---- the rest ---------------------------------------------------------------------------------
 */

static void hypfs(struct actor *a)
{
    static const char *const paths[] = {"/",
                                        "/buildinfo",
                                        "/buildinfo/compileinfo/compiler",
                                        "/buildinfo/version/major",
                                        "/cpupool/0/sched-gran",
                                        "/params",
                                        "/nowhere",
                                        "params"};
    const char *path = paths[pick(a, ARRAY_SIZE(paths))];
    uint64_t size = pick_one_in(a, 16) ? pick(a, 300) : strlen(path) + 1;
    uint64_t address = args_put(a, BUFFER_PIECE, path, strlen(path) + 1);

    if (pick_one_in(a, 6))
        call(a, __HYPERVISOR_hypfs_op, XEN_HYPFS_OP_get_version, 0, 0, 0, 0);
    else
        call(a, __HYPERVISOR_hypfs_op,
             pick_one_in(a, 6) ? XEN_HYPFS_OP_write_contents : XEN_HYPFS_OP_read, address, size,
             buffer(a, SECOND_PIECE), pick_one_in(a, 4) ? pick(a, 64) : 2048);
}

static void console(struct actor *a)
{
    char text[64];

    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = pick_one_in(a, 8) ? '\n' : ' ' + pick(a, 90);
    if (pick_one_in(a, 3))
        call(a, __HYPERVISOR_console_io, CONSOLEIO_read, count(a), buffer(a, BUFFER_PIECE), 0, 0);
    else
        call(a, __HYPERVISOR_console_io, CONSOLEIO_write, pick(a, sizeof(text)),
             args_put(a, BUFFER_PIECE, text, sizeof(text)), 0, 0);
}

static void mca(struct actor *a)
{
    struct xen_mc mc = {.cmd = pick_one_in(a, 6)   ? pick(a, 9)
                               : pick_one_in(a, 2) ? XEN_MC_fetch
                                                   : XEN_MC_physcpuinfo,
                        .interface_version = XEN_MCA_INTERFACE_VERSION};

    if (mc.cmd == XEN_MC_fetch) {
        mc.u.mc_fetch.flags = pick(a, 8);
        mc.u.mc_fetch.data.p = (void *)buffer(a, BUFFER_PIECE);
    } else {
        mc.u.mc_physcpuinfo.ncpus = pick(a, 10);
        mc.u.mc_physcpuinfo.info.p = buffer_or_none(a, BUFFER_PIECE);
    }
    call(a, __HYPERVISOR_mca, args_put(a, 0, &mc, sizeof(mc)), 0, 0, 0, 0);
}

const struct operation control_machine_operations[] = {
    {"sysctl", GROUP_CONTROL, 8, true, sysctl}, {"platform_op", GROUP_CONTROL, 4, true, platform},
    {"hypfs", GROUP_CONTROL, 2, true, hypfs},   {"console", GROUP_CONTROL, 1, true, console},
    {"mca", GROUP_CONTROL, 1, true, mca},       {0},
};
