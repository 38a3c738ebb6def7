/* SPDX-License-Identifier: MIT */
/* drv/vga_text.c on an array: wrapping, scrolling, control characters, the cursor, release. */
/* SOURCES: drv/vga_text.c core/option.c lib/string.c tests/unit/fake/log.c */
#include "unit.h"
#include <string.h>
#include <kr/arch.h>
#include <kr/console.h>
#include <kr/option.h>
#include <kr/vga_text.h>
#include "fake/log.h"

static uint16_t cells[80 * 25];
static uint8_t crtc[32], crtc_index;

void arch_port_write8(uint16_t port, uint8_t value)
{
    if (port == 0x3d4)
        crtc_index = value;
    else if (port == 0x3d5)
        crtc[crtc_index & 31] = value;
    else
        fail_msg("port %x", port);
}

extern struct console_device __start_kr_console_devices[], __stop_kr_console_devices[];

static struct console_device *vga(void)
{
    assert_int_equal(__stop_kr_console_devices - __start_kr_console_devices, 1);
    return __start_kr_console_devices;
}

static int setup(void **state)
{
    memset(cells, 0xee, sizeof(cells));
    vga_text_set_memory(cells);
    assert_true(vga()->open(vga()));
    fake_log_reset();
    return 0;
}

static void say(const char *text)
{
    vga()->write(vga(), text, strlen(text));
}

static void check_row(unsigned row, const char *text)
{
    for (unsigned i = 0; i < 80; i++)
        assert_int_equal(cells[row * 80 + i], 0x0700 | (i < strlen(text) ? text[i] : ' '));
}

static void check_cursor(unsigned row, unsigned column)
{
    assert_int_equal(crtc[14] << 8 | crtc[15], row * 80 + column);
}

static void test_absent(void **state)
{
    vga_text_set_memory(NULL);
    assert_false(vga()->open(vga()));
}

static void test_lines(void **state)
{
    for (unsigned row = 0; row < 25; row++)
        check_row(row, "");
    check_cursor(0, 0);
    say("one\r\ntwo");
    check_row(0, "one");
    check_row(1, "two");
    check_cursor(1, 3);
    say("\rT\b\bx\ty\x07\x1b");
    check_row(1, "xwo     y");
    check_cursor(1, 9);
}

static void test_wrapping(void **state)
{
    char text[201];

    memset(text, 'w', 200);
    text[200] = '\0';
    say(text);
    check_row(1, text + 120);
    check_row(2, text + 160);
    check_cursor(2, 40);
    say("\r\n");
    memset(text, '\t', 10);
    text[10] = '\0';
    say(text);
    check_cursor(4, 0);
}

static void test_scrolling(void **state)
{
    char line[4] = "a\r\n";

    for (int i = 0; i < 60; i++) {
        line[0] = 'A' + i;
        say(line);
    }
    for (int row = 0; row < 24; row++) {
        line[0] = 'A' + 36 + row;
        line[1] = '\0';
        check_row(row, line);
    }
    check_row(24, "");
    check_cursor(24, 0);
}

static void test_release(void **state)
{
    static const struct {
        const char *option;
        bool kept;
    } cases[] = {
        {"vga=keep", true},        {"vga=current", false},     {"vga=text-80x25,keep", true},
        {"vga=text-80x25", false}, {"vga=current,keep", true}, {"vga=", false}};
    static const char *const bad[] = {"vga=gfx-1024x768x32", "vga=keep,current", "vga=text-80x250",
                                      "no-vga"};

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        option_parse_line(cases[i].option);
        assert_int_equal(vga()->release(vga()), !cases[i].kept);
    }
    assert_string_equal(fake_log, "");
    option_parse_line("vga=keep");
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        fake_log_reset();
        option_parse_line(bad[i]);
        assert_int_equal(fake_log_lines(), 1);
        assert_false(vga()->release(vga()));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_absent, setup),   cmocka_unit_test_setup(test_lines, setup),
        cmocka_unit_test_setup(test_wrapping, setup), cmocka_unit_test_setup(test_scrolling, setup),
        cmocka_unit_test_setup(test_release, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
