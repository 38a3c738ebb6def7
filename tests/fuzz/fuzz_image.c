/* SPDX-License-Identifier: MIT */
/* SOURCES: boot/bzimage.c boot/unpack.c boot/elf.c boot/kernel_notes.c boot/boot_info.c */
/* SOURCES: lib/printf.c lib/string.c tests/fuzz/kernel_check.c tests/fuzz/unpack_heap.c */
/* LIBS: -Wl,--wrap=malloc,--wrap=calloc -l:liblzma.a -l:libzstd.a -l:libz.a -l:liblz4.a */
/* FLAGS: -max_len=5120 */
/*
 * A boot module on its whole way: bzImage, ELF or gzip'ed ELF; unpacked; its headers and notes.
 * Input: the file.
 */
#include "kernel_check.h"
#include "unpack_heap.h"
#include <kr/kernel_image.h>
#include <kr/unpack.h>

/* Larger ones would only be slower. */
#define UNPACKED_MAX (64 * KIB)

static void unpack_and_check(const struct kernel_image *image)
{
    uint8_t *out = malloc(image->unpacked_size);
    struct boot_error why = {""};
    int err;

    unpack_heap_start();
    err = kernel_image_unpack(image, out, &why);
    unpack_heap_stop();
    FUZZ_CHECK(err <= 0 && (err != 0) == (why.text[0] != '\0'));
    if (!err)
        check_kernel(out, image->unpacked_size);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *file = fuzz_exact(data, size);
    struct boot_error why = {""};
    struct kernel_image image;
    int err = kernel_image_parse(&image, file, size, &why);

    FUZZ_CHECK(err <= 0 && (err != 0) == (why.text[0] != '\0'));
    FUZZ_CHECK_TEXT(why.text);
    if (!err) {
        FUZZ_CHECK(image.payload >= file && image.payload_size <= size);
        FUZZ_CHECK(image.payload + image.payload_size <= file + size);
        FUZZ_CHECK(image.unpacked_size <= KERNEL_UNPACKED_MAX);
        if (image.format == PAYLOAD_ELF)
            check_kernel(image.payload, image.payload_size);
        else if (image.unpacked_size <= UNPACKED_MAX)
            unpack_and_check(&image);
    }
    free(file);
    return 0;
}
