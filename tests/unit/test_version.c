/* SPDX-License-Identifier: MIT */
/* xen_version where the image has no build id, which only an unusual link has. */
#include "unit.h"

#include <string.h>

#include <kr/arch.h>
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/errno.h>
#include <kr/hypercall.h>
#include <kr/version.h>

#include <xen/version.h>

/* SOURCES: core/version.c lib/string.c lib/printf.c tests/unit/fake/log.c tests/unit/fake/lock.c */

_Thread_local struct cpu fake_cpu;

bool hypercall_caller_is(enum hypercall_caller callers)
{
    return true;
}

int arch_guest_read(void *dst, uint64_t guest_addr, size_t size_bytes)
{
    memcpy(dst, (const void *)guest_addr, size_bytes);
    return 0;
}

int arch_guest_write(uint64_t guest_addr, const void *src, size_t size_bytes)
{
    memcpy((void *)guest_addr, src, size_bytes);
    return 0;
}

const char *arch_guest_kinds(void)
{
    return "";
}

uint64_t arch_guest_hole_start(const struct domain *d)
{
    return 0;
}

uint32_t arch_features(const struct domain *d)
{
    return 0;
}

static void test_no_build_id(void **state)
{
    struct hypercall_args args = {{XENVER_build_id}};
    struct xen_build_id id = {.len = 0};
    uint32_t size;

    assert_null(version_build_id(&size));
    assert_int_equal(do_xen_version(&args), -ENODATA);
    args.arg[1] = (uint64_t)&id;
    assert_int_equal(do_xen_version(&args), -ENODATA);
}

static void test_version(void **state)
{
    struct hypercall_args args = {{XENVER_version}};

    assert_int_equal(do_xen_version(&args), VERSION_MAJOR << 16 | VERSION_MINOR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_build_id),
        cmocka_unit_test(test_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
