/* SPDX-License-Identifier: MIT */
/* Guest memory by guest virtual address, through the guest's own page tables. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/domain.h>
#include <x86/pv.h>
#include <x86/tlb.h>

/* The kernel's addresses are only mapped by the kernel root: a copy for a vCPU in user mode borrows
 * it. `v` is the vCPU whose state this CPU holds. */
static void kernel_root_borrow(const struct vcpu *v)
{
    if (!v->arch.in_kernel)
        tlb_load_root(v->arch.kernel_root);
}

static void kernel_root_give_back(const struct vcpu *v)
{
    if (!v->arch.in_kernel)
        tlb_load_root(v->arch.user_root);
}

static int kernel_space_write(struct vcpu *v, uint64_t guest_addr, const void *src,
                              size_t size_bytes)
{
    int err;

    if (!pv_range_is_allowed(guest_addr, size_bytes))
        return -EFAULT;
    kernel_root_borrow(v);
    err = loaded_space_write(guest_addr, src, size_bytes);
    kernel_root_give_back(v);
    return err;
}

int arch_guest_read(void *dst, uint64_t guest_addr, size_t size_bytes)
{
    struct vcpu *v = current_vcpu();
    int err;

    if (!pv_range_is_allowed(guest_addr, size_bytes))
        return -EFAULT;
    kernel_root_borrow(v);
    err = loaded_space_read(dst, guest_addr, size_bytes);
    kernel_root_give_back(v);
    return err;
}

int arch_guest_write(uint64_t guest_addr, const void *src, size_t size_bytes)
{
    return kernel_space_write(current_vcpu(), guest_addr, src, size_bytes);
}

void arch_vcpu_write_guest(struct vcpu *v, uint64_t guest_addr, const void *src, size_t size_bytes)
{
    if (v->arch.kernel_root && kernel_space_write(v, guest_addr, src, size_bytes) != 0)
        return; /* the guest's loss: it took the place away */
}
