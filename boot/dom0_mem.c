/* SPDX-License-Identifier: MIT */
/* Reads `dom0_mem=` and works out how many pages dom0 gets. Pure: relies on core/option.c only. */
#include <kr/dom0_mem.h>
#include <kr/errno.h>
#include <kr/option.h>
#include <kr/printf.h>
#include <kr/string.h>

#define RESERVE_PAGES_MAX (128 * MIB / PAGE_SIZE)

static struct dom0_mem requested;

static int parse_requested(const char *value)
{
    return dom0_mem_parse(&requested, value);
}

OPTION_CUSTOM("dom0_mem", parse_requested, "<size>[,min:<size>][,max:<size>]");

const struct dom0_mem *dom0_mem_requested(void)
{
    return &requested;
}

/* `[-]<size>`, `<percent>%` or `[-]<size>+<percent>%`; a number before `%` is a percentage. */
static int parse_amount(const char **text, struct dom0_mem_amount *amount)
{
    struct dom0_mem_amount a = {.is_given = true, .is_negative = **text == '-'};
    const char *start = *text + a.is_negative, *p;
    uint64_t percent = 0;
    int rc = option_parse_uint(start, &percent, &p);

    if (!rc && *p == '%' && !a.is_negative) {
        start = p + 1;
    } else {
        rc = option_parse_size(start, &a.bytes, &start);
        percent = 0;
        if (!rc && *start == '+') {
            rc = option_parse_uint(start + 1, &percent, &p);
            if (!rc && *p != '%')
                rc = -EINVAL;
            start = p + 1;
        }
    }
    if (rc)
        return rc;
    if (percent > 100)
        return -ERANGE;
    a.percent = percent;
    *amount = a;
    *text = start;
    return 0;
}

int dom0_mem_parse(struct dom0_mem *mem, const char *text)
{
    struct dom0_mem m = {0};

    for (;; text++) {
        struct dom0_mem_amount *amount = &m.size;
        int rc;

        if (!strncmp(text, "min:", 4)) {
            amount = &m.min;
            text += 4;
        } else if (!strncmp(text, "max:", 4)) {
            amount = &m.max;
            text += 4;
        }
        rc = parse_amount(&text, amount);
        if (rc)
            return rc;
        if (!*text)
            break;
        if (*text != ',')
            return -EINVAL;
    }
    *mem = m;
    return 0;
}

static uint64_t amount_pages(const struct dom0_mem_amount *a, uint64_t total_pages,
                             uint64_t free_pages)
{
    uint64_t pages = a->bytes >> PAGE_SHIFT;
    uint64_t share = total_pages * a->percent / 100;

    if (a->is_negative)
        return free_pages > pages ? MIN(free_pages - pages + share, free_pages) : share;
    return pages + share;
}

static unsigned long to_mib(uint64_t pages)
{
    return pages >> (20 - PAGE_SHIFT);
}

int dom0_mem_resolve(const struct dom0_mem *mem, uint64_t total_pages, uint64_t free_pages,
                     struct dom0_mem_pages *pages, char *why, size_t why_size)
{
    uint64_t reserve = MIN(free_pages / 16, RESERVE_PAGES_MAX);
    uint64_t min = mem->min.is_given ? amount_pages(&mem->min, total_pages, free_pages) : 0;
    uint64_t max =
        mem->max.is_given ? amount_pages(&mem->max, total_pages, free_pages) : UINT64_MAX;
    uint64_t now = mem->size.is_given ? amount_pages(&mem->size, total_pages, free_pages)
                                      : free_pages - reserve;

    if (min > max) {
        kr_snprintf(why, why_size, "dom0_mem: min (%lu MiB) is above max (%lu MiB)", to_mib(min),
                    to_mib(max));
        return -EINVAL;
    }
    now = MIN(MAX(now, min), max);
    if (!now) {
        kr_snprintf(why, why_size, "dom0_mem leaves nothing for dom0: %lu MiB are free of %lu MiB",
                    to_mib(free_pages), to_mib(total_pages));
        return -EINVAL;
    }
    if (now > free_pages) {
        kr_snprintf(why, why_size,
                    "dom0_mem asks for %lu MiB, but only %lu MiB are free of %lu MiB", to_mib(now),
                    to_mib(free_pages), to_mib(total_pages));
        return -ENOMEM;
    }
    pages->now = now;
    pages->max = max;
    return 0;
}
