/* SPDX-License-Identifier: MIT */
/* Debug keys that show registers: what each CPU runs, and where the control domain's vCPUs are. */
#include <kr/cpu.h>
#include <kr/debugkey.h>
#include <kr/domain.h>
#include <x86/cpu.h>

static void dump_cpus(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        struct cpu *cpu = cpu_by_id(i);

        if (!cpu->sched.running) {
            log_always("CPU %u: idle", i);
            continue;
        }
        log_always("CPU %u: runs d%uv%u, cr3 %016lx cr4 %08lx", i, cpu->sched.running->domain->id,
                   cpu->sched.running->id, read_cr3(), read_cr4());
        arch_vcpu_dump(cpu->sched.running);
    }
}
DEBUGKEY('d', "dump registers of every CPU", dump_cpus);

static void dump_control_domain(void)
{
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(control_domain, v, i)
    {
        log_always("d%uv%u: stop reasons %#x", v->domain->id, v->id, v->sched.stop);
        arch_vcpu_dump(v);
    }
}
DEBUGKEY('0', "dump registers of dom0's vCPUs", dump_control_domain);
