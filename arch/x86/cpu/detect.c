/* SPDX-License-Identifier: MIT */
/* What the boot CPU can do, and the control register bits that we run with (Intel SDM 2, CPUID). */
#include <kr/log.h>
#include <kr/string.h>
#include <x86/cpu.h>

struct cpu_features cpu_features;

static bool bit(uint32_t word, unsigned n)
{
    return word >> n & 1;
}

static void detect_vendor(struct cpu_features *f)
{
    uint32_t leaf[4], name[3];

    cpuid(0, 0, leaf);
    name[0] = leaf[1];
    name[1] = leaf[3];
    name[2] = leaf[2];
    f->is_amd = !memcmp(name, "AuthenticAMD", 12) || !memcmp(name, "HygonGenuine", 12);
    f->is_intel = !memcmp(name, "GenuineIntel", 12);
}

static void detect_xsave(struct cpu_features *f)
{
    uint32_t leaf[4];

    cpuid(0xd, 0, leaf);
    /* x87, SSE, AVX, AVX-512: what needs no help from an operating system beyond XSAVE. */
    f->xcr0_supported = leaf[0] & 0xe7;
    f->xsave_size_bytes = leaf[2];
}

static void detect_extended(struct cpu_features *f)
{
    uint32_t leaf[4], max;

    cpuid(0x80000000, 0, leaf);
    max = leaf[0];
    cpuid(0x80000001, 0, leaf);
    f->nx = bit(leaf[3], 20);
    f->page_1g = bit(leaf[3], 26);
    f->rdtscp = bit(leaf[3], 27);
    f->phys_bits = 36;
    f->loads_fp_pointers = !f->is_amd;
    if (max >= 0x80000007) {
        cpuid(0x80000007, 0, leaf);
        f->invariant_tsc = bit(leaf[3], 8);
    }
    if (max >= 0x80000008) {
        cpuid(0x80000008, 0, leaf);
        f->phys_bits = leaf[0] & 0xff;
        f->loads_fp_pointers |= bit(leaf[1], 2);
    }
}

/* SMAP stays off: PV kernels are user pages to us, and read through user rights. UMIP stays off:
 * guests may read descriptor table addresses as they do on the bare machine. */
static void choose_cr4(struct cpu_features *f)
{
    f->cr4 = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_DE;
    if (f->pge)
        f->cr4 |= CR4_PGE;
    if (f->fsgsbase)
        f->cr4 |= CR4_FSGSBASE;
    if (f->xsave)
        f->cr4 |= CR4_OSXSAVE;
    if (f->smep)
        f->cr4 |= CR4_SMEP;
}

void cpu_detect(void)
{
    struct cpu_features *f = &cpu_features;
    uint32_t leaf[4], max;

    detect_vendor(f);
    cpuid(0, 0, leaf);
    max = leaf[0];
    cpuid(1, 0, leaf);
    f->pge = bit(leaf[3], 13);
    f->xsave = bit(leaf[2], 26);
    f->tsc_deadline = bit(leaf[2], 24);
    if (max >= 7) {
        cpuid(7, 0, leaf);
        f->fsgsbase = bit(leaf[1], 0);
        f->smep = bit(leaf[1], 7);
    }
    if (f->xsave)
        detect_xsave(f);
    detect_extended(f);
    choose_cr4(f);
    write_cr4(f->cr4);
    write_cr0(CR0_PG | CR0_AM | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
    wrmsr(MSR_PAT, PAT_VALUE);
}
