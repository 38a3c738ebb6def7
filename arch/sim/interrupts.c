/* SPDX-License-Identifier: MIT */
/*
 * The machine's interrupt controllers: local APICs (x86/lapic.h) and one IO-APIC (x86/ioapic.h)
 * with SIM_GSI_COUNT inputs. A level that stays high is delivered again once the CPU has ended it
 * and the input is open.
 */
#include <kr/errno.h>
#include <sim/cpu.h>
#include <x86/ioapic.h>
#include <x86/lapic.h>

#include "host_thread.h"
#include "machine_internal.h"

struct input {
    struct irq_pin_mode mode;
    uint8_t vector;
    uint32_t apic_id;
    bool is_masked, is_high, is_in_service;
};

static struct input inputs[SIM_GSI_COUNT];
/* The controller does one thing at a time. CPUs may be threads. */
static pthread_mutex_t inputs_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- local APICs ------------------------------------------------------------------------------
 */

bool lapic_init(uint64_t phys)
{
    return true;
}

void lapic_cpu_init(void)
{
}

uint32_t lapic_id(void)
{
    return this_cpu()->arch.apic_id;
}

void lapic_send_ipi(uint32_t apic_id, unsigned vector)
{
    arch_interleave();
    sim_cpu_interrupt(sim_cpu_by_id(apic_id), vector);
}

/* The CPUs of this machine have TSC-deadline timers; the other kind counts nothing. */
void lapic_timer_start(uint32_t ticks)
{
}

uint32_t lapic_timer_left(void)
{
    return 0;
}

void lapic_timer_use_deadline(void)
{
}

/* ---- IO-APIC ----------------------------------------------------------------------------------
 */

static void deliver(struct input *in)
{
    in->is_in_service = in->mode.is_level;
    sim_cpu_interrupt(sim_cpu_by_id(in->apic_id % cpu_count), in->vector);
}

static void level_look(struct input *in)
{
    if (in->mode.is_level && in->is_high && !in->is_masked && !in->is_in_service && in->vector)
        deliver(in);
}

/* The local APIC tells the IO-APIC of the vectors that ended; which one is not said here, and
 * ending one that is not in service means nothing. */
void lapic_eoi(void)
{
    pthread_mutex_lock(&inputs_lock);
    for (unsigned i = 0; i < SIM_GSI_COUNT; i++) {
        if (!inputs[i].is_in_service || inputs[i].apic_id != lapic_id())
            continue;
        inputs[i].is_in_service = false;
        level_look(&inputs[i]);
    }
    pthread_mutex_unlock(&inputs_lock);
}

void sim_line_set(unsigned gsi, bool is_high)
{
    struct input *in = &inputs[gsi];
    bool rises;

    pthread_mutex_lock(&inputs_lock);
    rises = is_high && !in->is_high;
    in->is_high = is_high;
    if (in->mode.is_level)
        level_look(in);
    else if (rises && !in->is_masked && in->vector)
        deliver(in);
    pthread_mutex_unlock(&inputs_lock);
}

void pic_init(void)
{
}

void ioapic_init(const struct acpi_info *acpi)
{
    for (unsigned i = 0; i < SIM_GSI_COUNT; i++) {
        inputs[i].is_masked = true;
        inputs[i].mode.is_level = inputs[i].mode.is_low = i >= 16;
    }
}

unsigned ioapic_gsi_count(void)
{
    return SIM_GSI_COUNT;
}

bool ioapic_has_gsi(unsigned gsi)
{
    return gsi < SIM_GSI_COUNT;
}

unsigned ioapic_isa_gsi(unsigned isa_irq)
{
    return isa_irq == 0 ? 2 : isa_irq;
}

struct irq_pin_mode ioapic_mode(unsigned gsi)
{
    return inputs[gsi].mode;
}

void ioapic_set_mode(unsigned gsi, struct irq_pin_mode mode)
{
    pthread_mutex_lock(&inputs_lock);
    inputs[gsi].mode = mode;
    pthread_mutex_unlock(&inputs_lock);
}

void ioapic_route(unsigned gsi, unsigned vector, uint32_t apic_id, bool masked)
{
    struct input *in = &inputs[gsi];

    pthread_mutex_lock(&inputs_lock);
    in->vector = vector;
    in->apic_id = apic_id;
    in->is_masked = masked;
    level_look(in);
    pthread_mutex_unlock(&inputs_lock);
}

void ioapic_mask(unsigned gsi, bool masked)
{
    pthread_mutex_lock(&inputs_lock);
    inputs[gsi].is_masked = masked;
    level_look(&inputs[gsi]);
    pthread_mutex_unlock(&inputs_lock);
}

int ioapic_register_read(uint64_t phys, uint32_t reg, uint32_t *value)
{
    return -EINVAL;
}
