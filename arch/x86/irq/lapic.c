/* SPDX-License-Identifier: MIT */
/* Local APIC driver (x86/lapic.h). */
#include <kr/arch.h>
#include <kr/log.h>
#include <x86/cpu.h>
#include <x86/iomem.h>
#include <x86/irq.h>
#include <x86/lapic.h>
#include <x86/map.h>

#define REG_ID        0x020
#define REG_TPR       0x080
#define REG_EOI       0x0b0
#define REG_SPURIOUS  0x0f0
#define REG_ESR       0x280
#define REG_ICR_LOW   0x300
#define REG_ICR_HIGH  0x310
#define REG_LVT_TIMER 0x320
#define REG_LVT_LINT0 0x350
#define REG_LVT_LINT1 0x360
#define REG_LVT_ERROR 0x370
#define REG_INITIAL   0x380
#define REG_CURRENT   0x390
#define REG_DIVIDE    0x3e0

#define APIC_BASE_ENABLE BIT(11)
#define APIC_BASE_X2APIC BIT(10)
#define SPURIOUS_ENABLE  0x100
#define LVT_MASKED       0x10000
#define LVT_NMI          0x400
#define LVT_TSC_DEADLINE 0x40000
#define ICR_PENDING      0x1000
#define DIVIDE_BY_1      0xb
#define X2APIC_MSR(reg)  (0x800 + ((reg) >> 4))

static volatile uint32_t *registers; /* device memory; NULL in x2APIC mode */

static uint32_t reg_read(unsigned reg)
{
    return registers ? registers[reg / 4] : rdmsr(X2APIC_MSR(reg));
}

static void reg_write(unsigned reg, uint32_t value)
{
    if (registers)
        registers[reg / 4] = value;
    else
        wrmsr(X2APIC_MSR(reg), value);
}

bool lapic_init(uint64_t phys)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);
    uint32_t leaf[4];

    cpuid(1, 0, leaf);
    if (!(leaf[3] & BIT(9)) || !iomem_reserve(phys >> PAGE_SHIFT, 1, false))
        return false;
    if (!(base & APIC_BASE_ENABLE))
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
    if (base & APIC_BASE_X2APIC)
        return true;
    registers = map_device(phys, PAGE_SIZE);
    return registers != NULL;
}

void lapic_cpu_init(void)
{
    reg_write(REG_TPR, 0);
    reg_write(REG_LVT_TIMER, LVT_MASKED);
    reg_write(REG_LVT_LINT0, LVT_MASKED);
    reg_write(REG_LVT_LINT1, LVT_NMI);
    reg_write(REG_LVT_ERROR, VECTOR_ERROR);
    reg_write(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    reg_write(REG_ESR, 0);
    reg_write(REG_DIVIDE, DIVIDE_BY_1);
    /* Interrupts that were under way before us would block others of lower priority for ever. */
    for (unsigned i = 0; i < 256; i++)
        lapic_eoi();
}

uint32_t lapic_id(void)
{
    return registers ? reg_read(REG_ID) >> 24 : reg_read(REG_ID);
}

void lapic_eoi(void)
{
    reg_write(REG_EOI, 0);
}

void lapic_send_ipi(uint32_t apic_id, unsigned vector)
{
    if (!registers) {
        wrmsr(X2APIC_MSR(REG_ICR_LOW), (uint64_t)apic_id << 32 | vector);
        return;
    }
    while (reg_read(REG_ICR_LOW) & ICR_PENDING)
        arch_cpu_relax();
    reg_write(REG_ICR_HIGH, apic_id << 24);
    reg_write(REG_ICR_LOW, vector);
}

void lapic_timer_start(uint32_t ticks)
{
    reg_write(REG_LVT_TIMER, ticks ? VECTOR_TIMER : LVT_MASKED);
    reg_write(REG_INITIAL, ticks);
}

uint32_t lapic_timer_left(void)
{
    return reg_read(REG_CURRENT);
}

void lapic_timer_use_deadline(void)
{
    reg_write(REG_LVT_TIMER, VECTOR_TIMER | LVT_TSC_DEADLINE);
}
