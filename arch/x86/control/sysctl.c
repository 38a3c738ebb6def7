/* SPDX-License-Identifier: MIT */
/* sysctl operations about x86 CPUs: their features, as tools choose a guest's from. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/hypercall.h>
#include <x86/policy.h>

#include <xen/sysctl.h>

#include "policy_copy.h"

/* CPUs neither come nor go. */
static long sysctl_op_cpu_hotplug(struct xen_sysctl *op)
{
    const struct xen_sysctl_cpu_hotplug *h = &op->u.cpu_hotplug;

    switch (h->op) {
    case XEN_SYSCTL_CPU_HOTPLUG_ONLINE: return cpu_by_id(h->cpu) ? -EEXIST : -EINVAL;
    case XEN_SYSCTL_CPU_HOTPLUG_OFFLINE:
        return h->cpu != 0 && cpu_by_id(h->cpu) ? -EOPNOTSUPP : -EINVAL; /* 0 stays anyway */
    default: return -EOPNOTSUPP;
    }
}

/* Platform quality of service is not driven. Errors as tools know them for machines without it. */
static long sysctl_op_psr_cmt_op(struct xen_sysctl *op)
{
    return -ENODEV;
}

static long sysctl_op_psr_alloc(struct xen_sysctl *op)
{
    return -ENODEV;
}

/* CPUID of PV guests is a trap at best; no CPU is told to answer differently. */
static long sysctl_op_get_cpu_levelling_caps(struct xen_sysctl *op)
{
    op->u.cpu_levelling_caps.caps = 0;
    return 0;
}

static long sysctl_op_get_cpu_featureset(struct xen_sysctl *op)
{
    static const struct cpu_policy *const by_index[] = {
        [XEN_SYSCTL_cpu_featureset_raw] = &cpu_policies.raw,
        [XEN_SYSCTL_cpu_featureset_host] = &cpu_policies.host,
        [XEN_SYSCTL_cpu_featureset_pv] = &cpu_policies.pv_default,
        [XEN_SYSCTL_cpu_featureset_hvm] = &cpu_policies.hvm_default,
        [XEN_SYSCTL_cpu_featureset_pv_max] = &cpu_policies.pv_max,
        [XEN_SYSCTL_cpu_featureset_hvm_max] = &cpu_policies.hvm_max,
    };
    struct xen_sysctl_cpu_featureset *f = &op->u.cpu_featureset;
    uint32_t words[CPU_FEATURE_WORDS], count = MIN(f->nr_features, (uint32_t)CPU_FEATURE_WORDS);
    bool cut = f->nr_features < CPU_FEATURE_WORDS;

    if (guest_handle(f->features) == 0) {
        f->nr_features = CPU_FEATURE_WORDS;
        return 0;
    }
    if (f->index >= ARRAY_SIZE(by_index))
        return -EINVAL;
    cpu_policy_featureset(by_index[f->index], words);
    f->nr_features = count;
    if (arch_guest_write(guest_handle(f->features), words, count * sizeof(*words)))
        return -EFAULT;
    return cut ? -ENOBUFS : 0;
}

static long sysctl_op_get_cpu_policy(struct xen_sysctl *op)
{
    static const struct cpu_policy *const by_index[] = {
        [XEN_SYSCTL_cpu_policy_raw] = &cpu_policies.raw,
        [XEN_SYSCTL_cpu_policy_host] = &cpu_policies.host,
        [XEN_SYSCTL_cpu_policy_pv_max] = &cpu_policies.pv_max,
        [XEN_SYSCTL_cpu_policy_hvm_max] = &cpu_policies.hvm_max,
        [XEN_SYSCTL_cpu_policy_pv_default] = &cpu_policies.pv_default,
        [XEN_SYSCTL_cpu_policy_hvm_default] = &cpu_policies.hvm_default,
    };
    struct xen_sysctl_cpu_policy *p = &op->u.cpu_policy;

    if (p->_rsvd != 0 || p->index >= ARRAY_SIZE(by_index))
        return -EINVAL;
    return policy_copy_out(by_index[p->index], guest_handle(p->leaves), &p->nr_leaves,
                           guest_handle(p->msrs), &p->nr_msrs);
}

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(XEN_SYSCTL_, nr, name);
#include "sysctl_ops.def"
#undef OPERATION

long arch_sysctl(struct xen_sysctl *op)
{
    switch (op->cmd) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return sysctl_op_##name(op);
#include "sysctl_ops.def"
#undef OPERATION
    default: return -ENOSYS;
    }
}
