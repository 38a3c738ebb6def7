/* SPDX-License-Identifier: MIT */
/*
 * domctl operations about x86 domains, and what the core's operations ask of the port. All domains
 * are PV and 64-bit. The state of vCPUs is in domctl_vcpu.c, CPU policies in domctl_policy.c, page
 * types in domctl_frames.c.
 */
#include <kr/cpu.h>
#include <kr/errno.h>
#include <kr/hypercall.h>
#include <kr/time.h>
#include <x86/cpu.h>
#include <x86/policy.h>
#include <x86/tsc_settings.h>

#include "domctl.h"

#define ADDRESS_SIZE   64
#define PORT_COUNT     65536U
#define LEAF_AMD_SIZES 0x80000008u

/* ---- for the core's operations ----------------------------------------------------------------
 */

int arch_domain_config_check(const struct xen_domctl_createdomain *config)
{
    const uint32_t needs_hvm = XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_nested_virt;
    const uint32_t not_built =
        XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_s3_integrity | XEN_DOMCTL_CDF_vpmu;

    if (config->flags & ~(2 * XEN_DOMCTL_CDF_MAX - 1))
        return -EINVAL;
    if (!(config->flags & XEN_DOMCTL_CDF_hvm) &&
        ((config->flags & needs_hvm) || config->arch.emulation_flags != 0))
        return -EINVAL;
    if (config->arch.misc_flags & ~XEN_X86_MSR_RELAXED)
        return -EINVAL;
    return (config->flags & not_built) || config->arch.misc_flags ? -EOPNOTSUPP : 0;
}

void arch_domain_describe(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    const struct cpuid_leaf *sizes = cpu_policy_find(cpu_policy_of(d), LEAF_AMD_SIZES, 0);

    info->gpaddr_bits = sizes ? sizes->r.a & 0xff : cpu_features.phys_bits;
}

/* ---- address size ------------------------------------------------------------------------------
 */

static long domctl_op_set_address_size(struct domain *d, struct xen_domctl *op)
{
    if (op->u.address_size.size != ADDRESS_SIZE)
        return op->u.address_size.size == 32 ? -EOPNOTSUPP : -EINVAL;
    return 0;
}

static long domctl_op_get_address_size(struct domain *d, struct xen_domctl *op)
{
    op->u.address_size.size = ADDRESS_SIZE;
    return 0;
}

/* ---- TSC ----------------------------------------------------------------------------------------
 */

static long domctl_op_gettscinfo(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_tsc_info *t = &op->u.tsc_info;
    bool is_native_for_good;

    if (d == current_vcpu()->domain)
        return -EINVAL;
    spin_lock(&d->lock);
    t->tsc_mode = d->arch.tsc.mode;
    t->incarnation = d->arch.tsc.incarnation;
    spin_unlock(&d->lock);
    is_native_for_good = t->tsc_mode == TSC_MODE_NEVER_EMULATE;
    t->gtsc_khz = is_native_for_good ? 0 : arch_tsc_khz();
    t->elapsed_nsec = is_native_for_good ? 0 : time_now_ns();
    t->pad = 0;
    return 0;
}

static long domctl_op_settscinfo(struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_tsc_info *t = &op->u.tsc_info;
    int rc = tsc_settings_check(t->tsc_mode, t->gtsc_khz, arch_tsc_khz());

    if (d == current_vcpu()->domain)
        return -EINVAL;
    if (rc != 0)
        return rc;
    spin_lock(&d->lock);
    d->arch.tsc.mode = t->tsc_mode;
    d->arch.tsc.incarnation = t->incarnation + 1;
    spin_unlock(&d->lock);
    return 0;
}

/* ---- devices ------------------------------------------------------------------------------------
 * Only the control domain has devices, by what it is and not by a list that tools edit. */

static long domctl_op_irq_permission(struct domain *d, struct xen_domctl *op)
{
    return -EOPNOTSUPP;
}

static long domctl_op_iomem_permission(struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_iomem_permission *p = &op->u.iomem_permission;

    return p->nr_mfns == 0 || p->first_mfn + p->nr_mfns - 1 < p->first_mfn ? -EINVAL : -EOPNOTSUPP;
}

static long domctl_op_ioport_permission(struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_ioport_permission *p = &op->u.ioport_permission;

    return p->first_port >= PORT_COUNT || p->nr_ports > PORT_COUNT - p->first_port ? -EINVAL
                                                                                   : -EOPNOTSUPP;
}

static long domctl_op_memory_mapping(struct domain *d, struct xen_domctl *op)
{
    return -EOPNOTSUPP;
}

static long domctl_op_ioport_mapping(struct domain *d, struct xen_domctl *op)
{
    return -EOPNOTSUPP;
}

/* ---- triggers -----------------------------------------------------------------------------------
 */

static long domctl_op_sendtrigger(struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_sendtrigger *t = &op->u.sendtrigger;
    struct vcpu *v = domain_vcpu(d, t->vcpu);

    if (!v)
        return -ESRCH;
    switch (t->trigger) {
    case XEN_DOMCTL_SENDTRIGGER_NMI: arch_vcpu_send_nmi(v); return 0;
    case XEN_DOMCTL_SENDTRIGGER_POWER:
    case XEN_DOMCTL_SENDTRIGGER_SLEEP: return -EINVAL; /* buttons of HVM domains */
    default: return -ENOSYS;
    }
}

/* ---- shadow page tables -------------------------------------------------------------------------
 */

static long domctl_op_shadow_op(struct domain *d, struct xen_domctl *op)
{
    return -EOPNOTSUPP;
}

static long domctl_op_get_paging_mempool_size(struct domain *d, struct xen_domctl *op)
{
    return -EOPNOTSUPP;
}

static long domctl_op_set_paging_mempool_size(struct domain *d, struct xen_domctl *op)
{
    return -EOPNOTSUPP;
}

/* ---- dispatch -----------------------------------------------------------------------------------
 */

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(XEN_DOMCTL_, nr, name);
#include "domctl_ops.def"
#undef OPERATION

long arch_domctl(struct domain *d, struct xen_domctl *op)
{
    switch (op->cmd) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return domctl_op_##name(d, op);
#include "domctl_ops.def"
#undef OPERATION
    default: return -ENOSYS;
    }
}
