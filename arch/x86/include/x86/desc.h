/* SPDX-License-Identifier: MIT */
/* Descriptor tables of this CPU: our page of the GDT, TSS, IDT; the guest's pages around them. */
#pragma once

#include <kr/types.h>

struct cpu;
struct vcpu;

struct x86_tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, iomap_offset;
} __packed;

enum { IST_NMI = 1, IST_DOUBLE_FAULT, IST_MACHINE_CHECK, IST_DEBUG, IST_COUNT = 4 };

/* Makes `cpu` this CPU: GS base, GDT, TSS, IDT, SYSCALL registers. Interrupts off. */
void desc_cpu_init(struct cpu *cpu);
/* The guest's GDT frames and LDT into this CPU's windows. */
void desc_load_guest(struct vcpu *v);
/* Where a trap from the guest will push its frame. */
void desc_set_frame(struct cpu *cpu, struct vcpu *v);
/* First address of this CPU's LDT window. */
uint64_t desc_ldt_window(const struct cpu *cpu);
/* Shows one page of the guest's LDT in the window; takes over the caller's general and DESCRIPTOR
 * references, which desc_load_guest() drops when it empties the window. */
void desc_map_ldt_page(struct cpu *cpu, unsigned page, mfn_t mfn);
/* Empties the window, dropping those references. */
void desc_unload_guest(struct cpu *cpu);
/* Reads a descriptor through the tables that are loaded now; false when outside. */
bool desc_read(const struct cpu *cpu, uint16_t selector, uint64_t *desc);
