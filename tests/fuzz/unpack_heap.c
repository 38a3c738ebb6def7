/* SPDX-License-Identifier: MIT */
/* See unpack_heap.h. */
#include "unpack_heap.h"

#define LIMIT_BYTES (8 * MIB) /* of one unpacking; xz takes what the stream's dictionary says */

static bool is_counting;
static size_t taken;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

void unpack_heap_start(void)
{
    is_counting = true;
    taken = 0;
}

void unpack_heap_stop(void)
{
    is_counting = false;
}

static bool may_take(size_t size)
{
    if (!is_counting)
        return true;
    if (size > LIMIT_BYTES - taken)
        return false;
    taken += size;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return may_take(size) ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total) || !may_take(total))
        return NULL;
    return __real_calloc(count, size);
}
