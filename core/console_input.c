/* SPDX-License-Identifier: MIT */
/*
 * Console input: characters wait in a small buffer from the interrupt until console_do_work(),
 * which gives them to dom0 or to the debug keys. Relies on console.c for the lock and on event
 * channels for VIRQ_CONSOLE. A full buffer drops what comes next.
 */
#include <kr/console.h>
#include <kr/debugkey.h>
#include <kr/errno.h>
#include <kr/event.h>
#include <kr/log.h>
#include <kr/option.h>
#include <xen/xen.h>

#define SWITCH_COUNT 3

/* Characters in order of arrival; counters run freely, the size is a power of two. */
struct fifo {
    uint32_t head, tail, size;
    char *data;
};

static char received_data[256], guest_data[1024];
static struct fifo received = {.size = sizeof(received_data), .data = received_data};
static struct fifo guest = {.size = sizeof(guest_data), .data = guest_data};

static char switch_letter = 'a';    /* 0: no switching */
static bool dom0_gets_input = true; /* when it starts */
static bool to_dom0;                /* where input goes now */
static unsigned switches_seen;      /* switch characters in a row, held back */

/* `<letter>[x]`: Ctrl-<letter> switches, a backquote none; x: input stays with the hypervisor. */
static int parse_conswitch(const char *value)
{
    char letter = value[0] | 0x20;
    bool is_letter = letter >= 'a' && letter <= 'z';

    if ((!is_letter && value[0] != '`') || (value[1] && (value[1] != 'x' || value[2])))
        return -EINVAL;
    switch_letter = is_letter ? letter : '\0';
    dom0_gets_input = !value[1];
    return 0;
}
OPTION_CUSTOM("conswitch", parse_conswitch, "<letter or backquote>[x]");

static bool fifo_put(struct fifo *f, char c)
{
    if (f->head - f->tail == f->size)
        return false;
    f->data[f->head++ & (f->size - 1)] = c;
    return true;
}

static bool fifo_get(struct fifo *f, char *c)
{
    if (f->head == f->tail)
        return false;
    *c = f->data[f->tail++ & (f->size - 1)];
    return true;
}

void console_receive(char c)
{
    fifo_put(&received, c);
}

bool console_input_pending(void)
{
    return received.head != received.tail;
}

uint32_t console_guest_read(char *buf, uint32_t size)
{
    unsigned long flags = console_lock();
    uint32_t count = 0;

    while (count < size && fifo_get(&guest, &buf[count]))
        count++;
    console_unlock(flags);
    return count;
}

enum input_action { INPUT_EMPTY, INPUT_HELD, INPUT_SWITCH, INPUT_GUEST, INPUT_KEY };

/* Takes one received character and says what it asks for. Lock held. */
static enum input_action take_input(char *c)
{
    if (!fifo_get(&received, c))
        return INPUT_EMPTY;
    if (switch_letter && *c == (switch_letter & 0x1f)) {
        if (++switches_seen < SWITCH_COUNT)
            return INPUT_HELD;
        switches_seen = 0;
        to_dom0 = !to_dom0;
        return INPUT_SWITCH;
    }
    /* It was no switch after all: dom0 gets what was held back, then this. */
    for (; switches_seen; switches_seen--) {
        if (to_dom0)
            fifo_put(&guest, switch_letter & 0x1f);
    }
    if (!to_dom0)
        return INPUT_KEY;
    fifo_put(&guest, *c);
    return INPUT_GUEST;
}

static void announce(void)
{
    if (switch_letter)
        log_always("*** Serial input to %s (type 'CTRL-%c' three times to switch input)",
                   to_dom0 ? "DOM0" : "Xen", switch_letter);
    else
        log_always("*** Serial input to %s", to_dom0 ? "DOM0" : "Xen");
}

void console_do_work(void)
{
    enum input_action action;
    bool guest_has_input = false;

    do {
        unsigned long flags = console_lock();
        char c;

        action = take_input(&c);
        console_unlock(flags);
        if (action == INPUT_SWITCH)
            announce();
        else if (action == INPUT_KEY)
            debugkey_handle(c);
        guest_has_input |= action == INPUT_GUEST;
    } while (action != INPUT_EMPTY);

    if (guest_has_input)
        event_raise_global_virq(VIRQ_CONSOLE);
}

void console_input_start_dom0(void)
{
    unsigned long flags = console_lock();

    to_dom0 = dom0_gets_input;
    switches_seen = 0;
    console_unlock(flags);
    announce();
}
