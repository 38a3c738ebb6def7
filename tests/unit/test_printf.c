/* SPDX-License-Identifier: MIT */
/* lib/printf.c against libc's snprintf: every flag, width and precision with every conversion. */
/* SOURCES: lib/printf.c */
#include "unit.h"
#include <limits.h>
#include <stdio.h>
#include <kr/printf.h>
#include <kr/string.h>

/* The formats are made at run time here. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-overflow"
#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-zero-length"

static const char *const flag_sets[] = {"",   "-",  "0",  "#",  "+",  " ",
                                        "-#", "0#", "+0", " -", "-0", "#+0"};
static const char *const counts[] = {"", "1", "5", "12", ".0", ".1", ".4", "9.6", "3.8", "."};

#define SAME(...)                                              \
    do {                                                       \
        char ours[128], theirs[128];                           \
        int a = kr_snprintf(ours, sizeof(ours), __VA_ARGS__);  \
        int b = snprintf(theirs, sizeof(theirs), __VA_ARGS__); \
        assert_string_equal(ours, theirs);                     \
        assert_int_equal(a, b);                                \
    } while (0)

static void test_integers(void **state)
{
    static const long values[] = {0,   1,       -1,      7,        42,      -12345,
                                  255, INT_MAX, INT_MIN, LONG_MAX, LONG_MIN};
    static const char *const lengths[] = {"", "hh", "h", "l", "ll", "z", "t", "j"};
    char fmt[32];

    for (unsigned f = 0; f < ARRAY_SIZE(flag_sets); f++)
        for (unsigned c = 0; c < ARRAY_SIZE(counts); c++)
            for (unsigned l = 0; l < ARRAY_SIZE(lengths); l++)
                for (const char *letter = "diuoxX"; *letter; letter++)
                    for (unsigned v = 0; v < ARRAY_SIZE(values); v++) {
                        snprintf(fmt, sizeof(fmt), "<%%%s%s%s%c>", flag_sets[f], counts[c],
                                 lengths[l], *letter);
                        SAME(fmt, values[v]);
                    }
}

static void test_text(void **state)
{
    static const char *const widths[] = {"", "1", "5", "-5", ".0", ".2", "6.2", "-6.2"};
    char fmt[32];

    for (unsigned w = 0; w < ARRAY_SIZE(widths); w++) {
        snprintf(fmt, sizeof(fmt), "<%%%ss|%%c>", widths[w]);
        SAME(fmt, "abc", 'q');
        SAME(fmt, "", 'q');
    }
    SAME("<%5c|%-5c>", 'a', 'b');
    SAME("plain 100%%");
    SAME("");
    SAME("%s %d %s %lx %c", "a", 1, "b", 0xdeadbeefUL, 'z');
}

static void test_stars(void **state)
{
    SAME("<%*d>", 6, 42);
    SAME("<%*d>", -6, 42);
    SAME("<%.*s>", 2, "abc");
    SAME("<%.*s>", -1, "abc");
    SAME("<%-*.*x>", 9, 4, 0x2a);
}

static void test_precision_needs_no_terminator(void **state)
{
    char raw[3] = {'a', 'b', 'c'}, out[8];

    assert_int_equal(kr_snprintf(out, sizeof(out), "%.3s", raw), 3);
    assert_string_equal(out, "abc");
}

static void test_pointer_and_null(void **state)
{
    char out[40];

    kr_snprintf(out, sizeof(out), "%p %p", (void *)0xffff82d040200000UL, NULL);
    assert_string_equal(out, "0xffff82d040200000 0x0");
    kr_snprintf(out, sizeof(out), "%s", (char *)NULL);
    assert_string_equal(out, "(null)");
}

static void test_cut(void **state)
{
    char out[5];

    memset(out, 'x', sizeof(out));
    assert_int_equal(kr_snprintf(out, 4, "%s", "abcdef"), 6);
    assert_memory_equal(out, "abc\0x", 5);
    assert_int_equal(kr_snprintf(out, 1, "%d", 1234), 4);
    assert_memory_equal(out, "\0bc\0x", 5);
    assert_int_equal(kr_snprintf(NULL, 0, "%d", 1234), 4);
}

static void test_bad_formats(void **state)
{
    char out[16], trailing[] = "a%", unknown[] = "a%yb", half[] = "%-0 5.3l";

    kr_snprintf(out, sizeof(out), trailing);
    assert_string_equal(out, "a");
    kr_snprintf(out, sizeof(out), unknown);
    assert_string_equal(out, "a%yb");
    kr_snprintf(out, sizeof(out), half);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_stars),
        cmocka_unit_test(test_precision_needs_no_terminator),
        cmocka_unit_test(test_pointer_and_null),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_bad_formats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
