/* SPDX-License-Identifier: MIT */
/* CPUID for the current PV vCPU, from its domain's policy. */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <x86/cpu.h>
#include <x86/emulate_priv.h>
#include <x86/policy.h>

const struct cpu_policy *cpu_policy_of(const struct domain *d)
{
    if (d->arch.policy)
        return d->arch.policy;
    return d->is_privileged ? &cpu_policies.dom0 : &cpu_policies.pv_default;
}

int pv_emul_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf, bool forced,
                  struct cpuid_regs *out)
{
    struct cpuid_guest guest = {.domid = v->domain->id,
                                .vcpu_id = v->id,
                                .cr4 = v->arch.cr4,
                                .xcr0 = v->arch.xcr0,
                                .forced = forced,
                                .tsc_reliable = cpu_features.invariant_tsc,
                                .tsc_mode = v->domain->arch.tsc.mode,
                                .tsc_khz = arch_tsc_khz(),
                                .tsc_incarnation = v->domain->arch.tsc.incarnation,
                                .host_tsc_khz = arch_tsc_khz(),
                                .machine_address_bits = cpu_features.phys_bits};

    cpuid_pv_guest(cpu_policy_of(v->domain), &guest, leaf, subleaf, out);
    return 0;
}
