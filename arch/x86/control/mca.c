/* SPDX-License-Identifier: MIT */
/*
 * mca: machine check information for the control domain. ABI: xen/arch-x86/xen-mca.h. A machine
 * check ends the hypervisor, so no records are ever kept for later; CPUs are described.
 */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/hypercall.h>
#include <kr/string.h>
#include <x86/cpu.h>
#include <x86/policy.h>
#include <x86/topology.h>

#include <xen/xen.h>

#include <xen/arch-x86/xen-mca.h>

/* mc_vendor as Linux numbers them. */
#define VENDOR_INTEL 0
#define VENDOR_AMD   2

#define LEAF_BRAND_FIRST 0x80000002u
#define LEAF_BRAND_COUNT 3
#define CLFLUSH_UNIT     8 /* bytes, in leaf 1 EBX bits 15 to 8 */

/* ---- records ------------------------------------------------------------------------------------
 */

/* An acknowledgement finds nothing to end, a question nothing to report. */
static long mca_op_fetch(struct xen_mc *op)
{
    struct xen_mc_fetch *f = &op->u.mc_fetch;

    switch (f->flags) {
    case XEN_MC_NONURGENT:
    case XEN_MC_URGENT:
        f->flags = XEN_MC_NODATA;
        f->fetch_id = 0;
        return 0;
    case XEN_MC_NONURGENT | XEN_MC_ACK:
    case XEN_MC_URGENT | XEN_MC_ACK: f->flags = XEN_MC_OK; return 0;
    default: return -EINVAL;
    }
}

/* ---- CPUs ---------------------------------------------------------------------------------------
 */

static void describe_name(struct mcinfo_logical_cpu *info)
{
    const struct cpuid_leaf *l;

    for (unsigned i = 0; i < LEAF_BRAND_COUNT; i++) {
        l = cpu_policy_find(&cpu_policies.raw, LEAF_BRAND_FIRST + i, 0);
        if (l)
            memcpy(info->mc_brandid + i * sizeof(l->r), &l->r, sizeof(l->r));
    }
}

static void describe_sizes(struct mcinfo_logical_cpu *info)
{
    const struct cpuid_leaf *l = cpu_policy_find(&cpu_policies.raw, 1, 0);

    info->mc_cpuid_level = cpu_policies.raw.leaves[0].r.a;
    info->mc_cache_alignment = (l->r.b >> 8 & 0xff) * CLFLUSH_UNIT;
    info->mc_cache_size = cpu_cache_kib(&cpu_policies.raw);
}

static void describe_machine(const struct cpu *cpu, struct mcinfo_logical_cpu *info)
{
    struct apic_id_fields f = apic_id_fields_of(&cpu_policies.raw, cpu_features.is_amd);
    struct arch_machine_info machine = {0};

    arch_machine_describe(&machine);
    memcpy(info->mc_cpu_caps, machine.cpu_features, sizeof(info->mc_cpu_caps));
    info->mc_cpunr = cpu->id;
    info->mc_chipid = apic_id_socket(cpu->arch.apic_id, &f);
    info->mc_coreid = apic_id_core(cpu->arch.apic_id, &f);
    info->mc_threadid = apic_id_thread(cpu->arch.apic_id, &f);
    info->mc_ncores = machine.cores_per_socket;
    info->mc_ncores_active = machine.cores_per_socket;
    info->mc_nthreads = machine.threads_per_core;
}

/* The CPUs are alike, so this one's MCG_CAP is that of all. */
static void describe_banks(struct mcinfo_logical_cpu *info)
{
    uint64_t mcg_cap;

    if (!rdmsr_safe(MSR_MCG_CAP, &mcg_cap))
        return;
    info->mc_nmsrvals = 1;
    info->mc_msrvalues[0].reg = MSR_MCG_CAP;
    info->mc_msrvalues[0].value = mcg_cap;
}

static void describe_cpu(const struct cpu *cpu, struct mcinfo_logical_cpu *info)
{
    struct arch_cpu_identity identity = {0};

    memset(info, 0, sizeof(*info));
    arch_cpu_identify(cpu, &identity);
    info->mc_apicid = identity.apic_id;
    info->mc_family = identity.family;
    info->mc_model = identity.model;
    info->mc_step = identity.stepping;
    memcpy(info->mc_vendorid, identity.vendor, sizeof(identity.vendor));
    info->mc_vendor = cpu_features.is_amd ? VENDOR_AMD : VENDOR_INTEL;
    describe_machine(cpu, info);
    describe_name(info);
    describe_sizes(info);
    describe_banks(info);
}

/* Without an array the answer is the number of CPUs. */
static long mca_op_physcpuinfo(struct xen_mc *op)
{
    struct xen_mc_physcpuinfo *p = &op->u.mc_physcpuinfo;
    struct mcinfo_logical_cpu info;
    uint32_t count = MIN(p->ncpus, cpu_count);

    if (guest_handle(p->info) == 0) {
        p->ncpus = cpu_count;
        return 0;
    }
    if (p->ncpus == 0)
        return -EINVAL;
    for (uint32_t i = 0; i < count; i++) {
        describe_cpu(cpu_by_id(i), &info);
        if (guest_write_at(guest_handle(p->info), i, &info))
            return -EFAULT;
    }
    p->ncpus = count;
    return 0;
}

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(XEN_MC_, nr, name);
#include "mca_ops.def"
#undef OPERATION

static long dispatch(struct xen_mc *op)
{
    switch (op->cmd) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return mca_op_##name(op);
#include "mca_ops.def"
#undef OPERATION
    default: return -EINVAL;
    }
}

hypercall_result do_mca(struct hypercall_args *args)
{
    struct xen_mc op;
    long rc;

    if (guest_read(&op, args->arg[0]))
        return -EFAULT;
    if (op.interface_version != XEN_MCA_INTERFACE_VERSION)
        return -EACCES;
    rc = dispatch(&op);
    return rc == 0 && guest_write(args->arg[0], &op) ? -EFAULT : rc;
}
