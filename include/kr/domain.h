/* SPDX-License-Identifier: MIT */
/*
 * Domains and vCPUs: life cycle and what every subsystem hangs on them.
 * Legend: [I] immutable after creation  [d] domain lock  [l] domain-list lock  [a] atomic
 *         [v] only the vCPU itself, or while it is stopped
 */
#pragma once

#include <kr/arch.h>
#include <kr/event.h>
#include <kr/grant.h>
#include <kr/list.h>
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
    struct vcpu_info *info; /* [a] in shared_info, or where the guest registered it */
    mfn_t info_mfn;         /* [v] frame pinned for a registered vcpu_info, or MFN_INVALID */
    struct vcpu_runstate runstate;
    uint64_t runstate_guest_addr; /* [v] registered runstate area, 0 = none */
    uint64_t time_guest_addr;     /* [v] registered copy of the time record, 0 = none */
    struct timer singleshot;      /* VIRQ_TIMER, one-shot */
    struct timer periodic;
    uint64_t period_ns; /* 0 = off */
    struct timer poll_timer;
    uint32_t poll_port;      /* port waited for; 0 = several or none */
    bool polling;            /* [a] in SCHEDOP_poll */
    bool is_initialised;     /* [d] has a context */
    unsigned pause_count;    /* [d] */
};

struct domain {
    struct arch_domain arch;
    uint16_t id;             /* [I] */
    bool is_privileged;      /* [I] the control domain */
    bool is_dying;           /* [d] */
    bool is_shutdown;        /* [d] */
    bool is_paused_by_control; /* [d] */
    uint8_t shutdown_reason; /* [d] xen/sched.h SHUTDOWN_* */
    _Atomic uint32_t refs;   /* [a] last put frees the structure */
    struct list list;        /* [l] */
    struct spinlock lock;
    unsigned vcpu_max;       /* [I] */
    struct vcpu **vcpus;     /* [I] entries NULL until created */
    struct domain_memory memory;
    struct domain_events events;
    struct grant_table *grants;
    struct domain_sched sched;
    struct shared_info *shared_info; /* [I] hypervisor frame exposed to the domain */
    uint32_t pause_count;    /* [d] */
    uint32_t vm_assist;      /* [a] bits of VMASST_TYPE_* */
    uint8_t handle[16];      /* [d] toolstack's UUID */
    uint32_t create_flags;   /* [I] XEN_DOMCTL_CDF_* */
    uint64_t created_ns;     /* [I] */
};

#define domain_for_each_vcpu(d, v, i) \
    for (i = 0; i < (d)->vcpu_max; i++) \
        if (((v) = (d)->vcpus[i]) != NULL)

/* Creates a paused domain without memory or vCPUs. Errors: -EEXIST, -ENOMEM, -EINVAL. */
struct domain_config {
    uint16_t id;
    bool is_privileged;
    unsigned vcpu_max;
    uint32_t port_max, grant_frame_max, maptrack_max, create_flags;
};
int domain_create(const struct domain_config *config, struct domain **out) __must_check;
int vcpu_create(struct domain *d, unsigned id, unsigned cpu, struct vcpu **out) __must_check;
/* References: get by id takes one (NULL when absent), put drops it. */
struct domain *domain_get(uint16_t id);
/* DOMAIN_ID_SELF and the caller's own id give the caller. */
struct domain *domain_get_by_guest_id(uint16_t id);
bool domain_try_get(struct domain *d);
void domain_put(struct domain *d);
/* First domain with an id >= `id`, with a reference; NULL at the end. */
struct domain *domain_get_next(uint16_t id);
extern struct domain *control_domain; /* dom0 */

struct vcpu *domain_vcpu(struct domain *d, unsigned id);

void domain_pause(struct domain *d);
void domain_unpause(struct domain *d);
/* The guest asked, or a tool: stops all vCPUs and tells the control domain; dom0: the machine. */
void domain_shutdown(struct domain *d, uint8_t reason);
/* A guest's mistake that leaves it unable to run: one line why, then shutdown(crash). */
void domain_crash(struct domain *d, const char *fmt, ...) __printf(2, 3);
/* Kill: bounded steps, -ERESTART until done. */
int domain_destroy(struct domain *d) __must_check;
