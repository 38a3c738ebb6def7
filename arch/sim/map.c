/* SPDX-License-Identifier: MIT */
/*
 * The machine's memory in this process: one sparse mapping for RAM, one for the frame table; the
 * machine-to-physical table lies in RAM, 2 MiB for each GiB that has any. The names are those of
 * the x86 port's mm/map.c (x86/map.h).
 */
#include <kr/domain.h>
#include <kr/log.h>
#include <kr/page.h>
#include <x86/map.h>
#include <x86/pagetype.h>
#include <x86/pte.h>

#include <string.h>
#include <sys/mman.h>

#include "machine_internal.h"

#define FRAMES_PER_GIB   (GIB >> PAGE_SHIFT)
#define M2P_CHUNK_FRAMES (FRAMES_PER_GIB * sizeof(uint64_t) / PAGE_SIZE)
#define GIB_COUNT_MAX    (SIM_RAM_MAX / GIB)
#define PHYS_BITS        46

char *sim_ram;
uint64_t hv_l4[512];
uint64_t pte_nx, pte_reserved;

static size_t ram_bytes, table_bytes;
static mfn_t m2p_chunks[GIB_COUNT_MAX];
static unsigned m2p_chunks_used;
static uint64_t ram_frames;

static void *map_sparse(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    ASSERT(p != MAP_FAILED);
    return p;
}

static void m2p_create(void)
{
    for (unsigned g = 0; g < GIB_COUNT_MAX; g++)
        m2p_chunks[g] = MFN_INVALID;
    for (unsigned i = 0; i < machine.config.ram_count; i++) {
        const struct sim_ram_range *r = &machine.config.ram[i];

        for (uint64_t g = r->start / GIB; g <= (r->start + r->size_bytes - 1) / GIB; g++) {
            if (m2p_chunks[g] != MFN_INVALID)
                continue;
            m2p_chunks[g] = page_early_alloc(M2P_CHUNK_FRAMES, M2P_CHUNK_FRAMES);
            ASSERT(m2p_chunks[g] != MFN_INVALID);
            memset(frame_to_virt(m2p_chunks[g]), 0xff, M2P_CHUNK_FRAMES * PAGE_SIZE);
            m2p_chunks_used = MAX(m2p_chunks_used, (unsigned)g + 1);
        }
    }
}

static void m2p_expose(void)
{
    for (unsigned g = 0; g < m2p_chunks_used; g++)
        for (unsigned i = 0; m2p_chunks[g] != MFN_INVALID && i < M2P_CHUNK_FRAMES; i++)
            page_expose(&hypervisor_memory, m2p_chunks[g] + i, page_type_held(PAGE_TYPE_READ_ONLY));
}

void sim_ram_create(void)
{
    const struct sim_config *c = &machine.config;
    const struct sim_ram_range *last = &c->ram[c->ram_count - 1];

    ASSERT(c->ram_count > 0 && c->ram_count <= SIM_RAM_RANGES_MAX && c->ram[0].start == 0);
    ram_bytes = last->start + last->size_bytes;
    ASSERT(ram_bytes <= SIM_RAM_MAX);
    sim_ram = map_sparse(ram_bytes);
}

const void *sim_memory_map(uint64_t phys, size_t size_bytes)
{
    return phys < ram_bytes && size_bytes <= ram_bytes - phys ? phys_to_virt(phys) : NULL;
}

static void early_allocator_init(const struct boot_info *info)
{
    struct page_range ranges[SIM_RAM_RANGES_MAX + 1];
    unsigned count = 0;

    for (unsigned i = 0; i < info->mem_count; i++) {
        if (info->mem[i].type != BOOT_MEM_RAM)
            continue;
        ASSERT(count < ARRAY_SIZE(ranges));
        ranges[count].first = info->mem[i].start >> PAGE_SHIFT;
        ranges[count].count = info->mem[i].size >> PAGE_SHIFT;
        ram_frames += ranges[count++].count;
    }
    page_early_init(ranges, count, ram_bytes >> PAGE_SHIFT);
    page_early_reserve(0, MIB >> PAGE_SHIFT);
    for (unsigned i = 0; i < info->module_count; i++)
        page_early_reserve(info->module[i].start >> PAGE_SHIFT,
                           DIV_ROUND_UP(info->module[i].size, PAGE_SIZE));
}

void sim_memory_init(const struct boot_info *info)
{
    table_bytes = ALIGN_UP(ram_bytes >> PAGE_SHIFT, BIT(PAGE_SECTION_SHIFT)) * sizeof(struct page);
    page_table_base = map_sparse(table_bytes);
    pte_nx = PTE_NX;
    pte_reserved = PTE_FRAME & ~(BIT(PHYS_BITS) - 1);
    early_allocator_init(info);
    m2p_create();
    page_early_finish();
    m2p_expose();
}

void sim_memory_destroy(void)
{
    if (sim_ram)
        munmap(sim_ram, ram_bytes);
    if (page_table_base)
        munmap(page_table_base, table_bytes);
}

uint64_t map_ram_count(void)
{
    return ram_frames;
}

void map_fill_guest_l4(uint64_t *l4)
{
    for (unsigned i = L4_SLOT_HV_FIRST; i <= L4_SLOT_HV_LAST; i++)
        pte_store(l4, i, hv_l4[i]);
}

void map_show_m2p(uint64_t *l4, bool visible)
{
    pte_store(l4, L4_SLOT_HV_FIRST, visible ? hv_l4[L4_SLOT_HV_FIRST] : 0);
}

void m2p_set(mfn_t mfn, uint64_t pfn)
{
    if (frame_is_valid(mfn) && mfn / FRAMES_PER_GIB < m2p_chunks_used)
        __atomic_store_n((uint64_t *)frame_to_virt(m2p_chunk(mfn / FRAMES_PER_GIB)) +
                             mfn % FRAMES_PER_GIB,
                         pfn, __ATOMIC_RELAXED);
}

unsigned m2p_chunk_count(void)
{
    return m2p_chunks_used;
}

mfn_t m2p_chunk(unsigned index)
{
    return index < m2p_chunks_used ? m2p_chunks[index] : MFN_INVALID;
}
