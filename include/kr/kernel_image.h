/* SPDX-License-Identifier: MIT */
/*
 * The first boot module as a kernel: a Linux bzImage (boot protocol 2.08 or later), a bare ELF
 * file, or a gzip'ed ELF file. Finds the ELF file or the compressed payload in it; boot/unpack.c
 * unpacks the latter. Pure.
 */
#pragma once

#include <kr/boot_info.h>
#include <kr/types.h>

/* More than this is no kernel but a damaged length. */
#define KERNEL_UNPACKED_MAX (1UL << 30)

enum payload_format {
    PAYLOAD_ELF, /* not compressed */
    PAYLOAD_GZIP,
    PAYLOAD_XZ,
    PAYLOAD_ZSTD,
    PAYLOAD_LZ4, /* the legacy frame, which is what Linux uses */
    /* Recognised for the sake of a clear refusal. */
    PAYLOAD_LZMA,
    PAYLOAD_BZIP2,
    PAYLOAD_LZO,
    PAYLOAD_UNKNOWN,
};

struct kernel_image {
    enum payload_format format;
    bool bzimage;
    const uint8_t *payload; /* within the file given to kernel_image_parse() */
    size_t payload_size;
    size_t unpacked_size; /* payload_size when nothing is packed */
};

/* What a compressed stream or file starting with these bytes is. */
enum payload_format payload_detect(const void *data, size_t size);
const char *payload_name(enum payload_format format);

/*
 * Fills *image from the file [file, file + size). -ENOEXEC when it is no kernel image at all,
 * -EINVAL when it is a damaged or truncated one, -EOPNOTSUPP when its payload has a format that is
 * not supported; the reason in *e. Nothing is unpacked or verified beyond headers and lengths.
 */
int kernel_image_parse(struct kernel_image *image, const void *file, size_t size,
                       struct boot_error *e);
