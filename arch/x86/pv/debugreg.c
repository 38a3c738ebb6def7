/* SPDX-License-Identifier: MIT */
/* Debug registers of PV guests: breakpoints may only be set on the guest's own addresses. */
#include <kr/cpu.h>
#include <x86/cpu.h>
#include <x86/pv.h>

#define DR6_FIXED_ONES 0xffff0ff0UL
#define DR7_FIXED_ONES 0x400UL
#define DR7_FIXED_ZERO 0xd800UL
#define DR7_GD         0x2000UL

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
        write_dr(index, value);
    return 0;
}

void pv_debugreg_load(const struct vcpu *v)
{
    for (unsigned i = 0; i < 4; i++)
        write_dr(i, v->arch.debugreg[i]);
    write_dr(6, v->arch.debugreg[6] | DR6_FIXED_ONES);
    write_dr(7, v->arch.debugreg[7] | DR7_FIXED_ONES);
}

void pv_debugreg_disarm(void)
{
    write_dr(7, DR7_FIXED_ONES);
}

void pv_debugreg_forget_hit(const struct vcpu *v)
{
    write_dr(6, (v ? v->arch.debugreg[6] : 0) | DR6_FIXED_ONES);
}
