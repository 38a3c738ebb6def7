/* SPDX-License-Identifier: MIT */
/*
 * What every fuzz target includes first. A target is one function that libFuzzer calls with bytes;
 * it must end the same way for the same bytes, so nothing may be left over from the call before.
 * Whatever is broken ends in fuzz_fail(), and AddressSanitizer and UBSan watch the rest.
 */
#pragma once

#include "../unit/unit.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Says what did not hold and aborts, which libFuzzer reports with the input. */
void fuzz_fail(const char *what, const char *file, int line) __noreturn;

#define FUZZ_CHECK(e)                          \
    do {                                       \
        if (!(e))                              \
            fuzz_fail(#e, __FILE__, __LINE__); \
    } while (0)

/* Bytes that are taken off the front of the input; beyond its end they are zeroes. */
struct fuzz_input {
    const uint8_t *next;
    size_t left;
};

static inline void fuzz_take(struct fuzz_input *in, void *out, size_t size)
{
    size_t have = MIN(size, in->left);

    memset(out, 0, size);
    if (have)
        memcpy(out, in->next, have);
    in->next += have;
    in->left -= have;
}

static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
    uint8_t v;

    fuzz_take(in, &v, sizeof(v));
    return v;
}

static inline uint16_t fuzz_u16(struct fuzz_input *in)
{
    uint16_t v;

    fuzz_take(in, &v, sizeof(v));
    return v;
}

static inline uint32_t fuzz_u32(struct fuzz_input *in)
{
    uint32_t v;

    fuzz_take(in, &v, sizeof(v));
    return v;
}

static inline uint64_t fuzz_u64(struct fuzz_input *in)
{
    uint64_t v;

    fuzz_take(in, &v, sizeof(v));
    return v;
}

/* A copy on the heap of exactly this size, so that ASan sees a step beyond; to be freed. */
static inline uint8_t *fuzz_exact(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (size)
        memcpy(copy, data, size);
    return copy;
}

/* The same with a zero behind it, for texts. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);

    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

/* Does the array hold a text that ends within it? */
#define FUZZ_CHECK_TEXT(array) FUZZ_CHECK(memchr(array, '\0', sizeof(array)) != NULL)
