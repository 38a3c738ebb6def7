/* SPDX-License-Identifier: MIT */
/*
 * Event channels, two-level delivery (xen/event_channel.h "2-level ABI", xen/xen.h struct
 * shared_info): a pending and a mask bit per port in shared_info, and in each vcpu_info a selector
 * that says which 64-bit words of pending bits are worth looking at. The guest owns all of it as
 * much as we do: nothing read back from it decides more than whether that guest is told again.
 */

#include "event_internal.h"

static uint64_t *pending_bits(struct domain *d)
{
    return (uint64_t *)d->shared_info->evtchn_pending;
}

static uint64_t *mask_bits(struct domain *d)
{
    return (uint64_t *)d->shared_info->evtchn_mask;
}

/* Selects the port's word at its vCPU. */
static void event_2l_notify(struct domain *d, struct event_port *port, uint32_t number)
{
    struct vcpu *v = domain_vcpu(d, port->vcpu);
    struct vcpu_info *info = v != NULL ? __atomic_load_n(&v->info, __ATOMIC_ACQUIRE) : NULL;

    if (info == NULL)
        return;
    if (!guest_bit_test_and_set((uint64_t *)&info->evtchn_pending_sel, number / 64))
        event_upcall(v);
}

bool event_2l_raise(struct domain *d, struct event_port *port, uint32_t number)
{
    if (number >= EVTCHN_2L_NR_CHANNELS || guest_bit_test_and_set(pending_bits(d), number))
        return false;
    if (!guest_bit_test(mask_bits(d), number))
        event_2l_notify(d, port, number);
    return true;
}

void event_2l_moved(struct domain *d, struct event_port *port, uint32_t number)
{
    if (event_2l_is_pending(d, number) && !guest_bit_test(mask_bits(d), number))
        event_2l_notify(d, port, number);
}

void event_2l_unmask(struct domain *d, struct event_port *port, uint32_t number)
{
    if (number >= EVTCHN_2L_NR_CHANNELS)
        return;
    (void)guest_bit_test_and_clear(mask_bits(d), number);
    event_2l_moved(d, port, number);
}

void event_2l_clear_pending(struct domain *d, uint32_t number)
{
    if (number < EVTCHN_2L_NR_CHANNELS)
        (void)guest_bit_test_and_clear(pending_bits(d), number);
}

bool event_2l_is_pending(struct domain *d, uint32_t number)
{
    return number < EVTCHN_2L_NR_CHANNELS && guest_bit_test(pending_bits(d), number);
}

bool event_2l_is_masked(struct domain *d, uint32_t number)
{
    return number < EVTCHN_2L_NR_CHANNELS && guest_bit_test(mask_bits(d), number);
}
