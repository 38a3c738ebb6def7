/* SPDX-License-Identifier: MIT */
/*
 * What the machine's CPUs are: identity, topology and features as the control calls tell them.
 * Family and model: Intel SDM 2A and AMD APM 3, CPUID leaf 1. Topology: the APIC id is made of
 * fields for thread, core and socket (Intel SDM 3A section 9.9, AMD APM 3 appendix E.4).
 */
#include <kr/acpi.h>
#include <kr/cpu.h>
#include <kr/string.h>
#include <x86/cpu.h>
#include <x86/machine.h>
#include <x86/map.h>
#include <x86/policy.h>
#include <x86/topology.h>

#include <xen/sysctl.h>

#define FEATURESET_EXT_EDX 2 /* word of the featureset: leaf 0x80000001 EDX */

static struct apic_id_fields apic_fields(void)
{
    return apic_id_fields_of(&cpu_policies.raw, cpu_features.is_amd);
}

void arch_cpu_place(const struct cpu *cpu, uint32_t *core, uint32_t *socket)
{
    struct apic_id_fields f = apic_fields();

    *core = apic_id_core(cpu->arch.apic_id, &f);
    *socket = apic_id_socket(cpu->arch.apic_id, &f);
}

static uint32_t firmware_id(uint32_t apic_id)
{
    for (unsigned i = 0; i < acpi_info.cpu_count; i++)
        if (acpi_info.cpus[i].apic_id == apic_id)
            return acpi_info.cpus[i].uid;
    return ~0u;
}

void arch_cpu_identify(const struct cpu *cpu, struct arch_cpu_identity *identity)
{
    const struct cpuid_leaf *name = cpu_policy_find(&cpu_policies.raw, 0, 0);
    const struct cpuid_leaf *version = cpu_policy_find(&cpu_policies.raw, 1, 0);

    identity->apic_id = cpu->arch.apic_id;
    identity->acpi_id = firmware_id(cpu->arch.apic_id);
    memcpy(identity->vendor, &name->r.b, 4);
    memcpy(identity->vendor + 4, &name->r.d, 4);
    memcpy(identity->vendor + 8, &name->r.c, 4);
    cpu_version_decode(version->r.a, &identity->family, &identity->model, &identity->stepping);
}

/* Counts the CPUs in use that share the first one's core and socket. */
static void topology_count(uint32_t *threads_per_core, uint32_t *cores_per_socket)
{
    struct apic_id_fields f = apic_fields();
    uint32_t first = cpu_by_id(0)->arch.apic_id, in_core = 0, in_socket = 0;

    for (unsigned i = 0; i < cpu_count; i++) {
        uint32_t id = cpu_by_id(i)->arch.apic_id;
        bool same_socket = apic_id_socket(id, &f) == apic_id_socket(first, &f);

        in_socket += same_socket;
        in_core += same_socket && apic_id_core(id, &f) == apic_id_core(first, &f);
    }
    *threads_per_core = in_core;
    *cores_per_socket = in_socket / MAX(in_core, 1U);
}

void arch_machine_describe(struct arch_machine_info *info)
{
    uint32_t words[CPU_FEATURE_WORDS];

    topology_count(&info->threads_per_core, &info->cores_per_socket);
    info->cpu_khz = arch_tsc_khz();
    info->abilities =
        XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1 | XEN_SYSCTL_PHYSCAP_gnttab_v2;
    cpu_policy_featureset(&cpu_policies.host, words);
    if (cpu_features.is_amd)
        words[FEATURESET_EXT_EDX] &= ~CPUID_AMD_REPEATED;
    memcpy(info->cpu_features, words, sizeof(info->cpu_features));
    info->ram_count = map_ram_count();
    info->frame_max = arch_frame_end() - 1;
}
