/* SPDX-License-Identifier: MIT */
/* What the port knows about the machine's CPUs. */
#pragma once

#include <kr/types.h>

/* Features of the boot CPU that change what the port does; filled once by cpu_detect(). */
struct cpu_features {
    bool nx, pge, fsgsbase, xsave, smep, page_1g, rdtscp, tsc_deadline, invariant_tsc, is_amd,
        is_intel;
    bool loads_fp_pointers; /* XRSTOR and FXRSTOR load the last x87 instruction's pointers always */
    uint32_t xsave_size_bytes; /* of an area for all supported components */
    uint64_t xcr0_supported;
    unsigned phys_bits;
    uint64_t cr4; /* what we run with */
};
extern struct cpu_features cpu_features;

void cpu_detect(void);
