/* SPDX-License-Identifier: MIT */
/*
 * Small objects. A slab is one page of objects of one size class:
 *
 *     | struct slab | owner of each object | unused | object 0 | object 1 | … |  end of the page
 *
 * Objects end with the page, so that they are as aligned as their size is, and never start at a
 * page's first byte: that tells them from whole pages, whose length and owner are in the frame
 * table. The owners tell whom to charge, and catch an object freed twice.
 */
#include <stdatomic.h>

#include <kr/arch.h>
#include <kr/heap.h>
#include <kr/list.h>
#include <kr/log.h>
#include <kr/page.h>
#include <kr/string.h>

#define OWNER_NOBODY 0xfffe /* in use, not charged */
#define OWNER_FREE   0xffff

struct slab {
    struct list list;    /* of its class while it has a free object */
    uint16_t base_bytes; /* from the start of the page to object 0 */
    uint8_t class;
    uint8_t object_count, used_count;
    uint8_t first_free; /* chained through the first byte of the free objects; OBJECT_NONE: end */
    uint16_t owner[];   /* by object */
};
#define OBJECT_NONE 0xff

/* From 64 up multiples of 64; what is between them would waste more than it saves. */
static const uint16_t class_bytes[] = {16,  32,  48,  64,  128, 192,  256,
                                       320, 448, 576, 768, 960, 1344, HEAP_SMALL_MAX};
#define CLASS_COUNT ARRAY_SIZE(class_bytes)

static struct spinlock slab_lock = SPINLOCK_INIT(LOCK_RANK_SLAB);
/* slab_lock: slabs with at least one free object, wholly free ones last, and how many of those. */
static struct list partial[CLASS_COUNT];
static uint8_t empty_count[CLASS_COUNT];
static _Atomic uint64_t held_bytes, used_bytes;

static unsigned class_of(size_t size)
{
    unsigned c = 0;

    while (class_bytes[c] < size)
        c++;
    return c;
}

static uint8_t *slab_object(struct slab *s, unsigned n)
{
    return (uint8_t *)s + s->base_bytes + n * class_bytes[s->class];
}

static uint16_t owner_id(const struct domain_memory *m)
{
    return m == NULL ? OWNER_NOBODY : m->owner;
}

static void account_charge(struct domain_memory *m, size_t bytes)
{
    used_bytes += bytes;
    if (m != NULL)
        m->heap_bytes += bytes;
}

static void account_release(uint16_t owner, size_t bytes)
{
    used_bytes -= bytes;
    if (owner == OWNER_NOBODY)
        return;

    uint64_t before = atomic_fetch_sub(&domain_memory_of(owner)->heap_bytes, bytes);
    ASSERT(before >= bytes);
}

/* ---- slabs ------------------------------------------------------------------------------------
 */

static struct slab *slab_create(unsigned c)
{
    mfn_t mfn = page_alloc(0, 0);

    if (mfn == MFN_INVALID)
        return NULL;

    struct slab *s = frame_to_virt(mfn);
    unsigned bytes = class_bytes[c];
    unsigned count = (PAGE_SIZE - sizeof(*s)) / (bytes + sizeof(s->owner[0]));
    s->base_bytes = PAGE_SIZE - count * bytes;
    s->class = c;
    s->object_count = count;
    s->used_count = 0;
    s->first_free = 0;
    for (unsigned i = 0; i < count; i++) {
        s->owner[i] = OWNER_FREE;
        *slab_object(s, i) = i + 1 < count ? i + 1 : OBJECT_NONE;
    }
    held_bytes += PAGE_SIZE;
    return s;
}

static void slab_destroy(struct slab *s)
{
    held_bytes -= PAGE_SIZE;
    page_free(virt_to_frame(s), 0);
}

/* slab_lock held; the class has a slab with a free object. */
static void *slab_take(unsigned c, uint16_t owner)
{
    struct slab *s = list_first_entry(&partial[c], struct slab, list);
    unsigned n = s->first_free;
    uint8_t *object = slab_object(s, n);

    s->first_free = *object;
    s->owner[n] = owner;
    if (s->used_count++ == 0)
        empty_count[c]--;
    if (s->first_free == OBJECT_NONE)
        list_del(&s->list);
    return object;
}

static bool class_has_room(unsigned c)
{
    /* The lists initialise themselves: the heap must work before anything else has run. */
    if (partial[c].next == NULL)
        list_init(&partial[c]);
    return !list_empty(&partial[c]);
}

static void *small_alloc(struct domain_memory *m, size_t size)
{
    unsigned c = class_of(size);
    void *object = NULL;

    unsigned long flags = spin_lock_irqsave(&slab_lock);
    if (!class_has_room(c)) {
        /* Frames come from a lock of lower rank. Another CPU may add a slab too: no harm. */
        spin_unlock_irqrestore(&slab_lock, flags);
        struct slab *s = slab_create(c);
        flags = spin_lock_irqsave(&slab_lock);
        if (s != NULL) {
            list_add_tail(&s->list, &partial[c]);
            empty_count[c]++;
        }
    }
    if (class_has_room(c))
        object = slab_take(c, owner_id(m));
    spin_unlock_irqrestore(&slab_lock, flags);
    if (object != NULL)
        account_charge(m, class_bytes[c]);
    return object;
}

/* slab_lock held. Returns the slab if it is empty and another empty one is kept for the class. */
static struct slab *slab_give(struct slab *s, unsigned n)
{
    uint8_t *object = slab_object(s, n);

    if (s->first_free == OBJECT_NONE)
        list_add(&s->list, &partial[s->class]);
    *object = s->first_free;
    s->first_free = n;
    s->owner[n] = OWNER_FREE;
    if (--s->used_count != 0)
        return NULL;
    list_del(&s->list);
    if (empty_count[s->class] == 0) {
        empty_count[s->class]++;
        list_add_tail(&s->list, &partial[s->class]);
        return NULL;
    }
    return s;
}

static void small_free(void *object)
{
    struct slab *s = (struct slab *)((uintptr_t)object & PAGE_MASK);

    ASSERT(s->class < CLASS_COUNT);
    unsigned bytes = class_bytes[s->class];
    size_t offset = (uint8_t *)object - slab_object(s, 0);
    unsigned n = offset / bytes;
    ASSERT(n < s->object_count && offset % bytes == 0);

    unsigned long flags = spin_lock_irqsave(&slab_lock);
    uint16_t owner = s->owner[n];
    ASSERT(owner != OWNER_FREE);
    struct slab *unneeded = slab_give(s, n);
    spin_unlock_irqrestore(&slab_lock, flags);
    if (unneeded != NULL)
        slab_destroy(unneeded);
    account_release(owner, bytes);
}

/* The empty slab that a class keeps, taken out of its list. */
static struct slab *slab_take_empty(unsigned c)
{
    struct slab *s = NULL;

    unsigned long flags = spin_lock_irqsave(&slab_lock);
    if (empty_count[c] != 0) {
        s = list_entry(partial[c].prev, struct slab, list);
        ASSERT(s->used_count == 0);
        list_del(&s->list);
        empty_count[c]--;
    }
    spin_unlock_irqrestore(&slab_lock, flags);
    return s;
}

void heap_trim(void)
{
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        struct slab *s = slab_take_empty(c);
        if (s != NULL)
            slab_destroy(s);
    }
}

/* ---- whole pages ------------------------------------------------------------------------------
 */

#define LARGE_MARK 0x6b724c47U /* in the first frame's entry */

static void *large_alloc(struct domain_memory *m, size_t size)
{
    uint64_t count = DIV_ROUND_UP(size, PAGE_SIZE);
    unsigned order = count == 1 ? 0 : 64 - __builtin_clzl(count - 1);
    mfn_t mfn = page_alloc(order, 0);

    if (mfn == MFN_INVALID)
        return NULL;
    page_free_range(mfn + count, BIT(order) - count);

    /* A frame of ours does not use these fields otherwise. */
    struct page *p = page_of(mfn);
    p->prev = LARGE_MARK;
    p->owner = owner_id(m);
    p->next = (uint32_t)count;
    held_bytes += count * PAGE_SIZE;
    account_charge(m, count * PAGE_SIZE);
    return frame_to_virt(mfn);
}

static void large_free(void *object)
{
    mfn_t mfn = virt_to_frame(object);
    struct page *p = page_of(mfn);
    uint16_t owner = p->owner;
    uint64_t count = p->next;

    ASSERT(p->state == PAGE_HV && p->prev == LARGE_MARK);
    p->prev = PAGE_NONE;
    page_free_range(mfn, count);
    held_bytes -= count * PAGE_SIZE;
    account_release(owner, count * PAGE_SIZE);
}

/* ---- interface --------------------------------------------------------------------------------
 */

void *heap_alloc_for(struct domain_memory *m, size_t size)
{
    if (size == 0 || size > HEAP_LARGE_MAX)
        return NULL;
    return size <= HEAP_SMALL_MAX ? small_alloc(m, size) : large_alloc(m, size);
}

void *heap_zalloc_for(struct domain_memory *m, size_t size)
{
    void *object = heap_alloc_for(m, size);

    if (object != NULL)
        memset(object, 0, size);
    return object;
}

void *heap_zalloc_array(struct domain_memory *m, size_t count, size_t element)
{
    size_t size;

    if (__builtin_mul_overflow(count, element, &size))
        return NULL;
    return heap_zalloc_for(m, size);
}

void *heap_alloc(size_t size)
{
    return heap_alloc_for(NULL, size);
}

void *heap_zalloc(size_t size)
{
    return heap_zalloc_for(NULL, size);
}

void heap_free(void *object)
{
    if (object == NULL)
        return;
    if (((uintptr_t)object & (PAGE_SIZE - 1)) == 0)
        large_free(object);
    else
        small_free(object);
}

uint64_t heap_held_bytes(void)
{
    return held_bytes;
}

uint64_t heap_used_bytes(void)
{
    return used_bytes;
}
