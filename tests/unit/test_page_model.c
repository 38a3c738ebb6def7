/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of everything that can happen to frames, against a model that is nothing but an
 * array, with the whole machine recounted every few hundred steps. A failure prints the seed.
 */
/* SOURCES: core/page.c */
/* SOURCES: tests/unit/fake/memory.c tests/unit/fake/lock.c tests/unit/fake/log.c */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kr/arch.h>
#include <kr/errno.h>

#include "fake/memory.h"

/* Around the limits of 1 MiB and 16 MiB, with holes and odd edges; or with RAM from address 0. */
#define END      0x1803UL
#define OWNERS   3
#define OWNER_HV 0xff

static struct model {
    enum page_state state;
    unsigned owner;
    unsigned refs;
} model[END];

static struct domain_memory accounts[OWNERS];
static uint64_t ram_count;

static void machine_start(bool low_holes)
{
    memory_fake_start(END);
    if (low_holes) {
        page_range_add(3, 0x9c - 3, PAGE_RANGE_FREE);
        page_range_add(0x101, 0xd00, PAGE_RANGE_FREE);
    } else {
        page_range_add(0, 0xe01, PAGE_RANGE_FREE);
    }
    page_range_add(0xe80, END - 0xe80, PAGE_RANGE_FREE);
    ram_count = 0;
    for (mfn_t mfn = 0; mfn < END; mfn++) {
        model[mfn] = (struct model){.state = frame_is_ram(mfn) ? PAGE_FREE : PAGE_DEVICE};
        ram_count += frame_is_ram(mfn);
        memset(frame_to_virt(mfn), 0x77, PAGE_SIZE);
    }
    for (unsigned i = 0; i < OWNERS; i++) {
        domain_memory_init(&accounts[i], i, i == 2 ? 500 : 100000);
        memory_fake_domain(&accounts[i]);
    }
}

static mfn_t random_frame(enum page_state state)
{
    mfn_t first = rand() % END;

    for (mfn_t i = 0; i < END; i++)
        if (model[(first + i) % END].state == state)
            return (first + i) % END;
    return MFN_INVALID;
}

static mfn_t random_ram(void)
{
    mfn_t mfn;

    do
        mfn = rand() % END;
    while (model[mfn].state == PAGE_DEVICE);
    return mfn;
}

static void model_set(mfn_t mfn, unsigned order, enum page_state from, enum page_state to,
                      unsigned owner, unsigned refs)
{
    for (mfn_t end = mfn + BIT(order); mfn < end; mfn++) {
        assert_int_equal(model[mfn].state, from);
        model[mfn] = (struct model){.state = to, .owner = owner, .refs = refs};
    }
}

/* Is there a naturally aligned block of free frames below the limit? At 0 none exceeds 1 MiB. */
static bool model_has_block(unsigned order, mfn_t limit)
{
    for (mfn_t mfn = 0; mfn + BIT(order) <= MIN(limit, END); mfn += BIT(order)) {
        unsigned i = 0;

        while (i < BIT(order) && model[mfn + i].state == PAGE_FREE)
            i++;
        if (i == BIT(order) && (mfn != 0 || order <= 8))
            return true;
    }
    return false;
}

static void model_put(mfn_t mfn)
{
    static const char zero[PAGE_SIZE];

    if (--model[mfn].refs > 0)
        return;
    assert_int_equal(model[mfn].state, PAGE_DYING);
    model[mfn].state = PAGE_FREE;
    assert_memory_equal(frame_to_virt(mfn), zero, PAGE_SIZE);
}

static void op_alloc(void)
{
    unsigned order = rand() % 4 ? rand() % 3 : rand() % 12;
    unsigned bits = (unsigned[]){44, 44, 44, 32, 24, 24, 20, 19}[rand() % 8];
    unsigned flags = rand() % 2 ? PAGE_ZERO : 0;
    bool expected = bits >= 20 && model_has_block(order, BIT(bits - PAGE_SHIFT));

    mfn_t mfn = page_alloc_below(order, bits, flags);
    assert_int_equal(mfn != MFN_INVALID, expected);
    if (!expected)
        return;
    assert_int_equal(mfn & (BIT(order) - 1), 0);
    assert_true(mfn + BIT(order) <= BIT(bits - PAGE_SHIFT));
    model_set(mfn, order, PAGE_FREE, PAGE_HV, OWNER_HV, 0);
    for (unsigned i = 0; i < BIT(order); i++) {
        uint64_t *words = frame_to_virt(mfn + i);

        if (flags & PAGE_ZERO)
            assert_true(words[0] == 0 && words[511] == 0 && words[rand() % 512] == 0);
        words[rand() % 512] = ~0UL;
    }
}

static void op_free(void)
{
    mfn_t mfn = random_frame(PAGE_HV);
    uint64_t count = 0, most = 1 + rand() % 50;

    if (mfn == MFN_INVALID)
        return;
    while (mfn + count < END && count < most && model[mfn + count].state == PAGE_HV) {
        model[mfn + count].state = PAGE_FREE;
        count++;
    }
    if (count == 1 && rand() % 2)
        page_free_scrubbed(mfn, 0);
    else
        page_free_range(mfn, count);
}

static void op_assign(void)
{
    mfn_t mfn = random_frame(PAGE_HV);
    unsigned owner = rand() % OWNERS;
    struct domain_memory *m = &accounts[owner];

    if (mfn == MFN_INVALID)
        return;
    bool fits = m->page_count + m->dying_count < m->max_page_count;
    assert_int_equal(page_assign(m, mfn, 0), fits ? 0 : -ENOSPC);
    if (fits)
        model_set(mfn, 0, PAGE_HV, PAGE_GUEST, owner, 1);
}

static void op_release(void)
{
    mfn_t mfn = random_ram();
    unsigned owner = rand() % OWNERS;
    bool valid = model[mfn].state == PAGE_GUEST && model[mfn].owner == owner;

    assert_int_equal(page_release(&accounts[owner], page_of(mfn)), valid ? 0 : -EINVAL);
    if (valid) {
        model[mfn].state = PAGE_DYING;
        model_put(mfn);
    }
}

static void op_steal(void)
{
    mfn_t mfn = random_ram();
    unsigned owner = rand() % OWNERS;
    bool valid = model[mfn].state == PAGE_GUEST && model[mfn].owner == owner;
    int expected = !valid ? -EINVAL : model[mfn].refs > 1 ? -EBUSY : 0;

    assert_int_equal(page_steal(&accounts[owner], page_of(mfn)), expected);
    if (expected == 0)
        model[mfn] = (struct model){.state = PAGE_HV, .owner = OWNER_HV};
}

static void op_get(void)
{
    mfn_t mfn = random_ram();
    unsigned owner = rand() % OWNERS;
    bool any = rand() % 4 == 0;
    bool has = model[mfn].state == PAGE_GUEST || model[mfn].state == PAGE_EXPOSED;
    bool expected = has && (any || model[mfn].owner == owner);
    struct page *p = page_of(mfn);

    assert_int_equal(any ? page_get_any(p) : page_get(p, owner), expected);
    if (!expected)
        return;
    assert_int_equal(p->owner, model[mfn].owner);
    model[mfn].refs++;
    memset((char *)frame_to_virt(mfn) + rand() % PAGE_SIZE, 0xcc, 1);
}

/* Drops a reference that op_get() took: never the owner's. */
static void op_put(void)
{
    mfn_t mfn = random_ram();
    enum page_state state = model[mfn].state;
    unsigned kept = state == PAGE_GUEST || state == PAGE_EXPOSED ? 1 : 0;

    if (model[mfn].refs <= kept)
        return;
    page_put(page_of(mfn));
    model_put(mfn);
}

static void op_expose(void)
{
    mfn_t mfn = random_frame(PAGE_HV);
    unsigned owner = rand() % OWNERS;

    if (mfn == MFN_INVALID)
        return;
    page_expose(&accounts[owner], mfn, 0);
    model_set(mfn, 0, PAGE_HV, PAGE_EXPOSED, owner, 1);
}

static void op_conceal(void)
{
    mfn_t mfn = random_frame(PAGE_EXPOSED);

    if (mfn == MFN_INVALID)
        return;
    page_conceal(&accounts[model[mfn].owner], mfn);
    model[mfn].state = PAGE_DYING;
    model_put(mfn);
}

static void (*const operations[])(void) = {
    op_alloc, op_alloc, op_alloc, op_free, op_free, op_assign, op_assign, op_assign,  op_release,
    op_steal, op_get,   op_get,   op_put,  op_put,  op_put,    op_expose, op_conceal,
};

static void compare(void)
{
    for (mfn_t mfn = 0; mfn < END; mfn++) {
        assert_int_equal(page_state(page_of(mfn)), model[mfn].state);
        assert_int_equal(page_of(mfn)->refs, model[mfn].refs);
        if (model[mfn].refs > 0)
            assert_int_equal(page_of(mfn)->owner, model[mfn].owner);
    }
    assert_int_equal(fake_locks_held, 0);
    memory_fake_check();
}

/* Everything comes back, and grows together to the largest blocks again. */
static void tear_down(void)
{
    for (mfn_t mfn = 0; mfn < END; mfn++) {
        bool owned = model[mfn].state == PAGE_GUEST || model[mfn].state == PAGE_EXPOSED;

        while (model[mfn].refs-- > (owned ? 1 : 0))
            page_put(page_of(mfn));
        if (model[mfn].state == PAGE_EXPOSED)
            page_conceal(&accounts[model[mfn].owner], mfn);
        if (model[mfn].state == PAGE_HV)
            page_free(mfn, 0);
    }
    for (unsigned i = 0; i < OWNERS; i++) {
        domain_memory_set_dying(&accounts[i]);
        while (domain_memory_release(&accounts[i], 1 + i * 100))
            assert_true(accounts[i].dying_count == 0);
        assert_int_equal(domain_memory_first(&accounts[i]), PAGE_NONE);
        assert_true(domain_memory_is_empty(&accounts[i]));
    }
    memory_fake_check();
    assert_int_equal(page_free_count(), ram_count);
    assert_int_equal(page_alloc_below(11, 23, 0), MFN_INVALID);
    assert_int_equal(page_alloc(11, 0), 0x1000);
    assert_int_equal(page_alloc(10, 0), 0x800);
}

static void test_random(void **state)
{
    const char *given = getenv("SEED");
    unsigned first = given != NULL ? atoi(given) : 1;

    for (unsigned seed = first; seed < first + (given != NULL ? 1 : 12); seed++) {
        print_message("seed %u\n", seed);
        srand(seed);
        machine_start(seed % 2);
        /* Each run leans to some operations, so that memory fills, empties and fragments. */
        unsigned lean = rand() % ARRAY_SIZE(operations);
        for (unsigned step = 0; step < 20000; step++) {
            operations[rand() % 5 == 0 ? lean : rand() % ARRAY_SIZE(operations)]();
            if (step % 1000 == 0)
                compare();
        }
        compare();
        tear_down();
        memory_fake_stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
