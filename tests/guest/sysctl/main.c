/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_sysctl: what Debian's tools ask of the host, and interface_version. */
#include "guest.h"
#include <xen/memory.h>
#include <xen/sysctl.h>

static struct xen_sysctl op;

static long sysctl_do(uint32_t cmd)
{
    op.cmd = cmd;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return sysctl(&op);
}

TEST("interface-version")
{
    CHECK_EQ(XEN_SYSCTL_INTERFACE_VERSION, 0x15);
    memset(&op, 0, sizeof(op));
    op.cmd = XEN_SYSCTL_physinfo;
    for (uint32_t version = 0x13; version < 0x18; version++) {
        op.interface_version = version;
        CHECK_EQ(sysctl(&op), version == 0x15 ? 0 : -EACCES);
    }
    CHECK_EQ(sysctl(0x1000), -EFAULT);
    CHECK(sysctl_do(999) < 0);
}

TEST("physinfo")
{
    const struct xen_sysctl_physinfo *info = &op.u.physinfo;

    memset(&op, 0, sizeof(op));
    REQUIRE_EQ(sysctl_do(XEN_SYSCTL_physinfo), 0);
    CHECK_EQ(info->nr_cpus, 1);
    CHECK_EQ(info->nr_nodes, 1);
    CHECK(info->max_node_id < 64);
    CHECK(info->threads_per_core >= 1 && info->cores_per_socket >= 1);
    CHECK(info->cpu_khz > 100000 && info->cpu_khz < 20000000);
    CHECK(info->total_pages > 500 * MIB / PAGE_SIZE && info->total_pages <= 512 * MIB / PAGE_SIZE);
    CHECK(info->free_pages > 100 * MIB / PAGE_SIZE);
    CHECK(info->free_pages < 384 * MIB / PAGE_SIZE);
    CHECK_EQ(info->outstanding_pages, 0);
    CHECK(info->capabilities & XEN_SYSCTL_PHYSCAP_pv);
    CHECK(info->capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v1);
    CHECK(info->max_mfn >= 512 * MIB / PAGE_SIZE - 1024);
}

/* Free memory follows what this domain takes. */
TEST("physinfo-free-pages")
{
    xen_pfn_t mfn = start_info->nr_pages + 0x2000;
    struct xen_memory_reservation take = {.nr_extents = 1, .extent_order = 9, .domid = DOMID_SELF};
    uint64_t before, during;

    set_xen_guest_handle(take.extent_start, &mfn);
    REQUIRE_EQ(sysctl_do(XEN_SYSCTL_physinfo), 0);
    before = op.u.physinfo.free_pages;
    REQUIRE_EQ(memory_op(XENMEM_populate_physmap, &take), 1);
    REQUIRE_EQ(sysctl_do(XEN_SYSCTL_physinfo), 0);
    during = op.u.physinfo.free_pages;
    CHECK(before - during >= 512 && before - during < 600);
    REQUIRE_EQ(memory_op(XENMEM_decrease_reservation, &take), 1);
    REQUIRE_EQ(sysctl_do(XEN_SYSCTL_physinfo), 0);
    CHECK(before - op.u.physinfo.free_pages < 64);
}

static struct xen_domctl_getdomaininfo domains[4];

static long list_domains(domid_t first, unsigned max)
{
    memset(&op, 0, sizeof(op));
    memset(domains, 0xee, sizeof(domains));
    op.u.getdomaininfolist.first_domain = first;
    op.u.getdomaininfolist.max_domains = max;
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, domains);
    return sysctl_do(XEN_SYSCTL_getdomaininfolist);
}

TEST("getdomaininfolist")
{
    REQUIRE_EQ(list_domains(0, 4), 0);
    REQUIRE_EQ(op.u.getdomaininfolist.num_domains, 1);
    CHECK_EQ(domains[0].domain, 0);
    CHECK_EQ(domains[0].flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown | XEN_DOMINF_hvm_guest), 0);
    CHECK(domains[0].flags & XEN_DOMINF_running);
    CHECK(domains[0].tot_pages >= start_info->nr_pages);
    CHECK_EQ(domains[0].nr_online_vcpus, 1);
    CHECK_EQ(domains[0].max_vcpu_id, 0);
    CHECK(domains[0].cpu_time > 0);
    CHECK_EQ(domains[0].cpupool, 0);
    CHECK_EQ(list_domains(1, 4), 0);
    CHECK_EQ(op.u.getdomaininfolist.num_domains, 0);
    CHECK_EQ(list_domains(0, 0), 0);
    CHECK_EQ(op.u.getdomaininfolist.num_domains, 0);
    list_domains(0, 4);
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, (void *)0x1000);
    op.u.getdomaininfolist.max_domains = 4;
    CHECK_EQ(sysctl_do(XEN_SYSCTL_getdomaininfolist), -EFAULT);
}

TEST("sched-id")
{
    memset(&op, 0, sizeof(op));
    CHECK_EQ(sysctl_do(XEN_SYSCTL_sched_id), 0);
    CHECK_EQ(op.u.sched_id.sched_id, 6); /* credit2 */
}

TEST("cputopoinfo")
{
    static struct xen_sysctl_cputopo cpus[4];

    memset(&op, 0, sizeof(op));
    CHECK_EQ(sysctl_do(XEN_SYSCTL_cputopoinfo), 0);
    CHECK_EQ(op.u.cputopoinfo.num_cpus, 1);
    set_xen_guest_handle(op.u.cputopoinfo.cputopo, cpus);
    op.u.cputopoinfo.num_cpus = ARRAY_SIZE(cpus);
    memset(cpus, 0xee, sizeof(cpus));
    CHECK_EQ(sysctl_do(XEN_SYSCTL_cputopoinfo), 0);
    CHECK_EQ(op.u.cputopoinfo.num_cpus, 1);
    CHECK(cpus[0].core == 0 || cpus[0].core == XEN_INVALID_CORE_ID); /* Xen does not know on QEMU */
    CHECK(cpus[0].socket == 0 || cpus[0].socket == XEN_INVALID_SOCKET_ID);
    CHECK_EQ(cpus[0].node, 0);
    CHECK_EQ(cpus[1].core, 0xeeeeeeee);
}

TEST("numainfo")
{
    static struct xen_sysctl_meminfo nodes[4];
    static uint32_t distance[16];

    memset(&op, 0, sizeof(op));
    CHECK_EQ(sysctl_do(XEN_SYSCTL_numainfo), 0);
    CHECK_EQ(op.u.numainfo.num_nodes, 1);
    set_xen_guest_handle(op.u.numainfo.meminfo, nodes);
    set_xen_guest_handle(op.u.numainfo.distance, distance);
    op.u.numainfo.num_nodes = ARRAY_SIZE(nodes);
    CHECK_EQ(sysctl_do(XEN_SYSCTL_numainfo), 0);
    CHECK_EQ(op.u.numainfo.num_nodes, 1);
    CHECK(nodes[0].memsize >= 500 * MIB);
    CHECK(nodes[0].memfree > 100 * MIB);
}

static long cpupool(uint32_t sub, uint32_t pool)
{
    static uint8_t map[8];

    memset(&op, 0, sizeof(op));
    memset(map, 0, sizeof(map));
    op.u.cpupool_op.op = sub;
    op.u.cpupool_op.cpupool_id = pool;
    set_xen_guest_handle(op.u.cpupool_op.cpumap.bitmap, map);
    op.u.cpupool_op.cpumap.nr_bits = 64;
    return sysctl_do(XEN_SYSCTL_cpupool_op);
}

TEST("cpupool-info")
{
    CHECK_EQ(cpupool(XEN_SYSCTL_CPUPOOL_OP_INFO, 0), 0);
    CHECK_EQ(op.u.cpupool_op.cpupool_id, 0);
    CHECK_EQ(op.u.cpupool_op.sched_id, 6);
    CHECK_EQ(op.u.cpupool_op.n_dom, 1);
    CHECK_EQ(op.u.cpupool_op.cpumap.bitmap.p[0], 1);
    CHECK_EQ(cpupool(XEN_SYSCTL_CPUPOOL_OP_INFO, 1), -ENOENT);
    CHECK_EQ(cpupool(XEN_SYSCTL_CPUPOOL_OP_FREEINFO, 0), 0);
    CHECK_EQ(op.u.cpupool_op.cpumap.bitmap.p[0], 0);
    CHECK(cpupool(99, 0) < 0);
}

TEST("readconsole")
{
    static char text[65536];

    memset(&op, 0, sizeof(op));
    set_xen_guest_handle(op.u.readconsole.buffer, text);
    op.u.readconsole.count = sizeof(text) - 1;
    CHECK_EQ(sysctl_do(XEN_SYSCTL_readconsole), 0);
    CHECK(op.u.readconsole.count > 100);
    text[op.u.readconsole.count < sizeof(text) ? op.u.readconsole.count : 0] = 0;
    CHECK(strstr(text, "Command line: ") != NULL);
    set_xen_guest_handle(op.u.readconsole.buffer, (char *)0x1000);
    op.u.readconsole.count = 100;
    op.u.readconsole.index = 0;
    CHECK_EQ(sysctl_do(XEN_SYSCTL_readconsole), -EFAULT);
}

TEST("debug-keys")
{
    static char key[] = "h";

    memset(&op, 0, sizeof(op));
    set_xen_guest_handle(op.u.debug_keys.keys, key);
    op.u.debug_keys.nr_keys = 1;
    CHECK_EQ(sysctl_do(XEN_SYSCTL_debug_keys), 0);
    set_xen_guest_handle(op.u.debug_keys.keys, (char *)0x1000);
    CHECK_EQ(sysctl_do(XEN_SYSCTL_debug_keys), -EFAULT);
}

TEST("availheap")
{
    memset(&op, 0, sizeof(op));
    op.u.availheap.node = -1;
    CHECK_EQ(sysctl_do(XEN_SYSCTL_availheap), 0);
    CHECK(op.u.availheap.avail_bytes > 100 * MIB);
}

TEST("cpu-featureset")
{
    static uint32_t bits[64];

    memset(&op, 0, sizeof(op));
    CHECK_EQ(sysctl_do(XEN_SYSCTL_get_cpu_featureset), 0);
    uint32_t count = op.u.cpu_featureset.nr_features;

    CHECK(count >= 10 && count <= ARRAY_SIZE(bits));
    for (unsigned index = 0; index < 4; index++) {
        memset(&op, 0, sizeof(op));
        op.u.cpu_featureset.index = index;
        op.u.cpu_featureset.nr_features = ARRAY_SIZE(bits);
        set_xen_guest_handle(op.u.cpu_featureset.features, bits);
        CHECK_EQ(sysctl_do(XEN_SYSCTL_get_cpu_featureset), 0);
        CHECK_EQ(op.u.cpu_featureset.nr_features, count);
        if (index < 3)
            CHECK(bits[0] & 1); /* FPU */
    }
    op.u.cpu_featureset.index = 99;
    CHECK(sysctl_do(XEN_SYSCTL_get_cpu_featureset) < 0);
}

TEST("cpu-policy")
{
    static xen_cpuid_leaf_t leaves[256];
    static xen_msr_entry_t msrs[16];

    memset(&op, 0, sizeof(op));
    CHECK_EQ(sysctl_do(XEN_SYSCTL_get_cpu_policy), 0);
    CHECK(op.u.cpu_policy.nr_leaves > 10 && op.u.cpu_policy.nr_leaves < ARRAY_SIZE(leaves));
    CHECK(op.u.cpu_policy.nr_msrs < ARRAY_SIZE(msrs));
    memset(&op, 0, sizeof(op));
    op.u.cpu_policy.index = XEN_SYSCTL_cpu_policy_pv_default;
    op.u.cpu_policy.nr_leaves = ARRAY_SIZE(leaves);
    op.u.cpu_policy.nr_msrs = ARRAY_SIZE(msrs);
    set_xen_guest_handle(op.u.cpu_policy.leaves, leaves);
    set_xen_guest_handle(op.u.cpu_policy.msrs, msrs);
    CHECK_EQ(sysctl_do(XEN_SYSCTL_get_cpu_policy), 0);
    CHECK_EQ(leaves[0].leaf, 0);
    CHECK(leaves[0].a >= 7);
    op.u.cpu_policy.nr_leaves = 1;
    CHECK(sysctl_do(XEN_SYSCTL_get_cpu_policy) < 0);
}
