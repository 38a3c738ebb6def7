/* SPDX-License-Identifier: MIT */
/* The order of start-up of the simulated machine, the same as the x86 port's boot/start.c from
 * where the loader's words have been read. */
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

#include "machine_internal.h"

static struct sim_cpu cpus[SIM_CPU_COUNT_MAX];

/* The trap code's table of instructions that may fault is empty: here copies say so themselves. */
const uint64_t extable_start[2];
extern const uint64_t extable_end[2] __attribute__((alias("extable_start")));

struct sim_cpu *sim_cpu_by_id(unsigned id)
{
    return &cpus[id];
}

static void console_start(void)
{
    kr_strlcpy(version_command_line, machine.config.command_line, sizeof(version_command_line));
    option_parse_line(version_command_line);
    console_init();
    version_log();
}

/* What firmware would have said of RAM. */
static void memory_map_keep(void)
{
    static struct boot_info info;

    for (unsigned i = 0; i < machine.config.ram_count; i++)
        info.mem[info.mem_count++] = (struct boot_mem){.start = machine.config.ram[i].start,
                                                       .size = machine.config.ram[i].size_bytes,
                                                       .type = BOOT_MEM_RAM};
    memmap_init(&info, &acpi_info);
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
    console_start();
    sim_memory_create();
    fpu_cpu_init();
    cpu_policies_init();
    sim_firmware_init();
    memory_map_keep();
    interrupts_init();
    time_init();
    sim_dom0_create();
    console_start_dom0();
    sim_cpus_start();
}

void sim_machine_stop(void)
{
    sim_cpus_stop();
    sim_guests_destroy();
    sim_memory_destroy();
}
