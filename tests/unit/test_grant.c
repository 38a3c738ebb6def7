/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: every operation, right and wrong, versions 1 and 2, with guests that keep the rules
 * and guests that do not. Sequences chosen at random are in test_grant_model.c.
 */
/* SOURCES: core/grant.c core/grant_pin.c core/grant_map.c core/grant_copy.c core/grant_table.c */
/* SOURCES: core/grant_op.c core/grant_transfer.c core/grant_flush.c core/grant_handle.c */
/* SOURCES: core/event.c core/event_bind.c core/event_2l.c core/event_fifo.c */
/* SOURCES: core/page.c */
/* SOURCES: tests/unit/fake/memory.c tests/unit/fake/lock.c tests/unit/fake/log.c */
/* SOURCES: tests/unit/fake/heap.c tests/unit/fake/domains.c */
#include "unit.h"

#include <string.h>

#include <kr/arch.h>
#include <kr/errno.h>
#include <kr/grant.h>
#include <kr/hypercall.h>

#include <xen/xen.h>

#include <xen/grant_table.h>

#include "fake/domains.h"
#include "fake/heap.h"
#include "fake/memory.h"

#define ADDR 0x10000UL /* where a mapping goes */

static struct domain *d0, *d1; /* d1 grants, d0 uses */
static mfn_t frame;            /* of d1 */

static int op_on(struct vcpu *v, unsigned cmd, void *arg, unsigned count)
{
    struct hypercall_args args = {.arg = {cmd, (uint64_t)arg, count}};
    int rc;

    domains_fake_run(v);
    do {
        rc = do_grant_table_op(&args);
    } while (rc == -ERESTART);
    assert_int_equal(fake_locks_held, 0);
    assert_int_equal(domains_fake_unflushed, 0);
    return rc;
}

static int op(struct domain *d, unsigned cmd, void *arg, unsigned count)
{
    return op_on(d->vcpus[0], cmd, arg, count);
}

/* The numbers of the first shared frames. */
static int table(struct domain *d, unsigned count, uint64_t *frames)
{
    struct gnttab_setup_table arg = {.dom = DOMID_SELF, .nr_frames = count};

    set_xen_guest_handle(arg.frame_list, frames);
    assert_int_equal(op(d, GNTTABOP_setup_table, &arg, 1), 0);
    return arg.status;
}

static struct grant_entry_v1 *v1(struct domain *d, uint32_t ref)
{
    uint64_t frames[8];

    assert_int_equal(table(d, ref / 512 + 1, frames), GNTST_okay);
    return (struct grant_entry_v1 *)frame_to_virt(frames[ref / 512]) + ref % 512;
}

static union grant_entry_v2 *v2(struct domain *d, uint32_t ref)
{
    uint64_t frames[8];

    assert_int_equal(table(d, ref / 256 + 1, frames), GNTST_okay);
    return (union grant_entry_v2 *)frame_to_virt(frames[ref / 256]) + ref % 256;
}

static uint16_t *v2_status(struct domain *d, uint32_t ref)
{
    struct gnttab_get_status_frames arg = {.dom = DOMID_SELF, .nr_frames = 1};
    uint64_t frames[1];

    set_xen_guest_handle(arg.frame_list, frames);
    assert_int_equal(op(d, GNTTABOP_get_status_frames, &arg, 1), 0);
    assert_int_equal(arg.status, GNTST_okay);
    return (uint16_t *)frame_to_virt(frames[0]) + ref;
}

static void grant_v1(uint32_t ref, uint16_t to, uint64_t mfn, uint16_t flags)
{
    *v1(d1, ref) =
        (struct grant_entry_v1){.flags = GTF_permit_access | flags, .domid = to, .frame = mfn};
}

static int set_version(struct domain *d, uint32_t version)
{
    struct gnttab_set_version arg = {.version = version};
    int rc = op(d, GNTTABOP_set_version, &arg, 1);

    if (rc == 0)
        assert_int_equal(arg.version, version);
    return rc;
}

static struct gnttab_map_grant_ref map_at(uint64_t addr, uint32_t ref, uint32_t flags)
{
    struct gnttab_map_grant_ref arg = {
        .host_addr = addr, .flags = GNTMAP_host_map | flags, .ref = ref, .dom = 1, .status = 99};

    assert_int_equal(op(d0, GNTTABOP_map_grant_ref, &arg, 1), 0);
    return arg;
}

static int unmap_at(uint64_t addr, uint32_t handle)
{
    struct gnttab_unmap_grant_ref arg = {.host_addr = addr, .handle = handle, .status = 99};

    assert_int_equal(op(d0, GNTTABOP_unmap_grant_ref, &arg, 1), 0);
    return arg.status;
}

static int setup(void **state)
{
    domains_fake_start();
    d0 = domains_fake_add(0, 1);
    d1 = domains_fake_add(1, 1);
    frame = domains_fake_page(d1);
    return 0;
}

static int teardown(void **state)
{
    if (d1 != NULL)
        domains_fake_remove(d1);
    if (d0 != NULL)
        domains_fake_remove(d0);
    domains_fake_stop();
    return 0;
}

/* ---- mapping --------------------------------------------------------------------------------- */

static void test_map(void **state)
{
    struct gnttab_map_grant_ref map;

    grant_v1(8, 0, frame, 0);
    map = map_at(ADDR, 8, 0);
    assert_int_equal(map.status, GNTST_okay);
    assert_int_equal(map.dev_bus_addr, frame << PAGE_SHIFT);
    assert_int_equal(domains_fake_mapping(d0, ADDR)->mfn, frame);
    assert_false(domains_fake_mapping(d0, ADDR)->readonly);
    assert_int_equal(v1(d1, 8)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(page_of(frame)->refs, 3); /* the owner's, the grant's, the entry's */
    assert_int_equal(domains_fake_writable_count(frame), 1);

    assert_int_equal(unmap_at(ADDR, map.handle), GNTST_okay);
    assert_null(domains_fake_mapping(d0, ADDR));
    assert_int_equal(v1(d1, 8)->flags, GTF_permit_access);
    assert_int_equal(page_of(frame)->refs, 1);
    assert_int_equal(unmap_at(ADDR, map.handle), GNTST_bad_handle);
}

static void test_map_readonly(void **state)
{
    struct gnttab_map_grant_ref a, b, c;

    grant_v1(9, 0, frame, GTF_readonly);
    assert_int_equal(map_at(ADDR, 9, 0).status, GNTST_permission_denied);
    assert_int_equal(v1(d1, 9)->flags, GTF_permit_access | GTF_readonly);
    a = map_at(ADDR, 9, GNTMAP_readonly);
    assert_int_equal(a.status, GNTST_okay);
    assert_true(domains_fake_mapping(d0, ADDR)->readonly);
    assert_int_equal(v1(d1, 9)->flags, GTF_permit_access | GTF_readonly | GTF_reading);
    assert_int_equal(map_at(ADDR + 8, 9, 0).status, GNTST_permission_denied);
    assert_int_equal(v1(d1, 9)->flags, GTF_permit_access | GTF_readonly | GTF_reading);

    /* Made writable by the granter: several users of both kinds. */
    v1(d1, 9)->flags &= ~GTF_readonly;
    b = map_at(ADDR + 8, 9, GNTMAP_contains_pte);
    c = map_at(ADDR + 16, 9, GNTMAP_readonly | GNTMAP_device_map);
    assert_int_equal(b.status, GNTST_okay);
    assert_int_equal(c.status, GNTST_okay);
    assert_int_equal(unmap_at(ADDR, b.handle), GNTST_general_error); /* not what that one mapped */
    assert_int_equal(unmap_at(ADDR + 8, b.handle), GNTST_okay);
    assert_int_equal(v1(d1, 9)->flags, GTF_permit_access | GTF_reading);
    assert_int_equal(unmap_at(ADDR, a.handle), GNTST_okay);
    assert_int_equal(unmap_at(ADDR + 16, c.handle), GNTST_okay); /* the device part is left */
    assert_int_equal(v1(d1, 9)->flags, GTF_permit_access | GTF_reading);
}

static void test_map_device(void **state)
{
    struct gnttab_map_grant_ref map = {.flags = GNTMAP_device_map, .ref = 8, .dom = 1};
    struct gnttab_unmap_grant_ref unmap;

    grant_v1(8, 0, frame, 0);
    assert_int_equal(op(d0, GNTTABOP_map_grant_ref, &map, 1), 0);
    assert_int_equal(map.status, GNTST_okay);
    unmap = (struct gnttab_unmap_grant_ref){.dev_bus_addr = 4096, .handle = map.handle};
    assert_int_equal(op(d0, GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
    assert_int_equal(unmap.status, GNTST_bad_dev_addr);
    unmap.dev_bus_addr = map.dev_bus_addr;
    assert_int_equal(op(d0, GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
    assert_int_equal(unmap.status, GNTST_okay);
    assert_int_equal(page_of(frame)->refs, 1);
}

static void test_map_errors(void **state)
{
    struct gnttab_map_grant_ref map = {.ref = 8, .dom = 1, .host_addr = ADDR};
    struct domain *d2 = domains_fake_add(2, 1);
    mfn_t foreign = domains_fake_page(d2);

    assert_int_equal(map_at(ADDR, 8, 0).status, GNTST_bad_gntref); /* no table yet */
    grant_v1(8, 2, frame, 0);
    assert_int_equal(map_at(ADDR, 8, 0).status, GNTST_bad_gntref); /* for another domain */
    grant_v1(8, 0, frame, 0);
    v1(d1, 8)->flags = GTF_accept_transfer;
    assert_int_equal(map_at(ADDR, 8, 0).status, GNTST_bad_gntref);
    assert_int_equal(map_at(ADDR, 512, 0).status, GNTST_bad_gntref);
    assert_int_equal(map_at(ADDR, ~0U, 0).status, GNTST_bad_gntref);
    grant_v1(8, 0, foreign, 0);
    assert_int_equal(map_at(ADDR, 8, 0).status, GNTST_bad_page); /* not the granter's */
    grant_v1(8, 0, ~0U, 0);
    assert_int_equal(map_at(ADDR, 8, 0).status, GNTST_bad_page);
    grant_v1(8, 0, virt_to_frame(d1->shared_info), 0);
    assert_int_equal(map_at(ADDR, 8, 0).status, GNTST_bad_page); /* the hypervisor's */
    grant_v1(8, 0, frame, 0);
    assert_int_equal(op(d0, GNTTABOP_map_grant_ref, &map, 1), 0);
    assert_int_equal(map.status, GNTST_bad_gntref); /* neither host nor device */
    map.flags = GNTMAP_host_map;
    map.dom = 3;
    assert_int_equal(op(d0, GNTTABOP_map_grant_ref, &map, 1), 0);
    assert_int_equal(map.status, GNTST_bad_domain);
    domains_fake_unmappable_addr = ADDR;
    assert_int_equal(map_at(ADDR, 8, 0).status, GNTST_bad_virt_addr);
    domains_fake_set_special(frame, true);
    assert_int_equal(map_at(ADDR + 8, 8, 0).status, GNTST_general_error);
    domains_fake_set_special(frame, false);
    fake_heap_fail_after(0);
    assert_int_equal(map_at(ADDR + 8, 8, 0).status, GNTST_okay); /* all was allocated above */
    fake_heap_fail_after(~0U);
    assert_int_equal(unmap_at(ADDR + 8, 0), GNTST_okay);

    assert_int_equal(v1(d1, 8)->flags, GTF_permit_access);
    assert_int_equal(page_of(frame)->refs, 1);
    assert_int_equal(unmap_at(ADDR, 77), GNTST_bad_handle);
    assert_int_equal(unmap_at(ADDR, ~0U), GNTST_bad_handle);
    domains_fake_remove(d2);
}

/* The guest changes the entry while it is in use: what was agreed on counts. */
static void test_map_changed(void **state)
{
    mfn_t other = domains_fake_page(d1);
    struct domain *d2 = domains_fake_add(2, 1);
    struct gnttab_map_grant_ref a, b, c = {.flags = GNTMAP_host_map, .dom = 1, .ref = 8};

    grant_v1(8, 0, frame, 0);
    a = map_at(ADDR, 8, 0);
    v1(d1, 8)->frame = other;
    b = map_at(ADDR + 8, 8, 0);
    assert_int_equal(b.status, GNTST_okay);
    assert_int_equal(domains_fake_mapping(d0, ADDR + 8)->mfn, frame);
    v1(d1, 8)->domid = 2;
    c.host_addr = ADDR;
    assert_int_equal(op(d2, GNTTABOP_map_grant_ref, &c, 1), 0);
    assert_int_equal(c.status, GNTST_bad_gntref);
    memset(v1(d1, 8), 0, sizeof(struct grant_entry_v1));
    assert_int_equal(unmap_at(ADDR, a.handle), GNTST_okay);
    assert_int_equal(unmap_at(ADDR + 8, b.handle), GNTST_okay);
    assert_int_equal(page_of(frame)->refs, 1);
    domains_fake_remove(d2);
}

/* A result that cannot be written: nothing stays mapped behind the caller's back. */
static void test_map_fault(void **state)
{
    struct gnttab_map_grant_ref map = {
        .host_addr = ADDR, .flags = GNTMAP_host_map, .ref = 8, .dom = 1};

    grant_v1(8, 0, frame, 0);
    domains_fake_access_fail_after = 1;
    assert_int_equal(op(d0, GNTTABOP_map_grant_ref, &map, 1), -EFAULT);
    domains_fake_access_fail_after = -1;
    assert_null(domains_fake_mapping(d0, ADDR));
    assert_int_equal(page_of(frame)->refs, 1);
    for (unsigned cmd = 0; cmd <= GNTTABOP_swap_grant_ref; cmd++)
        assert_true(op(d0, cmd, NULL, 1) < 0);
}

static void test_batches(void **state)
{
    struct gnttab_map_grant_ref maps[50];
    struct gnttab_unmap_grant_ref unmaps[50];
    struct gnttab_unmap_and_replace replace = {.host_addr = ADDR, .new_addr = ADDR * 2};

    for (unsigned every = 0; every < 4; every++) {
        domains_fake_yield_every = every;
        for (unsigned i = 0; i < 50; i++) {
            grant_v1(100 + i, 0, frame, 0);
            maps[i] = (struct gnttab_map_grant_ref){.host_addr = ADDR + 8 * i,
                                                    .flags = GNTMAP_host_map,
                                                    .ref = 100 + i + (i == 7 ? 300 : 0),
                                                    .dom = 1};
        }
        assert_int_equal(op(d0, GNTTABOP_map_grant_ref, maps, 50), 0);
        assert_int_equal(domains_fake_mapping_count(), 49);
        for (unsigned i = 0; i < 50; i++) {
            assert_int_equal(maps[i].status, i == 7 ? GNTST_bad_gntref : GNTST_okay);
            unmaps[i] = (struct gnttab_unmap_grant_ref){.host_addr = ADDR + 8 * i,
                                                        .handle = i == 7 ? ~0U : maps[i].handle};
        }
        assert_int_equal(op(d0, GNTTABOP_unmap_grant_ref, unmaps, 50), 0);
        for (unsigned i = 0; i < 50; i++)
            assert_int_equal(unmaps[i].status, i == 7 ? GNTST_bad_handle : GNTST_okay);
    }
    assert_int_equal(op(d0, GNTTABOP_map_grant_ref, maps, 0), 0);
    assert_int_equal(op(d0, GNTTABOP_map_grant_ref, maps, 0x80000000), -EINVAL);
    assert_int_equal(op(d0, GNTTABOP_dump_table, maps, 1), -ENOSYS);
    assert_int_equal(op(d0, 99, maps, 1), -ENOSYS);
    assert_int_equal(op(d0, GNTTABOP_query_size, maps, 2), -EINVAL);

    maps[0].host_addr = ADDR;
    assert_int_equal(op(d0, GNTTABOP_map_grant_ref, maps, 1), 0);
    replace.handle = maps[0].handle;
    assert_int_equal(op(d0, GNTTABOP_unmap_and_replace, &replace, 1), 0);
    assert_int_equal(replace.status, GNTST_okay);
}

static void test_handles(void **state)
{
    static struct gnttab_map_grant_ref maps[2048];

    grant_v1(8, 0, frame, 0);
    for (unsigned i = 0; i < 2048; i++) {
        maps[i] = map_at(ADDR + 8 * i, 8, GNTMAP_readonly);
        assert_int_equal(maps[i].status, GNTST_okay);
        assert_int_equal(maps[i].handle, i);
    }
    assert_int_equal(map_at(1, 8, 0).status, GNTST_no_space);
    assert_int_equal(unmap_at(ADDR + 8 * 900, 900), GNTST_okay);
    assert_int_equal(map_at(ADDR + 8 * 900, 8, GNTMAP_readonly).handle, 900);
    /* The rest goes with the domains. */
}

static void test_no_memory(void **state)
{
    grant_v1(8, 0, frame, 0);
    for (unsigned i = 0; i < 3; i++) {    /* list of chunks; chunk; active entries */
        fake_heap_fail_after(MIN(i, 1U)); /* what was had before stays */
        assert_int_equal(map_at(ADDR, 8, 0).status, GNTST_no_space);
    }
    fake_heap_fail_after(~0U);
    assert_int_equal(v1(d1, 8)->flags, GTF_permit_access);
    assert_int_equal(map_at(ADDR, 8, 0).status, GNTST_okay);
}

/* ---- death ----------------------------------------------------------------------------------- */

static void test_mapper_dies(void **state)
{
    grant_v1(8, 0, frame, 0);
    grant_v1(9, 0, frame, 0);
    map_at(ADDR, 8, 0);
    map_at(ADDR + 8, 9, GNTMAP_readonly);
    domains_fake_yield_every = 2;
    domains_fake_remove(d0);
    d0 = NULL;
    assert_int_equal(v1(d1, 8)->flags, GTF_permit_access);
    assert_int_equal(v1(d1, 9)->flags, GTF_permit_access);
    assert_int_equal(page_of(frame)->refs, 1);
}

/* What is mapped stays until it is unmapped; nothing new. */
static void test_granter_dies(void **state)
{
    struct gnttab_map_grant_ref map;

    grant_v1(8, 0, frame, 0);
    map = map_at(ADDR, 8, 0);
    domains_fake_remove(d1);
    assert_int_equal(page_state(page_of(frame)), PAGE_DYING);
    assert_int_equal(map_at(ADDR + 8, 8, 0).status, GNTST_bad_gntref);
    assert_int_equal(unmap_at(ADDR, map.handle), GNTST_okay);
    d1 = NULL;
    assert_int_equal(map_at(ADDR + 8, 8, 0).status, GNTST_bad_domain);
}

/* The guest removed the entry by itself: the pin stays until the end of the domain. */
static void test_zapped(void **state)
{
    struct gnttab_map_grant_ref map;

    grant_v1(8, 0, frame, 0);
    map = map_at(ADDR, 8, 0);
    domains_fake_zap(d0, ADDR);
    assert_int_equal(unmap_at(ADDR, map.handle), GNTST_general_error);
    assert_int_equal(page_of(frame)->refs, 2);
}

static void test_self(void **state)
{
    struct gnttab_map_grant_ref map = {
        .host_addr = ADDR, .flags = GNTMAP_host_map, .ref = 8, .dom = 1};

    grant_v1(8, 1, frame, 0);
    assert_int_equal(op(d1, GNTTABOP_map_grant_ref, &map, 1), 0);
    assert_int_equal(map.status, GNTST_okay);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void test_table(void **state)
{
    struct gnttab_query_size query = {.dom = DOMID_SELF};
    struct gnttab_setup_table none = {.dom = 3, .nr_frames = 1};
    uint64_t frames[9], again[9];
    mfn_t mfn;

    assert_int_equal(op(d1, GNTTABOP_query_size, &query, 1), 0);
    assert_int_equal(query.nr_frames, 0);
    assert_int_equal(query.max_nr_frames, 8);
    assert_int_equal(table(d1, 9, frames), GNTST_general_error);
    assert_int_equal(table(d1, 3, frames), GNTST_okay);
    assert_int_equal(table(d1, 8, again), GNTST_okay);
    assert_int_equal(frames[2], again[2]);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(page_state(page_of(again[i])), PAGE_EXPOSED);
    query.dom = 1;
    assert_int_equal(op(d0, GNTTABOP_query_size, &query, 1), 0);
    assert_int_equal(query.status, GNTST_okay);
    assert_int_equal(query.nr_frames, 8);
    query.dom = 0;
    assert_int_equal(op(d1, GNTTABOP_query_size, &query, 1), 0);
    assert_int_equal(query.status, GNTST_permission_denied);
    assert_int_equal(op(d0, GNTTABOP_setup_table, &none, 1), 0);
    assert_int_equal(none.status, GNTST_bad_domain);
    none.dom = 1;
    assert_int_equal(op(d0, GNTTABOP_setup_table, &none, 1), 0);
    assert_int_equal(none.status, GNTST_bad_virt_addr);

    assert_int_equal(grant_frame_get(d1, false, 7, &mfn), 0);
    assert_int_equal(mfn, again[7]);
    assert_int_equal(grant_frame_get(d1, false, 8, &mfn), -EINVAL);
    assert_int_equal(grant_frame_get(d1, true, 0, &mfn), -EINVAL);
    assert_int_equal(grant_frame_limit(d1, false), 8);
    assert_int_equal(grant_frame_limit(d1, true), 0);
    assert_int_equal(grant_frame_get(d0, false, 1, &mfn), 0);
    memory_fake_fail_after(0);
    assert_int_equal(grant_frame_get(d0, false, 2, &mfn), -ENOMEM);
    memory_fake_fail_after(~0U);
    assert_int_equal(grant_domain_init(d1, 1, 1, 0), -EINVAL);
    assert_int_equal(grant_domain_init(d1, 1, 1, 3), -EINVAL);
}

static void test_version(void **state)
{
    struct gnttab_get_version get = {.dom = 1};
    struct gnttab_map_grant_ref map;
    mfn_t mfn;

    grant_v1(1, 0, frame, 0);
    grant_v1(20, 0, frame, 0);
    assert_int_equal(set_version(d1, 1), 0);
    assert_int_equal(v1(d1, 20)->frame, frame);
    assert_int_equal(set_version(d1, 0), -EINVAL);
    assert_int_equal(set_version(d1, 3), -EINVAL);
    map = map_at(ADDR, 1, 0);
    assert_int_equal(set_version(d1, 2), -EBUSY);
    unmap_at(ADDR, map.handle);
    assert_int_equal(set_version(d1, 2), 0);
    assert_int_equal(op(d0, GNTTABOP_get_version, &get, 1), 0);
    assert_int_equal(get.version, 2);
    assert_int_equal(op(d1, GNTTABOP_get_version, &(struct gnttab_get_version){.dom = 0}, 1),
                     -EPERM);
    assert_int_equal(op(d0, GNTTABOP_get_version, &(struct gnttab_get_version){.dom = 3}, 1),
                     -ESRCH);

    /* The toolstack's entries survive, the others do not. */
    assert_int_equal(v2(d1, 1)->full_page.frame, frame);
    assert_int_equal(v2(d1, 20)->hdr.flags, 0);
    map = map_at(ADDR, 1, GNTMAP_readonly);
    assert_int_equal(map.status, GNTST_okay);
    assert_int_equal(v2(d1, 1)->hdr.flags, GTF_permit_access);
    assert_int_equal(*v2_status(d1, 1), GTF_reading);
    assert_int_equal(map_at(ADDR + 8, 256, 0).status, GNTST_bad_gntref);
    unmap_at(ADDR, map.handle);
    assert_int_equal(*v2_status(d1, 1), 0);
    assert_int_equal(grant_frame_get(d1, true, 0, &mfn), 0);
    assert_int_equal(grant_frame_get(d1, true, 1, &mfn), -EINVAL);
    assert_int_equal(grant_frame_limit(d1, true), 1);

    v2(d1, 2)->hdr.flags = GTF_transitive;
    assert_int_equal(set_version(d1, 1), -ERANGE);
    v2(d1, 2)->hdr.flags = 0;
    assert_int_equal(set_version(d1, 1), 0);
    assert_int_equal(v1(d1, 1)->frame, frame);
    assert_int_equal(map_at(ADDR, 1, 0).status, GNTST_okay);
}

static void test_swap(void **state)
{
    struct gnttab_swap_grant_ref swap = {.ref_a = 8, .ref_b = 9};
    struct gnttab_map_grant_ref map;

    grant_v1(8, 0, frame, 0);
    assert_int_equal(op(d1, GNTTABOP_swap_grant_ref, &swap, 1), 0);
    assert_int_equal(swap.status, GNTST_okay);
    assert_int_equal(v1(d1, 8)->flags, 0);
    map = map_at(ADDR, 9, 0);
    assert_int_equal(op(d1, GNTTABOP_swap_grant_ref, &swap, 1), 0);
    assert_int_equal(swap.status, GNTST_eagain);
    unmap_at(ADDR, map.handle);
    swap.ref_b = 512;
    assert_int_equal(op(d1, GNTTABOP_swap_grant_ref, &swap, 1), 0);
    assert_int_equal(swap.status, GNTST_bad_gntref);
    set_version(d1, 2);
    v2(d1, 9)->full_page.frame = frame;
    swap.ref_b = 9;
    assert_int_equal(op(d1, GNTTABOP_swap_grant_ref, &swap, 1), 0);
    assert_int_equal(v2(d1, 8)->full_page.frame, frame);
}

/* ---- copying --------------------------------------------------------------------------------- */

static int copy(struct domain *d, struct gnttab_copy arg)
{
    arg.status = 99;
    assert_int_equal(op(d, GNTTABOP_copy, &arg, 1), 0);
    return arg.status;
}

static void test_copy(void **state)
{
    mfn_t own = domains_fake_page(d0);
    char *theirs = frame_to_virt(frame), *ours = frame_to_virt(own);
    struct gnttab_copy in = {.source = {.u.ref = 8, .domid = 1, .offset = 100},
                             .dest = {.u.gmfn = own, .domid = DOMID_SELF, .offset = 4000},
                             .len = 96,
                             .flags = GNTCOPY_source_gref};
    struct gnttab_copy out = {.source = {.u.gmfn = own, .domid = DOMID_SELF, .offset = 4000},
                              .dest = {.u.ref = 9, .domid = 1, .offset = 0},
                              .len = 96,
                              .flags = GNTCOPY_dest_gref};
    struct gnttab_copy bad;

    grant_v1(8, 0, frame, GTF_readonly);
    grant_v1(9, 0, frame, 0);
    memcpy(theirs + 100, "hello, neighbour", 17);
    assert_int_equal(copy(d0, in), GNTST_okay);
    assert_string_equal(ours + 4000, "hello, neighbour");
    assert_int_equal(copy(d0, out), GNTST_okay);
    assert_string_equal(theirs, "hello, neighbour");

    bad = in;
    bad.len = 97;
    assert_int_equal(copy(d0, bad), GNTST_bad_copy_arg);
    bad.dest.offset = 4096;
    bad.len = 0;
    assert_int_equal(copy(d0, bad), GNTST_okay);
    bad.dest.offset = 4097;
    assert_int_equal(copy(d0, bad), GNTST_bad_copy_arg);
    bad = in;
    bad.source.domid = 3;
    assert_int_equal(copy(d0, bad), GNTST_bad_domain);
    bad = in;
    bad.flags = 0;
    bad.source.u.gmfn = frame;
    assert_int_equal(copy(d0, bad), GNTST_permission_denied); /* by frame: only its own */
    bad.source.domid = DOMID_SELF;
    assert_int_equal(copy(d0, bad), GNTST_bad_page);
    bad = in;
    bad.dest.u.gmfn = ~0UL;
    assert_int_equal(copy(d0, bad), GNTST_bad_page);
    bad = out;
    bad.dest.u.ref = 8;
    assert_int_equal(copy(d0, bad), GNTST_permission_denied);
    /* A page table cannot be written to this way, by whatever name. */
    domains_fake_set_special(frame, true);
    assert_int_equal(copy(d0, out), GNTST_bad_page);
    assert_int_equal(copy(d0, in), GNTST_okay);
    domains_fake_set_special(frame, false);
    domains_fake_set_special(own, true);
    assert_int_equal(copy(d0, in), GNTST_bad_page);
    domains_fake_set_special(own, false);
    assert_int_equal(v1(d1, 8)->flags, GTF_permit_access | GTF_readonly);
    assert_int_equal(v1(d1, 9)->flags, GTF_permit_access);
    assert_int_equal(page_of(frame)->refs, 1);
    assert_int_equal(page_of(own)->refs, 1);

    /* Within one frame, overlapping. */
    bad = (struct gnttab_copy){.source = {.u.gmfn = own, .domid = DOMID_SELF},
                               .dest = {.u.gmfn = own, .domid = DOMID_SELF, .offset = 1},
                               .len = 4095};
    for (unsigned i = 0; i < 4096; i++)
        ours[i] = (char)i;
    assert_int_equal(copy(d0, bad), GNTST_okay);
    for (unsigned i = 0; i < 4095; i++)
        assert_int_equal(ours[i + 1], (char)i);
}

static void test_copy_sub_page(void **state)
{
    mfn_t own = domains_fake_page(d0);
    struct gnttab_copy in = {.source = {.u.ref = 8, .domid = 1, .offset = 100},
                             .dest = {.u.gmfn = own, .domid = DOMID_SELF},
                             .len = 50,
                             .flags = GNTCOPY_source_gref};

    set_version(d1, 2);
    v2(d1, 8)->sub_page.frame = frame;
    v2(d1, 8)->sub_page.page_off = 100;
    v2(d1, 8)->sub_page.length = 50;
    v2(d1, 8)->hdr.flags = GTF_permit_access | GTF_sub_page;
    assert_int_equal(copy(d0, in), GNTST_okay);
    in.source.offset = 99;
    assert_int_equal(copy(d0, in), GNTST_general_error);
    in.source.offset = 101;
    assert_int_equal(copy(d0, in), GNTST_general_error);
    assert_int_equal(map_at(ADDR, 8, 0).status, GNTST_general_error);
    /* What is said of bytes beyond the page does not matter. */
    v2(d1, 8)->sub_page.length = 65535;
    in.source.offset = 4046;
    assert_int_equal(copy(d0, in), GNTST_okay);
    in.source.offset = 4047;
    assert_int_equal(copy(d0, in), GNTST_bad_copy_arg);
    v2(d1, 8)->sub_page.page_off = 65535;
    in.source.offset = 100;
    assert_int_equal(copy(d0, in), GNTST_general_error);
    assert_int_equal(*v2_status(d1, 8), 0);
}

/* d2 permits d1, which lets d0 use that: to copy, not to map, and only while both hold. */
static void test_copy_transitive(void **state)
{
    struct domain *d2 = domains_fake_add(2, 1);
    mfn_t own = domains_fake_page(d0), far = domains_fake_page(d2);
    struct gnttab_copy in = {.source = {.u.ref = 8, .domid = 1, .offset = 100},
                             .dest = {.u.gmfn = own, .domid = DOMID_SELF},
                             .len = 50,
                             .flags = GNTCOPY_source_gref};
    struct gnttab_copy out = {.source = {.u.gmfn = own, .domid = DOMID_SELF},
                              .dest = {.u.ref = 8, .domid = 1},
                              .len = 50,
                              .flags = GNTCOPY_dest_gref};

    set_version(d1, 2);
    v2(d1, 8)->transitive.trans_domid = 2;
    v2(d1, 8)->transitive.gref = 9;
    v2(d1, 8)->hdr.flags = GTF_transitive;
    *v1(d2, 9) = (struct grant_entry_v1){.flags = GTF_permit_access, .domid = 1, .frame = far};
    memcpy((char *)frame_to_virt(far) + 100, "from afar", 10);
    assert_int_equal(copy(d0, in), GNTST_okay);
    assert_string_equal(frame_to_virt(own), "from afar");
    assert_int_equal(copy(d0, out), GNTST_okay);
    assert_string_equal(frame_to_virt(far), "from afar");
    assert_int_equal(map_at(ADDR, 8, 0).status, GNTST_bad_gntref);

    v1(d2, 9)->flags = GTF_permit_access | GTF_readonly;
    assert_int_equal(copy(d0, in), GNTST_okay);
    assert_int_equal(copy(d0, out), GNTST_permission_denied);
    v1(d2, 9)->flags = GTF_permit_access;
    v2(d1, 8)->hdr.flags = GTF_transitive | GTF_readonly;
    assert_int_equal(copy(d0, out), GNTST_permission_denied);
    v1(d2, 9)->domid = 0; /* not for d1 */
    assert_int_equal(copy(d0, in), GNTST_bad_gntref);
    v1(d2, 9)->domid = 1;
    v2(d1, 8)->transitive.gref = 100000;
    assert_int_equal(copy(d0, in), GNTST_bad_gntref);
    v2(d1, 8)->transitive.trans_domid = 3;
    assert_int_equal(copy(d0, in), GNTST_general_error);
    v2(d1, 8)->transitive.trans_domid = 1; /* itself */
    assert_int_equal(copy(d0, in), GNTST_general_error);
    v2(d1, 8)->transitive.trans_domid = DOMID_SELF;
    assert_int_equal(copy(d0, in), GNTST_general_error);
    /* One step only. */
    set_version(d2, 2);
    v2(d2, 9)->transitive.trans_domid = 0;
    v2(d2, 9)->hdr.domid = 1;
    v2(d2, 9)->hdr.flags = GTF_transitive;
    v2(d1, 8)->transitive.trans_domid = 2;
    v2(d1, 8)->transitive.gref = 9;
    assert_int_equal(copy(d0, in), GNTST_bad_gntref);
    assert_int_equal(*v2_status(d1, 8) | *v2_status(d2, 9), 0);
    assert_int_equal(page_of(far)->refs, 1);
    domains_fake_remove(d2);
    assert_int_equal(copy(d0, in), GNTST_general_error);
}

/* ---- handles of several vCPUs -----------------------------------------------------------------
 */

static struct gnttab_map_grant_ref map_on(struct vcpu *v)
{
    struct gnttab_map_grant_ref arg = {
        .flags = GNTMAP_device_map | GNTMAP_readonly, .ref = 8, .dom = 1, .status = 99};

    assert_int_equal(op_on(v, GNTTABOP_map_grant_ref, &arg, 1), 0);
    return arg;
}

static int unmap_on(struct vcpu *v, uint32_t handle)
{
    struct gnttab_unmap_grant_ref arg = {
        .dev_bus_addr = frame << PAGE_SHIFT, .handle = handle, .status = 99};

    assert_int_equal(op_on(v, GNTTABOP_unmap_grant_ref, &arg, 1), 0);
    return arg.status;
}

/* All of the domain's quota can be used by whichever vCPU, wherever handles were freed. */
static void test_handles_of_vcpus(void **state)
{
    enum { ALL = 4 * 512 };
    static uint32_t handles[ALL];
    struct domain *d2 = domains_fake_add(2, 3);
    struct vcpu **v = d2->vcpus;

    grant_v1(8, 2, frame, 0);
    for (unsigned i = 0; i < ALL; i++) {
        struct gnttab_map_grant_ref map = map_on(v[i % 2]);

        assert_int_equal(map.status, GNTST_okay);
        handles[i] = map.handle;
        assert_int_equal(map.handle / 512 % 2, i % 2); /* each from its own chunks */
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(map_on(v[i]).status, GNTST_no_space);
    /* Freed by another vCPU it goes home, and a third one without any may have it. */
    assert_int_equal(unmap_on(v[1], handles[0]), GNTST_okay);
    assert_int_equal(unmap_on(v[1], handles[0]), GNTST_bad_handle);
    assert_int_equal(map_on(v[2]).handle, handles[0]);
    assert_int_equal(map_on(v[0]).status, GNTST_no_space);
    assert_int_equal(unmap_on(v[2], handles[0]), GNTST_okay);
    assert_int_equal(map_on(v[0]).handle, handles[0]);
    for (unsigned i = 0; i < ALL; i += 3)
        assert_int_equal(unmap_on(v[i % 3], handles[i]), GNTST_okay);
    for (unsigned i = 0; i < ALL; i += 3)
        assert_int_equal(map_on(v[2]).status, GNTST_okay);
    assert_int_equal(map_on(v[2]).status, GNTST_no_space);
    domains_fake_remove(d2);
    assert_int_equal(v1(d1, 8)->flags, GTF_permit_access);
}

/* ---- transfer and caches ----------------------------------------------------------------------
 */

static int transfer(struct domain *d, mfn_t mfn, uint16_t to, uint32_t ref)
{
    struct gnttab_transfer arg = {.mfn = mfn, .domid = to, .ref = ref, .status = 99};

    assert_int_equal(op(d, GNTTABOP_transfer, &arg, 1), 0);
    return arg.status;
}

static void accept_v1(uint32_t ref, uint16_t from)
{
    *v1(d1, ref) =
        (struct grant_entry_v1){.flags = GTF_accept_transfer, .domid = from, .frame = 0x77};
}

static void test_transfer(void **state)
{
    mfn_t page = domains_fake_page(d0), held = domains_fake_page(d0);
    uint64_t ours, theirs = d1->memory.page_count;

    accept_v1(8, 0);
    ours = d0->memory.page_count;
    memcpy(frame_to_virt(page), "a gift", 7);
    assert_int_equal(transfer(d0, frame, 1, 8), GNTST_bad_page); /* not ours to give */
    assert_true(page_get(page_of(held), 0));
    assert_int_equal(transfer(d0, held, 1, 8), GNTST_bad_page); /* in use */
    page_put(page_of(held));
    assert_int_equal(transfer(d0, ~0UL, 1, 8), GNTST_bad_page);
    assert_int_equal(d0->memory.page_count, ours);
    assert_int_equal(transfer(d0, page, 1, 8), GNTST_okay);
    assert_int_equal(d0->memory.page_count, ours - 1);
    assert_int_equal(d1->memory.page_count, theirs + 1);
    assert_int_equal(page_of(page)->owner, 1);
    assert_string_equal(frame_to_virt(page), "a gift");
    assert_int_equal(domains_fake_gfns[page], 0x77);
    assert_int_equal(v1(d1, 8)->frame, page);
    assert_int_equal(v1(d1, 8)->flags,
                     GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
    assert_int_equal(transfer(d0, page, 1, 8), GNTST_bad_page);
}

/* Whoever gives loses, whatever comes of it. */
static void test_transfer_refused(void **state)
{
    const struct {
        uint16_t to;
        uint32_t ref;
        int status;
    } tries[] = {{1, 8, GNTST_general_error},
                 {1, 9, GNTST_general_error},
                 {1, 100000, GNTST_general_error},
                 {3, 8, GNTST_bad_domain},
                 {DOMID_SELF, 8, GNTST_bad_domain}};
    mfn_t page;

    accept_v1(9, 3); /* from another domain; 8 accepts nothing */
    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
        page = domains_fake_page(d0);
        assert_int_equal(transfer(d0, page, tries[i].to, tries[i].ref), tries[i].status);
        assert_int_equal(page_state(page_of(page)), PAGE_FREE);
        assert_int_equal(d0->memory.page_count, 0);
    }
    accept_v1(8, 0);
    d1->memory.max_page_count = d1->memory.page_count;
    assert_int_equal(transfer(d0, domains_fake_page(d0), 1, 8), GNTST_general_error);
    assert_int_equal(v1(d1, 8)->flags, GTF_accept_transfer);
    assert_int_equal(v1(d1, 8)->frame, 0x77);
    d1->memory.max_page_count++;
    assert_int_equal(transfer(d0, domains_fake_page(d0), 1, 8), GNTST_okay);
}

static void test_transfer_v2(void **state)
{
    mfn_t page = domains_fake_page(d0);

    set_version(d1, 2);
    v2(d1, 300)->full_page.frame = 0x123456789;
    v2(d1, 300)->hdr.flags = GTF_accept_transfer;
    assert_int_equal(transfer(d0, page, 1, 300), GNTST_okay);
    assert_int_equal(v2(d1, 300)->full_page.frame, page);
    assert_int_equal(domains_fake_gfns[page], 0x123456789);
    assert_int_equal(*v2_status(d1, 300), 0);
    domains_fake_remove(d1);
    d1 = NULL;
    assert_int_equal(transfer(d0, domains_fake_page(d0), 1, 300), GNTST_bad_domain);
}

static int flush(struct domain *d, mfn_t mfn, uint32_t offset, uint32_t length, uint32_t how)
{
    struct gnttab_cache_flush arg = {
        .a.dev_bus_addr = mfn << PAGE_SHIFT, .offset = offset, .length = length, .op = how};

    domains_fake_written_back = 0;
    return op(d, GNTTABOP_cache_flush, &arg, 1);
}

static void test_cache_flush(void **state)
{
    mfn_t own = domains_fake_page(d0);

    assert_int_equal(flush(d0, own, 100, 200, GNTTAB_CACHE_CLEAN), 0);
    assert_int_equal(domains_fake_written_back, 200);
    assert_int_equal(flush(d0, own, 0, 4096, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL), 0);
    assert_int_equal(domains_fake_written_back, 4096);
    assert_int_equal(flush(d0, own, 0, 0, GNTTAB_CACHE_CLEAN), 0);
    assert_int_equal(flush(d0, own, 0, 64, 0), 0);
    assert_int_equal(flush(d0, own, 0, 64, GNTTAB_CACHE_INVAL), -EOPNOTSUPP);
    assert_int_equal(flush(d0, own, 0, 64, GNTTAB_CACHE_CLEAN | 8), -EINVAL);
    assert_int_equal(flush(d0, own, 0, 64, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_SOURCE_GREF), -EINVAL);
    assert_int_equal(flush(d0, own, 1, 4096, GNTTAB_CACHE_CLEAN), -EINVAL);
    assert_int_equal(flush(d0, own, 4096, 0, GNTTAB_CACHE_CLEAN), -EINVAL);
    assert_int_equal(flush(d0, 1UL << 40, 0, 64, GNTTAB_CACHE_CLEAN), -EINVAL);

    /* Another's: while it is lent. The search takes several turns. */
    for (unsigned every = 0; every < 3; every++) {
        struct gnttab_map_grant_ref map;

        domains_fake_yield_every = every;
        grant_v1(3000, 0, frame, 0);
        assert_int_equal(flush(d0, frame, 0, 64, GNTTAB_CACHE_CLEAN), -EINVAL);
        map = map_at(ADDR, 3000, 0);
        assert_int_equal(map.status, GNTST_okay);
        assert_int_equal(flush(d0, frame, 0, 64, GNTTAB_CACHE_CLEAN), 0);
        assert_int_equal(domains_fake_written_back, 64);
        assert_int_equal(unmap_at(ADDR, map.handle), GNTST_okay);
        assert_int_equal(flush(d0, frame, 0, 64, GNTTAB_CACHE_CLEAN), -EINVAL);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_map),
        T(test_map_readonly),
        T(test_map_device),
        T(test_map_errors),
        T(test_map_changed),
        T(test_map_fault),
        T(test_batches),
        T(test_handles),
        T(test_no_memory),
        T(test_mapper_dies),
        T(test_granter_dies),
        T(test_zapped),
        T(test_self),
        T(test_table),
        T(test_version),
        T(test_swap),
        T(test_copy),
        T(test_copy_sub_page),
        T(test_copy_transitive),
        T(test_transfer),
        T(test_transfer_refused),
        T(test_transfer_v2),
        T(test_cache_flush),
        T(test_handles_of_vcpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
