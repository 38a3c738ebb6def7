/* SPDX-License-Identifier: MIT */
/* Frames before the frame table: cuts, reservations, and the handover to the allocator. */
/* SOURCES: core/page.c core/page_early.c */
/* SOURCES: tests/unit/fake/memory.c tests/unit/fake/lock.c tests/unit/fake/log.c */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "fake/log.h"
#include "fake/memory.h"

#define END 0x20000UL

static const struct page_range pc[] = {{0x100, 0x7e00}, {0, 0x9f}, {0x10000, 0x10000}};

static int start(void **state)
{
    fake_log_reset();
    memory_fake_start(END);
    page_early_init(pc, ARRAY_SIZE(pc), END);
    return 0;
}

static int stop(void **state)
{
    assert_int_equal(fake_locks_held, 0);
    memory_fake_stop();
    return 0;
}

static void test_alloc(void **state)
{
    assert_int_equal(page_early_free_count(), 0x9f + 0x7e00 + 0x10000);
    assert_int_equal(page_early_alloc(1, 1), END - 1);
    assert_int_equal(page_early_alloc(3, 1), END - 4);
    assert_int_equal(page_early_alloc(2, 0x200), END - 0x200);
    assert_int_equal(page_early_alloc(0x1fc - 2, 1), END - 4 - (0x1fc - 2));
    /* Larger than what is left of the highest range: the next one. */
    assert_int_equal(page_early_alloc(0x7000, 1), 0x18e00);
    assert_int_equal(page_early_alloc(0x8e01, 1), MFN_INVALID);
    assert_int_equal(page_early_alloc(0x8e00, 1), 0x10000);
    assert_int_equal(page_early_alloc(0x7e00, 1), 0x100);
    assert_int_equal(page_early_alloc(0, 1), MFN_INVALID);
    assert_int_equal(page_early_free_count(), 0x9f);
}

static void test_limit(void **state)
{
    page_early_set_limit(0x8000);
    assert_int_equal(page_early_alloc(1, 1), 0x7eff);
    page_early_set_limit(0x400);
    assert_int_equal(page_early_alloc(0x10, 0x10), 0x3f0);
    page_early_set_limit(0);
    assert_int_equal(page_early_alloc(1, 1), MFN_INVALID);
    page_early_set_limit(END);
    assert_int_equal(page_early_alloc(1, 1), END - 1);
}

static void test_reserve(void **state)
{
    struct page_range range;

    page_early_reserve(0x1ff00, 0x1000); /* sticks out at the end */
    page_early_reserve(0x100, 0x300);    /* at the start */
    page_early_reserve(0x4000, 1);       /* inside */
    page_early_reserve(0x3fff, 3);       /* around that */
    page_early_reserve(0x90, 0x80);      /* over a hole */
    page_early_reserve(0x8000, 0x100);   /* nothing there */
    page_early_reserve(0x5000, 0);
    page_early_reserve(END, ~0UL); /* overflows */
    assert_int_equal(page_early_free_count(), 0x90 + (0x7e00 - 0x300 - 3) + 0xff00);
    assert_int_equal(page_early_alloc(1, 1), 0x1feff);

    assert_true(page_early_range(0, &range));
    assert_int_equal(range.first, 0);
    assert_int_equal(range.count, 0x9f);
    assert_true(page_early_range(1, &range));
    assert_int_equal(range.first, 0x100);
    assert_int_equal(range.count, 0x7e00);
    assert_true(page_early_range(2, &range));
    assert_int_equal(range.count, 0x10000);
    assert_false(page_early_range(3, &range));
}

static void test_overlapping_input(void **state)
{
    static const struct page_range mess[] = {
        {0x10, 0x10}, {0x18, 0x10}, {0x40, 8}, {0x30, 0x40},      {0x12, 2}, {0x20, 0x10},
        {0x80, 0},    {0x90, 1},    {~0UL, 5}, {0x91, ~0UL - 10}, {0x5, 1}};
    struct page_range range;

    page_early_init(mess, ARRAY_SIZE(mess), 0x100);
    assert_int_equal(page_early_free_count(), 1 + 0x60 + (PAGE_NONE - 0x90UL));
    assert_true(page_early_range(0, &range));
    assert_int_equal(range.first, 5);
    assert_true(page_early_range(1, &range));
    assert_int_equal(range.first, 0x10);
    assert_int_equal(range.count, 0x60);
    assert_true(page_early_range(2, &range));
    assert_int_equal(range.first, 0x90);
    assert_false(page_early_range(3, &range));
    assert_int_equal(page_early_alloc(1, 1), 0xff);
}

static void test_too_many_pieces(void **state)
{
    for (unsigned i = 0; i < 120; i++)
        page_early_reserve(0x10000 + i * 2, 1);
    expect_assert_failure(for (unsigned i = 120; i < 300; i++)
                              page_early_reserve(0x10000 + i * 2, 1));
    assert_non_null(strstr(fake_log, "too many pieces"));
}

static void test_finish(void **state)
{
    page_early_reserve(0x100, 0x300);
    mfn_t mine = page_early_alloc(5, 4);
    page_early_finish();
    assert_int_equal(page_total_count(), 0x9f + 0x7e00 + 0x10000);
    assert_int_equal(page_free_count(), 0x9f + 0x7e00 + 0x10000 - 0x300 - 5);
    assert_int_equal(page_state(page_of(0x100)), PAGE_HV);
    assert_int_equal(page_state(page_of(0x400)), PAGE_FREE);
    assert_int_equal(page_state(page_of(0x9f)), PAGE_DEVICE);
    assert_int_equal(page_state(page_of(mine + 4)), PAGE_HV);
    page_free_range(mine, 5);
    page_free_range(0x100, 0x300);
    assert_int_equal(page_free_count(), page_total_count());
    /* All of it is one again: the largest blocks can be had. */
    assert_int_equal(page_alloc(16, 0), 0x10000);
    assert_int_equal(page_alloc(13, 0), 0x4000);
    assert_int_equal(page_alloc(13, 0), 0x2000);
}

/* Whatever is cut: pieces never overlap, lie in RAM below the limit, and the sum stays. */
static void test_random(void **state)
{
    static uint8_t used[END];

    srand(3);
    for (unsigned round = 0; round < 50; round++) {
        uint64_t left = 0x9f + 0x7e00 + 0x10000;

        memset(used, 1, sizeof(used));
        for (unsigned i = 0; i < ARRAY_SIZE(pc); i++)
            memset(used + pc[i].first, 0, pc[i].count);
        page_early_init(pc, ARRAY_SIZE(pc), END);
        for (unsigned step = 0; step < 40; step++) {
            uint64_t count = 1 + rand() % 2000, align = 1UL << rand() % 12;
            mfn_t limit = rand() % (END + 100);

            page_early_set_limit(limit);
            if (rand() % 4 == 0) {
                mfn_t first = rand() % END;
                page_early_reserve(first, count);
                for (mfn_t m = first; m < MIN(first + count, END); m++) {
                    left -= !used[m];
                    used[m] = 1;
                }
            } else {
                mfn_t first = page_early_alloc(count, align);
                if (first == MFN_INVALID)
                    continue;
                assert_int_equal(first % align, 0);
                assert_true(first + count <= limit);
                for (mfn_t m = first; m < first + count; m++) {
                    assert_int_equal(used[m], 0);
                    used[m] = 1;
                }
                left -= count;
            }
            assert_int_equal(page_early_free_count(), left);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_alloc, start, stop),
        cmocka_unit_test_setup_teardown(test_limit, start, stop),
        cmocka_unit_test_setup_teardown(test_reserve, start, stop),
        cmocka_unit_test_setup_teardown(test_overlapping_input, start, stop),
        cmocka_unit_test_setup_teardown(test_too_many_pieces, start, stop),
        cmocka_unit_test_setup_teardown(test_finish, start, stop),
        cmocka_unit_test_setup_teardown(test_random, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
