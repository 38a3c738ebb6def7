/* SPDX-License-Identifier: MIT */
/*
 * The serial ports of a PC (16550 and relatives) as console devices `com1` and `com2`. Relies on
 * port I/O from the port contract; console.c serialises all calls. Until its interrupt is enabled
 * a port is polled; then text is queued and the "transmitter empty" interrupt sends it on.
 * Registers: National Semiconductor PC16550D data sheet, chapter 8.
 */
#include <kr/arch.h>
#include <kr/console.h>
#include <kr/errno.h>
#include <kr/option.h>
#include <kr/string.h>

/* Register offsets. With LCR_DLAB set, the first two are the divisor. */
#define RBR 0 /* read: received byte */
#define THR 0 /* write: byte to send */
#define DLL 0
#define IER 1
#define DLM 1
#define IIR 2 /* read */
#define FCR 2 /* write */
#define LCR 3
#define MCR 4
#define LSR 5
#define SCR 7

#define IER_RECEIVED     0x01
#define IER_TRANSMITTED  0x02
#define IIR_NONE         0x01
#define IIR_FIFO         0xc0 /* both bits: a FIFO that works */
#define FCR_ENABLE_CLEAR 0x07 /* on, both directions emptied, interrupt for each byte */
#define LCR_DLAB         0x80
#define MCR_ON           0x0b /* DTR, RTS, and OUT2, which lets the interrupt out */
#define LSR_RECEIVED     0x01
#define LSR_THR_EMPTY    0x20
#define LSR_ABSENT       0xff /* nobody drives the bus */

#define REGISTER_COUNT   8
#define FIFO_BYTES       16
#define BASE_BAUD        115200
#define QUEUE_BYTES      (16 * KIB)
#define WAIT_READS_MAX   (1U << 20) /* of the line status, about a microsecond each */
#define SERVICE_LOOP_MAX 256        /* per interrupt, against hardware that never calms down */

/* What `com1=` says. */
struct uart_config {
    unsigned baud; /* 0: as the firmware left it */
    unsigned base_baud;
    uint8_t line_control; /* LCR: data bits, parity, stop bits */
    uint16_t io_base;
    uint8_t irq;
};

struct uart {
    struct uart_config config;
    unsigned fifo_bytes;
    bool has_irq;   /* the interrupt is on: text is queued */
    bool is_stuck;  /* it never got ready: waiting again would be for nothing */
    uint8_t causes; /* what may interrupt: IER */
    uint32_t head, tail;
    char *queue; /* QUEUE_BYTES, used as a ring */
};

static char queues[2][QUEUE_BYTES];
static struct uart uarts[2] = {
    {.config = {.base_baud = BASE_BAUD, .line_control = 0x03, .io_base = 0x3f8, .irq = 4},
     .queue = queues[0]},
    {.config = {.base_baud = BASE_BAUD, .line_control = 0x03, .io_base = 0x2f8, .irq = 3},
     .queue = queues[1]},
};

/* ---- configuration -------------------------------------------------------------------------- */

/* A number up to the next comma or the end. */
static int parse_field(const char **text, uint64_t min, uint64_t max, uint64_t *value)
{
    const char *end;
    uint64_t number;
    int rc = option_parse_uint(*text, &number, &end);

    if (rc || (*end && *end != ',' && *end != '/'))
        return -EINVAL;
    if (number < min || number > max)
        return -ERANGE;
    *value = number;
    *text = end;
    return 0;
}

/* `auto`, or a rate, with `/<base rate>` behind it. */
static int parse_baud(const char **text, struct uart_config *config)
{
    uint64_t baud, base_baud = BASE_BAUD;
    int rc;

    if (!strncmp(*text, "auto", 4)) {
        config->baud = 0;
        *text += 4;
        return 0;
    }
    rc = parse_field(text, 1, 4000000, &baud);
    if (!rc && **text == '/') {
        ++*text;
        rc = parse_field(text, 1, 64000000, &base_baud);
    }
    if (rc)
        return rc;
    if (base_baud / baud < 1 || base_baud / baud > 0xffff)
        return -ERANGE;
    config->baud = baud;
    config->base_baud = base_baud;
    return 0;
}

/* Data bits, parity, stop bits: `8n1`. */
static int parse_frame(const char **text, struct uart_config *config)
{
    static const char parities[] = "noems"; /* none, odd, even, mark, space */
    static const uint8_t parity_bits[] = {0x00, 0x08, 0x18, 0x28, 0x38};
    const char *t = *text, *parity;

    if (t[0] < '5' || t[0] > '8' || !t[1] || !(parity = strchr(parities, t[1])) ||
        (t[2] != '1' && t[2] != '2'))
        return -EINVAL;
    config->line_control = (t[0] - '5') | parity_bits[parity - parities] | (t[2] == '2' ? 0x04 : 0);
    *text += 3;
    return 0;
}

/* `<baud>[/<base-baud>][,[<dps>][,[<io-base>][,[<irq>]]]]`: an empty field keeps its default. */
static int parse_config(struct uart *uart, const char *text)
{
    struct uart_config config = uart->config;

    for (int field = 0; field < 4; field++) {
        uint64_t value;
        int rc = 0;

        if (*text == ',') {
            text++;
            continue;
        }
        if (!*text)
            break;
        switch (field) {
        case 0: rc = parse_baud(&text, &config); break;
        case 1: rc = parse_frame(&text, &config); break;
        case 2:
            rc = parse_field(&text, 0x100, 0xfff8, &value);
            if (!rc)
                config.io_base = value;
            break;
        default:
            rc = parse_field(&text, 0, 15, &value);
            if (!rc)
                config.irq = value;
            break;
        }
        if (rc)
            return rc;
        if (*text && *text++ != ',')
            return -EINVAL;
    }
    if (*text)
        return -EINVAL;
    uart->config = config;
    return 0;
}

static int parse_com1(const char *value)
{
    return parse_config(&uarts[0], value);
}
static int parse_com2(const char *value)
{
    return parse_config(&uarts[1], value);
}
OPTION_CUSTOM("com1", parse_com1, "<baud|auto>[/<base-baud>][,[8n1][,[<io-base>][,[<irq>]]]]");
OPTION_CUSTOM("com2", parse_com2, "<baud|auto>[/<base-baud>][,[8n1][,[<io-base>][,[<irq>]]]]");

/* ---- hardware ------------------------------------------------------------------------------- */

static uint8_t uart_read(const struct uart *uart, unsigned reg)
{
    return arch_port_read8(uart->config.io_base + reg);
}

static void uart_write(const struct uart *uart, unsigned reg, uint8_t value)
{
    arch_port_write8(uart->config.io_base + reg, value);
}

/* The scratch register remembers; an empty bus answers all ones. */
static bool uart_is_present(const struct uart *uart)
{
    if (uart_read(uart, LSR) == LSR_ABSENT)
        return false;
    uart_write(uart, SCR, 0x5a);
    return uart_read(uart, SCR) == 0x5a;
}

static void uart_setup(struct uart *uart)
{
    const struct uart_config *config = &uart->config;

    uart_write(uart, IER, 0);
    uart->causes = 0;
    if (config->baud) {
        unsigned divisor = config->base_baud / config->baud;

        uart_write(uart, LCR, config->line_control | LCR_DLAB);
        uart_write(uart, DLL, divisor & 0xff);
        uart_write(uart, DLM, divisor >> 8);
    }
    uart_write(uart, LCR, config->line_control);
    uart_write(uart, FCR, FCR_ENABLE_CLEAR);
    uart_write(uart, MCR, MCR_ON);
    uart->fifo_bytes = (uart_read(uart, IIR) & IIR_FIFO) == IIR_FIFO ? FIFO_BYTES : 1;
}

static void uart_set_causes(struct uart *uart, uint8_t causes)
{
    if (uart->causes != causes)
        uart_write(uart, IER, causes);
    uart->causes = causes;
}

static bool uart_can_send(const struct uart *uart)
{
    return uart_read(uart, LSR) & LSR_THR_EMPTY;
}

/* The transmitter is empty: up to a FIFO full. Returns how many went. */
static size_t uart_send(const struct uart *uart, const char *text, size_t length)
{
    size_t count = MIN(length, uart->fifo_bytes);

    for (size_t i = 0; i < count; i++)
        uart_write(uart, THR, text[i]);
    return count;
}

/* Waits for room, but not for ever, and only once for hardware that hangs. */
static bool uart_wait(struct uart *uart)
{
    unsigned reads = uart->is_stuck ? 1 : WAIT_READS_MAX;

    while (reads--) {
        if (uart_can_send(uart)) {
            uart->is_stuck = false;
            return true;
        }
        arch_cpu_relax();
    }
    uart->is_stuck = true;
    return false;
}

/* ---- queue ---------------------------------------------------------------------------------- */

/* Sends a FIFO full from the queue. */
static void queue_send(struct uart *uart)
{
    uint32_t start = uart->tail % QUEUE_BYTES;
    uint32_t count = MIN(uart->head - uart->tail, QUEUE_BYTES - start);

    uart->tail += uart_send(uart, uart->queue + start, count);
}

/* Sends what the hardware takes now; the rest waits for the interrupt. */
static void queue_pump(struct uart *uart)
{
    while (uart->head != uart->tail && uart_can_send(uart))
        queue_send(uart);
    uart_set_causes(uart, IER_RECEIVED | (uart->head != uart->tail ? IER_TRANSMITTED : 0));
}

static void queue_put(struct uart *uart, const char *text, size_t length)
{
    for (; length; length--) {
        if (uart->head - uart->tail == QUEUE_BYTES) {
            if (!uart_wait(uart))
                return;
            queue_send(uart);
        }
        uart->queue[uart->head++ % QUEUE_BYTES] = *text++;
    }
}

/* ---- console device ------------------------------------------------------------------------- */

static bool ns16550_open(struct console_device *device)
{
    struct uart *uart = device->context;

    if (!uart_is_present(uart))
        return false;
    uart_setup(uart);
    device->port_first = uart->config.io_base;
    device->port_count = REGISTER_COUNT;
    device->irq = uart->config.irq;
    return true;
}

static void ns16550_write(struct console_device *device, const char *text, size_t length)
{
    struct uart *uart = device->context;

    if (uart->has_irq) {
        queue_put(uart, text, length);
        queue_pump(uart);
        return;
    }
    while (length && uart_wait(uart)) {
        size_t sent = uart_send(uart, text, length);

        text += sent;
        length -= sent;
    }
}

static void ns16550_service(struct console_device *device)
{
    struct uart *uart = device->context;
    unsigned loops = 0;

    /* An ISA line signals edges: leave no cause pending, or there will be no further interrupt. */
    do {
        while ((uart_read(uart, LSR) & LSR_RECEIVED) && loops++ < SERVICE_LOOP_MAX)
            console_receive(uart_read(uart, RBR));
        if (uart->has_irq && uart->head != uart->tail)
            queue_pump(uart);
    } while (!(uart_read(uart, IIR) & IIR_NONE) && loops++ < SERVICE_LOOP_MAX);
}

static void ns16550_enable_irq(struct console_device *device)
{
    struct uart *uart = device->context;

    uart->has_irq = true;
    uart_set_causes(uart, IER_RECEIVED);
}

static void ns16550_sync(struct console_device *device)
{
    struct uart *uart = device->context;

    while (uart->head != uart->tail && uart_wait(uart))
        queue_send(uart);
    uart->head = uart->tail = 0;
    uart->has_irq = false;
    uart_set_causes(uart, 0);
}

CONSOLE_DEVICE(com1, .name = "com1", .open = ns16550_open, .write = ns16550_write,
               .service = ns16550_service, .enable_irq = ns16550_enable_irq, .sync = ns16550_sync,
               .context = &uarts[0]);
CONSOLE_DEVICE(com2, .name = "com2", .open = ns16550_open, .write = ns16550_write,
               .service = ns16550_service, .enable_irq = ns16550_enable_irq, .sync = ns16550_sync,
               .context = &uarts[1]);
