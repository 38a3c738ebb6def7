/* SPDX-License-Identifier: MIT */
/* The way through one of the three parsers of what a loader passes. */
#include "boot_check.h"
#include "../unit/phys_memory.h"

void fuzz_boot_parser(boot_parser *parse, const uint8_t *data, size_t size)
{
    static struct boot_info info;
    struct fuzz_input in = {data, size};
    struct boot_error why = {""};
    uint16_t at = fuzz_u16(&in);
    struct phys_memory m = {.window.map = phys_map, .size = in.left, .used = in.left};
    int err;

    m.bytes = fuzz_exact(in.next, in.left);
    err = parse(&info, &m.window, PHYS_BASE + at, &why);
    phys_free(&m); /* everything must have been copied out */
    FUZZ_CHECK(err <= 0);
    FUZZ_CHECK((err != 0) == (why.text[0] != '\0'));
    FUZZ_CHECK_TEXT(why.text);
    if (!err)
        check_boot_info(&info);
}
