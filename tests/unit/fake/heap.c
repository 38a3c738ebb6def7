/* SPDX-License-Identifier: MIT */
/* See heap.h. A header in front of each object holds what heap_free() needs. */
#include "../unit.h"
#include "heap.h"
#include <stdlib.h>
#include <string.h>
#include <kr/page.h>

struct header {
    struct domain_memory *account;
    size_t size;
    char alignment[48];
};
_Static_assert(sizeof(struct header) == 64, "objects are aligned to 64");

unsigned fake_heap_live_count;
static unsigned allocations_left = ~0U;

void fake_heap_fail_after(unsigned count)
{
    allocations_left = count;
}

void *heap_alloc_for(struct domain_memory *m, size_t size)
{
    if (size == 0 || size > HEAP_LARGE_MAX || allocations_left-- == 0)
        return NULL;

    struct header *h = NULL;
    assert_int_equal(posix_memalign((void **)&h, 64, sizeof(*h) + size), 0);
    h->account = m;
    h->size = size;
    if (m != NULL)
        m->heap_bytes += size;
    fake_heap_live_count++;
    memset(h + 1, 0xa5, size);
    return h + 1;
}

void *heap_zalloc_for(struct domain_memory *m, size_t size)
{
    void *object = heap_alloc_for(m, size);

    return object == NULL ? NULL : memset(object, 0, size);
}

void *heap_zalloc_array(struct domain_memory *m, size_t count, size_t element)
{
    size_t size;

    return __builtin_mul_overflow(count, element, &size) ? NULL : heap_zalloc_for(m, size);
}

void *heap_alloc(size_t size)
{
    return heap_alloc_for(NULL, size);
}

void *heap_zalloc(size_t size)
{
    return heap_zalloc_for(NULL, size);
}

void heap_free(void *object)
{
    if (object == NULL)
        return;

    struct header *h = (struct header *)object - 1;
    if (h->account != NULL)
        h->account->heap_bytes -= h->size;
    fake_heap_live_count--;
    free(h);
}

void heap_trim(void)
{
}
