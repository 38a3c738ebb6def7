/* SPDX-License-Identifier: MIT */
/*
 * Memory and string functions of C11 7.24, in portable C: no assembly, no vector registers.
 * Bulk copies go eight bytes at a time, four words to a round; x86-64 and arm64 both load and
 * store unaligned words. Hosted builds (the unit tests) keep libc's functions and get the copies
 * here under names that start with `kr_`.
 */
#include <kr/string.h>
#include <kr/types.h>

/* GCC must not turn the loop inside memset back into a call to memset. */
#ifndef __clang__
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

#if __STDC_HOSTED__
#define memcpy  kr_memcpy
#define memmove kr_memmove
#define memset  kr_memset
#define memcmp  kr_memcmp
#define memchr  kr_memchr
#define strlen  kr_strlen
#define strnlen kr_strnlen
#define strcmp  kr_strcmp
#define strncmp kr_strncmp
#define strchr  kr_strchr
#define strrchr kr_strrchr
#define strstr  kr_strstr
#endif

/* A word at any address, of any type underneath. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word_t;

#define WORD_BYTES  sizeof(word_t)
#define ROUND_BYTES (4 * WORD_BYTES)

typedef uint32_t __attribute__((may_alias, aligned(1))) half_t;

/* Fewer than two words, without a loop: two moves that meet or overlap, both read first. Unpackers
 * copy a few bytes millions of times. */
static void copy_short(unsigned char *d, const unsigned char *s, size_t size_bytes)
{
    if (size_bytes >= WORD_BYTES) {
        uint64_t first = *(const word_t *)s, last = *(const word_t *)(s + size_bytes - WORD_BYTES);

        *(word_t *)d = first;
        *(word_t *)(d + size_bytes - WORD_BYTES) = last;
    } else if (size_bytes >= sizeof(half_t)) {
        uint32_t first = *(const half_t *)s,
                 last = *(const half_t *)(s + size_bytes - sizeof(half_t));

        *(half_t *)d = first;
        *(half_t *)(d + size_bytes - sizeof(half_t)) = last;
    } else if (size_bytes) {
        unsigned char first = s[0], middle = s[size_bytes / 2], last = s[size_bytes - 1];

        d[0] = first;
        d[size_bytes / 2] = middle;
        d[size_bytes - 1] = last;
    }
}

static void copy_forward(unsigned char *d, const unsigned char *s, size_t size_bytes)
{
    if (size_bytes < 2 * WORD_BYTES) {
        copy_short(d, s, size_bytes);
        return;
    }
    for (; size_bytes >= ROUND_BYTES; size_bytes -= ROUND_BYTES) {
        uint64_t a = ((const word_t *)s)[0], b = ((const word_t *)s)[1];
        uint64_t c = ((const word_t *)s)[2], e = ((const word_t *)s)[3];

        ((word_t *)d)[0] = a;
        ((word_t *)d)[1] = b;
        ((word_t *)d)[2] = c;
        ((word_t *)d)[3] = e;
        d += ROUND_BYTES;
        s += ROUND_BYTES;
    }
    for (; size_bytes >= WORD_BYTES; size_bytes -= WORD_BYTES) {
        *(word_t *)d = *(const word_t *)s;
        d += WORD_BYTES;
        s += WORD_BYTES;
    }
    while (size_bytes--)
        *d++ = *s++;
}

static void copy_backward(unsigned char *d, const unsigned char *s, size_t size_bytes)
{
    d += size_bytes;
    s += size_bytes;
    for (; size_bytes >= WORD_BYTES; size_bytes -= WORD_BYTES) {
        d -= WORD_BYTES;
        s -= WORD_BYTES;
        *(word_t *)d = *(const word_t *)s;
    }
    while (size_bytes--)
        *--d = *--s;
}

void *memcpy(void *restrict dst, const void *restrict src, size_t size_bytes)
{
    copy_forward(dst, src, size_bytes);
    return dst;
}

void *memmove(void *dst, const void *src, size_t size_bytes)
{
    /* A forward round reads 32 bytes before it writes any, so a lower destination is safe. */
    if ((uintptr_t)dst - (uintptr_t)src >= size_bytes)
        copy_forward(dst, src, size_bytes);
    else
        copy_backward(dst, src, size_bytes);
    return dst;
}

void *memset(void *dst, int value, size_t size_bytes)
{
    unsigned char *d = dst;
    uint64_t word = (unsigned char)value * 0x0101010101010101ULL;

    for (; size_bytes >= ROUND_BYTES; size_bytes -= ROUND_BYTES) {
        ((word_t *)d)[0] = word;
        ((word_t *)d)[1] = word;
        ((word_t *)d)[2] = word;
        ((word_t *)d)[3] = word;
        d += ROUND_BYTES;
    }
    for (; size_bytes >= WORD_BYTES; size_bytes -= WORD_BYTES) {
        *(word_t *)d = word;
        d += WORD_BYTES;
    }
    while (size_bytes--)
        *d++ = (unsigned char)value;
    return dst;
}

int memcmp(const void *a, const void *b, size_t size_bytes)
{
    const unsigned char *x = a, *y = b;

    while (size_bytes >= WORD_BYTES && *(const word_t *)x == *(const word_t *)y) {
        x += WORD_BYTES;
        y += WORD_BYTES;
        size_bytes -= WORD_BYTES;
    }
    for (; size_bytes; size_bytes--, x++, y++) {
        if (*x != *y)
            return *x - *y;
    }
    return 0;
}

void *memchr(const void *s, int c, size_t size_bytes)
{
    const unsigned char *p = s;

    for (; size_bytes; size_bytes--, p++) {
        if (*p == (unsigned char)c)
            return (void *)p;
    }
    return NULL;
}

size_t strlen(const char *s)
{
    const char *end = s;

    while (*end)
        end++;
    return end - s;
}

size_t strnlen(const char *s, size_t max)
{
    size_t length = 0;

    while (length < max && s[length])
        length++;
    return length;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t max)
{
    for (; max; max--, a++, b++) {
        if (*a != *b)
            return (unsigned char)*a - (unsigned char)*b;
        if (!*a)
            break;
    }
    return 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)s;
        if (!*s)
            return NULL;
    }
}

char *strrchr(const char *s, int c)
{
    const char *found = NULL;

    do {
        if (*s == (char)c)
            found = s;
    } while (*s++);
    return (char *)found;
}

char *strstr(const char *haystack, const char *needle)
{
    size_t length = strlen(needle);

    if (!length)
        return (char *)haystack;
    for (; (haystack = strchr(haystack, *needle)); haystack++) {
        if (!strncmp(haystack, needle, length))
            return (char *)haystack;
    }
    return NULL;
}

size_t kr_strlcpy(char *dst, const char *src, size_t size)
{
    size_t length = strlen(src);

    if (size) {
        size_t count = length < size ? length : size - 1;

        memcpy(dst, src, count);
        dst[count] = '\0';
    }
    return length;
}
