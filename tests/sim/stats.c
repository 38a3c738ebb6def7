/* SPDX-License-Identifier: MIT */
/*
 * How often each operation of each hypercall gave which result, over all runs and workers: shows
 * which paths the generators do not reach. Nothing of a run depends on it.
 */
#include "stats.h"

#include <kr/errno.h>
#include <xen/xen.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CALLS   64
#define OPS     128
#define RESULTS 134 /* errors by number; 0: success */

static _Atomic uint32_t (*counts)[OPS][RESULTS];

static const char *const call_names[CALLS] = {
#define HYPERCALL(nr, name, argc, caller, long_running, purpose) [nr] = #name,
#include "../../core/hypercalls.def"
#undef HYPERCALL
};

#define OPERATION(nr, name, callers, long_running, purpose) [nr] = #name,
static const char *const op_names[CALLS][OPS] = {
    [__HYPERVISOR_event_channel_op] =
        {
#include "../../core/event_ops.def"
        },
    [__HYPERVISOR_memory_op] =
        {
#include "../../arch/x86/pv/memory_ops.def"
#include "../../core/memory_ops.def"
        },
    [__HYPERVISOR_sched_op] =
        {
#include "../../core/sched_ops.def"
        },
    [__HYPERVISOR_vcpu_op] =
        {
#include "../../core/vcpu_ops.def"
        },
    [__HYPERVISOR_physdev_op] =
        {
#include "../../arch/x86/pv/physdev_ops.def"
        },
    [__HYPERVISOR_domctl] =
        {
#include "../../arch/x86/control/domctl_ops.def"
#include "../../core/domctl_ops.def"
        },
    [__HYPERVISOR_sysctl] =
        {
#include "../../arch/x86/control/sysctl_ops.def"
#include "../../core/sysctl_ops.def"
        },
    [__HYPERVISOR_platform_op] =
        {
#include "../../arch/x86/control/platform_ops.def"
#include "../../core/platform_ops.def"
        },
};
#undef OPERATION

void stats_open(void)
{
    counts = mmap(NULL, CALLS * sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                  -1, 0);
    if (counts == MAP_FAILED)
        abort();
}

/* Of these the operation stands in front of a structure. */
static bool has_op_in_memory(unsigned nr)
{
    return nr == __HYPERVISOR_domctl || nr == __HYPERVISOR_sysctl || nr == __HYPERVISOR_platform_op;
}

/* A number of something else: an address, a frame. */
static bool has_no_op(unsigned nr)
{
    switch (nr) {
    case __HYPERVISOR_event_channel_op:
    case __HYPERVISOR_memory_op:
    case __HYPERVISOR_sched_op:
    case __HYPERVISOR_vcpu_op:
    case __HYPERVISOR_physdev_op:
    case __HYPERVISOR_grant_table_op:
    case __HYPERVISOR_xen_version:
    case __HYPERVISOR_console_io:
    case __HYPERVISOR_callback_op:
    case __HYPERVISOR_nmi_op:
    case __HYPERVISOR_hvm_op:
    case __HYPERVISOR_hypfs_op:
    case __HYPERVISOR_set_segment_base: return false;
    default: return true;
    }
}

/* Also when nothing is counted: looking may set Accessed and Dirty. */
uint64_t stats_op(struct sim_guest *g, unsigned nr, const uint64_t args[6])
{
    const uint32_t *first;

    if (!has_op_in_memory(nr))
        return has_no_op(nr) ? 0 : args[0];
    first = args[0] % sizeof(*first) ? NULL : sim_guest_word(g, args[0]);
    return first ? *first : OPS;
}

void stats_count(unsigned nr, uint64_t op, long result)
{
    uint64_t error = result < 0 ? -(uint64_t)result : 0;

    if (counts && nr < CALLS && op < OPS && error < RESULTS)
        counts[nr][op][error]++;
}

static const char *error_name(unsigned error)
{
    switch (error) {
    case 0: return "ok";
    case EPERM: return "EPERM";
    case ENOENT: return "ENOENT";
    case ESRCH: return "ESRCH";
    case EINTR: return "-";
    case E2BIG: return "E2BIG";
    case ENOMEM: return "ENOMEM";
    case EACCES: return "EACCES";
    case EFAULT: return "EFAULT";
    case EBUSY: return "EBUSY";
    case EEXIST: return "EEXIST";
    case ENODEV: return "ENODEV";
    case EINVAL: return "EINVAL";
    case ENOSPC: return "ENOSPC";
    case ENOSYS: return "ENOSYS";
    case ETIME: return "ETIME";
    case EOPNOTSUPP: return "EOPNOTSUPP";
    default: return NULL;
    }
}

static void line_print(unsigned nr, unsigned op)
{
    bool any = false;

    for (unsigned error = 0; error < RESULTS; error++) {
        if (!counts[nr][op][error])
            continue;
        if (!any)
            printf("%s %u %s:", call_names[nr] ? call_names[nr] : "?", op,
                   op_names[nr][op] ? op_names[nr][op] : "");
        any = true;
        if (error_name(error))
            printf(" %s %u", error_name(error), counts[nr][op][error]);
        else
            printf(" %u: %u", error, counts[nr][op][error]);
    }
    if (any)
        printf("\n");
}

void stats_print(void)
{
    for (unsigned nr = 0; counts && nr < CALLS; nr++)
        for (unsigned op = 0; op < OPS; op++)
            line_print(nr, op);
}
