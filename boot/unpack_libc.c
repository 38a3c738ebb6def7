/* SPDX-License-Identifier: MIT */
/*
 * What the compression libraries need of a C library beyond kr/string.h: allocation from one arena,
 * the stack canary's failure path, and names that keep code we never call out of the image. The
 * functions have the C library's names and signatures, since the archives call them.
 */
#include <kr/unpack.h>
#include <kr/log.h>
#include <kr/string.h>

#define MALLOC_ALIGN 16UL

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void free(void *p);
void __stack_chk_fail(void) __noreturn;

/* Blocks are taken upwards; only the last one can be given back, and that is what unpacking does
 * most. */
static struct {
    uint8_t *next, *end;
    uint8_t *last;
} arena;

void unpack_arena_set(void *base, size_t size)
{
    arena.next = (uint8_t *)ALIGN_UP((uintptr_t)base, MALLOC_ALIGN);
    arena.end = (uint8_t *)base + size;
    arena.last = NULL;
}

void *malloc(size_t size)
{
    size_t need = ALIGN_UP(MAX(size, MALLOC_ALIGN), MALLOC_ALIGN);

    if (need < size || arena.next > arena.end || need > (size_t)(arena.end - arena.next))
        return NULL;
    arena.last = arena.next;
    arena.next += need;
    return arena.last;
}

void *calloc(size_t count, size_t size)
{
    size_t total;
    void *p;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    p = malloc(total);
    return p ? memset(p, 0, total) : NULL;
}

void free(void *p)
{
    if (p && p == arena.last) {
        arena.next = arena.last;
        arena.last = NULL;
    }
}

void __stack_chk_fail(void)
{
    panic("stack overrun while unpacking the kernel");
}

/*
 * libzstd calls these two when they exist (they are weak), but a call to a missing one cannot be
 * encoded in an image linked this far from address 0.
 */
struct zstd_trace;
unsigned long long ZSTD_trace_decompress_begin(const void *ctx);
void ZSTD_trace_decompress_end(unsigned long long handle, const struct zstd_trace *trace);

unsigned long long ZSTD_trace_decompress_begin(const void *ctx)
{
    return 0;
}

void ZSTD_trace_decompress_end(unsigned long long handle, const struct zstd_trace *trace)
{
}
