/* SPDX-License-Identifier: MIT */
/*
 * FPU state moves only when another vCPU takes the CPU: `fpu_owner` is whose state the registers
 * hold. Areas are in XSAVE standard format, or FXSAVE where the CPU has no XSAVE.
 */
#include <stdatomic.h>

#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/errno.h>
#include <kr/heap.h>
#include <kr/string.h>
#include <x86/cpu.h>
#include <x86/fpu.h>

#define FXSAVE_BYTES       512
#define XSAVE_HEADER       512 /* offset of XSTATE_BV */
#define FCW_DEFAULT        0x37f
#define MXCSR_DEFAULT      0x1f80
#define MXCSR_OFFSET       24
#define XCR0_FP            1UL
#define XCR0_SSE           2UL
#define XCR0_AVX           4UL
#define XCR0_AVX512        0xe0UL
#define XSAVE_HEADER_BYTES 64
#define MXCSR_VALID        0xffbfu /* bits that every CPU accepts */

void fpu_cpu_init(void)
{
    write_cr0(read_cr0() & ~(uint64_t)CR0_TS);
    fpu_reset();
    if (cpu_features.xsave)
        xsetbv(0, XCR0_FP);
}

static size_t area_bytes(void)
{
    return cpu_features.xsave ? cpu_features.xsave_size_bytes : FXSAVE_BYTES;
}

static void area_reset(uint8_t *area)
{
    uint16_t fcw = FCW_DEFAULT;
    uint32_t mxcsr = MXCSR_DEFAULT;

    memset(area, 0, area_bytes());
    memcpy(area, &fcw, sizeof(fcw));
    memcpy(area + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
    if (cpu_features.xsave) {
        uint64_t present = XCR0_FP | XCR0_SSE;
        memcpy(area + XSAVE_HEADER, &present, sizeof(present));
    }
}

void *fpu_area_alloc(struct vcpu *v)
{
    /* Objects of a page or more start on a page, smaller ones on their power of two: XSAVE
     * needs 64. */
    size_t bytes = MAX(area_bytes(), (size_t)1024);
    uint8_t *area = heap_alloc_for(&v->domain->memory, bytes);

    if (area)
        area_reset(area);
    return area;
}

void fpu_save(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();

    if (cpu->arch.fpu_owner != v)
        return;
    write_cr0(read_cr0() & ~(uint64_t)CR0_TS);
    if (cpu_features.xsave) {
        xsetbv(0, cpu_features.xcr0_supported);
        fpu_xsave(v->arch.fpu);
    } else {
        fpu_fxsave(v->arch.fpu);
    }
    cpu->arch.fpu_owner = NULL;
}

void fpu_load(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();
    uint64_t cr0 = read_cr0() & ~(uint64_t)CR0_TS;

    if (cpu->arch.fpu_owner != v) {
        write_cr0(cr0);
        /* Older AMD CPUs leave the pointers of the last x87 instruction alone unless an exception
         * is pending: another vCPU's would stay. An instruction of ours takes their place. */
        if (!cpu_features.loads_fp_pointers)
            fpu_pointers_replace();
        if (cpu_features.xsave) {
            xsetbv(0, cpu_features.xcr0_supported);
            fpu_xrstor(v->arch.fpu);
        } else {
            fpu_fxrstor(v->arch.fpu);
        }
        cpu->arch.fpu_owner = v;
    }
    if (cpu_features.xsave)
        xsetbv(0, v->arch.xcr0);
    write_cr0(v->arch.ts ? cr0 | CR0_TS : cr0);
}

void fpu_forget(struct vcpu *v)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        struct vcpu *owner = v;

        /* Another CPU may be taking its registers for somebody else at this moment. */
        atomic_compare_exchange_strong(&cpu_by_id(i)->arch.fpu_owner, &owner, NULL);
    }
}

void fpu_set_legacy(struct vcpu *v, const void *image, bool is_valid)
{
    fpu_forget(v);
    area_reset(v->arch.fpu);
    if (is_valid) {
        uint32_t mxcsr;

        memcpy(v->arch.fpu, image, FXSAVE_BYTES);
        memcpy(&mxcsr, (uint8_t *)v->arch.fpu + MXCSR_OFFSET, sizeof(mxcsr));
        mxcsr &= MXCSR_VALID;
        memcpy((uint8_t *)v->arch.fpu + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
    }
}

void fpu_get_legacy(struct vcpu *v, void *image)
{
    memcpy(image, v->arch.fpu, FXSAVE_BYTES);
}

static bool xcr0_is_valid(uint64_t xcr0)
{
    return cpu_features.xsave && (xcr0 & XCR0_FP) && !(xcr0 & ~cpu_features.xcr0_supported) &&
           (!(xcr0 & XCR0_AVX) || (xcr0 & XCR0_SSE)) &&
           (!(xcr0 & XCR0_AVX512) || ((xcr0 & XCR0_AVX512) == XCR0_AVX512 && (xcr0 & XCR0_AVX)));
}

bool fpu_set_xcr0(struct vcpu *v, uint64_t xcr0)
{
    if (!xcr0_is_valid(xcr0))
        return false;
    v->arch.xcr0 = xcr0;
    xsetbv(0, xcr0);
    return true;
}

size_t fpu_extended_bytes(void)
{
    return cpu_features.xsave ? cpu_features.xsave_size_bytes : 0;
}

void fpu_get_extended(struct vcpu *v, void *area)
{
    memcpy(area, v->arch.fpu, fpu_extended_bytes());
}

int fpu_set_extended(struct vcpu *v, const void *area, size_t size_bytes, uint64_t xcr0)
{
    uint64_t header[XSAVE_HEADER_BYTES / 8];
    uint8_t *to = v->arch.fpu;
    uint32_t mxcsr;

    if (!xcr0_is_valid(xcr0) || size_bytes < XSAVE_HEADER + XSAVE_HEADER_BYTES ||
        size_bytes > fpu_extended_bytes())
        return -EINVAL;
    memcpy(header, (const uint8_t *)area + XSAVE_HEADER, sizeof(header));
    memcpy(&mxcsr, (const uint8_t *)area + MXCSR_OFFSET, sizeof(mxcsr));
    if ((header[0] & ~cpu_features.xcr0_supported) || (mxcsr & ~MXCSR_VALID))
        return -EINVAL;
    for (unsigned i = 1; i < ARRAY_SIZE(header); i++)
        if (header[i] != 0)
            return -EINVAL;
    fpu_forget(v);
    memset(to, 0, fpu_extended_bytes());
    memcpy(to, area, size_bytes);
    v->arch.xcr0 = xcr0;
    return 0;
}
