/* SPDX-License-Identifier: MIT */
/*
 * Frames before there is a frame table: a sorted array of RAM ranges, each free or used, from whose
 * top end frames are cut. Runs once, at boot, on one CPU; page_early_finish() ends it.
 */
#include <kr/log.h>

#include "page_internal.h"

/* Firmware maps have at most 128 entries, and each cut adds two. */
#define EARLY_RANGES_MAX 256

static struct early_range {
    mfn_t first, end;
    bool used;
} early[EARLY_RANGES_MAX];
static unsigned early_count;
static mfn_t early_limit;

static void early_insert(unsigned at, struct early_range range)
{
    if (early_count == EARLY_RANGES_MAX)
        boot_refuse("the memory map has too many pieces");
    for (unsigned i = early_count; i > at; i--)
        early[i] = early[i - 1];
    early[at] = range;
    early_count++;
}

static void early_delete(unsigned at)
{
    early_count--;
    for (unsigned i = at; i < early_count; i++)
        early[i] = early[i + 1];
}

/* Joins range `at` with the next one where that is the same thing continued. */
static void early_join(unsigned at)
{
    if (at + 1 < early_count && early[at].end == early[at + 1].first &&
        early[at].used == early[at + 1].used) {
        early[at].end = early[at + 1].end;
        early_delete(at + 1);
    }
}

/* Marks [first, end) inside the free range `at` used. */
static void early_cut(unsigned at, mfn_t first, mfn_t end)
{
    struct early_range whole = early[at];

    early[at] = (struct early_range){.first = first, .end = end, .used = true};
    if (end < whole.end)
        early_insert(at + 1, (struct early_range){.first = end, .end = whole.end});
    if (first > whole.first)
        early_insert(at++, (struct early_range){.first = whole.first, .end = first});
    early_join(at);
    if (at > 0)
        early_join(at - 1);
}

/* Adds RAM, without what is already there. */
static void early_add(mfn_t first, mfn_t end)
{
    unsigned i = 0;

    end = MIN(end, (mfn_t)PAGE_NONE);
    while (first < end) {
        while (i < early_count && early[i].end <= first)
            i++;
        if (i < early_count && early[i].first <= first) {
            first = early[i].end;
            continue;
        }
        mfn_t stop = i < early_count ? MIN(end, early[i].first) : end;
        early_insert(i, (struct early_range){.first = first, .end = stop});
        first = stop;
    }
}

void page_early_init(const struct page_range *ranges, unsigned count, mfn_t limit)
{
    early_count = 0;
    early_limit = limit;
    for (unsigned i = 0; i < count; i++) {
        mfn_t first = MIN(ranges[i].first, (mfn_t)PAGE_NONE);

        early_add(first, first + MIN(ranges[i].count, PAGE_NONE - first));
    }
    for (unsigned i = 0; i < early_count;) {
        unsigned before = early_count;

        early_join(i);
        if (early_count == before)
            i++;
    }
}

void page_early_reserve(mfn_t first, uint64_t count)
{
    mfn_t end = count > MFN_INVALID - first ? MFN_INVALID : first + count;
    unsigned i = 0;

    while (i < early_count) {
        mfn_t from = MAX(first, early[i].first);
        mfn_t to = MIN(end, early[i].end);

        if (early[i].used || from >= to) {
            i++;
        } else {
            early_cut(i, from, to);
            i = 0;
        }
    }
}

void page_early_set_limit(mfn_t limit)
{
    early_limit = limit;
}

mfn_t page_early_alloc(uint64_t count, uint64_t align)
{
    for (unsigned i = early_count; count > 0 && i-- > 0;) {
        mfn_t end = MIN(early[i].end, early_limit);

        if (early[i].used || end < count)
            continue;
        mfn_t first = ALIGN_DOWN(end - count, align);
        if (first >= early[i].first) {
            early_cut(i, first, first + count);
            return first;
        }
    }
    return MFN_INVALID;
}

uint64_t page_early_free_count(void)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < early_count; i++)
        if (!early[i].used)
            count += early[i].end - early[i].first;
    return count;
}

bool page_early_range(unsigned number, struct page_range *out)
{
    unsigned i = 0;

    /* Neighbours that differ only in use are one range of RAM. */
    while (i < early_count) {
        unsigned last = i;

        while (last + 1 < early_count && early[last].end == early[last + 1].first)
            last++;
        if (number-- == 0) {
            *out = (struct page_range){early[i].first, early[last].end - early[i].first};
            return true;
        }
        i = last + 1;
    }
    return false;
}

void page_early_finish(void)
{
    for (unsigned i = 0; i < early_count; i++)
        page_range_add(early[i].first, early[i].end - early[i].first,
                       early[i].used ? PAGE_RANGE_HV : PAGE_RANGE_FREE);
    early_count = 0;
}
