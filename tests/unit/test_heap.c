/* SPDX-License-Identifier: MIT */
/*
 * Small objects: what comes out is apart, aligned and keeps its contents; what goes back balances.
 */
/* SOURCES: core/heap.c core/page.c */
/* SOURCES: tests/unit/fake/memory.c tests/unit/fake/lock.c tests/unit/fake/log.c */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include <kr/arch.h>
#include <kr/heap.h>

#include "fake/memory.h"

#define FRAMES 0x2000UL /* 32 MiB */

static struct domain_memory alice;

/* Slabs outlive a test, so all tests share one machine. */
static int start(void **state)
{
    memory_fake_start(FRAMES);
    page_range_add(0x100, FRAMES - 0x100, PAGE_RANGE_FREE);
    domain_memory_init(&alice, 1, 1000000);
    memory_fake_domain(&alice);
    return 0;
}

static int stop(void **state)
{
    memory_fake_stop();
    return 0;
}

static int check_balance(void **state)
{
    assert_int_equal(fake_locks_held, 0);
    assert_int_equal(heap_used_bytes(), 0);
    assert_true(alice.heap_bytes == 0);
    assert_int_equal(page_free_count() * PAGE_SIZE + heap_held_bytes(),
                     (FRAMES - 0x100) * PAGE_SIZE);
    assert_true(heap_held_bytes() <= 14 * PAGE_SIZE);
    return 0;
}

static void test_sizes(void **state)
{
    for (size_t size = 1; size <= 3 * PAGE_SIZE; size += size < 200 ? 1 : 37) {
        unsigned char *object = heap_zalloc(size);

        assert_non_null(object);
        size_t align = size > HEAP_SMALL_MAX ? PAGE_SIZE : size >= 64 ? 64 : 16;
        assert_int_equal((uintptr_t)object & (align - 1), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(object[i], 0);
        memset(object, 0xff, size);
        heap_free(object);
    }
    assert_null(heap_alloc(0));
    assert_null(heap_alloc(HEAP_LARGE_MAX + 1));
    assert_null(heap_alloc(SIZE_MAX));
    assert_null(heap_zalloc_array(NULL, SIZE_MAX / 2, 3));
    heap_free(NULL);
}

/* Five pages cost five pages, not eight. */
static void test_large_is_trimmed(void **state)
{
    uint64_t before = page_free_count();
    void *object = heap_alloc_for(&alice, 4 * PAGE_SIZE + 1);

    assert_int_equal(before - page_free_count(), 5);
    assert_true(alice.heap_bytes == 5 * PAGE_SIZE);
    heap_free(object);
    assert_int_equal(page_free_count(), before);
}

static void test_charge(void **state)
{
    void *small = heap_zalloc_for(&alice, 100);
    void *other = heap_alloc(100);
    void *array = heap_zalloc_array(&alice, 10, 300);

    assert_true(alice.heap_bytes == 128 + PAGE_SIZE);
    assert_false(domain_memory_is_empty(&alice));
    heap_free(other);
    assert_true(alice.heap_bytes == 128 + PAGE_SIZE);
    heap_free(small);
    heap_free(array);
    assert_true(domain_memory_is_empty(&alice));
}

struct object {
    unsigned char *memory;
    size_t size;
    unsigned char mark;
    bool charged;
};

static size_t random_size(void)
{
    switch (rand() % 8) {
    case 0: return 1 + rand() % (5 * PAGE_SIZE);
    case 1: return 1 + rand() % HEAP_SMALL_MAX;
    default: return 1 + rand() % 300;
    }
}

static void object_check_and_free(struct object *o)
{
    for (size_t i = 0; i < o->size; i++)
        assert_int_equal(o->memory[i], o->mark);
    heap_free(o->memory);
    o->memory = NULL;
}

static void test_random(void **state)
{
    static struct object objects[600];

    srand(1);
    for (unsigned step = 0; step < 60000; step++) {
        struct object *o = &objects[rand() % ARRAY_SIZE(objects)];

        if (o->memory != NULL) {
            object_check_and_free(o);
            continue;
        }
        o->size = random_size();
        o->mark = rand();
        o->charged = rand() & 1;
        o->memory = heap_alloc_for(o->charged ? &alice : NULL, o->size);
        assert_non_null(o->memory);
        memset(o->memory, o->mark, o->size);
    }

    uint64_t charged = 0, all = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(objects); i++) {
        all += objects[i].memory != NULL ? objects[i].size : 0;
        charged += objects[i].memory != NULL && objects[i].charged ? objects[i].size : 0;
    }
    assert_true(alice.heap_bytes >= charged);
    assert_true(heap_used_bytes() >= all && heap_used_bytes() <= heap_held_bytes());
    for (unsigned i = 0; i < ARRAY_SIZE(objects); i++)
        if (objects[i].memory != NULL)
            object_check_and_free(&objects[i]);
}

/* With no frames left every form says so, and nothing is lost. */
static void test_exhaustion(void **state)
{
    void *chain = NULL;
    void *object;
    size_t size = 8 * MIB;

    for (; size >= 16; size /= 2)
        while ((object = heap_alloc_for(&alice, size)) != NULL) {
            *(void **)object = chain;
            chain = object;
        }
    assert_int_equal(page_free_count(), 0);
    assert_null(heap_zalloc(16));
    assert_null(heap_zalloc_for(&alice, PAGE_SIZE));
    while (chain != NULL) {
        object = chain;
        chain = *(void **)object;
        heap_free(object);
    }
}

/* An empty slab is kept for the next object of its size, until the heap is trimmed. */
static void test_trim(void **state)
{
    static const size_t sizes[] = {16, 100, 1000, 1984};
    void *objects[ARRAY_SIZE(sizes)];

    heap_trim();
    uint64_t held = heap_held_bytes();
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
        objects[i] = heap_zalloc_for(&alice, sizes[i]);
    void *kept = heap_zalloc_for(&alice, sizes[0]);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
        heap_free(objects[i]);
    assert_int_equal(heap_held_bytes(), held + ARRAY_SIZE(sizes) * PAGE_SIZE);
    heap_trim();
    assert_int_equal(heap_held_bytes(), held + PAGE_SIZE);
    heap_free(kept);
    heap_trim();
    assert_int_equal(heap_held_bytes(), held);
    heap_trim();
    assert_int_equal(heap_held_bytes(), held);
}

/* Each allocation of frames failed in turn: an object or NULL, nothing lost. */
static void test_failing_frames(void **state)
{
    static const size_t sizes[] = {16, 100, 1000, 1984, 1985, 20000};

    for (unsigned fail = 0; fail < 40; fail++) {
        void *objects[60] = {0};
        unsigned failures = 0;

        memory_fake_fail_after(fail);
        for (unsigned i = 0; i < ARRAY_SIZE(objects); i++) {
            objects[i] = heap_zalloc_for(&alice, sizes[i % ARRAY_SIZE(sizes)]);
            failures += objects[i] == NULL;
        }
        assert_in_range(failures, 0, 1);
        for (unsigned i = 0; i < ARRAY_SIZE(objects); i++)
            heap_free(objects[i]);
        memory_fake_fail_after(~0U);
        check_balance(state);
    }
}

static void test_misuse(void **state)
{
    char *object = heap_alloc(40);
    char *page = heap_alloc(PAGE_SIZE);
    mfn_t mfn = page_alloc(0, 0);

    expect_assert_failure(heap_free(object + 8));
    expect_assert_failure(heap_free(frame_to_virt(mfn)));
    page_free(mfn, 0);
    heap_free(page);
    expect_assert_failure(heap_free(page));
    heap_free(object);
    expect_assert_failure(heap_free(object));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_sizes, check_balance),
        cmocka_unit_test_teardown(test_large_is_trimmed, check_balance),
        cmocka_unit_test_teardown(test_charge, check_balance),
        cmocka_unit_test_teardown(test_random, check_balance),
        cmocka_unit_test_teardown(test_exhaustion, check_balance),
        cmocka_unit_test_teardown(test_trim, check_balance),
        cmocka_unit_test_teardown(test_failing_frames, check_balance),
        cmocka_unit_test(test_misuse),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
