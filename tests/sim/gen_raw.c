/* SPDX-License-Identifier: MIT */
/* Any hypercall, with operations from the tables of the hypervisor and arguments of every kind. */
#include "gen.h"

#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

#include <string.h>

#define OPERATION(nr, name, callers, long_running, purpose) nr,
static const uint8_t event_ops[] = {
#include "../../core/event_ops.def"
};
static const uint8_t memory_ops[] = {
#include "../../arch/x86/pv/memory_ops.def"
#include "../../core/memory_ops.def"
};
static const uint8_t sched_ops[] = {
#include "../../core/sched_ops.def"
};
static const uint8_t vcpu_ops[] = {
#include "../../core/vcpu_ops.def"
};
static const uint8_t version_ops[] = {
#include "../../core/version_ops.def"
};
static const uint8_t console_ops[] = {
#include "../../core/console_ops.def"
};
static const uint8_t hypfs_ops[] = {
#include "../../core/hypfs_ops.def"
};
static const uint8_t physdev_ops[] = {
#include "../../arch/x86/pv/physdev_ops.def"
};
static const uint8_t hvm_ops[] = {
#include "../../arch/x86/control/hvm_ops.def"
};
static const uint8_t mca_ops[] = {
#include "../../arch/x86/control/mca_ops.def"
};
static const uint8_t domctl_ops[] = {
#include "../../arch/x86/control/domctl_ops.def"
#include "../../core/domctl_ops.def"
};
static const uint8_t sysctl_ops[] = {
#include "../../arch/x86/control/sysctl_ops.def"
#include "../../core/sysctl_ops.def"
};
static const uint8_t platform_ops[] = {
#include "../../arch/x86/control/platform_ops.def"
#include "../../core/platform_ops.def"
};
static const uint8_t grant_ops[] = {
#include "../../core/grant_ops.def"
};
#undef OPERATION

#define ENTRIES_MAX 8

struct target {
    uint8_t nr, arg_count, op_count;
    bool is_hard; /* takes the ground from under a kernel: seldom, and not for dom0 */
    const uint8_t *ops;
};

#define NONE(nr)              \
    {                         \
        nr, 6, 0, false, NULL \
    }
#define HARD(nr)             \
    {                        \
        nr, 6, 0, true, NULL \
    }
#define OPS(nr, of)                      \
    {                                    \
        nr, 6, ARRAY_SIZE(of), false, of \
    }

static const struct target targets[] = {
    HARD(__HYPERVISOR_set_trap_table),
    HARD(__HYPERVISOR_mmu_update),
    HARD(__HYPERVISOR_set_gdt),
    HARD(__HYPERVISOR_stack_switch),
    NONE(__HYPERVISOR_fpu_taskswitch),
    NONE(__HYPERVISOR_set_debugreg),
    NONE(__HYPERVISOR_get_debugreg),
    HARD(__HYPERVISOR_update_descriptor),
    OPS(__HYPERVISOR_memory_op, memory_ops),
    HARD(__HYPERVISOR_multicall),
    HARD(__HYPERVISOR_update_va_mapping),
    NONE(__HYPERVISOR_set_timer_op),
    OPS(__HYPERVISOR_xen_version, version_ops),
    OPS(__HYPERVISOR_console_io, console_ops),
    OPS(__HYPERVISOR_grant_table_op, grant_ops),
    NONE(__HYPERVISOR_vm_assist),
    HARD(__HYPERVISOR_update_va_mapping_otherdomain),
    HARD(__HYPERVISOR_iret),
    OPS(__HYPERVISOR_vcpu_op, vcpu_ops),
    HARD(__HYPERVISOR_set_segment_base),
    HARD(__HYPERVISOR_mmuext_op),
    NONE(__HYPERVISOR_nmi_op),
    OPS(__HYPERVISOR_sched_op, sched_ops),
    HARD(__HYPERVISOR_callback_op),
    OPS(__HYPERVISOR_event_channel_op, event_ops),
    OPS(__HYPERVISOR_physdev_op, physdev_ops),
    OPS(__HYPERVISOR_hvm_op, hvm_ops),
    OPS(__HYPERVISOR_hypfs_op, hypfs_ops),
    OPS(__HYPERVISOR_arch_0, mca_ops),
};

/* Random words, small ones more often: an argument structure of any kind. */
static void fill(struct actor *a, uint64_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        switch (pick(a, 8)) {
        case 0: words[i] = pick_word(a); break;
        case 1: words[i] = pick_domain(a) | pick(a, 16) << 32; break;
        case 2: words[i] = pick_port(a); break;
        case 3: words[i] = pick_frame(a); break;
        case 4: words[i] = args_page(a) + 64 * pick(a, 64); break;
        default: words[i] = pick(a, 8); break;
        }
    }
}

static uint64_t argument(struct actor *a)
{
    uint64_t words[8];

    switch (pick(a, 6)) {
    case 0: return pick_word(a);
    case 1: return pick_frame(a);
    case 2: return pick(a, 4);
    case 3: return pick_domain(a);
    default:
        fill(a, words, ARRAY_SIZE(words));
        return args_put(a, pick(a, 8), words, sizeof(words));
    }
}

/* Shutdown in one way or another, or its vCPUs down one after the other. */
static bool is_dom0_shutdown(const struct actor *a, const struct target *t, uint64_t op)
{
    return a->domain->is_privileged &&
           ((t->nr == __HYPERVISOR_sched_op && ((uint32_t)op == 2 || (uint32_t)op == 4)) ||
            (t->nr == __HYPERVISOR_vcpu_op && (uint32_t)op == 2));
}

/* Makes a page part of the FIFO layout that the guest's code does not know of. */
static bool is_unknown_layout(const struct target *t, uint64_t op)
{
    return t->nr == __HYPERVISOR_event_channel_op && ((uint32_t)op == 11 || (uint32_t)op == 12);
}

static bool may_be_hard(struct actor *a)
{
    return !a->domain->is_privileged && pick_one_in(a, 24);
}

static void raw_call(struct actor *a)
{
    const struct target *t = &targets[pick(a, ARRAY_SIZE(targets))];
    uint64_t op = t->op_count && !pick_one_in(a, 30) ? t->ops[pick(a, t->op_count)] : argument(a);

    if ((t->is_hard && !may_be_hard(a)) || is_dom0_shutdown(a, t, op))
        return;
    if (call(a, t->nr, op, argument(a), argument(a), argument(a), argument(a)) == 0 &&
        is_unknown_layout(t, op))
        a->model->scribbles = true;
}

/* Calls that any kernel survives, in a list; now and then with a list in it. */
static void raw_multicall(struct actor *a)
{
    struct multicall_entry list[ENTRIES_MAX] = {0};
    unsigned count = pick_range(a, 1, ENTRIES_MAX), used = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct target *t = &targets[pick(a, ARRAY_SIZE(targets))];
        struct multicall_entry *e = &list[used];

        e->op = t->nr;
        e->args[0] = t->op_count ? t->ops[pick(a, t->op_count)] : argument(a);
        for (unsigned n = 1; n < ARRAY_SIZE(e->args); n++)
            e->args[n] = argument(a);
        if (!is_dom0_shutdown(a, t, e->args[0]) && !is_unknown_layout(t, e->args[0]) &&
            !(t->is_hard && !may_be_hard(a)))
            used++;
    }
    a->is_careful = a->domain->is_privileged; /* elsewhere there may be anything in the list */
    call(a, __HYPERVISOR_multicall, args_put(a, 8, list, sizeof(list)),
         may_be_hard(a) ? pick(a, 100) : used, 0, 0, 0);
    a->is_careful = false;
}

/* Mostly none that there is. */
static void raw_unknown(struct actor *a)
{
    call(a, may_be_hard(a) ? pick(a, 70) : pick_range(a, 42, 69), argument(a), argument(a),
         argument(a), 0, 0);
}

/* The three whose operation stands in the structure. */
static void raw_control(struct actor *a)
{
    union {
        struct xen_domctl domctl;
        struct xen_sysctl sysctl;
        struct xen_platform_op platform;
        uint64_t words[64];
    } u;

    memset(&u, 0, sizeof(u));
    fill(a, u.words, ARRAY_SIZE(u.words));
    switch (pick(a, 3)) {
    case 0:
        u.domctl.cmd = domctl_ops[pick(a, sizeof(domctl_ops))];
        u.domctl.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
        u.domctl.domain = pick_domain(a);
        call(a, __HYPERVISOR_domctl, args_put(a, 0, &u, sizeof(u.domctl)), 0, 0, 0, 0);
        break;
    case 1:
        u.sysctl.cmd = sysctl_ops[pick(a, sizeof(sysctl_ops))];
        u.sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
        call(a, __HYPERVISOR_sysctl, args_put(a, 0, &u, sizeof(u.sysctl)), 0, 0, 0, 0);
        break;
    default:
        u.platform.cmd = platform_ops[pick(a, sizeof(platform_ops))];
        u.platform.interface_version = XENPF_INTERFACE_VERSION;
        call(a, __HYPERVISOR_platform_op, args_put(a, 0, &u, sizeof(u.platform)), 0, 0, 0, 0);
        break;
    }
}

const struct operation raw_operations[] = {
    {"any call", GROUP_RAW, 40, false, raw_call},
    {"list of calls", GROUP_RAW, 4, false, raw_multicall},
    {"unknown call", GROUP_RAW, 1, false, raw_unknown},
    {"any control call", GROUP_RAW, 6, false, raw_control},
    {0},
};
