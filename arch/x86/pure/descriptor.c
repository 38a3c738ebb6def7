/* SPDX-License-Identifier: MIT */
/* Which segment descriptors a PV guest may have in its GDT and LDT (Intel SDM 3, 3.4.5). */
#include <x86/pagetype.h>

#define DESC_S    (1UL << 44) /* code or data, not a system segment */
#define DESC_CODE (1UL << 43)
#define DESC_DPL  (3UL << 45)
#define DESC_P    (1UL << 47)
#define DESC_L    (1UL << 53)
#define DESC_D    (1UL << 54)

bool descriptor_check(uint64_t *desc)
{
    uint64_t d = *desc;

    if (!(d & DESC_P))
        return true;
    if (!(d & DESC_S)) /* gates and system segments would lead out of ring 3 */
        return false;
    if ((d & DESC_CODE) && (d & DESC_L) && (d & DESC_D))
        return false;
    *desc = d | DESC_DPL; /* the guest's kernel runs in ring 3 too */
    return true;
}
