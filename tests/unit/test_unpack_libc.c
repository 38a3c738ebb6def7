/* SPDX-License-Identifier: MIT */
/* boot/unpack_libc.c: the allocator that the compression libraries get. Built in under other names.
 */
/* SOURCES: lib/printf.c lib/string.c tests/unit/fake/log.c */
#include "unit.h"
#include <string.h>
#include "fake/log.h"

#define malloc           arena_malloc
#define calloc           arena_calloc
#define free             arena_free
#define __stack_chk_fail arena_stack_chk_fail
#include "../../boot/unpack_libc.c"

static uint8_t area[4096] __aligned(64);

static void test_alignment_and_limits(void **state)
{
    uint8_t *a, *b;

    unpack_arena_set(area + 1, sizeof(area) - 1);
    a = malloc(1);
    b = malloc(17);
    assert_ptr_equal(a, area + 16);
    assert_ptr_equal(b, area + 32);
    assert_ptr_equal(malloc(0), area + 64);
    assert_null(malloc(SIZE_MAX));
    assert_null(malloc(SIZE_MAX - 14));
    assert_null(malloc(sizeof(area) - 79));
    assert_ptr_equal(malloc(sizeof(area) - 80), area + 80);
    assert_null(malloc(1));
    unpack_arena_set(area, 0);
    assert_null(malloc(1));
    unpack_arena_set(area + 1, 3);
    assert_null(malloc(1));
}

static void test_zeroed(void **state)
{
    uint8_t *p;

    memset(area, 0xee, sizeof(area));
    unpack_arena_set(area, sizeof(area));
    assert_null(calloc(1UL << 33, 1UL << 33));
    p = calloc(10, 10);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    assert_int_equal(p[112], 0xee);
    assert_null(calloc(4096, 1));
}

/* The last block comes back, others stay until the arena is set again. */
static void test_give_back(void **state)
{
    uint8_t *a, *b;

    unpack_arena_set(area, sizeof(area));
    a = malloc(100);
    b = malloc(100);
    free(NULL);
    free(a);
    assert_ptr_equal(malloc(1), b + 112);
    unpack_arena_set(area, sizeof(area));
    a = malloc(100);
    b = malloc(200);
    free(b);
    assert_ptr_equal(malloc(300), b);
    unpack_arena_set(area, sizeof(area));
    assert_ptr_equal(malloc(1), a);
}

static void test_stack_overrun(void **state)
{
    expect_assert_failure(__stack_chk_fail());
    assert_int_equal(ZSTD_trace_decompress_begin(NULL), 0);
    ZSTD_trace_decompress_end(0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment_and_limits),
        cmocka_unit_test(test_zeroed),
        cmocka_unit_test(test_give_back),
        cmocka_unit_test(test_stack_overrun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
