/* SPDX-License-Identifier: MIT */
/*
 * The boot command line. Each file declares the options it owns; the linker gathers them in the
 * section `kr_options`, and option_parse_line() fills them in. Names and conventions are Xen's:
 * words `name=value` separated by spaces; a bare `name` means yes; `no-name`, `name=no` (off,
 * false, disable, 0) mean no; a later word wins; quotes keep spaces in a value; `--` ends our part.
 * `-` and `_` are the same in a name. Everything here runs once, early, on the boot CPU.
 */
#pragma once

#include <kr/types.h>

enum option_type { OPTION_TYPE_BOOL, OPTION_TYPE_UINT, OPTION_TYPE_STRING, OPTION_TYPE_CUSTOM };

struct option {
    const char *name;
    const char *help; /* one line; for a custom option the form of its value */
    void *target;
    int (*parse)(const char *value);
    uint64_t min, max; /* UINT */
    uint32_t size;     /* bytes of the target */
    uint8_t type;
    bool is_size; /* UINT: takes a size suffix */
};

#define OPTION_NAME_2(n) option_entry_##n
#define OPTION_NAME_1(n) OPTION_NAME_2(n)
#define OPTION_ENTRY(...)                                                     \
    static const struct option OPTION_NAME_1(__COUNTER__) __used __aligned(8) \
        __section("kr_options") = {__VA_ARGS__}

/* `variable`: bool. */
#define OPTION_BOOL(option_name, variable, help_text)                                        \
    _Static_assert(sizeof(variable) == sizeof(bool), "option " option_name " needs a bool"); \
    OPTION_ENTRY(.name = option_name, .help = help_text, .target = &(variable),              \
                 .size = sizeof(bool), .type = OPTION_TYPE_BOOL)

/* `variable`: an unsigned integer of any width that holds `maximum`. */
#define OPTION_UINT(option_name, variable, minimum, maximum, help_text)                           \
    OPTION_ENTRY(.name = option_name, .help = help_text, .target = &(variable), .min = (minimum), \
                 .max = (maximum), .size = sizeof(variable), .type = OPTION_TYPE_UINT)

/* `variable`: uint64_t or size_t, in bytes. Values are as option_parse_size() reads them. */
#define OPTION_SIZE(option_name, variable, help_text)                                              \
    _Static_assert(sizeof(variable) == 8, "option " option_name " needs 64 bits");                 \
    OPTION_ENTRY(.name = option_name, .help = help_text, .target = &(variable), .max = UINT64_MAX, \
                 .size = 8, .type = OPTION_TYPE_UINT, .is_size = true)

/* `buf`: char array; the value with its terminator must fit. */
#define OPTION_STRING(option_name, buf, help_text)                                             \
    OPTION_ENTRY(.name = option_name, .help = help_text, .target = (buf), .size = sizeof(buf), \
                 .type = OPTION_TYPE_STRING)

/*
 * `function`: int (const char *value), gets "" for a bare name and "no" for `no-name`; returns 0,
 * or negative for a value that it does not understand, in which case it must have changed nothing.
 * The value's text goes away after the call. `help_text` is the form of the value, shown as what
 * was expected: "<size>[,min:<size>]".
 */
#define OPTION_CUSTOM(option_name, function, help_text)                       \
    OPTION_ENTRY(.name = option_name, .help = help_text, .parse = (function), \
                 .type = OPTION_TYPE_CUSTOM)

/*
 * Applies every word of `line`. An unknown name or a malformed value is one warning in the log and
 * changes nothing. Returns what follows the word `--` (for dom0's command line), or NULL.
 */
const char *option_parse_line(const char *line);

/*
 * Readers of values. Each takes the text where a value starts, stores the value and where it ended,
 * and returns 0, -EINVAL (not such a value) or -ERANGE (does not fit 64 bits); on error it stores
 * nothing.
 */
/* Decimal, 0x hexadecimal or 0 octal. */
int option_parse_uint(const char *text, uint64_t *value, const char **end);
/* A number with B, K, M, G or T (either case) behind it; without one the unit is KiB, as Xen's. */
int option_parse_size(const char *text, uint64_t *bytes, const char **end);
/* yes on true enable 1 / no off false disable 0; the whole text. */
int option_parse_bool(const char *text, bool *value);
