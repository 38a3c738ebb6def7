/* SPDX-License-Identifier: MIT */
/* boot/kernel_notes.c: Debian's notes are read whole and accepted; each thing wrong has its
 * refusal. */
/* SOURCES: boot/kernel_notes.c boot/elf.c boot/boot_info.c lib/printf.c lib/string.c */
#include "unit.h"
#include "image_builder.h"
#include <errno.h>
#include <kr/kernel_notes.h>
#include <xen/features.h>

static const struct kernel_pv_limits limits = {
    .features_offered = BIT(XENFEAT_pae_pgdir_above_4gb) | BIT(XENFEAT_dom0) |
                        BIT(XENFEAT_mmu_pt_update_preserve_ad),
    .hole_start = 0xffff800000000000,
    .hole_end = 0xffff880000000000,
};

static struct blob notes, file;
static struct elf_image elf;
static struct kernel_notes kernel;
static struct boot_error why;

static int setup(void **state)
{
    notes_like_debian(&notes);
    return 0;
}

static int check(bool section_notes)
{
    elf_build(&file, &notes, section_notes);
    assert_int_equal(elf_parse(&elf, file.bytes, file.size, &why), 0);
    kernel_notes_parse(&kernel, &elf);
    why.text[0] = 0;
    return kernel_notes_check_pv_dom0(&kernel, &elf, &limits, &why);
}

static void expect(int err, const char *text)
{
    assert_int_equal(check(false), err);
    assert_string_equal(why.text, text);
    setup(NULL);
}

static void check_debian_values(void)
{
    assert_int_equal(kernel.present & ~KERNEL_NOTE_HYPERCALL_PAGE,
                     BIT(17) - 1 - KERNEL_NOTE_HYPERCALL_PAGE);
    assert_int_equal(kernel.present & KERNEL_NOTE_HYPERCALL_PAGE, 0);
    assert_int_equal(kernel.entry, TEST_VIRT_BASE + TEST_PADDR + 0x1c0);
    assert_int_equal(kernel.virt_base, TEST_VIRT_BASE);
    assert_int_equal(kernel.init_p2m, 0x8000000000);
    assert_int_equal(kernel.hv_start_low, 0xffff800000000000);
    assert_int_equal(kernel.l1_mfn_valid_mask, 1);
    assert_int_equal(kernel.l1_mfn_valid_value, 1);
    assert_int_equal(kernel.phys32_entry, 0x1000850);
    assert_true(kernel.suspend_cancel);
    assert_true(kernel.mod_start_pfn);
    assert_string_equal(kernel.guest_os, "linux");
    assert_string_equal(kernel.guest_version, "2.6");
    assert_string_equal(kernel.xen_version, "xen-3.0");
    assert_string_equal(kernel.loader, "generic");
    assert_string_equal(kernel.pae_mode, "yes");
    assert_int_equal(kernel.features_supported, 0x8801 | BIT(XENFEAT_pae_pgdir_above_4gb));
    assert_int_equal(kernel.features_required, BIT(XENFEAT_writable_page_tables));
    assert_string_equal(kernel.unknown_required, "");
}

static void test_debian(void **state)
{
    assert_int_equal(check(false), 0);
    check_debian_values();
    /* The same from a section. */
    assert_int_equal(check(true), 0);
    check_debian_values();
}

static void test_no_notes(void **state)
{
    memset(&notes, 0, sizeof(notes));
    expect(-EOPNOTSUPP, "kernel: no Xen ELF notes, it was built without Xen support");
    memset(&notes, 0, sizeof(notes));
    note_put(&notes, "GNU", XEN_ELFNOTE_ENTRY, "12345678", 8);
    note_put(&notes, "Xen2", XEN_ELFNOTE_ENTRY, "12345678", 8);
    note_put(&notes, "Xe", XEN_ELFNOTE_ENTRY, "12345678", 8);
    expect(-EOPNOTSUPP, "kernel: no Xen ELF notes, it was built without Xen support");
    memset(&notes, 0, sizeof(notes));
    note_put_number(&notes, XEN_ELFNOTE_PHYS32_ENTRY, 0x1000850);
    expect(-EOPNOTSUPP,
           "kernel: no PV entry point, it was built without Xen PV (it can run as PVH)");
}

/* A later note of the same kind replaces the former: each case adds one bad note to Debian's. */
static void test_bad_values(void **state)
{
    note_put_text(&notes, XEN_ELFNOTE_LOADER, "special");
    expect(-EOPNOTSUPP, "kernel: it wants the loader special, not generic");
    note_put_text(&notes, XEN_ELFNOTE_XEN_VERSION, "xen-9.0");
    expect(-EOPNOTSUPP, "kernel: it is for the interface xen-9.0, not xen-3.0");
    note_put_number(&notes, XEN_ELFNOTE_VIRT_BASE, 0xffffffff80000001);
    expect(-EINVAL, "kernel: bad VIRT_BASE note 0xffffffff80000001");
    note_put_number(&notes, XEN_ELFNOTE_VIRT_BASE, 0x800000000000);
    expect(-EINVAL, "kernel: bad VIRT_BASE note 0x800000000000");
    note_put_number(&notes, XEN_ELFNOTE_VIRT_BASE, 0xffffffffff000000);
    expect(-EINVAL, "kernel: image does not fit above VIRT_BASE 0xffffffffff000000");
    note_put_number(&notes, XEN_ELFNOTE_VIRT_BASE, 0x7fffff000000);
    expect(-EINVAL, "kernel: image does not fit above VIRT_BASE 0x7fffff000000");
    note_put_number(&notes, XEN_ELFNOTE_VIRT_BASE, 0xffff800000000000);
    expect(-EINVAL, "kernel: VIRT_BASE 0xffff800000000000 lies in the hypervisor's addresses");
    note_put_number(&notes, XEN_ELFNOTE_ENTRY, TEST_VIRT_BASE + TEST_PADDR + TEST_MEMORY);
    expect(-EINVAL, "kernel: entry 0xffffffff81003000 lies outside the image "
                    "(0xffffffff81000000-0xffffffff81003000)");
    note_put_number(&notes, XEN_ELFNOTE_PADDR_OFFSET, TEST_PADDR + 1);
    expect(-EINVAL, "kernel: PADDR_OFFSET note 0x1000001 lies above the image (0x1000000)");
    note_put_number(&notes, XEN_ELFNOTE_HYPERCALL_PAGE, 0x1000);
    expect(-EINVAL, "kernel: hypercall page 0x1000 lies outside the image");
    note_put_number(&notes, XEN_ELFNOTE_HV_START_LOW, 0xffff830000000000);
    expect(-EOPNOTSUPP, "kernel: it wants the hypervisor at 0xffff830000000000 or above, "
                        "which is at 0xffff800000000000");
    note_put_number(&notes, XEN_ELFNOTE_INIT_P2M, 0xffff810000000000);
    expect(-EINVAL, "kernel: bad INIT_P2M note 0xffff810000000000");
    note_put_number(&notes, XEN_ELFNOTE_INIT_P2M, 0x8000000001);
    expect(-EINVAL, "kernel: bad INIT_P2M note 0x8000000001");
}

/* Older images count paddr from virt_base. */
static void test_paddr_offset(void **state)
{
    note_put_number(&notes, XEN_ELFNOTE_PADDR_OFFSET, TEST_PADDR);
    note_put_number(&notes, XEN_ELFNOTE_ENTRY, TEST_VIRT_BASE + 0x10);
    assert_int_equal(check(false), 0);
    assert_int_equal(kernel_pseudo_physical(&kernel, TEST_PADDR), 0);
}

static void test_features(void **state)
{
    note_put_text(&notes, XEN_ELFNOTE_FEATURES, "!dom0|!mmu_pt_update_preserve_ad||unheard_of");
    expect(0, "");
    note_put_text(&notes, XEN_ELFNOTE_FEATURES, "!auto_translated_physmap");
    expect(-EOPNOTSUPP,
           "kernel: it requires the feature auto_translated_physmap, which PV has not");
    note_put_text(&notes, XEN_ELFNOTE_FEATURES, "|!unheard_of|!unheard_of_too");
    expect(-EOPNOTSUPP, "kernel: it requires the unknown feature unheard_of");
    note_put_text(&notes, XEN_ELFNOTE_FEATURES,
                  "!a_name_that_is_much_longer_than_what_we_keep_of_it");
    expect(-EOPNOTSUPP, "kernel: it requires the unknown feature a_name_that_is_much_longer_than");

    memset(&notes, 0, sizeof(notes));
    note_put_number(&notes, XEN_ELFNOTE_ENTRY, TEST_VIRT_BASE + TEST_PADDR);
    note_put_number(&notes, XEN_ELFNOTE_VIRT_BASE, TEST_VIRT_BASE);
    assert_int_equal(check(false), -EOPNOTSUPP);
    assert_string_equal(why.text, "kernel: it does not support running as dom0");
    /* The name will do as well as the number; a text without its end is no harm. */
    note_put(&notes, "Xen", XEN_ELFNOTE_FEATURES, "dom0", 4);
    assert_int_equal(check(false), 0);
    assert_int_equal(kernel.features_supported, BIT(XENFEAT_dom0));
}

static void test_cut_and_damage(void **state)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct elf_image one = {.note_count = 1, .paddr_end = TEST_MEMORY};

    for (size_t size = 0; size <= notes.size; size++) {
        uint8_t *copy = exact_copy(notes.bytes, size);

        one.note[0] = (struct elf_note_block){copy, size};
        kernel_notes_parse(&kernel, &one);
        for (size_t i = 0; i < size && size == notes.size; i++) {
            for (unsigned v = 0; v < sizeof(values); v++) {
                copy[i] = values[v];
                kernel_notes_parse(&kernel, &one);
                assert_true(kernel_notes_check_pv_dom0(&kernel, &one, &limits, &why) <= 0);
            }
            copy[i] = notes.bytes[i];
        }
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_debian, setup),
        cmocka_unit_test_setup(test_no_notes, setup),
        cmocka_unit_test_setup(test_bad_values, setup),
        cmocka_unit_test_setup(test_paddr_offset, setup),
        cmocka_unit_test_setup(test_features, setup),
        cmocka_unit_test_setup(test_cut_and_damage, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
