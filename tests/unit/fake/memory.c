/* SPDX-License-Identifier: MIT */
/*
 * See memory.h. The allocator is compiled in here, not linked, because a fresh machine needs its
 * static state cleared.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <kr/arch.h>
#include <kr/log.h>

#include "memory.h"
#include "../../../core/page_buddy.c"

static mfn_t arena_end;
static char *arena;
static struct domain_memory *accounts[8];

unsigned memory_fake_syncs;
uint32_t memory_fake_sync_epoch;

static void *map_lazily(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    assert(p != MAP_FAILED);
    return p;
}

/* Whole sections: describing the first range of one writes the entries of all of it. */
static size_t table_bytes(void)
{
    return ALIGN_UP(arena_end, 1UL << PAGE_SECTION_SHIFT) * sizeof(struct page);
}

void memory_fake_start(mfn_t end)
{
    arena_end = end;
    arena = map_lazily(end * PAGE_SIZE);
    page_table_base = map_lazily(table_bytes());
    memset(page_section_bitmap, 0, sizeof(page_section_bitmap));
    memset(accounts, 0, sizeof(accounts));
    memory_fake_syncs = 0;
    memset(zones, 0, sizeof(zones));
    zone_mask = 0;
    free_count = total_count = 0;
    ram_end = 0;
}

void memory_fake_stop(void)
{
    munmap(arena, arena_end * PAGE_SIZE);
    munmap(page_table_base, table_bytes());
}

void memory_fake_domain(struct domain_memory *m)
{
    assert(m->owner < ARRAY_SIZE(accounts));
    accounts[m->owner] = m;
}

struct domain_memory *domain_memory_of(uint16_t owner)
{
    assert(owner < ARRAY_SIZE(accounts) && accounts[owner] != NULL);
    return accounts[owner];
}

void *frame_to_virt(mfn_t mfn)
{
    assert(mfn < arena_end);
    return arena + mfn * PAGE_SIZE;
}

mfn_t virt_to_frame(const void *virt)
{
    return ((const char *)virt - arena) / PAGE_SIZE;
}

void arch_tlb_sync(uint32_t epoch)
{
    memory_fake_syncs++;
    memory_fake_sync_epoch = epoch;
}
