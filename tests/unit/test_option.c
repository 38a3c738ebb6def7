/* SPDX-License-Identifier: MIT */
/* core/option.c: every kind of option, right and wrong, and words that are no options at all. */
/* SOURCES: core/option.c lib/string.c tests/unit/fake/log.c */
#include "unit.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <kr/option.h>
#include "fake/log.h"

static bool noreboot, watchdog;
static unsigned cpus;
static uint8_t tiny;
static uint64_t ring;
static char console[16];
static char custom[32];

static int parse_custom(const char *value)
{
    if (!strcmp(value, "bad"))
        return -EINVAL;
    strncpy(custom, value, sizeof(custom) - 1);
    return 0;
}

OPTION_BOOL("noreboot", noreboot, "stop after a crash");
OPTION_BOOL("watchdog", watchdog, "watch the CPUs");
OPTION_UINT("maxcpus", cpus, 1, 64, "CPUs to use");
OPTION_UINT("tiny", tiny, 0, 255, "a byte");
OPTION_SIZE("conring_size", ring, "size of the console ring");
OPTION_STRING("console", console, "where messages go");
OPTION_CUSTOM("custom", parse_custom, "anything but bad");

static int setup(void **state)
{
    noreboot = watchdog = false;
    cpus = 7;
    tiny = 9;
    ring = 1;
    strcpy(console, "unset");
    strcpy(custom, "unset");
    fake_log_reset();
    return 0;
}

static void test_plain_values(void **state)
{
    assert_null(
        option_parse_line(" noreboot  maxcpus=3 conring_size=2M\tconsole=com1,vga tiny=0xfe "
                          "custom=a=b,c "));
    assert_true(noreboot);
    assert_false(watchdog);
    assert_int_equal(cpus, 3);
    assert_int_equal(ring, 2 * MIB);
    assert_int_equal(tiny, 0xfe);
    assert_string_equal(console, "com1,vga");
    assert_string_equal(custom, "a=b,c");
    assert_string_equal(fake_log, "");
}

static void test_booleans(void **state)
{
    static const char *const yes[] = {
        "watchdog",        "watchdog=yes", "watchdog=on",         "watchdog=true",
        "watchdog=enable", "watchdog=1",   "watchdog=no watchdog"};
    static const char *const no[] = {"no-watchdog",  "no_watchdog",         "watchdog=no",
                                     "watchdog=off", "watchdog=false",      "watchdog=disable",
                                     "watchdog=0",   "watchdog no-watchdog"};

    for (unsigned i = 0; i < ARRAY_SIZE(yes); i++) {
        watchdog = false;
        option_parse_line(yes[i]);
        assert_true(watchdog);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(no); i++) {
        watchdog = true;
        option_parse_line(no[i]);
        assert_false(watchdog);
    }
    option_parse_line("no-noreboot");
    assert_string_equal(fake_log, "");
}

static void test_later_wins(void **state)
{
    option_parse_line("maxcpus=3 maxcpus=5 console=a console=b maxcpus=900");
    assert_int_equal(cpus, 5);
    assert_string_equal(console, "b");
    assert_int_equal(fake_log_lines(), 1);
}

static void test_dashes_and_underscores(void **state)
{
    option_parse_line("conring-size=4");
    assert_int_equal(ring, 4 * KIB);
}

static void test_quotes(void **state)
{
    option_parse_line("console=\"a b\" custom='x \"y\" z'");
    assert_string_equal(console, "a b");
    assert_string_equal(custom, "x \"y\" z");
    option_parse_line("\"custom=whole word\"");
    assert_string_equal(custom, "whole word");
    option_parse_line("custom=\"never closed maxcpus=2");
    assert_string_equal(custom, "never closed maxcpus=2");
    assert_int_equal(cpus, 7);
    option_parse_line("custom=''");
    assert_string_equal(custom, "");
}

static void test_end_of_options(void **state)
{
    const char *line = "maxcpus=2 -- maxcpus=3 root=/dev/sda";
    const char *rest = option_parse_line(line);

    assert_string_equal(rest, "maxcpus=3 root=/dev/sda");
    assert_int_equal(cpus, 2);
    assert_string_equal(option_parse_line("--"), "");
    assert_string_equal(option_parse_line("-- "), "");
    assert_null(option_parse_line("--x"));
    assert_null(option_parse_line(""));
    assert_null(option_parse_line("   \t\n"));
}

static void test_unknown_is_named(void **state)
{
    option_parse_line("placeholder nosuch=1 maxcpus=4 no-such");
    assert_int_equal(fake_log_lines(), 3);
    assert_non_null(strstr(fake_log, "`placeholder`"));
    assert_non_null(strstr(fake_log, "`nosuch=1`"));
    assert_non_null(strstr(fake_log, "`no-such`"));
    assert_int_equal(cpus, 4);
}

static void test_malformed_keeps_the_default(void **state)
{
    static const char *const words[] = {"maxcpus",
                                        "maxcpus=",
                                        "maxcpus=x",
                                        "maxcpus=0",
                                        "maxcpus=65",
                                        "maxcpus=3x",
                                        "maxcpus=-1",
                                        "maxcpus=+1",
                                        "no-maxcpus",
                                        "maxcpus=3M",
                                        "conring_size",
                                        "conring_size=M",
                                        "conring_size=1MM",
                                        "conring_size=1.5M",
                                        "conring_size=18446744073709551616",
                                        "conring_size=99999999999T",
                                        "noreboot=",
                                        "noreboot=maybe",
                                        "no-noreboot=yes",
                                        "noreboot=2",
                                        "tiny=256",
                                        "console",
                                        "console=0123456789012345",
                                        "no-console",
                                        "custom=bad",
                                        "no-custom=x",
                                        "maxcpus=0x",
                                        "maxcpus=08",
                                        "maxcpus= 3"};

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        fake_log_reset();
        option_parse_line(words[i]);
        if (!fake_log_lines())
            fail_msg("no complaint about `%s`", words[i]);
        assert_int_equal(cpus, 7);
        assert_int_equal(tiny, 9);
        assert_int_equal(ring, 1);
        assert_false(noreboot);
        assert_string_equal(console, "unset");
        assert_string_equal(custom, "unset");
    }
}

static void test_messages_say_what_was_expected(void **state)
{
    option_parse_line("maxcpus=99 conring_size=big noreboot=perhaps console=0123456789012345 "
                      "custom=bad");
    assert_string_equal(
        fake_log, "option `maxcpus=99`: maxcpus is a number from 1 to 64; ignored\n"
                  "option `conring_size=big`: conring_size is a size such as 512M or 4G; ignored\n"
                  "option `noreboot=perhaps`: noreboot is yes or no; ignored\n"
                  "option `console=0123456789012345`: console is a text of up to 15 characters;"
                  " ignored\n"
                  "option `custom=bad`: expected custom=anything but bad; ignored\n");
}

static void test_custom_bare_and_negated(void **state)
{
    option_parse_line("custom");
    assert_string_equal(custom, "");
    option_parse_line("no-custom");
    assert_string_equal(custom, "no");
}

static void test_long_words(void **state)
{
    char line[1000];

    memset(line, 'x', sizeof(line));
    memcpy(line, "custom=", 7);
    memcpy(line + 980, " maxcpus=2", 11);
    option_parse_line(line);
    assert_int_equal(fake_log_lines(), 1);
    assert_string_equal(custom, "unset");
    assert_int_equal(cpus, 2);
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        int rc;
        uint64_t bytes;
        int length;
    } cases[] = {
        {"0", 0, 0, 1},
        {"1", 0, KIB, 1},
        {"512b", 0, 512, 4},
        {"512B,", 0, 512, 4},
        {"3k", 0, 3 * KIB, 2},
        {"3K+", 0, 3 * KIB, 2},
        {"64m", 0, 64 * MIB, 3},
        {"64M", 0, 64 * MIB, 3},
        {"2g", 0, 2 * GIB, 2},
        {"2G%", 0, 2 * GIB, 2},
        {"1t", 0, 1UL << 40, 2},
        {"0x10M", 0, 16 * MIB, 5},
        {"010", 0, 8 * KIB, 3},
        {"16777215T", 0, 16777215UL << 40, 9},
        {"16777216T", -ERANGE, 0, 0},
        {"18446744073709551615b", 0, UINT64_MAX, 21},
        {"18446744073709551616b", -ERANGE, 0, 0},
        {"", -EINVAL, 0, 0},
        {"G", -EINVAL, 0, 0},
        {"-1", -EINVAL, 0, 0},
        {"0x", -EINVAL, 0, 0},
        {"0xG", -EINVAL, 0, 0},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t bytes = 77;
        const char *end = NULL;

        assert_int_equal(option_parse_size(cases[i].text, &bytes, &end), cases[i].rc);
        assert_int_equal(bytes, cases[i].rc ? 77 : cases[i].bytes);
        assert_ptr_equal(end, cases[i].rc ? NULL : cases[i].text + cases[i].length);
    }
}

/* Any bytes at all: nothing but warnings may come of it. */
static void test_garbage(void **state)
{
    static const char alphabet[] = "=\"' -_,\tnoreboot0x9GMconsole\xff\x01%s%n";
    char line[300];

    srandom(4711);
    for (int round = 0; round < 20000; round++) {
        size_t length = random() % (sizeof(line) - 1);

        for (size_t i = 0; i < length; i++)
            line[i] = alphabet[random() % (sizeof(alphabet) - 1)];
        line[length] = '\0';
        fake_log_reset();
        option_parse_line(line);
        assert_in_range(cpus, 1, 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_plain_values, setup),
        cmocka_unit_test_setup(test_booleans, setup),
        cmocka_unit_test_setup(test_later_wins, setup),
        cmocka_unit_test_setup(test_dashes_and_underscores, setup),
        cmocka_unit_test_setup(test_quotes, setup),
        cmocka_unit_test_setup(test_end_of_options, setup),
        cmocka_unit_test_setup(test_unknown_is_named, setup),
        cmocka_unit_test_setup(test_malformed_keeps_the_default, setup),
        cmocka_unit_test_setup(test_messages_say_what_was_expected, setup),
        cmocka_unit_test_setup(test_custom_bare_and_negated, setup),
        cmocka_unit_test_setup(test_long_words, setup),
        cmocka_unit_test_setup(test_sizes, setup),
        cmocka_unit_test_setup(test_garbage, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
