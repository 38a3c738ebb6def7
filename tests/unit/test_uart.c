/* SPDX-License-Identifier: MIT */
/* drv/uart_ns16550.c on a model of the chip: FIFO, line status, interrupt causes, absent ports. */
/* SOURCES: drv/uart_ns16550.c core/option.c lib/string.c tests/unit/fake/log.c */
#include "unit.h"
#include <string.h>
#include <kr/arch.h>
#include <kr/console.h>
#include <kr/option.h>
#include "fake/log.h"

/* ---- the chip ------------------------------------------------------------------------------- */

struct chip {
    bool is_present, has_fifo, is_hung;
    uint16_t base;
    uint8_t ier, fcr, lcr, mcr, scr;
    uint16_t divisor;
    bool transmit_cause; /* the interrupt "transmitter empty" is raised */
    unsigned fifo;       /* bytes waiting to go out */
    unsigned overruns;
    const char *input;
    char sent[60000];
    size_t sent_length;
};

static struct chip com1, com2;
static char received[1000];
static unsigned port_accesses;

static struct chip *chip_at(uint16_t port)
{
    port_accesses++;
    if ((uint16_t)(port - com1.base) < 8 && com1.is_present)
        return &com1;
    if ((uint16_t)(port - com2.base) < 8 && com2.is_present)
        return &com2;
    return NULL;
}

/* The line sends one byte. */
static void chip_tick(struct chip *c)
{
    if (c->fifo && !--c->fifo)
        c->transmit_cause = true;
}

static void chip_drain(struct chip *c)
{
    while (c->fifo)
        chip_tick(c);
}

static uint8_t chip_iir(struct chip *c)
{
    uint8_t fifo = c->has_fifo && (c->fcr & 1) ? 0xc0 : 0;

    if ((c->ier & 1) && c->input && *c->input)
        return fifo | 4;
    if ((c->ier & 2) && c->transmit_cause) {
        c->transmit_cause = false;
        return fifo | 2;
    }
    return fifo | 1;
}

uint8_t arch_port_read8(uint16_t port)
{
    struct chip *c = chip_at(port);

    if (!c)
        return 0xff;
    switch (port & 7) {
    case 0: return c->input && *c->input ? *c->input++ : 0;
    case 1: return c->ier;
    case 2: return chip_iir(c);
    case 3: return c->lcr;
    case 4: return c->mcr;
    case 5: {
        uint8_t status = (c->input && *c->input ? 1 : 0) | (c->fifo || c->is_hung ? 0 : 0x60);

        if (!c->is_hung)
            chip_tick(c);
        return status;
    }
    case 7: return c->scr;
    default: return 0;
    }
}

void arch_port_write8(uint16_t port, uint8_t value)
{
    struct chip *c = chip_at(port);

    if (!c)
        return;
    switch (port & 7) {
    case 0:
        if (c->lcr & 0x80) {
            c->divisor = (c->divisor & 0xff00) | value;
            break;
        }
        c->overruns += c->fifo >= (c->has_fifo ? 16 : 1);
        assert_true(c->sent_length < sizeof(c->sent) - 1);
        c->sent[c->sent_length++] = value;
        c->fifo++;
        c->transmit_cause = false;
        break;
    case 1:
        if (c->lcr & 0x80) {
            c->divisor = (c->divisor & 0xff) | value << 8;
            break;
        }
        /* Turning the cause on while the transmitter is empty raises it. */
        if ((value & ~c->ier & 2) && !c->fifo)
            c->transmit_cause = true;
        c->ier = value;
        break;
    case 2: c->fcr = value; break;
    case 3: c->lcr = value; break;
    case 4: c->mcr = value; break;
    case 7: c->scr = value; break;
    }
}

void console_receive(char c)
{
    received[strlen(received)] = c;
}

/* ---- the driver's devices ------------------------------------------------------------------- */

extern struct console_device __start_kr_console_devices[], __stop_kr_console_devices[];

static struct console_device *device(const char *name)
{
    for (struct console_device *d = __start_kr_console_devices; d < __stop_kr_console_devices;
         d++) {
        if (!strcmp(d->name, name))
            return d;
    }
    fail_msg("no device %s", name);
    return NULL;
}

static int setup(void **state)
{
    com1 = (struct chip){.is_present = true, .has_fifo = true, .base = 0x3f8, .lcr = 0x83};
    com2 = (struct chip){.is_present = false, .has_fifo = true, .base = 0x2f8};
    memset(received, 0, sizeof(received));
    option_parse_line("com1=auto,8n1,0x3f8,4 com2=auto,8n1,0x2f8,3");
    fake_log_reset();
    device("com1")->sync(device("com1"));
    com1.sent_length = 0;
    return 0;
}

static void test_open(void **state)
{
    struct console_device *d = device("com1");

    assert_true(d->open(d));
    assert_int_equal(com1.lcr, 0x03);
    assert_int_equal(com1.divisor, 0);
    assert_int_equal(com1.mcr & 0x0b, 0x0b);
    assert_int_equal(com1.ier, 0);
    assert_int_equal(com1.fcr & 1, 1);
    assert_int_equal(d->irq, 4);
    assert_int_equal(d->port_first, 0x3f8);
    assert_int_equal(d->port_count, 8);
}

static void test_absent_port_costs_little(void **state)
{
    struct console_device *d = device("com2");

    port_accesses = 0;
    assert_false(d->open(d));
    assert_true(port_accesses < 5);
}

static void test_options(void **state)
{
    struct console_device *d = device("com1"), *second = device("com2");

    option_parse_line("com1=115200,8n1");
    assert_true(d->open(d));
    assert_int_equal(com1.divisor, 1);
    assert_int_equal(com1.lcr, 0x03);
    option_parse_line("com1=9600,7e2");
    assert_true(d->open(d));
    assert_int_equal(com1.divisor, 12);
    assert_int_equal(com1.lcr, 0x02 | 0x18 | 0x04);
    option_parse_line("com1=38400/921600,5o1,,0");
    assert_true(d->open(d));
    assert_int_equal(com1.divisor, 24);
    assert_int_equal(com1.lcr, 0x08);
    assert_int_equal(d->irq, 0);
    com2.is_present = true;
    com2.base = 0x2e8;
    option_parse_line("com2=115200,,0x2e8,7");
    assert_true(second->open(second));
    assert_int_equal(com2.lcr, 0x03);
    assert_int_equal(second->irq, 7);
    option_parse_line("com2=,,,9");
    assert_true(second->open(second));
    assert_int_equal(second->irq, 9);
    assert_int_equal(com2.divisor, 1);
    assert_string_equal(fake_log, "");
}

static void test_bad_options(void **state)
{
    static const char *const bad[] = {"com1=fast",
                                      "com1=0",
                                      "com1=115200,8x1",
                                      "com1=115200,9n1",
                                      "com1=115200,8n3",
                                      "com1=115200,8",
                                      "com1=115200,8n1x",
                                      "com1=115200x",
                                      "com1=115200/0",
                                      "com1=115200/9600",
                                      "com1=1/64000000",
                                      "com1=115200,8n1,pci",
                                      "com1=115200,8n1,0x3",
                                      "com1=9600,8n1,0x3f8,16",
                                      "com1=9600,8n1,0x3f8,msi",
                                      "no-com1",

                                      "com1=115200,8n1,0x3f8,4,00:01.0",
                                      "com1=autox"};
    struct console_device *d = device("com1");

    option_parse_line("com1=19200");
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        fake_log_reset();
        option_parse_line(bad[i]);
        if (fake_log_lines() != 1)
            fail_msg("no complaint about %s", bad[i]);
        assert_true(d->open(d));
        assert_int_equal(com1.divisor, 6);
        assert_int_equal(com1.lcr, 0x03);
        assert_int_equal(d->irq, 4);
    }
}

static void check_sent(const char *text, size_t length)
{
    assert_int_equal(com1.sent_length, length);
    assert_memory_equal(com1.sent, text, length);
    assert_int_equal(com1.overruns, 0);
}

static void fill(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        text[i] = 'a' + i % 23;
}

static void test_polled_output(void **state)
{
    struct console_device *d = device("com1");
    char text[1000];

    fill(text, sizeof(text));
    for (int with_fifo = 0; with_fifo < 2; with_fifo++) {
        com1.has_fifo = with_fifo;
        com1.sent_length = 0;
        assert_true(d->open(d));
        d->write(d, text, sizeof(text));
        check_sent(text, sizeof(text));
    }
}

static void test_fifo_is_filled_in_bursts(void **state)
{
    struct console_device *d = device("com1");

    assert_true(d->open(d));
    chip_drain(&com1);
    port_accesses = 0;
    d->write(d, "0123456789abcdef", 16);
    assert_int_equal(port_accesses, 17); /* one look at the status */
    check_sent("0123456789abcdef", 16);
}

static void test_hung_port_does_not_stop_us(void **state)
{
    struct console_device *d = device("com1");

    assert_true(d->open(d));
    com1.is_hung = true;
    d->write(d, "lost", 4);
    port_accesses = 0;
    d->write(d, "lost too", 8);
    assert_true(port_accesses < 5);
    com1.is_hung = false;
    chip_drain(&com1);
    d->write(d, "back", 4);
    check_sent("back", 4);
}

static void test_input(void **state)
{
    struct console_device *d = device("com1");

    assert_true(d->open(d));
    d->enable_irq(d);
    assert_int_equal(com1.ier, 1);
    com1.input = "hello";
    d->service(d);
    assert_string_equal(received, "hello");
    assert_int_equal(chip_iir(&com1) & 1, 1);
}

static void test_queued_output(void **state)
{
    struct console_device *d = device("com1");
    static char text[3000];

    fill(text, sizeof(text));
    assert_true(d->open(d));
    d->enable_irq(d);
    d->write(d, text, sizeof(text));
    /* Returned long before all is out, and waits for the transmitter's interrupt. */
    assert_in_range(com1.sent_length, 1, 100);
    assert_int_equal(com1.ier, 3);
    for (int i = 0; i < 1000 && com1.ier & 2; i++) {
        chip_drain(&com1);
        d->service(d);
    }
    check_sent(text, sizeof(text));
    assert_int_equal(com1.ier, 1);
}

static void test_more_than_the_queue_holds(void **state)
{
    struct console_device *d = device("com1");
    static char text[50000];

    fill(text, sizeof(text));
    assert_true(d->open(d));
    d->enable_irq(d);
    d->write(d, text, sizeof(text));
    assert_true(com1.sent_length >= sizeof(text) - 16384);
    while (com1.ier & 2) {
        chip_drain(&com1);
        d->service(d);
    }
    check_sent(text, sizeof(text));
}

static void test_panic_sends_the_queue_first(void **state)
{
    struct console_device *d = device("com1");
    static char text[2000];

    fill(text, sizeof(text));
    assert_true(d->open(d));
    d->enable_irq(d);
    d->write(d, text, 1990);
    d->sync(d);
    assert_int_equal(com1.ier, 0);
    d->write(d, text + 1990, 10);
    check_sent(text, sizeof(text));
}

static void test_noisy_chip_does_not_hold_us(void **state)
{
    struct console_device *d = device("com1");

    assert_true(d->open(d));
    d->enable_irq(d);
    com1.is_present = false; /* reads all ones from now on: always something received */
    d->service(d);
    assert_true(strlen(received) <= 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_open, setup),
        cmocka_unit_test_setup(test_absent_port_costs_little, setup),
        cmocka_unit_test_setup(test_options, setup),
        cmocka_unit_test_setup(test_bad_options, setup),
        cmocka_unit_test_setup(test_polled_output, setup),
        cmocka_unit_test_setup(test_fifo_is_filled_in_bursts, setup),
        cmocka_unit_test_setup(test_hung_port_does_not_stop_us, setup),
        cmocka_unit_test_setup(test_input, setup),
        cmocka_unit_test_setup(test_queued_output, setup),
        cmocka_unit_test_setup(test_more_than_the_queue_holds, setup),
        cmocka_unit_test_setup(test_panic_sends_the_queue_first, setup),
        cmocka_unit_test_setup(test_noisy_chip_does_not_hold_us, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
