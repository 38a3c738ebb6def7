/* SPDX-License-Identifier: MIT */
/*
 * Many domains: as many guests of nine pages as the word `alive=` says are there at once, awake and
 * asleep, and `cycles=` of them are built and destroyed one after the other in every state a guest
 * can be in. When they have gone, as much memory is free as before, to the page (but
 * Xen has a few pages less after the full number at once).
 */
/* RUN: args="alive=100 cycles=90" timeout=60 */
/* RUN: name=full long=yes reference=no args="alive=1000 cycles=500" timeout=600 */
#include "domu.h"
#include <xen/version.h>

#define ALIVE_MAX  1000
#define WAIT_NS    10000000000UL
#define SETTLE_NS  500000000UL
#define GRANT      8 /* a free entry of a grant table */
#define SPARE_ADDR (BASE + SPARE * PAGE_SIZE)

/* The number behind `name=` on the command line. */
static unsigned option_number(const char *name)
{
    const char *at = strstr((const char *)start_info->cmd_line, name);
    unsigned number = 0;

    REQUIRE(at != NULL);
    for (at += strlen(name); *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (*at - '0');
    return number;
}

/* What is freed behind our back has been, too: nothing changes for a while. */
static uint64_t free_pages_settled(void)
{
    uint64_t pages = free_pages(), end = time_now() + SETTLE_NS;

    while (time_now() < end) {
        if (free_pages() != pages) {
            pages = free_pages();
            end = time_now() + SETTLE_NS;
        }
        sched_op(SCHEDOP_yield, NULL);
    }
    return pages;
}

static bool free_pages_are(uint64_t wanted)
{
    uint64_t end = time_now() + WAIT_NS;

    while (free_pages() != wanted && time_now() < end)
        sched_op(SCHEDOP_yield, NULL);
    return free_pages() == wanted;
}

/* ---- alive at once ----------------------------------------------------------------------------
 */

static struct guest guests[ALIVE_MAX];
static evtchn_port_t ports[ALIVE_MAX]; /* ours, to wake them by */

/* The guest sleeps until its port has an event, and counts. */
static void guest_make_sleeper(unsigned n)
{
    struct guest *g = &guests[n];
    struct sched_poll poll = {.nr_ports = 1};
    long theirs, ours;

    *g = guest_build(program_waits);
    theirs = event_alloc_unbound(g->id, 0);
    REQUIRE(theirs > 0);
    ours = event_bind_interdomain(g->id, theirs);
    REQUIRE(ours > 0);
    ports[n] = ours;
    g->request->args[0] = theirs;
    memcpy(g->request->buffer + 256, &theirs, sizeof(evtchn_port_t));
    set_xen_guest_handle(poll.ports, (evtchn_port_t *)(BUFFER + 256));
    memcpy(g->request->buffer, &poll, sizeof(poll));
    window_map(DATA, 0, 0);
    guest_start(g);
}

static uint64_t guest_turns(const struct guest *g)
{
    struct request *r = window_map(DATA, g->id, g->mfns[DATA]);
    uint64_t turns = r->done;

    window_map(DATA, 0, 0);
    return turns;
}

/* How many of them have made so many turns before the time is over. */
static unsigned guests_wait(unsigned count, uint64_t turns)
{
    uint64_t end = time_now() + WAIT_NS;
    unsigned n = 0;

    while (n < count && time_now() < end) {
        if (guest_turns(&guests[n]) == turns)
            n++;
        else
            sched_op(SCHEDOP_yield, NULL);
    }
    return n;
}

/* Of this many domains the list shows all but the control domain. */
static unsigned domains_listed(void)
{
    static struct xen_domctl_getdomaininfo infos[64];
    struct xen_sysctl s = {.cmd = XEN_SYSCTL_getdomaininfolist,
                           .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
    unsigned count = 0;
    domid_t first = 1;

    do {
        s.u.getdomaininfolist.first_domain = first;
        s.u.getdomaininfolist.max_domains = ARRAY_SIZE(infos);
        set_xen_guest_handle(s.u.getdomaininfolist.buffer, infos);
        REQUIRE_EQ(sysctl(&s), 0);
        count += s.u.getdomaininfolist.num_domains;
        first = infos[ARRAY_SIZE(infos) - 1].domain + 1;
    } while (s.u.getdomaininfolist.num_domains == ARRAY_SIZE(infos));
    return count;
}

/* Our own tables grow with the ports we have: that is no guest's memory. */
static void ports_warm(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ports[i] = event_alloc_unbound(DOMID_SELF, 0);
        REQUIRE((int)ports[i] > 0);
    }
    for (unsigned i = 0; i < count; i++)
        REQUIRE_EQ(event_close(ports[i]), 0);
    guest_make_sleeper(0);
    guest_end(&guests[0]);
    REQUIRE_EQ(event_close(ports[0]), 0);
}

/* The least that one of [from, to) took. */
static uint64_t make_sleepers(unsigned from, unsigned to)
{
    uint64_t least = ~0UL;

    for (unsigned i = from; i < to; i++) {
        uint64_t start = time_now();

        guest_make_sleeper(i);
        least = MIN(least, time_now() - start);
    }
    return least;
}

TEST("alive-at-once")
{
    unsigned count = option_number("alive="), part = count / 5;

    ports_warm(count);
    uint64_t before = free_pages_settled();
    uint64_t first_ns = make_sleepers(0, part);

    make_sleepers(part, count - part);
    uint64_t last_ns = make_sleepers(count - part, count);

    CHECK_EQ(guests_wait(count, 1), count);
    CHECK_EQ(domains_listed(), count);
    print("%u guests, %lu pages each beside their own; built in %lu us at first, %lu us at last",
          count, (before - free_pages()) / count - PAGES, first_ns / 1000, last_ns / 1000);
    CHECK(last_ns < 4 * first_ns);
    for (unsigned i = 0; i < count; i++)
        CHECK_EQ(event_send(ports[i]), 0);
    CHECK_EQ(guests_wait(count, 2), count);
    for (unsigned i = 0; i < count; i++) {
        guest_kill(&guests[i]);
        CHECK_EQ(event_close(ports[i]), 0);
    }
    for (unsigned i = 0; i < count; i++)
        guest_await_end(&guests[i]);
    CHECK_EQ(domains_listed(), 0);
    CHECK(free_pages_are(before));
}

/* ---- every state ------------------------------------------------------------------------------
 */

static void end_created(void)
{
    struct guest g = guest_create();

    guest_kill(&g);
    guest_await_end(&g);
}

static void end_populated(void)
{
    struct guest g = guest_create();

    guest_populate(&g);
    guest_kill(&g);
    guest_await_end(&g);
}

/* Tables are written, some of them pinned, no registers set. */
static void end_half_built(void)
{
    struct guest g = guest_create();

    guest_populate(&g);
    guest_fill(&g);
    REQUIRE_EQ(foreign_pin(&g, MMUEXT_PIN_L2_TABLE, g.mfns[L2]), 0);
    guest_end(&g);
}

static void end_paused(void)
{
    struct guest g = guest_build(program_calls);

    guest_end(&g);
}

static void end_running(void)
{
    struct guest g = guest_build(program_counts);

    guest_start(&g);
    for (unsigned i = 0; i < TURNS && g.request->done == 0; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK(g.request->done > 0);
    guest_end(&g);
}

static void end_stopped(void)
{
    struct guest g = guest_build(program_calls);

    guest_start(&g);
    CHECK(CALL2(&g, __HYPERVISOR_xen_version, XENVER_version, 0) > 0);
    memset(&op, 0, sizeof(op));
    CHECK_EQ(domctl_do(XEN_DOMCTL_pausedomain, g.id), 0);
    guest_end(&g);
}

static void end_asleep(void)
{
    guest_make_sleeper(0);
    CHECK_EQ(guests_wait(1, 1), 1);
    guest_kill(&guests[0]);
    guest_await_end(&guests[0]);
    CHECK_EQ(event_close(ports[0]), 0);
}

/* An event is on its way, and another in ours. */
static void end_with_events(void)
{
    struct guest g = guest_build(program_calls);
    long theirs = event_alloc_unbound(g.id, 0), unbound = event_alloc_unbound(g.id, 0);
    long ours = event_bind_interdomain(g.id, theirs);
    struct evtchn_send send = {.port = theirs};

    REQUIRE(theirs > 0 && unbound > 0 && ours > 0);
    guest_start(&g);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_event_channel_op, EVTCHNOP_send, GIVE(&g, &send)), 0);
    CHECK_EQ(event_send(ours), 0);
    CHECK(event_pending(ours));
    guest_end(&g);
    event_clear(ours);
    CHECK_EQ(event_close(ours), 0);
}

static void end_shut_down(void)
{
    struct guest g = guest_build(program_calls);
    struct sched_shutdown shutdown = {.reason = SHUTDOWN_poweroff};

    guest_start(&g);
    memcpy(g.request->buffer, &shutdown, sizeof(shutdown));
    g.request->op = __HYPERVISOR_sched_op;
    g.request->args[0] = SCHEDOP_shutdown;
    g.request->args[1] = BUFFER;
    g.request->wanted++;
    CHECK_EQ(REASON_OF(wait_for_shutdown(&g)), SHUTDOWN_poweroff);
    guest_end(&g);
}

static void end_crashed(void)
{
    struct guest g = guest_build(program_crashes);

    guest_start(&g);
    CHECK_EQ(REASON_OF(wait_for_shutdown(&g)), SHUTDOWN_crash);
    guest_end(&g);
}

/* The guest's first grant frame. */
static mfn_t grant_frame(const struct guest *g)
{
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    uint64_t frame;

    set_xen_guest_handle(setup.frame_list, (xen_pfn_t *)(BUFFER + 256));
    CHECK_EQ(CALL3(g, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, GIVE(g, &setup), 1), 0);
    TAKE(g, &setup);
    REQUIRE_EQ(setup.status, GNTST_okay);
    memcpy(&frame, g->request->buffer + 256, sizeof(frame));
    return frame;
}

static void entry_permit(volatile struct grant_entry_v1 *entry, mfn_t mfn, domid_t id)
{
    entry->frame = mfn;
    entry->domid = id;
    entry->flags = GTF_permit_access;
}

/* We map a page that it granted, and let go when it is dead. */
static void end_granting(void)
{
    struct guest g = guest_build(program_calls);
    void *page = page_alloc();
    uint64_t own = pte_make(va_to_mfn(page), PTE_RW);
    struct gnttab_map_grant_ref map = {
        .host_addr = (uint64_t)page, .flags = GNTMAP_host_map, .ref = GRANT, .dom = g.id};

    guest_start(&g);
    volatile struct grant_entry_v1 *table = window_map(SPARE, g.id, grant_frame(&g));

    entry_permit(&table[GRANT], g.mfns[STACK], 0);
    window_map(SPARE, 0, 0);
    REQUIRE_EQ(map_va(page, 0), 0);
    REQUIRE_EQ(grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
    REQUIRE_EQ(map.status, GNTST_okay);
    window_map(DATA, 0, 0);
    guest_kill(&g);
    CHECK(guest_flags(&g) & XEN_DOMINF_dying);

    struct gnttab_unmap_grant_ref unmap = {.host_addr = map.host_addr, .handle = map.handle};

    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
    CHECK_EQ(unmap.status, GNTST_okay);
    REQUIRE_EQ(map_va(page, own), 0);
    guest_await_end(&g);
    page_free(page);
}

/* It maps a page that we granted. */
static void end_mapping(void)
{
    static volatile struct grant_entry_v1 *table;
    static void *granted;
    static xen_pfn_t frames[1];
    struct guest g = guest_build(program_calls);
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_map_grant_ref map = {
        .host_addr = SPARE_ADDR, .flags = GNTMAP_host_map, .ref = GRANT, .dom = 0};

    if (!table) {
        table = page_alloc();
        granted = page_alloc();
        set_xen_guest_handle(setup.frame_list, frames);
        REQUIRE_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
        REQUIRE_EQ(setup.status, GNTST_okay);
        REQUIRE_EQ(map_va((void *)table, pte_make(frames[0], PTE_RW)), 0);
    }
    entry_permit(&table[GRANT], va_to_mfn(granted), g.id);
    guest_start(&g);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, SPARE_ADDR, 0, UVMF_INVLPG), 0);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, GIVE(&g, &map), 1), 0);
    TAKE(&g, &map);
    CHECK_EQ(map.status, GNTST_okay);
    CHECK_EQ(table[GRANT].flags & GTF_writing, GTF_writing);
    guest_end(&g);
    CHECK_EQ(table[GRANT].flags & (GTF_reading | GTF_writing), 0);
    table[GRANT].flags = 0;
}

/* We map its page like a tool that looks into it, and let go when it is dead. */
static void end_looked_at(void)
{
    struct guest g = guest_build(program_counts);

    guest_start(&g);
    memcpy(g.request->buffer, "still here", 11);
    guest_kill(&g);
    CHECK_EQ(strcmp((char *)g.request->buffer, "still here"), 0);
    window_map(DATA, 0, 0);
    guest_await_end(&g);
}

static const struct {
    const char *name;
    void (*run)(void);
} states[] = {
    {"created", end_created},     {"populated", end_populated}, {"half built", end_half_built},
    {"paused", end_paused},       {"running", end_running},     {"stopped", end_stopped},
    {"asleep", end_asleep},       {"events", end_with_events},  {"shut down", end_shut_down},
    {"crashed", end_crashed},     {"granting", end_granting},   {"mapping", end_mapping},
    {"looked at", end_looked_at},
};

TEST("every-state")
{
    unsigned cycles = option_number("cycles=");

    for (unsigned i = 0; i < ARRAY_SIZE(states); i++) /* what is ours grows */
        states[i].run();
    uint64_t before = free_pages_settled();

    for (unsigned i = 0; i < cycles; i++) {
        states[i % ARRAY_SIZE(states)].run();
        if (!free_pages_are(before)) {
            print("cycle %u, %s: %lu pages free, not %lu", i, states[i % ARRAY_SIZE(states)].name,
                  free_pages(), before);
            REQUIRE_EQ(free_pages(), before);
        }
    }
}
