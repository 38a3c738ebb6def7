/* SPDX-License-Identifier: MIT */
/*
 * One vCPU: creation, accounting of its time and the areas it shares with its guest. Relies on the
 * scheduler for the locks: a runstate changes under the lock of the run queue the vCPU belongs to.
 */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/errno.h>
#include <kr/heap.h>
#include <kr/log.h>
#include <kr/string.h>
#include <kr/time.h>

#include <xen/vcpu.h>

_Static_assert(sizeof(struct vcpu_info) == sizeof(((struct vcpu *)0)->info_private), "vcpu_info");

static void singleshot_fired(struct timer *t)
{
    event_raise_virq(container_of(t, struct vcpu, singleshot), VIRQ_TIMER);
}

static void periodic_fired(struct timer *t)
{
    struct vcpu *v = container_of(t, struct vcpu, periodic);
    uint64_t period_ns = __atomic_load_n(&v->period_ns, __ATOMIC_RELAXED);

    event_raise_virq(v, VIRQ_TIMER);
    /* Ticks that were missed are not made up for. */
    if (period_ns)
        timer_set(t, MAX(timer_deadline_ns(t) + period_ns, time_now_ns()));
}

static void poll_expired(struct timer *t)
{
    struct vcpu *v = container_of(t, struct vcpu, poll_timer);

    if (event_poll_end(v))
        vcpu_start(v, VCPU_STOP_BLOCKED);
}

static void vcpu_init_info(struct vcpu *v)
{
    if (v->id < XEN_LEGACY_MAX_VCPUS)
        v->info = &v->domain->shared_info->vcpu_info[v->id];
    else
        v->info = (struct vcpu_info *)v->info_private;
    v->info->evtchn_upcall_mask = 1;
    v->info_mfn = MFN_INVALID;
}

int vcpu_create(struct domain *d, unsigned id, unsigned cpu, struct vcpu **out)
{
    struct vcpu *v;
    int rc;

    if (id >= d->vcpu_max || d->vcpus[id] || !cpu_by_id(cpu))
        return -EINVAL;
    v = heap_zalloc_for(&d->memory, sizeof(*v));
    if (!v)
        return -ENOMEM;
    v->domain = d;
    v->id = id;
    timer_init(&v->singleshot, singleshot_fired, cpu);
    timer_init(&v->periodic, periodic_fired, cpu);
    timer_init(&v->poll_timer, poll_expired, cpu);
    v->runstate.state = RUNSTATE_offline;
    v->runstate.entry_ns = time_now_ns();
    sched_vcpu_init(v, cpu);
    vcpu_init_info(v);
    rc = arch_vcpu_create(v);
    if (rc != 0) {
        heap_free(v);
        return rc;
    }
    spin_lock(&d->lock);
    if (d->pause_count > 0)
        v->sched.stop |= VCPU_STOP_DOMAIN;
    if (d->is_shutdown)
        v->sched.stop |= VCPU_STOP_SHUTDOWN;
    __atomic_store_n(&d->vcpus[id], v, __ATOMIC_RELEASE);
    spin_unlock(&d->lock);
    *out = v;
    return 0;
}

void vcpu_destroy(struct vcpu *v)
{
    timer_fini(&v->singleshot);
    timer_fini(&v->periodic);
    timer_fini(&v->poll_timer);
    sched_vcpu_fini(v);
    arch_vcpu_destroy(v);
    heap_free(v);
}

/* ---- time accounting --------------------------------------------------------------------------
 */

void vcpu_runstate_change(struct vcpu *v, uint32_t state, uint64_t now_ns)
{
    struct vcpu_runstate *r = &v->runstate;

    if (r->state == state)
        return;
    if (now_ns > r->entry_ns) {
        r->time_ns[r->state] += now_ns - r->entry_ns;
        r->entry_ns = now_ns;
    }
    r->state = state;
}

void vcpu_runstate_publish(struct vcpu *v)
{
    uint64_t addr = __atomic_load_n(&v->runstate_guest_addr, __ATOMIC_RELAXED), marked, time_addr;
    struct vcpu_runstate runstate;
    struct vcpu_runstate_info info;

    if (!addr)
        return;
    vcpu_runstate_copy(v, &runstate);
    info =
        (struct vcpu_runstate_info){.state = runstate.state, .state_entry_time = runstate.entry_ns};
    memcpy(info.time, runstate.time_ns, sizeof(info.time));
    marked = info.state_entry_time | XEN_RUNSTATE_UPDATE;
    time_addr = addr + offsetof(struct vcpu_runstate_info, state_entry_time);
    if (!(v->domain->vm_assist & BIT(VMASST_TYPE_runstate_update_flag))) {
        arch_vcpu_write_guest(v, addr, &info, sizeof(info));
        return;
    }
    /* Readers wait while the mark is set: mark, contents with the mark still on, unmark. */
    info.state_entry_time = marked;
    arch_vcpu_write_guest(v, time_addr, &marked, sizeof(marked));
    __atomic_thread_fence(__ATOMIC_RELEASE);
    arch_vcpu_write_guest(v, addr, &info, sizeof(info));
    __atomic_thread_fence(__ATOMIC_RELEASE);
    marked &= ~XEN_RUNSTATE_UPDATE;
    arch_vcpu_write_guest(v, time_addr, &marked, sizeof(marked));
}

/* ---- vcpu_info --------------------------------------------------------------------------------
 */

/* By words: events may be raised in the old place meanwhile, and the guest writes to both. */
static void info_copy(struct vcpu_info *to, const struct vcpu_info *from)
{
    uint64_t *dst = (uint64_t *)to;
    const uint64_t *src = (const uint64_t *)from;

    for (unsigned i = 0; i < sizeof(*to) / sizeof(*dst); i++)
        __atomic_store_n(&dst[i], __atomic_load_n(&src[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

int vcpu_info_register(struct vcpu *v, uint64_t gfn, uint32_t offset)
{
    struct vcpu_info *old, *new;
    mfn_t mfn;
    int rc = -EINVAL;

    if (offset > PAGE_SIZE - sizeof(struct vcpu_info) || offset % sizeof(uint64_t))
        return -EINVAL;
    /* Only itself, or while it is down: else it could be using the old place at this moment. */
    if (v != current_vcpu() && !(v->sched.stop & VCPU_STOP_DOWN))
        return -EINVAL;
    mfn = arch_frame_pin_writable(v->domain, gfn);
    if (mfn == MFN_INVALID)
        return -EINVAL;
    new = (struct vcpu_info *)((char *)frame_to_virt(mfn) + offset);

    spin_lock(&v->domain->lock);
    if (v->info_mfn == MFN_INVALID && !v->domain->is_dying) {
        old = v->info;
        info_copy(new, old);
        v->info_mfn = mfn;
        __atomic_store_n(&v->info, new, __ATOMIC_SEQ_CST);
        rc = 0;
    }
    spin_unlock(&v->domain->lock);
    if (rc != 0) {
        arch_frame_unpin(mfn);
        return rc;
    }
    event_vcpu_info_moved(v); /* for what was raised in the old place meanwhile */
    arch_vcpu_time_publish(v);
    return 0;
}

void vcpu_pause(struct vcpu *v)
{
    spin_lock(&v->domain->lock);
    v->pause_count++;
    spin_unlock(&v->domain->lock);
    vcpu_stop_sync(v, VCPU_STOP_PAUSED);
}

void vcpu_unpause(struct vcpu *v)
{
    bool go;

    spin_lock(&v->domain->lock);
    go = --v->pause_count == 0;
    spin_unlock(&v->domain->lock);
    if (go)
        vcpu_start(v, VCPU_STOP_PAUSED);
}
