/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_hvm_op as a PV domain sees it, and HYPERVISOR_mca. */
#include "guest.h"
#include "mm.h"
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/arch-x86/xen-mca.h>

#define MSR_MCG_CAP 0x179

static long param_get(domid_t domain, unsigned index)
{
    struct xen_hvm_param param = {.domid = domain, .index = index};

    return hypercall2(__HYPERVISOR_hvm_op, HVMOP_get_param, &param);
}

TEST("parameters-refused")
{
    struct xen_hvm_param param = {.domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ};

    CHECK_EQ(param_get(DOMID_SELF, HVM_PARAM_CALLBACK_IRQ), -EINVAL);
    CHECK_EQ(param_get(DOMID_SELF, 999), -EINVAL);
    CHECK_EQ(param_get(99, HVM_PARAM_CALLBACK_IRQ), -ESRCH);
    CHECK_EQ(hypercall2(__HYPERVISOR_hvm_op, HVMOP_set_param, &param), -EINVAL);
    CHECK_EQ(hypercall2(__HYPERVISOR_hvm_op, HVMOP_get_param, 8), -EFAULT);
}

TEST("others-refused")
{
    struct xen_hvm_pagetable_dying dying = {.domid = DOMID_SELF};
    struct xen_hvm_evtchn_upcall_vector vector = {.vector = 0xf3};

    CHECK_EQ(hypercall2(__HYPERVISOR_hvm_op, HVMOP_pagetable_dying, &dying), -EINVAL);
    CHECK_EQ(hypercall2(__HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector, &vector), -EINVAL);
    CHECK_EQ(hypercall2(__HYPERVISOR_hvm_op, HVMOP_flush_tlbs, 0), -EINVAL);
    CHECK_EQ(hypercall2(__HYPERVISOR_hvm_op, 14, &dying), -ENOSYS);
    CHECK_EQ(hypercall2(__HYPERVISOR_hvm_op, 99, &dying), -ENOSYS);
}

TEST("get-time")
{
    struct xen_hvm_get_time first = {0}, second = {0};

    CHECK_EQ(hypercall2(__HYPERVISOR_hvm_op, HVMOP_get_time, &first), 0);
    CHECK_EQ(hypercall2(__HYPERVISOR_hvm_op, HVMOP_get_time, &second), 0);
    CHECK(first.now > 0 && second.now >= first.now);
}

static struct xen_mc mc;
static xen_mc_logical_cpu_t cpus[4];
static struct mc_info records;

static long mca(unsigned cmd)
{
    mc.cmd = cmd;
    mc.interface_version = XEN_MCA_INTERFACE_VERSION;
    return hypercall1(__HYPERVISOR_mca, &mc);
}

TEST("mca-fetch")
{
    memset(&mc, 0, sizeof(mc));
    mc.u.mc_fetch.flags = XEN_MC_NONURGENT;
    set_xen_guest_handle(mc.u.mc_fetch.data, &records);
    CHECK_EQ(mca(XEN_MC_fetch), 0);
    CHECK_EQ(mc.u.mc_fetch.flags, XEN_MC_NODATA);
    mc.u.mc_fetch.flags = 0;
    CHECK_EQ(mca(XEN_MC_fetch), -EINVAL);
    mc.u.mc_fetch.flags = XEN_MC_NONURGENT | XEN_MC_URGENT;
    CHECK_EQ(mca(XEN_MC_fetch), -EINVAL);
    mc.u.mc_fetch.flags = XEN_MC_NONURGENT | XEN_MC_ACK;
    CHECK_EQ(mca(XEN_MC_fetch), 0);
    CHECK_EQ(mca(0), -EINVAL);
    CHECK_EQ(mca(99), -EINVAL);
}

TEST("mca-cpus")
{
    memset(&mc, 0, sizeof(mc));
    mc.u.mc_physcpuinfo.ncpus = ARRAY_SIZE(cpus);
    set_xen_guest_handle(mc.u.mc_physcpuinfo.info, cpus);
    REQUIRE_EQ(mca(XEN_MC_physcpuinfo), 0);
    CHECK_EQ(mc.u.mc_physcpuinfo.ncpus, 1);
    CHECK_EQ(cpus[0].mc_cpunr, 0);
    CHECK_EQ(cpus[0].mc_apicid, 0);
    CHECK_EQ(cpus[0].mc_ncores, 1);
    CHECK_EQ(cpus[0].mc_nthreads, 1);
    CHECK(cpus[0].mc_vendorid[0] != 0 && cpus[0].mc_brandid[0] != 0);
    CHECK(cpus[0].mc_family >= 6 && cpus[0].mc_cpuid_level > 0);
    CHECK_EQ(cpus[0].mc_cache_alignment, 64);
    CHECK_EQ(cpus[0].mc_nmsrvals, 1);
    CHECK_EQ(cpus[0].mc_msrvalues[0].reg, MSR_MCG_CAP);
}
