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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    size_t room = fuzz_u16(&in), first = 0, second = 0;
    uint8_t *stream = fuzz_exact(in.next, in.left), *out = malloc(room ? room : 1), *again;
    int err = run(stream, in.left, out, room, &first);

    if (!err) { /* once more with just enough room; lz4 wants one more for a block of nothing */
        size_t enough = first + (payload_detect(stream, in.left) == PAYLOAD_LZ4);

        again = malloc(enough ? enough : 1);
        FUZZ_CHECK(run(stream, in.left, again, enough, &second) == 0);
        FUZZ_CHECK(first == second && memcmp(out, again, first) == 0);
        free(again);
    }
    free(stream);
    free(out);
    return 0;
}
