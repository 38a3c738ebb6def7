/* SPDX-License-Identifier: MIT */
/*
 * IO-APIC driver (x86/ioapic.h). Registers are reached through a selector and a window, so one lock
 * makes the two accesses one. The entries' contents are kept here: reading them back is slow.
 */
#include <kr/errno.h>
#include <kr/heap.h>
#include <kr/lock.h>
#include <kr/log.h>
#include <x86/ioapic.h>
#include <x86/iomem.h>
#include <x86/map.h>

#define SELECTOR 0x00 /* byte offsets in the page */
#define WINDOW   0x10

#define REG_ID         0x00
#define REG_VERSION    0x01
#define REG_ENTRY(pin) (0x10 + 2 * (pin))

#define ISA_COUNT 16

struct ioapic {
    volatile uint32_t *registers; /* device memory */
    uint64_t phys;
    unsigned gsi_base, pin_count;
};

struct pin {
    uint64_t entry;
    struct irq_pin_mode mode;
    struct ioapic *ioapic; /* NULL: a hole between two IO-APICs */
};

static struct ioapic ioapics[ACPI_IOAPIC_MAX];
static unsigned ioapic_count, gsi_count;
static struct pin *pins; /* by GSI */
static uint16_t isa_gsi[ISA_COUNT];
static struct spinlock ioapic_lock = SPINLOCK_INIT(LOCK_RANK_IOAPIC);

static uint32_t reg_read(const struct ioapic *io, uint32_t reg)
{
    io->registers[SELECTOR / 4] = reg;
    return io->registers[WINDOW / 4];
}

static void reg_write(const struct ioapic *io, uint32_t reg, uint32_t value)
{
    io->registers[SELECTOR / 4] = reg;
    io->registers[WINDOW / 4] = value;
}

/* ---- start-up ---------------------------------------------------------------------------------
 */

static void ioapic_add(const struct acpi_ioapic *found)
{
    struct ioapic *io = &ioapics[ioapic_count];
    uint32_t version;

    io->phys = found->address;
    io->gsi_base = found->gsi_base;
    io->registers = map_device(found->address, PAGE_SIZE);
    if (!io->registers || !iomem_reserve(found->address >> PAGE_SHIFT, 1, true))
        boot_refuse("no room for the IO-APIC at %#x", found->address);
    version = reg_read(io, REG_VERSION);
    if (version == ~0U) {
        log_warning("the IO-APIC at %#x does not answer: left out", found->address);
        return;
    }
    io->pin_count = (version >> 16 & 0xff) + 1;
    gsi_count = MAX(gsi_count, io->gsi_base + io->pin_count);
    ioapic_count++;
    log_info("IO-APIC at %#x: version %#x, GSI %u to %u", found->address, version & 0xff,
             io->gsi_base, io->gsi_base + io->pin_count - 1);
}

static void pins_init(struct ioapic *io)
{
    for (unsigned i = 0; i < io->pin_count; i++) {
        struct pin *pin = &pins[io->gsi_base + i];
        /* ISA signals edge, PCI level; overrides come later, dom0's AML last. */
        bool is_pci = io->gsi_base + i >= ISA_COUNT;

        pin->ioapic = io;
        pin->mode = (struct irq_pin_mode){.is_level = is_pci, .is_low = is_pci};
        pin->entry = IOAPIC_ENTRY_MASKED;
        reg_write(io, REG_ENTRY(i), (uint32_t)pin->entry);
        reg_write(io, REG_ENTRY(i) + 1, 0);
    }
}

static void override_apply(const struct acpi_override *o)
{
    if (o->irq >= ISA_COUNT || !ioapic_has_gsi(o->gsi)) {
        log_warning("ISA interrupt %u cannot be at GSI %u: ignored", o->irq, o->gsi);
        return;
    }
    isa_gsi[o->irq] = o->gsi;
    pins[o->gsi].mode.is_level = o->trigger == ACPI_TRIGGER_LEVEL;
    pins[o->gsi].mode.is_low = o->polarity == ACPI_POLARITY_LOW;
}

void ioapic_init(const struct acpi_info *acpi)
{
    for (unsigned i = 0; i < acpi->ioapic_count; i++)
        ioapic_add(&acpi->ioapics[i]);
    if (ioapic_count == 0)
        boot_refuse("this machine has no IO-APIC");
    pins = heap_zalloc_array(NULL, gsi_count, sizeof(*pins));
    if (!pins)
        boot_refuse("no memory for %u interrupt lines", gsi_count);
    for (unsigned i = 0; i < ioapic_count; i++)
        pins_init(&ioapics[i]);
    for (unsigned i = 0; i < ISA_COUNT; i++)
        isa_gsi[i] = i;
    for (unsigned i = 0; i < acpi->override_count; i++)
        override_apply(&acpi->overrides[i]);
}

/* ---- lines ------------------------------------------------------------------------------------
 */

unsigned ioapic_gsi_count(void)
{
    return gsi_count;
}

bool ioapic_has_gsi(unsigned gsi)
{
    return gsi < gsi_count && pins[gsi].ioapic;
}

unsigned ioapic_isa_gsi(unsigned isa_irq)
{
    ASSERT(isa_irq < ISA_COUNT);
    return isa_gsi[isa_irq];
}

struct irq_pin_mode ioapic_mode(unsigned gsi)
{
    return pins[gsi].mode;
}

void ioapic_set_mode(unsigned gsi, struct irq_pin_mode mode)
{
    pins[gsi].mode = mode;
}

static void entry_write(unsigned gsi, uint64_t entry)
{
    struct pin *pin = &pins[gsi];
    unsigned reg = REG_ENTRY(gsi - pin->ioapic->gsi_base);

    /* The high half changes only while the entry is masked: it is never seen half written. */
    if ((entry ^ pin->entry) >> 32) {
        reg_write(pin->ioapic, reg, (uint32_t)pin->entry | IOAPIC_ENTRY_MASKED);
        reg_write(pin->ioapic, reg + 1, entry >> 32);
    }
    reg_write(pin->ioapic, reg, (uint32_t)entry);
    pin->entry = entry;
}

void ioapic_route(unsigned gsi, unsigned vector, uint32_t apic_id, bool masked)
{
    unsigned long flags = spin_lock_irqsave(&ioapic_lock);

    entry_write(gsi, ioapic_entry_encode(vector, apic_id, pins[gsi].mode, masked));
    spin_unlock_irqrestore(&ioapic_lock, flags);
}

void ioapic_mask(unsigned gsi, bool masked)
{
    unsigned long flags = spin_lock_irqsave(&ioapic_lock);
    uint64_t entry = pins[gsi].entry & ~IOAPIC_ENTRY_MASKED;

    entry_write(gsi, entry | (masked ? IOAPIC_ENTRY_MASKED : 0));
    spin_unlock_irqrestore(&ioapic_lock, flags);
}

int ioapic_register_read(uint64_t phys, uint32_t reg, uint32_t *value)
{
    for (unsigned i = 0; i < ioapic_count; i++) {
        struct ioapic *io = &ioapics[i];
        unsigned long flags;

        if (io->phys != phys)
            continue;
        if (reg >= REG_ENTRY(io->pin_count))
            return -EINVAL;
        flags = spin_lock_irqsave(&ioapic_lock);
        *value = reg_read(io, reg);
        spin_unlock_irqrestore(&ioapic_lock, flags);
        return 0;
    }
    return -EINVAL;
}
