/* SPDX-License-Identifier: MIT */
/* SOURCES: boot/dom0_mem.c core/option.c lib/printf.c lib/string.c tests/unit/fake/log.c */
/* FLAGS: -max_len=96 */
/*
 * The value of `dom0_mem=` on a machine of any size: what is accepted resolves to pages that the
 * machine has, between the limits, or to a refusal with a reason.
 * Input: u32 pages of RAM, u32 free pages, the text.
 */
#include "fuzz.h"
#include <kr/dom0_mem.h>

static void check_parse_error(const char *text, const struct dom0_mem *mem)
{
    struct dom0_mem untouched = {0};

    FUZZ_CHECK(memcmp(mem, &untouched, sizeof(untouched)) == 0);
    FUZZ_CHECK(text != NULL);
}

static void check_resolved(const struct dom0_mem *mem, uint64_t total, uint64_t free)
{
    struct dom0_mem_pages pages = {1, 2};
    char why[64] = "";
    int rc = dom0_mem_resolve(mem, total, free, &pages, why, sizeof(why));

    if (rc) {
        FUZZ_CHECK(rc < 0 && *why && pages.now == 1 && pages.max == 2);
        FUZZ_CHECK_TEXT(why);
        return;
    }
    FUZZ_CHECK(pages.now > 0 && pages.now <= free && pages.now <= pages.max);
    FUZZ_CHECK(mem->max.is_given || pages.max == UINT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    uint64_t total = fuzz_u32(&in), free_pages = fuzz_u32(&in);
    char *text = fuzz_text(in.next, in.left);
    struct dom0_mem mem = {0};

    if (dom0_mem_parse(&mem, text))
        check_parse_error(text, &mem);
    else
        FUZZ_CHECK(mem.size.percent <= 100 && mem.min.percent <= 100 && mem.max.percent <= 100);
    check_resolved(&mem, total, MIN(free_pages, total));
    free(text);
    return 0;
}
