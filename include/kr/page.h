/* SPDX-License-Identifier: MIT */
/*
 * Physical frames: what each one is, who owns it, how many hold it, and where free ones come from.
 *
 * core/page.c        states, references, ownership (docs/memory.md has the table and the rules)
 * core/page_buddy.c  the allocator of free frames
 * core/page_early.c  the allocator before there is a frame table
 *
 * Locks: `struct domain_memory.lock` (rank LOCK_RANK_MEMORY) is taken before the free-memory lock
 * (rank LOCK_RANK_HEAP, a leaf inside core/page_buddy.c). References are lock-free. Every function
 * here may be called on any CPU, interrupts on or off, unless it says otherwise.
 */
#pragma once

#include <kr/lock.h>
#include <kr/types.h>

/* ---- frames -----------------------------------------------------------------------------------
 */

/*
 * A zeroed entry is a free frame that is not the head of a block: nothing can be done with it, so
 * forgetting to describe a frame is safe.
 */
enum page_state {
    PAGE_FREE,    /* in the allocator */
    PAGE_HV,      /* the hypervisor's own, no references counted */
    PAGE_GUEST,   /* a domain's memory; more than one reference: lent */
    PAGE_EXPOSED, /* the hypervisor's, mappable by its owner (shared info, grant table) */
    PAGE_DYING,   /* given up by its owner, still referenced; nobody can take a new reference */
    PAGE_DEVICE,  /* not RAM that we manage; never allocated, no references counted */
    PAGE_STATE_COUNT,
};

#define PAGE_NONE 0xffffffffU /* end of a chain of frame numbers */

struct page {
    _Atomic uint32_t refs; /* 0: free or hypervisor internal; GUEST, EXPOSED: 1 is the owner's */
    _Atomic uint32_t type; /* the port's word (x86: PV page type and count); 0 when handed out */
    uint32_t next, prev;   /* frame numbers: the free list, or the owner's frames */
    uint32_t flush_epoch;  /* arch_tlb_sync() of this must pass before the frame is scrubbed; 0: no
                              need */
    uint16_t owner;        /* domain id, meaningful in GUEST, EXPOSED, DYING */
    uint8_t state;         /* enum page_state */
    uint8_t order;         /* of a free block's head, with flags (core/page_internal.h) */
};
_Static_assert(sizeof(struct page) == 24, "the frame table costs 24 bytes per frame");

/*
 * The frame table, indexed by frame number. Virtually contiguous and sparse: the port maps (zeroed)
 * only the parts that describe sections with RAM, and sets the base before page_range_add().
 */
extern struct page *page_table_base;

#define PAGE_SECTION_SHIFT 15 /* 128 MiB */
#define PAGE_SECTION_COUNT (1UL << (32 - PAGE_SECTION_SHIFT))
extern uint64_t page_section_bitmap[PAGE_SECTION_COUNT / 64];

/* Does the frame have an entry in the table? Frames in the holes of a valid section are DEVICE. */
static inline bool frame_is_valid(mfn_t mfn)
{
    mfn_t section = mfn >> PAGE_SECTION_SHIFT;

    return section < PAGE_SECTION_COUNT &&
           (page_section_bitmap[section / 64] >> (section % 64) & 1);
}

/* Only for frames with frame_is_valid(). */
static inline struct page *page_of(mfn_t mfn)
{
    return page_table_base + mfn;
}

static inline mfn_t page_mfn(const struct page *p)
{
    return (mfn_t)(p - page_table_base);
}

static inline enum page_state page_state(const struct page *p)
{
    return __atomic_load_n(&p->state, __ATOMIC_ACQUIRE);
}

/* Is this frame RAM that we manage? False for holes, devices and frames beyond the table. */
static inline bool frame_is_ram(mfn_t mfn)
{
    return frame_is_valid(mfn) && page_state(page_of(mfn)) != PAGE_DEVICE;
}

/* ---- boot -------------------------------------------------------------------------------------
 */

struct page_range {
    mfn_t first;
    uint64_t count;
};

enum page_range_kind {
    PAGE_RANGE_FREE, /* RAM with unknown contents, for the allocator */
    PAGE_RANGE_HV,   /* RAM in use by the hypervisor or the boot loader's modules; page_free() later
                      */
};

/*
 * Boot, one CPU. Describes a range of RAM whose part of the table is mapped. Sections seen for the
 * first time become valid, with frames outside the range DEVICE. Ranges must not overlap.
 */
void page_range_add(mfn_t first, uint64_t count, enum page_range_kind kind);

/*
 * Before the frame table exists the port needs frames for it and for page tables.
 * `ranges`: usable RAM, in any order, overlaps allowed. Allocations come from the top of what lies
 * below frame `limit` (for instance the end of what is mapped). Boot, one CPU.
 */
void page_early_init(const struct page_range *ranges, unsigned count, mfn_t limit);
/* Takes a range out: our image, modules, boot structures. It stays RAM in use (PAGE_RANGE_HV). */
void page_early_reserve(mfn_t first, uint64_t count);
/* Contiguous frames, contents unknown; `align` in frames, a power of two. MFN_INVALID: no room. */
mfn_t page_early_alloc(uint64_t count, uint64_t align);
/* Moves the limit, for instance once all of memory is mapped. */
void page_early_set_limit(mfn_t limit);
/* Frames still to be had, over all ranges and without regard to the limit. */
uint64_t page_early_free_count(void);
/* The known RAM by number, in address order, used parts included; false: no such number. */
bool page_early_range(unsigned number, struct page_range *out);
/* The table is mapped: hands everything to page_range_add(), used frames as PAGE_RANGE_HV. */
void page_early_finish(void);

/* ---- allocation -------------------------------------------------------------------------------
 */

#define PAGE_ORDER_MAX 18 /* 1 GiB */

#define PAGE_ZERO      0x1 /* contents are zero; else they are unknown: never show them to a guest */
#define PAGE_BELOW_4G  0x2
#define PAGE_BELOW_16M 0x4

/*
 * 2^order frames, naturally aligned, state HV. Highest memory first, so that low memory is there
 * for those who need it. MFN_INVALID: none.
 */
mfn_t page_alloc(unsigned order, unsigned flags);
/* The same with all addresses below 2^max_addr_bits; limits under 1 MiB (20) never succeed. */
mfn_t page_alloc_below(unsigned order, unsigned max_addr_bits, unsigned flags);
/* Frames in state HV go back. Nothing may map them any more, on any CPU. Not scrubbed. */
void page_free(mfn_t mfn, unsigned order);
/* Any number of frames at any alignment, each in state HV. */
void page_free_range(mfn_t first, uint64_t count);
/* The same as page_free() for frames that held a guest's data (after page_steal()): zeroed first.
 */
void page_free_scrubbed(mfn_t mfn, unsigned order);

uint64_t page_total_count(void); /* RAM frames described, used or not */
uint64_t page_free_count(void);
uint64_t page_free_count_below(unsigned max_addr_bits);
/* One more than the highest RAM frame. */
mfn_t page_end(void);
/* Counts frames by state over the whole table, for the debug key. Slow, not atomic. */
void page_count_states(uint64_t counts[PAGE_STATE_COUNT]);

/* ---- domains ----------------------------------------------------------------------------------
 */

/* A domain's account of memory, embedded in its structure. */
struct domain_memory {
    struct spinlock lock;    /* protects the fields marked [l] */
    uint16_t owner;          /* domain id, constant */
    bool dying;              /* [l] nothing more may be assigned */
    bool is_awaited;         /* [l] see domain_memory_await() */
    uint32_t first, last;    /* [l] its GUEST frames in the order of assignment; PAGE_NONE: empty */
    uint64_t page_count;     /* [l] GUEST frames */
    uint64_t exposed_count;  /* [l] EXPOSED frames */
    uint64_t dying_count;    /* [l] DYING frames: given up, but somebody still holds them */
    uint64_t traded_count;   /* [l] taken away for as many others: room that is kept */
    uint64_t max_page_count; /* [l] limit of page_count + dying_count + traded_count */
    _Atomic uint64_t heap_bytes; /* charged by heap_alloc_for() */
};

/* Supplied by core/domain.c: the account of a domain that still has frames; never NULL for those.
 */
struct domain_memory *domain_memory_of(uint16_t owner);
/* Supplied by core/domain.c: no frame is left of an account for which domain_memory_await() said
 * true. Any lock may be held. */
void domain_memory_gone(struct domain_memory *m);

void domain_memory_init(struct domain_memory *m, uint16_t owner, uint64_t max_page_count);
/* From now on page_assign() refuses. */
void domain_memory_set_dying(struct domain_memory *m);
/* The first frame of a domain's list, PAGE_NONE if none. For tearing down; walk by struct page.next
 * with `m->lock` held. */
uint32_t domain_memory_first(struct domain_memory *m);
/* For a dying account without frames of its own: do others hold frames that were its? If so,
 * domain_memory_gone() follows when the last one lets go; no second call before. */
bool domain_memory_await(struct domain_memory *m) __must_check;
/* Has it given back all: frames, exposed, dying and charged bytes? */
bool domain_memory_is_empty(struct domain_memory *m);

/*
 * HV -> GUEST: the frames become the domain's memory, one reference each (the allocation's).
 * 0, -ENOSPC over the domain's maximum, -ESRCH the domain is dying; on error nothing has changed.
 * The caller has cleared the contents (PAGE_ZERO) or does not mind the domain seeing them.
 */
int page_assign(struct domain_memory *m, mfn_t mfn, unsigned order);
/*
 * GUEST -> DYING: the domain gives the frame up. Drops the allocation's reference; the frame is
 * free when the last other one has gone. 0, or -EINVAL: not (or no longer) this domain's frame.
 */
int page_release(struct domain_memory *m, struct page *p);
/*
 * The same for up to `most` frames from the list's start; `m` is dying. Neighbours become free
 * together, which costs a fraction of one by one. False: nothing is left.
 */
bool domain_memory_release(struct domain_memory *m, uint64_t most);
/*
 * GUEST -> HV: takes a frame away whole, contents kept, for exchange and transfer.
 * 0, -EINVAL not this domain's frame, -EBUSY somebody else holds it. Next: page_assign() to another
 * domain or page_free_scrubbed().
 */
int page_steal(struct domain_memory *m, struct page *p);

/* The same, and the room in the domain's limit stays its own until page_assign_traded(). */
int page_steal_traded(struct domain_memory *m, struct page *p);
/* page_assign() into that room, which was made by as many page_steal_traded(): the limit does not
 * matter. 0, or -ESRCH the domain is dying. The room is used up either way. */
int page_assign_traded(struct domain_memory *m, mfn_t mfn, unsigned order);

/*
 * HV -> EXPOSED: the domain may map this frame of ours. It holds one reference, the hypervisor's.
 * Not counted as the domain's memory. `type`: the port's word from the first moment on, which must
 * keep the domain from using for its own ends what we write there.
 */
void page_expose(struct domain_memory *m, mfn_t mfn, uint32_t type);
/* EXPOSED -> DYING, and drops the hypervisor's reference: free after the last mapping has gone. */
void page_conceal(struct domain_memory *m, mfn_t mfn);

/*
 * Takes a reference if the frame is GUEST or EXPOSED, belongs to `owner` and can count one more.
 * The frame must have an entry in the table. While it is held the frame keeps its owner.
 */
bool page_get(struct page *p, uint16_t owner) __must_check;
/* The same for any owner; read p->owner afterwards. */
bool page_get_any(struct page *p) __must_check;
/* One more reference where the caller already holds one. False: the count is full. */
bool page_get_again(struct page *p) __must_check;
/*
 * Drops a reference. With the last one of a DYING frame it waits for arch_tlb_sync(flush_epoch),
 * scrubs the frame and frees it. Takes the owner's domain_memory lock then: do not hold it.
 */
void page_put(struct page *p);

/* page_get() by frame number; NULL: no such frame, or refused. */
static inline struct page *page_get_frame(mfn_t mfn, uint16_t owner)
{
    return frame_is_valid(mfn) && page_get(page_of(mfn), owner) ? page_of(mfn) : NULL;
}

/*
 * Supplied by the port: returns when no CPU can still use a translation it cached before `epoch`,
 * flushing whoever is late. The port stamps struct page.flush_epoch when it removes a mapping
 * without flushing at once. Called with interrupts as page_put()'s caller has them.
 */
void arch_tlb_sync(uint32_t epoch);
