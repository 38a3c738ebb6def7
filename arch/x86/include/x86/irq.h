/* SPDX-License-Identifier: MIT */
/*
 * Vectors of external interrupts, from 32 up. The high ones are the hypervisor's own; the rest are
 * given to machine interrupts (irq/device.c) by order of priority.
 */
#pragma once

#include <kr/types.h>

#define VECTOR_DEVICE_FIRST 0x30
#define VECTOR_SYSCALL      0x80 /* never given to a device: applications use it */
#define VECTOR_DEVICE_LAST  0xef
#define VECTOR_KICK         0xf9 /* look at the work word */
#define VECTOR_TIMER        0xfa
#define VECTOR_ERROR        0xfe
#define VECTOR_SPURIOUS     0xff

/* One interrupt arrived on this CPU: finds its owner and acknowledges it. Interrupts off. */
void irq_dispatch(unsigned vector);
/* For irq_dispatch(): a device's vector. Supplied by irq/device.c, which ends it (lapic_eoi()). */
void device_irq_handle(unsigned vector);
