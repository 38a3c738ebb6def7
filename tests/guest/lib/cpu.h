/* SPDX-License-Identifier: MIT */
/* Instructions that trap in a PV kernel, one function each, for tests to wrap in FAULT_OF(). */
#pragma once

#include <kr/types.h>

struct cpuid_regs {
    uint32_t a, b, c, d;
};

/* The emulation prefix in front of CPUID (xen/arch-x86/xen.h). */
static inline struct cpuid_regs cpuid_forced(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;

    __asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid"
                     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
                     : "0"(leaf), "2"(subleaf));
    return r;
}

static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

#define DEFINE_CR_(n)                                                 \
    static inline uint64_t cr##n##_read(void)                         \
    {                                                                 \
        uint64_t value;                                               \
        __asm__ volatile("movq %%cr" #n ", %0" : "=r"(value));        \
        return value;                                                 \
    }                                                                 \
    static inline void cr##n##_write(uint64_t value)                  \
    {                                                                 \
        __asm__ volatile("movq %0, %%cr" #n ::"r"(value) : "memory"); \
    }
DEFINE_CR_(0)
DEFINE_CR_(2)
DEFINE_CR_(3)
DEFINE_CR_(4)
DEFINE_CR_(8)

static inline uint8_t port_in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %w1, %b0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint16_t port_in16(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %w1, %w0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t port_in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %w1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void port_out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %b0, %w1" ::"a"(value), "Nd"(port));
}

static inline void port_out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %w0, %w1" ::"a"(value), "Nd"(port));
}

static inline void port_out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %w1" ::"a"(value), "Nd"(port));
}

static inline uint64_t xcr0_read(void)
{
    uint32_t lo, hi;

    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static inline void xcr_write(uint32_t xcr, uint64_t value)
{
    __asm__ volatile("xsetbv" ::"c"(xcr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}
