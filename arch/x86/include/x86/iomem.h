/* SPDX-License-Identifier: MIT */
/* Device frames that the hypervisor keeps from every domain. */
#pragma once

#include <kr/types.h>

/* Keeps frames from guests' page tables: entirely, or readable. Interrupt controllers, MSI-X
 * tables. Only ever grows. False when the table is full: then the device must not be used. */
bool iomem_reserve(mfn_t first, uint64_t count, bool readable) __must_check;
/* Frames that guests may map, but only read: a writable mapping becomes a read-only one. */
bool iomem_is_readonly(mfn_t mfn);
