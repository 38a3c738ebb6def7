/* SPDX-License-Identifier: MIT */
/*
 * Console output: the ring of messages and the devices that show them. Relies on the drivers
 * declared in the section `kr_console_devices`.
 */
#include <kr/console.h>
#include <kr/cpu.h>
#include <kr/lock.h>
#include <kr/log.h>
#include <kr/option.h>
#include <kr/string.h>

#define RING_BYTES_DEFAULT (16 * KIB)
#define RING_BYTES_MAX     (64 * MIB)

extern struct console_device __start_kr_console_devices[], __stop_kr_console_devices[];

static char devices_wanted[64] = "com1,vga";
OPTION_STRING("console", devices_wanted, "devices for messages, such as com1,vga, or none");
static uint64_t ring_bytes_wanted = RING_BYTES_DEFAULT;
OPTION_SIZE("conring_size", ring_bytes_wanted, "size of the ring behind `xl dmesg`");
static bool guest_to_ring;
OPTION_BOOL("console_to_ring", guest_to_ring, "put dom0's console output into the ring as well");

static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_CONSOLE);
static bool is_panicking; /* locks are no longer taken */
static bool is_initialised;

/*
 * Positions count all bytes ever written, modulo 2^32; the ring holds the last `ring_size` of them.
 * Readers see what lies between the last clear and the head.
 */
static char ring_default[RING_BYTES_DEFAULT];
static char *ring = ring_default;
static uint32_t ring_size = RING_BYTES_DEFAULT;
static uint32_t ring_head, ring_cleared;

static char last_shown = '\n'; /* last character on the devices */

#define for_each_device(d) \
    for (struct console_device *d = __start_kr_console_devices; d < __stop_kr_console_devices; d++)

unsigned long console_lock(void)
{
    return is_panicking ? 0 : spin_lock_irqsave(&lock);
}

void console_unlock(unsigned long flags)
{
    if (!is_panicking)
        spin_unlock_irqrestore(&lock, flags);
}

static void ring_put(const char *text, size_t length)
{
    for (; length; length--)
        ring[ring_head++ & (ring_size - 1)] = *text++;
    if (ring_head - ring_cleared > ring_size)
        ring_cleared = ring_head - ring_size;
}

static void show_raw(const char *text, size_t length)
{
    for_each_device (device) {
        if (device->is_open)
            device->write(device, text, length);
    }
}

/* Sends text to the devices in pieces, each line feed as CR LF. */
static void show(const char *text, size_t length)
{
    char piece[128];
    size_t n = 0;

    for (; length; length--) {
        if (*text == '\n' && last_shown != '\r')
            piece[n++] = '\r';
        last_shown = piece[n++] = *text++;
        if (n >= sizeof(piece) - 1) {
            show_raw(piece, n);
            n = 0;
        }
    }
    if (n)
        show_raw(piece, n);
}

void console_write(const char *text, size_t length)
{
    unsigned long flags = console_lock();

    ring_put(text, length);
    /* Do not run into a line that dom0 has not finished. */
    if (is_initialised && last_shown != '\n')
        show("\n", 1);
    if (is_initialised)
        show(text, length);
    console_unlock(flags);
}

void console_guest_write(const char *text, size_t length)
{
    unsigned long flags = console_lock();

    show(text, length);
    if (guest_to_ring)
        ring_put(text, length);
    console_unlock(flags);
}

uint32_t console_read_ring(char *buf, uint32_t size, uint32_t *index, bool clear, bool incremental)
{
    unsigned long flags = console_lock();
    uint32_t from = ring_cleared, count = 0;

    /* An index out of the past is moved up, one from the future finds nothing. */
    if (incremental && (int32_t)(*index - from) > 0)
        from = (int32_t)(ring_head - *index) > 0 ? *index : ring_head;
    for (; count < size && from != ring_head; count++)
        buf[count] = ring[from++ & (ring_size - 1)];
    if (clear)
        ring_cleared = from;
    *index = from;
    console_unlock(flags);
    return count;
}

uint32_t console_ring_wanted_bytes(void)
{
    uint32_t size = RING_BYTES_DEFAULT;

    while (size < ring_bytes_wanted && size < RING_BYTES_MAX)
        size *= 2;
    return size;
}

void console_ring_grow(char *memory, uint32_t size_bytes)
{
    unsigned long flags = console_lock();

    ASSERT(size_bytes >= ring_size && !(size_bytes & (size_bytes - 1)));
    for (uint32_t at = ring_cleared; at != ring_head; at++)
        memory[at & (size_bytes - 1)] = ring[at & (ring_size - 1)];
    ring = memory;
    ring_size = size_bytes;
    console_unlock(flags);
}

/* Is `name` one of the words in the comma-separated `console=` list? */
static bool device_is_wanted(const char *name)
{
    size_t length = strlen(name);

    for (const char *p = devices_wanted; p; p = strchr(p, ',')) {
        p += *p == ',';
        if (!strncmp(p, name, length) && (!p[length] || p[length] == ','))
            return true;
    }
    return false;
}

static bool device_exists(const char *name, size_t length)
{
    if (length == 4 && !strncmp(name, "none", 4))
        return true;
    for_each_device (device) {
        if (strlen(device->name) == length && !strncmp(device->name, name, length))
            return true;
    }
    return false;
}

static void warn_unknown_devices(void)
{
    const char *p = devices_wanted, *comma;

    for (; p; p = comma ? comma + 1 : NULL) {
        size_t length;

        comma = strchr(p, ',');
        length = comma ? (size_t)(comma - p) : strlen(p);
        if (length && !device_exists(p, length))
            log_warning("console=%s: there is no device `%.*s`", devices_wanted, (int)length, p);
    }
}

static void open_devices(void)
{
    for_each_device (device)
        device->is_open = device_is_wanted(device->name) && device->open(device);
}

void console_init(void)
{
    unsigned long flags = console_lock();
    bool is_first = !is_initialised;

    if (is_first) {
        uint32_t start = ring_cleared & (ring_size - 1);
        uint32_t count = ring_head - ring_cleared;
        uint32_t to_end = MIN(count, ring_size - start);

        open_devices();
        show(ring + start, to_end);
        show(ring, count - to_end);
        is_initialised = true;
    }
    console_unlock(flags);
    if (is_first)
        warn_unknown_devices();
}

uint32_t console_irq_lines(void)
{
    uint32_t lines = 0;

    for_each_device (device) {
        if (device->is_open && device->irq)
            lines |= BIT(device->irq);
    }
    return lines;
}

void console_irq_enable(unsigned irq)
{
    unsigned long flags = console_lock();

    for_each_device (device) {
        if (device->is_open && device->irq == irq && device->enable_irq)
            device->enable_irq(device);
    }
    console_unlock(flags);
}

void console_interrupt(unsigned irq)
{
    unsigned long flags = console_lock();
    bool pending;

    for_each_device (device) {
        if (device->is_open && device->service && (!irq || device->irq == irq))
            device->service(device);
    }
    pending = console_input_pending();
    console_unlock(flags);
    if (pending)
        cpu_raise_work(this_cpu(), CPU_WORK_CONSOLE);
}

bool console_owns_port(uint16_t port)
{
    for_each_device (device) {
        if (device->is_open && (uint16_t)(port - device->port_first) < device->port_count)
            return true;
    }
    return false;
}

void console_start_dom0(void)
{
    unsigned long flags = console_lock();

    for_each_device (device) {
        if (device->is_open && device->release && device->release(device))
            device->is_open = false;
    }
    console_unlock(flags);
    console_input_start_dom0();
}

void console_enter_panic(void)
{
    is_panicking = true;
    console_init();
    for_each_device (device) {
        if (device->is_open && device->sync)
            device->sync(device);
    }
}
