/* SPDX-License-Identifier: MIT */
/*
 * Grant tables under random sequences by three domains that grant, revoke, map, unmap, copy, die
 * and come back, in both versions, with hostile writes to their own tables. The model is the list
 * of mappings that succeeded. After every few steps each frame's references are recounted from it,
 * and the flags of each entry must say who uses it; in the end nothing may be left. A failure
 * prints the seed.
 */
/* SOURCES: core/grant.c core/grant_pin.c core/grant_map.c core/grant_copy.c core/grant_table.c */
/* SOURCES: core/grant_op.c core/grant_transfer.c core/grant_flush.c core/grant_handle.c */
/* SOURCES: core/event.c core/event_bind.c core/event_2l.c core/event_fifo.c */
/* SOURCES: core/page.c */
/* SOURCES: tests/unit/fake/memory.c tests/unit/fake/lock.c tests/unit/fake/log.c */
/* SOURCES: tests/unit/fake/heap.c tests/unit/fake/domains.c */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include <kr/arch.h>
#include <kr/errno.h>
#include <kr/grant.h>
#include <kr/hypercall.h>

#include <xen/xen.h>

#include <xen/grant_table.h>

#include "fake/domains.h"
#include "fake/memory.h"

#define DOMAINS  3
#define PAGES    4
#define REFS     12
#define MAPPINGS 200

static unsigned seed;
static struct domain *domains[DOMAINS];
static mfn_t pages[DOMAINS][PAGES];
static void *shared[DOMAINS];
static uint16_t *status[DOMAINS];
static unsigned versions[DOMAINS];

/* A mapping that exists. `owner_gone`: the granter died meanwhile. */
static struct mapping_model {
    bool used, readonly, owner_gone;
    unsigned mapper, owner, ref, handle;
    uint64_t addr;
    mfn_t mfn;
} mappings[MAPPINGS];

static unsigned below(unsigned n)
{
    return (unsigned)rand() % n;
}

static int op(unsigned d, unsigned cmd, void *arg, unsigned count)
{
    struct hypercall_args args = {.arg = {cmd, (uint64_t)arg, count}};
    int rc;

    domains_fake_run(domains[d]->vcpus[0]);
    do {
        rc = do_grant_table_op(&args);
    } while (rc == -ERESTART);
    if (fake_locks_held != 0 || domains_fake_unflushed != 0)
        fail_msg("seed %u: operation %u left locks or unflushed entries", seed, cmd);
    return rc;
}

static uint16_t *flags_of(unsigned d, unsigned ref)
{
    return versions[d] == 1 ? &((struct grant_entry_v1 *)shared[d])[ref].flags
                            : &((union grant_entry_v2 *)shared[d])[ref].hdr.flags;
}

static void tables_find(unsigned d)
{
    mfn_t mfn;

    assert_int_equal(grant_frame_get(domains[d], false, 0, &mfn), 0);
    shared[d] = frame_to_virt(mfn);
    if (versions[d] == 2) {
        assert_int_equal(grant_frame_get(domains[d], true, 0, &mfn), 0);
        status[d] = frame_to_virt(mfn);
    }
}

static void domain_start(unsigned d)
{
    domains[d] = domains_fake_add(d, 1);
    for (unsigned i = 0; i < PAGES; i++)
        pages[d][i] = domains_fake_page(domains[d]);
    versions[d] = 1;
    tables_find(d);
}

/* ---- what the model says ----------------------------------------------------------------------
 */

static void users_of(unsigned owner, unsigned ref, unsigned *reads, unsigned *writes)
{
    *reads = *writes = 0;
    for (unsigned i = 0; i < MAPPINGS; i++) {
        const struct mapping_model *m = &mappings[i];

        if (m->used && !m->owner_gone && m->owner == owner && m->ref == ref)
            *(m->readonly ? reads : writes) += 1;
    }
}

static void check_flags(unsigned d)
{
    for (unsigned ref = 0; ref < REFS; ref++) {
        unsigned reads, writes, flags, should;

        users_of(d, ref, &reads, &writes);
        flags =
            (versions[d] == 1 ? *flags_of(d, ref) : status[d][ref]) & (GTF_reading | GTF_writing);
        should = (reads + writes != 0 ? GTF_reading : 0) | (writes != 0 ? GTF_writing : 0);
        if (flags != should)
            fail_msg("seed %u: grant %u of d%u: flags 0x%x with %u readers, %u writers", seed, ref,
                     d, flags, reads, writes);
    }
}

/* One reference is the owner's, one each pinned grant's, one each mapping's. */
static void check_refs(unsigned d)
{
    for (unsigned i = 0; i < PAGES; i++) {
        unsigned should = 1;
        bool counted[REFS] = {false};

        for (unsigned j = 0; j < MAPPINGS; j++) {
            const struct mapping_model *m = &mappings[j];

            if (!m->used || m->owner_gone || m->mfn != pages[d][i])
                continue;
            should++;
            if (!counted[m->ref])
                should++;
            counted[m->ref] = true;
        }
        if (page_of(pages[d][i])->refs != should)
            fail_msg("seed %u: page %u of d%u: %u references, not %u", seed, i, d,
                     page_of(pages[d][i])->refs, should);
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Grants something, or writes nonsense: as hostile as it likes, but it leaves alone the two bits
 * that are not its own. */
static void step_grant(unsigned d)
{
    unsigned ref = below(REFS), owner = below(8) ? d : below(DOMAINS);
    unsigned kind = below(10) ? GTF_permit_access : below(4);
    uint16_t flags = kind | (below(4) ? 0 : GTF_readonly);

    if (versions[d] == 1) {
        struct grant_entry_v1 *e = &((struct grant_entry_v1 *)shared[d])[ref];

        e->domid = below(DOMAINS);
        e->frame = below(10) ? pages[owner][below(PAGES)] : (uint32_t)rand();
        e->flags = flags | (e->flags & (GTF_reading | GTF_writing));
    } else {
        union grant_entry_v2 *e = &((union grant_entry_v2 *)shared[d])[ref];

        e->hdr.domid = below(DOMAINS);
        e->full_page.frame = below(10) ? pages[owner][below(PAGES)] : (uint32_t)rand();
        e->full_page.pad0 = 0;
        e->hdr.flags = flags;
        if (below(6) == 0) {
            e->sub_page.page_off = below(5000);
            e->sub_page.length = below(5000);
            e->hdr.flags |= GTF_sub_page;
        }
    }
}

static struct mapping_model *free_mapping(void)
{
    for (unsigned i = 0; i < MAPPINGS; i++)
        if (!mappings[i].used)
            return &mappings[i];
    return NULL;
}

static void step_map(unsigned d)
{
    struct gnttab_map_grant_ref args[4];
    unsigned count = 1 + below(4);

    for (unsigned i = 0; i < count; i++)
        args[i] = (struct gnttab_map_grant_ref){.host_addr = 0x10000 + 8 * (uint64_t)below(500),
                                                .flags = GNTMAP_host_map |
                                                         (below(2) ? GNTMAP_readonly : 0),
                                                .ref = below(20) ? below(REFS) : (uint32_t)rand(),
                                                .dom = below(DOMAINS)};
    assert_int_equal(op(d, GNTTABOP_map_grant_ref, args, count), 0);
    for (unsigned i = 0; i < count; i++) {
        struct mapping_model *m = free_mapping();

        if (args[i].status != GNTST_okay)
            continue;
        assert_non_null(m);
        *m = (struct mapping_model){.used = true,
                                    .readonly = args[i].flags & GNTMAP_readonly,
                                    .mapper = d,
                                    .owner = args[i].dom,
                                    .ref = args[i].ref,
                                    .handle = args[i].handle,
                                    .addr = args[i].host_addr,
                                    .mfn = args[i].dev_bus_addr >> PAGE_SHIFT};
    }
}

static void step_unmap(unsigned d)
{
    struct gnttab_unmap_grant_ref args[20];
    struct mapping_model *which[20];
    unsigned count = 0, max = 1 + below(20);

    for (unsigned i = below(MAPPINGS); i < MAPPINGS && count < max; i++) {
        if (!mappings[i].used || mappings[i].mapper != d)
            continue;
        which[count] = &mappings[i];
        args[count++] = (struct gnttab_unmap_grant_ref){.host_addr = mappings[i].addr,
                                                        .handle = mappings[i].handle};
    }
    assert_int_equal(op(d, GNTTABOP_unmap_grant_ref, args, count), 0);
    for (unsigned i = 0; i < count; i++) {
        if (args[i].status != GNTST_okay)
            fail_msg("seed %u: d%u cannot unmap handle %u: %d", seed, d, args[i].handle,
                     args[i].status);
        which[i]->used = false;
    }
    /* And something that is nobody's. */
    args[0] = (struct gnttab_unmap_grant_ref){.host_addr = 0x777000, .handle = rand() & 0xfff};
    assert_int_equal(op(d, GNTTABOP_unmap_grant_ref, args, 1), 0);
    if (args[0].status == GNTST_okay)
        fail_msg("seed %u: unmapped what is not there", seed);
}

static void step_copy(unsigned d)
{
    struct gnttab_copy args[3];
    unsigned count = 1 + below(3);

    memset(args, 0, sizeof(args));
    for (unsigned i = 0; i < count; i++) {
        struct gnttab_copy *c = &args[i];

        c->flags = below(4);
        c->len = below(4200);
        c->source.offset = below(300);
        c->dest.offset = below(300);
        c->source.domid = c->flags & GNTCOPY_source_gref ? below(DOMAINS) : DOMID_SELF;
        c->dest.domid = c->flags & GNTCOPY_dest_gref ? below(DOMAINS) : DOMID_SELF;
        if (c->flags & GNTCOPY_source_gref)
            c->source.u.ref = below(REFS);
        else
            c->source.u.gmfn = pages[below(10) ? d : below(DOMAINS)][below(PAGES)];
        if (c->flags & GNTCOPY_dest_gref)
            c->dest.u.ref = below(REFS);
        else
            c->dest.u.gmfn = pages[below(10) ? d : below(DOMAINS)][below(PAGES)];
    }
    assert_int_equal(op(d, GNTTABOP_copy, args, count), 0);
}

static void step_version(unsigned d)
{
    struct gnttab_set_version arg = {.version = 1 + below(2)};
    unsigned users = 0, reads, writes;
    int rc;

    if (below(20) != 0)
        return;
    for (unsigned ref = 0; ref < REFS; ref++) {
        users_of(d, ref, &reads, &writes);
        users += reads + writes;
    }
    rc = op(d, GNTTABOP_set_version, &arg, 1);
    if (arg.version != versions[d] && users != 0) {
        assert_int_equal(rc, -EBUSY);
    } else if (rc == 0) {
        versions[d] = arg.version;
        tables_find(d);
    }
}

static void step_swap(unsigned d)
{
    struct gnttab_swap_grant_ref arg = {.ref_a = below(REFS), .ref_b = below(REFS)};
    unsigned reads, writes, users;

    users_of(d, arg.ref_a, &reads, &writes);
    users = reads + writes;
    users_of(d, arg.ref_b, &reads, &writes);
    users += reads + writes;
    assert_int_equal(op(d, GNTTABOP_swap_grant_ref, &arg, 1), 0);
    assert_int_equal(arg.status, users != 0 ? GNTST_eagain : GNTST_okay);
}

/* Dies, and its id comes back once nobody has anything of it any more. */
static void step_kill(unsigned d)
{
    if (below(100) != 0)
        return;
    for (unsigned i = 0; i < MAPPINGS; i++) {
        if (mappings[i].mapper == d)
            mappings[i].used = false;
        else if (mappings[i].owner == d)
            mappings[i].owner_gone = true;
    }
    domains_fake_remove(domains[d]);
    for (unsigned other = 0; other < DOMAINS; other++)
        while (other != d) {
            bool any = false;

            step_unmap(other);
            for (unsigned i = 0; i < MAPPINGS; i++)
                any |= mappings[i].used && mappings[i].mapper == other && mappings[i].owner_gone;
            if (!any)
                break;
        }
    domain_start(d);
}

static void run(unsigned steps)
{
    static void (*const kinds[])(unsigned) = {
        step_grant, step_grant, step_grant, step_map,     step_map,  step_map,
        step_unmap, step_copy,  step_copy,  step_version, step_swap, step_kill,
    };

    srand(seed);
    memset(mappings, 0, sizeof(mappings));
    domains_fake_start();
    for (unsigned d = 0; d < DOMAINS; d++)
        domain_start(d);
    domains_fake_yield_every = below(4);
    for (unsigned i = 0; i < steps; i++) {
        if (free_mapping() == NULL || free_mapping() > &mappings[MAPPINGS - 8])
            step_unmap(below(DOMAINS));
        else
            kinds[below(ARRAY_SIZE(kinds))](below(DOMAINS));
        for (unsigned d = 0; i % 16 == 0 && d < DOMAINS; d++) {
            check_flags(d);
            check_refs(d);
        }
    }
    for (unsigned d = 0; d < DOMAINS; d++)
        domains_fake_remove(domains[d]);
    domains_fake_stop();
}

static void test_random(void **state)
{
    const char *given = getenv("SEED");

    for (unsigned i = 0; i < (given ? 1 : 60); i++) {
        seed = given ? strtoul(given, NULL, 0) : 1 + i;
        run(3000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
