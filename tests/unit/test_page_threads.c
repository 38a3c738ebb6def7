/* SPDX-License-Identifier: MIT */
/*
 * Frames under real concurrency: four threads allocate, assign, release, steal, reference and write
 * the same few frames; references keep owners, free memory is zero, and the books balance after.
 * (Worth a run with -fsanitize=thread when core/page*.c change.)
 */
/* SOURCES: core/page.c tests/unit/fake/memory.c tests/unit/fake/log.c */
/* LIBS: -lpthread */
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>

#include <kr/arch.h>
#include <kr/errno.h>

#include "fake/memory.h"

#define FIRST   0x100
#define FRAMES  0x40
#define THREADS 4
#define STEPS   50000

static struct domain_memory accounts[2];

/* ---- locks that wait --------------------------------------------------------------------------
 */

static pthread_mutex_t mutexes[3] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
                                     PTHREAD_MUTEX_INITIALIZER};

static pthread_mutex_t *mutex_of(const struct spinlock *lock)
{
    return &mutexes[lock == &accounts[0].lock ? 0 : lock == &accounts[1].lock ? 1 : 2];
}

void spin_lock_init(struct spinlock *lock, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INIT(rank);
}

void spin_lock(struct spinlock *lock)
{
    pthread_mutex_lock(mutex_of(lock));
}

void spin_unlock(struct spinlock *lock)
{
    pthread_mutex_unlock(mutex_of(lock));
}

unsigned long spin_lock_irqsave(struct spinlock *lock)
{
    spin_lock(lock);
    return 0;
}

void spin_unlock_irqrestore(struct spinlock *lock, unsigned long flags)
{
    spin_unlock(lock);
}

/* ---- the storm --------------------------------------------------------------------------------
 */

/* cmocka's assertions belong to the main thread. */
#define CHECK(e) ((e) ? (void)0 : abort())

static void allocate(struct domain_memory *m)
{
    mfn_t mfn = page_alloc(0, PAGE_ZERO);

    if (mfn == MFN_INVALID)
        return;
    CHECK(*(uint64_t *)frame_to_virt(mfn) == 0);
    CHECK(page_assign(m, mfn, 0) == 0);
}

static bool reference(mfn_t mfn, uint16_t owner)
{
    struct page *p = page_of(mfn);

    if (!page_get(p, owner))
        return false;
    CHECK(p->owner == owner);
    __atomic_store_n((uint64_t *)frame_to_virt(mfn), 1, __ATOMIC_RELAXED);
    return true;
}

static void *storm(void *argument)
{
    unsigned seed = (uintptr_t)argument, held_count = 0;
    struct page *held[64];

    for (unsigned step = 0; step < STEPS; step++) {
        mfn_t mfn = FIRST + rand_r(&seed) % FRAMES;
        unsigned owner = rand_r(&seed) % 2;
        int rc;

        switch (rand_r(&seed) % 6) {
        case 0: allocate(&accounts[owner]); break;
        case 1:
            rc = page_release(&accounts[owner], page_of(mfn));
            CHECK(rc == 0 || rc == -EINVAL);
            break;
        case 2:
            if (page_steal(&accounts[owner], page_of(mfn)) == 0)
                page_free_scrubbed(mfn, 0);
            break;
        case 3:
            if (held_count > 0)
                page_put(held[--held_count]);
            break;
        default:
            if (held_count < ARRAY_SIZE(held) && reference(mfn, owner))
                held[held_count++] = page_of(mfn);
        }
    }
    while (held_count > 0)
        page_put(held[--held_count]);
    return NULL;
}

static void test_storm(void **state)
{
    pthread_t threads[THREADS];

    memory_fake_start(FIRST + FRAMES);
    page_range_add(FIRST, FRAMES, PAGE_RANGE_FREE);
    for (unsigned i = 0; i < 2; i++) {
        domain_memory_init(&accounts[i], i, FRAMES);
        memory_fake_domain(&accounts[i]);
    }
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, storm, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    memory_fake_check();
    for (unsigned i = 0; i < 2; i++) {
        uint32_t mfn;

        while ((mfn = domain_memory_first(&accounts[i])) != PAGE_NONE)
            assert_int_equal(page_release(&accounts[i], page_of(mfn)), 0);
        assert_true(domain_memory_is_empty(&accounts[i]));
    }
    memory_fake_check();
    assert_int_equal(page_free_count(), FRAMES);
    memory_fake_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_storm)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
