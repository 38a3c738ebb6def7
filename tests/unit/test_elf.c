/* SPDX-License-Identifier: MIT */
/* boot/elf.c: a small kernel loaded, refused, cut after every byte, damaged at every byte. */
/* SOURCES: boot/elf.c boot/boot_info.c lib/printf.c lib/string.c */
#include "unit.h"
#include "image_builder.h"
#include <errno.h>
#include <kr/elf.h>

static struct blob notes, file;
static struct elf_image elf;
static struct boot_error why;

static int setup(void **state)
{
    notes_like_debian(&notes);
    elf_build(&file, &notes, false);
    return 0;
}

static Elf64_Ehdr *header(void)
{
    return (Elf64_Ehdr *)file.bytes;
}

static Elf64_Phdr *program_header(unsigned i)
{
    return (Elf64_Phdr *)(file.bytes + sizeof(Elf64_Ehdr)) + i;
}

static int parse(void)
{
    uint8_t *copy = exact_copy(file.bytes, file.size);
    int err;

    why.text[0] = 0;
    err = elf_parse(&elf, copy, file.size, &why);
    assert_int_equal(err != 0, why.text[0] != 0);
    free(copy);
    return err;
}

static void expect(int err, const char *text)
{
    assert_int_equal(parse(), err);
    assert_string_equal(why.text, text);
    setup(NULL);
}

struct memory {
    uint64_t base;
    uint8_t bytes[TEST_MEMORY];
    unsigned writes;
    int fail;
};

static int memory_write(void *context, uint64_t paddr, const void *data, uint64_t size)
{
    struct memory *m = context;

    assert_in_range(paddr - m->base, 0, sizeof(m->bytes) - 1);
    assert_in_range(size, 1, sizeof(m->bytes) - (paddr - m->base));
    m->writes++;
    if (m->fail)
        return m->fail;
    if (data)
        memcpy(m->bytes + (paddr - m->base), data, size);
    else
        memset(m->bytes + (paddr - m->base), 0, size);
    return 0;
}

static void test_load(void **state)
{
    static struct memory m = {.base = TEST_PADDR};

    assert_int_equal(elf_parse(&elf, file.bytes, file.size, &why), 0);
    assert_int_equal(elf.entry, TEST_PADDR);
    assert_int_equal(elf.segment_count, 2);
    assert_int_equal(elf.segment[0].paddr, TEST_PADDR);
    assert_int_equal(elf.segment[0].flags, ELF_FLAG_READ | ELF_FLAG_EXEC);
    assert_int_equal(elf.segment[1].vaddr, 0);
    assert_int_equal(elf.paddr_start, TEST_PADDR);
    assert_int_equal(elf.paddr_end, TEST_PADDR + TEST_MEMORY);
    assert_int_equal(elf.note_count, 1);
    assert_int_equal(elf.note[0].size, notes.size);
    assert_memory_equal(elf.note[0].data, notes.bytes, notes.size);

    memset(m.bytes, 0xee, sizeof(m.bytes));
    assert_int_equal(elf_load(&elf, memory_write, &m), 0);
    assert_int_equal(m.writes, 3);
    for (unsigned i = 0; i < TEST_MEMORY; i++) {
        uint8_t expected = i < TEST_TEXT_SIZE ? 0x5a : i < 0x1000 ? 0xee : 0;

        if (i >= 0x1000 && i < 0x1000 + TEST_DATA_SIZE)
            expected = 0xa5;
        assert_int_equal(m.bytes[i], expected);
    }
    m.fail = -ENOMEM;
    m.writes = 0;
    assert_int_equal(elf_load(&elf, memory_write, &m), -ENOMEM);
    assert_int_equal(m.writes, 1);
}

static void test_section_notes(void **state)
{
    elf_build(&file, &notes, true);
    assert_int_equal(elf_parse(&elf, file.bytes, file.size, &why), 0);
    assert_int_equal(elf.note_count, 0);
    assert_int_equal(elf.section_note_count, 1);
    assert_memory_equal(elf.section_note[0].data, notes.bytes, notes.size);
    /* Damaged section headers do not harm the kernel. */
    header()->e_shoff = file.size - 1;
    assert_int_equal(parse(), 0);
    assert_int_equal(elf.section_note_count, 0);
}

static void test_other_kinds(void **state)
{
    file.bytes[0] = 0;
    expect(-ENOEXEC, "kernel: not an ELF file");
    header()->e_ident[EI_CLASS] = ELFCLASS32;
    expect(-EOPNOTSUPP, "kernel: a 32-bit ELF file; 32-bit PV kernels are not supported");
    header()->e_ident[EI_DATA] = ELFDATA2MSB;
    expect(-EOPNOTSUPP, "kernel: not a little-endian ELF64 file");
    header()->e_machine = EM_AARCH64;
    expect(-EOPNOTSUPP, "kernel: ELF file for machine 183, not x86-64");
    header()->e_type = ET_REL;
    expect(-EOPNOTSUPP, "kernel: ELF file of type 1 is not executable");
}

static void test_damage(void **state)
{
    header()->e_phentsize = 55;
    expect(-EINVAL, "kernel: 3 ELF program headers of 55 bytes");
    header()->e_phnum = 0;
    expect(-EINVAL, "kernel: 0 ELF program headers of 56 bytes");
    header()->e_phoff = ~0UL - 8;
    expect(-EINVAL, "kernel: truncated, ELF program headers are missing");
    program_header(0)->p_offset = ~0UL - 8;
    expect(-EINVAL, "kernel: truncated, ELF segment 0 ends outside the file");
    program_header(2)->p_filesz = ~0UL;
    expect(-EINVAL, "kernel: truncated, ELF segment 2 ends outside the file");
    program_header(0)->p_memsz = TEST_DATA_SIZE - 1;
    expect(-EINVAL, "kernel: ELF segment at 0x1001000 has impossible sizes");
    program_header(0)->p_memsz = ~0UL - 0x1000;
    expect(-EINVAL, "kernel: ELF segment at 0x1001000 has impossible sizes");
    program_header(1)->p_memsz = 0x1001;
    expect(-EINVAL, "kernel: ELF segments overlap at 0x1001000");
    program_header(0)->p_paddr = 1UL << 40;
    expect(-EINVAL, "kernel: ELF segments span 0x1000000 to 0x10000002000, too far apart");
    program_header(0)->p_type = program_header(1)->p_type = PT_NULL;
    expect(-EINVAL, "kernel: the ELF file has nothing to load");
    file.size = 50;
    expect(-EINVAL, "kernel: truncated, the ELF header is incomplete");
}

static void test_too_many_segments(void **state)
{
    Elf64_Phdr ph = {PT_LOAD, PF_R, 0, 0, 0, 0, 1, 1};

    header()->e_phoff = file.size;
    header()->e_phnum = ELF_SEGMENTS_MAX + 1;
    for (int i = 0; i <= ELF_SEGMENTS_MAX; i++) {
        ph.p_paddr = 100 - i;
        blob_put(&file, &ph, sizeof(ph));
    }
    expect(-E2BIG, "kernel: more than 32 ELF segments");
}

static void test_cut_everywhere(void **state)
{
    size_t whole = file.size;

    /* The notes come last: all shorter files lack something that a header names. */
    for (file.size = 0; file.size < whole; file.size++)
        assert_true(parse() < 0);
}

static void test_damage_everywhere(void **state)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};

    for (size_t i = 0; i < sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr); i++) {
        uint8_t old = file.bytes[i];

        for (unsigned v = 0; v < sizeof(values); v++) {
            file.bytes[i] = values[v];
            assert_true(parse() <= 0);
        }
        file.bytes[i] = old;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_load, setup),
        cmocka_unit_test_setup(test_section_notes, setup),
        cmocka_unit_test_setup(test_other_kinds, setup),
        cmocka_unit_test_setup(test_damage, setup),
        cmocka_unit_test_setup(test_too_many_segments, setup),
        cmocka_unit_test_setup(test_cut_everywhere, setup),
        cmocka_unit_test_setup(test_damage_everywhere, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
