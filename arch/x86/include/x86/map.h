/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's own address space: direct map, frame table, M2P, device windows. Built once at
 * start-up; later changes only add device mappings. Every guest L4 carries these slots.
 */
#pragma once

#include <kr/boot_info.h>
#include <kr/types.h>

extern uint64_t hv_l4[512];

/* Maps all RAM of the memory map, makes the frame table and the M2P, write-protects our text and
 * hands what is left to the page allocator. */
void map_init(const struct boot_info *info);
/* RAM frames of the machine, those below 1 MiB that stay the firmware's among them. */
uint64_t map_ram_count(void);
/* 2^order zeroed hypervisor frames; at start-up only: refuses to boot when there are none. */
void *map_alloc_frames(unsigned order);
/* Device registers: uncached, mapped for good. NULL: the window is full, no memory, no such
 * address. */
void *map_device(uint64_t phys, size_t size_bytes);
/* Read-only view of physical memory of any kind (ACPI tables), mapped for good. */
const void *map_firmware(uint64_t phys, size_t size_bytes);
/* Page-table entries for `page_count` pages at `va` (not crossing an L1 table), all empty. */
uint64_t *map_window(uint64_t va, unsigned page_count);
/* Copies our slots into a guest's L4. */
void map_fill_guest_l4(uint64_t *l4);
/* Whether code that runs on this L4 can read the M2P: kernels may, user mode may not. */
void map_show_m2p(uint64_t *l4, bool visible);
/* M2P. */
void m2p_set(mfn_t mfn, uint64_t pfn);
/* Number of 2 MiB chunks up to the last that exists. */
unsigned m2p_chunk_count(void);
/* Machine frame of the i-th 2 MiB chunk of the M2P, MFN_INVALID when absent. */
mfn_t m2p_chunk(unsigned index);
