/* SPDX-License-Identifier: MIT */
/*
 * The virtual address map of the x86 port. The guest ABI gives us L4 slots 256 to 271
 * (xen/arch-x86/xen-x86_64.h); everything else belongs to the guest that is running.
 *
 *   slot 256  0xffff800000000000  machine-to-physical table, readable by guests
 *   slot 257  0xffff808000000000  the same frames, writable, ours
 *   slot 260  0xffff820000000000  frame table (struct page)
 *   slot 261  0xffff828000000000  device mappings, per-CPU descriptor tables
 *             0xffff82d080000000  image: physical address 0 upwards, 1 GiB
 *   slot 262  0xffff830000000000  direct map of all RAM, 5 TiB (to slot 271)
 */
#pragma once

#ifdef __ASSEMBLY__
#define UL(x) x
#else
#define UL(x) x##UL
#endif

#define HV_VIRT_START    UL(0xffff800000000000)
#define HV_VIRT_END      UL(0xffff880000000000) /* first address past ours */
#define M2P_RO_BASE      UL(0xffff800000000000)
#define M2P_RO_END       UL(0xffff804000000000)
#define M2P_RW_BASE      UL(0xffff808000000000)
#define FRAME_TABLE_BASE UL(0xffff820000000000)
#define DEVICE_MAP_BASE  UL(0xffff828000000000)
#define DEVICE_MAP_END   UL(0xffff829000000000)
#define CPU_DESC_BASE    UL(0xffff82a000000000) /* per CPU: 16 GDT pages, 16 LDT pages */
#define IMAGE_BASE       UL(0xffff82d080000000)
#define DIRECT_MAP_BASE  UL(0xffff830000000000)
#define DIRECT_MAP_END   UL(0xffff880000000000)

#define IMAGE_LOAD_PHYS UL(0x200000)

#define L4_SLOT(va)      (((va) >> 39) & 511)
#define L3_SLOT(va)      (((va) >> 30) & 511)
#define L2_SLOT(va)      (((va) >> 21) & 511)
#define L1_SLOT(va)      (((va) >> 12) & 511)
#define L4_SLOT_HV_FIRST 256
#define L4_SLOT_HV_LAST  271

#define BOOT_STACK_SIZE 65536 /* the boot CPU's: kernel unpacking needs more than guests' calls */
#define CPU_STACK_SIZE  16384
#define IST_STACK_SIZE  4096

/* Selectors: what is below 0xe000 is the guest's GDT, the page above ours. */
#define GDT_GUEST_FRAMES 14
#define GDT_HV_PAGE      14
#define SEL_HV_CS        0xe008
#define SEL_HV_DS        0xe010
#define SEL_USER_CS32    0xe023
#define SEL_USER_DS      0xe02b
#define SEL_USER_CS64    0xe033
#define SEL_TSS          0xe040
#define SEL_LDT          0xe050
#define SEL_GUEST_END    0xe000
