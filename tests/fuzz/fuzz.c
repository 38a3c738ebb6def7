/* SPDX-License-Identifier: MIT */
/* Linked into every fuzz target: how a failure ends. */
#include "fuzz.h"
#include <stdio.h>

void fuzz_fail(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

/* The fakes of the unit tests end a panic or a failed assertion here, in cmocka's place. */
void mock_assert(const int result, const char *const expression, const char *const file,
                 const int line)
{
    if (!result)
        fuzz_fail(expression, file, line);
}
