/* SPDX-License-Identifier: MIT */
/*
 * GNTTABOP_transfer: pages that change hands for good between this kernel, the control domain, and
 * guests that it builds, with right and wrong entries, up to the receiver's limit, while it dies.
 */
/* RUN: timeout=40 */
#include "domu_more.h"

#define REF 8 /* the first that is not reserved */

static long pages_of(domid_t id)
{
    struct xen_memory_domain about = {.domid = id};

    return memory_op(XENMEM_current_reservation, &about);
}

/* A page of our own that nobody has mapped. */
static mfn_t page_fresh(void)
{
    static xen_pfn_t list[1];
    struct xen_memory_reservation take = {.nr_extents = 1, .domid = DOMID_SELF};

    list[0] = start_info->nr_pages + 5;
    set_xen_guest_handle(take.extent_start, list);
    REQUIRE_EQ(memory_op(XENMEM_populate_physmap, &take), 1);
    return list[0];
}

static long page_give_back(mfn_t mfn)
{
    struct xen_memory_reservation give = {.nr_extents = 1, .domid = DOMID_SELF};

    set_xen_guest_handle(give.extent_start, &mfn);
    return memory_op(XENMEM_decrease_reservation, &give);
}

static int16_t transfer(mfn_t mfn, domid_t to, grant_ref_t ref)
{
    struct gnttab_transfer op = {.mfn = mfn, .domid = to, .ref = ref, .status = 99};

    CHECK_EQ(grant_table_op(GNTTABOP_transfer, &op, 1), 0);
    return op.status;
}

static void accept(volatile struct grant_entry_v1 *entry, domid_t from, uint32_t pfn)
{
    entry->domid = from;
    entry->frame = pfn;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    entry->flags = GTF_accept_transfer;
}

TEST("transfer")
{
    struct guest g = guest_build(program_calls);
    volatile struct grant_entry_v1 *table = guest_table_map(&g, PLACE_TABLE, 0);
    long ours, theirs = pages_of(g.id);
    mfn_t mfn = page_fresh();
    uint64_t *page = page_alloc(), own = pte_make(va_to_mfn(page), PTE_RW);

    REQUIRE_EQ(map_va(page, pte_make(mfn, PTE_RW)), 0);
    page[100] = 0x9a9a;
    ours = pages_of(DOMID_SELF);
    accept(&table[REF], 0, 0x77);
    CHECK_EQ(transfer(mfn, g.id, REF), GNTST_bad_page); /* mapped still, and so ours still */
    CHECK_EQ(pages_of(DOMID_SELF), ours);
    CHECK_EQ(table[REF].flags, GTF_accept_transfer);
    REQUIRE_EQ(map_va(page, own), 0);
    CHECK_EQ(transfer(mfn, g.id, REF), GNTST_okay);
    CHECK_EQ(pages_of(DOMID_SELF), ours - 1);
    CHECK_EQ(pages_of(g.id), theirs + 1);
    CHECK_EQ(table[REF].flags,
             GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
    CHECK_EQ(table[REF].frame, mfn);
    CHECK_EQ(mfn_to_pfn(mfn), 0x77);
    CHECK(map_va(page, pte_make(mfn, PTE_RO)) < 0);
    CHECK_EQ(page_give_back(mfn), 0);
    CHECK_EQ(transfer(mfn, g.id, REF), GNTST_bad_page);
    /* It is the guest's with what was in it. */
    uint64_t *theirs_now = place_map(PLACE_MORE, g.id, mfn);

    CHECK_EQ(theirs_now[100], 0x9a9a);
    place_map(PLACE_MORE, 0, 0);
    guest_end_clear(&g);
    CHECK_EQ(transfer(page_fresh(), g.id, REF), GNTST_bad_domain);
    page_free(page);
}

/* The giver loses the page, whatever the receiver's table says. */
TEST("transfer-refused")
{
    struct guest g = guest_build(program_calls);
    volatile struct grant_entry_v1 *table = guest_table_map(&g, PLACE_TABLE, 0);
    long ours = pages_of(DOMID_SELF), theirs = pages_of(g.id);

    CHECK(transfer(page_fresh(), g.id, REF) < 0); /* accepts nothing */
    table[REF].flags = GTF_permit_access;
    CHECK(transfer(page_fresh(), g.id, REF) < 0);
    accept(&table[REF], 5, 0x77); /* somebody else's */
    CHECK(transfer(page_fresh(), g.id, REF) < 0);
    CHECK_EQ(table[REF].flags, GTF_accept_transfer);
    accept(&table[REF], 0, 0x77);
    table[REF].flags = GTF_accept_transfer | GTF_transfer_committed; /* taken */
    CHECK(transfer(page_fresh(), g.id, REF) < 0);
    CHECK(transfer(page_fresh(), g.id, 100000) < 0);
    CHECK_EQ(transfer(page_fresh(), 77, REF), GNTST_bad_domain);
    CHECK_EQ(transfer(page_fresh(), DOMID_XEN, REF), GNTST_bad_domain);
    CHECK_EQ(pages_of(DOMID_SELF), ours);
    CHECK_EQ(pages_of(g.id), theirs);
    /* Never the caller's to give, so nothing is lost. */
    CHECK_EQ(transfer(1UL << 39, g.id, REF), GNTST_bad_page);
    CHECK_EQ(transfer(g.mfns[SPARE], g.id, REF), GNTST_bad_page);
    CHECK_EQ(transfer(va_to_mfn(pt_entry((void *)VIRT_BASE, 1)), g.id, REF), GNTST_bad_page);
    CHECK_EQ(transfer(0xb8, g.id, REF), GNTST_bad_page);
    CHECK_EQ(pages_of(DOMID_SELF), ours);
    CHECK_EQ(grant_table_op(GNTTABOP_transfer, 0x1000, 1), -EFAULT);
    guest_end_clear(&g);
}

/* To the receiver's limit and not beyond; its entry stays as it was. */
TEST("transfer-limit")
{
    struct guest g = guest_build(program_calls);
    volatile struct grant_entry_v1 *table = guest_table_map(&g, PLACE_TABLE, 0);
    unsigned count = 0, limit = GUEST_KIB / 4;
    int16_t status;

    do {
        accept(&table[REF], 0, 0x1000 + count);
        status = transfer(page_fresh(), g.id, REF);
    } while (status == GNTST_okay && ++count < 100);
    CHECK_EQ(count, limit - PAGES);
    CHECK_EQ(pages_of(g.id), limit);
    CHECK_EQ(table[REF].flags, GTF_accept_transfer);
    CHECK_EQ(table[REF].frame, 0x1000 + count);
    guest_end_clear(&g);
}

/* What was given to a guest goes with it, but not while somebody maps it by a grant; and a guest
 * that dies takes no more. */
TEST("transferred-then-granted")
{
    struct guest g = guest_build(program_calls);
    volatile struct grant_entry_v1 *table = guest_table_map(&g, PLACE_TABLE, 0);
    uint64_t *page = page_alloc(), own = pte_make(va_to_mfn(page), PTE_RW);
    struct gnttab_map_grant_ref map = {
        .host_addr = (uint64_t)page, .flags = GNTMAP_host_map, .ref = REF + 1, .dom = g.id};
    struct gnttab_unmap_grant_ref unmap = {.host_addr = (uint64_t)page};
    mfn_t mfn = page_fresh();

    accept(&table[REF], 0, 0x77);
    REQUIRE_EQ(transfer(mfn, g.id, REF), GNTST_okay);
    table[REF + 1].frame = mfn;
    table[REF + 1].domid = 0;
    table[REF + 1].flags = GTF_permit_access;
    REQUIRE_EQ(map_va(page, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
    REQUIRE_EQ(map.status, GNTST_okay);
    page[0] = 0x4d4d;
    accept(&table[REF + 2], 0, 0x78);
    place_map(PLACE_TABLE, 0, 0);
    window_map(DATA, 0, 0);
    guest_kill(&g);
    CHECK(guest_flags(&g) & XEN_DOMINF_dying);
    CHECK(transfer(page_fresh(), g.id, REF + 2) < 0);
    CHECK_EQ(page[0], 0x4d4d);
    unmap.handle = map.handle;
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
    CHECK_EQ(unmap.status, GNTST_okay);
    REQUIRE_EQ(map_va(page, own), 0);
    for (unsigned i = 0; i < TURNS && guest_is_there(&g); i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK(!guest_is_there(&g));
    page_free(page);
}

/* From a guest to us, in a list with a mistake in it. */
TEST("transfer-from-guest")
{
    static xen_pfn_t frames[1];
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    struct xen_memory_reservation take = {.nr_extents = 2, .domid = DOMID_SELF};
    volatile struct grant_entry_v1 *table = page_alloc();
    uint64_t own = pte_make(va_to_mfn((void *)table), PTE_RW), *page = page_alloc();
    struct guest g = guest_build(program_calls);
    struct gnttab_transfer ops[3];
    xen_pfn_t list[2] = {20, 21};
    long ours;

    set_xen_guest_handle(setup.frame_list, frames);
    REQUIRE_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
    REQUIRE_EQ(map_va((void *)table, pte_make(frames[0], PTE_RW)), 0);
    guest_start(&g);
    set_xen_guest_handle(take.extent_start, (xen_pfn_t *)(BUFFER + 256));
    memcpy(g.request->buffer, &take, sizeof(take));
    memcpy(g.request->buffer + 256, list, sizeof(list));
    REQUIRE_EQ(guest_call(&g, __HYPERVISOR_memory_op, XENMEM_populate_physmap, BUFFER, 0, 0), 2);
    memcpy(list, g.request->buffer + 256, sizeof(list));
    ours = pages_of(DOMID_SELF);
    accept(&table[REF], g.id, 0x9077);
    accept(&table[REF + 1], g.id, 0x9078);
    ops[0] = (struct gnttab_transfer){.mfn = list[0], .domid = 0, .ref = REF, .status = 99};
    ops[1] = (struct gnttab_transfer){
        .mfn = va_to_mfn((void *)page), .domid = 0, .ref = REF, .status = 99};
    ops[2] = (struct gnttab_transfer){.mfn = list[1], .domid = 0, .ref = REF + 1, .status = 99};
    memcpy(g.request->buffer, ops, sizeof(ops));
    CHECK_EQ(guest_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_transfer, BUFFER, 3, 0), 0);
    memcpy(ops, g.request->buffer, sizeof(ops));
    CHECK_EQ(ops[0].status, GNTST_okay);
    CHECK_EQ(ops[1].status, GNTST_bad_page);
    CHECK_EQ(ops[2].status, GNTST_okay);
    CHECK_EQ(pages_of(DOMID_SELF), ours + 2);
    CHECK_EQ(pages_of(g.id), PAGES);
    guest_end_clear(&g);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(table[REF + i].frame, list[i]);
        CHECK_EQ(mfn_to_pfn(list[i]), 0x9077 + i);
        CHECK_EQ(page_give_back(list[i]), 1);
        table[REF + i].flags = 0;
    }
    CHECK_EQ(pages_of(DOMID_SELF), ours);
    REQUIRE_EQ(map_va((void *)table, own), 0);
    page_free(page);
}

TEST("transfer-version-2")
{
    struct guest g = guest_build_v2();
    mfn_t mfn = page_fresh();
    long theirs = pages_of(g.id);

    volatile union grant_entry_v2 *table = guest_table_map(&g, PLACE_TABLE, 0);
    volatile grant_status_t *status = guest_table_map(&g, PLACE_TABLE2, 1);
    table[REF].full_page.frame = 0x123456;
    table[REF].hdr.domid = 0;
    table[REF].hdr.flags = GTF_accept_transfer;
    CHECK_EQ(transfer(mfn, g.id, REF), GNTST_okay);
    CHECK_EQ(table[REF].hdr.flags,
             GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
    CHECK_EQ(table[REF].full_page.frame, mfn);
    CHECK_EQ(mfn_to_pfn(mfn), 0x123456);
    CHECK_EQ(pages_of(g.id), theirs + 1);
    CHECK_EQ(status[REF], 0);
    guest_end_clear(&g);
}
