/* SPDX-License-Identifier: MIT */
/* A hypercall with each of its allocations failed in turn (faults.h). */
#include "faults.h"
#include "run.h"
#include "snapshot.h"

#include <kr/errno.h>

#include <xen/grant_table.h>
#include <xen/domctl.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/xen.h>

#include <stdio.h>
#include <string.h>

#define ARGS_BYTES   (2 * PAGE_SIZE)
#define FAILURES_MAX 200 /* allocations of one call: far more than any should make */
#define LEFT_OUT     3

static struct faults_count own_count;
struct faults_count *faults_count = &own_count;

static struct {
    const struct actor *actor; /* whose call is being tried; NULL: none */
    const struct vcpu *vcpu;   /* its */
    struct snapshot *wanted;   /* to be taken when the machine stands still */
    bool is_disturbed;         /* something else has run since the snapshot `before` */
    bool is_comparable;        /* nothing had when `after` was taken */
    uint64_t failed_before;    /* failures before this call */
} now;
static struct snapshot before, after;
static uint64_t left_out[LEFT_OUT];

extern const struct run_options *run_options_now;

void faults_reset(void)
{
    memset(&now, 0, sizeof(now));
}

/* One CPU: what a call does is all that happens. */
void faults_config(struct sim_config *c)
{
    c->cpu_count = 1;
    c->interleave_mean = 0;
    c->late_one_in = 0;
    c->ram_count = c->node_count = 1;
    c->ram[0] = (struct sim_ram_range){0, 64 * MIB, 0};
    if (!run_options_now->script)
        return;
    c->device_count = 4;
    c->dom0_vcpus = 3;
    c->dom0_pages = 128;
}

/* A call that makes its caller wait, or ends it, is not tried to its end. */
bool faults_is_busy(void)
{
    if (now.actor && now.vcpu->sched.stop) {
        now.actor = NULL;
        alloc_fail_after(0, false);
    }
    return now.actor != NULL;
}

void faults_give_way(struct actor *a)
{
    const uint64_t args[6] = {SCHEDOP_yield};

    sim_hypercall(a->guest, __HYPERVISOR_sched_op, args);
}

bool faults_is_scripted(void)
{
    return run_options_now->is_faults && run_options_now->script;
}

void faults_note_entry(const struct actor *a)
{
    now.is_disturbed = true;
}

/* ---- looking at the machine -------------------------------------------------------------------
 */

void faults_look(void)
{
    if (now.actor && now.actor->domain->is_shutdown && alloc_failed_count() != now.failed_before)
        rule_broken("no memory", "domain %u ended because an allocation failed",
                    now.actor->domain->id);
    if (!now.wanted)
        return;
    snapshot_take(now.wanted);
    now.is_disturbed &= now.wanted == &after;
    now.is_comparable = !now.is_disturbed && sim_time_ns() < before.next_timer_ns;
    now.wanted = NULL;
}

/* What this code writes itself is not looked at: its arguments and its stack. */
static void look(struct actor *a, struct snapshot *s)
{
    unsigned vcpu = a->vcpu->id % SIM_VCPU_MAX;

    left_out[0] = own_frame(a, SIM_PFN_ARGS + 2 * vcpu);
    left_out[1] = own_frame(a, SIM_PFN_ARGS + 2 * vcpu + 1);
    left_out[2] = own_frame(a, SIM_PFN_STACK + vcpu);
    s->left_out = left_out;
    s->left_out_count = LEFT_OUT;
    now.wanted = s;
    sim_progress();
    sim_pause_request();
    while (now.wanted)
        sim_guest_pause(a->guest);
}

/* ---- what a call says it did ------------------------------------------------------------------
 * With an allocation that failed. Most say it by a negative errno, and then nothing has happened.
 *
 *   memory_op: increase, populate   so many extents were done; the rest is asked for again
 *   domctl max_vcpus                vCPUs that were made stay; the rest is asked for again
 *   domctl createdomain             the table of ids keeps the part that was made for this one
 *   grant_table_op, one entry       its status; a chunk of handles for mappings stays, and in a
 *                                   copy the part of the first table that counts its uses
 *   lists with more than one entry  (grant_table_op, mmu_update, mmuext_op, multicall, exchange):
 *                                   those before the one that failed are done; not compared here,
 *                                   but by scripts of their own (faults_script_lists.c)
 */

enum outcome { DONE, FAILED, FAILED_BATCH, PARTLY };

#define STATUS(type) (offsetof(struct type, status) + 1)
static const size_t grant_status_offset[] = {
    [GNTTABOP_map_grant_ref] = STATUS(gnttab_map_grant_ref),
    [GNTTABOP_unmap_grant_ref] = STATUS(gnttab_unmap_grant_ref),
    [GNTTABOP_setup_table] = STATUS(gnttab_setup_table),
    [GNTTABOP_transfer] = STATUS(gnttab_transfer),
    [GNTTABOP_copy] = STATUS(gnttab_copy),
    [GNTTABOP_query_size] = STATUS(gnttab_query_size),
    [GNTTABOP_unmap_and_replace] = STATUS(gnttab_unmap_and_replace),
    [GNTTABOP_get_status_frames] = STATUS(gnttab_get_status_frames),
    [GNTTABOP_swap_grant_ref] = STATUS(gnttab_swap_grant_ref),
};

static bool grant_has_failed(struct actor *a, const uint64_t args[6])
{
    int16_t status = 0;

    if (args[0] < ARRAY_SIZE(grant_status_offset) && grant_status_offset[args[0]])
        sim_guest_read(a->guest, args[1] + grant_status_offset[args[0]] - 1, &status,
                       sizeof(status));
    return status < 0;
}

static bool is_extent_list(unsigned nr, const uint64_t args[6])
{
    return nr == __HYPERVISOR_memory_op &&
           (args[0] == XENMEM_populate_physmap || args[0] == XENMEM_increase_reservation);
}

static bool is_batch(struct actor *a, unsigned nr, const uint64_t args[6])
{
    struct xen_memory_exchange x = {0};

    switch (nr) {
    case __HYPERVISOR_multicall: return true;
    case __HYPERVISOR_mmu_update:
    case __HYPERVISOR_mmuext_op: return args[1] != 1;
    case __HYPERVISOR_grant_table_op: return args[2] != 1;
    case __HYPERVISOR_memory_op:
        if (args[0] != XENMEM_exchange)
            return false;
        return sim_guest_read(a->guest, args[1], &x, sizeof(x)) && x.nr_exchanged != 0;
    default: return false;
    }
}

static enum outcome outcome_of(struct actor *a, unsigned nr, const uint64_t args[6], long result)
{
    struct xen_memory_reservation r;

    if (is_batch(a, nr, args))
        return FAILED_BATCH;
    if (result < 0)
        return FAILED;
    if (nr == __HYPERVISOR_grant_table_op)
        return grant_has_failed(a, args) ? FAILED : DONE;
    if (is_extent_list(nr, args) && sim_guest_read(a->guest, args[1], &r, sizeof(r)) &&
        (uint64_t)result < r.nr_extents)
        return result == 0 ? FAILED : PARTLY;
    return DONE;
}

/* ---- trying -----------------------------------------------------------------------------------
 */

struct trial {
    struct actor *a;
    unsigned nr;
    const uint64_t *args;
    uint8_t kept[ARGS_BYTES];            /* the pages of arguments as they were */
    long done;                           /* extents that earlier trials have got */
    struct xen_memory_reservation asked; /* then: what the caller had asked for */
    uint64_t n;                          /* which allocation fails */
    bool keeps_failing;
};

static void arguments_keep(struct trial *t)
{
    sim_guest_read(t->a->guest, args_page(t->a), t->kept, ARGS_BYTES);
}

static void arguments_put_back(const struct trial *t)
{
    sim_guest_write(t->a->guest, args_page(t->a), t->kept, ARGS_BYTES);
}

static bool read_domctl(struct trial *t, struct xen_domctl *op)
{
    return t->nr == __HYPERVISOR_domctl && sim_guest_read(t->a->guest, t->args[0], op, sizeof(*op));
}

/* max_vcpus: did it get further? */
static bool has_made_vcpus(struct trial *t)
{
    struct xen_domctl op;

    return read_domctl(t, &op) && op.cmd == XEN_DOMCTL_max_vcpus &&
           snapshot_value(&after, "vCPUs", op.domain) > snapshot_value(&before, "vCPUs", op.domain);
}

/* A mapping: did it get a chunk of handles, and then no further? */
static bool has_made_handles(struct trial *t)
{
    uint16_t id = t->a->domain->id;

    return t->nr == __HYPERVISOR_grant_table_op && t->args[0] == GNTTABOP_map_grant_ref &&
           snapshot_value(&after, "mappings", id) == snapshot_value(&before, "mappings", id) &&
           snapshot_value(&after, "chunks of handles", id) >
               snapshot_value(&before, "chunks of handles", id);
}

/* A copy uses up to four grants: did one's table get a part to count that in, and another's none?
 */
static bool has_made_uses(struct trial *t)
{
    return t->nr == __HYPERVISOR_grant_table_op && t->args[0] == GNTTABOP_copy &&
           snapshot_value(&after, "heap bytes of all", 0) >
               snapshot_value(&before, "heap bytes of all", 0);
}

static void must_be_as_before(struct trial *t, long result)
{
    char text[300];

    look(t->a, &after);
    if (!now.is_comparable)
        return;
    if (has_made_vcpus(t) || has_made_handles(t)) {
        now.is_comparable = false;
        return;
    }
    if (has_made_uses(t)) {
        now.is_comparable = false;
        return;
    }
    faults_count->compared++;
    if (!snapshot_equals(&before, &after, text, sizeof(text)))
        rule_broken("no memory",
                    "hypercall %u (%#lx) of d%u, allocation %lu%s failed, result %ld: %s", t->nr,
                    t->args[0], t->a->domain->id, t->n, t->keeps_failing ? " and all after" : "",
                    result, text);
}

/* So many extents are there, no more and no less; the rest of the list remains. */
static void extents_done(struct trial *t, long count)
{
    struct xen_memory_reservation r;
    uint64_t got;
    uint16_t id;

    if (!sim_guest_read(t->a->guest, t->args[1], &r, sizeof(r)))
        return;
    if (t->done == 0)
        t->asked = r;
    id = r.domid == DOMID_SELF ? t->a->domain->id : r.domid;
    look(t->a, &after);
    got = snapshot_value(&after, "pages", id) - snapshot_value(&before, "pages", id);
    if (now.is_comparable && got != (uint64_t)count << r.extent_order)
        rule_broken("no memory", "memory_op says %ld extents of %lu, but they are %lu pages", count,
                    1UL << r.extent_order, got);
    faults_count->compared++;
    r.nr_extents -= count;
    if (r.extent_start.p)
        r.extent_start.p += count;
    sim_guest_write(t->a->guest, t->args[1], &r, sizeof(r));
    t->done += count;
    arguments_keep(t);
}

/* Once. True: nothing was made to fail, or nobody minded. */
static bool try_call(struct trial *t, long *result)
{
    enum outcome outcome;

    now.failed_before = alloc_failed_count();
    alloc_fail_after(t->n, t->keeps_failing);
    *result = sim_hypercall(t->a->guest, t->nr, t->args);
    if (now.actor == t->a)
        alloc_fail_after(0, false);
    if (now.actor != t->a) { /* it waited, and somebody else's call is being tried */
        now.is_disturbed = true;
        return true;
    }
    if (alloc_failed_count() == now.failed_before)
        return true;
    now.failed_before = alloc_failed_count();
    faults_count->failures++;
    outcome = outcome_of(t->a, t->nr, t->args, *result);
    if (outcome == DONE)
        faults_count->tolerated++;
    if (outcome == DONE || outcome == FAILED_BATCH)
        return true;
    if (outcome == PARTLY) {
        extents_done(t, *result);
        look(t->a, &before);
        t->n = 0;
        return false;
    }
    must_be_as_before(t, *result);
    if (has_made_vcpus(t))
        t->n = 0;
    arguments_put_back(t);
    if (!now.is_comparable || t->n == 0)
        look(t->a, &before);
    return false;
}

static long try_all(struct trial *t)
{
    long result = 0;

    for (t->n = 1; t->n < FAILURES_MAX; t->n++) {
        t->keeps_failing = false;
        if (try_call(t, &result))
            return result;
        if (t->n == 0)
            continue;
        t->keeps_failing = true;
        if (try_call(t, &result))
            return result;
    }
    rule_broken("no memory", "hypercall %u (%#lx) never ends", t->nr, t->args[0]);
}

long faults_call(struct actor *a, unsigned nr, const uint64_t args[6])
{
    struct trial t;
    uint64_t failures = faults_count->failures;
    long result;

    if (a->in_upcall || now.actor) {
        now.is_disturbed = true;
        return sim_hypercall(a->guest, nr, args);
    }
    now.actor = a;
    now.vcpu = a->vcpu;
    t = (struct trial){.a = a, .nr = nr, .args = args};
    arguments_keep(&t);
    look(a, &before);
    result = try_all(&t);
    if (t.done)
        sim_guest_write(a->guest, args[1], &t.asked, sizeof(t.asked));
    if (now.actor == a)
        now.actor = NULL;
    faults_count->calls++;
    if (faults_count->failures != failures) {
        faults_count->allocating++;
        faults_count->sites[nr % 64]++;
    }
    return result < 0 ? result : result + t.done;
}

/* ---- lists ------------------------------------------------------------------------------------
 */

long faults_list_call(struct actor *a, unsigned nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
    const uint64_t args[6] = {a0, a1, a2};
    long result = sim_hypercall(a->guest, nr, args);

    trace_call(a, nr, args, result);
    return result;
}

/* True: an allocation failed. */
static bool list_try(struct actor *a, const struct faults_list *list, uint64_t n)
{
    char text[300];

    look(a, &before);
    now.failed_before = alloc_failed_count();
    alloc_fail_after(n, true);
    list->make(a);
    alloc_fail_after(0, false);
    list->undo(a);
    if (alloc_failed_count() == now.failed_before)
        return false;
    now.failed_before = alloc_failed_count();
    faults_count->failures++;
    look(a, &after);
    if (!now.is_comparable)
        return true;
    faults_count->compared++;
    if (!snapshot_equals(&before, &after, text, sizeof(text)))
        rule_broken("no memory",
                    "%s, allocation %lu and all after failed: what was done was undone, but %s",
                    list->name, n, text);
    return true;
}

bool faults_list_try(struct actor *a, const struct faults_list *list)
{
    uint64_t compared = faults_count->compared, n = 1;

    now.actor = a;
    now.vcpu = a->vcpu;
    while (list_try(a, list, n))
        n++;
    now.actor = NULL;
    faults_count->calls++;
    faults_count->allocating++;
    return n > 1 && faults_count->compared != compared;
}
