/* SPDX-License-Identifier: MIT */
/* See irq_machine.h. */
#include "../unit.h"

#include <string.h>

#include <kr/console.h>
#include <kr/cpu.h>
#include <kr/errno.h>
#include <x86/ioapic.h>
#include <x86/iomem.h>
#include <x86/lapic.h>
#include <x86/map.h>

#include "irq_machine.h"

#define FUNCTION_COUNT 4

struct machine_pin machine_pins[MACHINE_GSI_COUNT];
static struct machine_function functions[FUNCTION_COUNT];
static uint32_t selected;
uint8_t machine_mmio[MACHINE_MMIO_SIZE];
struct machine_reserved machine_reserved[8];
unsigned machine_reserved_count;
struct domain machine_domains[2];
uint32_t machine_ports[2][512];
unsigned machine_raised[2][512], machine_unmasked[2][512];
unsigned machine_eoi_count, machine_console_count;
uint64_t machine_page[512];
int machine_page_pins;

struct domain *control_domain = &machine_domains[0];
struct page *page_table_base;
uint64_t page_section_bitmap[PAGE_SECTION_COUNT / 64];
_Thread_local struct cpu fake_cpu;

void irq_machine_start(void)
{
    /* A GSI keeps its vector for ever, so its input does too. */
    for (unsigned i = 0; i < MACHINE_GSI_COUNT; i++) {
        if (machine_pins[i].vector != 0)
            continue;
        machine_pins[i].masked = true;
        machine_pins[i].mode.is_level = machine_pins[i].mode.is_low = i >= 16;
    }
    memset(functions, 0, sizeof(functions));
    memset(machine_mmio, 0, sizeof(machine_mmio));
    machine_reserved_count = 0;
    memset(machine_ports, 0, sizeof(machine_ports));
    memset(machine_raised, 0, sizeof(machine_raised));
    memset(machine_unmasked, 0, sizeof(machine_unmasked));
    memset(machine_page, 0, sizeof(machine_page));
    machine_eoi_count = machine_console_count = 0;
    memset(machine_domains, 0, sizeof(machine_domains));
    machine_domains[0].is_privileged = true;
    machine_domains[1].id = 1;
    fake_cpu.arch.apic_id = 3;
}

struct cpu *cpu_by_id(unsigned id)
{
    static struct cpu other = {.arch.apic_id = 9};

    return id == 0 ? &fake_cpu : &other;
}

/* ---- interrupt controllers --------------------------------------------------------------------
 */

unsigned ioapic_gsi_count(void)
{
    return MACHINE_GSI_COUNT;
}

bool ioapic_has_gsi(unsigned gsi)
{
    return gsi < MACHINE_GSI_COUNT;
}

unsigned ioapic_isa_gsi(unsigned isa_irq)
{
    return isa_irq == 0 ? 2 : isa_irq;
}

struct irq_pin_mode ioapic_mode(unsigned gsi)
{
    return machine_pins[gsi].mode;
}

void ioapic_set_mode(unsigned gsi, struct irq_pin_mode mode)
{
    machine_pins[gsi].mode = mode;
}

void ioapic_route(unsigned gsi, unsigned vector, uint32_t apic_id, bool masked)
{
    struct machine_pin *pin = &machine_pins[gsi];

    *pin = (struct machine_pin){pin->mode, pin->mode, vector, apic_id, masked};
}

void ioapic_mask(unsigned gsi, bool masked)
{
    machine_pins[gsi].masked = masked;
}

void lapic_eoi(void)
{
    machine_eoi_count++;
}

/* ---- the console ------------------------------------------------------------------------------
 */

uint32_t console_irq_lines(void)
{
    return BIT(4);
}

void console_irq_enable(unsigned irq)
{
    assert_int_equal(irq, 4);
}

void console_interrupt(unsigned irq)
{
    assert_int_equal(irq, 4);
    machine_console_count++;
}

/* ---- PCI --------------------------------------------------------------------------------------
 */

struct machine_function *machine_function_add(uint8_t bus, uint8_t devfn)
{
    struct machine_function *f = functions;

    while (f->present)
        f++;
    assert_true(f < functions + FUNCTION_COUNT);
    f->present = true;
    f->bus = bus;
    f->devfn = devfn;
    machine_config_set(f, PCI_VENDOR_ID, 4, 0x12348086);
    machine_config_set(f, PCI_BAR(0), 4, (uint32_t)MACHINE_MMIO | 4);
    f->writable[PCI_COMMAND] = 0xff;
    memset(f->writable + 0x40, 0xff, 16);
    return f;
}

/* Puts a capability at the head of the list. */
static void add_capability(struct machine_function *f, uint8_t id, uint8_t offset)
{
    f->config[offset] = id;
    f->config[offset + 1] = f->config[PCI_CAPABILITY_FIRST];
    f->config[PCI_CAPABILITY_FIRST] = offset;
    f->config[PCI_STATUS] |= PCI_STATUS_CAPS;
}

void machine_add_msi(struct machine_function *f, unsigned log2, bool is_64bit, bool is_maskable)
{
    add_capability(f, PCI_CAP_MSI, 0x50);
    machine_config_set(f, 0x52, 2, log2 << 1 | is_64bit << 7 | is_maskable << 8);
    f->writable[0x52] = 0x71;
    memset(f->writable + 0x54, 0xff, 20);
}

void machine_add_msix(struct machine_function *f, unsigned count, uint32_t table)
{
    add_capability(f, PCI_CAP_MSIX, 0x70);
    machine_config_set(f, 0x72, 2, count - 1);
    f->writable[0x73] = 0xc0;
    machine_config_set(f, 0x74, 4, table);
}

uint32_t machine_config(const struct machine_function *f, unsigned offset, unsigned bytes)
{
    uint32_t value = 0;

    memcpy(&value, &f->config[offset], bytes);
    return value;
}

void machine_config_set(struct machine_function *f, unsigned offset, unsigned bytes, uint32_t value)
{
    memcpy(&f->config[offset], &value, bytes);
}

static struct machine_function *function_selected(void)
{
    for (struct machine_function *f = functions; f < functions + FUNCTION_COUNT; f++)
        if (f->present && (selected & BIT(31)) && f->bus == (uint8_t)(selected >> 16) &&
            f->devfn == (uint8_t)(selected >> 8))
            return f;
    return NULL;
}

static uint32_t data_read(uint16_t port, unsigned bytes)
{
    const struct machine_function *f = function_selected();

    return f ? machine_config(f, (selected & 0xfc) + (port & 3), bytes) : ~0U;
}

static void data_write(uint16_t port, unsigned bytes, uint32_t value)
{
    struct machine_function *f = function_selected();
    unsigned offset = (selected & 0xfc) + (port & 3);

    if (!f)
        return;
    f->write_count++;
    for (unsigned i = 0; i < bytes; i++) {
        uint8_t bits = f->writable[offset + i];

        f->config[offset + i] = (f->config[offset + i] & ~bits) | (value >> 8 * i & bits);
    }
}

uint8_t arch_port_read8(uint16_t port)
{
    return data_read(port, 1);
}

uint16_t arch_port_read16(uint16_t port)
{
    return data_read(port, 2);
}

uint32_t arch_port_read32(uint16_t port)
{
    return data_read(port, 4);
}

void arch_port_write8(uint16_t port, uint8_t value)
{
    data_write(port, 1, value);
}

void arch_port_write16(uint16_t port, uint16_t value)
{
    data_write(port, 2, value);
}

void arch_port_write32(uint16_t port, uint32_t value)
{
    if (port == 0xcf8)
        selected = value;
    else
        data_write(port, 4, value);
}

/* ---- memory -----------------------------------------------------------------------------------
 */

void *map_device(uint64_t phys, size_t size_bytes)
{
    assert_true(phys >= MACHINE_MMIO && phys + size_bytes <= MACHINE_MMIO + MACHINE_MMIO_SIZE);
    return machine_mmio + (phys - MACHINE_MMIO);
}

bool iomem_reserve(mfn_t first, uint64_t count, bool readable)
{
    if (machine_reserved_count == ARRAY_SIZE(machine_reserved))
        return false;
    machine_reserved[machine_reserved_count++] = (struct machine_reserved){first, count, readable};
    return true;
}

mfn_t arch_frame_pin_writable(struct domain *d, uint64_t gfn)
{
    if (gfn != MACHINE_PAGE_GFN)
        return MFN_INVALID;
    machine_page_pins++;
    return gfn;
}

void arch_frame_unpin(mfn_t mfn)
{
    assert_int_equal(mfn, MACHINE_PAGE_GFN);
    machine_page_pins--;
}

void *frame_to_virt(mfn_t mfn)
{
    assert_int_equal(mfn, MACHINE_PAGE_GFN);
    return machine_page;
}

/* ---- events -----------------------------------------------------------------------------------
 */

uint32_t event_pirq_port(struct domain *d, unsigned pirq)
{
    return pirq < ARRAY_SIZE(machine_ports[0]) ? machine_ports[d->id][pirq] : 0;
}

bool event_raise_pirq(struct domain *d, unsigned pirq)
{
    if (machine_ports[d->id][pirq] == 0)
        return false;
    machine_raised[d->id][pirq]++;
    return true;
}

int event_unmask(struct domain *d, uint32_t port)
{
    machine_unmasked[d->id][port]++;
    return 0;
}
