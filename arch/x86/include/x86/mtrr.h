/* SPDX-License-Identifier: MIT */
/* Memory type range registers (Intel SDM 3A section 12.11, AMD APM 2 section 7.7). Pure. */
#pragma once

#include <kr/types.h>

struct mtrr_range {
    mfn_t first;
    uint64_t count; /* frames; 0: the register is not in use */
    uint8_t type;
};

/* A variable range from its base and mask registers on a CPU with so many address bits. */
struct mtrr_range mtrr_range_of(uint64_t base, uint64_t mask, unsigned phys_bits);
