/* SPDX-License-Identifier: MIT */
/* Standard memory and string functions (C11 7.24). Freestanding builds link lib/string.c. */
#pragma once

#if __STDC_HOSTED__
#include <string.h>
#else
#include <kr/types.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t size_bytes);
void *memmove(void *dst, const void *src, size_t size_bytes);
void *memset(void *dst, int value, size_t size_bytes);
int memcmp(const void *a, const void *b, size_t size_bytes);
void *memchr(const void *s, int c, size_t size_bytes);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *haystack, const char *needle);
#endif

/* Copies at most size - 1 bytes and always terminates. Returns strlen(src), so >= size means cut.
 */
size_t kr_strlcpy(char *dst, const char *src, size_t size);
