/* SPDX-License-Identifier: MIT */
/* The machine as a whole: time, ports, the firmware's words, and its end. */
#include <kr/acpi.h>
#include <kr/console.h>
#include <kr/domain.h>
#include <kr/log.h>
#include <x86/machine.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "firmware.h"
#include "machine_internal.h"

#define WALLCLOCK_SEC 1700000000UL
#define PM_TIMER_HZ   3579545UL
#define PORT_READ_NS  1000
#define PCI_FIRST     0xcf8
#define PCI_LAST      0xcff
#define LOG_BYTES     16384

struct sim_machine_state machine;
struct acpi_info acpi_info;

const struct sim_config *sim_machine_config(void)
{
    return &machine.config;
}

/* ---- time -------------------------------------------------------------------------------------
 */

uint64_t sim_time_ns(void)
{
    return atomic_load_explicit(&machine.time_ns, memory_order_relaxed);
}

void sim_time_pass(uint64_t ns)
{
    atomic_fetch_add_explicit(&machine.time_ns, ns, memory_order_relaxed);
}

uint64_t arch_wallclock_sec(void)
{
    return WALLCLOCK_SEC;
}

/* ---- ports ------------------------------------------------------------------------------------
 */

static uint32_t port_read(uint16_t port, unsigned bytes)
{
    sim_time_pass(PORT_READ_NS);
    if (port == SIM_PM_TIMER_PORT)
        return (sim_time_ns() / 1000 * PM_TIMER_HZ / 1000000) & 0xffffff;
    if (port >= PCI_FIRST && port <= PCI_LAST)
        return sim_pci_port_read(port, bytes);
    return UINT32_MAX >> (32 - 8 * bytes);
}

static void port_write(uint16_t port, unsigned bytes, uint32_t value)
{
    if (port >= PCI_FIRST && port <= PCI_LAST)
        sim_pci_port_write(port, bytes, value);
}

uint8_t arch_port_read8(uint16_t port)
{
    return port_read(port, 1);
}

uint16_t arch_port_read16(uint16_t port)
{
    return port_read(port, 2);
}

uint32_t arch_port_read32(uint16_t port)
{
    return port_read(port, 4);
}

void arch_port_write8(uint16_t port, uint8_t value)
{
    port_write(port, 1, value);
}

void arch_port_write16(uint16_t port, uint16_t value)
{
    port_write(port, 2, value);
}

void arch_port_write32(uint16_t port, uint32_t value)
{
    port_write(port, 4, value);
}

/* ---- firmware ---------------------------------------------------------------------------------
 */

uint8_t arch_keyboard_flags(void)
{
    return 0;
}

const struct acpi_fadt *machine_acpi(void)
{
    return &acpi_info.fadt;
}

const void *acpi_map(uint64_t phys, size_t size_bytes)
{
    return sim_memory_map(phys, size_bytes);
}

/* ---- console ----------------------------------------------------------------------------------
 */

static char log_text[LOG_BYTES + 1];
static size_t log_length;

const char *sim_log(void)
{
    return log_text;
}

static bool console_open(struct console_device *device)
{
    return true;
}

/* What does not fit pushes out the older half. */
static void log_keep(struct console_device *device, const char *text, size_t length)
{
    if (length > LOG_BYTES / 2)
        return;
    if (log_length + length > LOG_BYTES) {
        log_length -= LOG_BYTES / 2;
        memmove(log_text, log_text + LOG_BYTES / 2, log_length);
    }
    memcpy(log_text + log_length, text, length);
    log_length += length;
    log_text[log_length] = 0;
}

/* Somebody types whenever the line rises. Console lock held. */
static void key_take(struct console_device *device)
{
    console_receive('k');
}

static void irq_enable_nothing(struct console_device *device)
{
}

CONSOLE_DEVICE(sim_console, .name = "sim", .open = console_open, .write = log_keep,
               .service = key_take, .enable_irq = irq_enable_nothing, .irq = 4);

/* ---- the end ----------------------------------------------------------------------------------
 */

enum sim_end sim_machine_end(void)
{
    return machine.end;
}

/* What the panic said; NULL: there was none. Others may be writing, and a panic may have come in
 * the middle of that, so the console's lock is not taken; strstr() would be looked at. */
static __reads_unlocked const char *panic_text(void)
{
    static const char wanted[] = "Panic on CPU";

    for (size_t at = 0; at + sizeof(wanted) <= sizeof(log_text); at++) {
        size_t same = 0;

        while (wanted[same] && log_text[at + same] == wanted[same])
            same++;
        if (!wanted[same])
            return log_text + at;
    }
    return NULL;
}

static void __noreturn machine_ends(enum sim_end end)
{
    if (!machine.is_running)
        sim_failed("the machine ended before it ran");
    sim_machine_off(end);
}

void arch_machine_halt(void)
{
    machine_ends(SIM_END_HALT);
}

void arch_machine_reboot(void)
{
    machine_ends(SIM_END_REBOOT);
}

/* The debug keys ask for it, too. */
void arch_crash_dump(void)
{
    const char *text = panic_text();

    if (text)
        sim_failed(text);
}

__reads_unlocked void arch_vcpu_dump(struct vcpu *v)
{
    log_guest(LOG_ERROR, v->domain, "vCPU %u: rip %#lx rsp %#lx", v->id, v->arch.regs.rip,
              v->arch.regs.rsp);
}

void crash_regs_set(const struct x86_regs *regs)
{
}
