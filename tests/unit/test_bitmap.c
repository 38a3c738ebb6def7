/* SPDX-License-Identifier: MIT */
/* lib/bitmap.c against a plain array of booleans. */
/* SOURCES: lib/bitmap.c */
#include "unit.h"
#include <string.h>
#include <kr/bitmap.h>

#define BITS 200

static void test_single_bits(void **state)
{
    unsigned long map[BITMAP_WORDS(BITS)] = {0};

    for (size_t bit = 0; bit < BITS; bit++) {
        assert_false(bitmap_test(map, bit));
        bitmap_set(map, bit);
        assert_true(bitmap_test(map, bit));
        assert_true(bitmap_test_atomic(map, bit));
        assert_int_equal(bitmap_count(map, BITS), 1);
        assert_true(bitmap_clear_atomic(map, bit));
        assert_false(bitmap_clear_atomic(map, bit));
        assert_false(bitmap_set_atomic(map, bit));
        assert_true(bitmap_set_atomic(map, bit));
        bitmap_clear(map, bit);
        assert_true(bitmap_empty(map, BITS));
    }
}

static void test_find(void **state)
{
    unsigned long map[BITMAP_WORDS(BITS)], inverse[BITMAP_WORDS(BITS)];

    for (size_t at = 0; at < BITS; at++) {
        memset(map, 0, sizeof(map));
        bitmap_set(map, at);
        for (size_t i = 0; i < BITMAP_WORDS(BITS); i++)
            inverse[i] = ~map[i];
        for (size_t count = 0; count <= BITS; count += 11) {
            for (size_t from = 0; from <= count + 1; from++) {
                size_t expected = from <= at && at < count ? at : count;

                assert_int_equal(bitmap_find_set(map, count, from), expected);
                assert_int_equal(bitmap_find_clear(inverse, count, from), expected);
            }
        }
    }
}

static void test_ranges(void **state)
{
    unsigned long map[BITMAP_WORDS(BITS)];
    bool plain[BITS];

    for (size_t first = 0; first < BITS; first += 3) {
        for (size_t count = 0; first + count <= BITS; count += 5) {
            memset(map, 0, sizeof(map));
            memset(plain, 0, sizeof(plain));
            bitmap_set_range(map, first, count);
            memset(plain + first, 1, count);
            for (size_t i = 0; i < BITS; i++)
                assert_int_equal(bitmap_test(map, i), plain[i]);
            assert_int_equal(bitmap_count(map, BITS), count);
            bitmap_clear_range(map, first, count);
            assert_true(bitmap_empty(map, BITS));
        }
    }
    bitmap_set_range(map, 0, BITS);
    assert_true(bitmap_full(map, BITS));
}

static void test_count_ignores_the_tail(void **state)
{
    unsigned long map[2] = {~0UL, ~0UL};

    for (size_t bits = 0; bits <= 128; bits++)
        assert_int_equal(bitmap_count(map, bits), bits);
}

static void test_for_each(void **state)
{
    unsigned long map[3] = {0};
    size_t expected[] = {0, 63, 64, 130}, bit, n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        bitmap_set(map, expected[i]);
    bitmap_set(map, 131);
    bitmap_for_each_set (bit, map, 131) {
        assert_int_equal(bit, expected[n]);
        n++;
    }
    assert_int_equal(n, ARRAY_SIZE(expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_bits), cmocka_unit_test(test_find),
        cmocka_unit_test(test_ranges),      cmocka_unit_test(test_count_ignores_the_tail),
        cmocka_unit_test(test_for_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
