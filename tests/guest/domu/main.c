/* SPDX-License-Identifier: MIT */
/*
 * Other domains: this kernel, the control domain, builds tiny PV guests from nine pages each and
 * has them make hypercalls, crash and end. What they may not do is refused; whatever state they are
 * in when they are killed, all memory comes back.
 */
/* RUN: timeout=40 */
#include "domu.h"
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define FUZZ_CALLS 12000

TEST("starts")
{
    struct guest g = guest_build(program_calls);

    CHECK(guest_flags(&g) & XEN_DOMINF_paused);
    CHECK_EQ(g.request->done, 0);
    guest_start(&g);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17);
    guest_end(&g);
}

/* ---- rights -----------------------------------------------------------------------------------
 */

TEST("control-calls-refused")
{
    struct guest g = guest_build(program_calls);
    struct xen_domctl info = {.cmd = XEN_DOMCTL_getdomaininfo,
                              .interface_version = XEN_DOMCTL_INTERFACE_VERSION};
    struct xen_memory_domain about = {.domid = 0};
    struct gnttab_setup_table setup = {.dom = 0, .nr_frames = 1};
    struct mmuext_op pin = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = va_to_mfn(boot_stack)};
    struct sched_remote_shutdown kill = {.domain_id = 0, .reason = SHUTDOWN_crash};
    struct physdev_map_pirq map = {.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .pirq = -1};

    guest_start(&g);
    CHECK_EQ(CALL1(&g, __HYPERVISOR_domctl, GIVE(&g, &info)), -EPERM);
    CHECK_EQ(CALL1(&g, __HYPERVISOR_sysctl, BUFFER), -EPERM);
    CHECK(CALL1(&g, __HYPERVISOR_platform_op, BUFFER) < 0);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_console_io, CONSOLEIO_write, 1, BUFFER), -EPERM);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, GIVE(&g, &map)), -EPERM);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, GIVE(&g, &kill)), -EPERM);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_memory_op, XENMEM_current_reservation, GIVE(&g, &about)),
             -EPERM);
    CHECK(guest_call(&g, __HYPERVISOR_mmuext_op, GIVE(&g, &pin), 1, 0, 0) < 0);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, GIVE(&g, &setup), 1), 0);
    TAKE(&g, &setup);
    CHECK(setup.status < 0);
    CHECK(CALL1(&g, 48, BUFFER) < 0);
    CHECK(CALL2(&g, 42, 0, 0) < 0);
    guest_end(&g);
}

/* Frames of others, of the hypervisor and of devices, by each call that makes an entry. */
TEST("foreign-frames-refused")
{
    struct guest g = guest_build(program_calls);
    const mfn_t bad[] = {va_to_mfn(boot_stack), 0xb8, 0xfec00, 0xfee00, 0x200, 1UL << 30, 0};
    uint64_t slot = (g.mfns[L1] << PAGE_SHIFT) + SPARE * 8;
    uint64_t spare = BASE + SPARE * PAGE_SIZE;

    guest_start(&g);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        for (unsigned w = 0; w < 2; w++) {
            uint64_t pte = pte_make(bad[i], w ? PTE_RW : PTE_RO);
            struct mmu_update update = {.ptr = slot, .val = pte};

            CHECK(CALL3(&g, __HYPERVISOR_update_va_mapping, spare, pte, UVMF_INVLPG) < 0);
            CHECK(guest_call(&g, __HYPERVISOR_update_va_mapping_otherdomain, spare, pte,
                             UVMF_INVLPG, 0) < 0);
            CHECK(guest_call(&g, __HYPERVISOR_update_va_mapping_otherdomain, spare, pte,
                             UVMF_INVLPG, DOMID_IO) < 0);
            CHECK(guest_call(&g, __HYPERVISOR_update_va_mapping_otherdomain, spare, pte,
                             UVMF_INVLPG, DOMID_XEN) < 0);
            CHECK(guest_call(&g, __HYPERVISOR_mmu_update, GIVE(&g, &update), 1, 0, DOMID_SELF) < 0);
            CHECK(guest_call(&g, __HYPERVISOR_mmu_update, GIVE(&g, &update), 1, 0, 0) < 0);
            CHECK(guest_call(&g, __HYPERVISOR_mmu_update, GIVE(&g, &update), 1, 0,
                             1 << 16 | DOMID_SELF) < 0);
        }
    }
    /* Its own page it may map. */
    CHECK_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, spare, pte_make(g.mfns[SPARE], PTE_RW),
                   UVMF_INVLPG),
             0);
    guest_end(&g);
}

static long guest_event_op(const struct guest *g, unsigned cmd, void *arg, size_t size_bytes)
{
    long err;

    memcpy(g->request->buffer, arg, size_bytes);
    err = CALL2(g, __HYPERVISOR_event_channel_op, cmd, BUFFER);
    memcpy(arg, g->request->buffer, size_bytes);
    return err;
}

TEST("interrupts-refused")
{
    struct guest g = guest_build(program_calls);
    struct evtchn_bind_pirq pirq = {.pirq = 4};

    guest_start(&g);
    CHECK(guest_event_op(&g, EVTCHNOP_bind_pirq, &pirq, sizeof(pirq)) < 0);
    guest_end(&g);
}

/* ---- stopping ---------------------------------------------------------------------------------
 */

TEST("pause")
{
    struct guest g = guest_build(program_counts);
    uint64_t count;

    guest_start(&g);
    for (unsigned i = 0; i < TURNS && g.request->done == 0; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK(g.request->done > 0);
    memset(&op, 0, sizeof(op));
    CHECK_EQ(domctl_do(XEN_DOMCTL_pausedomain, g.id), 0);
    count = g.request->done;
    for (unsigned i = 0; i < 100; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK_EQ(g.request->done, count);
    CHECK_EQ(domctl_do(XEN_DOMCTL_unpausedomain, g.id), 0);
    for (unsigned i = 0; i < TURNS && g.request->done == count; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK(g.request->done > count);
    guest_end(&g);
}

TEST("crash")
{
    struct guest g = guest_build(program_crashes);
    long port = event_bind_virq(VIRQ_DOM_EXC, 0);

    REQUIRE(port > 0);
    event_clear(port);
    guest_start(&g);
    CHECK_EQ(REASON_OF(wait_for_shutdown(&g)), SHUTDOWN_crash);
    CHECK(event_pending(port));
    CHECK(!(guest_flags(&g) & XEN_DOMINF_dying));
    memset(&op, 0, sizeof(op));
    memset(&context, 0, sizeof(context));
    set_xen_guest_handle(op.u.vcpucontext.ctxt, (vcpu_guest_context_t *)&context);
    CHECK_EQ(domctl_do(XEN_DOMCTL_getvcpucontext, g.id), 0);
    CHECK_EQ(context.user_regs.rip, BASE + CODE * PAGE_SIZE + (program_crashes - program_calls));
    CHECK_EQ(context.ctrlreg[3], g.mfns[L4] << PAGE_SHIFT);
    event_clear(port);
    guest_end(&g);
    CHECK(event_pending(port));
    CHECK_EQ(event_close(port), 0);
}

TEST("shutdown")
{
    struct guest g = guest_build(program_calls);
    struct sched_shutdown shutdown = {.reason = SHUTDOWN_suspend};

    guest_start(&g);
    memcpy(g.request->buffer, &shutdown, sizeof(shutdown));
    g.request->op = __HYPERVISOR_sched_op;
    g.request->args[0] = SCHEDOP_shutdown;
    g.request->args[1] = BUFFER;
    g.request->wanted++;
    CHECK_EQ(REASON_OF(wait_for_shutdown(&g)), SHUTDOWN_suspend);
    /* And on it goes, where it was. */
    memset(&op, 0, sizeof(op));
    CHECK_EQ(domctl_do(XEN_DOMCTL_resumedomain, g.id), 0);
    for (unsigned i = 0; i < TURNS && g.request->done != g.request->wanted; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK_EQ(g.request->result, 0);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_xen_version, XENVER_pagesize, 0), PAGE_SIZE);
    guest_end(&g);
}

/* ---- killing ----------------------------------------------------------------------------------
 */

TEST("kill-unstarted")
{
    struct guest g = guest_build(program_calls);

    guest_end(&g);
}

/* A page that we still map keeps its contents and the domain's number until we let go. */
TEST("kill-while-mapped")
{
    struct guest g = guest_build(program_calls);
    domid_t id = g.id;

    guest_start(&g);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_xen_version, XENVER_pagesize, 0), PAGE_SIZE);
    memcpy(g.request->buffer, "still here", 11);
    guest_kill(&g);
    for (unsigned i = 0; i < 100; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK_EQ(strcmp((char *)g.request->buffer, "still here"), 0);
    CHECK(guest_flags(&g) & XEN_DOMINF_dying);
    CHECK_EQ(op.domain, id);
    CHECK_EQ(op.u.getdomaininfo.tot_pages, 1);
    CHECK(foreign_pin(&g, MMUEXT_PIN_L1_TABLE, g.mfns[L1]) < 0);
    CHECK(context_set(&g, program_calls) < 0);
    memset(&op, 0, sizeof(op));
    op.domain = id;
    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    CHECK_EQ(domctl_do(XEN_DOMCTL_createdomain, id), -EEXIST);
    window_map(DATA, 0, 0);
    guest_await_end(&g);
}

/* Everything a guest can hold: pins, ports, areas, timers, descriptor tables, given-back tables. */
TEST("kill-with-hands-full")
{
    struct guest g = guest_build(program_calls);
    struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = 0};
    struct vcpu_register_vcpu_info info = {.mfn = g.mfns[STACK], .offset = 0};
    struct vcpu_register_runstate_memory_area area = {.addr.p = BUFFER + 512};
    struct vcpu_set_periodic_timer periodic = {.period_ns = 1000000};
    struct mmuext_op ext = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = g.mfns[SPARE]};
    struct xen_memory_reservation give = {.nr_extents = 1, .domid = DOMID_SELF};
    uint64_t spare = BASE + SPARE * PAGE_SIZE, frame = g.mfns[SPARE];

    guest_start(&g);
    CHECK_EQ(guest_event_op(&g, EVTCHNOP_alloc_unbound, &unbound, sizeof(unbound)), 0);
    long port = event_bind_interdomain(g.id, unbound.port);

    CHECK(port > 0);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, GIVE(&g, &info)), 0);
    CHECK_EQ(
        CALL3(&g, __HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, GIVE(&g, &area)),
        0);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, GIVE(&g, &periodic)), 0);
    struct evtchn_init_control init = {.control_gfn = g.mfns[STACK], .offset = 512, .vcpu = 0};
    struct evtchn_expand_array expand = {.array_gfn = g.mfns[EVENTS]};

    CHECK_EQ(guest_event_op(&g, EVTCHNOP_init_control, &init, sizeof(init)), 0);
    CHECK_EQ(guest_event_op(&g, EVTCHNOP_expand_array, &expand, sizeof(expand)), 0);
    CHECK_EQ(event_send(port), 0);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_set_gdt, GIVE(&g, &frame), 512), -EINVAL); /* writable */
    CHECK_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, spare, pte_make(frame, PTE_RO), UVMF_INVLPG),
             0);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_set_gdt, GIVE(&g, &frame), 512), 0);
    CHECK_EQ(CALL2(&g, __HYPERVISOR_set_gdt, 0, 0), 0);
    CHECK_EQ(guest_call(&g, __HYPERVISOR_mmuext_op, GIVE(&g, &ext), 1, 0, DOMID_SELF), 0);
    /* Given back while pinned and mapped; then the mapping goes, too. */
    memcpy(g.request->buffer + 256, &frame, sizeof(frame));
    set_xen_guest_handle(give.extent_start, (xen_pfn_t *)(BUFFER + 256));
    CHECK_EQ(CALL2(&g, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, GIVE(&g, &give)), 1);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, spare, 0, UVMF_INVLPG), 0);
    guest_end(&g);
    CHECK_EQ(event_close(port), 0);
}

/* ---- grants -----------------------------------------------------------------------------------
 */

/* We map a page of a guest's grant; it dies; the frame stays ours until the unmapping. */
TEST("kill-the-granting")
{
    struct guest g = guest_build(program_calls);
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    uint64_t spare = BASE + SPARE * PAGE_SIZE, table;

    guest_start(&g);
    set_xen_guest_handle(setup.frame_list, (xen_pfn_t *)(BUFFER + 256));
    CHECK_EQ(CALL3(&g, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, GIVE(&g, &setup), 1), 0);
    TAKE(&g, &setup);
    REQUIRE_EQ(setup.status, GNTST_okay);
    memcpy(&table, g.request->buffer + 256, sizeof(table));
    volatile struct grant_entry_v1 *entries = window_map(SPARE, g.id, table);

    entries[8].frame = g.mfns[STACK];
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
    struct mmuext_op ext = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = g.mfns[STACK]};

    CHECK_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, BASE + STACK * PAGE_SIZE, 0, UVMF_INVLPG),
             0);
    CHECK(guest_call(&g, __HYPERVISOR_mmuext_op, GIVE(&g, &ext), 1, 0, DOMID_SELF) < 0);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, spare, 0, UVMF_INVLPG), 0);
    window_map(SPARE, 0, 0);
    window_map(DATA, 0, 0);
    guest_kill(&g);
    CHECK(guest_flags(&g) & XEN_DOMINF_dying);
    CHECK_EQ(page[3], 0x3333);
    struct gnttab_unmap_grant_ref unmap = {.host_addr = map.host_addr, .handle = map.handle};

    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
    CHECK_EQ(unmap.status, GNTST_okay);
    REQUIRE_EQ(map_va(page, own), 0);
    guest_await_end(&g);
    page_free(page);
}

/* A guest maps a page of ours; it dies; we hear that it has ended. */
TEST("kill-the-mapping")
{
    static xen_pfn_t frames[1];
    struct guest g = guest_build(program_calls);
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    volatile struct grant_entry_v1 *table = page_alloc();
    uint64_t *granted = page_alloc(), own = pte_make(va_to_mfn((void *)table), PTE_RW);
    struct gnttab_map_grant_ref map = {
        .host_addr = BASE + SPARE * PAGE_SIZE, .flags = GNTMAP_host_map, .ref = 8, .dom = 0};

    set_xen_guest_handle(setup.frame_list, frames);
    REQUIRE_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
    REQUIRE_EQ(setup.status, GNTST_okay);
    REQUIRE_EQ(map_va((void *)table, pte_make(frames[0], PTE_RW)), 0);
    table[8].frame = va_to_mfn(granted);
    table[8].domid = g.id;
    table[8].flags = GTF_permit_access;
    guest_start(&g);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, BASE + SPARE * PAGE_SIZE, 0, UVMF_INVLPG),
             0);
    CHECK_EQ(CALL3(&g, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, GIVE(&g, &map), 1), 0);
    TAKE(&g, &map);
    CHECK_EQ(map.status, GNTST_okay);
    CHECK_EQ(table[8].flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing);
    CHECK(page_set_writable(granted, false) == 0 &&
          mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(granted)) < 0);
    guest_end(&g);
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
        struct guest g = guest_build(i % 3 == 0   ? program_calls
                                     : i % 3 == 1 ? program_counts
                                                  : program_crashes);

        if (i % 4)
            guest_start(&g);
        for (unsigned turn = 0; turn < 5; turn++)
            sched_op(SCHEDOP_yield, NULL);
        guest_end(&g);
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
static uint64_t random_word(const struct guest *g)
{
    uint64_t mfn = g->mfns[random_next() % PAGES];

    switch (random_next() % 12) {
    case 0: return 0;
    case 1: return random_next() % 16;
    case 2: return DOMID_SELF;
    case 3: return mfn;
    case 4: return pte_make(mfn, random_next() & 0xfff);
    case 5: return mfn << PAGE_SHIFT | (random_next() & 0xff8);
    case 6: return BUFFER + (random_next() & 0x3f8);
    case 7: return BASE + random_next() % (PAGES * PAGE_SIZE);
    case 8: return ~(random_next() % 128);
    case 9: return BIT(random_next() % 64) - random_next() % 2;
    case 10: return HYPERVISOR_VIRT_START + (random_next() & 0x7fffffff8);
    default: return random_next();
    }
}

/* False: the guest does not answer any more. */
static bool random_call(const struct guest *g)
{
    struct request *r = g->request;

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
        r->args[1] = random_next() % 2 ? BUFFER : random_next() % 4;
    if (random_next() % 4 == 0)
        r->args[2] = random_next() % 2 ? BUFFER : random_next() % 4;
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
        struct guest g = guest_build(program_calls);
        unsigned left = 300;

        guest_start(&g);
        do
            calls++;
        while (random_call(&g) && --left);
        guest_end(&g);
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
        struct guest g = guest_build(program_calls);
        uint64_t *l4 = window_map(SPARE, g.id, g.mfns[SPARE]);
        struct mmuext_op ops[40];
        uint64_t end;

        for (unsigned i = 0; i < 256; i++)
            l4[i] = pte_make(g.mfns[L3], PTE_TABLE);
        window_map(SPARE, 0, 0);
        guest_start(&g);
        REQUIRE_EQ(CALL3(&g, __HYPERVISOR_update_va_mapping, BASE + SPARE * PAGE_SIZE,
                         pte_make(g.mfns[SPARE], PTE_RO), UVMF_INVLPG),
                   0);
        for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
            ops[i] = (struct mmuext_op){.cmd = i % 2 ? MMUEXT_UNPIN_TABLE : MMUEXT_PIN_L4_TABLE,
                                        .arg1.mfn = g.mfns[SPARE]};
        memcpy(g.request->buffer, ops, sizeof(ops));
        g.request->op = __HYPERVISOR_mmuext_op;
        g.request->args[0] = BUFFER;
        g.request->args[1] = ARRAY_SIZE(ops);
        g.request->args[2] = 0;
        g.request->args[3] = DOMID_SELF;
        g.request->wanted++;
        end = time_now() + 30000 * (round + 1);
        do
            sched_op(SCHEDOP_yield, NULL);
        while (time_now() < end);
        unfinished += g.request->done != g.request->wanted;
        guest_end(&g);
        if (round == 5)
            before = free_pages();
    }
    print("%u unfinished", unfinished);
    CHECK(free_pages() + 4 >= before);
}
