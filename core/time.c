/* SPDX-License-Identifier: MIT */
/*
 * The wall clock: one instant, the date and time at system time 0, copied into every domain's
 * shared_info. Guests add their own system time. The per-vCPU time record is the port's
 * (arch_vcpu_time_publish()), because it describes the port's counter.
 */
#include <kr/debugkey.h>
#include <kr/domain.h>
#include <kr/lock.h>
#include <kr/log.h>
#include <kr/time.h>

#include <xen/xen.h>

static struct spinlock wallclock_lock = SPINLOCK_INIT(LOCK_RANK_WALLCLOCK);
static uint64_t wallclock_sec;
static uint32_t wallclock_nsec;

/* `sec.nsec` - `before_ns`, not below 0. */
static void wallclock_store(uint64_t sec, uint32_t nsec, uint64_t before_ns)
{
    uint64_t back_sec = before_ns / NS_PER_SEC, back_nsec = before_ns % NS_PER_SEC;

    if (nsec < back_nsec) {
        nsec += NS_PER_SEC;
        back_sec++;
    }
    spin_lock(&wallclock_lock);
    wallclock_sec = sec > back_sec ? sec - back_sec : 0;
    wallclock_nsec = nsec - back_nsec;
    spin_unlock(&wallclock_lock);
}

void time_init(void)
{
    wallclock_store(arch_wallclock_sec(), 0, time_now_ns());
}

void time_wallclock_get(uint64_t *sec, uint32_t *nsec)
{
    spin_lock(&wallclock_lock);
    *sec = wallclock_sec;
    *nsec = wallclock_nsec;
    spin_unlock(&wallclock_lock);
}

void time_wallclock_set(uint64_t sec, uint32_t nsec, uint64_t system_time_ns)
{
    struct domain *d;

    wallclock_store(sec + nsec / NS_PER_SEC, nsec % NS_PER_SEC, system_time_ns);
    for (d = domain_get_next(0); d;) {
        uint16_t next = d->id + 1;

        time_publish_wallclock(d);
        domain_put(d);
        d = domain_get_next(next);
    }
}

void time_publish_wallclock(struct domain *d)
{
    struct shared_info *s = d->shared_info;

    /* An odd version tells readers to wait; the lock keeps two writers from crossing. */
    spin_lock(&wallclock_lock);
    __atomic_store_n(&s->wc_version, (s->wc_version + 1) | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    s->wc_sec = (uint32_t)wallclock_sec;
    s->wc_sec_hi = (uint32_t)(wallclock_sec >> 32);
    s->wc_nsec = wallclock_nsec;
    __atomic_store_n(&s->wc_version, (s->wc_version | 1) + 1, __ATOMIC_RELEASE);
    spin_unlock(&wallclock_lock);
}

static void dump_time(void)
{
    uint64_t now = time_now_ns(), sec;
    uint32_t nsec;

    time_wallclock_get(&sec, &nsec);
    log_always("System time %llu.%09llu s, guest counter %u kHz",
               (unsigned long long)(now / NS_PER_SEC), (unsigned long long)(now % NS_PER_SEC),
               arch_tsc_khz());
    log_always("Wall clock at system time 0: %llu.%09u s since 1970", (unsigned long long)sec,
               nsec);
}
DEBUGKEY('t', "display system time and wall clock", dump_time);
