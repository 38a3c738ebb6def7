/* SPDX-License-Identifier: MIT */
/*
 * Runs the registered tests one after the other and reports. A trap nobody expected fails the test
 * it happened in and the next one goes on. Relies on HYPERVISOR_console_io before anything else.
 */
#include "guest.h"
#include <xen/sched.h>

extern const struct test guest_tests_start[], guest_tests_end[];

static const struct test *test_current;
static unsigned failures, passed_count, failed_count;
static bool skipped;

static void console_write(const char *text, size_t size_bytes)
{
    while (size_bytes > 0) {
        long done = console_io(CONSOLEIO_write, size_bytes, text);

        if (done != 0)
            break;
        size_bytes = 0;
    }
}

static void vprint(const char *head, const char *fmt, va_list ap)
{
    static char line[512];
    int used = kr_snprintf(line, sizeof(line) - 1, "%s", head);

    used += kr_vsnprintf(line + used, sizeof(line) - 1 - used, fmt, ap);
    if (used > (int)sizeof(line) - 2)
        used = sizeof(line) - 2;
    line[used++] = '\n';
    console_write(line, used);
}

void print(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprint("", fmt, ap);
    va_end(ap);
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
    char head[160];
    va_list ap;

    failures++;
    kr_snprintf(head, sizeof(head), "not ok %s: %s:%d: ", test_current ? test_current->name : "?",
                file, line);
    va_start(ap, fmt);
    vprint(head, fmt, ap);
    va_end(ap);
}

void test_skip(const char *fmt, ...)
{
    char head[96];
    va_list ap;

    skipped = true;
    kr_snprintf(head, sizeof(head), "skip %s: ", test_current->name);
    va_start(ap, fmt);
    vprint(head, fmt, ap);
    va_end(ap);
}

static struct recovery test_outermost;
static bool test_stopping;

void test_stop(void)
{
    test_stopping = true;
    recovery_jump(&test_outermost);
}

static void __noreturn machine_reset(void)
{
    struct sched_shutdown how = {.reason = SHUTDOWN_reboot};

    for (;;)
        sched_op(SCHEDOP_shutdown, &how);
}

void test_die(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprint("not ok harness: ", fmt, ap);
    va_end(ap);
    print("done %u passed %u failed", passed_count, failed_count + 1);
    machine_reset();
}

bool option_given(const char *word)
{
    const char *at = (const char *)start_info->cmd_line;
    size_t size = strlen(word);

    while (*at) {
        size_t length = 0;

        while (at[length] && at[length] != ' ')
            length++;
        if (length == size && memcmp(at, word, size) == 0)
            return true;
        at += length;
        while (*at == ' ')
            at++;
    }
    return false;
}

static void test_run(const struct test *test)
{
    test_current = test;
    failures = 0;
    skipped = false;
    test_stopping = false;
    if (recovery_save(&test_outermost) == 0) {
        recovery_current = &test_outermost;
        test->run();
    } else if (!test_stopping) {
        test_fail("trap", fault_vector, "error %#lx rip %#lx rsp %#lx cr2 %#lx",
                  trap_last.frame.error, trap_last.frame.rip, trap_last.frame.rsp, trap_last.cr2);
    }
    recovery_current = NULL;
    memset(trap_handlers, 0, sizeof(trap_handlers));
    event_reset_handlers();
    vcpu_info_self()->evtchn_upcall_mask = 1;
    if (failures) {
        failed_count++;
    } else if (!skipped) {
        passed_count++;
        print("ok %s", test->name);
    }
}

void guest_main(void);

void guest_main(void)
{
    start_info = (struct start_info *)entry_state.rsi;
    mm_init();
    trap_init();
    event_reset_handlers();
    for (const struct test *test = guest_tests_start; test < guest_tests_end; test++)
        test_run(test);
    print("done %u passed %u failed", passed_count, failed_count);
    machine_reset();
}
