/* SPDX-License-Identifier: MIT */
/* The lock of the control calls, the ABI's bitmaps, and the description of a domain. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/memory.h>
#include <kr/string.h>

#include <xen/vcpu.h>

#include "control.h"

static struct spinlock control_lock = SPINLOCK_INIT(LOCK_RANK_CONTROL);

bool control_enter(void)
{
    return spin_try_lock(&control_lock);
}

void control_leave(void)
{
    spin_unlock(&control_lock);
}

int control_bitmap_read(uint64_t *bits, unsigned bit_count, const struct xenctl_bitmap *map)
{
    unsigned count = MIN(bit_count, map->nr_bits);

    memset(bits, 0, DIV_ROUND_UP(bit_count, 64) * sizeof(*bits));
    if (arch_guest_read(bits, guest_handle(map->bitmap), DIV_ROUND_UP(count, 8)))
        return -EFAULT;
    if (count % 64)
        bits[count / 64] &= BIT(count % 64) - 1;
    return 0;
}

int control_bitmap_write(const struct xenctl_bitmap *map, const uint64_t *bits, unsigned bit_count)
{
    for (unsigned i = 0; i < DIV_ROUND_UP(map->nr_bits, 8); i++) {
        unsigned present = MIN(map->nr_bits, bit_count);
        uint8_t byte = 0;

        for (unsigned bit = i * 8; bit < MIN(i * 8 + 8, present); bit++)
            byte |= (bits[bit / 64] >> (bit % 64) & 1) << (bit % 8);
        if (guest_write_at(guest_handle(map->bitmap), i, &byte))
            return -EFAULT;
    }
    return 0;
}

static void describe_vcpus(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    bool any_running = false, any_awake = false;
    struct vcpu *v;
    unsigned i;

    info->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
    domain_for_each_vcpu(d, v, i)
    {
        struct vcpu_runstate runstate;

        vcpu_runstate_get(v, &runstate);
        info->max_vcpu_id = i;
        info->cpu_time += runstate.time_ns[RUNSTATE_running];
        if (v->sched.stop & VCPU_STOP_DOWN)
            continue;
        info->nr_online_vcpus++;
        any_running |= v->sched.running;
        any_awake |= !(v->sched.stop & VCPU_STOP_BLOCKED);
    }
    info->flags |= any_running ? XEN_DOMINF_running : 0;
    info->flags |= info->nr_online_vcpus > 0 && !any_awake ? XEN_DOMINF_blocked : 0;
}

void control_domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    memset(info, 0, sizeof(*info));
    info->domain = d->id;
    describe_vcpus(d, info);
    spin_lock(&d->lock);
    if (d->is_dying)
        info->flags |= XEN_DOMINF_dying;
    if (d->is_shutdown)
        info->flags |= XEN_DOMINF_shutdown;
    info->flags |= (d->is_shutdown || d->has_shutdown_code ? (uint32_t)d->shutdown_reason
                                                           : XEN_DOMINF_shutdownmask)
                   << XEN_DOMINF_shutdownshift;
    if (d->control_pause_count > 0)
        info->flags |= XEN_DOMINF_paused;
    if (d->create_flags & XEN_DOMCTL_CDF_hvm)
        info->flags |= XEN_DOMINF_hvm_guest;
    if (d->create_flags & XEN_DOMCTL_CDF_hap)
        info->flags |= XEN_DOMINF_hap;
    if (d->create_flags & XEN_DOMCTL_CDF_xs_domain)
        info->flags |= XEN_DOMINF_xs_domain;
    memcpy(info->handle, d->handle, sizeof(info->handle));
    spin_unlock(&d->lock);

    spin_lock(&d->memory.lock);
    info->tot_pages = d->memory.page_count + d->memory.dying_count;
    info->max_pages = MIN(d->memory.max_page_count, (uint64_t)UINT32_MAX);
    spin_unlock(&d->memory.lock);
    info->outstanding_pages = memory_claimed(d);
    info->shared_info_frame = d->shared_info ? virt_to_frame(d->shared_info) : ~0UL;
    arch_domain_describe(d, info);
}
