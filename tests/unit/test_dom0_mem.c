/* SPDX-License-Identifier: MIT */
/* boot/dom0_mem.c: what the option may say, and what comes of it on machines of several sizes. */
/* SOURCES: boot/dom0_mem.c core/option.c lib/printf.c lib/string.c tests/unit/fake/log.c */
#include "unit.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <kr/dom0_mem.h>
#include <kr/option.h>
#include "fake/log.h"

#define MIB_PAGES 256UL
#define TOTAL     (4096 * MIB_PAGES)
#define FREE      (4000 * MIB_PAGES)

/* Negative errno, or MiB for dom0. */
static long resolve(const char *text, struct dom0_mem_pages *pages, char *why, size_t why_size)
{
    struct dom0_mem mem = {0};
    int rc = *text ? dom0_mem_parse(&mem, text) : 0;

    assert_int_equal(rc, 0);
    rc = dom0_mem_resolve(&mem, TOTAL, FREE, pages, why, why_size);
    return rc ? rc : (long)(pages->now / MIB_PAGES);
}

static void test_amounts(void **state)
{
    static const struct {
        const char *text;
        long mib;     /* or negative errno */
        long max_mib; /* -1: no limit */
    } cases[] = {
        {"", 4000 - 128, -1},
        {"1G", 1024, -1},
        {"1048576", 1024, -1},
        {"512M", 512, -1},
        {"0x200M", 512, -1},
        {"1G,max:1G", 1024, 1024},
        {"1G,max:2G", 1024, 2048},
        {"2G,max:1G", 1024, 1024},
        {"256M,min:512M", 512, -1},
        {"1G,min:512M,max:2G", 1024, 2048},
        {"max:1G", 1024, 1024},
        {"min:3900M", 3900, -1},
        {"max:2G,1G", 1024, 2048},
        {"1G,2G", 2048, -1},
        {"-1G", 4000 - 1024, -1},
        {"-1000M,max:2G", 2048, 2048},
        {"1G,max:-1G", 1024, 4000 - 1024},
        {"25%", 1024, -1},
        {"512M+25%", 1536, -1},
        {"-3000M+25%", 1000 + 1024, -1},
        {"-1M+100%", 4000, -1},
        {"min:10%,max:50%", 2048, 2048},
        {"4000M", 4000, -1},
        {"4001M", -ENOMEM, 0},
        {"8G", -ENOMEM, 0},
        {"8G,max:1G", 1024, 1024},
        {"100%", -ENOMEM, 0},
        {"1G,min:8G", -ENOMEM, 0},
        {"16777215T", -ENOMEM, 0},
        {"16777215T+100%", -ENOMEM, 0},
        {"0", -EINVAL, 0},
        {"1b", -EINVAL, 0},
        {"1G,max:0", -EINVAL, 0},
        {"-8G", -EINVAL, 0},
        {"-8G,min:100M", 100, -1},
        {"1G,min:2G,max:1G", -EINVAL, 0},
        {"0%", -EINVAL, 0},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct dom0_mem_pages pages = {1, 2};
        char why[160] = "";
        long mib = resolve(cases[i].text, &pages, why, sizeof(why));

        if (mib != cases[i].mib)
            fail_msg("`%s` gives %ld, not %ld (%s)", cases[i].text, mib, cases[i].mib, why);
        if (mib < 0) {
            assert_true(*why);
            assert_int_equal(pages.now, 1);
        } else {
            assert_int_equal(pages.max, cases[i].max_mib < 0
                                            ? UINT64_MAX
                                            : (uint64_t)cases[i].max_mib * MIB_PAGES);
        }
    }
}

static void test_reasons(void **state)
{
    struct dom0_mem_pages pages;
    char why[160];

    resolve("8G", &pages, why, sizeof(why));
    assert_string_equal(why, "dom0_mem asks for 8192 MiB, but only 4000 MiB are free of 4096 MiB");
    resolve("-8G", &pages, why, sizeof(why));
    assert_string_equal(why, "dom0_mem leaves nothing for dom0: 4000 MiB are free of 4096 MiB");
    resolve("1G,min:2G,max:1G", &pages, why, sizeof(why));
    assert_string_equal(why, "dom0_mem: min (2048 MiB) is above max (1024 MiB)");
}

static void test_small_machine(void **state)
{
    struct dom0_mem none = {0};
    struct dom0_mem_pages pages;
    char why[160];

    assert_int_equal(dom0_mem_resolve(&none, 1024, 160, &pages, why, sizeof(why)), 0);
    assert_int_equal(pages.now, 150);
    assert_int_equal(dom0_mem_resolve(&none, 1024, 0, &pages, why, sizeof(why)), -EINVAL);
}

static void test_malformed(void **state)
{
    static const char *const texts[] = {"",
                                        "G",
                                        "x",
                                        "-",
                                        "--1G",
                                        "+1G",
                                        "1G,",
                                        ",1G",
                                        "1G,,2G",
                                        "1G;2G",
                                        "min:",
                                        "min",
                                        "max:,1G",
                                        "min:1G,max:x",
                                        "min=1G",
                                        "1Gx",
                                        "1G+",
                                        "1G+5",
                                        "1G+%",
                                        "101%",
                                        "1G+101%",
                                        "-5%",
                                        "1G 2G",
                                        "99999999999T",
                                        "18446744073709551616",
                                        "mid:1G",
                                        "max:max:1G",
                                        "1G+5%+5%"};

    for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
        struct dom0_mem mem, before;

        memset(&mem, 0x5a, sizeof(mem));
        memcpy(&before, &mem, sizeof(mem));
        if (!dom0_mem_parse(&mem, texts[i]))
            fail_msg("`%s` was accepted", texts[i]);
        assert_memory_equal(&mem, &before, sizeof(mem));
    }
}

static void test_option(void **state)
{
    fake_log_reset();
    option_parse_line("dom0_mem=1G,max:2G");
    assert_true(dom0_mem_requested()->size.is_given);
    assert_int_equal(dom0_mem_requested()->max.bytes, 2 * GIB);
    assert_string_equal(fake_log, "");
    option_parse_line("dom0_mem=lots");
    assert_string_equal(fake_log, "option `dom0_mem=lots`: expected dom0_mem=<size>[,min:<size>]"
                                  "[,max:<size>]; ignored\n");
    assert_int_equal(dom0_mem_requested()->max.bytes, 2 * GIB);
}

static void test_garbage(void **state)
{
    static const char alphabet[] = "0123456789minax:,-+%GMKT x";
    char text[40], why[100];

    srandom(815);
    for (int round = 0; round < 200000; round++) {
        struct dom0_mem mem = {0};
        struct dom0_mem_pages pages;
        size_t length = random() % (sizeof(text) - 1);

        for (size_t i = 0; i < length; i++)
            text[i] = alphabet[random() % (sizeof(alphabet) - 1)];
        text[length] = '\0';
        if (!dom0_mem_parse(&mem, text) &&
            !dom0_mem_resolve(&mem, TOTAL, FREE, &pages, why, sizeof(why))) {
            assert_in_range(pages.now, 1, FREE);
            assert_true(pages.now <= pages.max);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_amounts),       cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_small_machine), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_option),        cmocka_unit_test(test_garbage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
