/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: what the files core/grant*.c share.
 *
 * grant.c         the table of a domain: frames, growth, life
 * grant_pin.c     using an entry: the protocol of flags with the granting guest
 * grant_map.c     mappings of other domains' grants
 * grant_handle.c  the handles that name mappings
 * grant_copy.c    copying between frames
 * grant_transfer.c giving pages away
 * grant_flush.c   writing back what caches hold of a page
 * grant_table.c   operations on tables: sizes, versions, swapping
 * grant_op.c      decoding of the hypercall, batches
 * grant_dump.c    debug key
 *
 * A grant in use ("pinned") has an active entry: how many users read and write, which domain, which
 * frame; and a reference on that frame. A mapping is one user, and the page-table entry it made
 * owns a reference of its own. Locks: [g] the table's lock, [m] its maptrack lock, for more
 * handles; both LOCK_RANK_GRANT and never held together, nor two of one kind.
 */
#pragma once

#include <kr/domain.h>
#include <kr/grant.h>

#include <xen/xen.h>

#include <xen/grant_table.h>

#define GRANT_V1_PER_FRAME     (PAGE_SIZE / sizeof(struct grant_entry_v1))
#define GRANT_V2_PER_FRAME     (PAGE_SIZE / sizeof(union grant_entry_v2))
#define GRANT_STATUS_PER_FRAME (PAGE_SIZE / sizeof(grant_status_t))
#define GRANT_MAPPING_CHUNK    (PAGE_SIZE / sizeof(struct grant_mapping))

/* A grant in use. */
struct grant_active {
    uint32_t mfn;            /* transitive: the lender's grant */
    uint16_t user_id;        /* domain it is lent to */
    uint16_t reads, writes;  /* users; all zero: the rest means nothing */
    uint16_t offset, length; /* part of the page that was lent */
    uint16_t lender_id;      /* transitive: whose grant that is; else DOMAIN_ID_INVALID */
};
_Static_assert(sizeof(struct grant_active) == 16, "one per entry of a table");

/* Only of one in use: it stands for another domain's grant, and holds no frame itself. */
static inline bool grant_active_is_transitive(const struct grant_active *active)
{
    return active->lender_id != DOMAIN_ID_INVALID;
}

/* Something of another domain mapped, with a reference on that: what a handle stands for. */
struct grant_mapping {
    uint16_t owner_id; /* the granting domain */
    uint16_t flags;    /* GRANT_MAPPING_*, 0: free */
    uint32_t ref;      /* free: next free handle plus 1 */
};

struct grant_chunk {
    struct grant_mapping *mappings; /* GRANT_MAPPING_CHUNK of them */
    uint32_t home;                  /* vCPU in whose list the free ones are */
};

#define GRANT_MAPPING_BUSY     BIT(0) /* being made or removed: not to be touched by others */
#define GRANT_MAPPING_HOST     BIT(1)
#define GRANT_MAPPING_DEVICE   BIT(2)
#define GRANT_MAPPING_READONLY BIT(3)
#define GRANT_MAPPING_PTE      BIT(4) /* made with contains_pte */
#define GRANT_HANDLE_NONE      (~0U)

struct grant_table {
    struct spinlock lock;
    _Atomic uint8_t version; /* [g] to change: 1 or 2 */
    uint8_t version_max;     /* [I] */
    bool is_dead;            /* [g] the domain dies: no new use, the frames are gone */
    uint32_t frame_max;      /* [I] */
    _Atomic uint32_t frame_count, status_count; /* [g] to change */
    uint32_t pinned_count;                      /* [g] active entries in use */
    void **frames;                              /* [g] shared frames, by hypervisor address */
    grant_status_t **status;                    /* [g] version 2 */
    struct grant_active **active;               /* [g] per shared frame, on demand */

    struct spinlock maptrack_lock;
    uint32_t chunk_max;         /* [I] */
    uint32_t chunk_count;       /* [m] to change; published after the chunk */
    struct grant_chunk *chunks; /* [m] to change; handles in order */
    uint32_t fini_next;         /* grant_domain_fini()'s place */
};

/* ---- grant.c --------------------------------------------------------------------------------- */

/* [g] Entries the guest may use now. */
static inline uint32_t grant_entry_count(const struct grant_table *gt)
{
    return gt->frame_count * (gt->version == 1 ? GRANT_V1_PER_FRAME : GRANT_V2_PER_FRAME);
}

static inline uint32_t grant_status_needed(uint32_t frame_count)
{
    return DIV_ROUND_UP(frame_count * GRANT_V2_PER_FRAME, GRANT_STATUS_PER_FRAME);
}

/* [g] Entries by number, which must be below grant_entry_count(). */
static inline struct grant_entry_v1 *grant_v1(struct grant_table *gt, uint32_t ref)
{
    return (struct grant_entry_v1 *)gt->frames[ref / GRANT_V1_PER_FRAME] + ref % GRANT_V1_PER_FRAME;
}

static inline union grant_entry_v2 *grant_v2(struct grant_table *gt, uint32_t ref)
{
    return (union grant_entry_v2 *)gt->frames[ref / GRANT_V2_PER_FRAME] + ref % GRANT_V2_PER_FRAME;
}

static inline grant_status_t *grant_v2_status(struct grant_table *gt, uint32_t ref)
{
    return gt->status[ref / GRANT_STATUS_PER_FRAME] + ref % GRANT_STATUS_PER_FRAME;
}

/* [g] The active entry, made if there is none: NULL without memory. `make` false: NULL if none. */
struct grant_active *grant_active(struct domain *d, uint32_t ref, bool make);
/* [g] At least this many shared frames, and the status frames they need. -EINVAL, -ENOMEM. */
int grant_table_grow(struct domain *d, uint32_t frame_count) __must_check;
int grant_status_grow(struct domain *d, uint32_t status_count) __must_check;

/* ---- grant_handle.c --------------------------------------------------------------------------
 */

/* Handles there are, free or not. */
static inline uint32_t grant_handle_count(const struct grant_table *gt)
{
    return __atomic_load_n(&gt->chunk_count, __ATOMIC_ACQUIRE) * GRANT_MAPPING_CHUNK;
}

static inline struct grant_mapping *grant_mapping_at(const struct grant_table *gt, uint32_t handle)
{
    return &gt->chunks[handle / GRANT_MAPPING_CHUNK].mappings[handle % GRANT_MAPPING_CHUNK];
}

/* A handle of the vCPU's own domain, busy: the caller's until grant_handle_set(). The vCPU is the
 * current one. GRANT_HANDLE_NONE: limit reached or no memory. No lock held. */
uint32_t grant_handle_alloc(struct vcpu *v);
/* Makes a handle busy and tells what it stands for; false: nothing, or somebody has it busy. */
bool grant_handle_claim(struct domain *d, uint32_t handle, struct grant_mapping *out) __must_check;
/* Ends a busy phase: the handle stands for `m`, or is free when nothing is left of it. */
void grant_handle_set(struct domain *d, uint32_t handle, const struct grant_mapping *m);
/* Handles in use, counted one by one: for dumps and checks. */
uint32_t grant_mapping_count(const struct grant_table *gt);

/* ---- grant_pin.c ----------------------------------------------------------------------------- */

struct grant_pin {
    mfn_t mfn;
    uint64_t gfn;            /* what the entry says now; the guest may have changed it since */
    uint16_t offset, length; /* the part of the page that may be used */
    uint16_t lender_id;      /* DOMAIN_ID_INVALID, or no frame but this domain's grant: */
    uint32_t lender_ref;
};

/* What its user can do with: part of a page; an entry that names a third domain's grant
 * (GTF_transitive), which the owner may use: the user then needs another grant_pin() on the owner's
 * behalf. */
#define GRANT_PIN_PART       BIT(0)
#define GRANT_PIN_TRANSITIVE BIT(1)

/* One more user of a grant, who keeps the frame. `accepts`: GRANT_PIN_*. GNTST_*. No lock held. */
int grant_pin(struct domain *owner, uint32_t ref, uint16_t user_id, bool readonly, unsigned accepts,
              struct grant_pin *out) __must_check;
/* The opposite, as often. */
void grant_unpin(struct domain *owner, uint32_t ref, bool readonly);

/* ---- operations, on the caller's domain; GNTST_* into op->status -------------------------------
 */

/* grant_map.c */
void grant_map(struct vcpu *v, struct gnttab_map_grant_ref *op);
/* An unmapping between its removal from the page table and the flush that completes it. */
struct grant_unmap {
    uint64_t host_addr, dev_bus_addr, new_addr;
    uint32_t handle;
    int16_t status;
    struct grant_mapping mapping; /* as it was */
    uint16_t removed;             /* GRANT_MAPPING_HOST, _DEVICE: what of it is gone */
};
void grant_unmap_begin(struct vcpu *v, struct grant_unmap *u);
void grant_unmap_finish(struct vcpu *v, struct grant_unmap *u);

/* grant_copy.c */
void grant_copy(struct domain *d, struct gnttab_copy *op);

/* grant_transfer.c */
void grant_transfer(struct domain *d, struct gnttab_transfer *op);

/* grant_flush.c: 0, -EINVAL: not a page of the caller's or lent to it, or wrong words; -EOPNOTSUPP;
 * -ERESTART: the search for the grant goes on at *next, which starts at 0. */
int grant_cache_flush(struct domain *d, const struct gnttab_cache_flush *op,
                      uint32_t *next) __must_check;

/* grant_table.c: 0 or negative errno, for the hypercall; GNTST_* in the argument */
int grant_op_setup_table(struct domain *d, uint64_t addr) __must_check;
int grant_op_query_size(struct domain *d, uint64_t addr) __must_check;
int grant_op_set_version(struct domain *d, uint64_t addr) __must_check;
int grant_op_get_version(struct domain *d, uint64_t addr) __must_check;
int grant_op_get_status_frames(struct domain *d, uint64_t addr) __must_check;
void grant_swap(struct domain *d, struct gnttab_swap_grant_ref *op);
