/* SPDX-License-Identifier: MIT */
/* Checks the toolstack's wishes about a domain's TSC (x86/tsc_settings.h). */
#include <kr/errno.h>
#include <x86/tsc_settings.h>

/* Two measurements of one machine's frequency differ by so little: 1/1000. */
#define SAME_KHZ_PARTS 1000

static bool is_same_frequency(uint32_t a, uint32_t b)
{
    return (a > b ? a - b : b - a) <= b / SAME_KHZ_PARTS;
}

int tsc_settings_check(uint32_t mode, uint32_t guest_khz, uint32_t host_khz)
{
    switch (mode) {
    case TSC_MODE_DEFAULT:
        return guest_khz == 0 || is_same_frequency(guest_khz, host_khz) ? 0 : -EOPNOTSUPP;
    case TSC_MODE_NEVER_EMULATE: return 0;
    case TSC_MODE_ALWAYS_EMULATE: return -EOPNOTSUPP;
    default: return -EINVAL;
    }
}
