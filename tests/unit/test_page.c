/* SPDX-License-Identifier: MIT */
/*
 * Frames: allocation, states, ownership, against a naive model of the machine.
 */
/* SOURCES: core/page.c core/page_early.c */
/* SOURCES: tests/unit/fake/memory.c tests/unit/fake/lock.c tests/unit/fake/log.c */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include <kr/arch.h>
#include <kr/errno.h>

#include "fake/memory.h"

/* 4.25 GiB in two pieces with the PC's hole below 4 GiB and the one at 640 KiB. */
#define LOW_END  0xc0000UL
#define HIGH     0x100000UL
#define HIGH_END 0x150000UL
#define RAM      (0x9f + (LOW_END - 0x100) + (HIGH_END - HIGH))

static struct domain_memory alice, bob;

static int start(void **state)
{
    memory_fake_start(HIGH_END);
    page_range_add(0, 0x9f, PAGE_RANGE_FREE);
    page_range_add(0x100, LOW_END - 0x100, PAGE_RANGE_FREE);
    page_range_add(HIGH, HIGH_END - HIGH, PAGE_RANGE_FREE);
    domain_memory_init(&alice, 1, 1000000);
    domain_memory_init(&bob, 2, 16);
    memory_fake_domain(&alice);
    memory_fake_domain(&bob);
    return 0;
}

static int stop(void **state)
{
    assert_int_equal(fake_locks_held, 0);
    memory_fake_stop();
    return 0;
}

static void test_ranges(void **state)
{
    uint64_t counts[PAGE_STATE_COUNT];

    assert_int_equal(page_total_count(), RAM);
    assert_int_equal(page_free_count(), RAM);
    assert_int_equal(page_free_count_below(32), RAM - (HIGH_END - HIGH));
    assert_int_equal(page_free_count_below(24), 0x9f + 0xf00);
    assert_int_equal(page_free_count_below(20), 0x9f);
    assert_int_equal(page_free_count_below(19), 0);
    assert_int_equal(page_end(), HIGH_END);

    assert_true(frame_is_ram(0));
    assert_true(frame_is_ram(0x9e));
    assert_false(frame_is_ram(0x9f));
    assert_true(frame_is_valid(0x9f));
    assert_true(frame_is_ram(LOW_END - 1));
    assert_false(frame_is_valid(LOW_END));
    assert_false(frame_is_valid(HIGH - 1));
    assert_true(frame_is_ram(HIGH));
    assert_false(frame_is_valid(HIGH_END));
    assert_false(frame_is_valid(PAGE_NONE));
    assert_false(frame_is_valid(1UL << 32));
    assert_false(frame_is_valid(MFN_INVALID));

    page_count_states(counts);
    assert_int_equal(counts[PAGE_FREE], RAM);
    assert_int_equal(counts[PAGE_DEVICE], 0x100 - 0x9f);
}

static void test_high_memory_first(void **state)
{
    mfn_t top = page_alloc(0, 0);
    mfn_t low = page_alloc(0, PAGE_BELOW_4G);
    mfn_t isa = page_alloc(0, PAGE_BELOW_16M);

    assert_int_equal(top, HIGH_END - 1);
    assert_int_equal(low, LOW_END - 1);
    assert_in_range(isa, 0x100, 0xfff);
    assert_in_range(page_alloc_below(4, 20, 0), 0, 0x9e);
    assert_true(page_alloc_below(0, 19, 0) == MFN_INVALID);
    assert_true(page_alloc(PAGE_ORDER_MAX + 1, 0) == MFN_INVALID);
    assert_int_equal(page_free_count(), RAM - 3 - 16);
}

static void test_zero(void **state)
{
    mfn_t mfn = page_alloc(2, 0);

    memset(frame_to_virt(mfn), 0xaa, 4 * PAGE_SIZE);
    page_free(mfn, 2);
    assert_int_equal(page_alloc(2, PAGE_ZERO), mfn);
    for (unsigned i = 0; i < 4 * PAGE_SIZE; i++)
        assert_int_equal(((char *)frame_to_virt(mfn))[i], 0);
    memset(frame_to_virt(mfn), 0xaa, 4 * PAGE_SIZE);
    page_free_scrubbed(mfn, 2);
    assert_int_equal(((char *)frame_to_virt(mfn))[5], 0);
}

static void test_assign_release(void **state)
{
    mfn_t mfn = page_alloc(2, 0);
    struct page *p = page_of(mfn);

    assert_int_equal(page_assign(&alice, mfn, 2), 0);
    assert_int_equal(alice.page_count, 4);
    assert_int_equal(domain_memory_first(&alice), mfn);
    assert_int_equal(alice.last, mfn + 3);
    assert_int_equal(p[1].next, mfn + 2);
    assert_int_equal(p[1].prev, mfn);

    assert_true(page_get(p, 1));
    assert_false(page_get(p, 2));
    assert_int_equal(p->refs, 2);
    memset(frame_to_virt(mfn), 0x55, PAGE_SIZE);
    assert_int_equal(page_release(&bob, p), -EINVAL);
    assert_int_equal(page_release(&alice, p), 0);
    assert_int_equal(page_release(&alice, p), -EINVAL);
    assert_int_equal(page_state(p), PAGE_DYING);
    assert_int_equal(alice.page_count, 3);
    assert_int_equal(alice.dying_count, 1);
    assert_false(page_get(p, 1));
    assert_false(page_get_any(p));
    assert_true(page_get_again(p));
    page_put(p);
    p->flush_epoch = 77;
    page_put(p);
    assert_int_equal(page_state(p), PAGE_FREE);
    assert_int_equal(memory_fake_syncs, 1);
    assert_int_equal(memory_fake_sync_epoch, 77);
    assert_int_equal(alice.dying_count, 0);
    assert_int_equal(((char *)frame_to_virt(mfn))[PAGE_SIZE - 1], 0);
    assert_int_equal(domain_memory_first(&alice), mfn + 1);

    for (unsigned i = 3; i > 0; i--)
        assert_int_equal(page_release(&alice, p + i), 0);
    assert_int_equal(domain_memory_first(&alice), PAGE_NONE);
    assert_true(domain_memory_is_empty(&alice));
    assert_int_equal(page_free_count(), RAM);
}

static const struct domain_memory *gone;

static void is_gone(struct domain_memory *m)
{
    assert_null(gone);
    gone = m;
}

/* A domain's end: in parts, neighbours or not, and around what others hold. */
static void test_release_all(void **state)
{
    mfn_t mfn = page_alloc(3, 0), other = page_alloc(0, 0);

    assert_int_equal(page_assign(&alice, mfn, 3), 0);
    assert_int_equal(page_assign(&alice, other, 0), 0);
    memset(frame_to_virt(mfn), 0xab, 8 * PAGE_SIZE);
    assert_true(page_get(page_of(mfn + 2), 1));
    page_of(mfn + 4)->flush_epoch = 78;
    domain_memory_set_dying(&alice);

    assert_true(domain_memory_release(&alice, 5));
    assert_int_equal(memory_fake_sync_epoch, 78);
    assert_int_equal(domain_memory_first(&alice), mfn + 5);
    assert_int_equal(alice.page_count, 4);
    assert_int_equal(alice.dying_count, 1);
    assert_int_equal(page_free_count(), RAM - 5);
    assert_true(domain_memory_release(&alice, 4));
    assert_false(domain_memory_release(&alice, 4));
    assert_int_equal(domain_memory_first(&alice), PAGE_NONE);
    assert_false(domain_memory_is_empty(&alice));
    assert_int_equal(page_state(page_of(mfn + 2)), PAGE_DYING);
    assert_int_equal(*(uint8_t *)frame_to_virt(mfn + 2), 0xab);

    memory_fake_gone = is_gone;
    assert_true(page_get_again(page_of(mfn + 2)));
    page_put(page_of(mfn + 2));
    assert_true(domain_memory_await(&alice));
    assert_null(gone);
    page_put(page_of(mfn + 2));
    assert_ptr_equal(gone, &alice);
    assert_false(domain_memory_await(&alice));
    assert_true(domain_memory_is_empty(&alice));
    assert_int_equal(page_free_count(), RAM);
    memory_fake_check();
    assert_int_equal(page_alloc(3, PAGE_ZERO), mfn);
    for (unsigned i = 0; i < 8 * PAGE_SIZE; i++)
        assert_int_equal(((uint8_t *)frame_to_virt(mfn))[i], 0);
    page_free(mfn, 3);
}

static void test_limits(void **state)
{
    mfn_t mfn = page_alloc(4, 0);

    bob.max_page_count = 15;
    assert_int_equal(page_assign(&bob, mfn, 4), -ENOSPC);
    bob.max_page_count = 16;
    assert_int_equal(page_assign(&bob, mfn, 4), 0);
    /* What was given up and is still held counts. */
    assert_true(page_get(page_of(mfn), 2));
    assert_int_equal(page_release(&bob, page_of(mfn)), 0);
    mfn_t other = page_alloc(0, 0);
    assert_int_equal(page_assign(&bob, other, 0), -ENOSPC);
    page_put(page_of(mfn));
    assert_int_equal(page_assign(&bob, other, 0), 0);
    domain_memory_set_dying(&bob);
    other = page_alloc(0, 0);
    assert_int_equal(page_assign(&bob, other, 0), -ESRCH);
    assert_int_equal(page_state(page_of(other)), PAGE_HV);

    struct page *p = page_of(mfn + 1);
    p->refs = 0x7fffffff;
    assert_false(page_get(p, 2));
    assert_false(page_get_again(p));
    assert_int_equal(p->refs, 0x7fffffff);
}

static void test_steal(void **state)
{
    mfn_t mfn = page_alloc(0, 0);
    struct page *p = page_of(mfn);

    assert_int_equal(page_steal(&alice, p), -EINVAL);
    assert_int_equal(page_assign(&alice, mfn, 0), 0);
    assert_int_equal(page_steal(&bob, p), -EINVAL);
    assert_true(page_get(p, 1));
    assert_int_equal(page_steal(&alice, p), -EBUSY);
    assert_int_equal(alice.page_count, 1);
    page_put(p);
    p->flush_epoch = 5;
    assert_int_equal(page_steal(&alice, p), 0);
    assert_int_equal(memory_fake_syncs, 1);
    assert_true(domain_memory_is_empty(&alice));
    assert_int_equal(page_assign(&bob, mfn, 0), 0);
    assert_true(page_get_frame(mfn, 2) == p);
    assert_null(page_get_frame(mfn, 1));
    assert_null(page_get_frame(0x9f, 1));
    assert_null(page_get_frame(MFN_INVALID, 1));
}

/* Whoever gives frames up for others finds room for those, whoever else asks meanwhile. */
static void test_steal_traded(void **state)
{
    mfn_t old = page_alloc(0, 0), new = page_alloc(0, 0), more = page_alloc(0, 0);

    alice.max_page_count = 1;
    assert_int_equal(page_assign(&alice, old, 0), 0);
    assert_int_equal(page_steal_traded(&alice, page_of(old)), 0);
    assert_int_equal(alice.page_count, 0);
    assert_int_equal(page_assign(&alice, more, 0), -ENOSPC);
    assert_int_equal(page_assign_traded(&alice, new, 0), 0);
    assert_int_equal(alice.page_count, 1);
    assert_int_equal(page_steal_traded(&alice, page_of(new)), 0);
    domain_memory_set_dying(&alice);
    assert_int_equal(page_assign_traded(&alice, new, 0), -ESRCH);
    assert_true(domain_memory_is_empty(&alice));
    page_free(old, 0);
    page_free(new, 0);
    page_free(more, 0);
}

static void test_expose(void **state)
{
    mfn_t mfn = page_alloc(0, PAGE_ZERO);
    struct page *p = page_of(mfn);

    page_expose(&bob, mfn, 0x1234);
    assert_int_equal(bob.exposed_count, 1);
    assert_int_equal(p->type, 0x1234);
    assert_int_equal(bob.page_count, 0);
    assert_true(page_get(p, 2));
    assert_int_equal(page_release(&bob, p), -EINVAL);
    assert_int_equal(page_steal(&bob, p), -EINVAL);
    page_conceal(&bob, mfn);
    assert_int_equal(bob.exposed_count, 0);
    assert_false(domain_memory_is_empty(&bob));
    assert_false(page_get(p, 2));
    page_put(p);
    assert_true(domain_memory_is_empty(&bob));
    assert_int_equal(page_free_count(), RAM);
}

/* Our own bugs stop at once. */
static void test_assertions(void **state)
{
    mfn_t mfn = page_alloc(1, 0);

    page_free(mfn, 1);
    expect_assert_failure(page_free(mfn, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ranges, start, stop),
        cmocka_unit_test_setup_teardown(test_high_memory_first, start, stop),
        cmocka_unit_test_setup_teardown(test_zero, start, stop),
        cmocka_unit_test_setup_teardown(test_assign_release, start, stop),
        cmocka_unit_test_setup_teardown(test_release_all, start, stop),
        cmocka_unit_test_setup_teardown(test_limits, start, stop),
        cmocka_unit_test_setup_teardown(test_steal, start, stop),
        cmocka_unit_test_setup_teardown(test_steal_traded, start, stop),
        cmocka_unit_test_setup_teardown(test_expose, start, stop),
        cmocka_unit_test_setup(test_assertions, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
