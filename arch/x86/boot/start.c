/* SPDX-License-Identifier: MIT */
/* The order of start-up on x86, from the loader's jump to dom0's first instruction. */
#include <kr/acpi.h>
#include <kr/boot_info.h>
#include <kr/console.h>
#include <kr/cpu.h>
#include <kr/errno.h>
#include <kr/heap.h>
#include <kr/log.h>
#include <kr/multiboot.h>
#include <kr/option.h>
#include <kr/page.h>
#include <kr/printf.h>
#include <kr/string.h>
#include <kr/time.h>
#include <kr/version.h>
#include <kr/vga_text.h>

#include <x86/cpu.h>
#include <x86/desc.h>
#include <x86/dom0.h>
#include <x86/fpu.h>
#include <x86/ioapic.h>
#include <x86/irq.h>
#include <x86/lapic.h>
#include <x86/machine.h>
#include <x86/map.h>
#include <x86/memmap.h>
#include <x86/pci.h>
#include <x86/policy.h>
#include <x86/time.h>
#include <x86/traps.h>

#define PVH_MAGIC     0x336ec578
#define BOOT_MAPPED   (4 * GIB) /* what start.S mapped */
#define VGA_TEXT_PHYS 0xb8000
#define LAPIC_DEFAULT 0xfee00000UL

extern char boot_stack[], image_start[], image_end[];

static struct cpu boot_cpu __aligned(64);
static struct boot_info boot_info;
struct acpi_info acpi_info;

static const void *window_map(const struct phys_window *w, uint64_t pa, size_t size_bytes)
{
    return pa < BOOT_MAPPED && size_bytes <= BOOT_MAPPED - pa ? phys_to_virt(pa) : NULL;
}

const void *acpi_map(uint64_t phys, size_t size_bytes)
{
    return map_firmware(phys, size_bytes);
}

static void cpu_state_init(void)
{
    boot_cpu.arch.self = &boot_cpu;
    boot_cpu.arch.stack_top = (uint64_t)boot_stack + BOOT_STACK_SIZE;
    wrmsr(MSR_GS_BASE, (uint64_t)&boot_cpu);
    cpu_detect();
    cpu_register(&boot_cpu);
}

static int parse_loader(uint32_t magic, uint32_t info_phys, struct boot_error *why)
{
    static const struct phys_window window = {window_map};

    switch (magic) {
    case MB1_LOADER_MAGIC: return boot_parse_multiboot1(&boot_info, &window, info_phys, why);
    case MB2_LOADER_MAGIC: return boot_parse_multiboot2(&boot_info, &window, info_phys, why);
    case PVH_MAGIC: return boot_parse_pvh(&boot_info, &window, info_phys, why);
    default: return boot_fail(why, -1, "started by an unknown boot loader (magic %#x)", magic);
    }
}

/* What follows `--` on our command line is for dom0's kernel. */
static void dom0_words_add(const char *words)
{
    char *line = boot_info.module[0].cmdline;
    size_t used = strlen(line);

    if (!words || !*words || boot_info.module_count == 0)
        return;
    if (kr_snprintf(line + used, sizeof(boot_info.module[0].cmdline) - used, "%s%s",
                    used ? " " : "", words) >= (int)(sizeof(boot_info.module[0].cmdline) - used))
        boot_info.cmdline_cut = true;
}

static void console_start(void)
{
    bool has_text = boot_info.screen.kind != BOOT_SCREEN_FRAMEBUFFER;

    kr_strlcpy(version_command_line, boot_info.cmdline, sizeof(version_command_line));
    dom0_words_add(option_parse_line(boot_info.cmdline));
    vga_text_set_memory(has_text ? phys_to_virt(VGA_TEXT_PHYS) : NULL);
    console_init();
    version_log();
    log_info("Command line: %s", boot_info.cmdline);
    if (boot_info.cmdline_cut)
        log_warning("A command line was too long and has been cut");
}

static void loader_info_read(uint32_t magic, uint32_t info_phys)
{
    struct boot_error why;
    int err = parse_loader(magic, info_phys, &why);

    console_start();
    if (err == 0)
        err = boot_check_modules(&boot_info, virt_to_phys(image_start), virt_to_phys(image_end),
                                 &why);
    if (err)
        boot_refuse("%s", why.text);
    log_info("Loaded by %s with %u modules",
             boot_info.loader[0] ? boot_info.loader : "an unnamed loader", boot_info.module_count);
}

static void memory_init(void)
{
    uint32_t ring_bytes;
    void *ring;

    map_init(&boot_info);
    if (boot_info.efi_system_table == 0)
        machine_read_bios_area();
    desc_cpu_init(&boot_cpu);
    log_info("Memory: %lu MiB", map_ram_count() >> (20 - PAGE_SHIFT));
    ring_bytes = console_ring_wanted_bytes();
    ring = ring_bytes > 16 * KIB ? heap_alloc(ring_bytes) : NULL;
    if (ring)
        console_ring_grow(ring, ring_bytes);
}

static void acpi_init(void)
{
    int err = acpi_read(boot_info.rsdp_addr, &acpi_info);

    if (err)
        boot_refuse(err == -ENOENT ? "this machine has no ACPI tables"
                                   : "the machine's ACPI tables are broken");
    machine_set_acpi(&acpi_info.fadt);
    memmap_init(&boot_info, &acpi_info);
}

static void interrupts_init(void)
{
    pic_init();
    if (!lapic_init(acpi_info.lapic_address ? acpi_info.lapic_address : LAPIC_DEFAULT))
        boot_refuse("this machine has no local APIC");
    lapic_cpu_init();
    boot_cpu.arch.apic_id = lapic_id();
    clock_init(&acpi_info);
    ioapic_init(&acpi_info);
    pci_init(&acpi_info);
    irq_console_init();
}

void x86_start(uint32_t loader_magic, uint32_t info_phys)
{
    cpu_state_init();
    loader_info_read(loader_magic, info_phys);
    memory_init();
    fpu_cpu_init();
    cpu_policies_init();
    acpi_init();
    interrupts_init();
    time_init();
    dom0_create(&boot_info);
    console_start_dom0();
    guest_enter_first();
}
