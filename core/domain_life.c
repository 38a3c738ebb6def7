/* SPDX-License-Identifier: MIT */
/*
 * A domain's life: creation, pause, shutdown, destruction in bounded steps. What each subsystem
 * holds for a domain is made in domain_create() and given back, in the opposite order, by
 * domain_destroy() (what other domains can see) and domain_free() (the rest).
 */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/errno.h>
#include <kr/heap.h>
#include <kr/log.h>
#include <kr/memory.h>
#include <kr/printf.h>
#include <kr/string.h>
#include <kr/time.h>

#include <xen/sched.h>
#include <xen/xen.h>

#include <stdatomic.h>

#include "domain_internal.h"

/* ---- creation ---------------------------------------------------------------------------------
 */

static void watchdog_fired(struct timer *t)
{
    struct domain *d = container_of(t, struct domain_watchdog, timer)->domain;

    log_guest(LOG_WARNING, d, "watchdog fired");
    domain_shutdown(d, SHUTDOWN_watchdog);
}

static int shared_info_create(struct domain *d)
{
    mfn_t mfn = page_alloc(0, PAGE_ZERO);

    if (mfn == MFN_INVALID)
        return -ENOMEM;
    d->shared_info = frame_to_virt(mfn);
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        d->shared_info->vcpu_info[i].evtchn_upcall_mask = 1;
    arch_frame_expose(d, mfn);
    return 0;
}

static void shared_info_destroy(struct domain *d)
{
    if (d->shared_info)
        arch_frame_conceal(d, virt_to_frame(d->shared_info));
    d->shared_info = NULL;
}

/* The parts in order; undone by domain_unmake() from the one that failed backwards. */
static int domain_make(struct domain *d, const struct domain_config *config, unsigned *made)
{
    int rc = shared_info_create(d);

    if (rc != 0)
        return rc;
    *made = 1;
    rc = arch_domain_create(d);
    if (rc != 0)
        return rc;
    *made = 2;
    rc = event_domain_init(d, config->port_max);
    if (rc != 0)
        return rc;
    *made = 3;
    rc = grant_domain_init(d, config->grant_frame_max, config->maptrack_max,
                           config->grant_version_max);
    if (rc != 0)
        return rc;
    *made = 4;
    return config->vcpu_max ? domain_set_vcpu_max(d, config->vcpu_max) : 0;
}

/* No guest of it has run, so nothing is bound: a call or two of each is enough. */
static void domain_unmake(struct domain *d, unsigned made)
{
    if (made >= 4) {
        while (grant_domain_fini(d) == -ERESTART)
            ;
        grant_domain_free(d);
    }
    if (made >= 3) {
        while (event_domain_fini(d) == -ERESTART)
            ;
        event_domain_free(d);
    }
    if (made >= 2)
        arch_domain_destroy(d);
    if (made >= 1)
        shared_info_destroy(d);
}

static void domain_init_fields(struct domain *d, const struct domain_config *config)
{
    d->id = config->id;
    d->is_privileged = config->is_privileged;
    d->create_flags = config->create_flags;
    memcpy(d->handle, config->handle, sizeof(d->handle));
    d->refs = 1;
    d->pause_count = 1;
    d->control_pause_count = !d->is_privileged; /* tools unpause what tools make */
    d->created_ns = time_now_ns();
    spin_lock_init(&d->lock, LOCK_RANK_DOMAIN);
    domain_memory_init(&d->memory, d->id, config->memory_page_max);
    sched_domain_init(d);
    for (unsigned i = 0; i < WATCHDOG_COUNT; i++) {
        timer_init(&d->watchdogs[i].timer, watchdog_fired, this_cpu()->id);
        d->watchdogs[i].domain = d;
    }
}

int domain_create(const struct domain_config *config, struct domain **out)
{
    struct domain *d;
    unsigned made = 0;
    int rc;

    if (config->id >= DOMAIN_ID_FIRST_RESERVED || config->vcpu_max > VCPU_COUNT_MAX)
        return -EINVAL;
    d = heap_zalloc(sizeof(*d));
    if (!d)
        return -ENOMEM;
    domain_init_fields(d, config);
    /* Known from here on, because frames name their owner; not to be found before it has a
     * reference that counts. */
    d->refs = 0;
    rc = domain_table_insert(d);
    if (rc == 0) {
        rc = domain_make(d, config, &made);
        if (rc != 0) {
            domain_unmake(d, made);
            domain_table_remove(d);
        }
    }
    if (rc != 0) {
        heap_free(d->vcpus);
        heap_free(d);
        return rc;
    }
    time_publish_wallclock(d);
    if (d->is_privileged && !control_domain)
        control_domain = d;
    atomic_store(&d->refs, 1);
    *out = d;
    return 0;
}

int domain_set_vcpu_max(struct domain *d, unsigned count)
{
    if (d->vcpu_max == count)
        return 0;
    if (d->vcpu_max != 0 || count == 0 || count > VCPU_COUNT_MAX)
        return -EINVAL;
    d->vcpus = heap_zalloc_array(&d->memory, count, sizeof(*d->vcpus));
    if (!d->vcpus)
        return -ENOMEM;
    d->vcpu_max = count;
    return 0;
}

/* ---- pause ------------------------------------------------------------------------------------
 */

static void stop_all(struct domain *d, uint32_t reason)
{
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(d, v, i) vcpu_stop(v, reason);
}

static void start_all(struct domain *d, uint32_t reason)
{
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(d, v, i) vcpu_start(v, reason);
}

void domain_pause_async(struct domain *d)
{
    spin_lock(&d->lock);
    if (d->pause_count++ == 0)
        stop_all(d, VCPU_STOP_DOMAIN);
    spin_unlock(&d->lock);
}

void domain_pause(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    ASSERT(!current_vcpu() || d != current_vcpu()->domain);
    domain_pause_async(d);
    domain_for_each_vcpu(d, v, i) vcpu_stop_sync(v, VCPU_STOP_DOMAIN);
}

void domain_unpause(struct domain *d)
{
    spin_lock(&d->lock);
    ASSERT(d->pause_count > 0);
    if (--d->pause_count == 0)
        start_all(d, VCPU_STOP_DOMAIN);
    spin_unlock(&d->lock);
}

/* ---- shutdown ---------------------------------------------------------------------------------
 */

/* The control domain has shut down, and with it goes the machine. */
static void __noreturn machine_shutdown(struct domain *d, uint8_t reason)
{
    static const char *const why[] = {
        [SHUTDOWN_reboot] = "shutdown",     [SHUTDOWN_suspend] = "suspended",
        [SHUTDOWN_crash] = "crashed",       [SHUTDOWN_watchdog] = "watchdog fired",
        [SHUTDOWN_soft_reset] = "shutdown",
    };

    if (reason == SHUTDOWN_poweroff) {
        log_always("Hardware Dom%u halted: halting machine", d->id);
        arch_machine_halt();
    }
    if (reason < ARRAY_SIZE(why))
        log_always("Hardware Dom%u %s: rebooting machine", d->id, why[reason]);
    else
        log_always("Hardware Dom%u shutdown (unknown reason %u): rebooting machine", d->id, reason);
    if (reason == SHUTDOWN_reboot)
        arch_machine_reboot();
    machine_restart_after_crash();
}

void domain_shutdown(struct domain *d, uint8_t reason)
{
    spin_lock(&d->lock);
    if (d->is_shutdown) {
        spin_unlock(&d->lock);
        return;
    }
    if (d->has_shutdown_code)
        reason = d->shutdown_reason;
    if (d->is_privileged) {
        spin_unlock(&d->lock);
        machine_shutdown(d, reason);
    }
    d->is_shutdown = true;
    d->shutdown_reason = reason;
    stop_all(d, VCPU_STOP_SHUTDOWN);
    spin_unlock(&d->lock);
    event_raise_global_virq(VIRQ_DOM_EXC);
}

void domain_resume(struct domain *d)
{
    spin_lock(&d->lock);
    if (d->is_shutdown) {
        d->is_shutdown = d->has_shutdown_code = false;
        d->shutdown_reason = 0;
        start_all(d, VCPU_STOP_SHUTDOWN);
    }
    spin_unlock(&d->lock);
}

void domain_crash(struct domain *d, const char *fmt, ...)
{
    struct vcpu *v = current_vcpu();
    char why[160];
    va_list ap;

    va_start(ap, fmt);
    kr_vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    if (!d->is_shutdown)
        log_guest(LOG_ERROR, d, "crashed: %s", why);
    if (!d->is_shutdown && v && v->domain == d)
        arch_vcpu_dump(v);
    domain_shutdown(d, SHUTDOWN_crash);
}

/* ---- destruction ------------------------------------------------------------------------------
 */

#define RELEASE_BATCH 512 /* frames given back before looking whether other work waits */

static int relinquish_vcpus(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(d, v, i)
    {
        event_vcpu_fini(v);
        if (v->info_mfn != MFN_INVALID) {
            mfn_t mfn = v->info_mfn;

            v->info = (struct vcpu_info *)v->info_private;
            v->info_mfn = MFN_INVALID;
            arch_frame_unpin(mfn);
        }
        v->runstate_guest_addr = v->time_guest_addr = 0;
    }
    return 0;
}

/* Frames that others hold stay with the domain as DYING until they let go. */
static int relinquish_memory(struct domain *d)
{
    return domain_memory_release(&d->memory, RELEASE_BATCH) ? -ERESTART : 0;
}

static int destroy_begin(struct domain *d)
{
    spin_lock(&d->lock);
    d->is_dying = true;
    spin_unlock(&d->lock);
    domain_memory_set_dying(&d->memory);
    memory_claim_drop(d);
    sched_domain_fini(d);
    domain_pause(d);
    for (unsigned i = 0; i < WATCHDOG_COUNT; i++)
        timer_fini(&d->watchdogs[i].timer);
    return 0;
}

static int destroy_end(struct domain *d)
{
    event_raise_global_virq(VIRQ_DOM_EXC);
    /* As long as others hold frames of its memory, tools see whose they are. */
    if (!domain_memory_await(&d->memory))
        domain_put(d);
    return 0;
}

int domain_destroy(struct domain *d)
{
    static int (*const steps[])(struct domain * d) = {
        destroy_begin,          event_domain_fini, grant_domain_fini, relinquish_vcpus,
        arch_domain_relinquish, relinquish_memory, destroy_end,
    };
    _Static_assert(ARRAY_SIZE(steps) == DOMAIN_DESTROY_STEPS, "see domain_internal.h");

    if (d->is_privileged)
        return -EINVAL;
    while (d->destroy_step < ARRAY_SIZE(steps)) {
        int rc = steps[d->destroy_step](d);

        if (rc != 0)
            return rc;
        d->destroy_step++;
    }
    return 0;
}

bool domain_dismantle(struct domain *d)
{
    if (d->shared_info) {
        for (unsigned i = 0; i < d->vcpu_max; i++)
            if (d->vcpus[i])
                vcpu_destroy(d->vcpus[i]);
        heap_free(d->vcpus);
        d->vcpus = NULL;
        d->vcpu_max = 0;
        shared_info_destroy(d);
        grant_domain_free(d);
        event_domain_free(d);
        arch_domain_destroy(d);
    }
    return !domain_memory_await(&d->memory);
}

void domain_free(struct domain *d)
{
    heap_free(d);
    heap_trim();
}
