/* SPDX-License-Identifier: MIT */
/* Debug registers of PV guests: breakpoints may only be set on the guest's own addresses. */
#include <kr/cpu.h>
#include <x86/pv.h>

#define DR6_FIXED_ONES 0xffff0ff0UL
#define DR7_FIXED_ONES 0x400UL
#define DR7_FIXED_ZERO 0xd800UL
#define DR7_GD         0x2000UL

static void hardware_write(unsigned index, uint64_t value)
{
    switch (index) {
    case 0: __asm__ volatile("mov %0, %%db0" : : "r"(value)); break;
    case 1: __asm__ volatile("mov %0, %%db1" : : "r"(value)); break;
    case 2: __asm__ volatile("mov %0, %%db2" : : "r"(value)); break;
    case 3: __asm__ volatile("mov %0, %%db3" : : "r"(value)); break;
    case 6: __asm__ volatile("mov %0, %%db6" : : "r"(value)); break;
    default: __asm__ volatile("mov %0, %%db7" : : "r"(value)); break;
    }
}

int pv_debugreg_write(struct vcpu *v, unsigned index, uint64_t value)
{
    switch (index) {
    case 0 ... 3:
        if (!pv_address_is_allowed(value))
            return -EPERM;
        break;
    case 6:
        if (value >> 32)
            return -EPERM;
        value |= DR6_FIXED_ONES;
        break;
    case 7:
        if (value >> 32 || (value & DR7_GD))
            return -EPERM;
        value = (value & ~DR7_FIXED_ZERO) | DR7_FIXED_ONES;
        break;
    default: return -EINVAL;
    }
    v->arch.debugreg[index] = value;
    if (v == current_vcpu())
        hardware_write(index, value);
    return 0;
}

void pv_debugreg_load(const struct vcpu *v)
{
    for (unsigned i = 0; i < 4; i++)
        hardware_write(i, v->arch.debugreg[i]);
    hardware_write(6, v->arch.debugreg[6] | DR6_FIXED_ONES);
    hardware_write(7, v->arch.debugreg[7] | DR7_FIXED_ONES);
}

void pv_debugreg_disarm(void)
{
    hardware_write(7, DR7_FIXED_ONES);
}

void pv_debugreg_forget_hit(const struct vcpu *v)
{
    hardware_write(6, (v ? v->arch.debugreg[6] : 0) | DR6_FIXED_ONES);
}
