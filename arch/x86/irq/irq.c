/* SPDX-License-Identifier: MIT */
/* From an interrupt's vector to who wants it. */
#include <kr/cpu.h>
#include <kr/log.h>
#include <x86/irq.h>
#include <x86/lapic.h>
#include <x86/tlb.h>

void irq_dispatch(unsigned vector)
{
    switch (vector) {
    case VECTOR_TIMER:
        lapic_eoi();
        cpu_raise_work(this_cpu(), CPU_WORK_TIMER);
        break;
    case VECTOR_KICK:
        lapic_eoi();
        tlb_serve_request();
        break;
    case VECTOR_SPURIOUS: break;
    case VECTOR_ERROR:
        lapic_eoi();
        log_warning("local APIC error on CPU %u", this_cpu()->id);
        break;
    default: device_irq_handle(vector); break;
    }
}

void arch_cpu_kick(struct cpu *cpu)
{
    lapic_send_ipi(cpu->arch.apic_id, VECTOR_KICK);
}
