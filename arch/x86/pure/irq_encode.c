/* SPDX-License-Identifier: MIT */
/* Interrupts as the hardware wants them written (x86/irq_encode.h). */
#include <kr/log.h>
#include <x86/irq.h>
#include <x86/irq_encode.h>

#define ENTRY_LOW        BIT(13)
#define ENTRY_LEVEL      BIT(15)
#define ENTRY_DEST_SHIFT 56

#define MSI_ADDRESS    0xfee00000UL
#define MSI_DEST_SHIFT 12

uint64_t ioapic_entry_encode(unsigned vector, uint32_t apic_id, struct irq_pin_mode mode,
                             bool masked)
{
    return vector | (mode.is_low ? ENTRY_LOW : 0) | (mode.is_level ? ENTRY_LEVEL : 0) |
           (masked ? IOAPIC_ENTRY_MASKED : 0) | (uint64_t)(apic_id & 0xff) << ENTRY_DEST_SHIFT;
}

struct msi_message msi_message_encode(unsigned vector, uint32_t apic_id)
{
    return (struct msi_message){
        .address = MSI_ADDRESS | (uint64_t)(apic_id & 0xff) << MSI_DEST_SHIFT,
        .data = vector,
    };
}

static bool vector_is_free(const struct vector_set *set, unsigned vector)
{
    return vector != VECTOR_SYSCALL && !(set->used[vector / 64] & BIT(vector % 64));
}

static bool block_is_free(const struct vector_set *set, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!vector_is_free(set, first + i))
            return false;
    return true;
}

unsigned vector_take(struct vector_set *set, unsigned count)
{
    ASSERT(count != 0 && !(count & (count - 1)));
    for (unsigned first = ALIGN_UP(VECTOR_DEVICE_FIRST, count);
         first + count - 1 <= VECTOR_DEVICE_LAST; first += count) {
        if (!block_is_free(set, first, count))
            continue;
        for (unsigned i = 0; i < count; i++)
            set->used[(first + i) / 64] |= BIT((first + i) % 64);
        return first;
    }
    return 0;
}

void vector_give(struct vector_set *set, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ASSERT(set->used[(first + i) / 64] & BIT((first + i) % 64));
        set->used[(first + i) / 64] &= ~BIT((first + i) % 64);
    }
}
