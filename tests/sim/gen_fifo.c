/* SPDX-License-Identifier: MIT */
/* The FIFO event layout is set up and extended; and guests that write nonsense into it. */
#include "gen.h"

#include <kr/errno.h>

#include <xen/xen.h>

#include <xen/event_channel.h>

#include <string.h>

#define MASKED BIT(EVTCHN_FIFO_MASKED)

/* Some page for this purpose; kernels give a clean one. 0: none is left. */
static uint64_t page_prepare(struct actor *a, uint32_t word)
{
    uint32_t words[FIFO_PAGE_EVENTS];
    uint64_t pfn = page_take(a, USE_SHARED);

    if (!pfn)
        return 0;
    for (unsigned i = 0; i < FIFO_PAGE_EVENTS; i++)
        words[i] = word;
    if (pick_one_in(a, 12))
        a->model->scribbles = true;
    else
        sim_guest_write(a->guest, sim_page_va(pfn), words, sizeof(words));
    return pfn;
}

static void page_drop(struct actor *a, uint64_t pfn)
{
    a->model->memory.use[pfn] = USE_PLAIN;
}

/* The first event may come before the call returns: the guest's half has to know by then. */
static long control_set(struct actor *a, unsigned vcpu, uint64_t pfn, uint32_t offset)
{
    struct evtchn_init_control op = {
        .control_gfn = own_frame(a, pfn), .offset = offset, .vcpu = vcpu};
    struct fifo_model *f = &a->model->fifo;
    bool is_first = vcpu < SIM_VCPU_MAX && f->control_va[vcpu] == 0;
    uint64_t va = sim_page_va(pfn) + offset;
    long rc;

    if (is_first) {
        f->control_va[vcpu] = va;
        f->control_frame[vcpu] = op.control_gfn;
        memset(f->head[vcpu], 0, sizeof(f->head[vcpu]));
    }
    rc = event_op(a, EVTCHNOP_init_control, &op, sizeof(op));
    if (rc != 0 && is_first && f->control_va[vcpu] == va)
        f->control_va[vcpu] = 0;
    /* Done, perhaps, and not told; or another vCPU was at it as well. */
    if (rc == -EFAULT || (rc == 0 && vcpu < SIM_VCPU_MAX && f->control_va[vcpu] != va))
        a->model->scribbles = true;
    return rc;
}

/* One vCPU at a time: pages are counted by order. */
static long array_extend(struct actor *a)
{
    struct fifo_model *f = &a->model->fifo;
    bool may_grow = !f->is_growing && f->array_count < FIFO_PAGES_MAX;
    uint64_t pfn = may_grow ? page_prepare(a, pick_one_in(a, 2) ? MASKED : 0) : 0;
    struct evtchn_expand_array op = {.array_gfn = own_frame(a, pfn)};
    long rc;

    if (!pfn)
        return -ENOMEM;
    if (pick_one_in(a, 16)) { /* a page that is in use as something else */
        op.array_gfn = pick_frame(a);
        a->model->scribbles = true;
    }
    f->is_growing = true;
    f->array_frame[f->array_count] = op.array_gfn;
    f->array_pfn[f->array_count++] = pfn;
    rc = event_op(a, EVTCHNOP_expand_array, &op, sizeof(op));
    f->is_growing = false;
    if (rc != 0 && f->array_count > 0)
        f->array_count--;
    if (rc != 0)
        page_drop(a, pfn);
    return rc;
}

/* As a kernel does at its start: a control block for every vCPU, some in one page, and an array. */
static void enter(struct actor *a)
{
    uint64_t pfn = page_prepare(a, 0);
    bool any = false, is_used = false;

    for (unsigned i = 0; pfn && i < a->domain->vcpu_max; i++) {
        is_used |= control_set(a, i, pfn, 128 * i) == 0;
        any |= is_used;
        if (is_used && pick_one_in(a, 3)) {
            pfn = page_prepare(a, 0);
            is_used = false;
        }
    }
    if (pfn && !is_used)
        page_drop(a, pfn);
    if (any && !pick_one_in(a, 6))
        array_extend(a);
}

static void init_control(struct actor *a)
{
    uint32_t offset = pick_one_in(a, 4) ? pick(a, PAGE_SIZE + 8) : 8 * pick(a, 500);
    uint64_t pfn = page_prepare(a, 0);

    if (pfn && control_set(a, pick_vcpu(a), pfn, offset) != 0)
        page_drop(a, pfn);
}

static void expand_array(struct actor *a)
{
    array_extend(a);
}

/* Anything may be in memory that the guest owns. */
static void scribble_events(struct actor *a)
{
    for (unsigned i = pick_range(a, 1, 8); i > 0; i--) {
        uint32_t port = pick_one_in(a, 3) ? pick(a, 300) : pick_port(a);
        uint32_t *word = fifo_word(a, port);

        if (!word)
            return;
        *word = pick_one_in(a, 2) ? (uint32_t)pick_word(a)
                                  : (uint32_t)pick(a, 16) << 28 | (uint32_t)pick(a, 200);
        trace_note(a, "scribbles on an event word", port, *word, 0);
    }
}

static void scribble_control(struct actor *a)
{
    uint64_t va = a->model->fifo.control_va[pick(a, SIM_VCPU_MAX)];
    uint32_t *block = va ? sim_guest_word(a->guest, va) : NULL;

    if (!block)
        return;
    for (unsigned i = pick_range(a, 1, 6); i > 0; i--)
        block[pick(a, 18)] = pick_one_in(a, 2) ? (uint32_t)pick_word(a) : (uint32_t)pick(a, 200);
    trace_note(a, "scribbles on a control block", va, 0, 0);
}

const struct operation fifo_operations[] = {
    {"FIFO enter", GROUP_FIFO, 24, false, enter},
    {"init_control", GROUP_FIFO, 2, false, init_control},
    {"expand_array", GROUP_FIFO, 2, false, expand_array},
    {"scribble events", GROUP_SCRIBBLE, 2, false, scribble_events},
    {"scribble control block", GROUP_SCRIBBLE, 1, false, scribble_control},
    {0},
};
