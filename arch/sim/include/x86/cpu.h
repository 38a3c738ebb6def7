/* SPDX-License-Identifier: MIT */
/*
 * The privileged instructions of the x86 port (arch/x86/include/x86/cpu.h), carried out by the
 * simulated CPU that runs the caller. Control and debug registers are plain storage; what they mean
 * for address translation is in arch/sim/mmu.c.
 */
#pragma once

#include <kr/types.h>
#include <x86/cpu_features.h>
#include <x86/msr.h>

uint64_t rdmsr(uint32_t msr);
void wrmsr(uint32_t msr, uint64_t value);
/* False: there is no such register. */
bool rdmsr_safe(uint32_t msr, uint64_t *value);
bool wrmsr_safe(uint32_t msr, uint64_t value);

uint64_t read_cr0(void);
uint64_t read_cr2(void);
uint64_t read_cr3(void);
uint64_t read_cr4(void);
void write_cr0(uint64_t value);
void write_cr2(uint64_t value);
void write_cr3(uint64_t value);
void write_cr4(uint64_t value);

void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
uint64_t rdtsc(void);
void invlpg(uint64_t va);
void wbinvd(void);
void clflush(const void *byte);
void memory_fence(void);
void write_dr(unsigned index, uint64_t value);
uint64_t read_dr6(void);
void xsetbv(uint32_t index, uint64_t value);

void fpu_reset(void);
void fpu_xsave(void *area);
void fpu_xrstor(const void *area);
void fpu_fxsave(void *area);
void fpu_fxrstor(const void *area);
void fpu_pointers_replace(void);

struct data_segments {
    uint16_t ds, es, fs, gs;
};
struct data_segments read_data_segments(void);
