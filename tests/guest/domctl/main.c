/* SPDX-License-Identifier: MIT */
/*
 * HYPERVISOR_domctl: what can be asked about the control domain itself, what it must not do to
 * itself, and the life of an empty second domain where creating one is built.
 */
#include "guest.h"
#include <xen/memory.h>
#include <xen/domctl.h>

#define NOBODY 77

static struct xen_domctl op;

static long domctl_do(uint32_t cmd, domid_t domain)
{
    op.cmd = cmd;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = domain;
    return domctl(&op);
}

TEST("interface-version")
{
    CHECK_EQ(XEN_DOMCTL_INTERFACE_VERSION, 0x15);
    memset(&op, 0, sizeof(op));
    op.cmd = XEN_DOMCTL_getdomaininfo;
    for (uint32_t version = 0x13; version < 0x18; version++) {
        op.interface_version = version;
        CHECK_EQ(domctl(&op), version == 0x15 ? 0 : -EACCES);
    }
    CHECK_EQ(domctl(0x1000), -EFAULT);
    CHECK(domctl_do(999, 0) < 0);
}

TEST("getdomaininfo")
{
    memset(&op, 0, sizeof(op));
    REQUIRE_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, 0), 0);
    CHECK_EQ(op.domain, 0);
    CHECK_EQ(op.u.getdomaininfo.domain, 0);
    CHECK_EQ(op.u.getdomaininfo.nr_online_vcpus, 1);
    CHECK(op.u.getdomaininfo.flags & XEN_DOMINF_running);
    CHECK_EQ(op.u.getdomaininfo.shared_info_frame, start_info->shared_info >> PAGE_SHIFT);
    CHECK_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, NOBODY), -ESRCH);
    CHECK(domctl_do(XEN_DOMCTL_getdomaininfo, DOMID_IDLE) < 0);
}

TEST("getvcpuinfo")
{
    memset(&op, 0, sizeof(op));
    CHECK_EQ(domctl_do(XEN_DOMCTL_getvcpuinfo, 0), 0);
    CHECK_EQ(op.u.getvcpuinfo.online, 1);
    CHECK_EQ(op.u.getvcpuinfo.blocked, 0);
    CHECK_EQ(op.u.getvcpuinfo.running, 1);
    CHECK_EQ(op.u.getvcpuinfo.cpu, 0);
    CHECK(op.u.getvcpuinfo.cpu_time > 0);
    op.u.getvcpuinfo.vcpu = 5;
    CHECK(domctl_do(XEN_DOMCTL_getvcpuinfo, 0) < 0);
    op.u.getvcpuinfo.vcpu = ~0u;
    CHECK(domctl_do(XEN_DOMCTL_getvcpuinfo, 0) < 0);
    CHECK_EQ(domctl_do(XEN_DOMCTL_getvcpuinfo, NOBODY), -ESRCH);
}

TEST("getvcpuaffinity")
{
    static uint8_t hard[8], soft[8];

    memset(&op, 0, sizeof(op));
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT;
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, hard);
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_soft.bitmap, soft);
    op.u.vcpuaffinity.cpumap_hard.nr_bits = op.u.vcpuaffinity.cpumap_soft.nr_bits = 64;
    CHECK_EQ(domctl_do(XEN_DOMCTL_getvcpuaffinity, 0), 0);
    CHECK_EQ(hard[0] & 1, 1);
    CHECK_EQ(soft[0] & 1, 1);
}

TEST("setvcpuaffinity")
{
    static uint8_t map[8] = {1}, none[8];

    memset(&op, 0, sizeof(op));
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, map);
    op.u.vcpuaffinity.cpumap_hard.nr_bits = 64;
    long err = domctl_do(XEN_DOMCTL_setvcpuaffinity, 0);

    if (err == -ENOSYS || err == -EOPNOTSUPP)
        SKIP("not built");
    CHECK_EQ(err, 0);
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, none);
    CHECK(domctl_do(XEN_DOMCTL_setvcpuaffinity, 0) < 0); /* no CPU left */
}

TEST("address-size")
{
    memset(&op, 0, sizeof(op));
    CHECK_EQ(domctl_do(XEN_DOMCTL_get_address_size, 0), 0);
    CHECK_EQ(op.u.address_size.size, 64);
}

TEST("scheduler-params")
{
    memset(&op, 0, sizeof(op));
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    CHECK_EQ(domctl_do(XEN_DOMCTL_scheduler_op, 0), 0);
    CHECK_EQ(op.u.scheduler_op.u.credit2.weight, 256);
    op.u.scheduler_op.sched_id = 99;
    CHECK(domctl_do(XEN_DOMCTL_scheduler_op, 0) < 0);
}

/* A domain cannot stop, kill or rewrite itself this way. */
TEST("self-refused")
{
    static const uint32_t commands[] = {XEN_DOMCTL_pausedomain, XEN_DOMCTL_destroydomain,
                                        XEN_DOMCTL_setvcpucontext, XEN_DOMCTL_getvcpucontext,
                                        XEN_DOMCTL_resumedomain};

    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        memset(&op, 0, sizeof(op));
        CHECK(domctl_do(commands[i], 0) < 0);
    }
}

TEST("nobody")
{
    static const uint32_t commands[] = {
        XEN_DOMCTL_pausedomain,      XEN_DOMCTL_unpausedomain,   XEN_DOMCTL_destroydomain,
        XEN_DOMCTL_getdomaininfo,    XEN_DOMCTL_max_mem,         XEN_DOMCTL_max_vcpus,
        XEN_DOMCTL_getvcpuaffinity,  XEN_DOMCTL_setvcpuaffinity, XEN_DOMCTL_setvcpucontext,
        XEN_DOMCTL_getvcpucontext,   XEN_DOMCTL_scheduler_op,    XEN_DOMCTL_sendtrigger,
        XEN_DOMCTL_set_address_size, XEN_DOMCTL_settscinfo,      XEN_DOMCTL_getpageframeinfo3,
        XEN_DOMCTL_iomem_permission, XEN_DOMCTL_irq_permission,  XEN_DOMCTL_ioport_permission};

    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        memset(&op, 0, sizeof(op));
        CHECK(domctl_do(commands[i], NOBODY) < 0);
    }
}

static struct xen_domctl create_op(void)
{
    struct xen_domctl create = {0};

    create.u.createdomain.max_vcpus = 1;
    create.u.createdomain.max_evtchn_port = 1023;
    create.u.createdomain.max_grant_frames = -1;
    create.u.createdomain.max_maptrack_frames = -1;
    create.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    return create;
}

/* Made, looked at, given a page and a port, unmade. */
TEST("second-domain")
{
    domid_t domain;
    long port;
    xen_pfn_t page = 5;
    struct xen_memory_reservation take = {.nr_extents = 1};

    op = create_op();
    long err = domctl_do(XEN_DOMCTL_createdomain, 0xffff);

    if (err == -ENOSYS || err == -EOPNOTSUPP)
        SKIP("creating domains is not built");
    REQUIRE_EQ(err, 0);
    domain = op.domain;
    CHECK(domain > 0 && domain < DOMID_FIRST_RESERVED);
    op = create_op();
    CHECK_EQ(domctl_do(XEN_DOMCTL_createdomain, domain), -EEXIST);
    memset(&op, 0, sizeof(op));
    CHECK_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, domain), 0);
    CHECK(op.u.getdomaininfo.flags & XEN_DOMINF_paused);
    CHECK_EQ(op.u.getdomaininfo.tot_pages, 0);
    op.u.max_vcpus.max = 1;
    CHECK_EQ(domctl_do(XEN_DOMCTL_max_vcpus, domain), 0);
    op.u.max_mem.max_memkb = 1024;
    CHECK_EQ(domctl_do(XEN_DOMCTL_max_mem, domain), 0);
    port = event_alloc_unbound(domain, 0);
    CHECK(port > 0);
    long local = event_bind_interdomain(domain, port);

    CHECK(local > 0);
    take.domid = domain;
    set_xen_guest_handle(take.extent_start, &page);
    CHECK_EQ(memory_op(XENMEM_populate_physmap, &take), 1);
    memset(&op, 0, sizeof(op));
    CHECK_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, domain), 0);
    CHECK_EQ(op.u.getdomaininfo.tot_pages, 1);
    CHECK_EQ(event_close(local), 0);
    do
        err = domctl_do(XEN_DOMCTL_destroydomain, domain);
    while (err == -ERESTART);
    CHECK_EQ(err, 0);
    memset(&op, 0, sizeof(op));
    for (unsigned i = 0; i < 1000 && domctl_do(XEN_DOMCTL_getdomaininfo, domain) == 0; i++)
        xen_version(0, NULL);
    CHECK_EQ(domctl_do(XEN_DOMCTL_getdomaininfo, domain), -ESRCH);
}

TEST("createdomain-refused")
{
    op = create_op();
    op.u.createdomain.flags = ~0u;
    CHECK(domctl_do(XEN_DOMCTL_createdomain, 0xffff) < 0);
    op = create_op();
    op.u.createdomain.max_vcpus = 0;
    CHECK(domctl_do(XEN_DOMCTL_createdomain, 0xffff) < 0);
    op = create_op();
    op.u.createdomain.max_vcpus = 100000;
    CHECK(domctl_do(XEN_DOMCTL_createdomain, 0xffff) < 0);
}
