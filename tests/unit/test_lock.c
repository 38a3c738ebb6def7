/* SPDX-License-Identifier: MIT */
/* Spinlocks: the order of ranks, release in any order, the ticket arithmetic around its wrap. */
#include "machine.h"

#include "../../core/lock.c"

static struct spinlock domain_lock = SPINLOCK_INIT(LOCK_RANK_DOMAIN);
static struct spinlock event_lock = SPINLOCK_INIT(LOCK_RANK_EVENT);
static struct spinlock heap_lock = SPINLOCK_INIT(LOCK_RANK_HEAP);

static int setup(void **state)
{
    memset(machine_cpus, 0, sizeof(machine_cpus));
    machine_cpu = &machine_cpus[0];
    spin_lock_init(&domain_lock, LOCK_RANK_DOMAIN);
    spin_lock_init(&event_lock, LOCK_RANK_EVENT);
    spin_lock_init(&heap_lock, LOCK_RANK_HEAP);
    return 0;
}

static void rising_ranks_are_fine(void **state)
{
    spin_lock(&domain_lock);
    spin_lock(&event_lock);
    spin_lock(&heap_lock);
    assert_int_equal(machine_cpu->locks_held, 3);
    spin_unlock(&domain_lock);
    spin_unlock(&heap_lock);
    assert_true(spin_is_locked(&event_lock));
    spin_unlock(&event_lock);
    assert_int_equal(machine_cpu->locks_held, 0);
    assert_false(spin_is_locked(&event_lock));
}

static void falling_rank_asserts(void **state)
{
    spin_lock(&event_lock);
    expect_assert_failure(spin_lock(&domain_lock));
    spin_unlock(&event_lock);
}

static void same_rank_asserts_unless_nested(void **state)
{
    struct spinlock other = SPINLOCK_INIT(LOCK_RANK_DOMAIN);

    spin_lock(&domain_lock);
    expect_assert_failure(spin_lock(&other));
    spin_lock_nested(&other);
    spin_unlock(&domain_lock);
    /* Still held, so the rank still counts. */
    expect_assert_failure(spin_lock(&domain_lock));
    spin_unlock(&other);
    spin_lock(&domain_lock);
    spin_unlock(&domain_lock);
}

static void released_out_of_order_rank_is_forgotten(void **state)
{
    spin_lock(&domain_lock);
    spin_lock(&heap_lock);
    spin_unlock(&heap_lock);
    spin_lock(&event_lock);
    spin_unlock(&domain_lock);
    spin_unlock(&event_lock);
    assert_int_equal(machine_cpu->locks_held, 0);
}

static void try_lock_may_come_in_any_order(void **state)
{
    spin_lock(&event_lock);
    assert_true(spin_try_lock(&domain_lock));
    assert_false(spin_try_lock(&domain_lock));
    /* What it took counts for those that follow. */
    expect_assert_failure(spin_lock(&domain_lock));
    spin_lock(&heap_lock);
    spin_unlock(&heap_lock);
    spin_unlock(&domain_lock);
    spin_unlock(&event_lock);
}

static void unlock_of_a_free_lock_asserts(void **state)
{
    expect_assert_failure(spin_unlock(&domain_lock));
}

static void each_cpu_has_its_own_ranks(void **state)
{
    spin_lock(&heap_lock);
    machine_cpu = &machine_cpus[1];
    spin_lock(&domain_lock);
    spin_unlock(&domain_lock);
    machine_cpu = &machine_cpus[0];
    spin_unlock(&heap_lock);
}

static void tickets_wrap(void **state)
{
    for (unsigned i = 0; i < 70000; i++) {
        spin_lock(&domain_lock);
        assert_true(spin_is_locked(&domain_lock));
        spin_unlock(&domain_lock);
        assert_true(spin_try_lock(&domain_lock));
        spin_unlock(&domain_lock);
    }
}

static void breaking_frees_it_for_the_breaker(void **state)
{
    spin_lock(&domain_lock);
    spin_lock(&heap_lock);
    spin_lock_break(&heap_lock);
    assert_false(spin_is_locked(&heap_lock));
    spin_lock(&heap_lock);
    spin_unlock(&heap_lock);
    spin_unlock(&domain_lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rising_ranks_are_fine, setup),
        cmocka_unit_test_setup(falling_rank_asserts, setup),
        cmocka_unit_test_setup(same_rank_asserts_unless_nested, setup),
        cmocka_unit_test_setup(released_out_of_order_rank_is_forgotten, setup),
        cmocka_unit_test_setup(try_lock_may_come_in_any_order, setup),
        cmocka_unit_test_setup(unlock_of_a_free_lock_asserts, setup),
        cmocka_unit_test_setup(each_cpu_has_its_own_ranks, setup),
        cmocka_unit_test_setup(tickets_wrap, setup),
        cmocka_unit_test_setup(breaking_frees_it_for_the_breaker, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
