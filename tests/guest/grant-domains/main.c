/* SPDX-License-Identifier: MIT */
/*
 * Grant tables between domains: this kernel, the control domain, and guests that it builds. Version
 * 2 with parts of pages, status frames and grants that stand for other grants, cache flushes, and
 * the limit of mappings. Status codes are Xen 4.17's where the header leaves no choice, else only
 * that there is one.
 */
/* RUN: timeout=40 */
#include "domu_more.h"

#define REF 8 /* the first that is not reserved */

/* ---- version 2 --------------------------------------------------------------------------------
 */

static volatile union grant_entry_v2 *table2, *far2;
static volatile grant_status_t *status2;

static void permit(volatile union grant_entry_v2 *entry, domid_t to, mfn_t mfn, uint16_t flags)
{
    entry->hdr.flags = 0;
    entry->full_page.frame = mfn;
    entry->hdr.domid = to;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    entry->hdr.flags = GTF_permit_access | flags;
}

static int16_t copy_from(const struct guest *g, grant_ref_t ref, unsigned offset, unsigned length,
                         void *to)
{
    struct gnttab_copy op = {.source = {.u.ref = ref, .domid = g->id, .offset = offset},
                             .dest = {.u.gmfn = va_to_mfn(to), .domid = DOMID_SELF},
                             .len = length,
                             .flags = GNTCOPY_source_gref};

    CHECK_EQ(grant_table_op(GNTTABOP_copy, &op, 1), 0);
    return op.status;
}

static int16_t copy_to(const struct guest *g, grant_ref_t ref, unsigned offset, unsigned length,
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
    struct guest g = guest_build_v2();
    uint64_t *page = page_alloc(), own = pte_make(va_to_mfn(page), PTE_RW);
    struct gnttab_get_status_frames get = {.nr_frames = 1, .dom = DOMID_SELF};
    struct gnttab_map_grant_ref map = {
        .host_addr = (uint64_t)page, .flags = GNTMAP_host_map, .ref = REF, .dom = g.id};
    struct gnttab_unmap_grant_ref unmap = {.host_addr = (uint64_t)page};

    table2 = guest_table_map(&g, PLACE_TABLE, 0);
    status2 = guest_table_map(&g, PLACE_TABLE2, 1);
    set_xen_guest_handle(get.frame_list, (uint64_t *)(BUFFER + 256));
    memcpy(g.request->buffer, &get, sizeof(get));
    CHECK_EQ(guest_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_get_status_frames, BUFFER, 1, 0),
             0);
    memcpy(&get, g.request->buffer, sizeof(get));
    CHECK_EQ(get.status, GNTST_okay);
    CHECK_EQ(*(uint64_t *)(g.request->buffer + 256), pte_mfn(*pt_entry((void *)status2, 1)));
    permit(&table2[REF], 0, g.mfns[STACK], 0);
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
    guest_end_clear(&g);
}

TEST("sub-page")
{
    struct guest g = guest_build_v2();
    uint8_t *page = page_alloc(), *theirs;
    uint64_t own = pte_make(va_to_mfn(page), PTE_RW);
    struct gnttab_map_grant_ref map = {
        .host_addr = (uint64_t)page, .flags = GNTMAP_host_map, .ref = REF, .dom = g.id};

    table2 = guest_table_map(&g, PLACE_TABLE, 0);
    theirs = place_map(PLACE_MORE, g.id, g.mfns[STACK]);
    memcpy(theirs + 100, "only these", 10);
    table2[REF].sub_page.page_off = 100;
    table2[REF].sub_page.length = 50;
    permit(&table2[REF], 0, g.mfns[STACK], GTF_sub_page);
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
    guest_end_clear(&g);
}

/* far permits g, and g lets us use that: for copies, and never more than both say. */
TEST("transitive")
{
    struct guest far = guest_build_v2(), g;
    uint8_t *page = page_alloc(), *theirs;
    uint64_t own = pte_make(va_to_mfn(page), PTE_RW);
    struct gnttab_map_grant_ref map = {
        .host_addr = (uint64_t)page, .flags = GNTMAP_host_map, .ref = REF};

    guest_move_aside(&far);
    g = guest_build_v2();
    map.dom = g.id;
    table2 = guest_table_map(&g, PLACE_TABLE, 0);
    far2 = guest_table_map(&far, PLACE_TABLE2, 0);
    status2 = guest_table_map(&g, PLACE_MORE, 1);
    theirs = place_map(PLACE_MORE + 1, far.id, far.mfns[STACK]);
    memcpy(theirs, "from afar", 10);
    permit(&far2[20], g.id, far.mfns[STACK], 0);
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
    permit(&far2[20], g.id, far.mfns[STACK], GTF_readonly);
    CHECK_EQ(copy_from(&g, REF, 0, 10, page), GNTST_okay);
    CHECK(copy_to(&g, REF, 100, 10, page) < 0);
    far2[20].sub_page.page_off = 8;
    far2[20].sub_page.length = 64;
    permit(&far2[20], g.id, far.mfns[STACK], GTF_sub_page);
    CHECK_EQ(copy_from(&g, REF, 8, 64, page), GNTST_okay);
    CHECK(copy_from(&g, REF, 0, 17, page) < 0);
    CHECK(copy_from(&g, REF, 8, 65, page) < 0);
    permit(&far2[20], 0, far.mfns[STACK], 0); /* for us, not for g */
    CHECK(copy_from(&g, REF, 0, 10, page) < 0);
    far2[20].hdr.flags = 0; /* withdrawn */
    CHECK(copy_from(&g, REF, 0, 10, page) < 0);
    permit(&far2[20], g.id, far.mfns[STACK], 0);
    REQUIRE_EQ(map_va(page, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
    CHECK(map.status < 0);
    REQUIRE_EQ(map_va(page, own), 0);
    /* A chain of them is refused, and so are names that mean nothing. */
    far2[20].transitive.trans_domid = g.id;
    far2[20].transitive.gref = REF + 1;
    far2[20].hdr.flags = GTF_transitive;
    permit(&table2[REF + 1], far.id, g.mfns[STACK], 0);
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
    permit(&far2[20], g.id, far.mfns[STACK], 0);
    CHECK_EQ(copy_from(&g, REF, 0, 10, page), GNTST_okay);
    /* The far end dies. */
    place_map(PLACE_TABLE2, 0, 0);
    place_map(PLACE_MORE + 1, 0, 0);
    guest_end_aside(&far);
    CHECK(copy_from(&g, REF, 0, 10, page) < 0);
    CHECK_EQ(status2[REF], 0);
    page_free(page);
    guest_end_clear(&g);
}

/* A guest that was created for version 1 stays there. */
TEST("version-limit")
{
    struct guest g = guest_build(program_calls);
    struct gnttab_set_version set = {.version = 2};

    guest_start(&g);
    memcpy(g.request->buffer, &set, sizeof(set));
    CHECK_EQ(guest_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, BUFFER, 1, 0),
             -ENOSYS);
    memcpy(&set, g.request->buffer, sizeof(set));
    CHECK_EQ(set.version, 1); /* what it is, all the same */
    set.version = 3;
    memcpy(g.request->buffer, &set, sizeof(set));
    CHECK_EQ(guest_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, BUFFER, 1, 0),
             -EINVAL);
    set.version = 1;
    memcpy(g.request->buffer, &set, sizeof(set));
    CHECK_EQ(guest_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, BUFFER, 1, 0), 0);
    guest_end_clear(&g);
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
    struct guest g = guest_build(program_calls);
    uint64_t *page = page_alloc(), own = pte_make(va_to_mfn(page), PTE_RW);
    uint64_t ours = va_to_machine(page), theirs = g.mfns[STACK] << PAGE_SHIFT;
    volatile struct grant_entry_v1 *table = guest_table_map(&g, PLACE_TABLE, 0);
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
    table[REF].frame = g.mfns[STACK];
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
    guest_end_clear(&g);
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
    struct guest_limits limits = guest_limits_usual;
    struct guest g;

    limits.maptrack_frames = 1;
    g = guest_build_limited(&limits);
    set_xen_guest_handle(setup.frame_list, frames);
    REQUIRE_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
    REQUIRE_EQ(map_va((void *)table, pte_make(frames[0], PTE_RW)), 0);
    for (unsigned i = 0; i < REFS; i++) {
        table[REF + i].frame = va_to_mfn(granted);
        table[REF + i].domid = g.id;
        table[REF + i].flags = GTF_permit_access;
    }
    guest_start(&g);
    while (status == GNTST_okay && count < 2000) {
        for (unsigned i = 0; i < BATCH; i++)
            maps[i] = (struct gnttab_map_grant_ref){.flags = GNTMAP_device_map | GNTMAP_readonly,
                                                    .ref = REF + (count + i) % REFS,
                                                    .dom = 0};
        memcpy(g.request->buffer, maps, sizeof(maps));
        REQUIRE_EQ(
            guest_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, BUFFER, BATCH, 0),
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
    CHECK_EQ(guest_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, BUFFER, 1, 0),
             0);
    memcpy(&unmap, g.request->buffer, sizeof(unmap));
    CHECK_EQ(unmap.status, GNTST_okay);
    memcpy(g.request->buffer, maps, 2 * sizeof(maps[0]));
    CHECK_EQ(guest_call(&g, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, BUFFER, 2, 0), 0);
    memcpy(maps, g.request->buffer, 2 * sizeof(maps[0]));
    CHECK_EQ(maps[0].status, GNTST_okay);
    CHECK_EQ(maps[1].status, status);
    guest_end_clear(&g);
    for (unsigned i = 0; i < REFS; i++) {
        CHECK_EQ(table[REF + i].flags & (GTF_reading | GTF_writing), 0);
        table[REF + i].flags = 0;
    }
    REQUIRE_EQ(map_va((void *)table, own), 0);
    page_free(granted);
}
