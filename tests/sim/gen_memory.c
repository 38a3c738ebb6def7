/* SPDX-License-Identifier: MIT */
/* memory_op as a guest's balloon driver uses it: pages are given up, come back at the same page
 * numbers, are traded for others; and its questions. dom0's part is in gen_memory_control.c. */
#include "gen.h"
#include "run.h"

#include <kr/errno.h>
#include <kr/page.h>

#include <xen/memory.h>
#include <xen/xen.h>

#include <string.h>

#define BATCH_MAX  8
#define ORDER_MAX  4
#define LIST_PIECE 1 /* of the arguments' page: where lists are */

static uint64_t mem_flags(struct actor *a)
{
    return pick_one_in(a, 4) ? XENMEMF_address_bits(pick_range(a, 19, 40)) : 0;
}

static long reservation(struct actor *a, unsigned op, xen_pfn_t *list, unsigned count,
                        unsigned order, uint64_t flags)
{
    struct xen_memory_reservation r = {
        .nr_extents = count,
        .extent_order = order,
        .mem_flags = flags,
        .domid = pick_one_in(a, 3) ? a->domain->id : DOMID_SELF,
    };
    long rc;

    r.extent_start.p = (void *)args_put(a, LIST_PIECE, list, count * sizeof(*list));
    rc = call_struct(a, __HYPERVISOR_memory_op, op, &r, sizeof(r));
    if (!args_get(a, LIST_PIECE, list, count * sizeof(*list)))
        rc = -EFAULT;
    trace_note(a, "reservation", op, order, rc);
    return rc;
}

/* ---- single pages -----------------------------------------------------------------------------
 */

/* Out of the page table first, as Linux does; now and then not. */
static void balloon_up(struct actor *a)
{
    unsigned count = pick_range(a, 1, BATCH_MAX), taken = 0;
    xen_pfn_t list[BATCH_MAX], pfns[BATCH_MAX];
    long done;

    for (unsigned i = 0; i < count; i++) {
        uint64_t pfn = page_take(a, USE_BUSY);

        if (pfn == 0)
            break;
        if (!pick_one_in(a, 20))
            page_unmap(a, pfn);
        pfns[taken] = pfn;
        list[taken++] = own_frame(a, pfn);
    }
    done = taken ? reservation(a, XENMEM_decrease_reservation, list, taken, 0, 0) : 0;
    for (unsigned i = 0; i < taken; i++) {
        if ((long)i < done) {
            page_frame_set(a, pfns[i], 0);
            a->model->memory.use[pfns[i]] = USE_GONE;
        } else {
            page_restore(a, pfns[i]);
        }
    }
}

static void balloon_down(struct actor *a)
{
    unsigned count = pick_range(a, 1, BATCH_MAX), found = 0;
    xen_pfn_t list[BATCH_MAX], pfns[BATCH_MAX];
    long done;

    while (found < count) {
        uint64_t pfn = page_find(a, USE_GONE);

        if (pfn == 0)
            break;
        a->model->memory.use[pfn] = USE_BUSY;
        pfns[found] = list[found] = pfn;
        found++;
    }
    done = found ? reservation(a, XENMEM_populate_physmap, list, found, 0, mem_flags(a)) : 0;
    for (unsigned i = 0; i < found; i++) {
        if ((long)i < done) {
            page_frame_set(a, pfns[i], list[i]);
            page_restore(a, pfns[i]);
        } else {
            a->model->memory.use[pfns[i]] = USE_GONE;
        }
    }
}

/* Whatever state somebody has left a page in: if it is there it becomes plain again. */
static void mend(struct actor *a)
{
    uint64_t pfn = page_find(a, pick_one_in(a, 2) ? USE_BUSY : USE_LENT);

    if (pfn)
        page_restore(a, pfn);
}

/* ---- extents ----------------------------------------------------------------------------------
 */

static struct extent *extent_place(struct actor *a, bool is_used)
{
    struct memory_model *m = &a->model->memory;
    unsigned at = pick(a, EXTENTS_MAX);

    for (unsigned i = 0; i < EXTENTS_MAX; i++) {
        struct extent *e = &m->extents[(at + i) % EXTENTS_MAX];

        if ((e->mfn != 0) == is_used)
            return e;
    }
    return NULL;
}

static void extent_get(struct actor *a)
{
    struct extent *e = extent_place(a, false);
    unsigned order = pick(a, ORDER_MAX + 1);
    bool has_gfn = pick_one_in(a, 2);
    xen_pfn_t list[1] = {a->model->page_count + pick(a, 64)};

    if (e && reservation(a, has_gfn ? XENMEM_populate_physmap : XENMEM_increase_reservation, list,
                         1, order, mem_flags(a)) == 1) {
        *e = (struct extent){list[0], order};
        pool_add(&a->model->frames, list[0]);
    }
}

static void extent_give(struct actor *a)
{
    struct extent *e = extent_place(a, true), was;
    xen_pfn_t list[1];

    if (!e)
        return;
    was = *e;
    e->mfn = 0;
    list[0] = was.mfn;
    pool_remove(&a->model->frames, was.mfn);
    if (reservation(a, XENMEM_decrease_reservation, list, 1, was.order, 0) != 1 && e->mfn == 0)
        *e = was;
    else if (pick_one_in(a, 20)) /* once more */
        reservation(a, XENMEM_decrease_reservation, list, 1, was.order, 0);
}

/* Numbers that nobody expects; what is got by them is lost to the guest. */
static void reservation_wrong(struct actor *a)
{
    static const uint8_t ops[] = {XENMEM_increase_reservation, XENMEM_decrease_reservation,
                                  XENMEM_populate_physmap};
    struct xen_memory_reservation r = {
        .nr_extents = pick_one_in(a, 3) ? pick_word(a) : pick(a, 4),
        .extent_order = pick_one_in(a, 3) ? pick(a, 70) : 0,
        .mem_flags = pick_one_in(a, 4) ? (uint32_t)pick_word(a) : 0,
        .domid = pick_domain(a),
    };
    xen_pfn_t list[4];

    for (unsigned i = 0; i < ARRAY_SIZE(list); i++)
        list[i] = pick_word(a);
    if (a->domain->is_privileged && r.extent_order > ORDER_MAX)
        r.nr_extents = pick(a, 3);
    r.extent_start.p = pick_one_in(a, 8) ? NULL : (void *)args_put(a, 1, list, sizeof(list));
    call_struct(a, __HYPERVISOR_memory_op, ops[pick(a, sizeof(ops))], &r, sizeof(r));
}

/* ---- exchange ---------------------------------------------------------------------------------
 */

static void exchange_finish(struct actor *a, const xen_pfn_t *pfns, unsigned count,
                            const xen_pfn_t *out, unsigned out_order, unsigned done)
{
    for (unsigned i = 0; i < count; i++) {
        if (i < done)
            page_frame_set(a, pfns[i], out[i >> out_order] + i % BIT(out_order));
        page_restore(a, pfns[i]);
    }
}

/* 2^order single pages for as many single ones, or for one piece of that size. */
static void exchange(struct actor *a)
{
    unsigned order = pick(a, ORDER_MAX), count = BIT(order);
    unsigned out_order = pick_one_in(a, 2) ? order : 0, out_count = count >> out_order;
    xen_pfn_t in[BIT(ORDER_MAX)], out[BIT(ORDER_MAX)], pfns[BIT(ORDER_MAX)];
    struct xen_memory_exchange x = {
        .in = {.nr_extents = count, .domid = DOMID_SELF},
        .out = {.nr_extents = out_count,
                .extent_order = out_order,
                .mem_flags = mem_flags(a),
                .domid = DOMID_SELF},
    };
    unsigned taken = 0;
    long rc;

    for (; taken < count && (pfns[taken] = page_take(a, USE_BUSY)) != 0; taken++) {
        if (!pick_one_in(a, 40))
            page_unmap(a, pfns[taken]);
        in[taken] = own_frame(a, pfns[taken]);
        out[taken >> out_order] = taken % BIT(out_order) ? out[taken >> out_order] : pfns[taken];
    }
    if (taken == count) {
        x.in.extent_start.p = (void *)args_put(a, 1, in, count * sizeof(*in));
        x.out.extent_start.p = (void *)args_put(a, 2, out, out_count * sizeof(*out));
        rc = call_struct(a, __HYPERVISOR_memory_op, XENMEM_exchange, &x, sizeof(x));
        trace_note(a, "exchange", order, out_order, rc);
        if (!args_get(a, 2, out, out_count * sizeof(*out)))
            x.nr_exchanged = 0;
    }
    exchange_finish(a, pfns, taken, out, out_order, MIN(x.nr_exchanged, (xen_ulong_t)taken));
}

/* A piece for a piece, or for its single pages, which then are pieces of order 0. */
static void exchange_extent(struct actor *a)
{
    struct extent *e = extent_place(a, true), was;
    xen_pfn_t in[1], out[1];
    struct xen_memory_exchange x = {.in = {.nr_extents = 1, .domid = DOMID_SELF},
                                    .out = {.nr_extents = 1, .domid = DOMID_SELF}};

    if (!e)
        return;
    was = *e;
    e->mfn = 0;
    in[0] = was.mfn;
    out[0] = a->model->page_count + pick(a, 64);
    x.in.extent_order = x.out.extent_order = was.order;
    if (pick_one_in(a, 6))
        x.out.extent_order = pick(a, ORDER_MAX);
    x.in.extent_start.p = (void *)args_put(a, 1, in, sizeof(in));
    x.out.extent_start.p = (void *)args_put(a, 2, out, sizeof(out));
    call_struct(a, __HYPERVISOR_memory_op, XENMEM_exchange, &x, sizeof(x));
    trace_note(a, "exchange extent", was.order, x.out.extent_order, x.nr_exchanged);
    if (x.nr_exchanged == 1 && args_get(a, 2, out, sizeof(out)))
        was.mfn = out[0];
    if (e->mfn == 0)
        *e = was;
}

static void exchange_wrong(struct actor *a)
{
    xen_pfn_t list[8];
    struct xen_memory_exchange x = {
        .in = {.nr_extents = pick(a, 5), .extent_order = pick(a, 3), .domid = pick_domain(a)},
        .nr_exchanged = pick_one_in(a, 3) ? pick_word(a) : 0,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(list); i++)
        list[i] = pick_word(a);
    x.out = x.in;
    if (pick_one_in(a, 3))
        x.out.extent_order = pick(a, 64);
    if (pick_one_in(a, 3))
        x.in.nr_extents = pick_word(a);
    x.in.extent_start.p = (void *)args_put(a, 1, list, sizeof(list));
    x.out.extent_start.p = (void *)args_put(a, 2, list, sizeof(list));
    call_struct(a, __HYPERVISOR_memory_op, XENMEM_exchange, &x, sizeof(x));
}

/* ---- questions --------------------------------------------------------------------------------
 */

static void ask(struct actor *a)
{
    static const uint8_t about_domain[] = {XENMEM_current_reservation, XENMEM_maximum_reservation,
                                           XENMEM_maximum_gpfn, XENMEM_get_pod_target,
                                           XENMEM_set_pod_target};
    static const uint8_t plain[] = {XENMEM_maximum_ram_page, XENMEM_get_sharing_freed_pages,
                                    XENMEM_get_sharing_shared_pages, XENMEM_get_vnumainfo};
    struct xen_pod_target about = {.domid = pick_one_in(a, 2) ? DOMID_SELF : pick_domain(a)};
    struct xen_memory_domain domain = {.domid = about.domid};
    struct xen_machphys_mapping mapping = {0};
    unsigned op = about_domain[pick(a, sizeof(about_domain))];

    switch (pick(a, 4)) {
    case 0: call(a, __HYPERVISOR_memory_op, plain[pick(a, sizeof(plain))], 0, 0, 0, 0); return;
    case 1:
        call_struct(a, __HYPERVISOR_memory_op, XENMEM_machphys_mapping, &mapping, sizeof(mapping));
        return;
    default:
        if (op == XENMEM_get_pod_target || op == XENMEM_set_pod_target)
            call_struct(a, __HYPERVISOR_memory_op, op, &about, sizeof(about));
        else
            call_struct(a, __HYPERVISOR_memory_op, op, &domain, sizeof(domain));
    }
}

static void memory_map(struct actor *a)
{
    struct xen_memory_map map = {.nr_entries = pick_one_in(a, 4) ? pick_word(a) : pick(a, 40)};

    map.buffer.p = (void *)(args_page(a) + PAGE_SIZE);
    call_struct(a, __HYPERVISOR_memory_op,
                pick_one_in(a, 2) ? XENMEM_memory_map : XENMEM_machine_memory_map, &map,
                sizeof(map));
}

/* For domains with nested paging: refused here. */
static void physmap(struct actor *a)
{
    uint16_t id = pick_one_in(a, 3) ? pick_domain(a) : DOMID_SELF;
    struct xen_add_to_physmap add = {.domid = id, .space = pick(a, 6), .idx = pick(a, 4)};
    struct xen_add_to_physmap_batch batch = {.domid = id, .space = pick(a, 6), .size = pick(a, 4)};
    struct xen_remove_from_physmap remove = {.domid = id, .gpfn = pick_pfn(a)};
    struct xen_reserved_device_memory_map reserved = {.flags = pick(a, 3), .nr_entries = 4};
    long rc;

    switch (pick(a, 4)) {
    case 0:
        rc = call_struct(a, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, &add, sizeof(add));
        break;
    case 1:
        rc = call_struct(a, __HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, &batch,
                         sizeof(batch));
        break;
    case 2:
        rc = call_struct(a, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &remove,
                         sizeof(remove));
        break;
    default:
        call_struct(a, __HYPERVISOR_memory_op, XENMEM_reserved_device_memory_map, &reserved,
                    sizeof(reserved));
        return;
    }
    RULE("physmap", rc < 0, "d%u placed a page in PV domain d%u: %ld", a->domain->id, id, rc);
}

const struct operation memory_operations[] = {
    {"balloon up", GROUP_MEMORY, 8, false, balloon_up},
    {"balloon down", GROUP_MEMORY, 12, false, balloon_down},
    {"mend page", GROUP_MEMORY, 4, false, mend},
    {"get extent", GROUP_MEMORY, 4, false, extent_get},
    {"give extent", GROUP_MEMORY, 4, false, extent_give},
    {"reservation, wrong", GROUP_MEMORY, 2, false, reservation_wrong},
    {"exchange", GROUP_MEMORY, 5, false, exchange},
    {"exchange extent", GROUP_MEMORY, 2, false, exchange_extent},
    {"exchange, wrong", GROUP_MEMORY, 2, false, exchange_wrong},
    {"ask about memory", GROUP_MEMORY, 3, false, ask},
    {"memory map", GROUP_MEMORY, 2, false, memory_map},
    {"physmap", GROUP_MEMORY, 1, false, physmap},
    {0},
};
