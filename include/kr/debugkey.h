/* SPDX-License-Identifier: MIT */
/*
 * Debug keys: single letters on the console (after Ctrl-A three times) or from `xl debug-keys` that
 * print something or act. Each is declared by the file that owns it; the linker gathers them.
 */
#pragma once

#include <kr/log.h>
#include <kr/types.h>

struct debugkey {
    char key;
    const char *help;
    /* Runs without locks, interrupts off. Prints with log_always(). */
    void (*handle)(void);
};

#define DEBUGKEY_NAME_2(n) debugkey_entry_##n
#define DEBUGKEY_NAME_1(n) DEBUGKEY_NAME_2(n)
/* A letter may be declared once in the whole hypervisor. */
#define DEBUGKEY(letter, help_text, function)                                     \
    static const struct debugkey DEBUGKEY_NAME_1(__COUNTER__) __used __aligned(8) \
        __section("kr_debugkeys") = {(letter), (help_text), (function)}

/* Does what the key says; an unknown one is one line that says so. */
void debugkey_handle(char key);
