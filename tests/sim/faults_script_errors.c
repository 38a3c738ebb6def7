/* SPDX-License-Identifier: MIT */
/* Errors that generators seldom meet: arguments of which one part cannot be read or written, and
 * states that last for a moment, which are set in place here as if another CPU were at it. */
#include "faults_script.h"
#include "gen_control.h"

#include <kr/errno.h>

#include <stdatomic.h>

#include <xen/event_channel.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

static void affinity_nowhere(struct actor *a)
{
    for (unsigned flags = XEN_VCPUAFFINITY_HARD; flags <= XEN_VCPUAFFINITY_SOFT; flags <<= 1) {
        struct xen_domctl op = {
            .u.vcpuaffinity = {.flags = flags,
                               .cpumap_hard = {.bitmap.p = NOWHERE, .nr_bits = 64},
                               .cpumap_soft = {.bitmap.p = NOWHERE, .nr_bits = 64}}};

        RULE("script", domctl(a, XEN_DOMCTL_getvcpuaffinity, script_guest(), &op) == -EFAULT,
             "affinity was written to nowhere");
    }
}

static void create_odd(struct actor *a)
{
    struct xen_domctl op = {
        .u.createdomain = {.max_vcpus = 1, .grant_opts = 1, .vmtrace_size = PAGE_SIZE}};

    RULE("script", domctl(a, XEN_DOMCTL_createdomain, 0, &op) == -EOPNOTSUPP,
         "a domain with traces was made");
}

static long platform(struct actor *a, uint32_t cmd, struct xen_platform_op *op)
{
    op->cmd = cmd;
    op->interface_version = XENPF_INTERFACE_VERSION;
    return call(a, __HYPERVISOR_platform_op, args_put(a, 0, op, sizeof(*op)), 0, 0, 0, 0);
}

/* The map of CPUs is read, and then written where nothing may be written. */
static void platform_errors(struct actor *a)
{
    struct xen_platform_op op = {0};

    op.u.getidletime.cpumap_bitmap.p = (void *)sim_page_va(SIM_PFN_TABLES + 2);
    op.u.getidletime.cpumap_nr_cpus = 8;
    op.u.getidletime.idletime.p = (void *)sim_page_va(SIM_PFN_FREE);
    RULE("script", platform(a, XENPF_getidletime, &op) == -EFAULT, "a page table was written");
    op = (struct xen_platform_op){.u.firmware_info = {.type = XEN_FW_KBD_SHIFT_FLAGS, .index = 1}};
    RULE("script", platform(a, XENPF_firmware_info, &op) == -ESRCH, "there is a second keyboard");
    op = (struct xen_platform_op){.u.firmware_info = {.type = XEN_FW_DISK_INFO}};
    RULE("script", platform(a, XENPF_firmware_info, &op) == -ESRCH, "there is a disk");
    op = (struct xen_platform_op){.u.symdata = {.namelen = 64, .name.p = NOWHERE}};
    RULE("script", platform(a, XENPF_get_symbol, &op) == -EFAULT, "a name went nowhere");
}

static void ports_without_events(struct actor *a)
{
    struct evtchn_status status = {.dom = DOMID_SELF};

    RULE("script",
         call_struct(a, __HYPERVISOR_event_channel_op, EVTCHNOP_status, &status, sizeof(status)) ==
             0,
         "port 0 has no status");
    status = (struct evtchn_status){.dom = DOMID_SELF, .port = 100000};
    RULE("script",
         call_struct(a, __HYPERVISOR_event_channel_op, EVTCHNOP_status, &status, sizeof(status)) ==
             -EINVAL,
         "a port beyond all has a status");
}

/* Without a pause, in which the checkers would wonder. */
static long domctl_at_once(struct actor *a, uint32_t cmd, uint16_t id, struct xen_domctl *op)
{
    op->cmd = cmd;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = id;

    const uint64_t args[6] = {args_put(a, 0, op, sizeof(*op))};

    return sim_hypercall(a->guest, __HYPERVISOR_domctl, args);
}

static void states_of_a_moment(struct actor *a)
{
    const uint64_t initialise[6] = {VCPUOP_initialise, 0, args_page(a)};
    struct domain *d = domain_get(script_guest()); /* scripts run alone: no lock is taken */
    struct xen_domctl op = {.u.vcpucontext.ctxt.p = (void *)args_page(a)};
    struct vcpu *own = domain_vcpu(a->domain, 0);

    domain_put(d); /* it stays as long as the script */
    atomic_store(&d->vcpus[0]->context_busy, true);
    RULE("script", domctl_at_once(a, XEN_DOMCTL_setvcpucontext, d->id, &op) == -EBUSY,
         "a context was set while another was");
    atomic_store(&d->vcpus[0]->context_busy, false);
    atomic_store(&own->context_busy, true);
    RULE("script", sim_hypercall(a->guest, __HYPERVISOR_vcpu_op, initialise) == -EBUSY,
         "a vCPU was initialised while it was");
    atomic_store(&own->context_busy, false);
    op = (struct xen_domctl){.u.scheduler_op = {.sched_id = XEN_SCHEDULER_CREDIT2,
                                                .cmd = XEN_DOMCTL_SCHEDOP_putinfo,
                                                .u.credit2 = {.weight = 100, .cap = 50}}};
    d->is_dying = true;
    RULE("script", domctl_at_once(a, XEN_DOMCTL_scheduler_op, d->id, &op) == -EINVAL,
         "a dying domain got a cap");
    d->is_dying = false;
}

static void errors_meet(struct actor *a)
{
    a->is_careful = true;
    affinity_nowhere(a);
    create_odd(a);
    platform_errors(a);
    ports_without_events(a);
    states_of_a_moment(a);
    a->is_careful = false;
}

const struct faults_script error_scripts[] = {
    {.name = "errors that are seldom met", .act = errors_meet},
    {0},
};
