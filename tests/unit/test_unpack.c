/* SPDX-License-Identifier: MIT */
/* boot/unpack.c: each format packed here and unpacked there; cut, damaged, too large, foreign. */
/* SOURCES: boot/unpack.c boot/bzimage.c boot/boot_info.c lib/printf.c lib/string.c */
/* LIBS: -llzma -lzstd -lz -llz4 */
#include "unit.h"
#include "packers.h"
#include <errno.h>
#include <kr/unpack.h>

#define SMALL 3000UL
/* More than one block of lz4, more than one of xz's internal chunks. */
#define LARGE (9 * MIB + 12345)

static uint8_t *data;

/* Half text, half noise, with calls that the x86 filter of xz rewrites. */
static int setup(void **state)
{
    data = malloc(LARGE);
    srandom(1);
    for (size_t i = 0; i < LARGE; i++)
        data[i] = i & 0x1000 ? random() : "krypton \xe8\x10\x20\x00\x00"[i % 13];
    return 0;
}

static int teardown(void **state)
{
    free(data);
    return 0;
}

static struct packed pack(enum payload_format format, size_t size)
{
    struct packed p;

    switch (format) {
    case PAYLOAD_XZ: p = pack_xz(data, size); break;
    case PAYLOAD_ZSTD: p = pack_zstd(data, size, size == SMALL); break;
    case PAYLOAD_LZ4: p = pack_lz4(data, size); break;
    default: return pack_gzip(data, size);
    }
    pack_append_size(&p, size);
    return p;
}

static const enum payload_format formats[] = {PAYLOAD_GZIP, PAYLOAD_XZ, PAYLOAD_ZSTD, PAYLOAD_LZ4};

static void test_whole(void **state)
{
    static const size_t sizes[] = {SMALL, LARGE};

    for (unsigned f = 0; f < ARRAY_SIZE(formats); f++) {
        for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
            struct packed p = pack(formats[f], sizes[s]);
            uint8_t *out = malloc(sizes[s]);
            size_t out_len = 0;
            const char *why = NULL;

            assert_int_equal(payload_detect(p.bytes, p.size), formats[f]);
            assert_int_equal(unpack(p.bytes, p.size, out, sizes[s], &out_len, &why), 0);
            assert_int_equal(out_len, sizes[s]);
            assert_memory_equal(out, data, sizes[s]);
            assert_null(why);
            free(out);
            free(p.bytes);
        }
    }
}

/* Everything but the appended size is needed. */
static void test_cut_everywhere(void **state)
{
    for (unsigned f = 0; f < ARRAY_SIZE(formats); f++) {
        struct packed p = pack(formats[f], SMALL);
        size_t stream = p.size - (formats[f] == PAYLOAD_GZIP ? 0 : 4);

        for (size_t size = 0; size < p.size; size++) {
            uint8_t *cut = malloc(size ? size : 1), out[SMALL];
            size_t out_len = 0;
            const char *why = NULL;
            int err;

            memcpy(cut, p.bytes, size);
            err = unpack(cut, size, out, sizeof(out), &out_len, &why);
            if (size < stream)
                assert_true(err < 0 || out_len < SMALL);
            else
                assert_int_equal(err, 0);
            assert_int_equal(err != 0, why != NULL);
            free(cut);
        }
        free(p.bytes);
    }
}

/* lz4 has no checksum: there the damage must only stay inside. */
static void test_damage_everywhere(void **state)
{
    for (unsigned f = 0; f < ARRAY_SIZE(formats); f++) {
        struct packed p = pack(formats[f], SMALL);

        for (size_t i = 0; i < p.size - 4; i++) {
            uint8_t *out = malloc(SMALL);
            size_t out_len = 0;
            const char *why = NULL;
            int err;

            p.bytes[i] ^= 0x41;
            err = unpack(p.bytes, p.size, out, SMALL, &out_len, &why);
            assert_true(err <= 0);
            assert_true(out_len <= SMALL);
            if (!err && formats[f] != PAYLOAD_LZ4)
                assert_memory_equal(out, data, SMALL);
            p.bytes[i] ^= 0x41;
            free(out);
        }
        free(p.bytes);
    }
}

static void expect(enum payload_format format, size_t dst_len, int err, const char *text)
{
    struct packed p = pack(format, SMALL);
    uint8_t *out = malloc(dst_len + 1);
    const char *why = NULL;
    size_t out_len;

    assert_int_equal(unpack(p.bytes, p.size, out, dst_len, &out_len, &why), err);
    assert_string_equal(why, text);
    free(out);
    free(p.bytes);
}

static void test_room_too_small(void **state)
{
    static const size_t rooms[] = {0, 1, SMALL - 1};

    for (unsigned i = 0; i < ARRAY_SIZE(rooms); i++) {
        expect(PAYLOAD_GZIP, rooms[i], -ENOSPC, "gzip: more data than the image claims");
        expect(PAYLOAD_XZ, rooms[i], -ENOSPC, "xz: more data than the image claims");
        expect(PAYLOAD_ZSTD, rooms[i], -ENOSPC, "zstd: more data than the image claims");
        expect(PAYLOAD_LZ4, rooms[i], -EINVAL,
               "lz4: data is damaged, or more than the image claims");
    }
}

static void test_foreign(void **state)
{
    static const char *const texts[] = {"\177ELF", "BZh91AY", "", "random"};

    for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
        const char *why = NULL;
        uint8_t out[1];
        size_t out_len;

        assert_int_equal(unpack(texts[i], strlen(texts[i]), out, 1, &out_len, &why), -EOPNOTSUPP);
        assert_string_equal(why, "payload format is not supported");
        assert_int_equal(out_len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_damage_everywhere),
        cmocka_unit_test(test_room_too_small),
        cmocka_unit_test(test_foreign),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
