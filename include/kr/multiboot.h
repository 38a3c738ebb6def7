/* SPDX-License-Identifier: MIT */
/*
 * Numbers of the Multiboot 0.6.96 and Multiboot2 1.6/2.0 specifications (GNU), for the entry code
 * and for the parsers. Numbers only, so that assembly can include it.
 */
#pragma once

/* Multiboot 1: the header in our image (spec 3.1). checksum = -(magic + flags). */
#define MB1_HEADER_MAGIC       0x1badb002
#define MB1_HEADER_ALIGN       4
#define MB1_HEADER_SEARCH_SIZE 8192
#define MB1_WANT_PAGE_ALIGN    0x00000001
#define MB1_WANT_MEMORY        0x00000002
#define MB1_WANT_VIDEO         0x00000004
#define MB1_HAS_ADDRESSES      0x00010000

/* Multiboot 1: machine state (spec 3.2): EAX = magic, EBX = address of the information. */
#define MB1_LOADER_MAGIC 0x2badb002

/* Multiboot 1: the information (spec 3.3): flag bits, byte offsets. */
#define MB1_INFO_MEMORY      0x00000001
#define MB1_INFO_CMDLINE     0x00000004
#define MB1_INFO_MODULES     0x00000008
#define MB1_INFO_MMAP        0x00000040
#define MB1_INFO_LOADER      0x00000200
#define MB1_INFO_VBE         0x00000800
#define MB1_INFO_FRAMEBUFFER 0x00001000

#define MB1_OFF_FLAGS       0
#define MB1_OFF_MEM_LOWER   4
#define MB1_OFF_MEM_UPPER   8
#define MB1_OFF_CMDLINE     16
#define MB1_OFF_MODS_COUNT  20
#define MB1_OFF_MODS_ADDR   24
#define MB1_OFF_MMAP_LENGTH 44
#define MB1_OFF_MMAP_ADDR   48
#define MB1_OFF_LOADER      64
#define MB1_OFF_VBE_CONTROL 72
#define MB1_OFF_VBE_MODE    76
#define MB1_OFF_FB_ADDR     88
#define MB1_OFF_FB_PITCH    96
#define MB1_OFF_FB_WIDTH    100
#define MB1_OFF_FB_HEIGHT   104
#define MB1_OFF_FB_BPP      108
#define MB1_OFF_FB_TYPE     109
#define MB1_OFF_FB_COLORS   110
#define MB1_INFO_SIZE       116
/* Without the VBE and framebuffer parts, as older loaders write it. */
#define MB1_INFO_SIZE_SMALL 72
#define MB1_MODULE_SIZE     16

/* Memory map entry types, both versions: those of the BIOS call e820. */
#define MB_MEMORY_AVAILABLE 1

/* Framebuffer types, both versions. */
#define MB_FRAMEBUFFER_INDEXED 0
#define MB_FRAMEBUFFER_RGB     1
#define MB_FRAMEBUFFER_TEXT    2

/* Multiboot 2: the header in our image (spec 3.1). checksum = -(magic + arch + length). */
#define MB2_HEADER_MAGIC       0xe85250d6
#define MB2_HEADER_ALIGN       8
#define MB2_HEADER_SEARCH_SIZE 32768
#define MB2_ARCH_I386          0
#define MB2_TAG_OPTIONAL       1

#define MB2_HEADER_TAG_END          0
#define MB2_HEADER_TAG_INFO_REQUEST 1
#define MB2_HEADER_TAG_ADDRESS      2
#define MB2_HEADER_TAG_ENTRY        3
#define MB2_HEADER_TAG_CONSOLE      4
#define MB2_HEADER_TAG_FRAMEBUFFER  5
#define MB2_HEADER_TAG_MODULE_ALIGN 6
#define MB2_HEADER_TAG_EFI_BS       7
#define MB2_HEADER_TAG_ENTRY_EFI32  8
#define MB2_HEADER_TAG_ENTRY_EFI64  9
#define MB2_HEADER_TAG_RELOCATABLE  10

/* Multiboot 2: machine state (spec 3.3): EAX = magic, EBX = address of the information. */
#define MB2_LOADER_MAGIC 0x36d76289

/* Multiboot 2: information tags (spec 3.6). */
#define MB2_INFO_ALIGN           8
#define MB2_INFO_HEADER_SIZE     8
#define MB2_INFO_TAG_END         0
#define MB2_INFO_TAG_CMDLINE     1
#define MB2_INFO_TAG_LOADER      2
#define MB2_INFO_TAG_MODULE      3
#define MB2_INFO_TAG_MEMORY      4
#define MB2_INFO_TAG_MMAP        6
#define MB2_INFO_TAG_VBE         7
#define MB2_INFO_TAG_FRAMEBUFFER 8
#define MB2_INFO_TAG_EFI32       11
#define MB2_INFO_TAG_EFI64       12
#define MB2_INFO_TAG_ACPI_OLD    14
#define MB2_INFO_TAG_ACPI_NEW    15

/* VBE structures inside both (VBE 3.0): the fields a console description needs. */
#define VBE_CONTROL_CAPABILITIES 10
#define VBE_CONTROL_SIZE         512
#define VBE_MODE_ATTRIBUTES      0
#define VBE_MODE_SIZE            256
