/* SPDX-License-Identifier: MIT */
/*
 * Locks for host programs with one thread: never wait, and check what real ones would hang on or
 * assert: taking twice, releasing what is not held, and the order of ranks.
 */
#include <stdlib.h>

#include <kr/lock.h>
#include <kr/log.h>

#include "lock_fake.h"

static struct spinlock *held[16];
static unsigned held_count;

unsigned fake_locks_held(void)
{
    return held_count;
}

void spin_lock_init(struct spinlock *lock, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INIT(rank);
}

static void lock_take(struct spinlock *lock, bool nested)
{
    ASSERT(lock->rank != 0 && lock->next_ticket == lock->now_serving);
    ASSERT(held_count < 16);
    for (unsigned i = 0; i < held_count; i++)
        ASSERT(held[i]->rank < lock->rank || (nested && held[i]->rank == lock->rank));
    lock->next_ticket++;
    held[held_count++] = lock;
}

void spin_lock(struct spinlock *lock)
{
    lock_take(lock, false);
}

void spin_lock_nested(struct spinlock *lock)
{
    lock_take(lock, true);
}

void spin_unlock(struct spinlock *lock)
{
    unsigned i = 0;

    while (i < held_count && held[i] != lock)
        i++;
    ASSERT(i < held_count);
    for (held_count--; i < held_count; i++)
        held[i] = held[i + 1];
    lock->now_serving++;
}

bool spin_try_lock(struct spinlock *lock)
{
    if (spin_is_locked(lock))
        return false;
    spin_lock(lock);
    return true;
}

unsigned long spin_lock_irqsave(struct spinlock *lock)
{
    spin_lock(lock);
    return 0x1f;
}

void spin_unlock_irqrestore(struct spinlock *lock, unsigned long flags)
{
    ASSERT(flags == 0x1f);
    spin_unlock(lock);
}

bool spin_is_locked(struct spinlock *lock)
{
    return lock->next_ticket != lock->now_serving;
}
