/* SPDX-License-Identifier: MIT */
/*
 * domctl operations of the x86 port on a second domain: what tools set up when they build a PV
 * guest and what they read when they save it.
 */
#include "guest.h"
#include "mm.h"
#include <xen/memory.h>
#include <xen/domctl.h>

#define MSR_TSC_AUX     0xc0000103
#define MSR_TSC         0x10
#define XSTATE_BV       66 /* 8-byte words into the state: a header of 2, the legacy area of 64 */
#define XSTATE_RESERVED 68

static struct xen_domctl op;
static domid_t domain;
static uint64_t state[1024];

static long domctl_do(uint32_t cmd, domid_t d)
{
    op.cmd = cmd;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = d;
    return domctl(&op);
}

static void op_clear(void)
{
    memset(&op, 0, sizeof(op));
}

static long create(uint32_t flags, uint32_t emulation)
{
    op_clear();
    op.u.createdomain.flags = flags;
    op.u.createdomain.arch.emulation_flags = emulation;
    op.u.createdomain.max_vcpus = 2;
    op.u.createdomain.max_evtchn_port = 1023;
    op.u.createdomain.max_grant_frames = -1;
    op.u.createdomain.max_maptrack_frames = -1;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    return domctl_do(XEN_DOMCTL_createdomain, 0xffff);
}

/* Flags that contradict each other or need what is not there. */
TEST("createdomain-refused")
{
    static const uint32_t refused[] = {XEN_DOMCTL_CDF_hap,         XEN_DOMCTL_CDF_s3_integrity,
                                       XEN_DOMCTL_CDF_nested_virt, XEN_DOMCTL_CDF_iommu,
                                       XEN_DOMCTL_CDF_MAX << 1,    1u << 31};

    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++)
        if (!CHECK(create(refused[i], 0) < 0))
            print("flags %#x", refused[i]);
    CHECK(create(0, XEN_X86_EMU_LAPIC) < 0);
    CHECK(create(0, ~0u) < 0);
}

TEST("create")
{
    REQUIRE_EQ(create(0, 0), 0);
    domain = op.domain;
    op_clear();
    CHECK_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, domain), 0);
    /* Without vCPUs it is paused, and neither blocked nor running. */
    CHECK_EQ(op.u.getdomaininfo.flags & (BIT(XEN_DOMINF_shutdownshift) - 1), XEN_DOMINF_paused);
    CHECK_EQ(op.u.getdomaininfo.max_vcpu_id, XEN_INVALID_MAX_VCPU_ID);
    CHECK(op.u.getdomaininfo.gpaddr_bits >= 36 && op.u.getdomaininfo.gpaddr_bits <= 52);
}

/* Asked about a domain that is not there it describes the next one: xenconsoled lists domains so.
 */
TEST("next-domain")
{
    op_clear();
    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.max_evtchn_port = 1023;
    op.u.createdomain.max_grant_frames = -1;
    op.u.createdomain.max_maptrack_frames = -1;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_createdomain, domain + 5), 0);
    CHECK_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, domain + 2), 0);
    CHECK_EQ(op.domain, domain + 5);
    CHECK_EQ(op.u.getdomaininfo.domain, domain + 5);
    CHECK_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, domain + 6), -ESRCH);
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_address_size, domain + 2), -ESRCH);
    while (domctl_do(XEN_DOMCTL_destroydomain, domain + 5) == -ERESTART)
        ;
}

TEST("without-vcpus")
{
    op_clear();
    CHECK_EQ(domctl_do(XEN_DOMCTL_sendtrigger, domain), -ESRCH);
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_ext_vcpucontext, domain), -ESRCH);
    CHECK_EQ(domctl_do(XEN_DOMCTL_getvcpuextstate, domain), -ESRCH);
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_vcpu_msrs, domain), -ESRCH);
    op.u.max_vcpus.max = 2;
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_max_vcpus, domain), 0);
}

TEST("address-size")
{
    op_clear();
    op.u.address_size.size = 16;
    CHECK(domctl_do(XEN_DOMCTL_set_address_size, domain) < 0);
    op.u.address_size.size = 32;
    CHECK(domctl_do(XEN_DOMCTL_set_address_size, domain) < 0);
    op.u.address_size.size = 64;
    CHECK_EQ(domctl_do(XEN_DOMCTL_set_address_size, domain), 0);
    op.u.address_size.size = 0;
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_address_size, domain), 0);
    CHECK_EQ(op.u.address_size.size, 64);
}

TEST("tsc")
{
    static const uint32_t modes[] = {0, 2};

    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
        op_clear();
        op.u.tsc_info.tsc_mode = modes[i];
        CHECK_EQ(domctl_do(XEN_DOMCTL_settscinfo, domain), 0);
        op_clear();
        CHECK_EQ(domctl_do(XEN_DOMCTL_gettscinfo, domain), 0);
        CHECK_EQ(op.u.tsc_info.tsc_mode, modes[i]);
    }
    op.u.tsc_info.tsc_mode = 3;
    CHECK_EQ(domctl_do(XEN_DOMCTL_settscinfo, domain), -EINVAL);
    op_clear();
    CHECK_EQ(domctl_do(XEN_DOMCTL_settscinfo, 0), -EINVAL);
    CHECK_EQ(domctl_do(XEN_DOMCTL_gettscinfo, 0), -EINVAL);
}

TEST("cpu-policy")
{
    static xen_cpuid_leaf_t leaves[200];
    static xen_msr_entry_t msrs[8];
    struct xen_domctl_cpu_policy *p = &op.u.cpu_policy;

    op_clear();
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_cpu_policy, domain), 0);
    CHECK(p->nr_leaves > 20 && p->nr_leaves <= ARRAY_SIZE(leaves));
    CHECK_EQ(p->nr_msrs, 2);
    set_xen_guest_handle(p->leaves, leaves);
    set_xen_guest_handle(p->msrs, msrs);
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_cpu_policy, domain), 0);
    CHECK_EQ(leaves[0].leaf, 0);
    CHECK_EQ(domctl_do(XEN_DOMCTL_set_cpu_policy, domain), 0);
    CHECK_EQ(domctl_do(XEN_DOMCTL_set_cpu_policy, 0), -EINVAL);

    p->nr_leaves = 3;
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_cpu_policy, domain), -ENOBUFS);
    p->nr_leaves = 1;
    p->nr_msrs = 0;
    leaves[0].leaf = 0x30;
    CHECK_EQ(domctl_do(XEN_DOMCTL_set_cpu_policy, domain), -ERANGE);
    CHECK_EQ(p->err_leaf, 0x30);
    leaves[0].leaf = 0;
    leaves[0].a = 0x50; /* more leaves than there are */
    CHECK_EQ(domctl_do(XEN_DOMCTL_set_cpu_policy, domain), -EINVAL);
    CHECK_EQ(p->err_leaf, 0);
    p->nr_leaves = 0;
    p->nr_msrs = 1;
    msrs[0].idx = 5;
    CHECK_EQ(domctl_do(XEN_DOMCTL_set_cpu_policy, domain), -ERANGE);
    CHECK_EQ(p->err_msr, 5);
    p->nr_leaves = ~0u;
    CHECK_EQ(domctl_do(XEN_DOMCTL_set_cpu_policy, domain), -E2BIG);
}

TEST("sendtrigger")
{
    op_clear();
    CHECK_EQ(domctl_do(XEN_DOMCTL_sendtrigger, domain), 0);
    op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_POWER;
    CHECK_EQ(domctl_do(XEN_DOMCTL_sendtrigger, domain), -EINVAL);
    op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_RESET;
    CHECK_EQ(domctl_do(XEN_DOMCTL_sendtrigger, domain), -ENOSYS);
    op.u.sendtrigger.vcpu = 99;
    CHECK_EQ(domctl_do(XEN_DOMCTL_sendtrigger, domain), -ESRCH);
}

TEST("ext-vcpucontext")
{
    struct xen_domctl_ext_vcpucontext *c = &op.u.ext_vcpucontext;

    op_clear();
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_ext_vcpucontext, domain), 0);
    CHECK_EQ(c->size, sizeof(*c));
    CHECK_EQ(domctl_do(XEN_DOMCTL_set_ext_vcpucontext, domain), 0);
    c->mcg_cap = ~0UL;
    CHECK(domctl_do(XEN_DOMCTL_set_ext_vcpucontext, domain) < 0);
    c->size = 4;
    CHECK_EQ(domctl_do(XEN_DOMCTL_set_ext_vcpucontext, domain), -EINVAL);
    c->vcpu = 5;
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_ext_vcpucontext, domain), -ESRCH);
}

static long xstate_set(void)
{
    set_xen_guest_handle(op.u.vcpuextstate.buffer, state);
    return domctl_do(XEN_DOMCTL_setvcpuextstate, domain);
}

/* What the CPU would fault on when it loads it is refused. */
TEST("xstate")
{
    struct xen_domctl_vcpuextstate *s = &op.u.vcpuextstate;
    uint64_t size;

    op_clear();
    CHECK_EQ(domctl_do(XEN_DOMCTL_getvcpuextstate, domain), 0);
    if (s->size == 0)
        SKIP("this CPU has no XSAVE");
    REQUIRE(s->size <= sizeof(state));
    CHECK((s->xfeature_mask & 3) == 3);
    size = s->size;
    set_xen_guest_handle(s->buffer, state);
    CHECK_EQ(domctl_do(XEN_DOMCTL_getvcpuextstate, domain), 0);
    CHECK_EQ(xstate_set(), 0);
    state[0] = 3;
    state[1] = 7;
    s->size = 16;
    CHECK(xstate_set() < 0);
    s->size = ~0UL;
    CHECK(xstate_set() < 0);
    s->size = size;
    state[0] = 4; /* AVX without SSE */
    CHECK_EQ(xstate_set(), -EINVAL);
    state[0] = 3;
    state[XSTATE_BV] = ~0UL;
    CHECK_EQ(xstate_set(), -EINVAL);
    state[XSTATE_BV] = 3;
    state[XSTATE_RESERVED] = 1;
    CHECK(xstate_set() < 0);
    state[XSTATE_RESERVED] = 0;
    state[5] = ~0UL; /* MXCSR is in there */
    CHECK(xstate_set() < 0);
    set_xen_guest_handle(s->buffer, (void *)0xffff830000000000);
    CHECK_EQ(domctl_do(XEN_DOMCTL_setvcpuextstate, domain), -EFAULT);
}

static long msr_set(uint32_t index, uint64_t value)
{
    struct xen_domctl_vcpu_msr msr = {.index = index, .value = value};

    op_clear();
    op.u.vcpu_msrs.msr_count = 1;
    set_xen_guest_handle(op.u.vcpu_msrs.msrs, &msr);
    return domctl_do(XEN_DOMCTL_set_vcpu_msrs, domain);
}

TEST("vcpu-msrs")
{
    struct xen_domctl_vcpu_msr msrs[16];

    op_clear();
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_vcpu_msrs, domain), 0);
    REQUIRE(op.u.vcpu_msrs.msr_count <= ARRAY_SIZE(msrs));
    set_xen_guest_handle(op.u.vcpu_msrs.msrs, msrs);
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_vcpu_msrs, domain), 0);
    CHECK_EQ(op.u.vcpu_msrs.msr_count, 0); /* all are zero */
    CHECK_EQ(msr_set(MSR_TSC_AUX, 5), 0);
    op.u.vcpu_msrs.msr_count = ARRAY_SIZE(msrs);
    set_xen_guest_handle(op.u.vcpu_msrs.msrs, msrs);
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_vcpu_msrs, domain), 0);
    CHECK_EQ(op.u.vcpu_msrs.msr_count, 1);
    CHECK_EQ(msrs[0].index, MSR_TSC_AUX);
    CHECK_EQ(msrs[0].value, 5);
    CHECK_EQ(msr_set(MSR_TSC, 5), -EINVAL);
    CHECK_EQ(op.u.vcpu_msrs.msr_count, 0); /* the entry that was refused */
    CHECK_EQ(msr_set(MSR_TSC_AUX, 1UL << 32), -EINVAL);
}

TEST("pageframeinfo")
{
    xen_pfn_t page = 5, frames[5];
    struct xen_memory_reservation take = {.nr_extents = 1, .domid = domain};
    struct xen_domctl_getpageframeinfo3 *info = &op.u.getpageframeinfo3;

    op_clear();
    op.u.max_mem.max_memkb = 1024;
    CHECK_EQ(domctl_do(XEN_DOMCTL_max_mem, domain), 0);
    set_xen_guest_handle(take.extent_start, &page);
    REQUIRE_EQ(memory_op(XENMEM_populate_physmap, &take), 1);
    frames[0] = page;
    frames[1] = 0x123456789;                   /* no such frame */
    frames[2] = va_to_mfn(&op);                /* another domain's */
    frames[3] = start_info->shared_info >> 12; /* the hypervisor's */
    frames[4] = ~0UL;
    op_clear();
    info->num = ARRAY_SIZE(frames);
    set_xen_guest_handle(info->array, frames);
    CHECK_EQ(domctl_do(XEN_DOMCTL_getpageframeinfo3, domain), 0);
    CHECK_EQ(frames[0], XEN_DOMCTL_PFINFO_NOTAB);
    for (unsigned i = 1; i < ARRAY_SIZE(frames); i++)
        CHECK_EQ(frames[i], XEN_DOMCTL_PFINFO_XTAB);
    info->num = 1025;
    CHECK_EQ(domctl_do(XEN_DOMCTL_getpageframeinfo3, domain), -E2BIG);
}

/* The page tables that this kernel was started with. */
TEST("pageframeinfo-tables")
{
    mfn_t root = va_to_mfn((void *)start_info->pt_base);
    xen_pfn_t frames[2] = {root, va_to_mfn(&op)};

    op_clear();
    op.u.getpageframeinfo3.num = ARRAY_SIZE(frames);
    set_xen_guest_handle(op.u.getpageframeinfo3.array, frames);
    CHECK_EQ(domctl_do(XEN_DOMCTL_getpageframeinfo3, 0), 0);
    CHECK_EQ(frames[0] & XEN_DOMCTL_PFINFO_LTABTYPE_MASK, XEN_DOMCTL_PFINFO_L4TAB);
    CHECK_EQ(frames[1], XEN_DOMCTL_PFINFO_NOTAB);
}

TEST("devices-refused")
{
    op_clear();
    CHECK_EQ(domctl_do(XEN_DOMCTL_assign_device, domain), -EOPNOTSUPP);
    CHECK_EQ(domctl_do(XEN_DOMCTL_test_assign_device, domain), -EOPNOTSUPP);
    CHECK_EQ(domctl_do(XEN_DOMCTL_deassign_device, domain), -EOPNOTSUPP);
    CHECK_EQ(domctl_do(XEN_DOMCTL_assign_device, DOMID_IO), -EOPNOTSUPP);
    CHECK_EQ(domctl_do(XEN_DOMCTL_assign_device, 99), -ESRCH);
    CHECK(domctl_do(XEN_DOMCTL_shadow_op, domain) < 0);
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_paging_mempool_size, domain), -EOPNOTSUPP);
    CHECK_EQ(domctl_do(XEN_DOMCTL_set_paging_mempool_size, domain), -EOPNOTSUPP);
    op.u.ioport_permission.first_port = 0x20000;
    op.u.ioport_permission.nr_ports = 1;
    CHECK_EQ(domctl_do(XEN_DOMCTL_ioport_permission, domain), -EINVAL);
}

TEST("destroy")
{
    while (domctl_do(XEN_DOMCTL_destroydomain, domain) == -ERESTART)
        ;
    op_clear();
    for (unsigned i = 0; i < 1000 && domctl_do(XEN_DOMCTL_getdomaininfo, domain) == 0; i++)
        xen_version(0, NULL);
    CHECK_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, domain), -ESRCH);
}
