/* SPDX-License-Identifier: MIT */
/* Privileged instructions as inline functions. */
#pragma once

#include <kr/types.h>
#include <x86/cpu_features.h>
#include <x86/msr.h>

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return ((uint64_t)hi << 32) | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

/* As above, false when the CPU refuses (the fault is caught by the exception table). */
bool rdmsr_safe(uint32_t msr, uint64_t *value);
bool wrmsr_safe(uint32_t msr, uint64_t value);

#define DEFINE_CR(n)                                               \
    static inline uint64_t read_cr##n(void)                        \
    {                                                              \
        uint64_t v;                                                \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));          \
        return v;                                                  \
    }                                                              \
    static inline void write_cr##n(uint64_t v)                     \
    {                                                              \
        __asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory"); \
    }
DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)
#undef DEFINE_CR

static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(subleaf));
}

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return ((uint64_t)hi << 32) | lo;
}

static inline void invlpg(uint64_t va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static inline void wbinvd(void)
{
    __asm__ volatile("wbinvd" : : : "memory");
}

/* The line that holds this byte, to memory and out of all caches. */
static inline void clflush(const void *byte)
{
    __asm__ volatile("clflush (%0)" : : "r"(byte) : "memory");
}

/* Stores and flushes before it, then whatever comes after it. */
static inline void memory_fence(void)
{
    __asm__ volatile("mfence" : : : "memory");
}

/* Debug register by number: 0 to 3, 6 and 7. */
static inline void write_dr(unsigned index, uint64_t value)
{
    switch (index) {
    case 0: __asm__ volatile("mov %0, %%db0" : : "r"(value)); break;
    case 1: __asm__ volatile("mov %0, %%db1" : : "r"(value)); break;
    case 2: __asm__ volatile("mov %0, %%db2" : : "r"(value)); break;
    case 3: __asm__ volatile("mov %0, %%db3" : : "r"(value)); break;
    case 6: __asm__ volatile("mov %0, %%db6" : : "r"(value)); break;
    default: __asm__ volatile("mov %0, %%db7" : : "r"(value)); break;
    }
}

static inline uint64_t read_dr6(void)
{
    uint64_t value;
    __asm__("mov %%db6, %0" : "=r"(value));
    return value;
}

/* The data segment selectors that are loaded. */
struct data_segments {
    uint16_t ds, es, fs, gs;
};

static inline struct data_segments read_data_segments(void)
{
    struct data_segments s;
    __asm__("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
            : "=r"(s.ds), "=r"(s.es), "=r"(s.fs), "=r"(s.gs));
    return s;
}

static inline void xsetbv(uint32_t index, uint64_t value)
{
    __asm__ volatile("xsetbv" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static inline void fpu_reset(void)
{
    __asm__ volatile("fninit");
}

/* The FPU's registers to and from memory: all components that XCR0 names, or the legacy ones. */
static inline void fpu_xsave(void *area)
{
    __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
}

static inline void fpu_xrstor(const void *area)
{
    __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
}

static inline void fpu_fxsave(void *area)
{
    __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static inline void fpu_fxrstor(const void *area)
{
    __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

/* An x87 instruction of no other effect. */
static inline void fpu_pointers_replace(void)
{
    static const uint32_t zero;

    __asm__ volatile("fnclex; ffree %%st(7); fildl %0" : : "m"(zero));
}

static inline void irq_enable(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void irq_disable(void)
{
    __asm__ volatile("cli" : : : "memory");
}
