/* SPDX-License-Identifier: MIT */
/*
 * Domains and vCPUs: life cycle and what every subsystem hangs on them.
 * Legend: [I] immutable after creation  [d] domain lock  [a] atomic
 *         [s] run queue's lock of its CPU  [v] only the vCPU itself, or while it is stopped
 */
#pragma once

#include <kr/arch.h>
#include <kr/event.h>
#include <kr/grant.h>
#include <kr/lock.h>
#include <kr/page.h>
#include <kr/sched.h>
#include <kr/timer.h>

#define DOMAIN_ID_SELF           0x7ff0
#define DOMAIN_ID_IO             0x7ff1
#define DOMAIN_ID_XEN            0x7ff2
#define DOMAIN_ID_INVALID        0x7ff4
#define DOMAIN_ID_FIRST_RESERVED 0x7ff0
#define VCPU_COUNT_MAX           8192
#define WATCHDOG_COUNT           2

struct shared_info;
struct vcpu_info;

/* Accounting of what a vCPU did with its time (xen/vcpu.h RUNSTATE_*). */
struct vcpu_runstate {
    uint32_t state;
    uint64_t entry_ns;
    uint64_t time_ns[4];
};

struct vcpu {
    struct arch_vcpu arch; /* first: entry code saves registers here */
    struct domain *domain; /* [I] */
    unsigned id;           /* [I] */
    struct vcpu_sched sched;
    struct vcpu_events events;
    struct vcpu_info *info;        /* [a] in shared_info, or where the guest registered it */
    mfn_t info_mfn;                /* [d] frame pinned for a registered vcpu_info, or MFN_INVALID */
    struct vcpu_runstate runstate; /* [s] */
    uint64_t runstate_guest_addr;  /* [v] registered runstate area, 0 = none */
    uint64_t time_guest_addr;      /* [v] registered copy of the time record, 0 = none */
    struct timer singleshot;       /* VIRQ_TIMER, one-shot */
    struct timer periodic;
    uint64_t period_ns;             /* [v] 0 = off */
    _Atomic uint64_t grant_handles; /* [a] its free ones: core/grant_handle.c */
    struct timer poll_timer;
    _Atomic uint32_t poll_port;  /* [a] port waited for; 0 = several or none */
    _Atomic bool polling;        /* [a] in SCHEDOP_poll; event_poll_begin(), event_poll_end() */
    _Atomic bool context_busy;   /* [a] registers are set or read from outside */
    _Atomic bool is_initialised; /* [d] has a context */
    uint32_t pause_count;        /* [d] */
    uint8_t
        info_private[64] __aligned(8); /* vcpu_info of one beyond shared_info, until registered */
};

struct domain {
    struct arch_domain arch;
    uint16_t id;              /* [I] */
    bool is_privileged;       /* [I] the control domain */
    _Atomic bool is_dying;    /* [d] to set */
    _Atomic bool is_shutdown; /* [d] to set */
    uint8_t shutdown_reason;  /* [d] xen/sched.h SHUTDOWN_*, or a code set beforehand */
    bool has_shutdown_code;   /* [d] SCHEDOP_shutdown_code was used */
    uint8_t destroy_step;     /* progress of domain_destroy(), under the control lock */
    _Atomic uint32_t refs;    /* [a] last put frees the structure */
    struct domain *dead_next; /* after the last put */
    struct spinlock lock;
    _Atomic unsigned vcpu_max; /* [I] once not 0; set after `vcpus` */
    struct vcpu **vcpus;       /* [a] entries NULL until created */
    struct domain_memory memory;
    uint64_t claimed_pages; /* under the claim lock (core/memory.c) */
    struct domain_events events;
    struct grant_table *grants;
    struct domain_sched sched;
    struct shared_info *shared_info; /* [I] hypervisor frame exposed to the domain */
    uint32_t pause_count;            /* [d] */
    uint32_t control_pause_count;    /* [d] of those, how many by tools */
    _Atomic uint64_t vm_assist;      /* [a] bits of VMASST_TYPE_* */
    uint8_t handle[16];              /* [d] toolstack's UUID */
    uint32_t create_flags;           /* [I] XEN_DOMCTL_CDF_* */
    uint64_t created_ns;             /* [I] */
    struct domain_watchdog {
        struct timer timer;
        struct domain *domain; /* [I] */
        bool used;             /* [d] */
    } watchdogs[WATCHDOG_COUNT];
};

#define domain_for_each_vcpu(d, v, i)   \
    for (i = 0; i < (d)->vcpu_max; i++) \
        if (((v) = domain_vcpu((d), (i))) != NULL)

/* Creates a paused domain without memory or vCPUs. Errors: -EEXIST, -ENOMEM, -EINVAL. */
struct domain_config {
    uint16_t id;
    bool is_privileged;
    unsigned vcpu_max; /* 0: domain_set_vcpu_max() later */
    uint32_t port_max, grant_frame_max, maptrack_max, create_flags;
    unsigned grant_version_max;
    uint64_t memory_page_max;
    uint8_t handle[16];
};
int domain_create(const struct domain_config *config, struct domain **out) __must_check;
/* Once, before any vCPU. -EINVAL, -ENOMEM. */
int domain_set_vcpu_max(struct domain *d, unsigned count) __must_check;
/* The vCPU is down and not initialised. -EINVAL: no such place, or taken. -ENOMEM. */
int vcpu_create(struct domain *d, unsigned id, unsigned cpu, struct vcpu **out) __must_check;
/* For core/domain.c: undoes vcpu_create(); it has stopped for good. */
void vcpu_destroy(struct vcpu *v);
/* References: get by id takes one (NULL when absent), put drops it. Any CPU, any lock held. */
struct domain *domain_get(uint16_t id);
/* DOMAIN_ID_SELF and the caller's own id give the caller; with a reference like the others. */
struct domain *domain_get_by_guest_id(uint16_t id);
bool domain_try_get(struct domain *d);
void domain_put(struct domain *d);
/* First domain with an id >= `id`, with a reference; NULL at the end. */
struct domain *domain_get_next(uint16_t id);
extern struct domain *control_domain; /* dom0 */
/* Account of frames that the hypervisor shows to control tools (DOMID_XEN). */
extern struct domain_memory hypervisor_memory;
/* Lowest unused id from `from` on; DOMAIN_ID_INVALID when there is none. */
uint16_t domain_free_id(uint16_t from);
/* From cpu_do_work(): frees what domain_put() left. */
void domain_reap(void);

/* NULL when there is no such vCPU. */
static inline struct vcpu *domain_vcpu(const struct domain *d, unsigned id)
{
    return id < d->vcpu_max ? __atomic_load_n(&d->vcpus[id], __ATOMIC_ACQUIRE) : NULL;
}

/* Counted. domain_pause() returns when no CPU holds the state of any of its vCPUs; same rules as
 * vcpu_stop_sync(). */
void domain_pause(struct domain *d);
void domain_unpause(struct domain *d);
/* The same without waiting: any context, and for the current domain. */
void domain_pause_async(struct domain *d);
/* The guest asked, or a tool: stops all vCPUs and tells the control domain; dom0: the machine. */
void domain_shutdown(struct domain *d, uint8_t reason);
/* Undoes a shutdown: the vCPUs run on. */
void domain_resume(struct domain *d);
/* A guest's mistake that leaves it unable to run: one line why, then shutdown(crash). */
void domain_crash(struct domain *d, const char *fmt, ...) __printf(2, 3);
/*
 * Kill: bounded steps, -ERESTART until done; then the domain is gone when the last reference is.
 * The caller holds a reference and the control lock. -EINVAL: the control domain.
 */
int domain_destroy(struct domain *d) __must_check;

/* Counted. One vCPU, of another domain or another one of the current domain; the same rules as
 * vcpu_stop_sync(). The control lock is held. */
void vcpu_pause(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);

/* ---- core/vcpu.c ------------------------------------------------------------------------------
 */

/* Ends the present state at `now_ns` and begins another. Run queue locked. */
void vcpu_runstate_change(struct vcpu *v, uint32_t state, uint64_t now_ns);
/* The accounts up to the last change of state, in one piece. */
void vcpu_runstate_copy(struct vcpu *v, struct vcpu_runstate *out);
/* The accounts up to this moment. */
void vcpu_runstate_get(struct vcpu *v, struct vcpu_runstate *out);
/* Writes the guest's copy; this CPU holds the vCPU's state. No lock held. */
void vcpu_runstate_publish(struct vcpu *v);
/* Moves vcpu_info to a place in the guest's memory; nothing pending is lost.
 * -EINVAL: bad place, already moved, or the vCPU may be running. */
int vcpu_info_register(struct vcpu *v, uint64_t gfn, uint32_t offset) __must_check;
