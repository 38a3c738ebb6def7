/* SPDX-License-Identifier: MIT */
/* Log levels, prefixes, the rate limit, panics; and the debug keys, which print through the log. */
/* SOURCES: core/log.c core/panic.c core/debugkey.c core/option.c lib/printf.c lib/string.c */
#include "unit.h"
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <kr/console.h>
#include <kr/cpu.h>
#include <kr/debugkey.h>
#include <kr/domain.h>
#include <kr/option.h>
#include <kr/time.h>

_Thread_local struct cpu fake_cpu = {.id = 3};

static char out[20000];
static uint64_t now_ns;
static bool is_panicking, panic_again;
static jmp_buf end;

/* ---- the world around it -------------------------------------------------------------------- */

void console_write(const char *text, size_t length)
{
    size_t at = strlen(out);

    assert_true(at + length < sizeof(out));
    assert_int_equal(text[length - 1], '\n');
    memcpy(out + at, text, length);
    out[at + length] = '\0';
}

unsigned long console_lock(void)
{
    return 0;
}

void console_unlock(unsigned long flags)
{
}

void console_enter_panic(void)
{
    is_panicking = true;
}

uint64_t arch_time_ns(void)
{
    return now_ns += is_panicking ? NS_PER_SEC : 0;
}

void arch_machine_reboot(void)
{
    longjmp(end, 1);
}

void arch_machine_halt(void)
{
    longjmp(end, 2);
}

void arch_crash_dump(void)
{
    if (panic_again)
        panic("once more");
    log_always("registers");
}

static int setup(void **state)
{
    option_parse_line("loglvl=info guest_loglvl=none/warning console_timestamps=none no-noreboot");
    out[0] = '\0';
    now_ns += 1000 * NS_PER_SEC;
    is_panicking = panic_again = false;
    return 0;
}

static unsigned count_lines(void)
{
    unsigned lines = 0;

    for (const char *p = out; (p = strchr(p, '\n')); p++)
        lines++;
    return lines;
}

static void print_each_level(void)
{
    out[0] = '\0';
    log_error("E");
    log_warning("W");
    log_info("I");
    log_debug("D");
}

static void guest_each_level(void)
{
    out[0] = '\0';
    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++)
        log_guest(level, NULL, "%c", "EWID"[level]);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void test_levels(void **state)
{
    static const struct {
        const char *option, *shown;
    } cases[] = {
        {"loglvl=none", ""},
        {"loglvl=error", "(XEN) E\n"},
        {"loglvl=warning", "(XEN) E\n(XEN) W\n"},
        {"loglvl=info", "(XEN) E\n(XEN) W\n(XEN) I\n"},
        {"loglvl=debug", "(XEN) E\n(XEN) W\n(XEN) I\n(XEN) D\n"},
        {"loglvl=all", "(XEN) E\n(XEN) W\n(XEN) I\n(XEN) D\n"},
        {"loglvl=error/warning", "(XEN) E\n(XEN) W\n"},
        {"loglvl=warning/none", "(XEN) E\n(XEN) W\n"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        option_parse_line(cases[i].option);
        print_each_level();
        assert_string_equal(out, cases[i].shown);
    }
    option_parse_line("loglvl=none guest_loglvl=all");
    guest_each_level();
    assert_string_equal(out, "(XEN) E\n(XEN) W\n(XEN) I\n(XEN) D\n");
    out[0] = '\0';
    log_always("asked for");
    assert_string_equal(out, "(XEN) asked for\n");
}

static void test_guest_defaults(void **state)
{
    static struct domain d = {.id = 7};

    guest_each_level();
    assert_string_equal(out, "(XEN) E\n(XEN) W\n");
    out[0] = '\0';
    log_guest(LOG_WARNING, &d, "bad frame %#x", 0x123);
    assert_string_equal(out, "(XEN) d7: bad frame 0x123\n");
}

static void test_bad_levels(void **state)
{
    static const char *const bad[] = {"loglvl",
                                      "loglvl=",
                                      "loglvl=loud",
                                      "loglvl=info/",
                                      "loglvl=infos",
                                      "loglvl=/info",
                                      "loglvl=info/all/all",
                                      "guest_loglvl=1",
                                      "no-loglvl",
                                      "console_timestamps=date"};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        out[0] = '\0';
        option_parse_line(bad[i]);
        assert_int_equal(count_lines(), 1);
        assert_non_null(strstr(out, "; ignored\n"));
    }
    print_each_level();
    assert_int_equal(count_lines(), 3);
}

static void test_rate_limit(void **state)
{
    for (int i = 0; i < 100; i++)
        log_guest(LOG_WARNING, NULL, "message %d", i);
    assert_int_equal(count_lines(), 10);
    assert_non_null(strstr(out, "message 9\n"));
    out[0] = '\0';
    now_ns += 4 * NS_PER_SEC;
    log_guest(LOG_WARNING, NULL, "too soon");
    assert_string_equal(out, "");
    now_ns += 2 * NS_PER_SEC;
    log_guest(LOG_WARNING, NULL, "again");
    assert_string_equal(out, "(XEN) 91 messages were suppressed\n(XEN) again\n");
    /* Unlimited levels stay so. */
    out[0] = '\0';
    option_parse_line("guest_loglvl=warning/all");
    for (int i = 0; i < 100; i++)
        log_guest(LOG_WARNING, NULL, "message %d", i);
    assert_int_equal(count_lines(), 100);
}

static void test_timestamps(void **state)
{
    static const char *const yes[] = {"console_timestamps", "console_timestamps=boot",
                                      "console_timestamps=yes"};
    static const char *const no[] = {"console_timestamps=none", "no-console_timestamps"};

    for (unsigned i = 0; i < ARRAY_SIZE(yes); i++) {
        now_ns = 12 * NS_PER_SEC + 34567 * NS_PER_US;
        out[0] = '\0';
        option_parse_line(yes[i]);
        log_info("x");
        assert_string_equal(out, "(XEN) [   12.034567] x\n");
    }
    for (unsigned i = 0; i < ARRAY_SIZE(no); i++) {
        out[0] = '\0';
        option_parse_line(no[i]);
        log_info("x");
        assert_string_equal(out, "(XEN) x\n");
    }
}

static void test_long_lines_are_cut(void **state)
{
    char text[2000];

    memset(text, 'y', sizeof(text));
    for (size_t length = 480; length < sizeof(text) - 1; length++) {
        out[0] = '\0';
        log_info("%.*s", (int)length, text);
        assert_int_equal(count_lines(), 1);
        assert_int_equal(strlen(out), MIN(length + 7, 511));
    }
}

static void test_panic(void **state)
{
    int how = setjmp(end);

    if (!how)
        panic("lost %d frames", 2);
    assert_int_equal(how, 1);
    assert_true(is_panicking);
    assert_string_equal(out, "(XEN) ****************************************\n"
                             "(XEN) Panic on CPU 3: lost 2 frames\n"
                             "(XEN) registers\n"
                             "(XEN) ****************************************\n"
                             "(XEN) Rebooting in five seconds...\n");
}

/* The first panic of this process claimed the CPU: from here on each is one inside another. */
static void test_panic_inside_panic(void **state)
{
    int how = setjmp(end);

    if (!how) {
        option_parse_line("noreboot");
        panic("second");
    }
    assert_int_equal(how, 2);
    assert_string_equal(out, "(XEN) Panic inside the panic: second\n"
                             "(XEN) `noreboot` is set: the machine stays halted\n");
}

static void test_assertion(void **state)
{
    int how = setjmp(end);

    is_panicking = true; /* so that time runs while the reboot waits */
    if (!how)
        ASSERT(how == 5);
    assert_int_equal(how, 1);
    assert_non_null(strstr(out, "assertion `how == 5` failed in test_assertion (tests/unit/"));
}

static void test_refusal(void **state)
{
    int how = setjmp(end);

    if (!how)
        boot_refuse("no %s", "module");
    assert_int_equal(how, 2);
    assert_string_equal(out, "(XEN) Krypton cannot start: no module\n");
}

static int count_x;

static void count(void)
{
    count_x++;
}
DEBUGKEY('x', "count", count);

static void test_debugkeys(void **state)
{
    option_parse_line("loglvl=none");
    debugkey_handle('x');
    assert_int_equal(count_x, 1);
    assert_string_equal(out, "(XEN) 'x' pressed -> count\n");

    out[0] = '\0';
    debugkey_handle('h');
    assert_string_equal(out, "(XEN) 'h' pressed -> show this message\n"
                             "(XEN)  key 'R' => reboot machine\n"
                             "(XEN)  key 'h' => show this message\n"
                             "(XEN)  key 'x' => count\n");
    out[0] = '\0';
    debugkey_handle('y');
    assert_string_equal(out, "(XEN) 'y' pressed: no such debug key, 'h' lists them\n");
    out[0] = '\0';
    for (int c = -128; c <= ' '; c++)
        debugkey_handle(c);
    debugkey_handle(0x7f);
    assert_string_equal(out, "");

    if (!setjmp(end)) {
        debugkey_handle('R');
        fail();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_levels, setup),
        cmocka_unit_test_setup(test_guest_defaults, setup),
        cmocka_unit_test_setup(test_bad_levels, setup),
        cmocka_unit_test_setup(test_rate_limit, setup),
        cmocka_unit_test_setup(test_timestamps, setup),
        cmocka_unit_test_setup(test_long_lines_are_cut, setup),
        cmocka_unit_test_setup(test_debugkeys, setup),
        cmocka_unit_test_setup(test_refusal, setup),
        cmocka_unit_test_setup(test_panic, setup),
        cmocka_unit_test_setup(test_panic_inside_panic, setup),
        cmocka_unit_test_setup(test_assertion, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
