/* SPDX-License-Identifier: MIT */
/* The console's ring, devices and input, with a device that only remembers what it was given. */
/* SOURCES: core/console.c core/console_input.c core/option.c lib/string.c tests/unit/fake/lock.c */
/* SOURCES: tests/unit/fake/log.c */
#include "unit.h"
#include <stdio.h>
#include <string.h>
#include <kr/console.h>
#include <kr/cpu.h>
#include <kr/debugkey.h>
#include <kr/option.h>
#include <xen/xen.h>
#include "fake/log.h"

_Thread_local struct cpu fake_cpu;
extern int fake_locks_held;

static char shown[200000];
static size_t shown_length;
static int opens, syncs, releases, irqs_enabled;
static uint32_t work_raised;
static int virqs_raised;
static char keys[64];
static const char *to_receive;

/* ---- the world around it -------------------------------------------------------------------- */

void cpu_raise_work(struct cpu *cpu, uint32_t work)
{
    assert_ptr_equal(cpu, &fake_cpu);
    assert_int_equal(fake_locks_held, 0);
    work_raised |= work;
}

void event_raise_global_virq(unsigned virq)
{
    assert_int_equal(virq, VIRQ_CONSOLE);
    assert_int_equal(fake_locks_held, 0);
    virqs_raised++;
}

void debugkey_handle(char key)
{
    assert_int_equal(fake_locks_held, 0);
    keys[strlen(keys)] = key;
}

static bool fake_open(struct console_device *device)
{
    opens++;
    return !device->context;
}

static void fake_write(struct console_device *device, const char *text, size_t length)
{
    assert_true(shown_length + length < sizeof(shown));
    memcpy(shown + shown_length, text, length);
    shown_length += length;
    shown[shown_length] = '\0';
}

static void fake_service(struct console_device *device)
{
    for (; to_receive && *to_receive; to_receive++)
        console_receive(*to_receive);
}

static void fake_enable_irq(struct console_device *device)
{
    irqs_enabled++;
}

static void fake_sync(struct console_device *device)
{
    syncs++;
}

static bool fake_release(struct console_device *device)
{
    releases++;
    return false;
}

CONSOLE_DEVICE(here, .name = "com1", .open = fake_open, .write = fake_write,
               .service = fake_service, .enable_irq = fake_enable_irq, .sync = fake_sync,
               .release = fake_release, .port_first = 0x3f8, .port_count = 8, .irq = 4);
CONSOLE_DEVICE(absent, .name = "vga", .open = fake_open, .write = fake_write, .context = keys,
               .port_first = 0x3d4, .port_count = 2, .irq = 5);
CONSOLE_DEVICE(unwanted, .name = "com2", .open = fake_open, .write = fake_write, .irq = 3);

static void say(const char *text)
{
    console_write(text, strlen(text));
}

static void forget_shown(void)
{
    shown_length = 0;
    shown[0] = '\0';
}

/* Empties everything between tests; the console itself is never torn down. */
static int setup(void **state)
{
    char buf[64];
    uint32_t index = 0;

    while (console_read_ring(buf, sizeof(buf), &index, true, false))
        ;
    while (console_guest_read(buf, sizeof(buf)))
        ;
    work_raised = 0;
    virqs_raised = 0;
    memset(keys, 0, sizeof(keys));
    forget_shown();
    fake_log_reset();
    return 0;
}

static int teardown(void **state)
{
    return fake_locks_held;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void test_before_and_at_init(void **state)
{
    option_parse_line("console=com1,vga,floppy,none");
    fake_log_reset();
    say("(XEN) early\n");
    assert_string_equal(shown, "");
    assert_int_equal(console_irq_lines(), 0);
    assert_false(console_owns_port(0x3f8));
    console_init();
    assert_int_equal(opens, 2);
    assert_string_equal(shown, "(XEN) early\r\n");
    assert_int_equal(fake_log_lines(), 1);
    assert_non_null(strstr(fake_log, "`floppy`"));
    console_init();
    assert_int_equal(opens, 2);
    assert_string_equal(shown, "(XEN) early\r\n");
    assert_int_equal(console_irq_lines(), 1 << 4);
    console_irq_enable(3);
    assert_int_equal(irqs_enabled, 0);
    console_irq_enable(4);
    assert_int_equal(irqs_enabled, 1);
    assert_true(console_owns_port(0x3f8));
    assert_true(console_owns_port(0x3ff));
    assert_false(console_owns_port(0x400));
    assert_false(console_owns_port(0x3f7));
    assert_false(console_owns_port(0x3d4));
}

static void test_line_ends(void **state)
{
    say("a\nb\r\nc\n");
    assert_string_equal(shown, "a\r\nb\r\nc\r\n");
}

static void test_long_text_is_shown_whole(void **state)
{
    char text[1000];

    for (size_t length = 1; length < sizeof(text); length += 7) {
        memset(text, 'x', length);
        text[length - 1] = '\n';
        forget_shown();
        console_write(text, length);
        assert_int_equal(shown_length, length + 1);
        assert_string_equal(shown + length - 1, "\r\n");
    }
}

static void test_guest_text(void **state)
{
    char buf[64];
    uint32_t index = 0;

    console_guest_write("# prompt", 8);
    assert_string_equal(shown, "# prompt");
    say("(XEN) message\n");
    assert_string_equal(shown, "# prompt\r\n(XEN) message\r\n");
    assert_int_equal(console_read_ring(buf, sizeof(buf), &index, true, false), 14);
    assert_memory_equal(buf, "(XEN) message\n", 14);

    option_parse_line("console_to_ring");
    console_guest_write("dom0\r\n", 6);
    assert_int_equal(console_read_ring(buf, sizeof(buf), &index, true, false), 6);
    option_parse_line("no-console_to_ring");
    assert_string_equal(fake_log, "");
}

static void test_ring_reading(void **state)
{
    char buf[64];
    uint32_t index = 0, later;

    say("one\ntwo\n");
    /* Without clear the same text comes each time. */
    for (int i = 0; i < 2; i++) {
        index = 12345;
        assert_int_equal(console_read_ring(buf, sizeof(buf), &index, false, false), 8);
        assert_memory_equal(buf, "one\ntwo\n", 8);
    }
    /* Incremental goes on where it was. */
    later = index;
    assert_int_equal(console_read_ring(buf, sizeof(buf), &later, false, true), 0);
    assert_int_equal(later, index);
    say("three\n");
    assert_int_equal(console_read_ring(buf, sizeof(buf), &later, false, true), 6);
    assert_memory_equal(buf, "three\n", 6);
    /* In small pieces. */
    index = 0;
    assert_int_equal(console_read_ring(buf, 5, &index, false, false), 5);
    assert_int_equal(console_read_ring(buf + 5, 5, &index, false, true), 5);
    assert_int_equal(console_read_ring(buf + 10, 5, &index, false, true), 4);
    assert_memory_equal(buf, "one\ntwo\nthree\n", 14);
    assert_int_equal(index, later);
    /* An index from nowhere finds nothing. */
    index = later + 1000000;
    assert_int_equal(console_read_ring(buf, sizeof(buf), &index, false, true), 0);
    assert_int_equal(index, later);
    assert_int_equal(console_read_ring(buf, 0, &index, false, false), 0);
}

static void test_ring_clearing(void **state)
{
    char buf[64];
    uint32_t index = 0;

    say("one\ntwo\n");
    assert_int_equal(console_read_ring(buf, 4, &index, true, false), 4);
    /* Only what was read is gone. */
    assert_int_equal(console_read_ring(buf, sizeof(buf), &index, true, false), 4);
    assert_memory_equal(buf, "two\n", 4);
    assert_int_equal(console_read_ring(buf, sizeof(buf), &index, false, false), 0);
    /* An incremental reader from before the clear starts at the clear. */
    index -= 8;
    say("new\n");
    assert_int_equal(console_read_ring(buf, sizeof(buf), &index, false, true), 4);
    assert_memory_equal(buf, "new\n", 4);
}

/* What `xl dmesg` must see after more than a ring full: the newest ring full, in order. */
static void check_newest(uint32_t ring_bytes, int lines)
{
    static char buf[70000], expected[400000];
    uint32_t index = 0, count = 0, n;
    size_t length = 0;

    for (int i = 0; i < lines; i++) {
        int at = sprintf(expected + length, "(XEN) line %d of many\n", i);

        say(expected + length);
        forget_shown();
        length += at;
    }
    do {
        n = console_read_ring(buf + count, 1000, &index, false, count != 0);
        count += n;
    } while (n);
    assert_int_equal(count, ring_bytes);
    assert_memory_equal(buf, expected + length - count, count);
}

static void test_ring_wraps(void **state)
{
    check_newest(16384, 3000);
}

static void test_ring_grows(void **state)
{
    static char memory[65536], before[16384], after[65536];
    uint32_t index = 0;

    assert_int_equal(console_ring_wanted_bytes(), 16384);
    option_parse_line("conring_size=1");
    assert_int_equal(console_ring_wanted_bytes(), 16384);
    option_parse_line("conring_size=33k");
    assert_int_equal(console_ring_wanted_bytes(), 65536);
    option_parse_line("conring_size=1T");
    assert_int_equal(console_ring_wanted_bytes(), 64 * MIB);

    check_newest(16384, 1000);
    console_read_ring(before, sizeof(before), &index, false, false);
    console_ring_grow(memory, sizeof(memory));
    assert_int_equal(console_read_ring(after, sizeof(after), &index, false, false), 16384);
    assert_memory_equal(before, after, 16384);
    check_newest(65536, 10000);
}

static void type(const char *text)
{
    to_receive = text;
    console_interrupt(4);
    assert_int_equal(work_raised, *text ? CPU_WORK_CONSOLE : 0);
    work_raised = 0;
    console_do_work();
}

static void check_guest_got(const char *text)
{
    char buf[2000];
    uint32_t count = console_guest_read(buf, sizeof(buf));

    assert_int_equal(count, strlen(text));
    assert_memory_equal(buf, text, count);
}

static void test_input_before_dom0(void **state)
{
    type("");
    type("hd");
    assert_string_equal(keys, "hd");
    check_guest_got("");
    assert_int_equal(virqs_raised, 0);
}

static void test_input_to_dom0(void **state)
{
    console_start_dom0();
    assert_int_equal(releases, 1);
    assert_string_equal(fake_log,
                        "*** Serial input to DOM0 (type 'CTRL-a' three times to switch input)\n");
    type("ls\r");
    assert_int_equal(virqs_raised, 1);
    assert_string_equal(keys, "");
    check_guest_got("ls\r");
}

static void test_switching(void **state)
{
    /* Fewer than three are dom0's, but only when it is clear that there are no more. */
    type("\x01\x01");
    check_guest_got("");
    type("b");
    check_guest_got("\x01\x01"
                    "b");
    type("x\x01\x01\x01h");
    check_guest_got("x");
    assert_string_equal(keys, "h");
    assert_string_equal(fake_log,
                        "*** Serial input to Xen (type 'CTRL-a' three times to switch input)\n");
    /* Held back characters are no debug keys. */
    type("\x01q\x01");
    assert_string_equal(keys, "hq");
    type("\x01\x01y");
    check_guest_got("y");
    assert_string_equal(keys, "hq");
}

static void test_full_buffers_drop(void **state)
{
    char text[3001], buf[3000];

    memset(text, 'z', 3000);
    text[3000] = '\0';
    type(text); /* 256 get through at a time */
    for (int i = 0; i < 20; i++)
        type("0123456789012345678901234567890123456789012345678901234567890123456789");
    assert_int_equal(console_guest_read(buf, sizeof(buf)), 1024);
    assert_memory_equal(buf, text, 256);
    assert_memory_equal(buf + 256, "0123456789", 10);
    type("again");
    check_guest_got("again");
}

static void test_conswitch(void **state)
{
    static const char *const bad[] = {"conswitch=",    "conswitch=1",  "conswitch=ay",
                                      "conswitch=axx", "conswitch=ab", "conswitch",
                                      "no-conswitch"};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        /* `no` names the letter n with a wrong suffix. */
        fake_log_reset();
        option_parse_line(bad[i]);
        assert_int_equal(fake_log_lines(), 1);
    }
    option_parse_line("conswitch=bx");
    console_start_dom0();
    type("k\x01");
    assert_string_equal(keys, "k\x01");
    type("\x02\x02\x02");
    type("y");
    check_guest_got("y");
    option_parse_line("conswitch=`");
    console_start_dom0();
    type("\x02\x02\x02\x01\x01\x01");
    check_guest_got("\x02\x02\x02\x01\x01\x01");
}

static void test_panic_needs_no_lock(void **state)
{
    console_lock();
    console_enter_panic();
    say("(XEN) the end\n");
    assert_string_equal(shown, "(XEN) the end\r\n");
    assert_int_equal(syncs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_before_and_at_init, setup, teardown),
        cmocka_unit_test_setup_teardown(test_line_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_text_is_shown_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guest_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ring_reading, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ring_clearing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ring_wraps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ring_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_input_before_dom0, setup, teardown),
        cmocka_unit_test_setup_teardown(test_input_to_dom0, setup, teardown),
        cmocka_unit_test_setup_teardown(test_switching, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_buffers_drop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conswitch, setup, teardown),
        cmocka_unit_test_setup(test_panic_needs_no_lock, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
