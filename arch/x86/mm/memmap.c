/* SPDX-License-Identifier: MIT */
/* Keeps the machine's memory map for dom0 (x86/memmap.h). */
#include <x86/memmap.h>

#define EXTRA_MAX (ACPI_IOAPIC_MAX + 1)

static struct memmap_entry entries[BOOT_MEMMAP_MAX + EXTRA_MAX];
static unsigned entry_count;

static bool overlaps(uint64_t start, uint64_t size)
{
    for (unsigned i = 0; i < entry_count; i++)
        if (start < entries[i].start + entries[i].size && entries[i].start < start + size)
            return true;
    return false;
}

/* Keeps the order by address. */
static void insert(struct memmap_entry e)
{
    unsigned i = entry_count++;

    for (; i > 0 && entries[i - 1].start > e.start; i--)
        entries[i] = entries[i - 1];
    entries[i] = e;
}

static void reserve_page(uint64_t addr)
{
    uint64_t start = ALIGN_DOWN(addr, PAGE_SIZE);

    if (addr && !overlaps(start, PAGE_SIZE))
        insert((struct memmap_entry){start, PAGE_SIZE, BOOT_MEM_RESERVED});
}

void memmap_init(const struct boot_info *info, const struct acpi_info *acpi)
{
    for (unsigned i = 0; i < info->mem_count; i++)
        insert((struct memmap_entry){info->mem[i].start, info->mem[i].size, info->mem[i].type});
    for (unsigned i = 0; i < acpi->ioapic_count; i++)
        reserve_page(acpi->ioapics[i].address);
    reserve_page(acpi->lapic_address);
}

bool memmap_machine_entry(unsigned index, struct memmap_entry *out)
{
    if (index >= entry_count)
        return false;
    *out = entries[index];
    return true;
}
