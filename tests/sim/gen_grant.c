/* SPDX-License-Identifier: MIT */
/*
 * Grant tables, the granting side: a guest maps its table at SLOT_GRANT_TABLE (memory_model.h), as
 * Linux does, fills in entries for others, changes them at any time and takes them back.
 * The mapping side is in gen_grant_map.c.
 */
#include "gen_grant.h"

#include <kr/errno.h>
#include <kr/page.h>
#include <x86/pte.h>

#include <string.h>

#define REFS_USED     48 /* few, so that they meet */
#define SETUP_TRIES   4
#define RESERVED_REFS GNTTAB_NR_RESERVED_ENTRIES

/* ---- the table --------------------------------------------------------------------------------
 */

static void frames_map(struct actor *a, unsigned first_slot, const xen_pfn_t *list, unsigned count,
                       uint64_t flags)
{
    for (unsigned i = 0; i < count; i++)
        va_map(a, slot_va(first_slot + i), pte_make(list[i], flags));
}

static void status_map(struct actor *a, unsigned frames)
{
    unsigned count = MIN(DIV_ROUND_UP(frames, 8), GRANT_STATUS_SLOTS);
    struct gnttab_get_status_frames op = {.nr_frames = count, .dom = DOMID_SELF};
    xen_pfn_t list[GRANT_STATUS_SLOTS] = {0};

    op.frame_list.p = (void *)args_put(a, 1, list, sizeof(list));
    if (grant_call(a, GNTTABOP_get_status_frames, &op, sizeof(op), 1) != 0 || op.status != 0 ||
        !args_get(a, 1, list, sizeof(list)))
        return;
    frames_map(a, SLOT_GRANT_STATUS, list, count, PTE_P | PTE_US | PTE_RW);
    a->model->memory.status_frames = count;
}

static unsigned version_ask(struct actor *a)
{
    struct gnttab_get_version op = {.dom = DOMID_SELF};

    if (grant_call(a, GNTTABOP_get_version, &op, sizeof(op), 1) == 0 && op.version <= 2)
        a->model->grant_version = op.version;
    return a->model->grant_version;
}

void grant_setup(struct actor *a)
{
    unsigned count = pick_range(a, 1, pick_one_in(a, 4) ? GRANT_TABLE_SLOTS : 2);
    struct gnttab_setup_table op = {.dom = DOMID_SELF, .nr_frames = count};
    xen_pfn_t list[GRANT_TABLE_SLOTS] = {0};

    op.frame_list.p = (void *)args_put(a, 1, list, sizeof(list));
    if (grant_call(a, GNTTABOP_setup_table, &op, sizeof(op), 1) != 0)
        return;
    trace_note(a, "setup grant table", count, 0, op.status);
    if (op.status != GNTST_okay || !args_get(a, 1, list, sizeof(list)))
        return;
    frames_map(a, SLOT_GRANT_TABLE, list, count, PTE_P | PTE_US | PTE_RW);
    a->model->memory.grant_frames = MAX(a->model->memory.grant_frames, count);
    a->model->grant_table_pfn = SLOT_GRANT_TABLE;
    if (version_ask(a) == 2)
        status_map(a, count);
}

/* The entries for console and store may stay; what else there was is forgotten. */
static void version_set(struct actor *a)
{
    struct gnttab_set_version op = {.version = pick_one_in(a, 8) ? pick(a, 5) : 1 + pick(a, 2)};
    struct memory_model *m = &a->model->memory;
    unsigned before = a->model->grant_version;
    long rc = grant_call(a, GNTTABOP_set_version, &op, sizeof(op), 1);

    trace_note(a, "set grant version", before, op.version, rc);
    if (rc != 0 || op.version == before)
        return;
    a->model->grant_version = op.version;
    for (unsigned i = 0; i < GRANTS_OUT_MAX; i++)
        if (m->out[i].ref >= RESERVED_REFS)
            m->out[i].ref = 0;
    for (unsigned i = 0; i < PAGES_AWAITED_MAX; i++)
        m->awaited[i].ref = 0;
    if (op.version == 2 && m->grant_frames)
        status_map(a, m->grant_frames);
}

static void ask(struct actor *a)
{
    uint16_t id = pick_one_in(a, 3) ? DOMID_SELF : pick_domain(a);
    struct gnttab_query_size size = {.dom = id};
    struct gnttab_get_version version = {.dom = id};
    struct gnttab_setup_table table = {.dom = id, .nr_frames = pick(a, 3)};
    struct gnttab_get_status_frames status = {.dom = id, .nr_frames = pick(a, 3)};
    unsigned count = pick_one_in(a, 16) ? pick(a, 3) : 1;

    table.frame_list.p = status.frame_list.p = (void *)args_put(a, 2, &size, sizeof(size));
    switch (pick(a, 4)) {
    case 0: grant_call(a, GNTTABOP_query_size, &size, sizeof(size), count); break;
    case 1: grant_call(a, GNTTABOP_get_version, &version, sizeof(version), count); break;
    case 2: grant_call(a, GNTTABOP_setup_table, &table, sizeof(table), count); break;
    default: grant_call(a, GNTTABOP_get_status_frames, &status, sizeof(status), count); break;
    }
}

/* ---- entries ----------------------------------------------------------------------------------
 */

uint64_t grant_entry_va(struct actor *a, uint32_t ref)
{
    return slot_va(SLOT_GRANT_TABLE) + ref * (a->model->grant_version == 2 ? 16UL : 8UL);
}

uint32_t grant_ref_choose(struct actor *a)
{
    unsigned per_frame = a->model->grant_version == 2 ? 256 : 512;
    unsigned count = MAX(a->model->memory.grant_frames, 1U) * per_frame;

    if (pick_one_in(a, 8))
        return pick(a, count);
    return RESERVED_REFS + pick(a, REFS_USED);
}

/* The frame first, flags and domain in one store at last. */
bool grant_entry_write(struct actor *a, uint32_t ref, uint16_t flags, uint16_t to, uint64_t frame)
{
    uint64_t va = grant_entry_va(a, ref);
    uint32_t header = (uint32_t)to << 16 | flags, frame32 = frame;

    if (a->model->grant_version == 2)
        return sim_guest_write(a->guest, va + 8, &frame, sizeof(frame)) &&
               sim_guest_write(a->guest, va, &header, sizeof(header));
    return sim_guest_write(a->guest, va + 4, &frame32, sizeof(frame32)) &&
           sim_guest_write(a->guest, va, &header, sizeof(header));
}

static struct grant_out *out_place(struct actor *a, bool is_used)
{
    struct memory_model *m = &a->model->memory;
    unsigned at = pick(a, GRANTS_OUT_MAX);

    for (unsigned i = 0; i < GRANTS_OUT_MAX; i++) {
        struct grant_out *o = &m->out[(at + i) % GRANTS_OUT_MAX];

        if ((o->ref != 0) == is_used)
            return o;
    }
    return NULL;
}

bool grant_ref_is_used(struct actor *a, uint32_t ref)
{
    for (unsigned i = 0; i < GRANTS_OUT_MAX; i++)
        if (a->model->memory.out[i].ref == ref)
            return true;
    for (unsigned i = 0; i < PAGES_AWAITED_MAX; i++)
        if (a->model->memory.awaited[i].ref == ref)
            return true;
    return false;
}

/* Part of a page: between the header and the frame. */
static uint16_t part_write(struct actor *a, uint32_t ref)
{
    uint16_t part[2] = {pick(a, PAGE_SIZE), pick(a, PAGE_SIZE)};

    if (a->model->grant_version != 2 || !pick_one_in(a, 4))
        return 0;
    if (!pick_one_in(a, 4))
        part[1] = pick(a, PAGE_SIZE - part[0] + 1);
    sim_guest_write(a->guest, grant_entry_va(a, ref) + 4, part, sizeof(part));
    return GTF_sub_page;
}

static uint16_t grantee_choose(struct actor *a)
{
    uint16_t id = pick_other_domain(a);

    if (pick_one_in(a, 6) || id == DOMAIN_ID_INVALID)
        return a->domain->id;
    return pick_one_in(a, 24) ? pick_domain(a) : id;
}

static void give(struct actor *a)
{
    struct grant_out *o = out_place(a, false);
    uint16_t to = grantee_choose(a), flags = GTF_permit_access;
    uint32_t ref = grant_ref_choose(a);
    uint64_t pfn;

    if (a->model->memory.grant_frames == 0)
        grant_setup(a);
    if (!o || a->model->memory.grant_frames == 0 || grant_ref_is_used(a, ref))
        return;
    pfn = page_find(a, pick_one_in(a, 4) ? USE_LENT : USE_PLAIN);
    flags |= pick_one_in(a, 3) ? GTF_readonly : 0;
    flags |= part_write(a, ref);
    if (pfn == 0 || !grant_entry_write(a, ref, flags, to, own_frame(a, pfn)))
        return;
    a->model->memory.use[pfn] = USE_LENT;
    *o = (struct grant_out){.ref = ref, .to = to, .is_readonly = flags & GTF_readonly, .pfn = pfn};
    pool_add(&a->model->grefs, ref);
    trace_note(a, "grant", ref, to, flags);
}

/* What others grant to it, for a third one to copy (version 2). */
static void give_on(struct actor *a)
{
    struct grant_out *o = out_place(a, false);
    uint32_t ref = grant_ref_choose(a), header = GTF_transitive, lender_ref;
    uint16_t lender = 0, to = grantee_choose(a);
    const struct grant_out *theirs = grant_find(a, &lender);

    if (!o || !theirs || a->model->grant_version != 2 || a->model->memory.grant_frames == 0 ||
        grant_ref_is_used(a, ref))
        return;
    lender_ref = pick_one_in(a, 12) ? pick_word(a) : theirs->ref;
    lender = pick_one_in(a, 12) ? pick_domain(a) : lender;
    header |= (pick_one_in(a, 4) ? GTF_readonly : 0) | (uint32_t)to << 16;
    if (!sim_guest_write(a->guest, grant_entry_va(a, ref) + 4, &lender, sizeof(lender)) ||
        !sim_guest_write(a->guest, grant_entry_va(a, ref) + 8, &lender_ref, sizeof(lender_ref)) ||
        !sim_guest_write(a->guest, grant_entry_va(a, ref), &header, sizeof(header)))
        return;
    *o = (struct grant_out){.ref = ref, .to = to, .is_readonly = header & GTF_readonly};
    trace_note(a, "grant on", ref, to, lender);
}

/* Used or not. */
static void change(struct actor *a)
{
    struct grant_out *o = out_place(a, true);
    uint16_t flags = GTF_permit_access;
    uint64_t frame;

    if (!o || !is_reckless(a))
        return;
    a->model->overwrites_grants = a->model->scribbles = true;
    frame = pick_one_in(a, 2) ? own_frame(a, o->pfn) : pick_frame(a);
    switch (pick(a, 5)) {
    case 0: flags = GTF_accept_transfer; break;
    case 1: flags = GTF_transitive; break;
    case 2: flags |= GTF_readonly; break;
    case 3: flags = pick_word(a); break;
    default: o->to = grantee_choose(a); break;
    }
    grant_entry_write(a, o->ref, flags, o->to, frame);
    o->is_readonly = flags & GTF_readonly;
}

/* The same page for somebody else, whoever uses it now: the entry's second half of the header. */
static void readdress(struct actor *a)
{
    struct grant_out *o = out_place(a, true);
    uint16_t to = grantee_choose(a);

    if (!o || o->pfn == 0 || !is_reckless(a))
        return;
    a->model->overwrites_grants = a->model->scribbles = true;
    sim_guest_write(a->guest, grant_entry_va(a, o->ref) + sizeof(uint16_t), &to, sizeof(to));
    o->to = to;
    trace_note(a, "grant to another", o->ref, to, 0);
}

/* As Linux: version 1 by compare-and-exchange as long as nobody uses it; version 2 clears the flags
 * and looks at the status then. Nobody else runs while a guest's code does. */
static bool entry_end(struct actor *a, uint32_t ref)
{
    uint16_t flags = 0, none = 0;

    if (a->model->grant_version == 2) {
        sim_guest_write(a->guest, grant_entry_va(a, ref), &none, sizeof(none));
        return sim_guest_read(a->guest, slot_va(SLOT_GRANT_STATUS) + ref * sizeof(flags), &flags,
                              sizeof(flags)) &&
               !(flags & (GTF_reading | GTF_writing));
    }
    if (!sim_guest_read(a->guest, grant_entry_va(a, ref), &flags, sizeof(flags)) ||
        (flags & (GTF_reading | GTF_writing)))
        return false;
    return sim_guest_write(a->guest, grant_entry_va(a, ref), &none, sizeof(none));
}

static void end(struct actor *a)
{
    struct grant_out *o = out_place(a, true);
    bool done;

    if (!o)
        return;
    done = entry_end(a, o->ref);
    trace_note(a, done ? "grant ended" : "grant still in use", o->ref, o->to, 0);
    if (!done)
        return;
    pool_remove(&a->model->grefs, o->ref);
    if (o->pfn != 0 && a->model->memory.use[o->pfn] == USE_LENT)
        a->model->memory.use[o->pfn] = USE_PLAIN;
    o->ref = 0;
}

static void swap(struct actor *a)
{
    struct grant_out *x = out_place(a, true), *y = out_place(a, true);
    struct gnttab_swap_grant_ref op = {0};

    if (!x || !y)
        return;
    op.ref_a = pick_one_in(a, 8) ? pick_word(a) : x->ref;
    op.ref_b = pick_one_in(a, 8) ? grant_ref_choose(a) : y->ref;
    if (grant_call(a, GNTTABOP_swap_grant_ref, &op, sizeof(op), 1) != 0)
        return;
    trace_note(a, "swap grants", op.ref_a, op.ref_b, op.status);
    if (op.status == GNTST_okay && op.ref_a == x->ref && op.ref_b == y->ref) {
        x->ref = op.ref_b;
        y->ref = op.ref_a;
    }
}

/* Anything, anywhere in the table. */
static void scribble(struct actor *a)
{
    uint64_t value = pick_word(a);

    if (a->model->memory.grant_frames)
        sim_guest_write(a->guest, slot_va(SLOT_GRANT_TABLE) + pick(a, REFS_USED) * 8, &value,
                        sizeof(value));
}

const struct operation grant_operations[] = {
    {"set up grant table", GROUP_GRANT, 3, false, grant_setup},
    {"set grant version", GROUP_GRANT, 2, false, version_set},
    {"ask about grant table", GROUP_GRANT, 2, false, ask},
    {"grant", GROUP_GRANT, 16, false, give},
    {"grant on", GROUP_GRANT, 4, false, give_on},
    {"change grant", GROUP_GRANT, 2, false, change},
    {"grant to another", GROUP_GRANT, 3, false, readdress},
    {"end grant", GROUP_GRANT, 5, false, end},
    {"swap grants", GROUP_GRANT, 2, false, swap},
    {"scribble on grants", GROUP_SCRIBBLE, 1, false, scribble},
    {0},
};
