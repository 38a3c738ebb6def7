/* SPDX-License-Identifier: MIT */
/*
 * How much memory dom0 gets: the `dom0_mem=` option with Xen's meaning (docs of Xen's command
 * line): a list of `<amount>`, `min:<amount>` and `max:<amount>`, where an amount is `<size>`,
 * `<percent>%` or `<size>+<percent>%`; a negative size is taken off what is available; the
 * percentage is of all memory. Pure.
 */
#pragma once

#include <kr/types.h>

struct dom0_mem_amount {
    bool is_given;
    bool is_negative;
    uint64_t bytes;
    unsigned percent;
};

struct dom0_mem {
    struct dom0_mem_amount size, min, max;
};

struct dom0_mem_pages {
    uint64_t now; /* to allocate for dom0 at start */
    uint64_t max; /* its limit (domain's max_pages); UINT64_MAX when `max:` is not given */
};

/* Reads the option's value into `*mem`. -EINVAL or -ERANGE for a malformed one, `*mem` untouched.
 */
int dom0_mem_parse(struct dom0_mem *mem, const char *text) __must_check;

/*
 * Turns the request into page counts. `total_pages`: all RAM; `free_pages`: what may go to dom0.
 * Without a size dom0 gets all that is free but a reserve (1/16, at most 128 MiB). The result lies
 * between `min` and `max`. -ENOMEM or -EINVAL when that cannot be had: then `why` holds one line
 * that says what was asked for and what there is.
 */
int dom0_mem_resolve(const struct dom0_mem *mem, uint64_t total_pages, uint64_t free_pages,
                     struct dom0_mem_pages *pages, char *why, size_t why_size) __must_check;

/* What the command line asked for; nothing given when it did not. */
const struct dom0_mem *dom0_mem_requested(void);
