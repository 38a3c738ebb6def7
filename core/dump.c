/* SPDX-License-Identifier: MIT */
/* Debug keys about domains, vCPUs, run queues and memory. They read without locks where a lock
 * could be the problem that somebody is looking for. */
#include <kr/cpu.h>
#include <kr/debugkey.h>
#include <kr/domain.h>
#include <kr/heap.h>
#include <kr/log.h>
#include <kr/memory.h>
#include <kr/page.h>
#include <kr/time.h>

#include <xen/vcpu.h>
#include <xen/xen.h>

static const char *stop_reasons(uint32_t stop)
{
    if (stop & VCPU_STOP_DOWN)
        return "down";
    if (stop & VCPU_STOP_SHUTDOWN)
        return "shut down";
    if (stop & VCPU_STOP_CAP)
        return "over its cap";
    if (stop & (VCPU_STOP_PAUSED | VCPU_STOP_DOMAIN))
        return "paused";
    return stop & VCPU_STOP_BLOCKED ? "blocked" : "runnable";
}

__reads_unlocked static void dump_vcpu(struct vcpu *v)
{
    const struct vcpu_info *info = v->info;

    log_always("    VCPU%u: CPU%u [%s%s%s] upcall_pend=%u upcall_mask=%u pending_sel=%#lx", v->id,
               v->sched.cpu, v->sched.running ? "running" : stop_reasons(v->sched.stop),
               v->polling ? ", polls" : "", v->sched.loaded ? ", loaded" : "",
               info->evtchn_upcall_pending, info->evtchn_upcall_mask,
               (unsigned long)info->evtchn_pending_sel);
    log_always("        ran %llu ms, waited %llu ms, blocked %llu ms, offline %llu ms%s",
               (unsigned long long)(v->runstate.time_ns[RUNSTATE_running] / NS_PER_MS),
               (unsigned long long)(v->runstate.time_ns[RUNSTATE_runnable] / NS_PER_MS),
               (unsigned long long)(v->runstate.time_ns[RUNSTATE_blocked] / NS_PER_MS),
               (unsigned long long)(v->runstate.time_ns[RUNSTATE_offline] / NS_PER_MS),
               timer_is_set(&v->singleshot) ? ", timer set" : "");
}

__reads_unlocked static void dump_domain(struct domain *d)
{
    const struct domain_memory *m = &d->memory;
    struct vcpu *v;
    unsigned i;

    log_always("General information for domain %u:", d->id);
    log_always("    refcnt=%u dying=%u shutdown=%u(%u) pause_count=%u", d->refs - 1, d->is_dying,
               d->is_shutdown, d->shutdown_reason, d->pause_count);
    log_always("    pages=%llu max=%llu exposed=%llu dying=%llu claimed=%llu heap=%llu bytes",
               (unsigned long long)__atomic_load_n(&m->page_count, __ATOMIC_RELAXED),
               (unsigned long long)m->max_page_count, (unsigned long long)m->exposed_count,
               (unsigned long long)m->dying_count, (unsigned long long)memory_claimed(d),
               (unsigned long long)m->heap_bytes);
    log_always("    vm_assist=%#llx weight=%u cap=%u%%", (unsigned long long)d->vm_assist,
               d->sched.weight, d->sched.cap_percent);
    log_always("VCPU information for domain %u (%u at most):", d->id, d->vcpu_max);
    domain_for_each_vcpu(d, v, i) dump_vcpu(v);
}

static void dump_domains(void)
{
    struct domain *d;
    uint32_t next = 0;

    while (next < DOMAIN_ID_FIRST_RESERVED && (d = domain_get_next(next)) != NULL) {
        next = d->id + 1;
        dump_domain(d);
        domain_put(d);
    }
}
DEBUGKEY('q', "dump domains and their vCPUs", dump_domains);

/* [s] held: so the vCPUs that are named cannot go. */
static void dump_run_queue(struct cpu *cpu)
{
    const struct vcpu *running = cpu->sched.running;
    struct vcpu *v;

    if (running)
        log_always("    runs:   d%uv%u credit %lld us", running->domain->id, running->id,
                   (long long)(running->sched.credit / 1000));
    list_for_each_entry (v, &cpu->sched.queue, sched.queue)
        log_always("    queued: d%uv%u credit %lld us", v->domain->id, v->id,
                   (long long)(v->sched.credit / 1000));
}

static void dump_run_queues(void)
{
    log_always("Scheduler: %s (%s), ratelimit %u us", sched_credit2.label, sched_credit2.name,
               sched_ratelimit_us);
    for (unsigned i = 0; i < cpu_count; i++) {
        struct cpu *cpu = cpu_by_id(i);

        if (!spin_try_lock(&cpu->sched.lock)) {
            log_always("CPU%u: busy with its queue", i);
            continue;
        }
        log_always("CPU%u: idle %llu ms, round %u", i,
                   (unsigned long long)(sched_idle_time_locked_ns(cpu) / NS_PER_MS),
                   cpu->sched.credit_round);
        dump_run_queue(cpu);
        spin_unlock(&cpu->sched.lock);
    }
}
DEBUGKEY('r', "dump run queues", dump_run_queues);

static void dump_vcpu_registers(struct vcpu *v)
{
    log_always("Registers of d%uv%u:", v->domain->id, v->id);
    arch_vcpu_dump(v);
}

/* Where this CPU is, and the guest it came from. */
static void dump_registers(void)
{
    struct vcpu *v = current_vcpu() ? current_vcpu() : this_cpu()->sched.loaded;

    log_always("Registers of CPU%u:", this_cpu()->id);
    arch_crash_dump();
    if (v)
        dump_vcpu_registers(v);
}
DEBUGKEY('d', "dump registers", dump_registers);

static void dump_dom0_registers(void)
{
    struct vcpu *v;
    unsigned i;

    if (control_domain)
        domain_for_each_vcpu(control_domain, v, i) dump_vcpu_registers(v);
}
DEBUGKEY('0', "dump dom0's registers", dump_dom0_registers);

static void dump_memory(void)
{
    static const char *const names[PAGE_STATE_COUNT] = {
        [PAGE_FREE] = "free",       [PAGE_HV] = "hypervisor", [PAGE_GUEST] = "guest",
        [PAGE_EXPOSED] = "exposed", [PAGE_DYING] = "dying",   [PAGE_DEVICE] = "device",
    };
    uint64_t counts[PAGE_STATE_COUNT];

    page_count_states(counts);
    log_always("Memory: %llu frames of RAM, %llu free, %llu claimed",
               (unsigned long long)page_total_count(), (unsigned long long)page_free_count(),
               (unsigned long long)memory_claimed_total());
    for (unsigned i = 0; i < PAGE_STATE_COUNT; i++)
        log_always("    %-10s %10llu frames", names[i], (unsigned long long)counts[i]);
    log_always("    heap: %llu KiB in frames, %llu KiB in objects",
               (unsigned long long)(heap_held_bytes() / KIB),
               (unsigned long long)(heap_used_bytes() / KIB));
}
DEBUGKEY('m', "memory by state", dump_memory);

static void dump_hypercalls(void)
{
#define HYPERCALL(nr, name, argc, callers, long_running, purpose) [nr] = #name,
    static const char *const names[HYPERCALL_COUNT] = {
#include "hypercalls.def"
    };
#undef HYPERCALL

    for (unsigned nr = 0; nr < HYPERCALL_COUNT; nr++) {
        uint64_t count = 0;

        for (unsigned i = 0; i < cpu_count; i++)
            count += __atomic_load_n(&cpu_by_id(i)->hypercall_count[nr], __ATOMIC_RELAXED);
        if (count)
            log_always("    %2u %-28s %12llu", nr, names[nr] ? names[nr] : "(not built)",
                       (unsigned long long)count);
    }
}
DEBUGKEY('p', "print counts of hypercalls", dump_hypercalls);
