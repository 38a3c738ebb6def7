/* SPDX-License-Identifier: MIT */
/* The local APIC (Intel SDM 3, chapter 10), in xAPIC mode, or x2APIC where firmware left it so. */
#pragma once

#include <kr/types.h>

/* Maps the registers (boot CPU); false when there is no local APIC. */
bool lapic_init(uint64_t phys);
/* Enables this CPU's: spurious vector, timer masked, LINT1 as NMI on the boot CPU. */
void lapic_cpu_init(void);
uint32_t lapic_id(void);
void lapic_eoi(void);
/* Fixed-delivery interrupt to one CPU. */
void lapic_send_ipi(uint32_t apic_id, unsigned vector);
/* Timer in ticks of its bus clock divided by 1; 0 stops. */
void lapic_timer_start(uint32_t ticks);
uint32_t lapic_timer_left(void);
/* From now on MSR TSC_DEADLINE arms the timer of this CPU. */
void lapic_timer_use_deadline(void);
