/* SPDX-License-Identifier: MIT */
/* The parsers of Multiboot 1, Multiboot 2 and PVH start information: whole, damaged, cut anywhere.
 */
/* SOURCES: boot/boot_info.c boot/multiboot1.c boot/multiboot2.c boot/pvh.c */
/* SOURCES: lib/printf.c lib/string.c */
#include "unit.h"
#include "boot_builder.h"
#include <errno.h>

typedef int (*parse_fn)(struct boot_info *, const struct phys_window *, uint64_t,
                        struct boot_error *);

static struct boot_info info;
static struct boot_error why;

/* Memory cut after every byte: never a step outside, and success only when nothing was lost. */
static void cut_everywhere(parse_fn parse, const struct phys_memory *m, uint64_t pa)
{
    for (size_t size = 0; size < m->used; size++) {
        struct phys_memory cut;
        int err;

        phys_cut(&cut, m, size);
        memset(&why, 0, sizeof(why));
        err = parse(&info, &cut.window, pa, &why);
        assert_true(err <= 0);
        assert_int_equal(err != 0, why.text[0] != 0);
        phys_free(&cut);
    }
}

/* Every byte of the memory replaced in turn by values that hurt: nothing to check but ASan's
 * silence. */
static void damage_everywhere(parse_fn parse, const struct phys_memory *m, uint64_t pa)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct phys_memory bad;

    phys_cut(&bad, m, m->used);
    for (size_t i = 0; i < m->used; i++) {
        for (unsigned v = 0; v < sizeof(values); v++) {
            bad.bytes[i] = values[v];
            assert_true(parse(&info, &bad.window, pa, &why) <= 0);
        }
        bad.bytes[i] = m->bytes[i];
    }
    phys_free(&bad);
}

/* ---- Multiboot 1, as QEMU 7.2 passes it ---- */

static void check_screen(void)
{
    assert_int_equal(info.screen.kind, BOOT_SCREEN_FRAMEBUFFER);
    assert_int_equal(info.screen.addr, 0xfd000000);
    assert_int_equal(info.screen.pitch_bytes, 4096);
    assert_int_equal(info.screen.width, 1024);
    assert_int_equal(info.screen.height, 768);
    assert_int_equal(info.screen.bits_per_pixel, 32);
    assert_int_equal(info.screen.red_pos, 16);
    assert_int_equal(info.screen.blue_size, 8);
    assert_int_equal(info.screen.vbe_capabilities, 5);
    assert_int_equal(info.screen.vbe_mode_attributes, 0xbb);
}

static void check_map(void)
{
    assert_int_equal(info.mem_count, 3);
    assert_int_equal(info.mem[1].type, BOOT_MEM_RESERVED);
    assert_int_equal(info.mem[1].start, 0x9fc00);
    assert_int_equal(info.mem[2].start, 0x100000);
    assert_int_equal(info.mem[2].size, 0x7ee0000);
}

static void test_mb1(void **state)
{
    struct phys_memory m;
    uint64_t pa = mb1_build(&m);

    assert_int_equal(boot_parse_multiboot1(&info, &m.window, pa, &why), 0);
    assert_int_equal(info.entry, BOOT_MULTIBOOT1);
    assert_string_equal(info.loader, "qemu");
    assert_string_equal(info.cmdline, "dom0_mem=1G");
    check_map();
    check_screen();
    assert_int_equal(info.module_count, 2);
    assert_int_equal(info.module[0].start, 0x1000000);
    assert_int_equal(info.module[0].size, 0x800123);
    assert_string_equal(info.module[0].cmdline, "console=hvc0 quiet");
    assert_int_equal(info.module[1].start, 0x1801000);
    assert_string_equal(info.module[1].cmdline, "");
    assert_false(info.cmdline_cut);
    cut_everywhere(boot_parse_multiboot1, &m, pa);
    damage_everywhere(boot_parse_multiboot1, &m, pa);
    phys_free(&m);
}

static void test_mb1_old_loader(void **state)
{
    struct phys_memory m;
    uint64_t pa = mb1_build(&m);
    uint8_t *mbi = m.bytes + (pa - PHYS_BASE);

    put32(mbi, MB1_INFO_MEMORY);
    put32(mbi + MB1_OFF_MEM_LOWER, 639);
    put32(mbi + MB1_OFF_MEM_UPPER, 0x1fc00);
    m.size = pa - PHYS_BASE + MB1_INFO_SIZE_SMALL;
    assert_int_equal(boot_parse_multiboot1(&info, &m.window, pa, &why), 0);
    assert_int_equal(info.mem_count, 2);
    assert_int_equal(info.mem[0].size, 639 * KIB);
    assert_int_equal(info.mem[1].start, MIB);
    assert_int_equal(info.mem[1].size, 127 * MIB);
    assert_int_equal(info.module_count, 0);
    assert_int_equal(info.screen.kind, BOOT_SCREEN_UNKNOWN);
    put32(mbi, 0);
    assert_int_equal(boot_parse_multiboot1(&info, &m.window, pa, &why), -EINVAL);
    assert_string_equal(why.text, "Multiboot: the loader passed no memory map");
    phys_free(&m);
}

static void test_mb1_refusals(void **state)
{
    struct phys_memory m;
    uint64_t pa = mb1_build(&m);
    uint8_t *mbi = m.bytes + (pa - PHYS_BASE);
    uint32_t mods, map;

    memcpy(&mods, mbi + MB1_OFF_MODS_ADDR, 4);
    memcpy(&map, mbi + MB1_OFF_MMAP_ADDR, 4);
    put32(m.bytes + (mods - PHYS_BASE) + 4, 0xfff000);
    assert_int_equal(boot_parse_multiboot1(&info, &m.window, pa, &why), -EINVAL);
    assert_string_equal(why.text,
                        "Multiboot: module 0 ends (0xfff000) before it starts (0x1000000)");
    put32(m.bytes + (map - PHYS_BASE), 19);
    assert_int_equal(boot_parse_multiboot1(&info, &m.window, pa, &why), -EINVAL);
    assert_string_equal(why.text, "Multiboot: memory map entry of 19 bytes");
    put32(mbi + MB1_OFF_MMAP_ADDR, 0xfffffff0);
    assert_int_equal(boot_parse_multiboot1(&info, &m.window, pa, &why), -EFAULT);
    assert_int_equal(boot_parse_multiboot1(&info, &m.window, 0, &why), -EFAULT);
    assert_string_equal(why.text, "Multiboot: information at 0x0 cannot be read");
    phys_free(&m);
}

/* ---- Multiboot 2, as GRUB 2.06 passes it ---- */

static void test_mb2(void **state)
{
    struct phys_memory m;
    uint64_t pa = mb2_build(&m, true);

    assert_int_equal(boot_parse_multiboot2(&info, &m.window, pa, &why), 0);
    assert_int_equal(info.entry, BOOT_MULTIBOOT2);
    assert_string_equal(info.loader, "GRUB 2.06-13+deb12u1");
    assert_string_equal(info.cmdline, "dom0_mem=1G");
    check_map();
    check_screen();
    assert_int_equal(info.module_count, 2);
    assert_int_equal(info.module[0].start, 0x1000000);
    assert_int_equal(info.module[0].size, 0x800123);
    assert_string_equal(info.module[0].cmdline, "root=/dev/sda1 ro");
    assert_string_equal(info.module[1].cmdline, "");
    assert_int_equal(info.rsdp_size, 36);
    assert_memory_equal(info.rsdp, "RSD PTR new", 11);
    assert_int_equal(info.efi_system_table, 0x7eec018);
    cut_everywhere(boot_parse_multiboot2, &m, pa);
    damage_everywhere(boot_parse_multiboot2, &m, pa);
    phys_free(&m);
}

static void test_mb2_without_map(void **state)
{
    struct phys_memory m;
    uint64_t pa = mb2_build(&m, false);

    assert_int_equal(boot_parse_multiboot2(&info, &m.window, pa, &why), 0);
    assert_int_equal(info.mem_count, 2);
    assert_int_equal(info.mem[1].size, 127 * MIB);
    phys_free(&m);
}

static void expect_mb2(const struct mb2 *b, int err, const char *text)
{
    struct phys_memory m;
    uint64_t pa;

    phys_init(&m);
    pa = phys_put(&m, b->bytes, b->size);
    assert_int_equal(boot_parse_multiboot2(&info, &m.window, pa, &why), err);
    assert_string_equal(why.text, text);
    phys_free(&m);
}

static void test_mb2_refusals(void **state)
{
    struct mb2 b = {.size = 8};
    uint8_t *t;

    put32(b.bytes, 8);
    expect_mb2(&b, -EINVAL, "Multiboot2: information of 8 bytes");
    mb2_tag(&b, MB2_INFO_TAG_END, 8);
    put32(b.bytes, b.size);
    expect_mb2(&b, -EINVAL, "Multiboot2: the loader passed no memory map");
    b.size = 8;
    t = mb2_tag(&b, MB2_INFO_TAG_MODULE, 24);
    memset(t + 8, 'x', 16);
    mb2_tag(&b, MB2_INFO_TAG_END, 8);
    put32(b.bytes, b.size);
    expect_mb2(&b, -EINVAL, "Multiboot2: text of tag 3 does not end");
    put32(t + 4, 16);
    expect_mb2(&b, -EINVAL, "Multiboot2: tag 3 has only 16 bytes");
    put32(t + 4, 7);
    expect_mb2(&b, -EINVAL, "Multiboot2: tag 3 of 7 bytes does not fit");
    put32(t + 4, 0xfffffff9);
    expect_mb2(&b, -EINVAL, "Multiboot2: tag 3 of 4294967289 bytes does not fit");
    put32(t, 12345);
    put32(t + 4, 24);
    put32(b.bytes, b.size - 8);
    expect_mb2(&b, -EFAULT, "Multiboot2: tag list is cut short");
    b.size = 8;
    mb2_map(&b);
    put32(b.bytes + 8 + 8, 23);
    mb2_tag(&b, MB2_INFO_TAG_END, 8);
    put32(b.bytes, b.size);
    expect_mb2(&b, -EINVAL, "Multiboot2: memory map entries of 23 bytes");
}

/* ---- PVH ---- */

static void test_pvh(void **state)
{
    struct phys_memory m;
    uint64_t pa = pvh_build(&m, 1);

    assert_int_equal(boot_parse_pvh(&info, &m.window, pa, &why), 0);
    assert_int_equal(info.entry, BOOT_PVH);
    assert_string_equal(info.cmdline, "dom0_mem=1G");
    check_map();
    assert_int_equal(info.rsdp_addr, 0xfc008000);
    assert_int_equal(info.module_count, 2);
    assert_int_equal(info.module[0].size, 0x800123);
    assert_string_equal(info.module[0].cmdline, "root=/dev/xvda1 ro");
    assert_string_equal(info.module[1].cmdline, "");
    cut_everywhere(boot_parse_pvh, &m, pa);
    damage_everywhere(boot_parse_pvh, &m, pa);
    phys_free(&m);
}

static void test_pvh_refusals(void **state)
{
    struct phys_memory m;
    uint64_t pa = pvh_build(&m, 0);
    uint8_t *si = m.bytes + (pa - PHYS_BASE);

    assert_int_equal(boot_parse_pvh(&info, &m.window, pa, &why), -EINVAL);
    assert_string_equal(why.text, "PVH: the loader passed no memory map");
    put32(si + 4, 1);
    put64(si + offsetof(struct hvm_start_info, modlist_paddr), ~0UL - 8);
    assert_int_equal(boot_parse_pvh(&info, &m.window, pa, &why), -EFAULT);
    assert_string_equal(why.text, "PVH: module list cannot be read");
    put32(si, 1);
    assert_int_equal(boot_parse_pvh(&info, &m.window, pa, &why), -EINVAL);
    assert_string_equal(why.text, "PVH: start information has magic 0x1");
    phys_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mb1),
        cmocka_unit_test(test_mb1_old_loader),
        cmocka_unit_test(test_mb1_refusals),
        cmocka_unit_test(test_mb2),
        cmocka_unit_test(test_mb2_without_map),
        cmocka_unit_test(test_mb2_refusals),
        cmocka_unit_test(test_pvh),
        cmocka_unit_test(test_pvh_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
