/* SPDX-License-Identifier: MIT */
/*
 * Ticket spinlocks: first come, first served, and the rank check. The ranks a CPU holds are in its
 * own struct cpu; a handful at most, so looking through them costs less than keeping them sorted.
 */
#include <kr/cpu.h>
#include <kr/lock.h>
#include <kr/log.h>

#include <stdatomic.h>

static void rank_push(struct cpu *cpu, uint8_t rank)
{
    ASSERT(cpu->locks_held < LOCK_DEPTH_MAX);
    cpu->lock_ranks[cpu->locks_held++] = rank;
}

/* Releases need not be in reverse order. */
static void rank_pop(struct cpu *cpu, uint8_t rank)
{
    unsigned i = cpu->locks_held;

    while (i > 0 && cpu->lock_ranks[i - 1] != rank)
        i--;
    ASSERT(i > 0);
    cpu->locks_held--;
    for (; i <= cpu->locks_held; i++)
        cpu->lock_ranks[i - 1] = cpu->lock_ranks[i];
}

static void ticket_take(struct spinlock *lock)
{
    uint16_t ticket = atomic_fetch_add_explicit(&lock->next_ticket, 1, memory_order_relaxed);

    while (atomic_load_explicit(&lock->now_serving, memory_order_acquire) != ticket)
        arch_cpu_relax();
}

/* `highest_ok`: the highest rank that may be held already. */
static void lock_ordered(struct spinlock *lock, unsigned highest_ok)
{
    struct cpu *cpu = this_cpu();

    for (unsigned i = 0; i < cpu->locks_held; i++)
        ASSERT(cpu->lock_ranks[i] <= highest_ok);
    arch_interleave();
    ticket_take(lock);
    rank_push(cpu, lock->rank);
}

void spin_lock_init(struct spinlock *lock, enum lock_rank rank)
{
    lock->next_ticket = 0;
    lock->now_serving = 0;
    lock->rank = rank;
}

void spin_lock(struct spinlock *lock)
{
    lock_ordered(lock, lock->rank - 1);
}

void spin_lock_nested(struct spinlock *lock)
{
    lock_ordered(lock, lock->rank);
}

bool spin_try_lock(struct spinlock *lock)
{
    uint16_t ticket;

    arch_interleave();
    /* What the last holder wrote is there to see with its release of this word, not of the other.
     */
    ticket = atomic_load_explicit(&lock->now_serving, memory_order_acquire);
    if (!atomic_compare_exchange_strong(&lock->next_ticket, &ticket, ticket + 1))
        return false;
    rank_push(this_cpu(), lock->rank);
    return true;
}

void spin_unlock(struct spinlock *lock)
{
    uint16_t serving = atomic_load_explicit(&lock->now_serving, memory_order_relaxed);

    rank_pop(this_cpu(), lock->rank);
    atomic_store_explicit(&lock->now_serving, serving + 1, memory_order_release);
    arch_interleave();
}

unsigned long spin_lock_irqsave(struct spinlock *lock)
{
    unsigned long flags = arch_irq_save();

    spin_lock(lock);
    return flags;
}

void spin_unlock_irqrestore(struct spinlock *lock, unsigned long flags)
{
    spin_unlock(lock);
    arch_irq_restore(flags);
}

bool spin_is_locked(struct spinlock *lock)
{
    return atomic_load(&lock->now_serving) != atomic_load(&lock->next_ticket);
}

void spin_lock_break(struct spinlock *lock)
{
    struct cpu *cpu = this_cpu();
    unsigned kept = 0;

    for (unsigned i = 0; i < cpu->locks_held; i++)
        if (cpu->lock_ranks[i] < lock->rank)
            cpu->lock_ranks[kept++] = cpu->lock_ranks[i];
    cpu->locks_held = kept;
    atomic_store(&lock->next_ticket, atomic_load(&lock->now_serving));
}
