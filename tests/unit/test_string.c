/* SPDX-License-Identifier: MIT */
/* lib/string.c against libc, over all small sizes, alignments and overlaps. */
/* SOURCES: lib/string.c */
#include "unit.h"
#include <kr/string.h>

void *kr_memcpy(void *restrict dst, const void *restrict src, size_t size_bytes);
void *kr_memmove(void *dst, const void *src, size_t size_bytes);
void *kr_memset(void *dst, int value, size_t size_bytes);
int kr_memcmp(const void *a, const void *b, size_t size_bytes);
void *kr_memchr(const void *s, int c, size_t size_bytes);
size_t kr_strlen(const char *s);
size_t kr_strnlen(const char *s, size_t max);
int kr_strcmp(const char *a, const char *b);
int kr_strncmp(const char *a, const char *b, size_t max);
char *kr_strchr(const char *s, int c);
char *kr_strrchr(const char *s, int c);
char *kr_strstr(const char *haystack, const char *needle);

#define AREA 160

static void fill(unsigned char *area, unsigned seed)
{
    for (int i = 0; i < AREA; i++)
        area[i] = (unsigned char)(i * 7 + seed);
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void test_memcpy(void **state)
{
    unsigned char src[AREA], ours[AREA], theirs[AREA];

    fill(src, 1);
    for (int to = 0; to < 9; to++) {
        for (int from = 0; from < 9; from++) {
            for (int size = 0; size < 140; size++) {
                fill(ours, 2);
                fill(theirs, 2);
                assert_ptr_equal(kr_memcpy(ours + to, src + from, size), ours + to);
                memcpy(theirs + to, src + from, size);
                assert_memory_equal(ours, theirs, AREA);
            }
        }
    }
}

static void test_memmove_overlaps(void **state)
{
    unsigned char ours[AREA], theirs[AREA];

    for (int to = 0; to < 50; to++) {
        for (int from = 0; from < 50; from++) {
            for (int size = 0; size < 110; size += 3) {
                fill(ours, 3);
                fill(theirs, 3);
                assert_ptr_equal(kr_memmove(ours + to, ours + from, size), ours + to);
                memmove(theirs + to, theirs + from, size);
                assert_memory_equal(ours, theirs, AREA);
            }
        }
    }
}

static void test_memset(void **state)
{
    unsigned char ours[AREA], theirs[AREA];

    for (int to = 0; to < 9; to++) {
        for (int size = 0; size < 140; size++) {
            fill(ours, 4);
            fill(theirs, 4);
            assert_ptr_equal(kr_memset(ours + to, 0x1a5, size), ours + to);
            memset(theirs + to, 0x1a5, size);
            assert_memory_equal(ours, theirs, AREA);
        }
    }
}

static void test_memcmp_memchr(void **state)
{
    unsigned char a[AREA], b[AREA];

    for (int size = 0; size < 40; size++) {
        fill(a, 5);
        fill(b, 5);
        assert_int_equal(kr_memcmp(a, b, size), 0);
        for (int at = 0; at < size; at++) {
            b[at] ^= 0x80;
            assert_int_equal(sign(kr_memcmp(a, b, size)), sign(memcmp(a, b, size)));
            b[at] ^= 0x80;
            assert_ptr_equal(kr_memchr(a, a[at], size), memchr(a, a[at], size));
        }
        assert_null(kr_memchr(a, a[size], size));
    }
}

static void test_strings(void **state)
{
    static const char *const words[] = {"",     "a",     "ab",      "abc", "b",
                                        "\xff", "a\xff", "console", "con"};
    const char *text = "one two two three";

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        assert_int_equal(kr_strlen(words[i]), strlen(words[i]));
        for (unsigned j = 0; j < ARRAY_SIZE(words); j++) {
            assert_int_equal(sign(kr_strcmp(words[i], words[j])), sign(strcmp(words[i], words[j])));
            for (int n = 0; n < 5; n++)
                assert_int_equal(sign(kr_strncmp(words[i], words[j], n)),
                                 sign(strncmp(words[i], words[j], n)));
        }
    }
    assert_int_equal(kr_strnlen("abc", 2), 2);
    assert_int_equal(kr_strnlen("abc", 9), 3);
    assert_ptr_equal(kr_strchr(text, 't'), strchr(text, 't'));
    assert_ptr_equal(kr_strrchr(text, 't'), strrchr(text, 't'));
    assert_ptr_equal(kr_strchr(text, '\0'), text + strlen(text));
    assert_ptr_equal(kr_strrchr(text, '\0'), text + strlen(text));
    assert_null(kr_strchr(text, 'z'));
    assert_null(kr_strrchr(text, 'z'));
    assert_ptr_equal(kr_strstr(text, "two th"), text + 8);
    assert_ptr_equal(kr_strstr(text, ""), text);
    assert_null(kr_strstr(text, "threes"));
}

static void test_strlcpy(void **state)
{
    char buf[5] = "xxxx";

    assert_int_equal(kr_strlcpy(buf, "abc", sizeof(buf)), 3);
    assert_string_equal(buf, "abc");
    assert_int_equal(kr_strlcpy(buf, "abcdef", sizeof(buf)), 6);
    assert_string_equal(buf, "abcd");
    assert_int_equal(kr_strlcpy(buf, "zz", 0), 2);
    assert_string_equal(buf, "abcd");
    assert_int_equal(kr_strlcpy(buf, "zz", 1), 2);
    assert_string_equal(buf, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memcpy),  cmocka_unit_test(test_memmove_overlaps),
        cmocka_unit_test(test_memset),  cmocka_unit_test(test_memcmp_memchr),
        cmocka_unit_test(test_strings), cmocka_unit_test(test_strlcpy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
