/* SPDX-License-Identifier: MIT */
/* A simulated CPU: the core's structure, a fibre that hypervisor code runs on, registers, a TLB and
 * interrupts that wait. */
#pragma once

#include <kr/cpu.h>
#include <sim/fibre.h>
#include <x86/cpu.h>

#define SIM_CPU_COUNT_MAX 64
#define SIM_TLB_ENTRIES   32
#define SIM_XSAVE_BYTES   832 /* x87, SSE, AVX */

struct sim_tlb_entry {
    uint64_t page; /* virtual page number + 1; 0: empty */
    mfn_t mfn;
    bool is_writable; /* a write has set Dirty: the next may go without a walk */
    bool is_ram;
    uint32_t use; /* sim_frame_use() when it was filled */
};

struct sim_cpu {
    struct cpu cpu; /* first: this_cpu() is the machine's, too */
    struct fibre fibre;
    bool is_idle;   /* waits for an interrupt */
    bool is_parked; /* waits at a guest's door for the monitor to end its pause */
    bool is_in_guest;
    unsigned lingers; /* so many choices fall on others, if there are any */
    uint64_t cr0, cr2, cr3, cr4;
    uint64_t dr[8];
    uint64_t fs_base, kernel_gs_base, tsc_aux, xcr0, pat;
    struct data_segments segments;
    uint8_t fpu[SIM_XSAVE_BYTES];
    struct sim_tlb_entry tlb[SIM_TLB_ENTRIES];
    _Atomic uint64_t pending[4]; /* vectors of interrupts that wait */
    _Atomic uint64_t timer_ns;   /* when its timer fires; UINT64_MAX: never */
    mfn_t ldt_pages[16];         /* shown in the LDT window, with their references */
};

static inline struct sim_cpu *sim_cpu_self(void)
{
    return (struct sim_cpu *)this_cpu();
}

struct sim_cpu *sim_cpu_by_id(unsigned id);

/* An interrupt arrives at a CPU: it takes it when it looks next. Any thread. */
void sim_cpu_interrupt(struct sim_cpu *cpu, unsigned vector);
/* Takes what has arrived. False: nothing had. */
bool sim_cpu_take_interrupts(void);
/* Would sim_cpu_take_interrupts() find any? */
bool sim_cpu_has_interrupt(const struct sim_cpu *cpu);
