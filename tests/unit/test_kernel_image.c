/* SPDX-License-Identifier: MIT */
/*
 * boot/bzimage.c, and the way of a kernel from the boot module to its notes: a small kernel packed
 * in every format, found, unpacked, parsed.
 */
/* SOURCES: boot/bzimage.c boot/unpack.c boot/elf.c boot/kernel_notes.c boot/boot_info.c */
/* SOURCES: lib/printf.c lib/string.c */
/* LIBS: -llzma -lzstd -lz -llz4 */
#include "unit.h"
#include "image_builder.h"
#include "packers.h"
#include <errno.h>
#include <stdio.h>
#include <kr/kernel_image.h>
#include <kr/kernel_notes.h>
#include <kr/unpack.h>

static struct blob notes, file;
static struct kernel_image image;
static struct boot_error why;

static int setup(void **state)
{
    notes_like_debian(&notes);
    elf_build(&file, &notes, false);
    return 0;
}

static int parse(const void *bytes, size_t size)
{
    uint8_t *copy = exact_copy(bytes, size);
    int err;

    why.text[0] = 0;
    err = kernel_image_parse(&image, copy, size, &why);
    assert_int_equal(err != 0, why.text[0] != 0);
    if (!err)
        assert_true(image.payload >= copy && image.payload + image.payload_size <= copy + size);
    free(copy);
    return err;
}

static void expect(const void *bytes, size_t size, int err, const char *text)
{
    assert_int_equal(parse(bytes, size), err);
    assert_string_equal(why.text, text);
}

/* From the module to the notes, as the builder of the first domain goes. */
static void go_through(const uint8_t *module, size_t size, enum payload_format format, bool bzimage)
{
    static struct elf_image elf;
    static struct kernel_notes kernel;
    uint8_t *unpacked = malloc(file.size);
    const uint8_t *vmlinux;

    assert_int_equal(kernel_image_parse(&image, module, size, &why), 0);
    assert_int_equal(image.format, format);
    assert_int_equal(image.bzimage, bzimage);
    assert_int_equal(image.unpacked_size, file.size);
    vmlinux = image.payload;
    if (format != PAYLOAD_ELF) {
        assert_int_equal(kernel_image_unpack(&image, unpacked, &why), 0);
        vmlinux = unpacked;
    }
    assert_memory_equal(vmlinux, file.bytes, file.size);
    assert_int_equal(elf_parse(&elf, vmlinux, image.unpacked_size, &why), 0);
    kernel_notes_parse(&kernel, &elf);
    assert_int_equal(kernel.init_p2m, 0x8000000000);
    free(unpacked);
}

static void through_bzimage(struct packed p, enum payload_format format)
{
    size_t size;
    uint8_t *module;

    if (format != PAYLOAD_GZIP && format != PAYLOAD_ELF)
        pack_append_size(&p, file.size);
    module = bzimage_build(p.bytes, p.size, &size);
    go_through(module, size, format, true);
    free(module);
    if (format != PAYLOAD_ELF)
        free(p.bytes);
}

static void test_all_formats(void **state)
{
    through_bzimage(pack_gzip(file.bytes, file.size), PAYLOAD_GZIP);
    through_bzimage(pack_xz(file.bytes, file.size), PAYLOAD_XZ);
    through_bzimage(pack_zstd(file.bytes, file.size, false), PAYLOAD_ZSTD);
    through_bzimage(pack_zstd(file.bytes, file.size, true), PAYLOAD_ZSTD);
    through_bzimage(pack_lz4(file.bytes, file.size), PAYLOAD_LZ4);
    through_bzimage((struct packed){file.bytes, file.size}, PAYLOAD_ELF);
}

/* A payload that is sound but not what its size says, and one that is not sound. */
static void test_wrong_payload(void **state)
{
    struct packed p = pack_zstd(file.bytes, file.size, false);
    char text[100];
    uint8_t *out;

    pack_append_size(&p, file.size + 7);
    image = (struct kernel_image){
        .payload = p.bytes, .payload_size = p.size, .unpacked_size = file.size + 7};
    out = malloc(image.unpacked_size);
    assert_int_equal(kernel_image_unpack(&image, out, &why), -EINVAL);
    snprintf(text, sizeof(text), "kernel: unpacked to %zu bytes instead of %zu", file.size,
             file.size + 7);
    assert_string_equal(why.text, text);
    p.bytes[p.size / 2] ^= 0x10;
    assert_int_equal(kernel_image_unpack(&image, out, &why), -EINVAL);
    assert_string_equal(why.text, "kernel: zstd: data is damaged or truncated");
    free(out);
    free(p.bytes);
}

static void test_bare(void **state)
{
    struct packed p = pack_gzip(file.bytes, file.size);

    go_through(file.bytes, file.size, PAYLOAD_ELF, false);
    go_through(p.bytes, p.size, PAYLOAD_GZIP, false);
    free(p.bytes);
    p = pack_xz(file.bytes, file.size);
    expect(p.bytes, p.size, -ENOEXEC,
           "kernel: a bare xz file; a bzImage, ELF or gzip'ed ELF file is needed");
    free(p.bytes);
    expect("", 0, -ENOEXEC, "kernel: the first module (0 bytes) is neither a bzImage nor ELF");
    expect("hello, world", 12, -ENOEXEC,
           "kernel: the first module (12 bytes) is neither a bzImage nor ELF");
}

static void test_unsupported_payloads(void **state)
{
    static const struct {
        const char *magic, *text;
    } cases[] = {
        {"]\0\0\200", "kernel: payload format lzma is not supported"},
        {"BZh9", "kernel: payload format bzip2 is not supported"},
        {"\211LZO", "kernel: payload format lzo is not supported"},
        {"what", "kernel: payload format unknown is not supported"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t payload[64] = {0}, *module;
        size_t size;

        memcpy(payload, cases[i].magic, 4);
        module = bzimage_build(payload, sizeof(payload), &size);
        expect(module, size, -EOPNOTSUPP, cases[i].text);
        free(module);
    }
}

static void test_bad_headers(void **state)
{
    struct packed p = pack_gzip(file.bytes, file.size);
    uint32_t value = 0;
    size_t size;
    uint8_t *module = bzimage_build(p.bytes, p.size, &size);
    uint8_t *payload = module + (TEST_SETUP_SECTS + 1) * 512 + TEST_PAYLOAD_OFFSET;

    memcpy(payload + p.size - 4, &value, 4);
    expect(module, size, -EINVAL, "kernel: the payload claims an unpacked size of 0 bytes");
    value = 0x40000001;
    memcpy(payload + p.size - 4, &value, 4);
    expect(module, size, -EINVAL,
           "kernel: the payload claims an unpacked size of 1073741825 bytes");
    value = 17;
    memcpy(module + 0x24c, &value, 4);
    expect(module, size, -EINVAL, "kernel: gzip payload of 17 bytes");
    value = 0;
    memcpy(module + 0x24c, &value, 4);
    expect(module, size, -EINVAL, "kernel: the bzImage has no payload");
    module[0x206] = 7;
    expect(module, size, -EOPNOTSUPP, "kernel: boot protocol 2.07 is too old, 2.08 is needed");
    free(module);
    free(p.bytes);
}

/* Lengths and offsets that reach outside, in every combination of the extreme values. */
static void test_wild_header_values(void **state)
{
    static const uint32_t values[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
    struct packed p = pack_gzip(file.bytes, file.size);
    size_t size;
    uint8_t *module = bzimage_build(p.bytes, p.size, &size);

    for (unsigned s = 0; s < 256; s += 5) {
        module[0x1f1] = s;
        for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
            for (unsigned j = 0; j < ARRAY_SIZE(values); j++) {
                memcpy(module + 0x248, &values[i], 4);
                memcpy(module + 0x24c, &values[j], 4);
                assert_true(parse(module, size) < 0);
            }
        }
    }
    free(module);
    free(p.bytes);
}

static void test_cut_everywhere(void **state)
{
    struct packed p = pack_xz(file.bytes, file.size);
    size_t size, end;
    uint8_t *module;
    char text[100];

    pack_append_size(&p, file.size);
    module = bzimage_build(p.bytes, p.size, &size);
    end = (TEST_SETUP_SECTS + 1) * 512 + TEST_PAYLOAD_OFFSET + p.size;
    for (size_t cut = 0; cut < end; cut++) {
        int err = parse(module, cut);

        assert_int_equal(err, cut < 0x250 ? -ENOEXEC : -EINVAL);
        if (cut >= 0x250) {
            snprintf(text, sizeof(text), "kernel: truncated, %zu of %zu bytes are there", cut, end);
            assert_string_equal(why.text, text);
        }
    }
    assert_int_equal(parse(module, end), 0);
    free(module);
    free(p.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_formats),    cmocka_unit_test(test_wrong_payload),
        cmocka_unit_test(test_bare),           cmocka_unit_test(test_unsupported_payloads),
        cmocka_unit_test(test_bad_headers),    cmocka_unit_test(test_wild_header_values),
        cmocka_unit_test(test_cut_everywhere),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
