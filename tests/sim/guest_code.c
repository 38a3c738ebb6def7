/* SPDX-License-Identifier: MIT */
/* What every vCPU executes: set-up, then one operation after the other, chosen by weight among the
 * groups that this run has on. */
#include "faults.h"
#include "gen.h"
#include "run.h"

#include <kr/cpu.h>
#include <sim/random.h>

#include <xen/callback.h>
#include <xen/xen.h>

#include <stdlib.h>
#include <string.h>

static struct actor actor_of(struct sim_guest *g)
{
    struct vcpu *v = sim_guest_vcpu(g);

    return (struct actor){.guest = g, .vcpu = v, .domain = v->domain, .model = model_of(v->domain)};
}

/* ---- set-up -----------------------------------------------------------------------------------
 */

static void traps_install(struct actor *a)
{
    struct trap_info table[SIM_TRAP_COUNT + 1] = {0};

    for (unsigned i = 0; i < SIM_TRAP_COUNT; i++)
        table[i] = (struct trap_info){.vector = i,
                                      .flags = i == 3 || i == 4 ? 3 : 0,
                                      .cs = 0xe033,
                                      .address = SIM_PC_TRAP(i)};
    call(a, __HYPERVISOR_set_trap_table, args_put(a, 0, table, sizeof(table)), 0, 0, 0, 0);
}

static void callback_install(struct actor *a, uint16_t type, uint64_t address)
{
    struct callback_register reg = {
        .type = type, .flags = CALLBACKF_mask_events, .address = address};

    call_struct(a, __HYPERVISOR_callback_op, CALLBACKOP_register, &reg, sizeof(reg));
}

void domain_set_up(struct actor *a)
{
    bool was_careful = a->is_careful;

    a->is_careful = true;
    if (!a->model->is_set_up)
        pages_learn(a);
    traps_install(a);
    callback_install(a, CALLBACKTYPE_event, SIM_PC_EVENT);
    callback_install(a, CALLBACKTYPE_failsafe, SIM_PC_FAILSAFE);
    callback_install(a, CALLBACKTYPE_syscall, SIM_PC_USER_SYSCALL);
    callback_install(a, CALLBACKTYPE_nmi, SIM_PC_NMI);
    call(a, __HYPERVISOR_stack_switch, 0xe02b,
         sim_page_va(SIM_PFN_STACK + a->vcpu->id % SIM_VCPU_MAX + 1), 0, 0, 0);
    event_timer_bind(a);
    a->model->vcpus[a->vcpu->id % SIM_VCPU_MAX].has_fpu_pattern = false;
    a->model->is_set_up = true;
    a->is_careful = was_careful;
}

/* ---- one step ---------------------------------------------------------------------------------
 */

static bool may_act(const struct actor *a, const struct operation *op)
{
    return op->weight && !(run.groups_off & BIT(op->group)) &&
           (!op->is_control || a->domain->is_privileged);
}

static const struct operation *choose(struct actor *a)
{
    uint64_t total = 0, at;

    for (unsigned t = 0; all_operations[t]; t++)
        for (const struct operation *op = all_operations[t]; op->act; op++)
            total += may_act(a, op) ? op->weight : 0;
    at = pick(a, total);
    for (unsigned t = 0; all_operations[t]; t++) {
        for (const struct operation *op = all_operations[t]; op->act; op++) {
            if (!may_act(a, op))
                continue;
            if (at < op->weight)
                return op;
            at -= op->weight;
        }
    }
    return NULL;
}

static void step(struct actor *a)
{
    const struct operation *op;

    if (faults_is_busy()) {
        faults_give_way(a);
        return;
    }
    if (!run_step_begin(a))
        return;
    shown_page_use(a);
    op = choose(a);
    if (op && op->group == GROUP_SCRIBBLE)
        a->model->scribbles = true;
    if (op)
        op->act(a);
    run_step_end(a);
}

void sim_guest_main(struct sim_guest *g)
{
    struct actor a = actor_of(g);

    faults_note_entry(&a);
    a.step = run.step;
    domain_set_up(&a);
    if (faults_is_scripted())
        faults_script_main(&a);
    for (;;) {
        a.model = model_of(a.domain);
        if (run.is_over && a.domain->is_privileged && a.vcpu->id == 0)
            run_clean_up(&a);
        step(&a);
        sim_guest_pause(g);
    }
}
