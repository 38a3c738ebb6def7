/* SPDX-License-Identifier: MIT */
/* Rules of domains: references, pauses, reasons to stop, what a dying one has given up. */
#include "check.h"

#include <kr/cpu.h>
#include <kr/domain.h>

#include <stdatomic.h>

#include "../../core/control/control.h"
#include "../../core/domain_internal.h"
#include "../../core/event_internal.h"
#include "../../core/grant_internal.h"

#define IDS_KEPT 256

struct domain *check_domain[CHECK_DOMAINS_MAX];
unsigned check_domain_count;

/* Ids that have been seen in use: a domain without references is not found in any other way. */
static uint16_t ids[IDS_KEPT];
static unsigned id_count;

/* ---- finding them -----------------------------------------------------------------------------
 */

static void id_keep(uint16_t id)
{
    unsigned at = 0;

    while (at < id_count && ids[at] != id)
        at++;
    if (at == id_count && id_count < IDS_KEPT)
        ids[id_count++] = id;
}

static void ids_keep_living(void)
{
    struct domain *d;

    for (unsigned id = 0; (d = domain_get_next(id)) != NULL; id = d->id + 1, domain_put(d))
        id_keep(d->id);
}

static void domain_add(struct domain *d)
{
    unsigned at = check_domain_count++;

    for (; at > 0 && check_domain[at - 1]->id > d->id; at--)
        check_domain[at] = check_domain[at - 1];
    check_domain[at] = d;
}

void check_domains_find(void)
{
    unsigned kept = 0;

    check_domain_count = 0;
    ids_keep_living();
    for (unsigned i = 0; i < id_count; i++) {
        if (domain_free_id(ids[i]) == ids[i])
            continue;
        ids[kept++] = ids[i];
        if (check_domain_count < CHECK_DOMAINS_MAX)
            domain_add(container_of(domain_memory_of(ids[i]), struct domain, memory));
    }
    id_count = kept;
}

/* ---- one domain -------------------------------------------------------------------------------
 */

/* Nothing keeps a reference while no hypercall runs but the domain's life, mappings of its grants
 * and, once it is destroyed, frames of its memory that others map. */
static void check_references(struct domain *d)
{
    uint32_t mappings = check_grant_mappings_of(d);
    bool is_alive = d->destroy_step < DOMAIN_DESTROY_STEPS;

    bool has_lent = d->shared_info && d->memory.is_awaited;

    RULE("domain references", d->refs == is_alive + mappings + has_lent,
         "d%u has %u references; %s, %u mappings of its grants, frames lent %u", d->id, d->refs,
         is_alive ? "alive" : "destroyed", mappings, has_lent);
}

static void check_life(struct domain *d)
{
    bool is_begun = d->destroy_step > 0;
    uint32_t pauses = d->control_pause_count + is_begun;

    RULE("domain dying", d->memory.dying == d->is_dying, "d%u: dying %u, its memory %u", d->id,
         d->is_dying, d->memory.dying);
    RULE("domain dying", d->is_dying == is_begun, "d%u: dying %u, destruction at step %u", d->id,
         d->is_dying, d->destroy_step);
    RULE("domain pauses", d->pause_count == pauses, "d%u: pause count %u, tools %u, destruction %u",
         d->id, d->pause_count, d->control_pause_count, is_begun);
    RULE("domain owner", d->memory.owner == d->id, "d%u: frames would belong to d%u", d->id,
         d->memory.owner);
    RULE("domain locks", !spin_is_locked(&d->lock) && !spin_is_locked(&d->memory.lock),
         "d%u: a lock is held", d->id);
}

/* What the steps of domain_destroy() have done so far, in their order. */
static void check_dying(struct domain *d)
{
    const struct grant_table *gt = d->grants;
    unsigned step = d->destroy_step;
    struct vcpu *v;
    unsigned i;

    for (i = 0; i < WATCHDOG_COUNT && step >= 1; i++)
        RULE("dying domain", !timer_is_set(&d->watchdogs[i].timer), "d%u: watchdog %u runs", d->id,
             i);
    if (step >= 2)
        RULE("dying domain", d->events.used_count == 0 && d->events.is_closed && !d->events.fifo,
             "d%u: %u ports, closed %u, fifo %u", d->id, d->events.used_count, d->events.is_closed,
             d->events.fifo != NULL);
    if (step >= 3 && gt)
        RULE("dying domain", gt->is_dead && grant_mapping_count(gt) == 0,
             "d%u: grant table dead %u, %u mappings", d->id, gt->is_dead, grant_mapping_count(gt));
    domain_for_each_vcpu(d, v, i)
    {
        if (step >= 4)
            RULE("dying domain", v->info_mfn == MFN_INVALID && !v->events.fifo,
                 "d%uv%u keeps a frame of its guest", d->id, i);
    }
    if (step >= 6)
        RULE("dying domain", domain_memory_first(&d->memory) == PAGE_NONE,
             "d%u has frames after they were taken from it", d->id);
    RULE("dying domain", d->memory.is_awaited <= (step == DOMAIN_DESTROY_STEPS),
         "d%u awaits its last frame at step %u", d->id, step);
}

static void check_dead(struct domain *d)
{
    RULE("dead domain", d->destroy_step == DOMAIN_DESTROY_STEPS,
         "d%u: no reference, but at step %u", d->id, d->destroy_step);
    RULE("dead domain", !d->shared_info && !d->vcpus && !d->grants && !d->events.groups,
         "d%u: no reference, but not taken apart", d->id);
    RULE("dead domain", d->memory.is_awaited && d->memory.dying_count > 0,
         "d%u: no reference, awaited %u, %lu frames lent, but still there", d->id,
         d->memory.is_awaited, d->memory.dying_count);
}

/* After the clean-up there is dom0, and what dom0 cannot or will not let go of: mappings of grants
 * and frames that its page tables show. */
static void check_left(struct domain *d)
{
    RULE("clean-up", d->destroy_step == DOMAIN_DESTROY_STEPS,
         "d%u is left: %u references, destruction at step %u, %lu frames", d->id, d->refs,
         d->destroy_step, d->memory.page_count);
    RULE("clean-up", d->refs > 0 || !domain_memory_is_empty(&d->memory),
         "d%u is left without references and frames", d->id);
}

/* ---- vCPUs ------------------------------------------------------------------------------------
 */

static void check_stop_bit(const struct vcpu *v, uint32_t bit, bool wanted, const char *why)
{
    uint32_t stop = atomic_load(&v->sched.stop);

    RULE("reasons to stop", !(stop & bit) == !wanted, "d%uv%u: stop %#x, but %s %u", v->domain->id,
         v->id, stop, why, wanted);
}

static void check_vcpu(struct domain *d, struct vcpu *v, unsigned id)
{
    RULE("vcpu", v->domain == d && v->id == id, "d%uv%u is said to be d%uv%u", d->id, id,
         v->domain->id, v->id);
    check_stop_bit(v, VCPU_STOP_DOMAIN, d->pause_count > 0, "domain paused");
    check_stop_bit(v, VCPU_STOP_SHUTDOWN, d->is_shutdown, "domain shut down");
    check_stop_bit(v, VCPU_STOP_PAUSED, v->pause_count > 0, "vCPU paused");
    RULE("vcpu", v->is_initialised || (v->sched.stop & VCPU_STOP_DOWN),
         "d%uv%u is up without a context", d->id, id);
    RULE("vcpu", !v->context_busy, "d%uv%u: context busy for ever", d->id, id);
    RULE("vcpu", v->info, "d%uv%u has no vcpu_info", d->id, id);
}

static void check_domain_vcpus(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(d, v, i) check_vcpu(d, v, i);
}

void check_domains(bool is_last)
{
    for (unsigned i = 0; i < check_domain_count; i++) {
        struct domain *d = check_domain[i];

        check_references(d);
        check_life(d);
        check_dying(d);
        if (d->refs == 0)
            check_dead(d);
        check_domain_vcpus(d);
        if (is_last && d != control_domain)
            check_left(d);
    }
    RULE("control lock", control_enter(), "is held");
    control_leave();
}
