/* SPDX-License-Identifier: MIT */
/*
 * System time is the TSC, scaled. Its frequency and the APIC timer's are measured once, over a few
 * milliseconds, against the best clock of the machine: HPET, ACPI PM timer, or PIT channel 2.
 */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/log.h>
#include <kr/time.h>
#include <x86/cpu.h>
#include <x86/lapic.h>
#include <x86/map.h>
#include <x86/pv.h>
#include <x86/time.h>

#include <xen/xen.h>

#define MEASURE_NS       (5 * NS_PER_MS)
#define READINGS         16
#define MSR_TSC_DEADLINE 0x6e0

#define HPET_CAP     0x000 /* high half: period in femtoseconds */
#define HPET_CONFIG  0x010
#define HPET_COUNTER 0x0f0
#define FS_PER_NS    1000000UL

#define PM_TIMER_HZ   3579545UL
#define PM_TIMER_MASK 0xffffffUL

#define PIT_HZ       1193182UL
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND  0x43
#define PIT_GATE     0x61

static struct tsc_scale scale;
static uint64_t tsc_at_start;
static uint32_t tsc_khz;
static uint64_t apic_hz; /* 0: TSC-deadline mode */
static uint64_t tsc_hz;

/* A reference clock: counts up, `mask` says how far. */
struct reference {
    const char *name;
    uint64_t (*read)(void);
    uint64_t hz, mask;
};

static volatile uint32_t *hpet;
static uint16_t pm_timer_port;

static uint64_t hpet_read(void)
{
    return hpet[HPET_COUNTER / 4];
}

static uint64_t pm_timer_read(void)
{
    return arch_port_read32(pm_timer_port);
}

static uint64_t pit_read(void)
{
    uint8_t low;

    arch_port_write8(PIT_COMMAND, 0x80); /* latch channel 2 */
    low = arch_port_read8(PIT_CHANNEL2);
    return 0xffff - (low | arch_port_read8(PIT_CHANNEL2) << 8);
}

static bool hpet_start(const struct acpi_info *acpi, struct reference *r)
{
    uint64_t period_fs;

    if (acpi->hpet.base.address == 0 || acpi->hpet.base.space != ACPI_SPACE_MEMORY)
        return false;
    hpet = map_device(acpi->hpet.base.address, 0x400);
    period_fs = hpet ? hpet[HPET_CAP / 4 + 1] : 0;
    if (period_fs == 0 || period_fs > 100 * FS_PER_NS)
        return false;
    hpet[HPET_CONFIG / 4] |= 1;
    *r = (struct reference){"HPET", hpet_read, FS_PER_NS * NS_PER_SEC / period_fs, UINT32_MAX};
    return true;
}

static struct reference reference_find(const struct acpi_info *acpi)
{
    struct reference r;

    if (hpet_start(acpi, &r))
        return r;
    if (acpi->fadt.present && acpi->fadt.pm_timer.address &&
        acpi->fadt.pm_timer.space == ACPI_SPACE_IO) {
        pm_timer_port = acpi->fadt.pm_timer.address;
        return (struct reference){"ACPI PM timer", pm_timer_read, PM_TIMER_HZ, PM_TIMER_MASK};
    }
    arch_port_write8(PIT_GATE, (arch_port_read8(PIT_GATE) & ~2) | 1);
    arch_port_write8(PIT_COMMAND, 0xb0); /* channel 2, both bytes, mode 0 */
    arch_port_write8(PIT_CHANNEL2, 0xff);
    arch_port_write8(PIT_CHANNEL2, 0xff);
    return (struct reference){"PIT", pit_read, PIT_HZ, 0xffff};
}

/* One moment on all clocks. What lies between the readings (an emulator's pause, an SMI) must not
 * count, so of several readings the one that took least is taken. */
struct moment {
    uint64_t tsc, reference;
    uint32_t apic_left;
};

static struct moment moment_read(const struct reference *r)
{
    struct moment best = {0};
    uint64_t best_width = UINT64_MAX;

    for (unsigned i = 0; i < READINGS; i++) {
        uint64_t before = rdtsc(), ticks = r->read();
        uint32_t apic_left = lapic_timer_left();
        uint64_t width = rdtsc() - before;

        if (width >= best_width)
            continue;
        best_width = width;
        best = (struct moment){before + width / 2, ticks, apic_left};
    }
    return best;
}

static void measure(const struct reference *r)
{
    uint64_t wanted = r->hz * MEASURE_NS / NS_PER_SEC, ticks;
    uint64_t limit = 1UL << 26; /* a clock that stands still must not hang the boot */
    struct moment first, last;

    lapic_timer_start(UINT32_MAX);
    first = moment_read(r);
    while (((r->read() - first.reference) & r->mask) < wanted)
        if (--limit == 0)
            boot_refuse("the machine's reference clock (%s) stands still", r->name);
    last = moment_read(r);
    lapic_timer_start(0);
    ticks = (last.reference - first.reference) & r->mask;
    tsc_hz = (last.tsc - first.tsc) * r->hz / ticks;
    apic_hz = (first.apic_left - last.apic_left) * r->hz / ticks;
}

void clock_init(const struct acpi_info *acpi)
{
    struct reference r = reference_find(acpi);

    measure(&r);
    scale = tsc_scale_for(tsc_hz);
    tsc_khz = tsc_hz / 1000;
    tsc_at_start = rdtsc();
    if (cpu_features.tsc_deadline) {
        apic_hz = 0;
        lapic_timer_use_deadline();
    }
    log_info("Clock: TSC at %u.%03u MHz measured against %s", tsc_khz / 1000, tsc_khz % 1000,
             r.name);
}

uint64_t arch_time_ns(void)
{
    return tsc_to_ns(rdtsc() - tsc_at_start, &scale);
}

uint32_t arch_tsc_khz(void)
{
    return tsc_khz;
}

/* At most this far ahead: timer_run() programs again when it finds nothing due. */
#define TIMER_SPAN_NS NS_PER_SEC

void arch_timer_program(uint64_t deadline_ns)
{
    uint64_t now = arch_time_ns(), wait_ns;

    if (deadline_ns == UINT64_MAX) {
        if (apic_hz)
            lapic_timer_start(0);
        else
            wrmsr(MSR_TSC_DEADLINE, 0);
        return;
    }
    if (deadline_ns <= now) {
        cpu_raise_work(this_cpu(), CPU_WORK_TIMER);
        return;
    }
    wait_ns = MIN(deadline_ns - now, TIMER_SPAN_NS);
    if (apic_hz)
        lapic_timer_start(MIN(wait_ns * apic_hz / NS_PER_SEC + 1, (uint64_t)UINT32_MAX));
    else
        wrmsr(MSR_TSC_DEADLINE, rdtsc() + wait_ns * tsc_khz / 1000000 + 1);
}

/* By words: the guest may be writing to it, and another CPU be giving it the same. */
static void record_fill(struct vcpu_time_info *t)
{
    uint8_t flags = cpu_features.invariant_tsc ? XEN_PVCLOCK_TSC_STABLE_BIT : 0;

    __atomic_store_n(&t->tsc_timestamp, tsc_at_start, __ATOMIC_RELAXED);
    __atomic_store_n(&t->system_time, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&t->tsc_to_system_mul, scale.mul, __ATOMIC_RELAXED);
    __atomic_store_n(&t->tsc_shift, scale.shift, __ATOMIC_RELAXED);
    __atomic_store_n(&t->flags, flags, __ATOMIC_RELAXED);
}

/* Guests compute exactly what arch_time_ns() does, so the record never changes after this. The copy
 * is written only in the vCPU's own address space; who is not loaded gets it when it is. */
void arch_vcpu_time_publish(struct vcpu *v)
{
    struct vcpu_time_info *t = &pv_info(v)->time;
    uint64_t addr = __atomic_load_n(&v->time_guest_addr, __ATOMIC_RELAXED);
    uint32_t version = (__atomic_load_n(&t->version, __ATOMIC_RELAXED) + 1) | 1;
    struct vcpu_time_info copy = {.version = version + 1};

    __atomic_store_n(&t->version, version, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    record_fill(t);
    __atomic_store_n(&t->version, version + 1, __ATOMIC_RELEASE);
    if (addr && this_cpu()->arch.loaded == v) {
        record_fill(&copy);
        arch_vcpu_write_guest(v, addr, &copy, sizeof(copy));
    }
}
