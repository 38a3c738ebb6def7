/* SPDX-License-Identifier: MIT */
/*
 * The boot command line: cuts it into words, finds the option that each names and stores its value.
 * Relies on the linker's `__start_kr_options` and `__stop_kr_options` around the declared options.
 */
#include <kr/errno.h>
#include <kr/log.h>
#include <kr/option.h>
#include <kr/string.h>

#define WORD_SIZE 256

extern const struct option __start_kr_options[], __stop_kr_options[];

int option_parse_uint(const char *text, uint64_t *value, const char **end)
{
    const char *p = text;
    unsigned base = 10;
    uint64_t number = 0;

    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
        base = 16;
        p += 2;
        text = p;
    } else if (p[0] == '0') {
        base = 8;
    }
    for (;; p++) {
        char lower = *p | 0x20;
        unsigned digit = *p >= '0' && *p <= '9'         ? (unsigned)(*p - '0')
                         : lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a' + 10)
                                                        : base;

        if (digit >= base)
            break;
        if (__builtin_mul_overflow(number, base, &number) ||
            __builtin_add_overflow(number, digit, &number))
            return -ERANGE;
    }
    if (p == text)
        return -EINVAL;
    *value = number;
    *end = p;
    return 0;
}

int option_parse_size(const char *text, uint64_t *bytes, const char **end)
{
    unsigned shift = 10;
    uint64_t number;
    const char *p;
    int rc = option_parse_uint(text, &number, &p);

    if (rc)
        return rc;
    switch (*p) {
    case 'b':
    case 'B': shift = 0; break;
    case 'k':
    case 'K': shift = 10; break;
    case 'm':
    case 'M': shift = 20; break;
    case 'g':
    case 'G': shift = 30; break;
    case 't':
    case 'T': shift = 40; break;
    default: p--; break;
    }
    if (number > UINT64_MAX >> shift)
        return -ERANGE;
    *bytes = number << shift;
    *end = p + 1;
    return 0;
}

int option_parse_bool(const char *text, bool *value)
{
    static const char *const words[2][5] = {{"no", "off", "false", "disable", "0"},
                                            {"yes", "on", "true", "enable", "1"}};

    for (int truth = 0; truth < 2; truth++) {
        for (int i = 0; i < ARRAY_SIZE(words[truth]); i++) {
            if (!strcmp(text, words[truth][i])) {
                *value = truth;
                return 0;
            }
        }
    }
    return -EINVAL;
}

static void store_uint(const struct option *option, uint64_t value)
{
    switch (option->size) {
    case 1: *(uint8_t *)option->target = value; break;
    case 2: *(uint16_t *)option->target = value; break;
    case 4: *(uint32_t *)option->target = value; break;
    default: *(uint64_t *)option->target = value; break;
    }
}

static int apply_uint(const struct option *option, const char *text)
{
    const char *end;
    uint64_t value;
    int rc = option->is_size ? option_parse_size(text, &value, &end)
                             : option_parse_uint(text, &value, &end);

    if (rc)
        return rc;
    if (*end)
        return -EINVAL;
    if (value < option->min || value > option->max)
        return -ERANGE;
    store_uint(option, value);
    return 0;
}

/* `value` is NULL for a bare name. */
static int option_apply(const struct option *option, const char *value, bool negated)
{
    if (negated && value)
        return -EINVAL;
    switch (option->type) {
    case OPTION_TYPE_BOOL:
        if (value)
            return option_parse_bool(value, option->target);
        *(bool *)option->target = !negated;
        return 0;
    case OPTION_TYPE_UINT: return value ? apply_uint(option, value) : -EINVAL;
    case OPTION_TYPE_STRING:
        if (!value || strlen(value) >= option->size)
            return -EINVAL;
        kr_strlcpy(option->target, value, option->size);
        return 0;
    default: return option->parse(negated ? "no" : value ? value : "");
    }
}

static void warn_malformed(const struct option *option, const char *word)
{
    const char *name = option->name;

    switch (option->type) {
    case OPTION_TYPE_BOOL: log_warning("option `%s`: %s is yes or no; ignored", word, name); break;
    case OPTION_TYPE_UINT:
        if (option->is_size)
            log_warning("option `%s`: %s is a size such as 512M or 4G; ignored", word, name);
        else
            log_warning("option `%s`: %s is a number from %lu to %lu; ignored", word, name,
                        (unsigned long)option->min, (unsigned long)option->max);
        break;
    case OPTION_TYPE_STRING:
        log_warning("option `%s`: %s is a text of up to %u characters; ignored", word, name,
                    option->size - 1);
        break;
    default: log_warning("option `%s`: expected %s=%s; ignored", word, name, option->help); break;
    }
}

static char fold(char c)
{
    return c == '_' ? '-' : c;
}

static bool name_matches(const char *name, const char *text, size_t length)
{
    for (; length && *name; length--, name++, text++) {
        if (fold(*name) != fold(*text))
            return false;
    }
    return !length && !*name;
}

static const struct option *option_find(const char *text, size_t length)
{
    for (const struct option *o = __start_kr_options; o < __stop_kr_options; o++) {
        if (name_matches(o->name, text, length))
            return o;
    }
    return NULL;
}

static void apply_word(const char *word)
{
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const struct option *option = option_find(word, length);
    bool negated = false;

    if (!option && length > 3 && (!strncmp(word, "no-", 3) || !strncmp(word, "no_", 3))) {
        option = option_find(word + 3, length - 3);
        negated = true;
    }
    if (!option)
        log_warning("unknown option `%s`: ignored", word);
    else if (option_apply(option, equals ? equals + 1 : NULL, negated))
        warn_malformed(option, word);
}

/*
 * Copies the next word without its quotes and returns where it ended. `*length` is the whole
 * word's, which may exceed what was stored.
 */
static const char *next_word(const char *p, char *word, size_t *length)
{
    char quote = '\0';
    size_t n = 0;

    for (; *p && (quote || (*p != ' ' && *p != '\t' && *p != '\n' && *p != '\r')); p++) {
        if (quote ? *p == quote : *p == '"' || *p == '\'') {
            quote = quote ? '\0' : *p;
            continue;
        }
        if (n < WORD_SIZE - 1)
            word[n] = *p;
        n++;
    }
    word[MIN(n, WORD_SIZE - 1)] = '\0';
    *length = n;
    return p;
}

const char *option_parse_line(const char *line)
{
    char word[WORD_SIZE];
    size_t length;

    for (;;) {
        while (*line == ' ' || *line == '\t' || *line == '\n' || *line == '\r')
            line++;
        if (!*line)
            return NULL;
        line = next_word(line, word, &length);
        if (!strcmp(word, "--"))
            return line + (*line == ' ');
        if (length >= WORD_SIZE)
            log_warning("option `%.40s...`: longer than %d characters; ignored", word,
                        WORD_SIZE - 1);
        else if (length)
            apply_word(word);
    }
}
