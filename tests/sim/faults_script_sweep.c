/* SPDX-License-Identifier: MIT */
/* Every operation of the hypervisor's tables, with arguments that are 0 or name a domain. */
#include "faults_script.h"

#include <xen/domctl.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

#include <string.h>

#define OPERATION(nr, name, callers, long_running, purpose) {nr, #name},
struct table_op {
    unsigned nr;
    const char *name;
};
static const struct table_op event_ops[] = {
#include "../../core/event_ops.def"
};
static const struct table_op memory_ops[] = {
#include "../../arch/x86/pv/memory_ops.def"
#include "../../core/memory_ops.def"
};
static const struct table_op sched_ops[] = {
#include "../../core/sched_ops.def"
};
static const struct table_op vcpu_ops[] = {
#include "../../core/vcpu_ops.def"
};
static const struct table_op version_ops[] = {
#include "../../core/version_ops.def"
};
static const struct table_op hypfs_ops[] = {
#include "../../core/hypfs_ops.def"
};
static const struct table_op physdev_ops[] = {
#include "../../arch/x86/pv/physdev_ops.def"
};
static const struct table_op hvm_ops[] = {
#include "../../arch/x86/control/hvm_ops.def"
};
static const struct table_op mca_ops[] = {
#include "../../arch/x86/control/mca_ops.def"
};
static const struct table_op domctl_ops[] = {
#include "../../arch/x86/control/domctl_ops.def"
#include "../../core/domctl_ops.def"
};
static const struct table_op sysctl_ops[] = {
#include "../../arch/x86/control/sysctl_ops.def"
#include "../../core/sysctl_ops.def"
};
static const struct table_op platform_ops[] = {
#include "../../arch/x86/control/platform_ops.def"
#include "../../core/platform_ops.def"
};
#undef OPERATION

/* They end or stop the caller, or the machine. */
static bool is_end(const char *name)
{
    static const char *const names[] = {"block", "poll", "shutdown", "down", "enter_acpi_sleep"};

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void sweep(struct actor *a, unsigned nr, const struct table_op *ops, unsigned count,
                  uint16_t domain)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t words[64] = {domain, 0, domain};

        if (is_end(ops[i].name))
            continue;
        call(a, nr, ops[i].nr, args_put(a, 0, words, sizeof(words)), 0, 0, 0);
        if (nr == __HYPERVISOR_vcpu_op)
            call(a, nr, ops[i].nr, 1, args_put(a, 0, words, sizeof(words)), 0, 0);
    }
}

#define SWEEP(nr, ops) sweep(a, nr, ops, ARRAY_SIZE(ops), domain)

static void all_plain(struct actor *a, uint16_t domain)
{
    SWEEP(__HYPERVISOR_event_channel_op, event_ops);
    SWEEP(__HYPERVISOR_memory_op, memory_ops);
    SWEEP(__HYPERVISOR_sched_op, sched_ops);
    SWEEP(__HYPERVISOR_vcpu_op, vcpu_ops);
    SWEEP(__HYPERVISOR_xen_version, version_ops);
    SWEEP(__HYPERVISOR_physdev_op, physdev_ops);
    SWEEP(__HYPERVISOR_hvm_op, hvm_ops);
    SWEEP(__HYPERVISOR_hypfs_op, hypfs_ops);
    SWEEP(__HYPERVISOR_arch_0, mca_ops);
    for (unsigned op = 0; op <= 12; op++) {
        uint64_t words[64] = {0};

        call(a, __HYPERVISOR_grant_table_op, op, args_put(a, 0, words, sizeof(words)), 1, 0, 0);
    }
}

static void plain_of_control(struct actor *a)
{
    all_plain(a, DOMID_SELF);
}

static void plain_on_guest(struct actor *a)
{
    all_plain(a, script_guest());
}

static void domctls(struct actor *a)
{
    for (unsigned i = 0; i < ARRAY_SIZE(domctl_ops); i++) {
        struct xen_domctl op = {.cmd = domctl_ops[i].nr,
                                .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
                                .domain = script_guest()};

        call(a, __HYPERVISOR_domctl, args_put(a, 0, &op, sizeof(op)), 0, 0, 0, 0);
    }
}

static void sysctls(struct actor *a)
{
    for (unsigned i = 0; i < ARRAY_SIZE(sysctl_ops); i++) {
        struct xen_sysctl op = {.cmd = sysctl_ops[i].nr,
                                .interface_version = XEN_SYSCTL_INTERFACE_VERSION};

        call(a, __HYPERVISOR_sysctl, args_put(a, 0, &op, sizeof(op)), 0, 0, 0, 0);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(platform_ops); i++) {
        struct xen_platform_op op = {.cmd = platform_ops[i].nr,
                                     .interface_version = XENPF_INTERFACE_VERSION};

        if (!is_end(platform_ops[i].name))
            call(a, __HYPERVISOR_platform_op, args_put(a, 0, &op, sizeof(op)), 0, 0, 0, 0);
    }
}

/* Those without a table of operations; nothing that takes the ground from under the caller. */
static void others(struct actor *a)
{
    static const uint8_t calls[] = {
        __HYPERVISOR_fpu_taskswitch,    __HYPERVISOR_set_debugreg,    __HYPERVISOR_get_debugreg,
        __HYPERVISOR_update_descriptor, __HYPERVISOR_multicall,       __HYPERVISOR_set_timer_op,
        __HYPERVISOR_console_io,        __HYPERVISOR_vm_assist,       __HYPERVISOR_nmi_op,
        __HYPERVISOR_mmu_update,        __HYPERVISOR_mmuext_op,       __HYPERVISOR_set_gdt,
        __HYPERVISOR_callback_op,       __HYPERVISOR_set_segment_base};

    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++)
        call(a, calls[i], 0, 0, 0, 0, 0);
}

const struct faults_script sweep_scripts[] = {
    {"every operation, control domain", false, plain_of_control},
    {"every operation, on another domain", false, plain_on_guest},
    {"every operation, by a guest", true, plain_of_control},
    {"every domctl", false, domctls},
    {"every sysctl and platform_op", false, sysctls},
    {"hypercalls without operations", false, others},
    {0},
};
