/* SPDX-License-Identifier: MIT */
/*
 * Grant tables between domains: this kernel, the control domain, and guests that it builds. Pages
 * that change hands for good, version 2 with parts of pages, status frames and grants that stand
 * for other grants, cache flushes, and the limit of mappings. Status codes are Xen 4.17's where the
 * header leaves no choice, else only that there is one.
 */
/* RUN: timeout=40 */
#include "domu.h"
#include "guest.h"
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>

#define PLACE_TABLE  DOMU_PAGES /* where guests' tables are seen */
#define PLACE_TABLE2 (DOMU_PAGES + 1)
#define PLACE_DATA2  (DOMU_PAGES + 2)
#define REF          8 /* the first that is not reserved */

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

/* The first frame of a guest's table (0) or status array (1), mapped at a place. */
static volatile void *table_map(const struct domu *g, unsigned place, unsigned array)
{
    static xen_pfn_t frames[1];
    struct xen_mem_acquire_resource resource = {
        .domid = g->id, .type = XENMEM_resource_grant_table, .id = array, .nr_frames = 1};

    set_xen_guest_handle(resource.frame_list, frames);
    REQUIRE_EQ(memory_op(XENMEM_acquire_resource, &resource), 0);
    return domu_map(place, g->id, frames[0]);
}

static void guest_end(struct domu *g)
{
    for (unsigned place = 0; place < DOMU_PLACES; place++)
        if (place != g->data_place && place != DOMU_DATA && place != PLACE_DATA2)
            domu_map(place, 0, 0);
    domu_end(g);
}

/* ---- transfer ---------------------------------------------------------------------------------
 */

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
    struct domu g = domu_build(domu_calls);
    volatile struct grant_entry_v1 *table = table_map(&g, PLACE_TABLE, 0);
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
    uint64_t *theirs_now = domu_map(DOMU_SPARE, g.id, mfn);

    CHECK_EQ(theirs_now[100], 0x9a9a);
    domu_map(DOMU_SPARE, 0, 0);
    guest_end(&g);
    CHECK_EQ(transfer(page_fresh(), g.id, REF), GNTST_bad_domain);
    page_free(page);
}

/* The giver loses the page, whatever the receiver's table says. */
TEST("transfer-refused")
{
    struct domu g = domu_build(domu_calls);
    volatile struct grant_entry_v1 *table = table_map(&g, PLACE_TABLE, 0);
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
    CHECK_EQ(transfer(g.mfns[DOMU_SPARE], g.id, REF), GNTST_bad_page);
    CHECK_EQ(transfer(va_to_mfn(pt_entry((void *)VIRT_BASE, 1)), g.id, REF), GNTST_bad_page);
    CHECK_EQ(transfer(0xb8, g.id, REF), GNTST_bad_page);
    CHECK_EQ(pages_of(DOMID_SELF), ours);
    CHECK_EQ(grant_table_op(GNTTABOP_transfer, 0x1000, 1), -EFAULT);
    guest_end(&g);
}

/* To the receiver's limit and not beyond; its entry stays as it was. */
TEST("transfer-limit")
{
    struct domu g = domu_build(domu_calls);
    volatile struct grant_entry_v1 *table = table_map(&g, PLACE_TABLE, 0);
    unsigned count = 0, limit = domu_options.max_kib / 4;
    int16_t status;

    do {
        accept(&table[REF], 0, 0x1000 + count);
        status = transfer(page_fresh(), g.id, REF);
    } while (status == GNTST_okay && ++count < 100);
    CHECK_EQ(count, limit - DOMU_PAGES);
    CHECK_EQ(pages_of(g.id), limit);
    CHECK_EQ(table[REF].flags, GTF_accept_transfer);
    CHECK_EQ(table[REF].frame, 0x1000 + count);
    guest_end(&g);
}

/* From a guest to us, in a list with a mistake in it. */
TEST("transfer-from-guest")
{
    static xen_pfn_t frames[1];
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    struct xen_memory_reservation take = {.nr_extents = 2, .domid = DOMID_SELF};
    volatile struct grant_entry_v1 *table = page_alloc();
    uint64_t own = pte_make(va_to_mfn((void *)table), PTE_RW), *page = page_alloc();
    struct domu g = domu_build(domu_calls);
    struct gnttab_transfer ops[3];
    xen_pfn_t list[2] = {20, 21};
    long ours;

    set_xen_guest_handle(setup.frame_list, frames);
    REQUIRE_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
    REQUIRE_EQ(map_va((void *)table, pte_make(frames[0], PTE_RW)), 0);
    domu_start(&g);
    set_xen_guest_handle(take.extent_start, (xen_pfn_t *)(DOMU_BUFFER + 256));
    memcpy(g.request->buffer, &take, sizeof(take));
    memcpy(g.request->buffer + 256, list, sizeof(list));
    REQUIRE_EQ(domu_call(&g, __HYPERVISOR_memory_op, XENMEM_populate_physmap, DOMU_BUFFER, 0, 0),
               2);
    memcpy(list, g.request->buffer + 256, sizeof(list));
    ours = pages_of(DOMID_SELF);
    accept(&table[REF], g.id, 0x9077);
    accept(&table[REF + 1], g.id, 0x9078);
    ops[0] = (struct gnttab_transfer){.mfn = list[0], .domid = 0, .ref = REF, .status = 99};
    ops[1] = (struct gnttab_transfer){
        .mfn = va_to_mfn((void *)page), .domid = 0, .ref = REF, .status = 99};
    ops[2] = (struct gnttab_transfer){.mfn = list[1], .domid = 0, .ref = REF + 1, .status = 99};
    memcpy(g.request->buffer, ops, sizeof(ops));
    CHECK_EQ(domu_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_transfer, DOMU_BUFFER, 3, 0), 0);
    memcpy(ops, g.request->buffer, sizeof(ops));
    CHECK_EQ(ops[0].status, GNTST_okay);
    CHECK_EQ(ops[1].status, GNTST_bad_page);
    CHECK_EQ(ops[2].status, GNTST_okay);
    CHECK_EQ(pages_of(DOMID_SELF), ours + 2);
    CHECK_EQ(pages_of(g.id), DOMU_PAGES);
    guest_end(&g);
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

/* ---- version 2 --------------------------------------------------------------------------------
 */

static volatile union grant_entry_v2 *table2, *far2;
static volatile grant_status_t *status2;

static struct domu guest_v2(unsigned data_place)
{
    struct gnttab_set_version set = {.version = 2};
    struct domu g;

    domu_options.grant_version = 2;
    domu_options.data_place = data_place;
    g = domu_build(domu_calls);
    domu_options.grant_version = 1;
    domu_options.data_place = DOMU_DATA;
    domu_start(&g);
    memcpy(g.request->buffer, &set, sizeof(set));
    REQUIRE_EQ(domu_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, DOMU_BUFFER, 1, 0),
               0);
    return g;
}

static void permit(volatile union grant_entry_v2 *entry, domid_t to, mfn_t mfn, uint16_t flags)
{
    entry->hdr.flags = 0;
    entry->full_page.frame = mfn;
    entry->hdr.domid = to;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    entry->hdr.flags = GTF_permit_access | flags;
}

static int16_t copy_from(const struct domu *g, grant_ref_t ref, unsigned offset, unsigned length,
                         void *to)
{
    struct gnttab_copy op = {.source = {.u.ref = ref, .domid = g->id, .offset = offset},
                             .dest = {.u.gmfn = va_to_mfn(to), .domid = DOMID_SELF},
                             .len = length,
                             .flags = GNTCOPY_source_gref};

    CHECK_EQ(grant_table_op(GNTTABOP_copy, &op, 1), 0);
    return op.status;
}

static int16_t copy_to(const struct domu *g, grant_ref_t ref, unsigned offset, unsigned length,
                       void *from)
{
    struct gnttab_copy op = {.source = {.u.gmfn = va_to_mfn(from), .domid = DOMID_SELF},
                             .dest = {.u.ref = ref, .domid = g->id, .offset = offset},
                             .len = length,
                             .flags = GNTCOPY_dest_gref};

    CHECK_EQ(grant_table_op(GNTTABOP_copy, &op, 1), 0);
    return op.status;
}

/* What is in use is told in the status frames, not in the entries. */
TEST("status-frames")
{
    struct domu g = guest_v2(DOMU_DATA);
    uint64_t *page = page_alloc(), own = pte_make(va_to_mfn(page), PTE_RW);
    struct gnttab_get_status_frames get = {.nr_frames = 1, .dom = DOMID_SELF};
    struct gnttab_map_grant_ref map = {
        .host_addr = (uint64_t)page, .flags = GNTMAP_host_map, .ref = REF, .dom = g.id};
    struct gnttab_unmap_grant_ref unmap = {.host_addr = (uint64_t)page};

    table2 = table_map(&g, PLACE_TABLE, 0);
    status2 = table_map(&g, PLACE_TABLE2, 1);
    set_xen_guest_handle(get.frame_list, (uint64_t *)(DOMU_BUFFER + 256));
    memcpy(g.request->buffer, &get, sizeof(get));
    CHECK_EQ(
        domu_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_get_status_frames, DOMU_BUFFER, 1, 0),
        0);
    memcpy(&get, g.request->buffer, sizeof(get));
    CHECK_EQ(get.status, GNTST_okay);
    CHECK_EQ(*(uint64_t *)(g.request->buffer + 256), pte_mfn(*pt_entry((void *)status2, 1)));
    permit(&table2[REF], 0, g.mfns[DOMU_STACK], 0);
    REQUIRE_EQ(map_va(page, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
    REQUIRE_EQ(map.status, GNTST_okay);
    CHECK_EQ(status2[REF], GTF_reading | GTF_writing);
    CHECK_EQ(table2[REF].hdr.flags, GTF_permit_access);
    unmap.handle = map.handle;
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
    CHECK_EQ(unmap.status, GNTST_okay);
    CHECK_EQ(status2[REF], 0);
    map.flags |= GNTMAP_readonly;
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
    CHECK_EQ(map.status, GNTST_okay);
    CHECK_EQ(status2[REF], GTF_reading);
    unmap.handle = map.handle;
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
    REQUIRE_EQ(map_va(page, own), 0);
    page_free(page);
    guest_end(&g);
}

TEST("sub-page")
{
    struct domu g = guest_v2(DOMU_DATA);
    uint8_t *page = page_alloc(), *theirs;
    uint64_t own = pte_make(va_to_mfn(page), PTE_RW);
    struct gnttab_map_grant_ref map = {
        .host_addr = (uint64_t)page, .flags = GNTMAP_host_map, .ref = REF, .dom = g.id};

    table2 = table_map(&g, PLACE_TABLE, 0);
    theirs = domu_map(DOMU_L1, g.id, g.mfns[DOMU_STACK]);
    memcpy(theirs + 100, "only these", 10);
    table2[REF].sub_page.page_off = 100;
    table2[REF].sub_page.length = 50;
    permit(&table2[REF], 0, g.mfns[DOMU_STACK], GTF_sub_page);
    CHECK_EQ(copy_from(&g, REF, 100, 50, page), GNTST_okay);
    CHECK(memcmp(page, "only these", 10) == 0);
    CHECK_EQ(copy_from(&g, REF, 149, 1, page), GNTST_okay);
    CHECK(copy_from(&g, REF, 99, 10, page) < 0);
    CHECK(copy_from(&g, REF, 149, 2, page) < 0);
    CHECK(copy_from(&g, REF, 0, 4096, page) < 0);
    CHECK_EQ(copy_to(&g, REF, 120, 8, page), GNTST_okay);
    CHECK(copy_to(&g, REF, 148, 8, page) < 0);
    REQUIRE_EQ(map_va(page, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
    CHECK(map.status < 0);
    REQUIRE_EQ(map_va(page, own), 0);
    /* Not even if it is all of the page. */
    table2[REF].sub_page.page_off = 0;
    table2[REF].sub_page.length = PAGE_SIZE;
    REQUIRE_EQ(map_va(page, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
    CHECK(map.status < 0);
    REQUIRE_EQ(map_va(page, own), 0);
    CHECK_EQ(copy_from(&g, REF, 0, PAGE_SIZE, page), GNTST_okay);
    CHECK_EQ(copy_from(&g, REF, PAGE_SIZE, 0, page), GNTST_okay); /* nothing, at the end */
    /* The part ends beyond the page: what is in the page counts. */
    table2[REF].sub_page.page_off = 4000;
    table2[REF].sub_page.length = 5000;
    CHECK_EQ(copy_from(&g, REF, 4000, 96, page), GNTST_okay);
    CHECK_EQ(copy_from(&g, REF, 4090, 10, page), GNTST_bad_copy_arg);
    page_free(page);
    guest_end(&g);
}

/* far permits g, and g lets us use that: for copies, and never more than both say. */
TEST("transitive")
{
    struct domu g = guest_v2(DOMU_DATA), far = guest_v2(PLACE_DATA2);
    uint8_t *page = page_alloc(), *theirs;
    uint64_t own = pte_make(va_to_mfn(page), PTE_RW);
    struct gnttab_map_grant_ref map = {
        .host_addr = (uint64_t)page, .flags = GNTMAP_host_map, .ref = REF, .dom = g.id};

    table2 = table_map(&g, PLACE_TABLE, 0);
    far2 = table_map(&far, PLACE_TABLE2, 0);
    status2 = table_map(&g, DOMU_L2, 1);
    theirs = domu_map(DOMU_L1, far.id, far.mfns[DOMU_STACK]);
    memcpy(theirs, "from afar", 10);
    permit(&far2[20], g.id, far.mfns[DOMU_STACK], 0);
    table2[REF].transitive.trans_domid = far.id;
    table2[REF].transitive.gref = 20;
    table2[REF].hdr.domid = 0;
    table2[REF].hdr.flags = GTF_transitive;
    CHECK_EQ(copy_from(&g, REF, 0, 10, page), GNTST_okay);
    CHECK(memcmp(page, "from afar", 10) == 0);
    CHECK_EQ(copy_to(&g, REF, 100, 10, page), GNTST_okay);
    CHECK(memcmp(theirs + 100, "from afar", 10) == 0);
    CHECK(copy_from(&far, 20, 0, 10, page) < 0); /* not without g */
    table2[REF].hdr.flags = GTF_transitive | GTF_readonly;
    CHECK_EQ(copy_from(&g, REF, 0, 10, page), GNTST_okay);
    CHECK(copy_to(&g, REF, 100, 10, page) < 0);
    table2[REF].hdr.flags = GTF_transitive;
    permit(&far2[20], g.id, far.mfns[DOMU_STACK], GTF_readonly);
    CHECK_EQ(copy_from(&g, REF, 0, 10, page), GNTST_okay);
    CHECK(copy_to(&g, REF, 100, 10, page) < 0);
    far2[20].sub_page.page_off = 8;
    far2[20].sub_page.length = 64;
    permit(&far2[20], g.id, far.mfns[DOMU_STACK], GTF_sub_page);
    CHECK_EQ(copy_from(&g, REF, 8, 64, page), GNTST_okay);
    CHECK(copy_from(&g, REF, 0, 17, page) < 0);
    CHECK(copy_from(&g, REF, 8, 65, page) < 0);
    permit(&far2[20], 0, far.mfns[DOMU_STACK], 0); /* for us, not for g */
    CHECK(copy_from(&g, REF, 0, 10, page) < 0);
    far2[20].hdr.flags = 0; /* withdrawn */
    CHECK(copy_from(&g, REF, 0, 10, page) < 0);
    permit(&far2[20], g.id, far.mfns[DOMU_STACK], 0);
    REQUIRE_EQ(map_va(page, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
    CHECK(map.status < 0);
    REQUIRE_EQ(map_va(page, own), 0);
    /* A chain of them is refused, and so are names that mean nothing. */
    far2[20].transitive.trans_domid = g.id;
    far2[20].transitive.gref = REF + 1;
    far2[20].hdr.flags = GTF_transitive;
    permit(&table2[REF + 1], far.id, g.mfns[DOMU_STACK], 0);
    CHECK(copy_from(&g, REF, 0, 10, page) < 0);
    table2[REF].transitive.gref = 100000;
    CHECK(copy_from(&g, REF, 0, 10, page) < 0);
    table2[REF].transitive.trans_domid = 77;
    CHECK(copy_from(&g, REF, 0, 10, page) < 0);
    table2[REF].transitive.trans_domid = g.id;
    table2[REF].transitive.gref = REF + 1;
    CHECK(copy_from(&g, REF, 0, 10, page) < 0);
    CHECK_EQ(status2[REF], 0);
    table2[REF].transitive.trans_domid = far.id;
    table2[REF].transitive.gref = 20;
    permit(&far2[20], g.id, far.mfns[DOMU_STACK], 0);
    CHECK_EQ(copy_from(&g, REF, 0, 10, page), GNTST_okay);
    /* The far end dies. */
    domu_map(PLACE_TABLE2, 0, 0);
    domu_map(DOMU_L1, 0, 0);
    domu_end(&far);
    CHECK(copy_from(&g, REF, 0, 10, page) < 0);
    CHECK_EQ(status2[REF], 0);
    page_free(page);
    guest_end(&g);
}

TEST("transfer-version-2")
{
    struct domu g = guest_v2(DOMU_DATA);
    mfn_t mfn = page_fresh();
    long theirs = pages_of(g.id);

    table2 = table_map(&g, PLACE_TABLE, 0);
    status2 = table_map(&g, PLACE_TABLE2, 1);
    table2[REF].full_page.frame = 0x123456;
    table2[REF].hdr.domid = 0;
    table2[REF].hdr.flags = GTF_accept_transfer;
    CHECK_EQ(transfer(mfn, g.id, REF), GNTST_okay);
    CHECK_EQ(table2[REF].hdr.flags,
             GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
    CHECK_EQ(table2[REF].full_page.frame, mfn);
    CHECK_EQ(mfn_to_pfn(mfn), 0x123456);
    CHECK_EQ(pages_of(g.id), theirs + 1);
    CHECK_EQ(status2[REF], 0);
    guest_end(&g);
}

/* A guest that was created for version 1 stays there. */
TEST("version-limit")
{
    struct domu g = domu_build(domu_calls);
    struct gnttab_set_version set = {.version = 2};

    domu_start(&g);
    memcpy(g.request->buffer, &set, sizeof(set));
    CHECK_EQ(domu_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, DOMU_BUFFER, 1, 0),
             -ENOSYS);
    memcpy(&set, g.request->buffer, sizeof(set));
    CHECK_EQ(set.version, 1); /* what it is, all the same */
    set.version = 3;
    memcpy(g.request->buffer, &set, sizeof(set));
    CHECK_EQ(domu_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, DOMU_BUFFER, 1, 0),
             -EINVAL);
    set.version = 1;
    memcpy(g.request->buffer, &set, sizeof(set));
    CHECK_EQ(domu_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, DOMU_BUFFER, 1, 0),
             0);
    guest_end(&g);
}

/* ---- caches -----------------------------------------------------------------------------------
 */

static long flush(uint64_t address, unsigned offset, unsigned length, uint32_t how)
{
    struct gnttab_cache_flush op = {
        .a.dev_bus_addr = address, .offset = offset, .length = length, .op = how};

    return grant_table_op(GNTTABOP_cache_flush, &op, 1);
}

TEST("cache-flush")
{
    struct domu g = domu_build(domu_calls);
    uint64_t *page = page_alloc(), own = pte_make(va_to_mfn(page), PTE_RW);
    uint64_t ours = va_to_machine(page), theirs = g.mfns[DOMU_STACK] << PAGE_SHIFT;
    volatile struct grant_entry_v1 *table = table_map(&g, PLACE_TABLE, 0);
    struct gnttab_map_grant_ref map = {
        .host_addr = (uint64_t)page, .flags = GNTMAP_host_map, .ref = REF, .dom = g.id};
    struct gnttab_unmap_grant_ref unmap = {.host_addr = (uint64_t)page};

    CHECK_EQ(flush(ours, 0, PAGE_SIZE, GNTTAB_CACHE_CLEAN), 0);
    CHECK_EQ(flush(ours, 100, 10, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL), 0);
    CHECK_EQ(flush(ours, 0, 0, GNTTAB_CACHE_CLEAN), 0);
    CHECK_EQ(flush(ours, 0, PAGE_SIZE, GNTTAB_CACHE_INVAL), -EOPNOTSUPP);
    CHECK_EQ(flush(ours, 0, PAGE_SIZE, 8), -EINVAL);
    CHECK_EQ(flush(ours, 64, PAGE_SIZE, GNTTAB_CACHE_CLEAN), -EINVAL);
    CHECK_EQ(flush(1UL << 50, 0, PAGE_SIZE, GNTTAB_CACHE_CLEAN), -EINVAL);
    CHECK_EQ(flush(theirs, 0, PAGE_SIZE, GNTTAB_CACHE_CLEAN), -EINVAL);
    CHECK_EQ(grant_table_op(GNTTABOP_cache_flush, 0x1000, 1), -EFAULT);
    CHECK_EQ(grant_table_op(GNTTABOP_cache_flush, 0x1000, 0), 0);
    table[REF].frame = g.mfns[DOMU_STACK];
    table[REF].domid = 0;
    table[REF].flags = GTF_permit_access;
    CHECK_EQ(flush(theirs, 0, PAGE_SIZE, GNTTAB_CACHE_CLEAN), -EINVAL); /* permitted, not used */
    REQUIRE_EQ(map_va(page, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
    REQUIRE_EQ(map.status, GNTST_okay);
    page[7] = 0x6e6e;
    CHECK_EQ(flush(theirs, 0, PAGE_SIZE, GNTTAB_CACHE_CLEAN), 0);
    CHECK_EQ(flush(map.dev_bus_addr, 8, 8, GNTTAB_CACHE_CLEAN), 0);
    CHECK_EQ(page[7], 0x6e6e);
    unmap.handle = map.handle;
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
    CHECK_EQ(flush(theirs, 0, PAGE_SIZE, GNTTAB_CACHE_CLEAN), -EINVAL);
    REQUIRE_EQ(map_va(page, own), 0);
    page_free(page);
    guest_end(&g);
}

/* ---- mappings of a guest ----------------------------------------------------------------------
 */

/* A guest maps until it has no handle left: an error, and none of the others suffers. */
TEST("maptrack-limit")
{
    enum { BATCH = 24, REFS = 60 };
    static xen_pfn_t frames[1];
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    volatile struct grant_entry_v1 *table = page_alloc();
    uint64_t own = pte_make(va_to_mfn((void *)table), PTE_RW), *granted = page_alloc();
    struct gnttab_map_grant_ref maps[BATCH];
    struct gnttab_unmap_grant_ref unmap;
    unsigned count = 0, first = 0;
    int16_t status = GNTST_okay;
    struct domu g;

    domu_options.maptrack_frames = 1;
    g = domu_build(domu_calls);
    domu_options.maptrack_frames = 4;
    set_xen_guest_handle(setup.frame_list, frames);
    REQUIRE_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
    REQUIRE_EQ(map_va((void *)table, pte_make(frames[0], PTE_RW)), 0);
    for (unsigned i = 0; i < REFS; i++) {
        table[REF + i].frame = va_to_mfn(granted);
        table[REF + i].domid = g.id;
        table[REF + i].flags = GTF_permit_access;
    }
    domu_start(&g);
    while (status == GNTST_okay && count < 2000) {
        for (unsigned i = 0; i < BATCH; i++)
            maps[i] = (struct gnttab_map_grant_ref){.flags = GNTMAP_device_map | GNTMAP_readonly,
                                                    .ref = REF + (count + i) % REFS,
                                                    .dom = 0};
        memcpy(g.request->buffer, maps, sizeof(maps));
        REQUIRE_EQ(domu_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, DOMU_BUFFER,
                             BATCH, 0),
                   0);
        memcpy(maps, g.request->buffer, sizeof(maps));
        for (unsigned i = 0; i < BATCH && status == GNTST_okay; i++) {
            status = maps[i].status;
            if (status == GNTST_okay)
                first = count++ == 0 ? maps[i].handle : first;
        }
    }
    CHECK(status < 0 && status != GNTST_bad_gntref);
    CHECK(count >= 100 && count < 2000);
    print("%u mappings, then %d", count, status);
    /* One goes, one may come. */
    unmap = (struct gnttab_unmap_grant_ref){.handle = first};
    unmap.dev_bus_addr = va_to_machine(granted);
    memcpy(g.request->buffer, &unmap, sizeof(unmap));
    CHECK_EQ(
        domu_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, DOMU_BUFFER, 1, 0), 0);
    memcpy(&unmap, g.request->buffer, sizeof(unmap));
    CHECK_EQ(unmap.status, GNTST_okay);
    memcpy(g.request->buffer, maps, 2 * sizeof(maps[0]));
    CHECK_EQ(domu_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, DOMU_BUFFER, 2, 0),
             0);
    memcpy(maps, g.request->buffer, 2 * sizeof(maps[0]));
    CHECK_EQ(maps[0].status, GNTST_okay);
    CHECK_EQ(maps[1].status, status);
    guest_end(&g);
    for (unsigned i = 0; i < REFS; i++) {
        CHECK_EQ(table[REF + i].flags & (GTF_reading | GTF_writing), 0);
        table[REF + i].flags = 0;
    }
    REQUIRE_EQ(map_va((void *)table, own), 0);
    page_free(granted);
}
