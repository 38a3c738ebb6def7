/* SPDX-License-Identifier: MIT */
/* Guest memory by guest virtual address, through the guest's own page tables. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/domain.h>
#include <x86/pv.h>
#include <x86/tlb.h>
#include <x86/traps.h>

/* The kernel's addresses are only mapped by the kernel root: a copy for a vCPU in user mode borrows
 * it. `v` is the vCPU whose state this CPU holds. */
static int copy_in_kernel_root(struct vcpu *v, void *dst, const void *src, size_t size_bytes)
{
    int err;

    if (v->arch.in_kernel)
        return copy_faulting(dst, src, size_bytes);
    tlb_load_root(v->arch.kernel_root);
    err = copy_faulting(dst, src, size_bytes);
    tlb_load_root(v->arch.user_root);
    return err;
}

int loaded_space_read(void *dst, uint64_t va, size_t size_bytes)
{
    return copy_faulting(dst, (const void *)va, size_bytes);
}

int loaded_space_write(uint64_t va, const void *src, size_t size_bytes)
{
    return copy_faulting((void *)va, src, size_bytes);
}

int arch_guest_read(void *dst, uint64_t guest_addr, size_t size_bytes)
{
    if (!pv_range_is_allowed(guest_addr, size_bytes))
        return -EFAULT;
    return copy_in_kernel_root(current_vcpu(), dst, (const void *)guest_addr, size_bytes);
}

int arch_guest_write(uint64_t guest_addr, const void *src, size_t size_bytes)
{
    if (!pv_range_is_allowed(guest_addr, size_bytes))
        return -EFAULT;
    return copy_in_kernel_root(current_vcpu(), (void *)guest_addr, src, size_bytes);
}

void arch_vcpu_write_guest(struct vcpu *v, uint64_t guest_addr, const void *src, size_t size_bytes)
{
    if (v->arch.kernel_root && pv_range_is_allowed(guest_addr, size_bytes))
        copy_in_kernel_root(v, (void *)guest_addr, src, size_bytes);
}
