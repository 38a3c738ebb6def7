/* SPDX-License-Identifier: MIT */
/*
 * How interrupts are written down for the hardware: IO-APIC redirection entries (82093AA, chapter
 * 3), MSI messages (Intel SDM 3, 10.11), and which vectors are taken. Pure.
 */
#pragma once

#include <kr/types.h>

/* How a pin of an IO-APIC signals. */
struct irq_pin_mode {
    bool is_level, is_low;
};

#define IOAPIC_ENTRY_MASKED BIT(16)

/* Fixed delivery of `vector` to one CPU, physical destination. */
uint64_t ioapic_entry_encode(unsigned vector, uint32_t apic_id, struct irq_pin_mode mode,
                             bool masked);

struct msi_message {
    uint64_t address;
    uint32_t data;
};

/* Edge, fixed delivery to one CPU. */
struct msi_message msi_message_encode(unsigned vector, uint32_t apic_id);

/* Vectors in use, VECTOR_DEVICE_FIRST to VECTOR_DEVICE_LAST. */
struct vector_set {
    uint64_t used[4];
};

/* Takes `count` consecutive free vectors, a power of two, aligned to that; 0: there are none. */
unsigned vector_take(struct vector_set *set, unsigned count);
void vector_give(struct vector_set *set, unsigned first, unsigned count);
