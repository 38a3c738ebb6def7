/* SPDX-License-Identifier: MIT */
/*
 * Vectors of external interrupts, from 32 up. The high ones are the hypervisor's own; the rest are
 * given to machine interrupts (irq/device.c) by order of priority.
 */
#pragma once

#include <kr/types.h>

struct domain;

#define VECTOR_PIC_FIRST    0x20 /* 16 of the masked 8259s: nothing should ever come */
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

/* Routes the lines of the console's devices to it. After ioapic_init(), boot CPU. */
void irq_console_init(void);
/* Gives a domain its table of pirqs; for others than the control domain made when first needed.
 * -ENOMEM. */
int irq_domain_init(struct domain *d) __must_check;
/* Takes all machine interrupts from it; no vCPU of it runs any more. Harmless without a table. */
void irq_domain_fini(struct domain *d);
