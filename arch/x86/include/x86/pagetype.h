/* SPDX-License-Identifier: MIT */
/*
 * PV page types: what a frame may be used as. A frame has one type at a time; it changes only while
 * nobody uses it as the old one (count 0). Page tables and descriptor pages are checked when they
 * take their type and every later change goes through pagetable_write(), so that what hardware
 * walks is always valid. Whoever holds a type reference also holds a general reference (kr/page.h).
 *
 * The word in struct page.type: 31-28 type, 27 pinned, 26 valid, 25 locked, 24-0 count.
 */
#pragma once

#include <kr/domain.h>
#include <kr/page.h>

enum page_type {
    PAGE_TYPE_NONE,
    PAGE_TYPE_WRITABLE,
    PAGE_TYPE_L1, /* page tables in order of level: PAGE_TYPE_L1 + level - 1 */
    PAGE_TYPE_L2,
    PAGE_TYPE_L3,
    PAGE_TYPE_L4,
    PAGE_TYPE_DESCRIPTOR,
    PAGE_TYPE_READ_ONLY, /* frames of ours that are shown, never to be written by a guest */
};

#define PAGE_TYPE_SHIFT      28
#define PAGE_TYPE_PINNED     (1U << 27)
#define PAGE_TYPE_VALID      (1U << 26)
#define PAGE_TYPE_LOCKED     (1U << 25)
#define PAGE_TYPE_COUNT_MASK (PAGE_TYPE_LOCKED - 1)

static inline enum page_type page_type_of(uint32_t word)
{
    return word >> PAGE_TYPE_SHIFT;
}

/* The word of a frame that we hold as this type ourselves. */
static inline uint32_t page_type_held(enum page_type type)
{
    return (uint32_t)type << PAGE_TYPE_SHIFT | PAGE_TYPE_VALID | 1;
}

static inline bool page_type_is_table(enum page_type type)
{
    return type >= PAGE_TYPE_L1 && type <= PAGE_TYPE_L4;
}

/* Takes a type reference for domain `d`, checking the contents when the type is new.
 * -EBUSY: in use as something else; -EINVAL, -EPERM: contents refused; -ERESTART: other work waits,
 * ask again (only for page tables, and never at start-up). */
int page_type_get(struct page *p, enum page_type type, struct domain *d) __must_check;
void page_type_put(struct page *p);
/* Both references that a use of a frame takes: the general one, if it is `d`'s, and the type.
 * -EINVAL: no such frame of the domain; else errors of page_type_get(). */
int page_typed_get(struct domain *d, mfn_t mfn, enum page_type type,
                   struct page **out) __must_check;
void page_typed_put(struct page *p);
/* Keeps the type (and the frame) until unpinned. -EINVAL when it is pinned already / is not; errors
 * of page_type_get(). */
int page_type_pin(struct domain *d, mfn_t mfn, enum page_type type) __must_check;
int page_type_unpin(struct domain *d, mfn_t mfn) __must_check;
/* The same without asking whose it is, if it is pinned. The caller holds a reference, or knows that
 * the owner's is there. */
void page_type_drop_pin(struct page *p);
/* True: it was pinned, and the references that the pin held are the caller's now. */
bool page_type_take_pin(struct page *p) __must_check;

/* How a new entry gets into a table. */
struct pagetable_write {
    struct domain *d; /* whose table */
    uint16_t
        frame_owner;  /* of what an L1 entry maps: d->id, or another domain's for its controller */
    bool preserve_ad; /* keep Accessed and Dirty bits that hardware set meanwhile */
    bool compare;     /* only if the entry is still `expected`, with its Accessed and Dirty bits;
                         -EAGAIN with *found otherwise */
    uint64_t expected;
    uint64_t *found;
};
/* Writes entry `slot` of a table of which the caller holds a type reference. Checks the new entry,
 * takes its references, drops the old ones. -EINVAL, -EPERM, -EBUSY, -ERESTART: nothing has
 * changed. */
int pagetable_write(struct page *table, unsigned slot, uint64_t entry,
                    const struct pagetable_write *how) __must_check;

/* Machine address of the L1 entry that maps `va` under an L4; false when a level is absent. */
bool pagetable_find_l1(mfn_t root, uint64_t va, mfn_t *table, unsigned *slot);

/* May the domain map this non-RAM frame? Supplied by mm/iomem.c. */
bool iomem_is_allowed(const struct domain *d, mfn_t mfn, bool writable);

/* Checks and normalises one GDT or LDT descriptor for a PV guest; false: refuse. Pure. */
bool descriptor_check(uint64_t *desc);
