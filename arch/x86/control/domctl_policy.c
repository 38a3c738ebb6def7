/* SPDX-License-Identifier: MIT */
/* domctl operations on a domain's CPU policy. A domain that was started keeps the one it has. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/heap.h>
#include <x86/policy.h>

#include "domctl.h"
#include "policy_copy.h"

long domctl_op_get_cpu_policy(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_cpu_policy *p = &op->u.cpu_policy;

    return policy_copy_out(cpu_policy_of(d), guest_handle(p->leaves), &p->nr_leaves,
                           guest_handle(p->msrs), &p->nr_msrs);
}

static bool was_started(const struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(d, v, i) if (v->is_initialised) return true;
    return false;
}

/* Applies the tools' entries to `new`. */
static int policy_read(struct cpu_policy *new, const struct xen_domctl_cpu_policy *p,
                       struct cpu_policy_error *error)
{
    xen_cpuid_leaf_t leaf;
    xen_msr_entry_t msr;
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < p->nr_leaves; i++)
        rc = guest_read_at(&leaf, guest_handle(p->leaves), i)
                 ? -EFAULT
                 : cpu_policy_apply_leaf(new, &leaf, error);
    for (uint32_t i = 0; rc == 0 && i < p->nr_msrs; i++)
        rc = guest_read_at(&msr, guest_handle(p->msrs), i) ? -EFAULT
                                                           : cpu_policy_apply_msr(new, &msr, error);
    return rc != 0 ? rc : cpu_policy_finish(new, &cpu_policies.pv_max, error);
}

long domctl_op_set_cpu_policy(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_cpu_policy *p = &op->u.cpu_policy;
    struct cpu_policy_error error = {~0u, ~0u, ~0u};
    struct cpu_policy *new;
    int rc;

    if (d == current_vcpu()->domain)
        return -EINVAL;
    if (was_started(d))
        return -EEXIST;
    if (p->nr_leaves > CPUID_LEAVES_MAX || p->nr_msrs > CPU_POLICY_MSRS)
        return -E2BIG;
    new = heap_alloc_for(&d->memory, sizeof(*new));
    if (!new)
        return -ENOMEM;
    *new = *cpu_policy_of(d);
    rc = policy_read(new, p, &error);
    p->err_leaf = error.leaf;
    p->err_subleaf = error.subleaf;
    p->err_msr = error.msr;
    if (rc != 0) {
        heap_free(new);
        return rc;
    }
    heap_free(d->arch.policy);
    d->arch.policy = new;
    return 0;
}
