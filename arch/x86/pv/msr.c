/* SPDX-License-Identifier: MIT */
/*
 * MSRs as PV guests see them. What is not listed takes #GP, which PV kernels survive. Values that
 * no guest may change are answered with what they must be; writes that can do no harm are dropped.
 */
#include <kr/cpu.h>
#include <x86/cpu.h>
#include <x86/emulate_priv.h>
#include <x86/pv.h>

#define MSR_UCODE_REV       0x0000008b
#define MSR_FEATURE_CONTROL 0x0000003a
#define MSR_PLATFORM_INFO   0x000000ce
#define MSR_ARCH_CAPS       0x0000010a
#define MSR_MISC_FEATURES   0x00000140
#define MSR_MCG_STATUS      0x0000017a
#define MSR_MC0_CTL         0x00000400
#define MSR_MC1_MISC        0x00000407
#define MSR_K7_EVNTSEL0     0xc0010000
#define MSR_K7_PERFCTR3     0xc0010007
#define MSR_K8_SYSCFG       0xc0010010
#define MSR_K8_HWCR         0xc0010015
#define MSR_AMD_DE_CFG      0xc0011029

#define APIC_BASE_BOOT_CPU BIT(8)
#define APIC_BASE_ENABLED  BIT(11)
#define APIC_BASE_ADDRESS  0xfee00000UL
#define MISC_ENABLE_VALUE  0x801801 /* no perf sampling, no branch trace: nothing to switch off */

static int read_common(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    switch (msr) {
    case MSR_FS_BASE: *value = rdmsr(MSR_FS_BASE); return 0;
    case MSR_GS_BASE: *value = rdmsr(MSR_KERNEL_GS_BASE); return 0;
    case MSR_KERNEL_GS_BASE: *value = v->arch.gs_base_other; return 0;
    case MSR_TSC_AUX: *value = v->arch.tsc_aux; return 0;
    case MSR_TSC: *value = rdtsc(); return 0;
    case MSR_EFER: *value = rdmsr(MSR_EFER); return 0;
    case MSR_PAT: *value = PAT_VALUE; return 0;
    case MSR_APIC_BASE:
        *value = APIC_BASE_ADDRESS | APIC_BASE_ENABLED | (v->id == 0 ? APIC_BASE_BOOT_CPU : 0);
        return 0;
    case MSR_UCODE_REV: return rdmsr_safe(MSR_UCODE_REV, value) ? 0 : X86_EXC_GP;
    case MSR_MCG_CAP: *value = PV_MCG_CAP; return 0;
    case MSR_MCG_STATUS:
    case MSR_MC0_CTL ... MSR_MC1_MISC: *value = 0; return 0;
    default: return X86_EXC_GP;
    }
}

static int read_amd(uint32_t msr, uint64_t *value)
{
    switch (msr) {
    case MSR_K7_EVNTSEL0 ... MSR_K7_PERFCTR3:
    case MSR_K8_SYSCFG:
    case MSR_K8_HWCR: *value = 0; return 0;
    case MSR_AMD_DE_CFG: *value = 2; return 0; /* LFENCE serialises */
    default: return X86_EXC_GP;
    }
}

static int read_intel(uint32_t msr, uint64_t *value)
{
    switch (msr) {
    case MSR_ARCH_CAPS:
    case MSR_MISC_FEATURES:
    case MSR_PLATFORM_INFO: *value = 0; return 0;
    case MSR_MISC_ENABLE: *value = MISC_ENABLE_VALUE; return 0;
    case MSR_FEATURE_CONTROL: *value = 1; return 0; /* locked, nothing enabled */
    default: return X86_EXC_GP;
    }
}

int pv_emul_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    if (read_common(v, msr, value) == 0)
        return 0;
    if (cpu_features.is_amd)
        return read_amd(msr, value);
    return cpu_features.is_intel ? read_intel(msr, value) : X86_EXC_GP;
}

/* Writes that mean nothing to a guest without the hardware behind them. */
static bool write_is_dropped(uint32_t msr, uint64_t value)
{
    switch (msr) {
    case MSR_MCG_STATUS:
    case MSR_MC0_CTL ... MSR_MC1_MISC: return value == 0 || value == ~0UL;
    case MSR_UCODE_REV: return value == 0;
    case MSR_PAT: return value == PAT_VALUE;
    case MSR_APIC_BASE: return true;
    case MSR_MISC_FEATURES: return cpu_features.is_intel && value == 0;
    case MSR_MISC_ENABLE: return cpu_features.is_intel;
    case MSR_K7_EVNTSEL0 ... MSR_K7_PERFCTR3:
    case MSR_K8_HWCR: return cpu_features.is_amd;
    default: return false;
    }
}

int pv_emul_write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_KERNEL_GS_BASE:
        if (!pv_address_is_allowed(value))
            return X86_EXC_GP;
        if (msr == MSR_KERNEL_GS_BASE)
            v->arch.gs_base_other = value;
        else
            wrmsr(msr == MSR_GS_BASE ? MSR_KERNEL_GS_BASE : MSR_FS_BASE, value);
        return 0;
    case MSR_TSC_AUX:
        v->arch.tsc_aux = (uint32_t)value;
        if (cpu_features.rdtscp)
            wrmsr(MSR_TSC_AUX, v->arch.tsc_aux);
        return 0;
    case MSR_EFER: return value == rdmsr(MSR_EFER) ? 0 : X86_EXC_GP;
    default: return write_is_dropped(msr, value) ? 0 : X86_EXC_GP;
    }
}
