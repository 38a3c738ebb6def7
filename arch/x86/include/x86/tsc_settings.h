/* SPDX-License-Identifier: MIT */
/* Which of the toolstack's wishes about a domain's TSC can be met. Pure. */
#pragma once

#include <kr/types.h>

/* tsc_mode of xl.cfg(5) and of domctl; the public headers do not name the values. */
enum tsc_mode {
    TSC_MODE_DEFAULT = 0,
    TSC_MODE_ALWAYS_EMULATE = 1,
    TSC_MODE_NEVER_EMULATE = 2,
};

/* `guest_khz` 0: any. -EINVAL: no such mode; -EOPNOTSUPP: it would take emulation. */
int tsc_settings_check(uint32_t mode, uint32_t guest_khz, uint32_t host_khz);
