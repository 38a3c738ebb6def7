/* SPDX-License-Identifier: MIT */
/* #GP and #UD of PV guests: privileged instructions are emulated, the rest is the guest's own. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/log.h>
#include <kr/string.h>
#include <kr/time.h>
#include <x86/cpu.h>
#include <x86/desc.h>
#include <x86/emulate_priv.h>
#include <x86/fpu.h>
#include <x86/pv.h>
#include <x86/tlb.h>
#include <x86/walk.h>

#include <xen/xen.h>

#define DESC_CODE_L BIT(53)
#define DESC_CODE_D BIT(54)

/* What the kernel reads, but for TS. */
#define CR0_GUEST (CR0_PG | CR0_AM | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE)
#define CR4_GUEST_MAY                                                                              \
    (CR4_PAE | CR4_MCE | CR4_PGE | CR4_PSE | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | \
     CR4_OSXSAVE | CR4_TSD)

static enum code_mode code_mode(struct vcpu *v)
{
    uint64_t desc;

    if (v->arch.regs.cs == SEL_USER_CS64 || !desc_read(this_cpu(), v->arch.regs.cs, &desc))
        return CODE_64;
    return desc & DESC_CODE_L ? CODE_64 : desc & DESC_CODE_D ? CODE_32 : CODE_16;
}

static struct pv_emul_state emul_state(struct vcpu *v)
{
    return (struct pv_emul_state){
        .ring = v->arch.in_kernel ? 1 : 3,
        .iopl = v->arch.iopl,
        .mode = code_mode(v),
        .bases = {.fs = rdmsr(MSR_FS_BASE), .gs = rdmsr(MSR_KERNEL_GS_BASE)}};
}

/* Carries out what the emulator decided; false: reflect the original fault. */
static bool outcome_apply(struct vcpu *v, const struct emul_outcome *out)
{
    switch (out->code) {
    case EMUL_DONE:
    case EMUL_RETRY: return true;
    case EMUL_INJECT:
        v->arch.debugreg[6] |= out->dr6_bits;
        if (out->vector == X86_EXC_PF)
            pv_inject_page_fault(v, out->fault_address, out->error_code);
        else
            pv_inject_exception(v, out->vector, out->error_code);
        return true;
    case EMUL_SOFT_INT: pv_soft_interrupt(v, out->vector, out->length_bytes); return true;
    default: return false;
    }
}

void pv_general_protection(struct vcpu *v, uint32_t error_code)
{
    struct pv_emul_state state = emul_state(v);
    struct emul_outcome out = {0};

    if (!pv_address_is_allowed(v->arch.regs.rip)) { /* it jumped there: nothing to emulate */
        pv_inject_exception(v, X86_EXC_GP, error_code);
        return;
    }
    pv_emulate_privileged(v, &v->arch.regs, &state, &out);
    if (!outcome_apply(v, &out))
        pv_inject_exception(v, X86_EXC_GP, error_code);
}

void pv_invalid_opcode(struct vcpu *v)
{
    struct pv_emul_state state = emul_state(v);
    struct emul_outcome out = {0};

    pv_emulate_privileged(v, &v->arch.regs, &state, &out);
    if (!outcome_apply(v, &out))
        pv_inject_exception(v, X86_EXC_UD, 0);
}

/* ---- what the emulator reaches (x86/emulate_priv.h) --------------------------------------------
 */

size_t pv_emul_fetch(struct vcpu *v, uint64_t rip, uint8_t *buffer, size_t bytes)
{
    size_t first = MIN(bytes, PAGE_SIZE - (rip & ~PAGE_MASK));

    if (!pv_range_is_allowed(rip, first) || loaded_space_read(buffer, rip, first) != 0)
        return 0;
    if (first == bytes || !pv_range_is_allowed(rip + first, bytes - first) ||
        loaded_space_read(buffer + first, rip + first, bytes - first) != 0)
        return first;
    return bytes;
}

int pv_emul_mem_read(struct vcpu *v, uint64_t gva, void *buffer, unsigned bytes)
{
    if (!pv_range_is_allowed(gva, bytes))
        return -EFAULT;
    return loaded_space_read(buffer, gva, bytes);
}

int pv_emul_mem_write(struct vcpu *v, uint64_t gva, const void *buffer, unsigned bytes)
{
    if (!pv_range_is_allowed(gva, bytes))
        return -EFAULT;
    return loaded_space_write(gva, buffer, bytes);
}

int pv_emul_read_cr(struct vcpu *v, unsigned cr, uint64_t *value)
{
    switch (cr) {
    case 0: *value = CR0_GUEST | (v->arch.ts ? CR0_TS : 0); return 0;
    case 2: *value = __atomic_load_n(&pv_info(v)->arch.cr2, __ATOMIC_RELAXED); return 0;
    case 3: *value = pv_active_root(v) << PAGE_SHIFT; return 0;
    case 4: *value = v->arch.cr4; return 0;
    default: return X86_EXC_GP;
    }
}

/* The check of a large tree stops when other work waits. How far it came is kept with the vCPU, so
 * the instruction may simply be executed again. */
static int load_root(struct vcpu *v, mfn_t root)
{
    int err = walk_is_left(v) ? -ERESTART : pv_set_kernel_root(v, root);

    return err == 0 || err == -ERESTART ? err : X86_EXC_GP;
}

uint64_t pv_cr4_filter(uint64_t value)
{
    return (value & CR4_GUEST_MAY & (cpu_features.cr4 | CR4_TSD)) | CR4_PAE;
}

int pv_emul_write_cr(struct vcpu *v, unsigned cr, uint64_t value)
{
    uint64_t hardware_cr0;

    switch (cr) {
    case 0:
        if ((value ^ CR0_GUEST) & ~(uint64_t)CR0_TS)
            return X86_EXC_GP;
        hardware_cr0 = read_cr0() & ~(uint64_t)CR0_TS;
        v->arch.ts = value & CR0_TS;
        write_cr0(v->arch.ts ? hardware_cr0 | CR0_TS : hardware_cr0);
        return 0;
    case 2: __atomic_store_n(&pv_info(v)->arch.cr2, value, __ATOMIC_RELAXED); return 0;
    case 3: return load_root(v, value >> PAGE_SHIFT);
    case 4:
        v->arch.cr4 = pv_cr4_filter(value);
        pv_cr4_load(v);
        return 0;
    default: return X86_EXC_GP;
    }
}

/* Bits that act on ring 3 directly follow the guest's choice; the others are ours. */
void pv_cr4_load(const struct vcpu *v)
{
    uint64_t cr4 =
        (cpu_features.cr4 & ~(uint64_t)CR4_FSGSBASE) | (v->arch.cr4 & (CR4_FSGSBASE | CR4_TSD));

    if (read_cr4() != cr4)
        write_cr4(cr4);
}

int pv_emul_read_dr(struct vcpu *v, unsigned dr, uint64_t *value)
{
    if (dr == 4 || dr == 5)
        dr += 2;
    *value = v->arch.debugreg[dr];
    return 0;
}

int pv_emul_write_dr(struct vcpu *v, unsigned dr, uint64_t value)
{
    if (dr == 4 || dr == 5)
        dr += 2;
    return pv_debugreg_write(v, dr, value) == 0 ? 0 : X86_EXC_GP;
}

int pv_emul_xsetbv(struct vcpu *v, uint32_t index, uint64_t value)
{
    return index == 0 && fpu_set_xcr0(v, value) ? 0 : X86_EXC_GP;
}

/* CR4.TSD is what makes RDTSC trap, and only guest user mode is meant by it. */
int pv_emul_rdtsc(struct vcpu *v, uint64_t *value)
{
    if (!v->arch.in_kernel && (v->arch.cr4 & CR4_TSD))
        return X86_EXC_GP;
    *value = rdtsc();
    return 0;
}

int pv_emul_rdpmc(struct vcpu *v, uint32_t counter, uint64_t *value)
{
    return X86_EXC_GP;
}

void pv_emul_invlpg(struct vcpu *v, uint64_t gva)
{
    if (pv_address_is_allowed(gva))
        tlb_flush_page_local(gva);
}

/* Caches only matter to who drives devices. */
void pv_emul_wbinvd(struct vcpu *v)
{
    if (v->domain->is_privileged)
        wbinvd();
}
