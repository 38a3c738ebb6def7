/* SPDX-License-Identifier: MIT */
/* The collecting log of the unit tests, see log.h. */
#include "../unit.h"
#include "log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char fake_log[8192];

void fake_log_reset(void)
{
    fake_log[0] = '\0';
}

int fake_log_lines(void)
{
    int lines = 0;

    for (const char *p = fake_log; (p = strchr(p, '\n')); p++)
        lines++;
    return lines;
}

static void append(const char *fmt, va_list ap)
{
    size_t length = strlen(fake_log);

    vsnprintf(fake_log + length, sizeof(fake_log) - length, fmt, ap);
    length = strlen(fake_log);
    snprintf(fake_log + length, sizeof(fake_log) - length, "\n");
}

void log_print(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    append(fmt, ap);
    va_end(ap);
}

void log_always(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    append(fmt, ap);
    va_end(ap);
}

void log_guest(enum log_level level, const struct domain *d, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    append(fmt, ap);
    va_end(ap);
}

void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    append(fmt, ap);
    va_end(ap);
    mock_assert(0, "panic", __FILE__, __LINE__);
    abort();
}

void boot_refuse(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    append(fmt, ap);
    va_end(ap);
    mock_assert(0, "boot_refuse", __FILE__, __LINE__);
    abort();
}

void assert_fail(const char *expr, const char *file, int line, const char *func)
{
    mock_assert(0, expr, file, line);
    abort();
}
