/* SPDX-License-Identifier: MIT */
/* Who follows a script: the control domain, or a domain that it builds for that. */
#include "faults_script.h"
#include "run.h"

#include <kr/page.h>
#include <x86/pte.h>

#include <xen/sched.h>

#define WINDOW_SLOT 400 /* of an L1 table: behind every page that a domain starts with */
#define WAITS_MAX   20000
#define BUILDS_MAX  8

static struct {
    uint16_t domain; /* who acts, beside the control domain */
    bool is_done;
} job;

const struct faults_script *const faults_scripts[] = {
    sweep_scripts,   guest_scripts,          control_scripts,       error_scripts, list_scripts,
    refusal_scripts, domctl_refusal_scripts, guest_refusal_scripts, NULL};

const struct faults_script *faults_script(unsigned number)
{
    for (unsigned t = 0; faults_scripts[t]; t++)
        for (const struct faults_script *s = faults_scripts[t]; s->act; s++)
            if (--number == 0)
                return s;
    return NULL;
}

uint16_t script_guest(void)
{
    return job.domain;
}

uint64_t script_window_va(unsigned n)
{
    return SIM_VIRT_BASE + ((uint64_t)(WINDOW_SLOT + n) << PAGE_SHIFT);
}

long script_map(struct actor *a, unsigned n, uint64_t mfn, bool is_writable)
{
    uint64_t entry = pte_make(mfn, PTE_P | PTE_US | (is_writable ? PTE_RW : 0));

    return call(a, __HYPERVISOR_update_va_mapping, script_window_va(n), mfn ? entry : 0,
                UVMF_INVLPG | UVMF_LOCAL, 0, 0);
}

uint64_t script_readonly(struct actor *a, const void *object, size_t size_bytes)
{
    sim_guest_write(a->guest, sim_page_va(SIM_PFN_FREE), object, size_bytes);
    script_expect("a page mapped read-only", script_map(a, 0, own_frame(a, SIM_PFN_FREE), false),
                  0);
    return script_window_va(0);
}

void script_expect(const char *what, long result, long expected)
{
    RULE("script", result == expected, "%s: %ld, not %ld", what, result, expected);
}

static void sched(struct actor *a, unsigned op)
{
    const uint64_t args[6] = {op};

    faults_note_entry(a);
    sim_hypercall(a->guest, __HYPERVISOR_sched_op, args);
    sim_progress();
}

static void control_main(struct actor *a, const struct faults_script *s)
{
    job.domain = 0;
    job.is_done = false;
    a->is_careful = true;
    for (unsigned i = 0; !domain_build(a, &job.domain); i++) /* builders may stop half-way */
        RULE("script", i < BUILDS_MAX, "the domain for it was not built");
    a->is_careful = false;
    if (!s->by_guest)
        s->act(a);
    for (unsigned i = 0; s->by_guest && !job.is_done; i++) {
        if (i == WAITS_MAX)
            rule_broken("script", "%s: domain %u does not get to its end", s->name, job.domain);
        sched(a, SCHEDOP_yield);
    }
    run.is_over = true;
    run_clean_up(a);
}

void faults_script_main(struct actor *a)
{
    const struct faults_script *s = faults_script(run.options->script);

    if (a->domain->is_privileged && a->vcpu->id == 0)
        control_main(a, s);
    while (job.domain == 0)
        sched(a, SCHEDOP_yield);
    if (a->domain->id == job.domain && a->vcpu->id == 0 && s->by_guest && !job.is_done) {
        s->act(a);
        job.is_done = true;
    }
    for (;;)
        sched(a, SCHEDOP_block);
}
