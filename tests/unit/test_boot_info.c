/* SPDX-License-Identifier: MIT */
/* boot/boot_info.c: the memory map, file names on command lines, module checks. */
/* SOURCES: boot/boot_info.c lib/printf.c lib/string.c */
#include "unit.h"
#include "phys_memory.h"
#include <errno.h>

static struct boot_info info;
static struct boot_error why;

static int setup(void **state)
{
    memset(&info, 0, sizeof(info));
    memset(&why, 0, sizeof(why));
    return 0;
}

static void add(uint64_t start, uint64_t end, uint32_t type)
{
    assert_int_equal(boot_mem_add(&info, start, end - start, type, &why), 0);
}

static void expect_map(const struct boot_mem *map, unsigned count)
{
    assert_int_equal(boot_mem_finish(&info, &why), 0);
    assert_int_equal(info.mem_count, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(info.mem[i].start, map[i].start);
        assert_int_equal(info.mem[i].size, map[i].size);
        assert_int_equal(info.mem[i].type, map[i].type);
    }
}

static void test_map_sorted_and_merged(void **state)
{
    static const struct boot_mem expected[] = {
        {0, 0xa0000, BOOT_MEM_RAM},
        {0xf0000, 0x10000, BOOT_MEM_RESERVED},
        {0x100000, 0x300000, BOOT_MEM_RAM},
    };

    add(0x200000, 0x400000, BOOT_MEM_RAM);
    add(0xf0000, 0x100000, BOOT_MEM_RESERVED);
    add(0x1000, 0x1000, BOOT_MEM_RAM); /* empty */
    add(0, 0xa0000, BOOT_MEM_RAM);
    add(0x100000, 0x200000, BOOT_MEM_RAM);
    expect_map(expected, ARRAY_SIZE(expected));
}

static void test_map_overlaps(void **state)
{
    static const struct boot_mem expected[] = {
        {0, 0x1000, BOOT_MEM_RAM},           {0x1000, 0x1000, BOOT_MEM_NVS},
        {0x2000, 0x1000, BOOT_MEM_RESERVED}, {0x3000, 0x2000, BOOT_MEM_RAM},
        {0x5000, 0x1000, BOOT_MEM_ACPI},     {0x8000, 0x1000, BOOT_MEM_UNUSABLE},
    };

    add(0x1000, 0x3000, BOOT_MEM_NVS);
    add(0, 0x5800, BOOT_MEM_RAM);
    add(0x2000, 0x3000, 77); /* unknown: reserved, which beats NVS */
    add(0x5000, 0x6000, BOOT_MEM_ACPI);
    add(0x8000, 0x9000, BOOT_MEM_UNUSABLE);
    add(0x8000, 0x9000, BOOT_MEM_RAM);
    expect_map(expected, ARRAY_SIZE(expected));
}

static void test_map_hole_in_the_middle(void **state)
{
    static const struct boot_mem expected[] = {
        {0, 0x2000, BOOT_MEM_RAM},
        {0x2000, 0x1000, BOOT_MEM_RESERVED},
        {0x3000, 0xd000, BOOT_MEM_RAM},
    };

    add(0, 0x10000, BOOT_MEM_RAM);
    add(0x2000, 0x3000, BOOT_MEM_RESERVED);
    add(0x1800, 0x3800, BOOT_MEM_RAM);
    expect_map(expected, ARRAY_SIZE(expected));
}

static void test_map_limits(void **state)
{
    assert_int_equal(boot_mem_finish(&info, &why), -EINVAL);
    assert_string_equal(why.text, "the loader's memory map names no RAM");
    assert_int_equal(boot_mem_add(&info, ~0UL - 0xfff, ~0UL, BOOT_MEM_RESERVED, &why), 0);
    assert_int_equal(info.mem[0].size, 0xfff);
    for (uint64_t i = 1; i < BOOT_MEMMAP_MAX; i++)
        add(i * 0x2000, i * 0x2000 + 0x1000, BOOT_MEM_RAM);
    assert_int_equal(boot_mem_add(&info, 0, 1, BOOT_MEM_RAM, &why), -E2BIG);
    /* Splitting one needs room as well. */
    assert_int_equal(boot_mem_add(&info, 0x2100, 0x10, BOOT_MEM_NVS, &why), -E2BIG);
    assert_string_equal(why.text, "the memory map has more than 512 pieces");
}

/* The map against a byte-wise reference, random additions. */
static void test_map_random(void **state)
{
    static const int rank[] = {-1, 0, 3, 1, 2, 4};
    uint8_t reference[256];

    srandom(4);
    for (int round = 0; round < 2000; round++) {
        memset(&info, 0, sizeof(info));
        memset(reference, 0, sizeof(reference));
        for (int i = 0; i < 12; i++) {
            unsigned start = random() % 256, size = random() % (257 - start);
            unsigned type = random() % 5 + 1;

            add(start, start + size, type);
            for (unsigned b = start; b < start + size; b++) {
                if (rank[type] > rank[reference[b]])
                    reference[b] = type;
            }
        }
        if (boot_mem_finish(&info, &why))
            assert_null(memchr(reference, BOOT_MEM_RAM, sizeof(reference)));
        for (unsigned i = 0; i < info.mem_count; i++) {
            const struct boot_mem *p = &info.mem[i];

            if (i)
                assert_true(p[-1].start + p[-1].size <= p->start);
            for (uint64_t b = p->start; b < p->start + p->size; b++) {
                assert_int_equal(reference[b], p->type);
                reference[b] = 0;
            }
        }
        for (unsigned b = 0; b < sizeof(reference); b++)
            assert_int_equal(reference[b], 0);
    }
}

static void test_file_names(void **state)
{
    static const struct {
        enum boot_entry entry;
        const char *loader, *raw, *ours, *module;
    } cases[] = {
        /* QEMU -kernel */
        {BOOT_MULTIBOOT1, "qemu", "build/krypton console=com1 a=/b", "console=com1 a=/b", NULL},
        {BOOT_MULTIBOOT1, "qemu", "krypton ", "", ""},
        {BOOT_MULTIBOOT1, "qemu", "vmlinuz console=hvc0 quiet", NULL, "console=hvc0 quiet"},
        /* GRUB 2 */
        {BOOT_MULTIBOOT1, "GRUB 2.06", "console=com1 x", "console=com1 x", "console=com1 x"},
        {BOOT_MULTIBOOT1, "GRUB 2.06", "noreboot x", "noreboot x", "x"},
        {BOOT_MULTIBOOT2, "GRUB 2.06", "placeholder  console=com1", "console=com1", "console=com1"},
        {BOOT_MULTIBOOT2, "GRUB 2.06", "placeholder", "", ""},
        {BOOT_MULTIBOOT2, "GRUB 2.06", "placeholder root=/dev/sda1 ro", NULL, "root=/dev/sda1 ro"},
        {BOOT_MULTIBOOT2, "GRUB 2.06", "root=/dev/sda1 ro", NULL, "root=/dev/sda1 ro"},
        {BOOT_MULTIBOOT2, "", "/boot/krypton loglvl=all", "loglvl=all", "loglvl=all"},
        {BOOT_MULTIBOOT2, "", "", "", ""},
        {BOOT_MULTIBOOT2, "", "   ", "", ""},
        /* PVH: the text is the options */
        {BOOT_PVH, "", "noreboot loglvl=all", "noreboot loglvl=all", "noreboot loglvl=all"},
        {BOOT_PVH, "", "./krypton  loglvl=all", "loglvl=all", "loglvl=all"},
    };
    struct phys_memory m;

    phys_init(&m);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        memset(&info, 0, sizeof(info));
        info.entry = cases[i].entry;
        strcpy(info.loader, cases[i].loader);
        strcpy(info.cmdline, cases[i].raw);
        boot_cmdline_strip(&info);
        if (cases[i].ours)
            assert_string_equal(info.cmdline, cases[i].ours);
        assert_int_equal(
            boot_module_add(&info, 0, 1, &m.window, phys_put_string(&m, cases[i].raw), &why), 0);
        if (cases[i].module)
            assert_string_equal(info.module[0].cmdline, cases[i].module);
    }
    phys_free(&m);
}

static void test_long_string_is_cut(void **state)
{
    struct phys_memory m;
    char text[8], long_text[BOOT_CMDLINE_BYTES + 100];
    bool cut = false;

    phys_init(&m);
    assert_int_equal(boot_copy_string(&m.window, phys_put_string(&m, "1234567"), text, 8, &cut), 0);
    assert_false(cut);
    assert_int_equal(boot_copy_string(&m.window, phys_put_string(&m, "12345678"), text, 8, &cut),
                     0);
    assert_true(cut);
    assert_string_equal(text, "1234567");
    assert_int_equal(boot_copy_string(&m.window, 0, text, 8, &cut), -EFAULT);
    assert_string_equal(text, "");

    memset(long_text, 'x', sizeof(long_text));
    long_text[3] = ' ';
    long_text[sizeof(long_text) - 1] = 0;
    assert_int_equal(boot_module_add(&info, 0, 1, &m.window, phys_put_string(&m, long_text), &why),
                     0);
    assert_true(info.cmdline_cut);
    assert_int_equal(strlen(info.module[0].cmdline), BOOT_CMDLINE_BYTES - 1 - 4);
    phys_free(&m);
}

static void test_module_limits(void **state)
{
    struct phys_memory m;

    phys_init(&m);
    assert_int_equal(boot_module_add(&info, 2, ~0UL, &m.window, 0, &why), -EINVAL);
    assert_int_equal(boot_module_add(&info, 2, 1, &m.window, 1, &why), -EFAULT);
    assert_int_equal(info.module_count, 0);
    for (int i = 0; i < BOOT_MODULES_MAX; i++)
        assert_int_equal(boot_module_add(&info, 0, 1, &m.window, 0, &why), 0);
    assert_int_equal(boot_module_add(&info, 0, 1, &m.window, 0, &why), -E2BIG);
    assert_string_equal(why.text, "more than 16 boot modules");
    phys_free(&m);
}

/* Two modules in 16 MiB of RAM with a hole, our image at 2 MiB to 3 MiB. */
static void test_module_checks(void **state)
{
    static const struct {
        uint64_t start, end;
        const char *text;
    } cases[] = {
        {0x300000, 0x400000, NULL},
        {0x1ff000, 0x200000, NULL},
        {0xf00000, 0x1000000, NULL},
        {0x600000, 0x600000, "boot module 1 is empty"},
        {0x2ff000, 0x300001,
         "boot module 1 (0x2ff000-0x300001) overlaps the hypervisor (0x200000-0x300000)"},
        {0x100000, 0x700000,
         "boot module 1 (0x100000-0x700000) overlaps the hypervisor (0x200000-0x300000)"},
        {0x500fff, 0x580000, "boot modules 0 and 1 overlap at 0x500fff"},
        {0x400000, 0x500001, "boot modules 0 and 1 overlap at 0x500000"},
        {0xfff000, 0x1000001, "boot module 1 (0xfff000-0x1000001) does not lie in RAM"},
        {0x9f000, 0x100001, "boot module 1 (0x9f000-0x100001) does not lie in RAM"},
        {0x2000000, 0x2001000, "boot module 1 (0x2000000-0x2001000) does not lie in RAM"},
    };

    add(0, 0xa0000, BOOT_MEM_RAM);
    add(0x100000, 0x1000000, BOOT_MEM_RAM);
    assert_int_equal(boot_mem_finish(&info, &why), 0);
    assert_int_equal(boot_check_modules(&info, 0x200000, 0x300000, &why), 0);
    info.module_count = 2;
    info.module[0].start = 0x500000;
    info.module[0].size = 0x1000;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        info.module[1].start = cases[i].start;
        info.module[1].size = cases[i].end - cases[i].start;
        assert_int_equal(boot_check_modules(&info, 0x200000, 0x300000, &why),
                         cases[i].text ? -EINVAL : 0);
        if (cases[i].text)
            assert_string_equal(why.text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_map_sorted_and_merged, setup),
        cmocka_unit_test_setup(test_map_overlaps, setup),
        cmocka_unit_test_setup(test_map_hole_in_the_middle, setup),
        cmocka_unit_test_setup(test_map_limits, setup),
        cmocka_unit_test_setup(test_map_random, setup),
        cmocka_unit_test_setup(test_file_names, setup),
        cmocka_unit_test_setup(test_long_string_is_cut, setup),
        cmocka_unit_test_setup(test_module_limits, setup),
        cmocka_unit_test_setup(test_module_checks, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
