/* SPDX-License-Identifier: MIT */
/* The table of debug keys: finds the one asked for. Owns the help page and the reboot key. */
#include <kr/arch.h>
#include <kr/debugkey.h>

extern const struct debugkey __start_kr_debugkeys[], __stop_kr_debugkeys[];

static const struct debugkey *debugkey_find(char key)
{
    for (const struct debugkey *k = __start_kr_debugkeys; k < __stop_kr_debugkeys; k++) {
        if (k->key == key)
            return k;
    }
    return NULL;
}

static bool is_printable(char key)
{
    return key > ' ' && key < 0x7f;
}

void debugkey_handle(char key)
{
    const struct debugkey *k = debugkey_find(key);

    if (k) {
        log_always("'%c' pressed -> %s", key, k->help);
        k->handle();
    } else if (is_printable(key)) {
        log_always("'%c' pressed: no such debug key, 'h' lists them", key);
    }
}

static void show_help(void)
{
    for (char key = ' '; key < 0x7f; key++) {
        const struct debugkey *k = debugkey_find(key);

        if (k)
            log_always(" key '%c' => %s", key, k->help);
    }
}
DEBUGKEY('h', "show this message", show_help);

static void reboot(void)
{
    log_always("Resetting the machine");
    arch_machine_reboot();
}
DEBUGKEY('R', "reboot machine", reboot);
