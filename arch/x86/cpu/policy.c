/* SPDX-License-Identifier: MIT */
/* Reads the machine's CPUID into the system's policies (x86/policy.h). */
#include <x86/cpu.h>
#include <x86/policy.h>

#define MSR_PLATFORM_INFO 0x0ce
#define MSR_ARCH_CAPS     0x10a

struct cpu_policies cpu_policies;

static void cpuid_machine(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    uint32_t r[4];

    cpuid(leaf, subleaf, r);
    *out = (struct cpuid_regs){r[0], r[1], r[2], r[3]};
}

static uint64_t msr_or_zero(uint32_t msr)
{
    uint64_t value;

    return rdmsr_safe(msr, &value) ? value : 0;
}

void cpu_policies_init(void)
{
    struct cpu_policies *p = &cpu_policies;
    struct cpu_limits limits = {.xcr0 = cpu_features.xsave ? cpu_features.xcr0_supported : 0};

    cpu_policy_read_raw(&p->raw, cpuid_machine, msr_or_zero(MSR_PLATFORM_INFO),
                        msr_or_zero(MSR_ARCH_CAPS));
    cpu_policy_make_host(&p->host, &p->raw, &limits);
    cpu_policy_make_guest(&p->pv_max, &p->host, CPU_POLICY_PV_MAX);
    cpu_policy_make_guest(&p->pv_default, &p->host, CPU_POLICY_PV_DEFAULT);
    cpu_policy_make_guest(&p->hvm_max, &p->host, CPU_POLICY_HVM_MAX);
    cpu_policy_make_guest(&p->hvm_default, &p->host, CPU_POLICY_HVM_DEFAULT);
    cpu_policy_make_dom0(&p->dom0, &p->host);
}
