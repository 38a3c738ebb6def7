/* SPDX-License-Identifier: MIT */
/*
 * What firmware and boot loader leave in the machine's first MiB: ACPI tables (ACPI 6.4, chapter 5)
 * and Multiboot 1 information (spec 3.3) with dom0's kernel as its module, a small ELF file behind
 * that MiB. The hypervisor reads them with the same code as on hardware.
 */
#include <kr/log.h>
#include <kr/multiboot.h>
#include <sim/guest.h>

#include <xen/elfnote.h>
#include <xen/features.h>

#include <elf.h>
#include <string.h>

#include "firmware.h"
#include "machine_internal.h"

#define INFO_PHYS        0x1000
#define RSDP_PHYS        0xe0000
#define TABLES_PHYS      0xe1000
#define TABLE_COUNT      4
#define HEADER_BYTES     36
#define MMAP_ENTRY_BYTES 24
#define PM_TIMER_OFFSET  76
#define FADT_BYTES       116
#define ENABLED          1

/* Bytes put one after the other. */
struct writer {
    uint8_t *start, *at;
};

static struct writer writer_at(uint64_t phys)
{
    return (struct writer){phys_to_virt(phys), phys_to_virt(phys)};
}

static void put(struct writer *w, const void *data, size_t size_bytes)
{
    memcpy(w->at, data, size_bytes);
    w->at += size_bytes;
}

static void put8(struct writer *w, uint8_t value)
{
    *w->at++ = value;
}

static void put32(struct writer *w, uint32_t value)
{
    put(w, &value, sizeof(value));
}

static void put64(struct writer *w, uint64_t value)
{
    put(w, &value, sizeof(value));
}

static void skip(struct writer *w, size_t size_bytes)
{
    w->at += size_bytes;
}

/* ---- ACPI -------------------------------------------------------------------------------------
 */

static uint8_t checksum(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size_bytes; i++)
        sum += bytes[i];
    return -sum;
}

static struct writer table_begin(uint64_t phys, const char *signature)
{
    struct writer w = writer_at(phys);

    put(&w, signature, 4);
    skip(&w, 4);
    put8(&w, 3); /* revision */
    skip(&w, 1);
    put(&w, "KRYPTNSIMULATE", 14);
    skip(&w, HEADER_BYTES - 24);
    return w;
}

/* Length and checksum. Returns where the next table may lie. */
static uint64_t table_end(struct writer *w)
{
    uint32_t length = w->at - w->start;

    memcpy(w->start + 4, &length, sizeof(length));
    w->start[9] = checksum(w->start, length);
    return ALIGN_UP(virt_to_phys(w->at), 64UL);
}

static uint64_t fadt_write(uint64_t phys)
{
    struct writer w = table_begin(phys, "FACP");
    uint32_t port = SIM_PM_TIMER_PORT;

    memcpy(w.start + PM_TIMER_OFFSET, &port, sizeof(port));
    w.start[91] = 4; /* bytes of the PM timer's register */
    w.at = w.start + FADT_BYTES;
    return table_end(&w);
}

static uint64_t madt_write(uint64_t phys)
{
    struct writer w = table_begin(phys, "APIC");

    put32(&w, 0xfee00000);
    put32(&w, 0);
    for (unsigned i = 0; i < machine.config.cpu_count; i++) {
        put8(&w, 0); /* a local APIC: length, processor, APIC id, flags */
        put8(&w, 8);
        put8(&w, i);
        put8(&w, i);
        put32(&w, ENABLED);
    }
    return table_end(&w);
}

static uint64_t srat_write(uint64_t phys)
{
    const struct sim_config *c = &machine.config;
    struct writer w = table_begin(phys, "SRAT");

    skip(&w, 12);
    for (unsigned i = 0; i < c->cpu_count; i++) {
        put8(&w, 0); /* affinity of a local APIC */
        put8(&w, 16);
        put8(&w, i * c->node_count / c->cpu_count);
        put8(&w, i);
        put32(&w, ENABLED);
        skip(&w, 8);
    }
    for (unsigned i = 0; i < c->ram_count; i++) {
        put8(&w, 1); /* affinity of memory */
        put8(&w, 40);
        put32(&w, c->ram[i].node);
        skip(&w, 2);
        put64(&w, c->ram[i].start);
        put64(&w, c->ram[i].size_bytes);
        skip(&w, 4);
        put32(&w, ENABLED);
        skip(&w, 8);
    }
    return table_end(&w);
}

static uint64_t slit_write(uint64_t phys)
{
    unsigned count = machine.config.node_count;
    struct writer w = table_begin(phys, "SLIT");

    put64(&w, count);
    for (unsigned i = 0; i < count * count; i++)
        put8(&w, i / count == i % count ? 10 : 20);
    return table_end(&w);
}

static void acpi_write(void)
{
    uint64_t tables[TABLE_COUNT], phys = TABLES_PHYS;
    struct writer xsdt, rsdp = writer_at(RSDP_PHYS);

    tables[0] = phys;
    tables[1] = fadt_write(tables[0]);
    tables[2] = madt_write(tables[1]);
    tables[3] = srat_write(tables[2]);
    phys = slit_write(tables[3]);
    xsdt = table_begin(phys, "XSDT");
    put(&xsdt, tables, sizeof(tables));
    table_end(&xsdt);

    put(&rsdp, "RSD PTR ", 8);
    skip(&rsdp, 7);
    put8(&rsdp, 2); /* revision, then the old table's address, length, and the XSDT's */
    put32(&rsdp, 0);
    put32(&rsdp, 36);
    put64(&rsdp, phys);
    rsdp.start[8] = checksum(rsdp.start, 20);
    rsdp.start[32] = checksum(rsdp.start, 36);
}

/* ---- dom0's kernel ----------------------------------------------------------------------------
 */

static void note_put(struct writer *w, uint32_t type, const void *data, uint32_t size_bytes)
{
    put32(w, 4);
    put32(w, size_bytes);
    put32(w, type);
    put(w, "Xen", 4);
    put(w, data, size_bytes);
    skip(w, -size_bytes & 3);
}

static void notes_write(struct writer *w)
{
    uint64_t entry = SIM_PC_ENTRY, base = SIM_VIRT_BASE;
    uint32_t features = BIT(XENFEAT_dom0);

    note_put(w, XEN_ELFNOTE_ENTRY, &entry, sizeof(entry));
    note_put(w, XEN_ELFNOTE_VIRT_BASE, &base, sizeof(base));
    note_put(w, XEN_ELFNOTE_XEN_VERSION, "xen-3.0", 8);
    note_put(w, XEN_ELFNOTE_SUPPORTED_FEATURES, &features, sizeof(features));
    note_put(w, XEN_ELFNOTE_GUEST_OS, "simulated", 10);
    note_put(w, XEN_ELFNOTE_LOADER, "generic", 8);
}

/* Headers and notes in the first page of the file, the text page behind. Returns its size. */
static size_t kernel_write(uint64_t phys)
{
    struct writer w = writer_at(phys + sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr));
    Elf64_Ehdr *header = phys_to_virt(phys);
    Elf64_Phdr *segments = (Elf64_Phdr *)(header + 1);

    *header = (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                           .e_type = ET_EXEC,
                           .e_machine = EM_X86_64,
                           .e_version = EV_CURRENT,
                           .e_entry = SIM_PC_ENTRY,
                           .e_phoff = sizeof(Elf64_Ehdr),
                           .e_ehsize = sizeof(Elf64_Ehdr),
                           .e_phentsize = sizeof(Elf64_Phdr),
                           .e_phnum = 2};
    notes_write(&w);
    segments[0] = (Elf64_Phdr){.p_type = PT_NOTE,
                               .p_offset = (char *)w.start - (char *)header,
                               .p_filesz = w.at - w.start,
                               .p_memsz = w.at - w.start,
                               .p_flags = PF_R};
    segments[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                               .p_offset = PAGE_SIZE,
                               .p_vaddr = sim_page_va(SIM_PFN_TEXT),
                               .p_paddr = SIM_PFN_TEXT << PAGE_SHIFT,
                               .p_filesz = PAGE_SIZE,
                               .p_memsz = PAGE_SIZE,
                               .p_flags = PF_R | PF_X};
    sim_text_fill(phys_to_virt(phys + PAGE_SIZE));
    return 2 * PAGE_SIZE;
}

/* ---- the boot loader's words ------------------------------------------------------------------
 */

static void mmap_entry_put(struct writer *w, uint64_t start, uint64_t size_bytes, uint32_t type)
{
    put32(w, MMAP_ENTRY_BYTES - 4);
    put64(w, start);
    put64(w, size_bytes);
    put32(w, type);
}

/* RAM as it is, but for the place of the BIOS. */
static void mmap_put(struct writer *w)
{
    const struct sim_config *c = &machine.config;

    mmap_entry_put(w, 0, SIM_BIOS_START, BOOT_MEM_RAM);
    mmap_entry_put(w, SIM_BIOS_START, SIM_BIOS_END - SIM_BIOS_START, BOOT_MEM_RESERVED);
    mmap_entry_put(w, SIM_BIOS_END, c->ram[0].size_bytes - SIM_BIOS_END, BOOT_MEM_RAM);
    for (unsigned i = 1; i < c->ram_count; i++)
        mmap_entry_put(w, c->ram[i].start, c->ram[i].size_bytes, BOOT_MEM_RAM);
}

static void word_set(uint64_t phys, unsigned offset, uint32_t value)
{
    memcpy((char *)phys_to_virt(phys) + offset, &value, sizeof(value));
}

uint32_t sim_firmware_write(void)
{
    struct writer w = writer_at(INFO_PHYS + ALIGN_UP(MB1_INFO_SIZE, 16));
    size_t kernel_bytes = kernel_write(SIM_KERNEL_PHYS);

    acpi_write();
    word_set(INFO_PHYS, MB1_OFF_FLAGS, MB1_INFO_CMDLINE | MB1_INFO_MODULES | MB1_INFO_MMAP);
    word_set(INFO_PHYS, MB1_OFF_MMAP_ADDR, virt_to_phys(w.at));
    mmap_put(&w);
    word_set(INFO_PHYS, MB1_OFF_MMAP_LENGTH, w.at - w.start);
    word_set(INFO_PHYS, MB1_OFF_MODS_COUNT, 1);
    word_set(INFO_PHYS, MB1_OFF_MODS_ADDR, virt_to_phys(w.at));
    put32(&w, SIM_KERNEL_PHYS);
    put32(&w, SIM_KERNEL_PHYS + kernel_bytes);
    skip(&w, 8);
    word_set(INFO_PHYS, MB1_OFF_CMDLINE, virt_to_phys(w.at));
    put(&w, "krypton ", 8); /* the file, as loaders have it */
    put(&w, machine.config.command_line, strlen(machine.config.command_line) + 1);
    return INFO_PHYS;
}
