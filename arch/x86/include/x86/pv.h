/* SPDX-License-Identifier: MIT */
/* PV guests on x86: what the files of arch/x86/pv offer each other and the trap code. */
#pragma once

#include <kr/domain.h>
#include <kr/errno.h>

/* ---- bounce.c: entering the guest's handlers --------------------------------------------------
 */

/* Makes the current vCPU continue in its handler for `vector`. Without a handler, or with a stack
 * that cannot take the frame, the domain crashes. */
void pv_inject_exception(struct vcpu *v, unsigned vector, uint32_t error_code);
/* #PF: records the address where the guest looks for it. */
void pv_inject_page_fault(struct vcpu *v, uint64_t addr, uint32_t error_code);
/* A software interrupt by an instruction of `length_bytes` at rip (0: rip is behind it already):
 * the guest's gate decides whether it is delivered or refused with #GP. */
void pv_soft_interrupt(struct vcpu *v, unsigned vector, unsigned length_bytes);
void pv_deliver_event(struct vcpu *v);
void pv_deliver_nmi(struct vcpu *v);
void pv_deliver_syscall(struct vcpu *v);
void pv_deliver_failsafe(struct vcpu *v);
bool pv_vector_has_error_code(unsigned vector);

/* ---- mode.c: guest kernel and guest user mode --------------------------------------------------
 */

/* Flips between the two: root, GS base. To user mode only with a user root. */
void pv_enter_kernel(struct vcpu *v);
void pv_enter_user(struct vcpu *v);
/* The root that is loaded while this vCPU runs. */
mfn_t pv_active_root(const struct vcpu *v);

/* ---- fault.c, privileged.c ---------------------------------------------------------------------
 */

void pv_page_fault(struct vcpu *v, uint64_t addr, uint32_t error_code);
void pv_general_protection(struct vcpu *v, uint32_t error_code);
void pv_invalid_opcode(struct vcpu *v);
/* A #PF of the guest that is really the LDT window being filled. */
bool pv_ldt_fault(struct vcpu *v, uint64_t addr);

/* ---- mm/loaded_space.c: the address space that is loaded, the kernel's or user mode's; the
 * address has passed pv_range_is_allowed(). 0, or -EFAULT
 * ---------------------------------------------------
 */

int loaded_space_read(void *dst, uint64_t va, size_t size_bytes) __must_check;
int loaded_space_write(uint64_t va, const void *src, size_t size_bytes) __must_check;

/* ---- roots and tables --------------------------------------------------------------------------
 */

int pv_set_kernel_root(struct vcpu *v, mfn_t mfn) __must_check;
int pv_set_user_root(struct vcpu *v, mfn_t mfn) __must_check;
/* Gives up a root of a vCPU that will not run again. */
void pv_drop_root(mfn_t *root);
/* Installs GDT frames (takes references); the old ones are dropped. */
int pv_set_gdt(struct vcpu *v, const uint64_t *frames, unsigned entry_count) __must_check;
void pv_drop_gdt(struct vcpu *v);
/* Changes the L1 entry that maps `va` in the current address space. */
int pv_update_va(struct vcpu *v, uint64_t va, uint64_t entry, uint16_t frame_owner) __must_check;

/* Debug registers: checked write, effective at once for the current vCPU. -EINVAL, -EPERM. */
int pv_debugreg_write(struct vcpu *v, unsigned index, uint64_t value) __must_check;
void pv_debugreg_load(const struct vcpu *v);
/* No breakpoint of anybody's on this CPU. */
void pv_debugreg_disarm(void);
/* The hypervisor ran into a breakpoint of the guest's while it worked on its memory: nothing has
 * happened as far as the guest can tell. `v` may be NULL. */
void pv_debugreg_forget_hit(const struct vcpu *v);

/* CR4 as this vCPU wants it, for the CPU it is loaded on. */
void pv_cr4_load(const struct vcpu *v);
/* What a guest gets when it asks for this CR4. */
uint64_t pv_cr4_filter(uint64_t value);
/* MCG_CAP of every PV vCPU: two banks of machine check registers, always clear. */
#define PV_MCG_CAP 2

/* Where its vcpu_info is at this moment: another vCPU may move that of one that is down. What is in
 * there the guest may change at any time. */
static inline struct vcpu_info *pv_info(const struct vcpu *v)
{
    return __atomic_load_n(&v->info, __ATOMIC_ACQUIRE);
}

/* Selectors a guest may load: not ours, except the flat ones. Null is fine. */
static inline bool pv_selector_is_allowed(uint16_t selector)
{
    return (selector & 4) || selector < SEL_GUEST_END || (selector | 3) == SEL_USER_CS64 ||
           (selector | 3) == SEL_USER_DS || (selector | 3) == SEL_USER_CS32;
}

/* An address that a PV guest may use: canonical and not ours. */
static inline bool pv_address_is_allowed(uint64_t va)
{
    return va < 0x0000800000000000UL || va >= HV_VIRT_END;
}
static inline bool pv_range_is_allowed(uint64_t va, size_t size_bytes)
{
    uint64_t last = va + size_bytes - 1;

    return size_bytes == 0 || (last >= va && ((last < 0x0000800000000000UL) || va >= HV_VIRT_END));
}

/* An LDT that the window can show: whole pages at addresses of the guest's. */
static inline bool pv_ldt_is_sane(uint64_t base, uint64_t entry_count)
{
    return entry_count == 0 || (entry_count <= 8192 && !(base & ~PAGE_MASK) &&
                                pv_range_is_allowed(base, entry_count * 8));
}
