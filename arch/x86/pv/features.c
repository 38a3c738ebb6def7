/* SPDX-License-Identifier: MIT */
/* What xen_version tells guests about us. ABI: xen/version.h, xen/features.h. */
#include <kr/domain.h>

#include <xen/features.h>
#include <xen/xen.h>

const char *arch_guest_kinds(void)
{
    return "xen-3.0-x86_64 ";
}

uint64_t arch_guest_hole_start(const struct domain *d)
{
    return HV_VIRT_START;
}

/* A domain that asked for extended CR3 values (VMASST_TYPE_pae_extended_cr3) is told that it may
 * use them. */
uint32_t arch_features(const struct domain *d)
{
    uint32_t features = BIT(XENFEAT_mmu_pt_update_preserve_ad) | BIT(XENFEAT_highmem_assist) |
                        BIT(XENFEAT_gnttab_map_avail_bits) |
                        BIT(XENFEAT_memory_op_vnode_supported) | BIT(XENFEAT_direct_mapped);

    if (d->vm_assist & BIT(VMASST_TYPE_pae_extended_cr3))
        features |= BIT(XENFEAT_pae_pgdir_above_4gb);
    if (d->is_privileged)
        features |= BIT(XENFEAT_dom0);
    return features;
}
