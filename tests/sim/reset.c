/* SPDX-License-Identifier: MIT */
/*
 * The state of the hypervisor's files between two runs in one process. The build puts their data
 * into the sections kr_data and kr_bss (tests/sim/sim.mk), so that it can be kept and put back
 * without any of them knowing. AddressSanitizer sees gaps between variables as forbidden: the
 * copies here are not looked at.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

extern char __start_kr_data[], __stop_kr_data[], __start_kr_bss[], __stop_kr_bss[];

static char *kept;

__attribute__((no_sanitize("address"))) static void copy_words(void *dst, const void *src,
                                                               size_t size_bytes)
{
    volatile uint64_t *to = dst;
    const volatile uint64_t *from = src;

    for (size_t i = 0; i < size_bytes / sizeof(*to); i++)
        to[i] = from ? from[i] : 0;
}

/* Sections begin and end at multiples of 8: their largest members are words. */
static size_t words_bytes(const char *start, const char *stop)
{
    return ALIGN_UP((size_t)(stop - start), sizeof(uint64_t));
}

void reset_prepare(void)
{
    size_t bytes = words_bytes(__start_kr_data, __stop_kr_data);

    kept = malloc(bytes);
    if (!kept)
        abort();
    copy_words(kept, __start_kr_data, bytes);
}

/* The counters of coverage are data of the files, too: they go to disk first. */
#ifdef COUNTS_COVERAGE
void __gcov_dump(void);
void __gcov_reset(void);

void counters_keep(void)
{
    __gcov_dump();
    __gcov_reset();
}
#else
void counters_keep(void)
{
}
#endif

void reset_all(void)
{
    counters_keep();
    copy_words(__start_kr_data, kept, words_bytes(__start_kr_data, __stop_kr_data));
    copy_words(__start_kr_bss, NULL, words_bytes(__start_kr_bss, __stop_kr_bss));
}
