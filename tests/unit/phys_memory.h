/* SPDX-License-Identifier: MIT */
/* A small physical memory for the boot parsers' tests: bytes from PHYS_BASE on, built front to
 * back. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <kr/boot_info.h>

#define PHYS_BASE 0x10000UL
#define PHYS_SIZE 0x8000UL

struct phys_memory {
    struct phys_window window;
    uint8_t *bytes; /* of exactly `size` bytes on the heap, so that ASan sees every step outside */
    size_t size;
    size_t used;
};

static const void *phys_map(const struct phys_window *w, uint64_t pa, size_t size_bytes)
{
    const struct phys_memory *m = container_of(w, struct phys_memory, window);

    if (pa < PHYS_BASE || pa - PHYS_BASE > m->size || size_bytes > m->size - (pa - PHYS_BASE))
        return NULL;
    return m->bytes + (pa - PHYS_BASE);
}

static inline void phys_init(struct phys_memory *m)
{
    *m = (struct phys_memory){.window.map = phys_map, .size = PHYS_SIZE};
    m->bytes = calloc(1, PHYS_SIZE);
}

static inline void phys_free(struct phys_memory *m)
{
    free(m->bytes);
}

/* The same memory, ending after `size` bytes. */
static inline void phys_cut(struct phys_memory *cut, const struct phys_memory *m, size_t size)
{
    *cut = (struct phys_memory){.window.map = phys_map, .size = size, .used = size};
    cut->bytes = malloc(size ? size : 1);
    memcpy(cut->bytes, m->bytes, size);
}

/* Appends bytes at a multiple of 8 and returns their address. */
static inline uint64_t phys_put(struct phys_memory *m, const void *data, size_t size)
{
    uint64_t pa;

    m->used = ALIGN_UP(m->used, 8UL);
    pa = PHYS_BASE + m->used;
    memcpy(m->bytes + m->used, data, size);
    m->used += size;
    return pa;
}

static inline uint64_t phys_put_string(struct phys_memory *m, const char *s)
{
    return phys_put(m, s, strlen(s) + 1);
}
