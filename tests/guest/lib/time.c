/* SPDX-License-Identifier: MIT */
/* System time by the pvclock protocol (xen/xen.h, struct vcpu_time_info). */
#include "guest.h"

uint64_t time_read(const struct vcpu_time_info *t)
{
    const volatile struct vcpu_time_info *v = t;
    uint32_t version;
    uint64_t time_ns;

    do {
        version = v->version;
        __asm__ volatile("" ::: "memory");
        uint64_t delta = tsc_read() - v->tsc_timestamp;

        delta = v->tsc_shift >= 0 ? delta << v->tsc_shift : delta >> -v->tsc_shift;
        time_ns =
            v->system_time + (uint64_t)((unsigned __int128)delta * v->tsc_to_system_mul >> 32);
        __asm__ volatile("" ::: "memory");
    } while ((version & 1) || version != v->version);
    return time_ns;
}

uint64_t time_now(void)
{
    return time_read(&vcpu_info_self()->time);
}
