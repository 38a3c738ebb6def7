/* SPDX-License-Identifier: MIT */
/* The other half of the compression libraries, packing as Linux's build does. Results are on the
 * heap. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <lz4hc.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <kr/types.h>

struct packed {
    uint8_t *bytes;
    size_t size;
};

static inline struct packed packed_new(size_t unpacked_size)
{
    return (struct packed){malloc(unpacked_size * 2 + 4096), unpacked_size * 2 + 4096};
}

/* xz --check=crc32 --x86 --lzma2=dict=4MiB */
static inline struct packed pack_xz(const void *data, size_t size)
{
    struct packed p = packed_new(size);
    lzma_options_lzma lzma2;
    lzma_filter filters[] = {
        {LZMA_FILTER_X86, NULL}, {LZMA_FILTER_LZMA2, &lzma2}, {LZMA_VLI_UNKNOWN, NULL}};
    size_t out = 0;

    lzma_lzma_preset(&lzma2, 6);
    lzma2.dict_size = 4 << 20;
    if (lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, data, size, p.bytes, &out,
                                  p.size))
        abort();
    p.size = out;
    return p;
}

static inline struct packed pack_gzip(const void *data, size_t size)
{
    struct packed p = packed_new(size);
    z_stream z = {.next_in = (Bytef *)data, .avail_in = size};

    if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY))
        abort();
    z.next_out = p.bytes;
    z.avail_out = p.size;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    p.size = z.total_out;
    deflateEnd(&z);
    return p;
}

/* zstd from a pipe: with a checksum, without the content's size unless `sized`. */
static inline struct packed pack_zstd(const void *data, size_t size, bool sized)
{
    struct packed p = packed_new(size);
    ZSTD_CCtx *c = ZSTD_createCCtx();

    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, sized);
    ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, 19);
    p.size = ZSTD_compress2(c, p.bytes, p.size, data, size);
    if (ZSTD_isError(p.size))
        abort();
    ZSTD_freeCCtx(c);
    return p;
}

/* lz4 -l: magic, then blocks of up to 8 MiB behind their packed size. */
static inline struct packed pack_lz4(const uint8_t *data, size_t size)
{
    static const uint32_t magic = 0x184c2102;
    struct packed p = packed_new(size);
    size_t out = sizeof(magic);

    memcpy(p.bytes, &magic, sizeof(magic));
    for (size_t at = 0; at < size; at += 8 * MIB) {
        int n = LZ4_compress_HC((const char *)data + at, (char *)p.bytes + out + 4,
                                MIN(size - at, 8 * MIB), p.size - out - 4, 9);

        if (n <= 0)
            abort();
        memcpy(p.bytes + out, &n, 4);
        out += 4 + n;
    }
    p.size = out;
    return p;
}

/* Linux appends the unpacked size, little-endian, to all but gzip, which ends with it anyway. */
static inline void pack_append_size(struct packed *p, uint32_t size)
{
    memcpy(p->bytes + p->size, &size, sizeof(size));
    p->size += sizeof(size);
}
