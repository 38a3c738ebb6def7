/* SPDX-License-Identifier: MIT */
/* Type counts of PV frames and their pinning (x86/pagetype.h has the rules). No privileged code. */
#include <kr/errno.h>
#include <kr/log.h>
#include <x86/pagetype.h>
#include <x86/pte.h>
#include <x86/tlb.h>

#include "pagetable.h"
#include "walk.h"

static uint32_t type_word(enum page_type type)
{
    return (uint32_t)type << PAGE_TYPE_SHIFT;
}

static bool type_has_contents(enum page_type type)
{
    return type >= PAGE_TYPE_L1;
}

static bool word_swap(struct page *p, uint32_t *old, uint32_t new)
{
    return __atomic_compare_exchange_n((uint32_t *)&p->type, old, new, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

/* The frame was used as something else, and a CPU may still have that cached: a writable mapping of
 * what becomes a page table, or a table of what becomes writable. */
static void forget_old_use(struct page *p, enum page_type old, enum page_type new)
{
    uint32_t epoch = __atomic_load_n(&p->flush_epoch, __ATOMIC_RELAXED);

    if (epoch != 0 && old != PAGE_TYPE_NONE && old != new)
        arch_tlb_sync(epoch);
}

/* Nothing to check and nothing to forget: no moment between the old use and the new one in which
 * another CPU would find the frame busy. */
static bool is_free_for(enum page_type old, enum page_type new)
{
    return !type_has_contents(new) && (old == new || old == PAGE_TYPE_NONE);
}

/* Checks contents from entry `index` on; the word says LOCKED and not VALID, so nobody else counts.
 */
static int type_validate(struct page *p, enum page_type type, struct domain *d, unsigned index)
{
    int err;

    do
        err = contents_validate(p, type, d, &index);
    while (err == -ERESTART && !walk_keep_validation(p, type, index));
    if (err == 0)
        __atomic_store_n((uint32_t *)&p->type, type_word(type) | PAGE_TYPE_VALID | 1,
                         __ATOMIC_RELEASE);
    else if (err != -ERESTART)
        table_release(p, type, page_type_is_table(type) ? index : 0);
    return err;
}

static int type_take_new(struct page *p, enum page_type old, enum page_type type, struct domain *d)
{
    forget_old_use(p, old, type);
    if (type_has_contents(type))
        return type_validate(p, type, d, 0);
    __atomic_store_n((uint32_t *)&p->type, type_word(type) | PAGE_TYPE_VALID | 1, __ATOMIC_RELEASE);
    return 0;
}

int page_type_get(struct page *p, enum page_type type, struct domain *d)
{
    uint32_t word = p->type;
    unsigned index;

    for (;;) {
        if ((word & PAGE_TYPE_COUNT_MASK) == 0) {
            if (word & PAGE_TYPE_LOCKED)
                return -EBUSY;
            if (is_free_for(page_type_of(word), type)) {
                if (word_swap(p, &word, page_type_held(type)))
                    return 0;
                continue;
            }
            if (word_swap(p, &word, type_word(type) | PAGE_TYPE_LOCKED | 1))
                return type_take_new(p, page_type_of(word), type, d);
            continue;
        }
        if (page_type_of(word) != type || (word & PAGE_TYPE_COUNT_MASK) == PAGE_TYPE_COUNT_MASK)
            return -EBUSY;
        /* Not valid with a count: being checked or given up right now, by another CPU or (a table
         * that contains itself) further up this very call; or a check of ours that had stopped. */
        if (!(word & PAGE_TYPE_VALID))
            return walk_take_validation(p, type, &index) ? type_validate(p, type, d, index)
                                                         : -EBUSY;
        if (word_swap(p, &word, word + 1))
            return 0;
    }
}

void table_release(struct page *p, enum page_type type, unsigned index)
{
    while (!contents_release(p, type, &index))
        if (walk_keep_release(p, type, index))
            return;
    tlb_note_removal(p);
    __atomic_store_n((uint32_t *)&p->type, type_word(type), __ATOMIC_RELEASE);
}

void page_type_put(struct page *p)
{
    uint32_t word = p->type;
    enum page_type type;

    for (;;) {
        ASSERT((word & PAGE_TYPE_COUNT_MASK) != 0);
        type = page_type_of(word);
        if ((word & PAGE_TYPE_COUNT_MASK) > 1) {
            if (word_swap(p, &word, word - 1))
                return;
            continue;
        }
        tlb_note_removal(p);
        if (!page_type_is_table(type)) {
            if (word_swap(p, &word, type_word(type)))
                return;
            continue;
        }
        if (word_swap(p, &word, type_word(type) | PAGE_TYPE_LOCKED | 1))
            break;
    }
    table_release(p, type, PTES_PER_TABLE);
}

int page_typed_get(struct domain *d, mfn_t mfn, enum page_type type, struct page **out)
{
    struct page *p = page_get_frame(mfn, d->id);
    int err;

    if (!p)
        return -EINVAL;
    err = page_type_get(p, type, d);
    if (err)
        page_put(p);
    else
        *out = p;
    return err;
}

void page_typed_put(struct page *p)
{
    page_type_put(p);
    page_put(p);
}

/* Sets or clears the pinned bit; false when it was so already. */
static bool set_pinned(struct page *p, bool pinned)
{
    uint32_t word = p->type, new;

    do {
        if (!!(word & PAGE_TYPE_PINNED) == pinned)
            return false;
        new = pinned ? word | PAGE_TYPE_PINNED : word & ~PAGE_TYPE_PINNED;
    } while (!word_swap(p, &word, new));
    return true;
}

bool page_type_take_pin(struct page *p)
{
    return set_pinned(p, false);
}

void page_type_drop_pin(struct page *p)
{
    if (page_type_take_pin(p))
        page_typed_put(p);
}

int page_type_pin(struct domain *d, mfn_t mfn, enum page_type type)
{
    struct page *p;
    int err = page_typed_get(d, mfn, type, &p);

    if (err)
        return err;
    if (!set_pinned(p, true)) {
        page_typed_put(p);
        return -EINVAL;
    }
    /* Given up meanwhile, on another CPU; or its owner's pins may have been undone already, which
     * says so before it looks. */
    if (page_state(p) == PAGE_DYING || d->is_dying)
        page_type_drop_pin(p);
    return 0;
}

int page_type_unpin(struct domain *d, mfn_t mfn)
{
    struct page *p = page_get_frame(mfn, d->id);
    int err = -EINVAL;

    if (!p)
        return -EINVAL;
    if (set_pinned(p, false)) {
        page_typed_put(p);
        err = 0;
    }
    page_put(p);
    return err;
}
