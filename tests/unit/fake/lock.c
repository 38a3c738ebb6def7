/* SPDX-License-Identifier: MIT */
/*
 * Locks for host programs with one thread: never wait, and check what real ones would hang on or
 * assert: taking twice, releasing what is not held, and the order of ranks.
 */
#include <kr/lock.h>
#include <kr/log.h>

/* Locks held now; a test may check that nothing is left held. */
int fake_locks_held;
static struct spinlock *held[16];

void spin_lock_init(struct spinlock *lock, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INIT(rank);
}

static void lock_take(struct spinlock *lock, bool nested)
{
    ASSERT(lock->rank != 0 && !spin_is_locked(lock));
    ASSERT(fake_locks_held < (int)ARRAY_SIZE(held));
    for (int i = 0; i < fake_locks_held; i++)
        ASSERT(held[i]->rank < lock->rank || (nested && held[i]->rank == lock->rank));
    lock->next_ticket++;
    held[fake_locks_held++] = lock;
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
    int i = 0;

    while (i < fake_locks_held && held[i] != lock)
        i++;
    ASSERT(i < fake_locks_held);
    for (fake_locks_held--; i < fake_locks_held; i++)
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

void spin_lock_break(struct spinlock *lock)
{
    if (spin_is_locked(lock))
        spin_unlock(lock);
}
