/* SPDX-License-Identifier: MIT */
/*
 * What the three kinds of loaders leave in memory: the same machine, modules and command lines in
 * each form. Each function builds into a phys_memory and returns the address of the information.
 */
#pragma once

#include "phys_memory.h"
#include <kr/multiboot.h>
#include <xen/arch-x86/hvm/start_info.h>

static inline void put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, 4);
}

static inline void put64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, 8);
}

/* ---- Multiboot 1, as QEMU 7.2 passes it ---- */

static inline uint64_t mb1_build(struct phys_memory *m)
{
    uint8_t mbi[MB1_INFO_SIZE] = {0}, mods[2 * MB1_MODULE_SIZE] = {0}, map[3 * 24] = {0};
    uint8_t vbe_control[VBE_CONTROL_SIZE] = {[VBE_CONTROL_CAPABILITIES] = 5};
    uint8_t vbe_mode[VBE_MODE_SIZE] = {[VBE_MODE_ATTRIBUTES] = 0xbb};
    static const uint64_t ranges[3][3] = {
        {0, 0x9fc00, 1}, {0x9fc00, 0x60400, 2}, {0x100000, 0x7ee0000, 1}};

    phys_init(m);
    put32(mbi + MB1_OFF_FLAGS, MB1_INFO_MEMORY | MB1_INFO_CMDLINE | MB1_INFO_MODULES |
                                   MB1_INFO_MMAP | MB1_INFO_LOADER | MB1_INFO_VBE |
                                   MB1_INFO_FRAMEBUFFER);
    put32(mbi + MB1_OFF_CMDLINE, phys_put_string(m, "build/krypton dom0_mem=1G"));
    put32(mbi + MB1_OFF_LOADER, phys_put_string(m, "qemu"));
    put32(mods, 0x1000000);
    put32(mods + 4, 0x1800123);
    put32(mods + 8, phys_put_string(m, "vmlinuz console=hvc0 quiet"));
    put32(mods + 16, 0x1801000);
    put32(mods + 20, 0x1900000);
    put32(mods + 24, 0);
    put32(mbi + MB1_OFF_MODS_COUNT, 2);
    put32(mbi + MB1_OFF_MODS_ADDR, phys_put(m, mods, sizeof(mods)));
    for (int i = 0; i < 3; i++) {
        put32(map + i * 24, 20);
        put64(map + i * 24 + 4, ranges[i][0]);
        put64(map + i * 24 + 12, ranges[i][1]);
        put32(map + i * 24 + 20, ranges[i][2]);
    }
    put32(mbi + MB1_OFF_MMAP_ADDR, phys_put(m, map, sizeof(map)));
    put32(mbi + MB1_OFF_MMAP_LENGTH, sizeof(map));
    put32(mbi + MB1_OFF_VBE_CONTROL, phys_put(m, vbe_control, sizeof(vbe_control)));
    put32(mbi + MB1_OFF_VBE_MODE, phys_put(m, vbe_mode, sizeof(vbe_mode)));
    put64(mbi + MB1_OFF_FB_ADDR, 0xfd000000);
    put32(mbi + MB1_OFF_FB_PITCH, 4096);
    put32(mbi + MB1_OFF_FB_WIDTH, 1024);
    put32(mbi + MB1_OFF_FB_HEIGHT, 768);
    mbi[MB1_OFF_FB_BPP] = 32;
    mbi[MB1_OFF_FB_TYPE] = MB_FRAMEBUFFER_RGB;
    memcpy(mbi + MB1_OFF_FB_COLORS, (uint8_t[]){16, 8, 8, 8, 0, 8}, 6);
    return phys_put(m, mbi, sizeof(mbi));
}

/* ---- Multiboot 2, as GRUB 2.06 passes it ---- */

struct mb2 {
    uint8_t bytes[0x3000];
    uint32_t size;
};

static inline uint8_t *mb2_tag(struct mb2 *b, uint32_t type, uint32_t size)
{
    uint8_t *tag = b->bytes + b->size;

    put32(tag, type);
    put32(tag + 4, size);
    b->size += ALIGN_UP(size, 8U);
    return tag;
}

static inline void mb2_text(struct mb2 *b, uint32_t type, uint32_t at, const char *text)
{
    strcpy((char *)mb2_tag(b, type, at + strlen(text) + 1) + at, text);
}

static inline void mb2_map(struct mb2 *b)
{
    static const uint64_t ranges[3][3] = {
        {0x100000, 0x7ee0000, 1}, {0, 0x9fc00, 1}, {0x9fc00, 0x60400, 2}};
    uint8_t *t = mb2_tag(b, MB2_INFO_TAG_MMAP, 16 + 3 * 24);

    put32(t + 8, 24);
    for (int i = 0; i < 3; i++) {
        put64(t + 16 + i * 24, ranges[i][0]);
        put64(t + 24 + i * 24, ranges[i][1]);
        put32(t + 32 + i * 24, ranges[i][2]);
    }
}

static inline void mb2_devices(struct mb2 *b)
{
    uint8_t *t = mb2_tag(b, MB2_INFO_TAG_FRAMEBUFFER, 38);

    put64(t + 8, 0xfd000000);
    put32(t + 16, 4096);
    put32(t + 20, 1024);
    put32(t + 24, 768);
    t[28] = 32;
    t[29] = MB_FRAMEBUFFER_RGB;
    memcpy(t + 32, (uint8_t[]){16, 8, 8, 8, 0, 8}, 6);
    t = mb2_tag(b, MB2_INFO_TAG_VBE, 784);
    t[16 + VBE_CONTROL_CAPABILITIES] = 5;
    t[528 + VBE_MODE_ATTRIBUTES] = 0xbb;
    memcpy(mb2_tag(b, MB2_INFO_TAG_ACPI_NEW, 8 + 36) + 8, "RSD PTR new", 11);
    memcpy(mb2_tag(b, MB2_INFO_TAG_ACPI_OLD, 8 + 20) + 8, "RSD PTR old", 11);
    put64(mb2_tag(b, MB2_INFO_TAG_EFI64, 16) + 8, 0x7eec018);
}

static inline uint64_t mb2_build(struct phys_memory *m, bool with_map)
{
    static struct mb2 b;
    uint8_t *t;

    phys_init(m);
    memset(&b, 0, sizeof(b));
    b.size = 8;
    mb2_text(&b, MB2_INFO_TAG_CMDLINE, 8, "placeholder dom0_mem=1G");
    mb2_text(&b, MB2_INFO_TAG_LOADER, 8, "GRUB 2.06-13+deb12u1");
    put32(b.bytes + b.size + 8, 0x1000000);
    put32(b.bytes + b.size + 12, 0x1800123);
    mb2_text(&b, MB2_INFO_TAG_MODULE, 16, "placeholder root=/dev/sda1 ro");
    put32(b.bytes + b.size + 8, 0x1801000);
    put32(b.bytes + b.size + 12, 0x1900000);
    mb2_text(&b, MB2_INFO_TAG_MODULE, 16, "");
    t = mb2_tag(&b, MB2_INFO_TAG_MEMORY, 16);
    put32(t + 8, 639);
    put32(t + 12, 0x1fc00);
    mb2_tag(&b, 9999, 11); /* not known */
    if (with_map)
        mb2_map(&b);
    mb2_devices(&b);
    mb2_tag(&b, MB2_INFO_TAG_END, 8);
    put32(b.bytes, b.size);
    return phys_put(m, b.bytes, b.size);
}

/* ---- PVH ---- */

static inline uint64_t pvh_build(struct phys_memory *m, uint32_t version)
{
    struct hvm_memmap_table_entry map[] = {
        {0, 0x9fc00, 1, 0}, {0x9fc00, 0x60400, 2, 0}, {0x100000, 0x7ee0000, 1, 0}};
    struct hvm_modlist_entry mods[2] = {{.paddr = 0x1000000, .size = 0x800123},
                                        {.paddr = 0x1801000, .size = 0xff000}};
    struct hvm_start_info si = {.magic = XEN_HVM_START_MAGIC_VALUE,
                                .version = version,
                                .nr_modules = 2,
                                .rsdp_paddr = 0xfc008000,
                                .memmap_entries = ARRAY_SIZE(map)};

    phys_init(m);
    mods[0].cmdline_paddr = phys_put_string(m, "root=/dev/xvda1 ro");
    si.cmdline_paddr = phys_put_string(m, "dom0_mem=1G");
    si.modlist_paddr = phys_put(m, mods, sizeof(mods));
    si.memmap_paddr = phys_put(m, map, sizeof(map));
    return phys_put(m, &si, sizeof(si));
}
