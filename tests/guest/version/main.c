/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_xen_version, every sub-operation (xen/version.h), and features (xen/features.h).
   Also the smallest kernel to come up by the other way in. */
/* RUN: */
/* RUN: name=pvh loader=pvh reference=no */
#include "guest.h"
#include <xen/version.h>
#include <xen/features.h>

#define BAD_POINTER ((void *)0x1000)

TEST("version")
{
    CHECK_EQ(xen_version(XENVER_version, NULL), 4 << 16 | 17);
    CHECK_EQ(xen_version(XENVER_version, BAD_POINTER), 4 << 16 | 17);
}

TEST("extraversion")
{
    xen_extraversion_t text;

    memset(text, 0xff, sizeof(text));
    CHECK_EQ(xen_version(XENVER_extraversion, text), 0);
    CHECK(strnlen(text, sizeof(text)) < sizeof(text));
    CHECK_EQ(xen_version(XENVER_extraversion, BAD_POINTER), -EFAULT);
}

TEST("compile-info")
{
    struct xen_compile_info info;

    memset(&info, 0xff, sizeof(info));
    CHECK_EQ(xen_version(XENVER_compile_info, &info), 0);
    CHECK(strnlen(info.compiler, sizeof(info.compiler)) < sizeof(info.compiler));
    CHECK(strnlen(info.compile_by, sizeof(info.compile_by)) < sizeof(info.compile_by));
    CHECK(strnlen(info.compile_domain, sizeof(info.compile_domain)) < sizeof(info.compile_domain));
    CHECK(strnlen(info.compile_date, sizeof(info.compile_date)) < sizeof(info.compile_date));
    CHECK_EQ(xen_version(XENVER_compile_info, BAD_POINTER), -EFAULT);
}

TEST("capabilities")
{
    static xen_capabilities_info_t text;

    memset(text, 0xff, sizeof(text));
    CHECK_EQ(xen_version(XENVER_capabilities, text), 0);
    REQUIRE(strnlen(text, sizeof(text)) < sizeof(text));
    CHECK(strstr(text, "xen-3.0-x86_64 ") != NULL);
    CHECK_EQ(xen_version(XENVER_capabilities, BAD_POINTER), -EFAULT);
}

TEST("changeset")
{
    xen_changeset_info_t text;

    memset(text, 0xff, sizeof(text));
    CHECK_EQ(xen_version(XENVER_changeset, text), 0);
    CHECK(strnlen(text, sizeof(text)) < sizeof(text));
}

TEST("platform-parameters")
{
    struct xen_platform_parameters params = {0};

    CHECK_EQ(xen_version(XENVER_platform_parameters, &params), 0);
    CHECK_EQ(params.virt_start, HYPERVISOR_VIRT_START);
    CHECK_EQ(xen_version(XENVER_platform_parameters, BAD_POINTER), -EFAULT);
}

TEST("features")
{
    struct xen_feature_info info = {.submap_idx = 0, .submap = 0xffffffff};
    uint32_t must_be_set = BIT(XENFEAT_mmu_pt_update_preserve_ad) | BIT(XENFEAT_highmem_assist) |
                           BIT(XENFEAT_gnttab_map_avail_bits) | BIT(XENFEAT_dom0) |
                           BIT(XENFEAT_memory_op_vnode_supported);
    uint32_t must_be_clear =
        BIT(XENFEAT_writable_page_tables) | BIT(XENFEAT_writable_descriptor_tables) |
        BIT(XENFEAT_auto_translated_physmap) | BIT(XENFEAT_supervisor_mode_kernel) |
        BIT(XENFEAT_hvm_callback_vector) | BIT(XENFEAT_hvm_safe_pvclock) | BIT(XENFEAT_hvm_pirqs);

    CHECK_EQ(xen_version(XENVER_get_features, &info), 0);
    CHECK_EQ(info.submap & must_be_set, must_be_set);
    CHECK_EQ(info.submap & must_be_clear, 0);
    CHECK_EQ(info.submap_idx, 0);
    CHECK_EQ(xen_version(XENVER_get_features, BAD_POINTER), -EFAULT);
}

TEST("features-past-the-end")
{
    struct xen_feature_info info = {.submap_idx = 7, .submap = 0};

    CHECK_EQ(xen_version(XENVER_get_features, &info), -EINVAL);
}

TEST("pagesize")
{
    CHECK_EQ(xen_version(XENVER_pagesize, NULL), 4096);
}

TEST("guest-handle")
{
    xen_domain_handle_t handle;
    xen_domain_handle_t zero = {0};

    memset(handle, 0xff, sizeof(handle));
    CHECK_EQ(xen_version(XENVER_guest_handle, handle), 0);
    CHECK(memcmp(handle, zero, sizeof(handle)) == 0);
}

TEST("commandline")
{
    static xen_commandline_t text;

    memset(text, 0xff, sizeof(text));
    CHECK_EQ(xen_version(XENVER_commandline, text), 0);
    REQUIRE(strnlen(text, sizeof(text)) < sizeof(text));
    CHECK(strstr(text, "dom0_mem=128M") != NULL);
}

/* An image without a build id answers -ENODATA; one with answers the length, written or not. */
TEST("build-id")
{
    static struct {
        struct xen_build_id id;
        unsigned char bytes[64];
    } buffer = {.id.len = 64};
    struct xen_build_id too_small = {.len = 1};
    long length = xen_version(XENVER_build_id, NULL);

    CHECK(length > 0 || length == -ENODATA);
    CHECK_EQ(xen_version(XENVER_build_id, &buffer), length);
    if (length > 1)
        CHECK_EQ(xen_version(XENVER_build_id, &too_small), -ENOBUFS);
}

TEST("bad-command")
{
    char buffer[64];

    CHECK_EQ(xen_version(11, buffer), -ENOSYS);
    CHECK_EQ(xen_version(0x7fffffff, buffer), -ENOSYS);
}
