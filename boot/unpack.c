/* SPDX-License-Identifier: MIT */
/*
 * Unpacks a kernel payload with the system's static compression libraries, one call per format.
 * Only their single-threaded, memory-to-memory entry points are used, so that what they need of a C
 * library is the handful of functions in unpack_libc.c. Conditions for calling: see kr/unpack.h.
 */
#include <kr/unpack.h>
#include <kr/errno.h>
#include <kr/string.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

/* One call's input and output, so that each format is one function of one argument. */
struct unpack_job {
    const uint8_t *src;
    size_t src_len;
    uint8_t *dst;
    size_t dst_len;
    size_t out_len;
    const char *why;
};

static int unpack_fail(struct unpack_job *job, int err, const char *why)
{
    job->why = why;
    return err;
}

static int unpack_xz(struct unpack_job *job)
{
    uint64_t memory_limit = UINT64_MAX;
    size_t src_pos = 0;
    lzma_ret ret = lzma_stream_buffer_decode(&memory_limit, 0, NULL, job->src, &src_pos,
                                             job->src_len, job->dst, &job->out_len, job->dst_len);

    switch (ret) {
    case LZMA_OK: return 0;
    case LZMA_MEM_ERROR: return unpack_fail(job, -ENOMEM, "xz: no memory for the dictionary");
    case LZMA_BUF_ERROR: return unpack_fail(job, -ENOSPC, "xz: more data than the image claims");
    case LZMA_OPTIONS_ERROR: return unpack_fail(job, -EOPNOTSUPP, "xz: unsupported stream options");
    default: return unpack_fail(job, -EINVAL, "xz: data is damaged or truncated");
    }
}

/* Window bits 15, plus 16: a gzip header and its checksum. */
#define GZIP_WINDOW_BITS (15 + 16)

static int unpack_gzip(struct unpack_job *job)
{
    /* zlib counts in 32 bits; images are bounded by KERNEL_UNPACKED_MAX, which fits. */
    z_stream z = {.next_in = (Bytef *)job->src, .avail_in = MIN(job->src_len, UINT32_MAX)};
    int ret = inflateInit2(&z, GZIP_WINDOW_BITS);

    if (ret != Z_OK)
        return unpack_fail(job, -ENOMEM, "gzip: no memory");
    z.next_out = job->dst;
    z.avail_out = MIN(job->dst_len, UINT32_MAX);
    ret = inflate(&z, Z_FINISH);
    job->out_len = z.total_out;
    inflateEnd(&z);
    if (ret == Z_STREAM_END)
        return 0;
    if (ret == Z_MEM_ERROR)
        return unpack_fail(job, -ENOMEM, "gzip: no memory");
    if (ret == Z_BUF_ERROR && !z.avail_out)
        return unpack_fail(job, -ENOSPC, "gzip: more data than the image claims");
    return unpack_fail(job, -EINVAL, "gzip: data is damaged or truncated");
}

/* The frame's own length separates it from what follows it. */
static int unpack_zstd(struct unpack_job *job)
{
    size_t frame = ZSTD_findFrameCompressedSize(job->src, job->src_len);
    unsigned long long content;
    ZSTD_DCtx *ctx;
    size_t ret;

    if (ZSTD_isError(frame))
        return unpack_fail(job, -EINVAL, "zstd: data is damaged or truncated");
    content = ZSTD_getFrameContentSize(job->src, job->src_len);
    if (content != ZSTD_CONTENTSIZE_UNKNOWN && content > job->dst_len)
        return unpack_fail(job, -ENOSPC, "zstd: more data than the image claims");
    ctx = ZSTD_createDCtx();
    if (!ctx)
        return unpack_fail(job, -ENOMEM, "zstd: no memory");
    ret = ZSTD_decompressDCtx(ctx, job->dst, job->dst_len, job->src, frame);
    ZSTD_freeDCtx(ctx);
    if (ZSTD_isError(ret))
        return unpack_fail(job, -EINVAL, "zstd: data is damaged or truncated");
    job->out_len = ret;
    return 0;
}

/* The legacy frame: magic, then blocks of u32 packed size and data, each unpacking to at most 8
 * MiB. */
#define LZ4_MAGIC_BYTES  4
#define LZ4_LEGACY_MAGIC 0x184c2102
#define LZ4_LEGACY_BLOCK (8 * MIB)

static int unpack_lz4(struct unpack_job *job)
{
    size_t at = LZ4_MAGIC_BYTES;

    /* Four bytes or fewer at the end are the appended size, not a block. */
    while (job->src_len - at > sizeof(uint32_t)) {
        size_t room = MIN(job->dst_len - job->out_len, LZ4_LEGACY_BLOCK);
        uint32_t packed;
        int got;

        memcpy(&packed, job->src + at, sizeof(packed));
        at += sizeof(packed);
        if (packed == LZ4_LEGACY_MAGIC)
            continue;
        if (!packed || packed > LZ4_COMPRESSBOUND(LZ4_LEGACY_BLOCK) || packed > job->src_len - at)
            return unpack_fail(job, -EINVAL, "lz4: data is damaged or truncated");
        got = LZ4_decompress_safe((const char *)job->src + at, (char *)job->dst + job->out_len,
                                  packed, room);
        if (got < 0)
            return unpack_fail(job, -EINVAL, "lz4: data is damaged, or more than the image claims");
        job->out_len += got;
        at += packed;
    }
    return 0;
}

int unpack(const void *src, size_t src_len, void *dst, size_t dst_len, size_t *out_len,
           const char **why)
{
    struct unpack_job job = {.src = src, .src_len = src_len, .dst = dst, .dst_len = dst_len};
    int err;

    switch (payload_detect(src, src_len)) {
    case PAYLOAD_XZ: err = unpack_xz(&job); break;
    case PAYLOAD_GZIP: err = unpack_gzip(&job); break;
    case PAYLOAD_ZSTD: err = unpack_zstd(&job); break;
    case PAYLOAD_LZ4: err = unpack_lz4(&job); break;
    default: err = unpack_fail(&job, -EOPNOTSUPP, "payload format is not supported"); break;
    }
    *out_len = job.out_len;
    *why = job.why;
    return err;
}

int kernel_image_unpack(const struct kernel_image *image, void *dst, struct boot_error *e)
{
    const char *why;
    size_t out_len;
    int err =
        unpack(image->payload, image->payload_size, dst, image->unpacked_size, &out_len, &why);

    if (err)
        return boot_fail(e, err, "kernel: %s", why);
    if (out_len != image->unpacked_size)
        return boot_fail(e, -EINVAL, "kernel: unpacked to %zu bytes instead of %zu", out_len,
                         image->unpacked_size);
    return 0;
}
