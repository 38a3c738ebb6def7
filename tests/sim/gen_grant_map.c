/* SPDX-License-Identifier: MIT */
/*
 * Grant tables, the using side: maps what others (or it itself) granted, at slots from
 * SLOT_GRANT_MAP on, reads and writes it, unmaps it in any order, copies. Whose grants there are is
 * read from the others' models.
 */
#include "gen_grant.h"
#include "run.h"

#include <kr/errno.h>
#include <kr/page.h>
#include <x86/pte.h>

#include <string.h>

#define BATCH_MAX   6
#define HANDLE_NONE (~0U)
#define NOT_WRITTEN 1 /* no status */

long grant_call(struct actor *a, unsigned op, void *arguments, size_t size_bytes, unsigned count)
{
    long rc = call(a, __HYPERVISOR_grant_table_op, op, args_put(a, 0, arguments, size_bytes), count,
                   0, 0);

    return args_get(a, 0, arguments, size_bytes) ? rc : -EFAULT;
}

const struct grant_out *grant_find(struct actor *a, uint16_t *owner)
{
    unsigned first = pick(a, run.domain_count), at = pick(a, GRANTS_OUT_MAX);

    for (unsigned n = 0; n < run.domain_count; n++) {
        const struct domain_model *m = model_by_id(run.domains[(first + n) % run.domain_count]);

        for (unsigned i = 0; m && i < GRANTS_OUT_MAX; i++) {
            const struct grant_out *o = &m->memory.out[(at + i) % GRANTS_OUT_MAX];

            if (o->ref != 0 && o->to == a->domain->id) {
                *owner = m->id;
                return o;
            }
        }
    }
    return NULL;
}

static struct grant_in *in_place(struct actor *a, bool is_used, unsigned *slot)
{
    struct memory_model *m = &a->model->memory;
    unsigned at = pick(a, GRANT_MAP_SLOTS);

    for (unsigned i = 0; i < GRANT_MAP_SLOTS; i++) {
        struct grant_in *in = &m->in[(at + i) % GRANT_MAP_SLOTS];

        if (in->is_used != is_used)
            continue;
        *slot = SLOT_GRANT_MAP + (in - m->in);
        return in;
    }
    return NULL;
}

/* ---- mapping ----------------------------------------------------------------------------------
 */

static uint32_t map_flags(struct actor *a, bool is_readonly)
{
    uint32_t flags = pick_one_in(a, 10) ? GNTMAP_device_map : GNTMAP_host_map;

    flags |= pick_one_in(a, 5) ? GNTMAP_device_map : 0;
    flags |= is_readonly != pick_one_in(a, 8) ? GNTMAP_readonly : 0;
    flags |= pick_one_in(a, 4) ? GNTMAP_contains_pte : 0;
    flags |= pick_one_in(a, 8) ? (uint32_t)pick(a, 8) << _GNTMAP_guest_avail0 : 0;
    return flags;
}

static uint64_t host_address(struct actor *a, unsigned slot, uint32_t flags)
{
    if (!(flags & GNTMAP_host_map))
        return 0;
    return flags & GNTMAP_contains_pte ? slot_entry_address(a, slot) : slot_va(slot);
}

/* One request for a free slot, which is spoken for from now on. */
static struct grant_in *map_prepare(struct actor *a, struct gnttab_map_grant_ref *op)
{
    uint16_t owner = 0;
    const struct grant_out *o = grant_find(a, &owner);
    unsigned slot;
    struct grant_in *in = o ? in_place(a, false, &slot) : NULL;

    if (!in)
        return NULL;
    *op = (struct gnttab_map_grant_ref){
        .flags = map_flags(a, o->is_readonly), .ref = o->ref, .dom = owner, .status = NOT_WRITTEN};
    op->host_addr = host_address(a, slot, op->flags);
    if (pick_one_in(a, 24))
        op->dom = pick_domain(a);
    if (pick_one_in(a, 24))
        op->ref = pick_word(a);
    if (pick_one_in(a, 24))
        op->host_addr = pick_word(a);
    if (pick_one_in(a, 32))
        op->flags = pick(a, 32);
    *in = (struct grant_in){.is_used = true, .handle = HANDLE_NONE};
    return in;
}

static void map_finish(struct actor *a, struct grant_in *in, const struct gnttab_map_grant_ref *op,
                       long rc)
{
    trace_note(a, "map grant", op->flags, op->ref, rc ? rc : op->status);
    if (rc != 0 || op->status != GNTST_okay) {
        in->is_used = false;
        return;
    }
    in->handle = op->handle;
    in->flags = op->flags;
    in->owner = op->dom;
    in->ref = op->ref;
    in->frame_address = op->dev_bus_addr;
    pool_add(&a->model->handles, op->handle);
}

static void map(struct actor *a)
{
    struct gnttab_map_grant_ref ops[BATCH_MAX];
    struct grant_in *in[BATCH_MAX];
    unsigned count = pick_range(a, 1, pick_one_in(a, 3) ? BATCH_MAX : 2), n = 0;
    long rc;

    while (n < count && (in[n] = map_prepare(a, &ops[n])) != NULL)
        n++;
    if (n == 0)
        return;
    rc = grant_call(a, GNTTABOP_map_grant_ref, ops, n * sizeof(ops[0]), n);
    for (unsigned i = 0; i < n; i++)
        map_finish(a, in[i], &ops[i], rc);
}

/* Nobody else runs between the store and the look, so the frame that the entry names has it. */
static void use(struct actor *a)
{
    unsigned slot;
    struct grant_in *in = in_place(a, true, &slot);
    uint64_t value = pick_word(a), offset = pick(a, PAGE_SIZE / 8) * 8, entry;
    const char *frame;

    if (!in || !(in->flags & GNTMAP_host_map))
        return;
    if ((in->flags & GNTMAP_readonly) && !pick_one_in(a, 8)) {
        sim_guest_read(a->guest, slot_va(slot) + offset, &value, sizeof(value));
        return;
    }
    if (!sim_guest_write(a->guest, slot_va(slot) + offset, &value, sizeof(value)))
        return;
    entry = ((uint64_t *)frame_to_virt(own_frame(a, SIM_PFN_TABLES + 3)))[slot];
    frame = frame_to_virt(pte_frame(entry));
    if ((entry & PTE_P) && pte_frame(entry) == in->frame_address >> PAGE_SHIFT)
        RULE("grant", memcmp(frame + offset, &value, sizeof(value)) == 0,
             "d%u wrote through handle %u, and frame %#lx does not have it", a->domain->id,
             in->handle, pte_frame(entry));
}

/* ---- unmapping --------------------------------------------------------------------------------
 */

static void unmap_note(struct actor *a, struct grant_in *in, uint32_t handle, uint32_t removed)
{
    if (!in->is_used || in->handle != handle)
        return;
    in->flags &= ~removed;
    if (in->flags & (GNTMAP_host_map | GNTMAP_device_map))
        return;
    in->is_used = false;
    pool_remove(&a->model->handles, handle);
}

static struct gnttab_unmap_grant_ref unmap_request(struct actor *a, const struct grant_in *in)
{
    return (struct gnttab_unmap_grant_ref){
        .host_addr = host_address(a, SLOT_GRANT_MAP + (in - a->model->memory.in), in->flags),
        .dev_bus_addr = in->flags & GNTMAP_device_map ? in->frame_address : 0,
        .handle = in->handle,
        .status = NOT_WRITTEN,
    };
}

static void unmap(struct actor *a)
{
    struct gnttab_unmap_grant_ref ops[BATCH_MAX];
    struct grant_in *in[BATCH_MAX];
    unsigned count = pick_range(a, 1, BATCH_MAX), n = 0, slot;
    long rc;

    for (; n < count && (in[n] = in_place(a, true, &slot)) != NULL; n++) {
        if (n > 0 && in[n] == in[n - 1] && !pick_one_in(a, 8))
            break;
        ops[n] = unmap_request(a, in[n]);
        if (pick_one_in(a, 16))
            ops[n].host_addr = pick_one_in(a, 2) ? 0 : pick_word(a);
        if (pick_one_in(a, 16))
            ops[n].dev_bus_addr = pick_one_in(a, 2) ? 0 : pick_word(a);
        if (pick_one_in(a, 24))
            ops[n].handle = pick_pool(a, &a->model->handles);
    }
    if (n == 0)
        return;
    rc = grant_call(a, GNTTABOP_unmap_grant_ref, ops, n * sizeof(ops[0]), n);
    for (unsigned i = 0; i < n; i++) {
        trace_note(a, "unmap grant", ops[i].handle, 0, rc ? rc : ops[i].status);
        if (rc == 0 && ops[i].status == GNTST_okay)
            unmap_note(a, in[i], ops[i].handle,
                       (ops[i].host_addr ? GNTMAP_host_map : 0) |
                           (ops[i].dev_bus_addr ? GNTMAP_device_map : 0));
    }
}

/* The page that takes the grant's place is mapped there and no longer at its own address. */
static void unmap_and_replace(struct actor *a)
{
    unsigned slot;
    struct grant_in *in = in_place(a, true, &slot);
    struct gnttab_unmap_and_replace op;
    uint64_t pfn;
    long rc;

    if (!in || !(in->flags & GNTMAP_host_map))
        return;
    pfn = page_take(a, USE_BUSY);
    op = (struct gnttab_unmap_and_replace){.host_addr = host_address(a, slot, in->flags),
                                           .new_addr = sim_page_va(pfn),
                                           .handle = in->handle,
                                           .status = NOT_WRITTEN};
    if (pick_one_in(a, 16))
        op.new_addr = pick_word(a);
    rc = grant_call(a, GNTTABOP_unmap_and_replace, &op, sizeof(op), 1);
    trace_note(a, "unmap and replace", op.handle, pfn, rc ? rc : op.status);
    if (rc == 0 && op.status == GNTST_okay) {
        unmap_note(a, in, op.handle, GNTMAP_host_map);
        if (!in->is_used)
            va_map(a, slot_va(slot), 0);
    }
    if (pfn)
        page_restore(a, pfn);
}

void grants_unmap_all(struct actor *a)
{
    struct memory_model *m = &a->model->memory;

    for (unsigned i = 0; i < GRANT_MAP_SLOTS; i++) {
        struct gnttab_unmap_grant_ref op = unmap_request(a, &m->in[i]);

        if (m->in[i].is_used && m->in[i].handle != HANDLE_NONE &&
            grant_call(a, GNTTABOP_unmap_grant_ref, &op, sizeof(op), 1) == 0 &&
            op.status == GNTST_okay)
            m->in[i].is_used = false;
    }
}

/* ---- copying ----------------------------------------------------------------------------------
 */

static bool side_choose(struct actor *a, struct gnttab_copy_ptr *side, bool is_target)
{
    uint16_t owner = 0;
    const struct grant_out *o = pick_one_in(a, 2) ? grant_find(a, &owner) : NULL;

    side->offset = pick_one_in(a, 3) ? pick(a, PAGE_SIZE) : pick(a, 8) * 16;
    if (pick_one_in(a, 32))
        side->offset = pick_word(a);
    side->domid = pick_one_in(a, 24) ? pick_domain(a) : o ? owner : DOMID_SELF;
    if (o)
        side->u.ref = o->ref;
    else if (is_target)
        side->u.gmfn = pick_frame_to_write(a);
    else
        side->u.gmfn = pick_one_in(a, 6) ? pick_frame(a) : own_frame(a, pick_pfn(a));
    return o != NULL;
}

static void copy(struct actor *a)
{
    struct gnttab_copy ops[BATCH_MAX];
    unsigned count = pick_range(a, 1, BATCH_MAX);
    long rc;

    for (unsigned i = 0; i < count; i++) {
        struct gnttab_copy *op = &ops[i];

        *op = (struct gnttab_copy){.len = pick_one_in(a, 3) ? pick(a, PAGE_SIZE + 2) : pick(a, 64)};
        op->flags |= side_choose(a, &op->source, false) ? GNTCOPY_source_gref : 0;
        op->flags |= side_choose(a, &op->dest, true) ? GNTCOPY_dest_gref : 0;
        if (pick_one_in(a, 8))
            op->len = PAGE_SIZE - MAX(op->source.offset, op->dest.offset) % PAGE_SIZE;
    }
    rc = grant_call(a, GNTTABOP_copy, ops, count * sizeof(ops[0]), count);
    for (unsigned i = 0; i < count; i++)
        trace_note(a, "grant copy", ops[i].flags, ops[i].len, rc ? rc : ops[i].status);
}

/* ---- caches -----------------------------------------------------------------------------------
 */

/* Mostly what it has mapped of others or a page of its own. */
static void cache_flush(struct actor *a)
{
    struct gnttab_cache_flush ops[BATCH_MAX];
    unsigned count = pick_range(a, 1, BATCH_MAX), slot;
    long rc;

    for (unsigned i = 0; i < count; i++) {
        struct grant_in *in = in_place(a, true, &slot);

        ops[i] = (struct gnttab_cache_flush){
            .a.dev_bus_addr = in ? in->frame_address : own_frame(a, pick_pfn(a)) << PAGE_SHIFT,
            .offset = pick(a, 8) * 64,
            .length = pick(a, PAGE_SIZE / 2),
            .op = pick_one_in(a, 8) ? pick(a, 5) : GNTTAB_CACHE_CLEAN};
        if (pick_one_in(a, 12))
            ops[i].a.dev_bus_addr = pick_one_in(a, 2) ? pick_word(a) : pick_frame(a) << PAGE_SHIFT;
    }
    rc = grant_call(a, GNTTABOP_cache_flush, ops, count * sizeof(ops[0]), count);
    trace_note(a, "cache flush", count, ops[0].op, rc);
}

/* ---- what is not offered, and wrong lists -----------------------------------------------------
 */

static void other(struct actor *a)
{
    static const uint8_t ops[] = {GNTTABOP_transfer,          GNTTABOP_cache_flush,
                                  GNTTABOP_dump_table,        GNTTABOP_map_grant_ref,
                                  GNTTABOP_unmap_grant_ref,   GNTTABOP_copy,
                                  GNTTABOP_unmap_and_replace, GNTTABOP_swap_grant_ref};
    uint32_t words[32];
    uint64_t address;

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        words[i] = pick_word(a);
    address = args_put(a, 0, words, sizeof(words));
    if (pick_one_in(a, 3)) /* ends where nothing is mapped */
        address = slot_va(SLOT_TRY) - pick(a, 128);
    call(a, __HYPERVISOR_grant_table_op, ops[pick(a, sizeof(ops))], address,
         pick_one_in(a, 4) ? pick_word(a) : pick(a, 4), 0, 0);
}

const struct operation grant_map_operations[] = {
    {"map grants", GROUP_GRANT, 14, false, map},
    {"use mapped grant", GROUP_GRANT, 8, false, use},
    {"unmap grants", GROUP_GRANT, 8, false, unmap},
    {"unmap and replace", GROUP_GRANT, 3, false, unmap_and_replace},
    {"grant copy", GROUP_GRANT, 8, false, copy},
    {"cache flush", GROUP_GRANT, 2, false, cache_flush},
    {"other grant operations", GROUP_GRANT, 2, false, other},
    {0},
};
