/* SPDX-License-Identifier: MIT */
/* The privileged instructions (x86/cpu.h) on the simulated CPU that executes them. The processor is
 * an invented one with the features that the port looks for. */
#include <kr/log.h>
#include <sim/cpu.h>
#include <sim/mmu.h>
#include <x86/msr.h>

#include <stdatomic.h>
#include <string.h>

#include "machine_internal.h"

#define MSR_TSC_DEADLINE 0x6e0
#define TSC_READ_NS      1

/* ---- control registers ------------------------------------------------------------------------
 */

uint64_t read_cr0(void)
{
    return sim_cpu_self()->cr0;
}

void write_cr0(uint64_t value)
{
    sim_cpu_self()->cr0 = value;
}

uint64_t read_cr2(void)
{
    return sim_cpu_self()->cr2;
}

void write_cr2(uint64_t value)
{
    sim_cpu_self()->cr2 = value;
}

uint64_t read_cr3(void)
{
    return sim_cpu_self()->cr3;
}

void write_cr3(uint64_t value)
{
    sim_cpu_self()->cr3 = value;
    sim_tlb_flush(sim_cpu_self());
}

uint64_t read_cr4(void)
{
    return sim_cpu_self()->cr4;
}

void write_cr4(uint64_t value)
{
    sim_cpu_self()->cr4 = value;
    sim_tlb_flush(sim_cpu_self());
}

void write_dr(unsigned index, uint64_t value)
{
    sim_cpu_self()->dr[index] = value;
}

uint64_t read_dr6(void)
{
    return sim_cpu_self()->dr[6];
}

struct data_segments read_data_segments(void)
{
    return sim_cpu_self()->segments;
}

void wbinvd(void)
{
}

/* Memory is always what the CPUs see; the byte must be there. */
void clflush(const void *byte)
{
    (void)*(const volatile char *)byte;
}

void memory_fence(void)
{
}

/* ---- model-specific registers -----------------------------------------------------------------
 */

static uint64_t *msr_storage(uint32_t msr)
{
    struct sim_cpu *cpu = sim_cpu_self();

    switch (msr) {
    case MSR_FS_BASE: return &cpu->fs_base;
    case MSR_KERNEL_GS_BASE: return &cpu->kernel_gs_base;
    case MSR_TSC_AUX: return &cpu->tsc_aux;
    case MSR_PAT: return &cpu->pat;
    default: return NULL;
    }
}

bool rdmsr_safe(uint32_t msr, uint64_t *value)
{
    const uint64_t *storage = msr_storage(msr);

    if (storage)
        *value = *storage;
    else if (msr == MSR_EFER)
        *value = EFER_SCE | EFER_LME | EFER_NXE;
    return storage || msr == MSR_EFER;
}

bool wrmsr_safe(uint32_t msr, uint64_t value)
{
    uint64_t *storage = msr_storage(msr);

    if (storage)
        *storage = value;
    else if (msr == MSR_TSC_DEADLINE)
        atomic_store(&sim_cpu_self()->timer_ns, value ? value : UINT64_MAX);
    return storage || msr == MSR_TSC_DEADLINE;
}

uint64_t rdmsr(uint32_t msr)
{
    uint64_t value = 0;

    ASSERT(rdmsr_safe(msr, &value));
    return value;
}

void wrmsr(uint32_t msr, uint64_t value)
{
    ASSERT(wrmsr_safe(msr, value));
}

/* One tick a nanosecond: the hypervisor has to find that out. */
uint64_t rdtsc(void)
{
    sim_time_pass(TSC_READ_NS);
    return sim_time_ns();
}

bool segment_load_ds(uint16_t selector)
{
    sim_cpu_self()->segments.ds = selector;
    return true;
}

bool segment_load_es(uint16_t selector)
{
    sim_cpu_self()->segments.es = selector;
    return true;
}

bool segment_load_fs(uint16_t selector)
{
    sim_cpu_self()->segments.fs = selector;
    return true;
}

bool segment_load_gs(uint16_t selector, struct cpu *cpu, uint64_t *base)
{
    sim_cpu_self()->segments.gs = selector;
    *base = 0;
    return true;
}

/* ---- FPU --------------------------------------------------------------------------------------
 */

#define FXSAVE_BYTES 512

void fpu_reset(void)
{
    memset(sim_cpu_self()->fpu, 0, SIM_XSAVE_BYTES);
}

void fpu_xsave(void *area)
{
    memcpy(area, sim_cpu_self()->fpu, SIM_XSAVE_BYTES);
}

void fpu_xrstor(const void *area)
{
    memcpy(sim_cpu_self()->fpu, area, SIM_XSAVE_BYTES);
}

void fpu_fxsave(void *area)
{
    memcpy(area, sim_cpu_self()->fpu, FXSAVE_BYTES);
}

void fpu_fxrstor(const void *area)
{
    memcpy(sim_cpu_self()->fpu, area, FXSAVE_BYTES);
}

void fpu_pointers_replace(void)
{
}

void xsetbv(uint32_t index, uint64_t value)
{
    sim_cpu_self()->xcr0 = value;
}

/* ---- CPUID ------------------------------------------------------------------------------------
 */

struct leaf {
    uint32_t leaf, subleaf, a, b, c, d;
};

/* Intel SDM 2A, CPUID; vendor "SimulatedCPU". */
static const struct leaf leaves[] = {
    {0, 0, 0xd, 0x756d6953, 0x55504364, 0x6574616c},
    /* family 6; SSE3 SSSE3 SSE4 POPCNT TSC-deadline XSAVE AVX; FPU TSC MSR PAE CX8 APIC PGE CMOV
     * PAT FXSR SSE SSE2 */
    {1, 0, 0x000606a0, 0x00400800, 0x15982203, 0x07898b79},
    {4, 0, 0x00000121, 0x01c0003f, 0x3f, 0},
    {7, 0, 0, 0x00000001, 0, 0}, /* FSGSBASE */
    {0xd, 0, 7, SIM_XSAVE_BYTES, SIM_XSAVE_BYTES, 0},
    {0xd, 2, 256, 576, 0, 0},
    {0x80000000, 0, 0x80000008, 0, 0, 0},
    {0x80000001, 0, 0, 0, 1, 0x2c100800}, /* LAHF; SYSCALL NX 1GB RDTSCP LM */
    {0x80000007, 0, 0, 0, 0, 0x100},      /* invariant TSC */
    {0x80000008, 0, 0x302e, 0, 0, 0},     /* 46 bits physical, 48 virtual */
};

void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    memset(out, 0, 4 * sizeof(out[0]));
    for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
        const struct leaf *l = &leaves[i];

        if (l->leaf != leaf || l->subleaf != subleaf)
            continue;
        out[0] = l->a;
        out[1] = l->b;
        out[2] = l->c;
        out[3] = l->d;
        if (leaf == 1)
            out[1] |= this_cpu()->arch.apic_id << 24;
    }
}
