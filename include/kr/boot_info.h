/* SPDX-License-Identifier: MIT */
/*
 * What the loader told us, in one form whatever the loader was: Multiboot 1 (GRUB `multiboot`, QEMU
 * `-kernel`), Multiboot 2 (GRUB `multiboot2`) or PVH (`hvm_start_info` of
 * xen/arch-x86/hvm/start_info.h). The parsers are pure: they read physical memory through a window,
 * check every length and pointer, and copy everything out, so that the loader's memory may be
 * reused afterwards.
 */
#pragma once

#include <kr/types.h>

#define BOOT_MEMMAP_MAX     512
#define BOOT_MODULES_MAX    16
#define BOOT_CMDLINE_BYTES  2048
#define BOOT_NAME_BYTES     64
#define BOOT_RSDP_MAX_BYTES 64

/* Physical memory as the parser may see it. Tests embed it in a larger structure. */
struct phys_window {
    /* Bytes [pa, pa + size_bytes) in one piece, or NULL when any of them cannot be read. */
    const void *(*map)(const struct phys_window *w, uint64_t pa, size_t size_bytes);
};

/* One line that says why something at boot was refused, without a newline. */
struct boot_error {
    char text[192];
};

/* Fills the text and returns `err` (a negative errno), so that a check can `return boot_fail(…)`.
 */
int boot_fail(struct boot_error *e, int err, const char *fmt, ...) __printf(3, 4);

enum boot_entry { BOOT_MULTIBOOT1, BOOT_MULTIBOOT2, BOOT_PVH };

/* The numbers of e820; what a loader reports beyond them becomes BOOT_MEM_RESERVED. */
enum boot_mem_type {
    BOOT_MEM_RAM = 1,
    BOOT_MEM_RESERVED = 2,
    BOOT_MEM_ACPI = 3, /* ACPI tables, usable as RAM once they are read */
    BOOT_MEM_NVS = 4,
    BOOT_MEM_UNUSABLE = 5,
};

struct boot_mem {
    uint64_t start, size;
    enum boot_mem_type type;
};

struct boot_module {
    uint64_t start, size;
    char cmdline[BOOT_CMDLINE_BYTES]; /* without the file name in front */
};

enum boot_screen_kind { BOOT_SCREEN_UNKNOWN, BOOT_SCREEN_TEXT, BOOT_SCREEN_FRAMEBUFFER };

struct boot_screen {
    enum boot_screen_kind kind;
    uint64_t addr;
    uint32_t pitch_bytes;
    uint32_t width, height; /* pixels; characters when kind is BOOT_SCREEN_TEXT */
    uint8_t bits_per_pixel;
    uint8_t red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
    uint32_t vbe_capabilities; /* 0 when the loader gave no VBE information */
    uint16_t vbe_mode_attributes;
};

struct boot_info {
    enum boot_entry entry;
    char loader[BOOT_NAME_BYTES]; /* "" when it has no name */
    char cmdline[BOOT_CMDLINE_BYTES];
    bool cmdline_cut; /* ours or a module's did not fit */

    unsigned mem_count; /* sorted, disjoint, neighbours of one type merged */
    struct boot_mem mem[BOOT_MEMMAP_MAX];

    unsigned module_count;
    struct boot_module module[BOOT_MODULES_MAX];

    uint64_t rsdp_addr; /* 0 when not told */
    unsigned rsdp_size; /* 0 when no copy was handed over */
    uint8_t rsdp[BOOT_RSDP_MAX_BYTES];
    uint64_t efi_system_table; /* 0 unless started under EFI */
    struct boot_screen screen;
};

/*
 * The three parsers. `pa` is the address the loader passed. They fill *info whole; on failure they
 * return -EINVAL, -EFAULT (memory that the window cannot show) or -E2BIG (more than we have room
 * for) and say why in *e. A missing memory map is a failure, missing modules are not.
 */
int boot_parse_multiboot1(struct boot_info *info, const struct phys_window *w, uint64_t pa,
                          struct boot_error *e);
int boot_parse_multiboot2(struct boot_info *info, const struct phys_window *w, uint64_t pa,
                          struct boot_error *e);
int boot_parse_pvh(struct boot_info *info, const struct phys_window *w, uint64_t pa,
                   struct boot_error *e);

/*
 * Checks what the parsers gathered: every module is non-empty, lies in RAM, and overlaps neither
 * another one nor [image_start, image_end), where the hypervisor itself was loaded. -EINVAL with
 * the reason.
 */
int boot_check_modules(const struct boot_info *info, uint64_t image_start, uint64_t image_end,
                       struct boot_error *e);

/* What the parsers share (boot/boot_info.c). */

/* Adds one entry; empty ones vanish, one that wraps is cut at the top. -E2BIG when the map is full.
 */
int boot_mem_add(struct boot_info *info, uint64_t start, uint64_t size, uint32_t e820_type,
                 struct boot_error *e);
/* The two sizes of the old BIOS call, in KiB: from 0, and from 1 MiB. Same errors. */
int boot_mem_add_basic(struct boot_info *info, uint32_t lower_kib, uint32_t upper_kib,
                       struct boot_error *e);
/* Merges neighbours; -EINVAL when the map names no RAM. */
int boot_mem_finish(struct boot_info *info, struct boot_error *e);
/*
 * Copies a zero-terminated string out of physical memory, cut when it does not fit (then *cut is
 * set). -EFAULT when the window ends first.
 */
int boot_copy_string(const struct phys_window *w, uint64_t pa, char *dst, size_t size, bool *cut);
/*
 * Takes from info->cmdline the file name that the loader may have left in front: QEMU passes
 * "path options", GRUB 2 passes options alone, for which its Xen scripts write a first word
 * `placeholder`.
 */
void boot_cmdline_strip(struct boot_info *info);
/*
 * Appends a module; `string_pa` is its command line with a file name in front, 0 for none.
 * -E2BIG when there are too many, -EINVAL when it wraps, -EFAULT when the string cannot be read.
 */
int boot_module_add(struct boot_info *info, uint64_t start, uint64_t size,
                    const struct phys_window *w, uint64_t string_pa, struct boot_error *e);
/*
 * A framebuffer or text screen as both Multiboots describe it: `geometry` is u32 pitch, width,
 * height, u8 bits per pixel, u8 type; `colors` six bytes: position and size of red, green, blue.
 */
void boot_screen_framebuffer(struct boot_info *info, uint64_t addr, const uint8_t *geometry,
                             const uint8_t *colors);
/* The VBE blocks as the BIOS filled them; either may be NULL. */
void boot_screen_vbe(struct boot_info *info, const uint8_t *control, const uint8_t *mode);
