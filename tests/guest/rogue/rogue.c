/* SPDX-License-Identifier: MIT */
/*
 * A guest that means harm, for tests/system/hostile.py: not booted by run.py. The word `mode=NAME`
 * on its command line says what it does, over and over, until that is its end: it then crashes or
 * reboots, and the toolstack starts it again. `seed=NUMBER` and the place of its memory say in what
 * order.
 */
#include "guest.h"
#include <xen/grant_table.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>
#include <xen/memory.h>
#include <xen/sched.h>

#define RING_ROUNDS  2000
#define GRANT_FRAMES 4

static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static const char *option_text(const char *name)
{
    const char *at = strstr((const char *)start_info->cmd_line, name);

    return at ? at + strlen(name) : "";
}

static void random_seed(void)
{
    random_state = 0x9e3779b97f4a7c15 ^ start_info->shared_info;
    for (const char *at = option_text("seed="); *at >= '0' && *at <= '9'; at++)
        random_state = random_state * 10 + *at;
}

static void *random_page(void)
{
    return pfn_to_va(random_next() % mm_mapped_end_pfn());
}

/* What means something to one call or another. */
static uint64_t random_word(void)
{
    uint64_t mfn = va_to_mfn(random_page());

    switch (random_next() % 12) {
    case 0: return 0;
    case 1: return random_next() % 16;
    case 2: return random_next() % 2 ? DOMID_SELF : random_next() % 4;
    case 3: return mfn;
    case 4: return pte_make(mfn, random_next() & 0xfff);
    case 5: return mfn << PAGE_SHIFT | (random_next() & 0xff8);
    case 6:
    case 7: return (uint64_t)random_page() + (random_next() & 0xff8);
    case 8: return ~(random_next() % 128);
    case 9: return BIT(random_next() % 64) - random_next() % 2;
    case 10: return HYPERVISOR_VIRT_START + (random_next() & 0x7fffffff8);
    default: return random_next();
    }
}

static void scribble(volatile uint64_t *page)
{
    for (unsigned i = 0; i < 16; i++) {
        volatile uint64_t *word = &page[random_next() % (PAGE_SIZE / sizeof(*page))];

        FAULT_OF(*word = random_word());
    }
}

static void crash(void)
{
    struct sched_shutdown how = {.reason = SHUTDOWN_crash};

    if (random_next() % 2)
        sched_op(SCHEDOP_shutdown, &how);
    stack_switch(FLAT_KERNEL_SS, 0);
    set_trap_table(NULL);
    __asm__ volatile("ud2");
}

static void spin(void)
{
    for (;;)
        ;
}

/* All ports there are: unbound, for dom0, connected with each other and raised. */
static void ports(void)
{
    for (;;) {
        long port = event_alloc_unbound(DOMID_SELF, random_next() % 4 ? DOMID_SELF : 0);

        if (port < 0) {
            for (unsigned i = 0; i < 64; i++)
                event_close(random_next() % EVENT_PORTS);
            continue;
        }
        event_bind_interdomain(DOMID_SELF, port);
        event_bind_interdomain(0, random_next() % 256);
        event_bind_ipi(0);
        for (unsigned i = 0; i < 8; i++)
            event_send(random_next() % (port + 1));
    }
}

static void fifo(void)
{
    struct evtchn_set_priority priority;

    event_fifo_start();
    for (;;) {
        long port = event_alloc_unbound(DOMID_SELF, DOMID_SELF);

        event_bind_interdomain(DOMID_SELF, port);
        scribble((void *)((uint64_t)event_fifo_word(1) & PAGE_MASK));
        scribble(random_page());
        priority.port = random_next() % 1024;
        priority.priority = random_next() % 17;
        event_channel_op(EVTCHNOP_set_priority, &priority);
        for (unsigned i = 0; i < 32; i++) {
            event_send(random_next() % 1024);
            event_unmask(random_next() % 1024);
        }
        if (random_next() % 16 == 0)
            event_close(random_next() % 1024);
    }
}

/* What it was told at the start, and what it shares with the hypervisor. */
static void shared(void)
{
    for (;;) {
        scribble((void *)start_info);
        scribble((void *)shared_info);
        event_send(random_next() % 64);
        sched_op(SCHEDOP_yield, NULL);
    }
}

/* The store's and the console's ring, whose other ends are dom0's daemons. */
static void rings(void)
{
    void *store = pfn_to_va(mfn_to_pfn(start_info->store_mfn));
    void *console = pfn_to_va(mfn_to_pfn(start_info->console.domU.mfn));
    evtchn_port_t store_port = start_info->store_evtchn;
    evtchn_port_t console_port = start_info->console.domU.evtchn;

    for (unsigned i = 0; i < RING_ROUNDS; i++) {
        struct xenstore_domain_interface *xs = store;
        struct xencons_interface *xc = console;

        scribble(store);
        scribble(console);
        xs->req_prod = xs->req_cons + random_next() % 2048;
        xc->out_prod = xc->out_cons + random_next() % 4096;
        event_send(store_port);
        event_send(console_port);
        sched_op(SCHEDOP_yield, NULL);
    }
}

static void tables(void)
{
    for (;;) {
        const void *va = random_page();
        uint64_t machine = pt_entry_machine(va, 1 + random_next() % 4);

        switch (random_next() % 4) {
        case 0: pte_write(machine, random_word()); break;
        case 1: map_va(va, random_word()); break;
        case 2: mmuext(random_next() % 20, random_word()); break;
        default: scribble((void *)((uint64_t)pt_entry(va, 1) & PAGE_MASK)); break;
        }
    }
}

static void grants(void)
{
    static xen_pfn_t frames[GRANT_FRAMES];
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = GRANT_FRAMES};
    void *table[GRANT_FRAMES];

    set_xen_guest_handle(setup.frame_list, frames);
    REQUIRE_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
    for (unsigned i = 0; i < GRANT_FRAMES; i++) {
        table[i] = page_alloc();
        REQUIRE_EQ(map_va(table[i], pte_make(frames[i], PTE_RW)), 0);
    }
    for (;;) {
        uint64_t arguments[64];

        for (unsigned i = 0; i < ARRAY_SIZE(arguments); i++)
            arguments[i] = random_word();
        scribble(table[random_next() % GRANT_FRAMES]);
        grant_table_op(random_next() % 16, arguments, random_next() % 5);
    }
}

static void calls(void)
{
    for (;;) {
        uint64_t nr = random_next() % 49;

        if (nr == __HYPERVISOR_iret)
            continue;
        hypercall5(nr, random_next() % 2 ? random_next() % 32 : random_word(), random_word(),
                   random_word(), random_word(), random_word());
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} modes[] = {
    {"crash", crash}, {"spin", spin},     {"ports", ports},   {"fifo", fifo},   {"shared", shared},
    {"rings", rings}, {"tables", tables}, {"grants", grants}, {"calls", calls},
};

TEST("harm")
{
    const char *wanted = option_text("mode=");

    random_seed();
    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++)
        if (strncmp(wanted, modes[i].name, strlen(modes[i].name)) == 0)
            modes[i].run();
}
