/* SPDX-License-Identifier: MIT */
/*
 * Guest kernel mode and guest user mode. Both are ring 3; what differs is the page-table root and
 * the GS base. While the hypervisor runs, the guest's live GS base sits in KERNEL_GS_BASE.
 */
#include <x86/cpu.h>
#include <x86/pv.h>
#include <x86/tlb.h>

mfn_t pv_active_root(const struct vcpu *v)
{
    return v->arch.in_kernel ? v->arch.kernel_root : v->arch.user_root;
}

static void switch_mode(struct vcpu *v, bool in_kernel)
{
    uint64_t live = rdmsr(MSR_KERNEL_GS_BASE);

    wrmsr(MSR_KERNEL_GS_BASE, v->arch.gs_base_other);
    v->arch.gs_base_other = live;
    v->arch.in_kernel = in_kernel;
    tlb_load_root(pv_active_root(v));
}

void pv_enter_kernel(struct vcpu *v)
{
    if (!v->arch.in_kernel)
        switch_mode(v, true);
}

void pv_enter_user(struct vcpu *v)
{
    if (v->arch.in_kernel)
        switch_mode(v, false);
}
