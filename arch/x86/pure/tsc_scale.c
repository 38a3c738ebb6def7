/* SPDX-License-Identifier: MIT */
/* TSC ticks to nanoseconds, as guests compute it too (xen/xen.h, struct vcpu_time_info). */
#include <kr/time.h>
#include <x86/time.h>

struct tsc_scale tsc_scale_for(uint64_t hz)
{
    struct tsc_scale s = {0};

    /* Bring hz into (per_sec, 2 * per_sec], so that mul uses all its 32 bits. */
    while (hz > 2 * NS_PER_SEC) {
        hz >>= 1;
        s.shift--;
    }
    while (hz <= NS_PER_SEC) {
        hz <<= 1;
        s.shift++;
    }
    s.mul = (NS_PER_SEC << 32) / hz;
    return s;
}

uint64_t tsc_to_ns(uint64_t ticks, const struct tsc_scale *scale)
{
    ticks = scale->shift < 0 ? ticks >> -scale->shift : ticks << scale->shift;
    return (unsigned __int128)ticks * scale->mul >> 32;
}
