/* SPDX-License-Identifier: MIT */
/*
 * Finds the payload of a kernel image. Facts of the bzImage come from Linux's own description of
 * its boot protocol (Documentation/arch/x86/boot.rst): since 2.08 the header tells where the
 * compressed ELF file lies, counted from the end of the real-mode sectors; its last four bytes are
 * the unpacked size. Pure.
 */
#include <kr/kernel_image.h>
#include <kr/errno.h>
#include <kr/string.h>

#define SETUP_SECTS_OFFSET    0x1f1
#define BOOT_FLAG_OFFSET      0x1fe
#define HEADER_MAGIC_OFFSET   0x202
#define VERSION_OFFSET        0x206
#define PAYLOAD_OFFSET_OFFSET 0x248
#define PAYLOAD_LENGTH_OFFSET 0x24c
#define HEADER_END            0x250

#define BOOT_FLAG            0xaa55
#define SECTOR_SIZE          512
#define SETUP_SECTS_DEFAULT  4
#define VERSION_WITH_PAYLOAD 0x0208
#define UNPACKED_SIZE_BYTES  4
/* A gzip member: 10 bytes of header, 8 of trailer, the last four the unpacked size. */
#define GZIP_SIZE_MIN 18

static uint32_t read_u32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

enum payload_format payload_detect(const void *data, size_t size)
{
    static const struct {
        uint8_t length, bytes[6];
        enum payload_format format;
    } magics[] = {
        {4, {0x7f, 'E', 'L', 'F'}, PAYLOAD_ELF},
        {3, {0x1f, 0x8b, 0x08}, PAYLOAD_GZIP},
        {6, {0xfd, '7', 'z', 'X', 'Z', 0x00}, PAYLOAD_XZ},
        {4, {0x28, 0xb5, 0x2f, 0xfd}, PAYLOAD_ZSTD},
        {4, {0x02, 0x21, 0x4c, 0x18}, PAYLOAD_LZ4},
        {3, {0x5d, 0x00, 0x00}, PAYLOAD_LZMA},
        {3, {'B', 'Z', 'h'}, PAYLOAD_BZIP2},
        {4, {0x89, 'L', 'Z', 'O'}, PAYLOAD_LZO},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(magics); i++) {
        if (size >= magics[i].length && !memcmp(data, magics[i].bytes, magics[i].length))
            return magics[i].format;
    }
    return PAYLOAD_UNKNOWN;
}

const char *payload_name(enum payload_format format)
{
    switch (format) {
    case PAYLOAD_ELF: return "ELF";
    case PAYLOAD_GZIP: return "gzip";
    case PAYLOAD_XZ: return "xz";
    case PAYLOAD_ZSTD: return "zstd";
    case PAYLOAD_LZ4: return "lz4";
    case PAYLOAD_LZMA: return "lzma";
    case PAYLOAD_BZIP2: return "bzip2";
    case PAYLOAD_LZO: return "lzo";
    case PAYLOAD_UNKNOWN: break;
    }
    return "unknown";
}

static int payload_take(struct kernel_image *image, const uint8_t *payload, size_t size,
                        struct boot_error *e)
{
    enum payload_format format = payload_detect(payload, size);

    image->format = format;
    image->payload = payload;
    image->payload_size = size;
    image->unpacked_size = size;
    if (format == PAYLOAD_ELF)
        return 0;
    if (format > PAYLOAD_LZ4)
        return boot_fail(e, -EOPNOTSUPP, "kernel: payload format %s is not supported",
                         payload_name(format));
    if (size < GZIP_SIZE_MIN)
        return boot_fail(e, -EINVAL, "kernel: %s payload of %zu bytes", payload_name(format), size);
    image->unpacked_size = read_u32(payload + size - UNPACKED_SIZE_BYTES);
    if (!image->unpacked_size || image->unpacked_size > KERNEL_UNPACKED_MAX)
        return boot_fail(e, -EINVAL, "kernel: the payload claims an unpacked size of %zu bytes",
                         image->unpacked_size);
    return 0;
}

static int bzimage_parse(struct kernel_image *image, const uint8_t *file, size_t size,
                         struct boot_error *e)
{
    unsigned sectors = file[SETUP_SECTS_OFFSET] ? file[SETUP_SECTS_OFFSET] : SETUP_SECTS_DEFAULT;
    unsigned version = file[VERSION_OFFSET] | file[VERSION_OFFSET + 1] << 8;
    uint64_t start = (sectors + 1) * SECTOR_SIZE;
    uint64_t length;

    image->bzimage = true;
    if (version < VERSION_WITH_PAYLOAD)
        return boot_fail(e, -EOPNOTSUPP, "kernel: boot protocol %u.%02u is too old, 2.08 is needed",
                         version >> 8, version & 0xff);
    start += read_u32(file + PAYLOAD_OFFSET_OFFSET);
    length = read_u32(file + PAYLOAD_LENGTH_OFFSET);
    if (!length)
        return boot_fail(e, -EINVAL, "kernel: the bzImage has no payload");
    if (start + length > size)
        return boot_fail(e, -EINVAL, "kernel: truncated, %llu of %llu bytes are there",
                         (unsigned long long)size, (unsigned long long)(start + length));
    return payload_take(image, file + start, length, e);
}

int kernel_image_parse(struct kernel_image *image, const void *file, size_t size,
                       struct boot_error *e)
{
    const uint8_t *f = file;
    enum payload_format format = payload_detect(f, size);

    memset(image, 0, sizeof(*image));
    if (size >= HEADER_END && f[BOOT_FLAG_OFFSET] == (BOOT_FLAG & 0xff) &&
        f[BOOT_FLAG_OFFSET + 1] == BOOT_FLAG >> 8 && !memcmp(f + HEADER_MAGIC_OFFSET, "HdrS", 4))
        return bzimage_parse(image, f, size, e);
    if (format == PAYLOAD_ELF || format == PAYLOAD_GZIP)
        return payload_take(image, f, size, e);
    if (format != PAYLOAD_UNKNOWN)
        return boot_fail(e, -ENOEXEC,
                         "kernel: a bare %s file; a bzImage, ELF or gzip'ed ELF file is needed",
                         payload_name(format));
    return boot_fail(e, -ENOEXEC,
                     "kernel: the first module (%zu bytes) is neither a bzImage nor ELF", size);
}
