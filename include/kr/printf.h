/* SPDX-License-Identifier: MIT */
/*
 * Formatted output: the subset of C's printf that the hypervisor uses
 * (%d %i %u %x %X %o %c %s %p %%, flags - 0 # + space, width, precision, '*', hh h l ll z t j).
 * Returns the length the full text would have, as C does; never writes past size, always terminates
 * when size > 0.
 */
#pragma once

#include <kr/types.h>
#include <stdarg.h>

int kr_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) __printf(3, 0);
int kr_snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
