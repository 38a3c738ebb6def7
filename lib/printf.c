/* SPDX-License-Identifier: MIT */
/*
 * Formatted output: a straight reading of the format, one conversion at a time, into a sink that
 * counts everything and stores what fits. Relies on nothing but lib/string.c.
 */
#include <kr/printf.h>
#include <kr/string.h>

struct sink {
    char *buf;
    size_t size;
    size_t length; /* of the full text, stored or not */
};

/* One conversion specification: flags, then what stands between them and the letter. */
struct spec {
    bool left, zero, alternate, plus, space;
    int width;
    int precision; /* negative: not given */
    char length;   /* 'H' hh, 'h', 'l' (also ll z t j: all 64 bits wide), or 0 */
};

static void sink_put(struct sink *out, char c)
{
    if (out->length + 1 < out->size)
        out->buf[out->length] = c;
    out->length++;
}

static void sink_fill(struct sink *out, char c, int count)
{
    while (count-- > 0)
        sink_put(out, c);
}

static void sink_write(struct sink *out, const char *s, int count)
{
    while (count-- > 0)
        sink_put(out, *s++);
}

/* `prefix` (sign or 0x), zeroes up to the precision, digits; all within the width. */
static void put_number(struct sink *out, const struct spec *spec, const char *prefix,
                       const char *digits, int digit_count)
{
    int prefix_length = strlen(prefix);
    int zeroes = MAX(spec->precision - digit_count, 0);
    int pad;

    if (spec->zero && !spec->left && spec->precision < 0)
        zeroes = MAX(spec->width - prefix_length - digit_count, 0);
    pad = spec->width - prefix_length - zeroes - digit_count;

    if (!spec->left)
        sink_fill(out, ' ', pad);
    sink_write(out, prefix, prefix_length);
    sink_fill(out, '0', zeroes);
    sink_write(out, digits, digit_count);
    if (spec->left)
        sink_fill(out, ' ', pad);
}

static void put_unsigned(struct sink *out, const struct spec *spec, const char *prefix,
                         uint64_t value, unsigned base, bool upper)
{
    const char *alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char digits[23]; /* 2^64 in octal has 22, and `#` puts a zero before them */
    int first = sizeof(digits);

    for (; value; value /= base)
        digits[--first] = alphabet[value % base];
    /* Zero is one digit, none with an explicit precision of 0; `%#o` always leads with a zero. */
    if (first == sizeof(digits) && (spec->precision || (base == 8 && spec->alternate)))
        digits[--first] = '0';
    else if (base == 8 && spec->alternate && digits[first] != '0' &&
             spec->precision <= (int)sizeof(digits) - first)
        digits[--first] = '0';
    put_number(out, spec, prefix, digits + first, sizeof(digits) - first);
}

static void put_signed(struct sink *out, const struct spec *spec, int64_t value)
{
    const char *sign = value < 0 ? "-" : spec->plus ? "+" : spec->space ? " " : "";
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    put_unsigned(out, spec, sign, magnitude, 10, false);
}

static void put_text(struct sink *out, const struct spec *spec, const char *s, int length)
{
    int pad = spec->width - length;

    if (!spec->left)
        sink_fill(out, ' ', pad);
    sink_write(out, s, length);
    if (spec->left)
        sink_fill(out, ' ', pad);
}

static void put_string(struct sink *out, const struct spec *spec, const char *s)
{
    if (!s)
        s = "(null)";
    put_text(out, spec, s, spec->precision < 0 ? strlen(s) : strnlen(s, spec->precision));
}

static uint64_t next_unsigned(char length, va_list *ap)
{
    switch (length) {
    case 'H': return (unsigned char)va_arg(*ap, unsigned);
    case 'h': return (unsigned short)va_arg(*ap, unsigned);
    case 'l': return va_arg(*ap, unsigned long);
    default: return va_arg(*ap, unsigned);
    }
}

static int64_t next_signed(char length, va_list *ap)
{
    switch (length) {
    case 'H': return (signed char)va_arg(*ap, int);
    case 'h': return (short)va_arg(*ap, int);
    case 'l': return va_arg(*ap, long);
    default: return va_arg(*ap, int);
    }
}

static bool parse_flag(struct spec *spec, char c)
{
    switch (c) {
    case '-': spec->left = true; return true;
    case '0': spec->zero = true; return true;
    case '#': spec->alternate = true; return true;
    case '+': spec->plus = true; return true;
    case ' ': spec->space = true; return true;
    default: return false;
    }
}

/* Digits or `*`; absent means 0. */
static int parse_count(const char **fmt, va_list *ap)
{
    int count = 0;

    if (**fmt == '*') {
        (*fmt)++;
        return va_arg(*ap, int);
    }
    for (; **fmt >= '0' && **fmt <= '9'; (*fmt)++)
        count = count * 10 + (**fmt - '0');
    return count;
}

static const char *parse_spec(struct spec *spec, const char *fmt, va_list *ap)
{
    *spec = (struct spec){.precision = -1};
    while (parse_flag(spec, *fmt))
        fmt++;
    spec->width = parse_count(&fmt, ap);
    if (spec->width < 0) {
        spec->left = true;
        spec->width = -spec->width;
    }
    if (*fmt == '.') {
        fmt++;
        spec->precision = parse_count(&fmt, ap);
    }
    for (; *fmt && strchr("hlztj", *fmt); fmt++)
        spec->length = *fmt != 'h' ? 'l' : spec->length == 'h' ? 'H' : 'h';
    return fmt;
}

/* Handles the conversion letter; an unknown one is shown as it stands. */
static void put_conversion(struct sink *out, struct spec *spec, char letter, va_list *ap)
{
    uint64_t value;

    switch (letter) {
    case 'd':
    case 'i': put_signed(out, spec, next_signed(spec->length, ap)); break;
    case 'u': put_unsigned(out, spec, "", next_unsigned(spec->length, ap), 10, false); break;
    case 'o': put_unsigned(out, spec, "", next_unsigned(spec->length, ap), 8, false); break;
    case 'x':
    case 'X':
        value = next_unsigned(spec->length, ap);
        put_unsigned(out, spec,
                     !spec->alternate || !value ? ""
                     : letter == 'x'            ? "0x"
                                                : "0X",
                     value, 16, letter == 'X');
        break;
    case 'p': put_unsigned(out, spec, "0x", (uintptr_t)va_arg(*ap, void *), 16, false); break;
    case 'c': put_text(out, spec, (const char[1]){(char)va_arg(*ap, int)}, 1); break;
    case 's': put_string(out, spec, va_arg(*ap, const char *)); break;
    case '%': sink_put(out, '%'); break;
    default:
        sink_put(out, '%');
        sink_put(out, letter);
        break;
    }
}

int kr_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
    struct sink out = {.buf = buf, .size = size};
    va_list args;

    va_copy(args, ap);
    while (*fmt) {
        struct spec spec;

        if (*fmt != '%') {
            sink_put(&out, *fmt++);
            continue;
        }
        fmt = parse_spec(&spec, fmt + 1, &args);
        if (!*fmt)
            break;
        put_conversion(&out, &spec, *fmt++, &args);
    }
    va_end(args);

    if (size)
        buf[MIN(out.length, size - 1)] = '\0';
    return out.length;
}

int kr_snprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    int length;

    va_start(ap, fmt);
    length = kr_vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return length;
}
