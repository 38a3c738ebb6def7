/* SPDX-License-Identifier: MIT */
/*
 * Spinlocks with ranks. A CPU takes locks in rising rank order (docs/locking.md is this list in
 * prose); equal ranks only by ascending domain or CPU id, through spin_lock_nested(). The order is
 * checked at run time on every acquisition and a violation asserts.
 *
 * The hypervisor is not preemptible and interrupts stay off while it runs on behalf of a guest, so
 * the plain form is right nearly everywhere; the irqsave form is for locks that are also taken by
 * interrupt handlers which may hit the idle loop or start-up code with interrupts on.
 */
#pragma once

#include <kr/types.h>

enum lock_rank {
    LOCK_RANK_CONTROL = 5,      /* one domctl, sysctl or platform call at a time */
    LOCK_RANK_DOMAIN_LIST = 10, /* list of domains, domain ids */
    LOCK_RANK_DOMAIN = 20,      /* life cycle, limits */
    LOCK_RANK_GRANT = 30,       /* grant table size, active entries, maptrack */
    LOCK_RANK_P2M = 40,         /* guest-frame table */
    LOCK_RANK_EVENT = 50,       /* ports of one domain */
    LOCK_RANK_IRQ_ROUTING = 54, /* which interrupts exist and whose pirqs they are */
    LOCK_RANK_IRQ = 55,         /* one interrupt: its listeners; taken by interrupt handlers */
    LOCK_RANK_EVENT_PORT = 57,  /* one port: held while raising, by interrupt handlers too */
    LOCK_RANK_EVENT_QUEUE = 58, /* FIFO queues of one vCPU */
    LOCK_RANK_SCHED = 60,       /* run queue of one CPU */
    LOCK_RANK_TIMER = 65,       /* timer queue of one CPU */
    LOCK_RANK_WALLCLOCK = 66,   /* wall clock and its copies in the domains */
    LOCK_RANK_CLAIM = 67,       /* memory set aside for domains */
    LOCK_RANK_MEMORY = 68,      /* page list and totals of one domain */
    LOCK_RANK_HEAP = 70,        /* free lists, frame states */
    LOCK_RANK_SLAB = 72,        /* small objects: takes frames with HEAP before, never inside */
    LOCK_RANK_PCI = 76,         /* configuration space: address and data as one step; leaf */
    LOCK_RANK_IOAPIC = 77,      /* registers of the IO-APICs; leaf */
    LOCK_RANK_CONSOLE = 80,     /* output ring; leaf */
};

struct spinlock {
    _Atomic uint16_t next_ticket;
    _Atomic uint16_t now_serving;
    uint8_t rank;
};

#define SPINLOCK_INIT(r) \
    {                    \
        .rank = (r)      \
    }
#define LOCK_DEPTH_MAX 12 /* locks one CPU can hold at a time */

void spin_lock_init(struct spinlock *lock, enum lock_rank rank);
void spin_lock(struct spinlock *lock);
/* Same rank as a lock already held; the caller orders the two (ascending domain or CPU id). */
void spin_lock_nested(struct spinlock *lock);
/* Never waits, so any order is right. */
bool spin_try_lock(struct spinlock *lock);
void spin_unlock(struct spinlock *lock);
unsigned long spin_lock_irqsave(struct spinlock *lock);
void spin_unlock_irqrestore(struct spinlock *lock, unsigned long flags);
bool spin_is_locked(struct spinlock *lock);
/* For panic() only: makes the lock free whoever holds it. */
void spin_lock_break(struct spinlock *lock);
