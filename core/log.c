/* SPDX-License-Identifier: MIT */
/* The log: which messages are shown and how they look. console.c puts them on ring and devices. */
#include <kr/console.h>
#include <kr/domain.h>
#include <kr/errno.h>
#include <kr/log.h>
#include <kr/option.h>
#include <kr/printf.h>
#include <kr/string.h>
#include <kr/time.h>

#define LINE_SIZE        512
#define RATE_BURST       10
#define RATE_INTERVAL_NS (5 * NS_PER_SEC)

/* Levels below `always` are shown, those below `limited` at a limited rate, others not. */
struct threshold {
    unsigned always, limited;
};

static struct threshold own_level = {LOG_INFO + 1, LOG_INFO + 1};
static struct threshold guest_level = {0, LOG_WARNING + 1};
static bool show_time;

/* One name of a level; returns where it ended, or NULL. */
static const char *parse_level(const char *text, unsigned *level)
{
    static const struct {
        const char *name;
        unsigned level;
    } names[] = {{"none", 0},
                 {"error", LOG_ERROR + 1},
                 {"warning", LOG_WARNING + 1},
                 {"info", LOG_INFO + 1},
                 {"debug", LOG_DEBUG + 1},
                 {"all", LOG_DEBUG + 1}};

    for (int i = 0; i < ARRAY_SIZE(names); i++) {
        size_t length = strlen(names[i].name);

        if (!strncmp(text, names[i].name, length) && (!text[length] || text[length] == '/')) {
            *level = names[i].level;
            return text + length;
        }
    }
    return NULL;
}

static int parse_threshold(const char *value, struct threshold *threshold)
{
    struct threshold t;
    const char *p = parse_level(value, &t.always);

    if (!p)
        return -EINVAL;
    t.limited = t.always;
    if (*p == '/') {
        p = parse_level(p + 1, &t.limited);
        if (!p || *p)
            return -EINVAL;
    }
    t.limited = MAX(t.limited, t.always);
    *threshold = t;
    return 0;
}

static int parse_loglvl(const char *value)
{
    return parse_threshold(value, &own_level);
}
OPTION_CUSTOM("loglvl", parse_loglvl, "<none|error|warning|info|debug|all>[/<rate-limited level>]");

static int parse_guest_loglvl(const char *value)
{
    return parse_threshold(value, &guest_level);
}
OPTION_CUSTOM("guest_loglvl", parse_guest_loglvl,
              "<none|error|warning|info|debug|all>[/<rate-limited level>]");

static int parse_timestamps(const char *value)
{
    bool wanted;

    if (!strcmp(value, "boot"))
        wanted = true;
    else if (!strcmp(value, "none"))
        wanted = false;
    else if (option_parse_bool(*value ? value : "yes", &wanted))
        return -EINVAL;
    show_time = wanted;
    return 0;
}
OPTION_CUSTOM("console_timestamps", parse_timestamps, "none|boot");

/* `(XEN) ` or `(XEN) [   12.345678] `; returns its length. */
static size_t put_prefix(char *line)
{
    uint64_t now_us;

    if (!show_time)
        return kr_snprintf(line, LINE_SIZE, "(XEN) ");
    now_us = arch_time_ns() / NS_PER_US;
    return kr_snprintf(line, LINE_SIZE, "(XEN) [%5lu.%06lu] ", (unsigned long)(now_us / 1000000),
                       (unsigned long)(now_us % 1000000));
}

/* `length`: of what stands in the line already. */
static void put_line(char *line, size_t length, const char *fmt, va_list ap)
{
    length += kr_vsnprintf(line + length, LINE_SIZE - length, fmt, ap);
    length = MIN(length, LINE_SIZE - 2);
    line[length++] = '\n';
    console_write(line, length);
}

/* At most RATE_BURST messages per interval; afterwards says how many were lost. */
static bool rate_allows(void)
{
    static uint64_t interval_start_ns;
    static unsigned shown, dropped;
    unsigned long flags = console_lock();
    uint64_t now_ns = arch_time_ns();
    unsigned lost = 0;
    bool allowed;

    if (now_ns - interval_start_ns >= RATE_INTERVAL_NS) {
        interval_start_ns = now_ns;
        shown = 0;
        lost = dropped;
        dropped = 0;
    }
    allowed = shown < RATE_BURST;
    if (allowed)
        shown++;
    else
        dropped++;
    console_unlock(flags);

    if (lost)
        log_always("%u messages were suppressed", lost);
    return allowed;
}

static bool level_is_shown(const struct threshold *threshold, enum log_level level)
{
    return level < threshold->always || (level < threshold->limited && rate_allows());
}

void log_print(enum log_level level, const char *fmt, ...)
{
    char line[LINE_SIZE];
    va_list ap;

    if (!level_is_shown(&own_level, level))
        return;
    va_start(ap, fmt);
    put_line(line, put_prefix(line), fmt, ap);
    va_end(ap);
}

void log_always(const char *fmt, ...)
{
    char line[LINE_SIZE];
    va_list ap;

    va_start(ap, fmt);
    put_line(line, put_prefix(line), fmt, ap);
    va_end(ap);
}

void log_guest(enum log_level level, const struct domain *d, const char *fmt, ...)
{
    char line[LINE_SIZE];
    size_t length;
    va_list ap;

    if (!level_is_shown(&guest_level, level))
        return;
    length = put_prefix(line);
    if (d)
        length += kr_snprintf(line + length, LINE_SIZE - length, "d%u: ", d->id);
    va_start(ap, fmt);
    put_line(line, length, fmt, ap);
    va_end(ap);
}
