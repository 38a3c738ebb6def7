/* SPDX-License-Identifier: MIT */
/*
 * Builds the hypervisor's address space (x86/layout.h draws it). Boot CPU, before any guest: after
 * map_init() only the device window grows.
 */
#include <kr/arch.h>
#include <kr/domain.h>
#include <kr/log.h>
#include <kr/page.h>
#include <kr/string.h>
#include <x86/cpu.h>
#include <x86/map.h>
#include <x86/pagetype.h>
#include <x86/pte.h>
#include <x86/tlb.h>

#define LARGE_SHIFT 21
#define LARGE_SIZE  (1UL << LARGE_SHIFT)
#define RANGES_MAX  64
#define BOOT_MAPPED (4 * GIB) /* what start.S mapped */
#define LOW_MEMORY  MIB       /* left to firmware and application processors' first steps */

extern char image_start[], text_end[], rodata_end[], image_end[];

uint64_t pte_nx, pte_reserved;
static bool allocator_is_ready;
static uint64_t device_next = DEVICE_MAP_BASE;
static struct page_range ram[RANGES_MAX];
static unsigned ram_count;
static uint64_t low_ram_count; /* frames below LOW_MEMORY */

static void *frames_try(unsigned order)
{
    mfn_t mfn =
        allocator_is_ready ? page_alloc(order, 0) : page_early_alloc(1UL << order, 1UL << order);

    if (mfn == MFN_INVALID)
        return NULL;
    memset(frame_to_virt(mfn), 0, PAGE_SIZE << order);
    return frame_to_virt(mfn);
}

static void *needed(void *p)
{
    if (!p)
        boot_refuse("not enough memory for the hypervisor's own tables");
    return p;
}

void *map_alloc_frames(unsigned order)
{
    return needed(frames_try(order));
}

/* The next lower table, made when absent; `flags` for a new entry. NULL: no memory. */
static uint64_t *table_below(uint64_t *entry, uint64_t flags)
{
    if (!(*entry & PTE_P)) {
        void *table = frames_try(0);

        if (!table)
            return NULL;
        *entry = pte_make(virt_to_frame(table), flags);
    }
    return frame_to_virt(pte_frame(*entry));
}

static uint64_t *l2_entry(uint64_t va, uint64_t table_flags)
{
    uint64_t *l3 = table_below(&hv_l4[L4_SLOT(va)], table_flags);
    uint64_t *l2 = l3 ? table_below(&l3[L3_SLOT(va)], table_flags) : NULL;

    return l2 ? &l2[L2_SLOT(va)] : NULL;
}

static uint64_t *l1_entry(uint64_t va)
{
    uint64_t *l2e = l2_entry(va, PTE_HV_TABLE);
    uint64_t *l1 = l2e ? table_below(l2e, PTE_HV_TABLE) : NULL;

    return l1 ? &l1[L1_SLOT(va)] : NULL;
}

static void map_large(uint64_t va, uint64_t phys, uint64_t flags, uint64_t table_flags)
{
    uint64_t *entry = needed(l2_entry(va, table_flags));

    *entry = phys | flags | PTE_PSE;
}

uint64_t *map_window(uint64_t va, unsigned page_count)
{
    ASSERT(L1_SLOT(va) + page_count <= PTES_PER_TABLE);
    return needed(l1_entry(va));
}

uint64_t map_ram_count(void)
{
    uint64_t count = low_ram_count;

    for (unsigned i = 0; i < ram_count; i++)
        count += ram[i].count;
    return count;
}

/* Whole RAM frames of the loader's map; those in the first MiB are only counted. */
static void collect_ram(const struct boot_info *info)
{
    for (unsigned i = 0; i < info->mem_count; i++) {
        const struct boot_mem *m = &info->mem[i];
        uint64_t first = ALIGN_UP(m->start, PAGE_SIZE);
        uint64_t start = MAX(first, (uint64_t)LOW_MEMORY);
        uint64_t end =
            ALIGN_DOWN(MIN(m->start + m->size, DIRECT_MAP_END - DIRECT_MAP_BASE), PAGE_SIZE);

        if (m->type != BOOT_MEM_RAM)
            continue;
        if (first < LOW_MEMORY && end > first)
            low_ram_count += (MIN(end, (uint64_t)LOW_MEMORY) - first) >> PAGE_SHIFT;
        if (start >= end)
            continue;
        if (ram_count == RANGES_MAX)
            boot_refuse("the memory map has more than %u ranges of RAM", RANGES_MAX);
        ram[ram_count++] = (struct page_range){start >> PAGE_SHIFT, (end - start) >> PAGE_SHIFT};
    }
}

static void reserve(uint64_t start, uint64_t end)
{
    mfn_t first = start >> PAGE_SHIFT;

    page_early_reserve(first, DIV_ROUND_UP(end, PAGE_SIZE) - first);
}

static void early_allocator_init(const struct boot_info *info)
{
    page_early_init(ram, ram_count, BOOT_MAPPED >> PAGE_SHIFT);
    reserve(virt_to_phys(image_start), virt_to_phys(image_end));
    for (unsigned i = 0; i < info->module_count; i++)
        reserve(info->module[i].start, info->module[i].start + info->module[i].size);
}

/* 0 to 4 GiB whole (firmware tables lie anywhere there), above it what holds RAM. */
static void build_direct_map(void)
{
    uint64_t old_slot = hv_l4[L4_SLOT(DIRECT_MAP_BASE)];
    uint64_t *l3 = map_alloc_frames(0);

    memcpy(l3, frame_to_virt(pte_frame(old_slot)), PAGE_SIZE);
    for (unsigned i = 0; i < BOOT_MAPPED / GIB; i++) {
        uint64_t *l2 = map_alloc_frames(0);
        for (unsigned j = 0; j < PTES_PER_TABLE; j++)
            l2[j] = (i * GIB + j * LARGE_SIZE) | PTE_HV_DATA | PTE_PSE;
        l3[i] = pte_make(virt_to_frame(l2), PTE_HV_TABLE);
    }
    hv_l4[L4_SLOT(DIRECT_MAP_BASE)] = pte_make(virt_to_frame(l3), PTE_HV_TABLE);
    for (unsigned i = 0; i < ram_count; i++) {
        uint64_t start = MAX(ALIGN_DOWN(ram[i].first << PAGE_SHIFT, LARGE_SIZE), BOOT_MAPPED);
        uint64_t end = (ram[i].first + ram[i].count) << PAGE_SHIFT;
        for (uint64_t pa = start; pa < end; pa += LARGE_SIZE)
            map_large(DIRECT_MAP_BASE + pa, pa, PTE_HV_DATA, PTE_HV_TABLE);
    }
}

/* Image window by pages: text read-only and executable, constants read-only, data not executable.
 * The new tables are made aside and put in place at once, because we run from the old ones. */
static void build_image_map(void)
{
    uint64_t *l3 = map_alloc_frames(0), *l2 = map_alloc_frames(0), *l1 = NULL;

    l3[L3_SLOT(IMAGE_BASE)] = pte_make(virt_to_frame(l2), PTE_HV_TABLE);
    for (uint64_t va = (uint64_t)image_start; va < (uint64_t)image_end; va += PAGE_SIZE) {
        uint64_t flags = va < (uint64_t)text_end     ? PTE_HV_TEXT
                         : va < (uint64_t)rodata_end ? PTE_HV_RO
                                                     : PTE_HV_DATA;

        l1 = needed(table_below(&l2[L2_SLOT(va)], PTE_HV_TABLE));
        l1[L1_SLOT(va)] = (va - IMAGE_BASE) | flags;
    }
    hv_l4[L4_SLOT(IMAGE_BASE)] = pte_make(virt_to_frame(l3), PTE_HV_TABLE);
}

static void build_frame_table(void)
{
    uint64_t mapped_end = 0;

    page_table_base = (struct page *)FRAME_TABLE_BASE;
    for (unsigned i = 0; i < ram_count; i++) {
        mfn_t first = ALIGN_DOWN(ram[i].first, 1UL << PAGE_SECTION_SHIFT);
        mfn_t end = ALIGN_UP(ram[i].first + ram[i].count, 1UL << PAGE_SECTION_SHIFT);
        uint64_t va = MAX(ALIGN_DOWN((uint64_t)page_of(first), PAGE_SIZE), mapped_end);
        uint64_t va_end = ALIGN_UP((uint64_t)page_of(end), PAGE_SIZE);

        for (; va < va_end; va += PAGE_SIZE)
            *map_window(va, 1) = pte_make(virt_to_frame(map_alloc_frames(0)), PTE_HV_DATA);
        mapped_end = MAX(va, mapped_end);
    }
}

/* One 2 MiB chunk of the M2P for each GiB that holds RAM, all entries invalid. What guest kernels
 * see of it is not global: their user mode must not find it in the TLB. */
static void build_m2p(void)
{
    for (unsigned i = 0; i < ram_count; i++) {
        uint64_t last = (ram[i].first + ram[i].count - 1) >> (30 - PAGE_SHIFT);
        for (uint64_t g = ram[i].first >> (30 - PAGE_SHIFT); g <= last; g++) {
            uint64_t offset = g << LARGE_SHIFT;
            uint64_t *rw = needed(l2_entry(M2P_RW_BASE + offset, PTE_HV_TABLE));
            void *chunk;

            if (*rw & PTE_P)
                continue;
            chunk = map_alloc_frames(LARGE_SHIFT - PAGE_SHIFT);
            memset(chunk, 0xff, LARGE_SIZE);
            map_large(M2P_RW_BASE + offset, virt_to_phys(chunk), PTE_HV_DATA, PTE_HV_TABLE);
            map_large(M2P_RO_BASE + offset, virt_to_phys(chunk), (PTE_HV_RO & ~PTE_G) | PTE_US,
                      PTE_HV_TABLE | PTE_US);
        }
    }
}

/* Control tools may map the table read-only, as frames of DOMID_XEN. */
static void expose_m2p(void)
{
    for (unsigned i = 0; i < m2p_chunk_count(); i++) {
        mfn_t first = m2p_chunk(i);

        for (mfn_t mfn = first; first != MFN_INVALID && mfn < first + PTES_PER_TABLE; mfn++)
            page_expose(&hypervisor_memory, mfn, page_type_held(PAGE_TYPE_READ_ONLY));
    }
}

void map_init(const struct boot_info *info)
{
    pte_nx = cpu_features.nx ? PTE_NX : 0;
    pte_reserved = PTE_FRAME & ~(BIT(cpu_features.phys_bits) - 1);
    collect_ram(info);
    early_allocator_init(info);
    build_direct_map();
    tlb_flush_local();
    page_early_set_limit((DIRECT_MAP_END - DIRECT_MAP_BASE) >> PAGE_SHIFT);
    build_image_map();
    build_frame_table();
    build_m2p();
    map_window(CPU_DESC_BASE, 1);
    map_window(DEVICE_MAP_BASE, 1);
    hv_l4[0] = 0; /* the identity map of the first steps */
    tlb_flush_local();
    page_early_finish();
    allocator_is_ready = true;
    expose_m2p();
}

void *map_device(uint64_t phys, size_t size_bytes)
{
    uint64_t first = ALIGN_DOWN(phys, PAGE_SIZE), end = ALIGN_UP(phys + size_bytes, PAGE_SIZE);
    uint64_t va = device_next;

    /* Base registers hold anything; a reserved bit in an entry would be a fault of ours. */
    if (phys + size_bytes < phys || end < first || (end - 1) >> cpu_features.phys_bits ||
        end - first > DEVICE_MAP_END - va)
        return NULL;
    for (uint64_t offset = 0; offset < end - first; offset += PAGE_SIZE)
        if (!l1_entry(va + offset))
            return NULL;
    device_next += end - first;
    for (uint64_t offset = 0; offset < end - first; offset += PAGE_SIZE)
        *l1_entry(va + offset) = (first + offset) | PTE_HV_DEVICE;
    return (void *)(va + (phys - first));
}

const void *map_firmware(uint64_t phys, size_t size_bytes)
{
    if (phys + size_bytes < phys)
        return NULL;
    return phys + size_bytes <= BOOT_MAPPED ? phys_to_virt(phys) : map_device(phys, size_bytes);
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

static bool m2p_has(mfn_t mfn)
{
    return frame_is_valid(mfn);
}

void m2p_set(mfn_t mfn, uint64_t pfn)
{
    if (m2p_has(mfn))
        __atomic_store_n((uint64_t *)M2P_RW_BASE + mfn, pfn, __ATOMIC_RELAXED);
}

mfn_t m2p_chunk(unsigned index)
{
    uint64_t l3e = hv_l4[L4_SLOT(M2P_RW_BASE)], l2e;
    uint64_t offset = (uint64_t)index << LARGE_SHIFT;

    if (!(l3e & PTE_P) || offset >= M2P_RO_END - M2P_RO_BASE)
        return MFN_INVALID;
    l2e = ((uint64_t *)frame_to_virt(pte_frame(l3e)))[L3_SLOT(offset)];
    if (!(l2e & PTE_P))
        return MFN_INVALID;
    l2e = ((uint64_t *)frame_to_virt(pte_frame(l2e)))[L2_SLOT(offset)];
    return l2e & PTE_P ? pte_frame(l2e) : MFN_INVALID;
}

unsigned m2p_chunk_count(void)
{
    return DIV_ROUND_UP(page_end(), GIB >> PAGE_SHIFT);
}
