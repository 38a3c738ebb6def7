/* SPDX-License-Identifier: MIT */
/*
 * Other domains: this kernel, the control domain, builds tiny PV guests from nine pages each and
 * has them make hypercalls, crash and end. What they may not do is refused; whatever state they are
 * in when they are killed, all memory comes back.
 */
/* RUN: timeout=40 */
#include "domu.h"
#include "guest.h"
#include <xen/domctl.h>
#include <xen/sysctl.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define FUZZ_CALLS       12000
#define REASON_OF(flags) ((flags) >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask)

#define CALL1(g, nr, a)       domu_call(g, nr, a, 0, 0, 0)
#define CALL2(g, nr, a, b)    domu_call(g, nr, a, b, 0, 0)
#define CALL3(g, nr, a, b, c) domu_call(g, nr, a, b, c, 0)

/* Puts a structure where the guest can point at it. */
#define GIVE(g, object) (memcpy((g)->request->buffer, (object), sizeof(*(object))), DOMU_BUFFER)
#define TAKE(g, object) memcpy((object), (g)->request->buffer, sizeof(*(object)))

TEST("starts")
{
    struct domu g = domu_build(domu_calls);

    CHECK(domu_flags(&g) & XEN_DOMINF_paused);
    CHECK_EQ(g.request->done, 0);
    domu_start(&g);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17);
    domu_end(&g);
}

static struct vcpu_guest_context context;

/* ---- rights -----------------------------------------------------------------------------------
 */

TEST("control-calls-refused")
{
    struct domu g = domu_build(domu_calls);
    struct xen_domctl info = {.cmd = XEN_DOMCTL_getdomaininfo,
                              .interface_version = XEN_DOMCTL_INTERFACE_VERSION};
    struct xen_memory_domain about = {.domid = 0};
    struct gnttab_setup_table setup = {.dom = 0, .nr_frames = 1};
    struct mmuext_op pin = {.cmd = MMUEXT_PIN_L1_TABLE,
                            .arg1.mfn = va_to_mfn(domu_map(DOMU_L4, 0, 0))};
    struct sched_remote_shutdown kill = {.domain_id = 0, .reason = SHUTDOWN_crash};
    struct physdev_map_pirq map = {.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .pirq = -1};

    domu_start(&g);
    CHECK_EQ(CALL1(&g, __HYPERVISOR_domctl, GIVE(&g, &info)), -EPERM);
    CHECK_EQ(CALL1(&g, __HYPERVISOR_sysctl, DOMU_BUFFER), -EPERM);
    CHECK(CALL1(&g, __HYPERVISOR_platform_op, DOMU_BUFFER) < 0);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_console_io, CONSOLEIO_write, 1, DOMU_BUFFER), -EPERM);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, GIVE(&g, &map)), -EPERM);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, GIVE(&g, &kill)), -EPERM);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_memory_op, XENMEM_current_reservation, GIVE(&g, &about)),
             -EPERM);
    CHECK(domu_call(&g, __HYPERVISOR_mmuext_op, GIVE(&g, &pin), 1, 0, 0) < 0);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, GIVE(&g, &setup), 1), 0);
    TAKE(&g, &setup);
    CHECK(setup.status < 0);
    CHECK(CALL1(&g, 48, DOMU_BUFFER) < 0);
    CHECK(CALL2(&g, 42, 0, 0) < 0);
    domu_end(&g);
}

/* Frames of others, of the hypervisor and of devices, by each call that makes an entry. */
TEST("foreign-frames-refused")
{
    struct domu g = domu_build(domu_calls);
    const mfn_t bad[] = {
        va_to_mfn(domu_map(DOMU_L4, 0, 0)), 0xb8, 0xfec00, 0xfee00, 0x200, 1UL << 30, 0};
    uint64_t slot = (g.mfns[DOMU_L1] << PAGE_SHIFT) + DOMU_SPARE * 8;
    uint64_t spare = DOMU_VA(DOMU_SPARE);

    domu_start(&g);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        for (unsigned w = 0; w < 2; w++) {
            uint64_t pte = pte_make(bad[i], w ? PTE_RW : PTE_RO);
            struct mmu_update update = {.ptr = slot, .val = pte};

            CHECK(CALL3(&g, __HYPERVISOR_update_va_mapping, spare, pte, UVMF_INVLPG) < 0);
            CHECK(domu_call(&g, __HYPERVISOR_update_va_mapping_otherdomain, spare, pte, UVMF_INVLPG,
                            0) < 0);
            CHECK(domu_call(&g, __HYPERVISOR_update_va_mapping_otherdomain, spare, pte, UVMF_INVLPG,
                            DOMID_IO) < 0);
            CHECK(domu_call(&g, __HYPERVISOR_update_va_mapping_otherdomain, spare, pte, UVMF_INVLPG,
                            DOMID_XEN) < 0);
            CHECK(domu_call(&g, __HYPERVISOR_mmu_update, GIVE(&g, &update), 1, 0, DOMID_SELF) < 0);
            CHECK(domu_call(&g, __HYPERVISOR_mmu_update, GIVE(&g, &update), 1, 0, 0) < 0);
            CHECK(domu_call(&g, __HYPERVISOR_mmu_update, GIVE(&g, &update), 1, 0,
                            1 << 16 | DOMID_SELF) < 0);
        }
    }
    /* Its own page it may map. */
    CHECK_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, spare, pte_make(g.mfns[DOMU_SPARE], PTE_RW),
                   UVMF_INVLPG),
             0);
    domu_end(&g);
}

static long guest_event_op(const struct domu *g, unsigned cmd, void *arg, size_t size_bytes)
{
    long err;

    memcpy(g->request->buffer, arg, size_bytes);
    err = CALL2(g, __HYPERVISOR_event_channel_op, cmd, DOMU_BUFFER);
    memcpy(arg, g->request->buffer, size_bytes);
    return err;
}

TEST("interrupts-refused")
{
    struct domu g = domu_build(domu_calls);
    struct evtchn_bind_pirq pirq = {.pirq = 4};

    domu_start(&g);
    CHECK(guest_event_op(&g, EVTCHNOP_bind_pirq, &pirq, sizeof(pirq)) < 0);
    domu_end(&g);
}

/* ---- stopping ---------------------------------------------------------------------------------
 */

TEST("pause")
{
    struct domu g = domu_build(domu_counts);
    uint64_t count;

    domu_start(&g);
    for (unsigned i = 0; i < DOMU_TURNS && g.request->done == 0; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK(g.request->done > 0);
    memset(&domctl_op, 0, sizeof(domctl_op));
    CHECK_EQ(domctl_do(XEN_DOMCTL_pausedomain, g.id), 0);
    count = g.request->done;
    for (unsigned i = 0; i < 100; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK_EQ(g.request->done, count);
    CHECK_EQ(domctl_do(XEN_DOMCTL_unpausedomain, g.id), 0);
    for (unsigned i = 0; i < DOMU_TURNS && g.request->done == count; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK(g.request->done > count);
    domu_end(&g);
}

static uint32_t wait_for_shutdown(const struct domu *g)
{
    for (unsigned i = 0; i < DOMU_TURNS && !(domu_flags(g) & XEN_DOMINF_shutdown); i++)
        sched_op(SCHEDOP_yield, NULL);
    return domu_flags(g);
}

TEST("crash")
{
    struct domu g = domu_build(domu_crashes);
    long port = event_bind_virq(VIRQ_DOM_EXC, 0);

    REQUIRE(port > 0);
    event_clear(port);
    domu_start(&g);
    CHECK_EQ(REASON_OF(wait_for_shutdown(&g)), SHUTDOWN_crash);
    CHECK(event_pending(port));
    CHECK(!(domu_flags(&g) & XEN_DOMINF_dying));
    memset(&domctl_op, 0, sizeof(domctl_op));
    memset(&context, 0, sizeof(context));
    set_xen_guest_handle(domctl_op.u.vcpucontext.ctxt, (vcpu_guest_context_t *)&context);
    CHECK_EQ(domctl_do(XEN_DOMCTL_getvcpucontext, g.id), 0);
    CHECK_EQ(context.user_regs.rip, DOMU_VA(DOMU_CODE) + (domu_crashes - domu_calls));
    CHECK_EQ(context.ctrlreg[3], g.mfns[DOMU_L4] << PAGE_SHIFT);
    event_clear(port);
    domu_end(&g);
    CHECK(event_pending(port));
    CHECK_EQ(event_close(port), 0);
}

TEST("shutdown")
{
    struct domu g = domu_build(domu_calls);
    struct sched_shutdown shutdown = {.reason = SHUTDOWN_suspend};

    domu_start(&g);
    memcpy(g.request->buffer, &shutdown, sizeof(shutdown));
    g.request->op = __HYPERVISOR_sched_op;
    g.request->args[0] = SCHEDOP_shutdown;
    g.request->args[1] = DOMU_BUFFER;
    g.request->wanted++;
    CHECK_EQ(REASON_OF(wait_for_shutdown(&g)), SHUTDOWN_suspend);
    /* And on it goes, where it was. */
    memset(&domctl_op, 0, sizeof(domctl_op));
    CHECK_EQ(domctl_do(XEN_DOMCTL_resumedomain, g.id), 0);
    for (unsigned i = 0; i < DOMU_TURNS && g.request->done != g.request->wanted; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK_EQ(g.request->result, 0);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_xen_version, XENVER_pagesize, 0), PAGE_SIZE);
    domu_end(&g);
}

/* ---- killing ----------------------------------------------------------------------------------
 */

TEST("kill-unstarted")
{
    struct domu g = domu_build(domu_calls);

    domu_end(&g);
}

/* A page that we still map keeps its contents and the domain's number until we let go. */
TEST("kill-while-mapped")
{
    struct domu g = domu_build(domu_calls);
    domid_t id = g.id;

    domu_start(&g);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_xen_version, XENVER_pagesize, 0), PAGE_SIZE);
    memcpy(g.request->buffer, "still here", 11);
    domu_kill(&g);
    for (unsigned i = 0; i < 100; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK_EQ(strcmp((char *)g.request->buffer, "still here"), 0);
    CHECK(domu_pin(&g, MMUEXT_PIN_L1_TABLE, g.mfns[DOMU_L1]) < 0);
    CHECK(domu_context_set(&g, domu_calls) < 0);
    memset(&domctl_op, 0, sizeof(domctl_op));
    domctl_op.domain = id;
    domctl_op.u.createdomain.max_vcpus = 1;
    domctl_op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    CHECK_EQ(domctl_do(XEN_DOMCTL_createdomain, id), -EEXIST);
    domu_map(DOMU_DATA, 0, 0);
    uint64_t end = time_now() + 2000000000;

    while (domu_is_there(&g) && time_now() < end)
        sched_op(SCHEDOP_yield, NULL);
    CHECK(!domu_is_there(&g));
}

/* Everything a guest can hold: pins, ports, areas, timers, descriptor tables, given-back tables. */
TEST("kill-with-hands-full")
{
    struct domu g = domu_build(domu_calls);
    struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = 0};
    struct vcpu_register_vcpu_info info = {.mfn = g.mfns[DOMU_STACK], .offset = 0};
    struct vcpu_register_runstate_memory_area area = {.addr.p = DOMU_BUFFER + 512};
    struct vcpu_set_periodic_timer periodic = {.period_ns = 1000000};
    struct mmuext_op ext = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = g.mfns[DOMU_SPARE]};
    struct xen_memory_reservation give = {.nr_extents = 1, .domid = DOMID_SELF};
    uint64_t spare = DOMU_VA(DOMU_SPARE), frame = g.mfns[DOMU_SPARE];

    domu_start(&g);
    CHECK_EQ(guest_event_op(&g, EVTCHNOP_alloc_unbound, &unbound, sizeof(unbound)), 0);
    long port = event_bind_interdomain(g.id, unbound.port);

    CHECK(port > 0);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, GIVE(&g, &info)), 0);
    CHECK_EQ(
        CALL3(&g, __HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, GIVE(&g, &area)),
        0);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, GIVE(&g, &periodic)), 0);
    struct evtchn_init_control init = {.control_gfn = g.mfns[DOMU_STACK], .offset = 512, .vcpu = 0};
    struct evtchn_expand_array expand = {.array_gfn = g.mfns[DOMU_EVENTS]};

    CHECK_EQ(guest_event_op(&g, EVTCHNOP_init_control, &init, sizeof(init)), 0);
    CHECK_EQ(guest_event_op(&g, EVTCHNOP_expand_array, &expand, sizeof(expand)), 0);
    CHECK_EQ(event_send(port), 0);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_set_gdt, GIVE(&g, &frame), 512), -EINVAL); /* writable */
    CHECK_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, spare, pte_make(frame, PTE_RO), UVMF_INVLPG),
             0);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_set_gdt, GIVE(&g, &frame), 512), 0);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_set_gdt, 0, 0), 0);
    CHECK_EQ(domu_call(&g, __HYPERVISOR_mmuext_op, GIVE(&g, &ext), 1, 0, DOMID_SELF), 0);
    /* Given back while pinned and mapped; then the mapping goes, too. */
    memcpy(g.request->buffer + 256, &frame, sizeof(frame));
    set_xen_guest_handle(give.extent_start, (xen_pfn_t *)(DOMU_BUFFER + 256));
    CHECK_EQ(CALL2(&g, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, GIVE(&g, &give)), 1);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, spare, 0, UVMF_INVLPG), 0);
    domu_end(&g);
    CHECK_EQ(event_close(port), 0);
}

/* ---- grants -----------------------------------------------------------------------------------
 */

/* We map a page of a guest's grant; it dies; the frame stays ours until the unmapping. */
TEST("kill-the-granting")
{
    struct domu g = domu_build(domu_calls);
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    uint64_t spare = DOMU_VA(DOMU_SPARE), table;

    domu_start(&g);
    set_xen_guest_handle(setup.frame_list, (xen_pfn_t *)(DOMU_BUFFER + 256));
    CHECK_EQ(CALL3(&g, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, GIVE(&g, &setup), 1), 0);
    TAKE(&g, &setup);
    REQUIRE_EQ(setup.status, GNTST_okay);
    memcpy(&table, g.request->buffer + 256, sizeof(table));
    volatile struct grant_entry_v1 *entries = domu_map(DOMU_SPARE, g.id, table);

    entries[8].frame = g.mfns[DOMU_STACK];
    entries[8].domid = 0;
    entries[8].flags = GTF_permit_access;
    uint64_t *page = page_alloc(), own = pte_make(va_to_mfn(page), PTE_RW);
    struct gnttab_map_grant_ref map = {
        .host_addr = (uint64_t)page, .flags = GNTMAP_host_map, .ref = 8, .dom = g.id};

    REQUIRE_EQ(map_va(page, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
    REQUIRE_EQ(map.status, GNTST_okay);
    page[3] = 0x3333;
    /* The guest cannot take it for a table meanwhile. */
    struct mmuext_op ext = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = g.mfns[DOMU_STACK]};

    CHECK_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, DOMU_VA(DOMU_STACK), 0, UVMF_INVLPG), 0);
    CHECK(domu_call(&g, __HYPERVISOR_mmuext_op, GIVE(&g, &ext), 1, 0, DOMID_SELF) < 0);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, spare, 0, UVMF_INVLPG), 0);
    domu_map(DOMU_SPARE, 0, 0);
    domu_map(DOMU_DATA, 0, 0);
    domu_kill(&g);
    CHECK(domu_flags(&g) & XEN_DOMINF_dying);
    CHECK_EQ(page[3], 0x3333);
    struct gnttab_unmap_grant_ref unmap = {.host_addr = map.host_addr, .handle = map.handle};

    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
    CHECK_EQ(unmap.status, GNTST_okay);
    REQUIRE_EQ(map_va(page, own), 0);
    uint64_t end = time_now() + 2000000000;

    while (domu_is_there(&g) && time_now() < end)
        sched_op(SCHEDOP_yield, NULL);
    CHECK(!domu_is_there(&g));
    page_free(page);
}

/* A guest maps a page of ours; it dies; we hear that it has ended. */
TEST("kill-the-mapping")
{
    static xen_pfn_t frames[1];
    struct domu g = domu_build(domu_calls);
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    volatile struct grant_entry_v1 *table = page_alloc();
    uint64_t *granted = page_alloc(), own = pte_make(va_to_mfn((void *)table), PTE_RW);
    struct gnttab_map_grant_ref map = {
        .host_addr = DOMU_VA(DOMU_SPARE), .flags = GNTMAP_host_map, .ref = 8, .dom = 0};

    set_xen_guest_handle(setup.frame_list, frames);
    REQUIRE_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
    REQUIRE_EQ(setup.status, GNTST_okay);
    REQUIRE_EQ(map_va((void *)table, pte_make(frames[0], PTE_RW)), 0);
    table[8].frame = va_to_mfn(granted);
    table[8].domid = g.id;
    table[8].flags = GTF_permit_access;
    domu_start(&g);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, DOMU_VA(DOMU_SPARE), 0, UVMF_INVLPG), 0);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, GIVE(&g, &map), 1), 0);
    TAKE(&g, &map);
    CHECK_EQ(map.status, GNTST_okay);
    CHECK_EQ(table[8].flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing);
    CHECK(page_set_writable(granted, false) == 0 &&
          mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(granted)) < 0);
    domu_end(&g);
    CHECK_EQ(table[8].flags & (GTF_reading | GTF_writing), 0);
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(granted)), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(granted)), 0);
    table[8].flags = 0;
    CHECK_EQ(page_set_writable(granted, true), 0);
    REQUIRE_EQ(map_va((void *)table, own), 0);
}

/* Again and again: nothing trickles away. */
TEST("many")
{
    uint64_t before = 0;

    for (unsigned i = 0; i < 60; i++) {
        struct domu g = domu_build(i % 3 == 0   ? domu_calls
                                   : i % 3 == 1 ? domu_counts
                                                : domu_crashes);

        if (i % 4)
            domu_start(&g);
        for (unsigned turn = 0; turn < 5; turn++)
            sched_op(SCHEDOP_yield, NULL);
        domu_end(&g);
        if (i == 10)
            before = free_pages();
    }
    CHECK(free_pages() + 4 >= before);
}

/* ---- calls without sense ----------------------------------------------------------------------
 */

static uint64_t random_state = 0x853c49e6748fea9b;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Numbers that mean something to one call or another. */
static uint64_t random_word(const struct domu *g)
{
    uint64_t mfn = g->mfns[random_next() % DOMU_PAGES];

    switch (random_next() % 12) {
    case 0: return 0;
    case 1: return random_next() % 16;
    case 2: return DOMID_SELF;
    case 3: return mfn;
    case 4: return pte_make(mfn, random_next() & 0xfff);
    case 5: return mfn << PAGE_SHIFT | (random_next() & 0xff8);
    case 6: return DOMU_BUFFER + (random_next() & 0x3f8);
    case 7: return DOMU_BASE + random_next() % (DOMU_PAGES * PAGE_SIZE);
    case 8: return ~(random_next() % 128);
    case 9: return BIT(random_next() % 64) - random_next() % 2;
    case 10: return HYPERVISOR_VIRT_START + (random_next() & 0x7fffffff8);
    default: return random_next();
    }
}

/* False: the guest does not answer any more. */
static bool random_call(const struct domu *g)
{
    struct domu_request *r = g->request;

    for (unsigned i = 0; i < sizeof(r->buffer); i += 8) {
        uint64_t word = random_word(g);

        memcpy(r->buffer + i, &word, 8);
    }
    do
        r->op = random_next() % 49;
    while (r->op == __HYPERVISOR_iret); /* would be the last */
    for (unsigned i = 0; i < ARRAY_SIZE(r->args); i++)
        r->args[i] = random_word(g);
    if (random_next() % 2)
        r->args[0] = random_next() % 32; /* an operation */
    if (random_next() % 2)
        r->args[1] = random_next() % 2 ? DOMU_BUFFER : random_next() % 4;
    if (random_next() % 4 == 0)
        r->args[2] = random_next() % 2 ? DOMU_BUFFER : random_next() % 4;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    r->wanted++;
    for (unsigned i = 0; i < 200; i++) {
        sched_op(SCHEDOP_yield, NULL);
        if (r->done == r->wanted)
            return true;
    }
    return false;
}

/* The guest does its worst until it has ended or locked itself up; the next one goes on. */
TEST("random-calls")
{
    uint64_t before = 0;
    unsigned guests = 0;

    for (unsigned calls = 0; calls < FUZZ_CALLS; guests++) {
        struct domu g = domu_build(domu_calls);
        unsigned left = 300;

        domu_start(&g);
        do
            calls++;
        while (random_call(&g) && --left);
        domu_end(&g);
        if (guests == 10)
            before = free_pages();
    }
    print("%u guests", guests);
    CHECK(free_pages() + 16 >= before);
}

/* Killed in the middle of a page-table check that takes turns with other work. */
TEST("kill-while-checking")
{
    uint64_t before = 0;
    unsigned unfinished = 0;

    for (unsigned round = 0; round < 40; round++) {
        struct domu g = domu_build(domu_calls);
        uint64_t *l4 = domu_map(DOMU_SPARE, g.id, g.mfns[DOMU_SPARE]);
        struct mmuext_op ops[40];
        uint64_t end;

        for (unsigned i = 0; i < 256; i++)
            l4[i] = pte_make(g.mfns[DOMU_L3], PTE_TABLE);
        domu_map(DOMU_SPARE, 0, 0);
        domu_start(&g);
        REQUIRE_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, DOMU_VA(DOMU_SPARE),
                         pte_make(g.mfns[DOMU_SPARE], PTE_RO), UVMF_INVLPG),
                   0);
        for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
            ops[i] = (struct mmuext_op){.cmd = i % 2 ? MMUEXT_UNPIN_TABLE : MMUEXT_PIN_L4_TABLE,
                                        .arg1.mfn = g.mfns[DOMU_SPARE]};
        memcpy(g.request->buffer, ops, sizeof(ops));
        g.request->op = __HYPERVISOR_mmuext_op;
        g.request->args[0] = DOMU_BUFFER;
        g.request->args[1] = ARRAY_SIZE(ops);
        g.request->args[2] = 0;
        g.request->args[3] = DOMID_SELF;
        g.request->wanted++;
        end = time_now() + 30000 * (round + 1);
        do
            sched_op(SCHEDOP_yield, NULL);
        while (time_now() < end);
        unfinished += g.request->done != g.request->wanted;
        domu_end(&g);
        if (round == 5)
            before = free_pages();
    }
    print("%u unfinished", unfinished);
    CHECK(free_pages() + 4 >= before);
}
