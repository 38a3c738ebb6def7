/* SPDX-License-Identifier: MIT */
/*
 * The console: a ring that keeps the hypervisor's messages (XEN_SYSCTL_readconsole, xen/sysctl.h),
 * the devices that show them, and dom0's console_io on the same devices (xen/xen.h CONSOLEIO_*).
 * One leaf lock covers ring, devices and input; device drivers run under it and take none.
 */
#pragma once

#include <kr/types.h>

/* ---- devices -------------------------------------------------------------------------------- */

/*
 * A device that text can go to. Drivers declare theirs with CONSOLE_DEVICE; `console=` picks by
 * name. All functions run under the console lock. Only `open` and `write` are required.
 */
struct console_device {
    const char *name;
    /* Looks for the hardware, quickly; false when it is not there. */
    bool (*open)(struct console_device *device);
    /* Shows text; lines end in CR LF already. May queue it when interrupts are on. */
    void (*write)(struct console_device *device, const char *text, size_t length);
    /* Interrupt or poll: hands over received characters (console_receive()), sends what is queued.
     */
    void (*service)(struct console_device *device);
    /* From now on interrupts serve the device. */
    void (*enable_irq)(struct console_device *device);
    /* Panic: from now on write returns when the text is out; what was queued goes first. */
    void (*sync)(struct console_device *device);
    /* dom0 starts: gives the device up. False: stays. */
    bool (*release)(struct console_device *device);
    void *context;
    uint16_t port_first, port_count; /* I/O ports that no guest may have while open */
    uint8_t irq;                     /* ISA interrupt line, 0 for none */
    bool is_open;
};

#define CONSOLE_DEVICE(variable, ...)                         \
    static struct console_device variable __used __aligned(8) \
        __section("kr_console_devices") = {__VA_ARGS__}

/* Opens the devices that `console=` names and shows them what the ring holds. After the options. */
void console_init(void);
/* ISA interrupt lines of the open devices, as a mask (bit 4: IRQ 4). */
uint32_t console_irq_lines(void);
/* The line's handler is in place: the devices on it may interrupt. */
void console_irq_enable(unsigned irq);
/* Handler of such a line. May be called at any time, also to poll (irq 0: every device). */
void console_interrupt(unsigned irq);
/* Is this I/O port one of an open device's? */
bool console_owns_port(uint16_t port);
/* dom0 takes the screen, and the keyboard input (unless `conswitch=` ends in x). */
void console_start_dom0(void);

/* ---- output --------------------------------------------------------------------------------- */

/* Text of the hypervisor, whole lines with their newline, to ring and devices. Any context. */
void console_write(const char *text, size_t length);
/* dom0's CONSOLEIO_write: to the devices as it is; to the ring only with `console_to_ring`. */
void console_guest_write(const char *text, size_t length);
/* Our own crash: no more locks, devices synchronous; opens them if that was not done yet. */
void console_enter_panic(void);

/*
 * The ring's bytes, oldest first, into `buf`: from the last clear on, or, when `incremental` and
 * that is later, from `*index` on; what was overwritten is skipped. Stores in `*index` where the
 * copied text ends, and forgets everything before that if `clear`. Returns the bytes copied, 0 at
 * the end. To read in chunks, go on with `incremental` set and the same index.
 */
uint32_t console_read_ring(char *buf, uint32_t size, uint32_t *index, bool clear, bool incremental);
/* Size that `conring_size=` asks for (a power of two), and the memory for it; content is kept. */
uint32_t console_ring_wanted_bytes(void);
void console_ring_grow(char *memory, uint32_t size_bytes);

/* ---- input ---------------------------------------------------------------------------------- */

/* A driver hands over a received character. Console lock held. */
void console_receive(char c);
/*
 * CPU_WORK_CONSOLE: sends what was received where it belongs: dom0's buffer and VIRQ_CONSOLE, or
 * the debug keys. Ctrl-A (`conswitch=`) three times changes between the two. No lock held.
 */
void console_do_work(void);
/* dom0's CONSOLEIO_read: takes up to `size` characters, returns how many. */
uint32_t console_guest_read(char *buf, uint32_t size);

/* ---- between the console's own files -------------------------------------------------------- */

unsigned long console_lock(void);
void console_unlock(unsigned long flags);
/* Anything waiting for console_do_work()? Lock held. */
bool console_input_pending(void);
/* Input goes to dom0 from now on, unless `conswitch=` says otherwise. No lock held. */
void console_input_start_dom0(void);
