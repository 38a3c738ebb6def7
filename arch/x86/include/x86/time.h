/* SPDX-License-Identifier: MIT */
/* System time from the TSC, its calibration, and the CPU timer. */
#pragma once

#include <kr/acpi.h>
#include <kr/types.h>

/* ns = ((ticks << shift) or (ticks >> -shift)) * mul >> 32: the protocol of vcpu_time_info. */
struct tsc_scale {
    uint32_t mul;
    int8_t shift;
};

/* The scale for a frequency; pure. */
struct tsc_scale tsc_scale_for(uint64_t hz);
uint64_t tsc_to_ns(uint64_t ticks, const struct tsc_scale *scale);

/* Measures TSC and APIC timer against HPET, PM timer or PIT; starts system time at 0. */
void clock_init(const struct acpi_info *acpi);
