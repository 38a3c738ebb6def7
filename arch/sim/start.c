/* SPDX-License-Identifier: MIT */
/* The order of start-up of the simulated machine: that of the x86 port's boot/start.c. */
#include <kr/console.h>
#include <kr/boot_info.h>
#include <kr/cpu.h>
#include <kr/log.h>
#include <kr/option.h>
#include <kr/string.h>
#include <kr/time.h>
#include <kr/version.h>
#include <x86/fpu.h>
#include <x86/ioapic.h>
#include <x86/irq.h>
#include <x86/lapic.h>
#include <x86/machine.h>
#include <x86/memmap.h>
#include <x86/pci.h>
#include <x86/policy.h>
#include <x86/time.h>

#include <sim/guest.h>

#include "firmware.h"
#include "machine_internal.h"

static struct sim_cpu cpus[SIM_CPU_COUNT_MAX];
static struct boot_info boot_info;

/* The trap code's table of instructions that may fault is empty: here copies say so themselves. */
const uint64_t extable_start[2];
extern const uint64_t extable_end[2] __attribute__((alias("extable_start")));

struct sim_cpu *sim_cpu_by_id(unsigned id)
{
    return &cpus[id];
}

static const void *window_map(const struct phys_window *w, uint64_t pa, size_t size_bytes)
{
    return sim_memory_map(pa, size_bytes);
}

static void loader_info_read(uint32_t info_phys)
{
    static const struct phys_window window = {window_map};
    struct boot_error why;

    if (boot_parse_multiboot1(&boot_info, &window, info_phys, &why) != 0 ||
        boot_check_modules(&boot_info, 0, 0, &why) != 0)
        sim_failed(why.text); /* no console yet */
    kr_strlcpy(version_command_line, boot_info.cmdline, sizeof(version_command_line));
    option_parse_line(boot_info.cmdline);
    console_init();
    version_log();
}

static void acpi_init(void)
{
    if (acpi_read(boot_info.rsdp_addr, &acpi_info) != 0)
        boot_refuse("the machine's ACPI tables are broken");
    memmap_init(&boot_info, &acpi_info);
}

static void interrupts_init(void)
{
    sim_pci_init();
    clock_init(&acpi_info);
    ioapic_init(&acpi_info);
    pci_init(&acpi_info);
    irq_console_init();
}

void sim_machine_start(const struct sim_config *config)
{
    machine.config = *config;
    ASSERT(config->cpu_count > 0 && config->cpu_count <= SIM_CPU_COUNT_MAX);
    fibre_of_thread(&machine.operator_fibre);
    sim_cpu_now = &cpus[0].cpu;
    cpu_detect();
    sim_cpus_create();
    sim_ram_create();
    loader_info_read(sim_firmware_write());
    sim_memory_init(&boot_info);
    fpu_cpu_init();
    cpu_policies_init();
    acpi_init();
    interrupts_init();
    time_init();
    sim_dom0_create(&boot_info);
    console_start_dom0();
    sim_cpus_start();
}

void sim_machine_stop(void)
{
    sim_cpus_stop();
    sim_guests_destroy();
    sim_memory_destroy();
}
