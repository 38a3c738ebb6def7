/* SPDX-License-Identifier: MIT */
/* SOURCES: boot/unpack.c boot/bzimage.c boot/boot_info.c lib/printf.c lib/string.c */
/* SOURCES: tests/fuzz/unpack_heap.c */
/* LIBS: -Wl,--wrap=malloc,--wrap=calloc -l:liblzma.a -l:libzstd.a -l:libz.a -l:liblz4.a */
/* FLAGS: -max_len=4096 */
/*
 * gzip, xz, zstd and lz4 streams: never beyond the room that was given, with the little memory that
 * the libraries get, and the same result each time.
 * Input: u16 room, the stream.
 */
#include "fuzz.h"
#include "unpack_heap.h"
#include <kr/errno.h>
#include <kr/unpack.h>

static int run(const uint8_t *stream, size_t size, uint8_t *out, size_t room, size_t *length)
{
    const char *why = NULL;
    int err;

    unpack_heap_start();
    err = unpack(stream, size, out, room, length, &why);
    unpack_heap_stop();
    FUZZ_CHECK((err != 0) == (why != NULL));
    FUZZ_CHECK(err == 0 || err == -EOPNOTSUPP || err == -EINVAL || err == -ENOSPC ||
               err == -ENOMEM);
    FUZZ_CHECK(*length <= room);
    return err;
}

/* An lz4 block ends with five bytes as they are and starts no match in its last twelve. The library
 * takes one that breaks this where it has more room than the block fills, so not in just enough of
 * it. */
#define LZ4_ROOM_FOR_ANY_END 12

/* Once more, in other room: the same result, or a refusal where that may be. */
static void repeat(const uint8_t *stream, size_t size, const uint8_t *out, size_t length,
                   size_t room, bool may_refuse)
{
    uint8_t *again = malloc(room ? room : 1);
    size_t got = 0;
    int err = run(stream, size, again, room, &got);

    FUZZ_CHECK(err == 0 || (may_refuse && err == -EINVAL));
    FUZZ_CHECK(err != 0 || (got == length && memcmp(out, again, length) == 0));
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    size_t room = fuzz_u16(&in), length = 0;
    uint8_t *stream = fuzz_exact(in.next, in.left), *out = malloc(room ? room : 1);

    if (run(stream, in.left, out, room, &length) == 0) {
        bool is_lz4 = payload_detect(stream, in.left) == PAYLOAD_LZ4;

        repeat(stream, in.left, out, length, length, is_lz4);
        if (is_lz4)
            repeat(stream, in.left, out, length, length + LZ4_ROOM_FOR_ANY_END, false);
    }
    free(stream);
    free(out);
    return 0;
}
