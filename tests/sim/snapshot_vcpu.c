/* SPDX-License-Identifier: MIT */
/* A vCPU in a snapshot. Registers only where nothing runs that would change them. */
#include "snapshot_internal.h"

#include <kr/cpu.h>
#include <x86/fpu.h>
#include <x86/pagetype.h>
#include <x86/pte.h>
#include <x86/pv.h>

#include <xen/xen.h>

#include <xen/vcpu.h>

#define TRAP_COUNT 256

static void add(struct snapshot *s, const struct vcpu *v, const char *what, uint64_t value)
{
    snapshot_add(s, what, v->domain->id, v->id, value);
}

static void callback_add(struct snapshot *s, const struct vcpu *v, const char *what,
                         const struct pv_callback *c)
{
    add(s, v, what, c->rip << 1 | c->masks_events);
}

static void traps_add(struct snapshot *s, const struct vcpu *v)
{
    const struct arch_vcpu *a = &v->arch;

    callback_add(s, v, "event callback", &a->event);
    callback_add(s, v, "failsafe callback", &a->failsafe);
    callback_add(s, v, "syscall callback", &a->syscall);
    add(s, v, "NMI callback", a->nmi.rip);
    for (unsigned i = 0; a->traps && i < TRAP_COUNT; i++)
        if (a->traps[i].rip)
            add(s, v, "trap handler",
                a->traps[i].rip ^ (uint64_t)a->traps[i].cs << 8 ^ a->traps[i].dpl << 1 ^
                    a->traps[i].masks_events);
}

static void tables_add(struct snapshot *s, const struct vcpu *v)
{
    const struct arch_vcpu *a = &v->arch;

    add(s, v, "kernel root", a->kernel_root);
    add(s, v, "user root", a->user_root);
    add(s, v, "LDT", a->ldt_base ^ a->ldt_count);
    for (unsigned i = 0; i < a->gdt_count; i++)
        add(s, v, "GDT frame", a->gdt_frames[i]);
    for (unsigned i = 0; i < TABLE_LEVELS; i++) {
        if (a->validating[i].page)
            add(s, v, "table being checked", page_mfn(a->validating[i].page));
        if (a->releasing[i].page)
            add(s, v, "table being given up", page_mfn(a->releasing[i].page));
    }
}

static void registers_add(struct snapshot *s, const struct vcpu *v)
{
    const struct arch_vcpu *a = &v->arch;

    add(s, v, "kernel stack", a->kernel_sp ^ a->kernel_ss);
    add(s, v, "CR4", a->cr4);
    add(s, v, "XCR0", a->xcr0);
    add(s, v, "TSC_AUX", a->tsc_aux);
    add(s, v, "debug registers", snapshot_hash(a->debugreg, sizeof(a->debugreg)));
    if (v->sched.loaded || !(v->sched.stop & ~VCPU_STOP_BLOCKED))
        return;
    add(s, v, "mode",
        a->in_kernel | a->ts << 1 | a->in_nmi << 2 | a->nmi_pending << 3 | a->iopl << 4);
    add(s, v, "segment bases", a->fs_base ^ a->gs_base << 1 ^ a->gs_base_other << 2);
    add(s, v, "selectors",
        (uint64_t)a->ds << 48 | (uint64_t)a->es << 32 | (uint32_t)a->fs << 16 | a->gs);
    add(s, v, "registers", snapshot_hash(&a->regs, sizeof(a->regs)));
    if (a->fpu && fpu_extended_bytes())
        add(s, v, "FPU", snapshot_hash(a->fpu, fpu_extended_bytes()));
}

static void events_add(struct snapshot *s, const struct vcpu *v)
{
    for (unsigned i = 0; i < EVENT_VIRQ_COUNT; i++)
        if (v->events.virq_port[i])
            add(s, v, "port of a virq", i << 24 | v->events.virq_port[i]);
    add(s, v, "has FIFO queues", v->events.fifo != NULL);
    add(s, v, "polls", v->polling << 16 | v->poll_port);
    add(s, v, "where vcpu_info is",
        virt_to_phys(v->info) < virt_to_phys(v) || v->info_mfn != MFN_INVALID
            ? virt_to_phys(v->info)
            : 0);
}

static void schedule_add(struct snapshot *s, const struct vcpu *v)
{
    add(s, v, "why it does not run", v->sched.stop);
    add(s, v, "CPU", v->sched.cpu);
    add(s, v, "affinity",
        snapshot_hash(&v->sched.hard, sizeof(v->sched.hard)) ^
            snapshot_hash(&v->sched.soft, sizeof(v->sched.soft)) << 1 ^ v->sched.pinned);
    add(s, v, "pauses", v->pause_count);
    add(s, v, "is initialised", v->is_initialised);
    add(s, v, "a context is being set", v->context_busy);
    add(s, v, "runstate area", v->runstate_guest_addr);
    add(s, v, "time area", v->time_guest_addr);
    add(s, v, "period", v->period_ns);
    snapshot_timer(s, "one-shot timer", v->domain->id, v->id, &v->singleshot);
    snapshot_timer(s, "periodic timer", v->domain->id, v->id, &v->periodic);
    snapshot_timer(s, "poll timer", v->domain->id, v->id, &v->poll_timer);
}

static void area_note(struct snapshot *s, const struct vcpu *v, uint64_t va)
{
    mfn_t table;
    unsigned slot;

    if (va && v->arch.kernel_root && s->area_count < SNAPSHOT_AREAS_MAX &&
        pagetable_find_l1(v->arch.kernel_root, va, &table, &slot))
        s->areas[s->area_count++] = pte_frame(pte_read(frame_to_virt(table), slot));
}

/* Whenever a vCPU is given a CPU or leaves one, it is told there; events push frames on stacks. */
static void areas_note(struct snapshot *s, const struct vcpu *v)
{
    area_note(s, v, v->runstate_guest_addr);
    area_note(s, v, v->runstate_guest_addr + sizeof(struct vcpu_runstate_info) - 1);
    area_note(s, v, v->time_guest_addr);
    area_note(s, v, v->arch.kernel_sp - sizeof(uint64_t));
    area_note(s, v, v->arch.regs.rsp - sizeof(uint64_t));
    area_note(s, v, v->time_guest_addr + sizeof(struct vcpu_time_info) - 1);
    if (v->info_mfn != MFN_INVALID && s->area_count < SNAPSHOT_AREAS_MAX)
        s->areas[s->area_count++] = v->info_mfn;
}

void snapshot_vcpu(struct snapshot *s, struct vcpu *v)
{
    areas_note(s, v);
    schedule_add(s, v);
    events_add(s, v);
    registers_add(s, v);
    tables_add(s, v);
    traps_add(s, v);
}
