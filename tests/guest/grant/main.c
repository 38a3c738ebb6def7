/* SPDX-License-Identifier: MIT */
/*
 * Grant tables, version 1, with the control domain granting to itself: set-up, mapping by address
 * and by page-table entry, copying, refusals. Mappings are always taken down by the unmap
 * operation.
 */
#include "guest.h"
#include <xen/grant_table.h>

#define ENTRIES_PER_FRAME (PAGE_SIZE / sizeof(struct grant_entry_v1))
#define REF               8 /* the first that is not reserved */

static volatile struct grant_entry_v1 *table;
static uint64_t *granted; /* the page that is granted */
static uint64_t *window;  /* where it is mapped */
static uint64_t window_pte;

TEST("query-size")
{
    struct gnttab_query_size op = {.dom = DOMID_SELF};

    CHECK_EQ(grant_table_op(GNTTABOP_query_size, &op, 1), 0);
    CHECK_EQ(op.status, GNTST_okay);
    CHECK(op.max_nr_frames >= 4 && op.max_nr_frames <= 1024);
    CHECK(op.nr_frames <= op.max_nr_frames);
    op.dom = 77;
    CHECK_EQ(grant_table_op(GNTTABOP_query_size, &op, 1), 0);
    CHECK_EQ(op.status, GNTST_bad_domain);
}

TEST("version")
{
    struct gnttab_set_version set = {.version = 1};
    struct gnttab_get_version get = {.dom = DOMID_SELF};

    CHECK_EQ(grant_table_op(GNTTABOP_set_version, &set, 1), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_get_version, &get, 1), 0);
    CHECK_EQ(get.version, 1);
    set.version = 3;
    CHECK_EQ(grant_table_op(GNTTABOP_set_version, &set, 1), -EINVAL);
    set.version = 0;
    CHECK_EQ(grant_table_op(GNTTABOP_set_version, &set, 1), -EINVAL);
}

TEST("setup-table")
{
    static xen_pfn_t frames[2];
    struct gnttab_setup_table op = {.dom = DOMID_SELF, .nr_frames = 1};

    set_xen_guest_handle(op.frame_list, frames);
    REQUIRE_EQ(grant_table_op(GNTTABOP_setup_table, &op, 1), 0);
    REQUIRE_EQ(op.status, GNTST_okay);
    table = page_alloc();
    REQUIRE_EQ(map_va((void *)table, pte_make(frames[0], PTE_RW)), 0);
    CHECK_EQ(table[REF].flags, 0);

    mfn_t first = frames[0];

    op.nr_frames = 2;
    CHECK_EQ(grant_table_op(GNTTABOP_setup_table, &op, 1), 0);
    CHECK_EQ(op.status, GNTST_okay);
    CHECK_EQ(frames[0], first);
    CHECK(frames[1] != 0 && frames[1] != first);

    granted = page_alloc();
    window = page_alloc();
    window_pte = pte_make(va_to_mfn(window), PTE_RW);
}

TEST("setup-table-refused")
{
    static xen_pfn_t frames[1];
    struct gnttab_setup_table op = {.dom = DOMID_SELF, .nr_frames = 100000};

    set_xen_guest_handle(op.frame_list, frames);
    long err = grant_table_op(GNTTABOP_setup_table, &op, 1);

    CHECK(err != 0 || op.status != GNTST_okay);
    op = (struct gnttab_setup_table){.dom = 77, .nr_frames = 1};
    set_xen_guest_handle(op.frame_list, frames);
    CHECK_EQ(grant_table_op(GNTTABOP_setup_table, &op, 1), 0);
    CHECK_EQ(op.status, GNTST_bad_domain);
    op = (struct gnttab_setup_table){.dom = DOMID_SELF, .nr_frames = 1};
    set_xen_guest_handle(op.frame_list, (xen_pfn_t *)0x1000);
    err = grant_table_op(GNTTABOP_setup_table, &op, 1);
    CHECK(err == -EFAULT || op.status != GNTST_okay);
}

static void grant_set(grant_ref_t ref, domid_t to, const void *page, uint16_t flags)
{
    table[ref].domid = to;
    table[ref].frame = va_to_mfn(page);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    table[ref].flags = GTF_permit_access | flags;
}

static struct gnttab_map_grant_ref map_op(grant_ref_t ref, uint32_t flags)
{
    return (struct gnttab_map_grant_ref){
        .host_addr = flags & GNTMAP_contains_pte ? pt_entry_machine(window, 1) : (uint64_t)window,
        .flags = flags,
        .ref = ref};
}

static struct gnttab_unmap_grant_ref unmap_op(const struct gnttab_map_grant_ref *map)
{
    return (struct gnttab_unmap_grant_ref){.host_addr = map->host_addr, .handle = map->handle};
}

/* The grant goes away after an unmap; the window gets its own frame back. */
static void unmap(const struct gnttab_map_grant_ref *map)
{
    struct gnttab_unmap_grant_ref op = unmap_op(map);

    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
    CHECK_EQ(op.status, GNTST_okay);
    CHECK_EQ(*pt_entry(window, 1) & PTE_P, 0);
    CHECK_EQ(table[map->ref].flags & (GTF_reading | GTF_writing), 0);
    table[map->ref].flags = 0;
    REQUIRE_EQ(map_va(window, window_pte), 0);
}

TEST("map")
{
    struct gnttab_map_grant_ref op = map_op(REF, GNTMAP_host_map);

    grant_set(REF, 0, granted, 0);
    granted[0] = 0x6a6a;
    REQUIRE_EQ(map_va(window, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    REQUIRE_EQ(op.status, GNTST_okay);
    CHECK_EQ(op.dev_bus_addr, va_to_machine(granted));
    CHECK_EQ(table[REF].flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing);
    CHECK_EQ(window[0], 0x6a6a);
    window[1] = 0x7b7b;
    CHECK_EQ(granted[1], 0x7b7b);
    unmap(&op);
    CHECK_EQ(granted[1], 0x7b7b);
}

TEST("map-read-only")
{
    struct gnttab_map_grant_ref op = map_op(REF, GNTMAP_host_map | GNTMAP_readonly);

    grant_set(REF, 0, granted, GTF_readonly);
    REQUIRE_EQ(map_va(window, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    REQUIRE_EQ(op.status, GNTST_okay);
    CHECK_EQ(table[REF].flags & (GTF_reading | GTF_writing), GTF_reading);
    CHECK_EQ(FAULT_OF((void)*(volatile uint64_t *)window), NO_FAULT);
    CHECK_EQ(FAULT_OF(*(volatile uint64_t *)window = 1), TRAP_PF);
    unmap(&op);
    op = map_op(REF, GNTMAP_host_map);
    grant_set(REF, 0, granted, GTF_readonly);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    CHECK(op.status < 0); /* writable mapping of a read-only grant */
    table[REF].flags = 0;
}

TEST("map-by-entry")
{
    struct gnttab_map_grant_ref op =
        map_op(REF, GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_application_map |
                        1u << _GNTMAP_guest_avail0);

    grant_set(REF, 0, granted, 0);
    granted[0] = 0x8c8c;
    REQUIRE_EQ(map_va(window, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    REQUIRE_EQ(op.status, GNTST_okay);
    CHECK_EQ(*pt_entry(window, 1) & BIT(9), BIT(9)); /* the available bit asked for */
    CHECK_EQ(*(volatile uint64_t *)window, 0x8c8c);
    unmap(&op);
}

/* One grant mapped twice, as gntdev does. */
TEST("map-twice")
{
    uint64_t *second = page_alloc(), second_pte = pte_make(va_to_mfn(second), PTE_RW);
    struct gnttab_map_grant_ref ops[2] = {map_op(REF, GNTMAP_host_map),
                                          map_op(REF, GNTMAP_host_map)};
    struct gnttab_unmap_grant_ref gone;

    grant_set(REF, 0, granted, 0);
    REQUIRE_EQ(map_va(window, 0), 0);
    REQUIRE_EQ(map_va(second, 0), 0);
    ops[1].host_addr = (uint64_t)second;
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, ops, 2), 0);
    REQUIRE_EQ(ops[0].status | ops[1].status, GNTST_okay);
    CHECK(ops[0].handle != ops[1].handle);
    gone = unmap_op(&ops[1]);
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &gone, 1), 0);
    CHECK_EQ(gone.status, GNTST_okay);
    CHECK_EQ(table[REF].flags & GTF_writing, GTF_writing); /* one is left */
    unmap(&ops[0]);
    REQUIRE_EQ(map_va(second, second_pte), 0);
    page_free(second);
}

/* The granting side is told when writing has ended: a handle for reading cannot pass for its own a
 * writable mapping, nor the other way round. */
TEST("unmap-other-kind")
{
    uint64_t *second = page_alloc(), second_pte = pte_make(va_to_mfn(second), PTE_RW);
    struct gnttab_map_grant_ref ops[2] = {map_op(REF, GNTMAP_host_map),
                                          map_op(REF, GNTMAP_host_map | GNTMAP_readonly)};
    struct gnttab_unmap_grant_ref gone;

    grant_set(REF, 0, granted, 0);
    REQUIRE_EQ(map_va(window, 0), 0);
    REQUIRE_EQ(map_va(second, 0), 0);
    ops[1].host_addr = (uint64_t)second;
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, ops, 2), 0);
    REQUIRE_EQ(ops[0].status | ops[1].status, GNTST_okay);
    gone = unmap_op(&ops[0]);
    gone.host_addr = (uint64_t)second;
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &gone, 1), 0);
    CHECK(gone.status < 0);
    CHECK_EQ(table[REF].flags & GTF_writing, GTF_writing);
    gone = unmap_op(&ops[1]);
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &gone, 1), 0);
    CHECK_EQ(gone.status, GNTST_okay);
    unmap(&ops[0]);
    REQUIRE_EQ(map_va(second, second_pte), 0);
    page_free(second);
}

TEST("unmap-refused")
{
    struct gnttab_map_grant_ref op = map_op(REF, GNTMAP_host_map);
    struct gnttab_unmap_grant_ref bad;

    grant_set(REF, 0, granted, 0);
    REQUIRE_EQ(map_va(window, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    REQUIRE_EQ(op.status, GNTST_okay);
    bad = unmap_op(&op);
    bad.handle = 0x12345678;
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &bad, 1), 0);
    CHECK_EQ(bad.status, GNTST_bad_handle);
    bad = unmap_op(&op);
    bad.host_addr = 0x5000;
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &bad, 1), 0);
    CHECK(bad.status < 0);
    CHECK_EQ(FAULT_OF((void)*(volatile uint64_t *)window), NO_FAULT); /* mapped still */
    unmap(&op);
    bad = unmap_op(&op);
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &bad, 1), 0);
    CHECK_EQ(bad.status, GNTST_bad_handle); /* a second time */
}

TEST("map-refused")
{
    struct gnttab_map_grant_ref op = map_op(ENTRIES_PER_FRAME * 2000, GNTMAP_host_map);

    REQUIRE_EQ(map_va(window, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    CHECK_EQ(op.status, GNTST_bad_gntref);
    op = map_op(REF, GNTMAP_host_map); /* no access permitted */
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    CHECK(op.status < 0);
    grant_set(REF, 5, granted, 0); /* somebody else's */
    op = map_op(REF, GNTMAP_host_map);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    CHECK(op.status < 0);
    grant_set(REF, 0, granted, 0);
    op = map_op(REF, 0); /* to be mapped nowhere */
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    CHECK(op.status < 0);
    op = map_op(REF, GNTMAP_host_map);
    op.dom = 77;
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    CHECK_EQ(op.status, GNTST_bad_domain);
    op = map_op(REF, GNTMAP_host_map);
    op.host_addr = 0x123456789000; /* no tables there */
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    CHECK(op.status < 0);
    op = map_op(REF, GNTMAP_host_map);
    op.host_addr = HYPERVISOR_VIRT_START;
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    CHECK(op.status < 0);
    op = map_op(REF, GNTMAP_host_map | GNTMAP_contains_pte);
    op.host_addr = va_to_machine(granted); /* no table entry */
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    CHECK(op.status < 0);
    CHECK_EQ(table[REF].flags & (GTF_reading | GTF_writing), 0);
    table[REF].frame = 0x7fffffff; /* no such frame */
    op = map_op(REF, GNTMAP_host_map);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    CHECK(op.status < 0);
    table[REF].flags = 0;
    REQUIRE_EQ(map_va(window, window_pte), 0);
}

/* A page table cannot be granted writable. */
TEST("map-table-refused")
{
    struct gnttab_map_grant_ref op = map_op(REF, GNTMAP_host_map);

    grant_set(REF, 0, pt_entry(window, 1), 0);
    REQUIRE_EQ(map_va(window, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    CHECK(op.status < 0);
    table[REF].flags = 0;
    REQUIRE_EQ(map_va(window, window_pte), 0);
}

/* What is mapped through a grant holds its type: it cannot become a page table meanwhile. */
TEST("mapping-holds-type")
{
    struct gnttab_map_grant_ref op = map_op(REF, GNTMAP_host_map);

    memset(granted, 0, PAGE_SIZE);
    grant_set(REF, 0, granted, 0);
    REQUIRE_EQ(map_va(window, 0), 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    REQUIRE_EQ(op.status, GNTST_okay);
    REQUIRE_EQ(page_set_writable(granted, false), 0);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(granted)) < 0);
    unmap(&op);
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(granted)), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(granted)), 0);
    REQUIRE_EQ(page_set_writable(granted, true), 0);
}

static int16_t copy(struct gnttab_copy *op)
{
    CHECK_EQ(grant_table_op(GNTTABOP_copy, op, 1), 0);
    return op->status;
}

TEST("copy")
{
    uint8_t *from = (uint8_t *)granted, *to = page_alloc();
    struct gnttab_copy op = {.source = {.u.ref = REF, .domid = 0, .offset = 100},
                             .dest = {.u.gmfn = va_to_mfn(to), .domid = DOMID_SELF, .offset = 7},
                             .len = 300,
                             .flags = GNTCOPY_source_gref};

    for (unsigned i = 0; i < PAGE_SIZE; i++)
        from[i] = i * 13;
    grant_set(REF, 0, granted, GTF_readonly);
    CHECK_EQ(copy(&op), GNTST_okay);
    CHECK(memcmp(to + 7, from + 100, 300) == 0);
    CHECK_EQ(to[6] | to[307], 0);
    CHECK_EQ(table[REF].flags & (GTF_reading | GTF_writing), 0);

    /* To a grant, and from frame to frame. */
    op = (struct gnttab_copy){.source = {.u.gmfn = va_to_mfn(to), .domid = DOMID_SELF},
                              .dest = {.u.ref = REF, .domid = 0},
                              .len = PAGE_SIZE,
                              .flags = GNTCOPY_dest_gref};
    CHECK(copy(&op) < 0); /* read-only */
    grant_set(REF, 0, granted, 0);
    CHECK_EQ(copy(&op), GNTST_okay);
    CHECK(memcmp(from, to, PAGE_SIZE) == 0);
    op =
        (struct gnttab_copy){.source = {.u.gmfn = va_to_mfn(from), .domid = DOMID_SELF},
                             .dest = {.u.gmfn = va_to_mfn(to), .domid = DOMID_SELF, .offset = 1000},
                             .len = 8};
    CHECK_EQ(copy(&op), GNTST_okay);
    CHECK(memcmp(to + 1000, from, 8) == 0);
    table[REF].flags = 0;
    page_free(to);
}

TEST("copy-refused")
{
    uint8_t *to = page_alloc();
    struct gnttab_copy good = {.source = {.u.ref = REF, .domid = 0, .offset = 0},
                               .dest = {.u.gmfn = va_to_mfn(to), .domid = DOMID_SELF},
                               .len = 8,
                               .flags = GNTCOPY_source_gref};
    struct gnttab_copy op = good;

    grant_set(REF, 0, granted, 0);
    op.source.offset = 4090;
    CHECK_EQ(copy(&op), GNTST_bad_copy_arg);
    op = good;
    op.dest.offset = 4095;
    CHECK_EQ(copy(&op), GNTST_bad_copy_arg);
    op = good;
    op.source.u.ref = ENTRIES_PER_FRAME * 2000;
    CHECK(copy(&op) < 0);
    op = good;
    op.source.domid = 77;
    CHECK(copy(&op) < 0);
    op = good;
    op.dest.u.gmfn = va_to_mfn(pt_entry(window, 1)); /* a page table */
    CHECK(copy(&op) < 0);
    op = good;
    op.dest.u.gmfn = 1UL << 39;
    CHECK(copy(&op) < 0);
    op = good;
    op.dest.domid = 77;
    CHECK(copy(&op) < 0);
    table[REF].flags = 0;
    op = good;
    CHECK(copy(&op) < 0); /* access withdrawn */
    page_free(to);
}

/* Each element of a list has its own status. */
TEST("copy-list")
{
    uint8_t *to = page_alloc();
    struct gnttab_copy ops[3];

    grant_set(REF, 0, granted, 0);
    granted[0] = 0x3333;
    for (unsigned i = 0; i < 3; i++)
        ops[i] = (struct gnttab_copy){
            .source = {.u.ref = REF + (i == 1), .domid = 0},
            .dest = {.u.gmfn = va_to_mfn(to), .domid = DOMID_SELF, .offset = 8 * i},
            .len = 8,
            .flags = GNTCOPY_source_gref};
    CHECK_EQ(grant_table_op(GNTTABOP_copy, ops, 3), 0);
    CHECK_EQ(ops[0].status, GNTST_okay);
    CHECK(ops[1].status < 0);
    CHECK_EQ(ops[2].status, GNTST_okay);
    CHECK_EQ(((uint64_t *)to)[0], 0x3333);
    CHECK_EQ(((uint64_t *)to)[1], 0);
    CHECK_EQ(((uint64_t *)to)[2], 0x3333);
    table[REF].flags = 0;
    page_free(to);
}

TEST("bad-calls")
{
    char buffer[64] = {0};

    CHECK(grant_table_op(99, buffer, 1) < 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, 0x1000, 1), -EFAULT);
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, HYPERVISOR_VIRT_START, 1), -EFAULT);
    CHECK_EQ(grant_table_op(GNTTABOP_copy, 0x1000, 1), -EFAULT);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, buffer, 0), 0);
    CHECK(grant_table_op(GNTTABOP_map_grant_ref, buffer, 0xffffffff) < 0);
}

/* Set version 1 again while nothing is mapped: fine. */
TEST("version-again")
{
    struct gnttab_set_version set = {.version = 1};

    CHECK_EQ(grant_table_op(GNTTABOP_set_version, &set, 1), 0);
    CHECK_EQ(set.version, 1);
}
