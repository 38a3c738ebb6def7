/* SPDX-License-Identifier: MIT */
/*
 * What a domain's code remembers about its memory (tests/sim/pages.c): which frame each page number
 * has, what the page is used for at present, what lies at the slots of its L1 table beyond its
 * pages, what it has granted to whom and mapped of others. Other domains' code may read it.
 */
#pragma once

#include <sim/guest.h>

struct actor;
struct domain_model;

/* Slots of the first L1 table that are not the domain's first pages: address slot_va(slot). The
 * builder's windows are at 384 (tests/sim/gen_build.c). */
#define SLOT_GRANT_TABLE  SIM_PAGES_MAX /* its own shared grant frames */
#define SLOT_GRANT_STATUS 264           /* and the status frames */
#define SLOT_GRANT_MAP    288           /* grants of others */
#define SLOT_FOREIGN      352           /* the control domain: others' pages, for a while */
#define SLOT_RESOURCE     400           /* the control domain: others' grant frames */
#define SLOT_TRY          408           /* entries that are meant to be refused */
#define SLOT_TABLES       416           /* page tables under construction */

#define GRANT_TABLE_SLOTS  8
#define GRANT_STATUS_SLOTS 2
#define GRANT_MAP_SLOTS    64
#define FOREIGN_SLOTS      16
#define RESOURCE_SLOTS     8
#define EXTENTS_MAX        8
#define GRANTS_OUT_MAX     32
#define TABLES_MAX         8
#define PAGES_AWAITED_MAX  4

enum page_use {
    USE_PLAIN,  /* mapped writable */
    USE_BUSY,   /* in somebody's hands for the moment */
    USE_GONE,   /* given up: no frame */
    USE_TABLE,  /* a page table, mapped read-only */
    USE_LENT,   /* granted: still plain to its owner */
    USE_TAKEN,  /* its owner takes it away without telling any TLB */
    USE_SHARED, /* the hypervisor reads and writes it: event queues, vcpu_info */
};

/* A run of frames without page numbers. */
struct extent {
    uint64_t mfn;
    unsigned order;
};

/* An entry of the own grant table that was filled in. */
struct grant_out {
    uint32_t ref; /* 0: none */
    uint16_t to;
    bool is_readonly;
    uint64_t pfn;
};

/* An entry of the own grant table that accepts a page (GTF_accept_transfer). */
struct page_awaited {
    uint32_t ref; /* 0: none */
    uint16_t from;
    uint64_t pfn; /* where it shall be */
};

/* What is mapped at a slot from SLOT_GRANT_MAP on. */
struct grant_in {
    bool is_used;
    uint32_t handle, flags, ref;
    uint16_t owner;
    uint64_t frame_address;
};

/* A table made from a free page. */
struct table_model {
    uint64_t pfn; /* 0: none */
    unsigned level;
    bool is_pinned, is_linked;
    uint64_t link_table; /* page number of the table that it is linked in, and where */
    unsigned link_slot;
};

struct memory_model {
    uint64_t frame[SIM_PAGES_MAX]; /* by page number, as its P2M has it; 0: none */
    uint8_t use[SIM_PAGES_MAX];
    struct extent extents[EXTENTS_MAX];
    unsigned grant_frames, status_frames; /* mapped */
    struct grant_out out[GRANTS_OUT_MAX];
    struct grant_in in[GRANT_MAP_SLOTS];
    struct page_awaited awaited[PAGES_AWAITED_MAX];
    struct table_model tables[TABLES_MAX];
    uint64_t shown_pfn; /* a page that the other vCPUs shall use while one takes it away; 0: none */
    unsigned shown_by, shown_uses;
};

static inline uint64_t slot_va(unsigned slot)
{
    return SIM_VIRT_BASE + ((uint64_t)slot << PAGE_SHIFT);
}

/* A domain's first look at its own P2M: how many pages there are. */
void pages_learn(struct actor *a);
/* A plain page gets another use. 0: none found. */
uint64_t page_take(struct actor *a, enum page_use use);
/* Some page in that use; 0: none found. */
uint64_t page_find(struct actor *a, enum page_use use);
/* Notes a new frame (0: none) for the page number, in the P2M and the model. */
void page_frame_set(struct actor *a, uint64_t pfn, uint64_t mfn);
/* Maps the page number's own frame writable again; then it is plain. */
bool page_restore(struct actor *a, uint64_t pfn);
bool page_map_readonly(struct actor *a, uint64_t pfn);
bool page_unmap(struct actor *a, uint64_t pfn);
/* update_va_mapping with one of the ways to flush all that may be needed. */
long va_map(struct actor *a, uint64_t va, uint64_t entry);
/* The same with a frame of another domain. */
long va_map_foreign(struct actor *a, uint64_t va, uint64_t entry, uint16_t owner);
/* The machine address of the entry in the first L1 table. */
uint64_t slot_entry_address(struct actor *a, unsigned slot);
/* NULL: no domain with this id has said anything yet. */
struct domain_model *model_by_id(uint16_t id);
/* Its builder tells which frames it got; for a domain that does not say so itself yet. */
void frames_note(uint16_t id, const uint64_t *frames, unsigned count);
void frames_reset(void);
/* A frame that a domain with this id has or had; 0: unknown. */
uint64_t frame_of_domain(struct actor *a, uint16_t id);
/* May this domain's code write over what is shared with the hypervisor, or what it has granted?
 * About half of them may, in runs that have GROUP_SCRIBBLE on. Who does says so in its model. */
bool is_reckless(const struct actor *a);
/* A frame to be written to: one of its own pages that may be; a reckless domain: any. */
uint64_t pick_frame_to_write(struct actor *a);
/* Uses the page that another vCPU of the domain shows, if one does (gen_stale.c). */
void shown_page_use(struct actor *a);
/* Another domain that was there at the last pause; DOMAIN_ID_INVALID: none. */
uint16_t pick_other_domain(struct actor *a);
