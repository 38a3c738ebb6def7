/* SPDX-License-Identifier: MIT */
/*
 * Entering a PV guest's handlers: exceptions, events, system calls. The frame on the guest's kernel
 * stack, ascending: RCX R11 [DS ES FS GS, failsafe only] [error code] RIP CS RFLAGS RSP SS, where
 * the CS word carries the event mask as it was in bits 32 to 39.
 */
#include <kr/access.h>
#include <kr/log.h>
#include <xen/xen.h>
#include <x86/cpu.h>
#include <x86/pv.h>

#define FRAME_WORDS_MAX 12
#define INT_N_BYTES     2
#define ERROR_CODE_IDT  2
#define FLAGS_CLEARED   (X86_FLAG_TF | X86_FLAG_NT | X86_FLAG_RF | X86_FLAG_VM | X86_FLAG_AC)

struct frame {
    uint64_t words[FRAME_WORDS_MAX];
    unsigned count;
};

static void frame_add(struct frame *f, uint64_t word)
{
    f->words[f->count++] = word;
}

static void frame_add_return(struct frame *f, const struct vcpu *v)
{
    const struct x86_regs *regs = &v->arch.regs;
    uint8_t mask = __atomic_load_n(&pv_info(v)->evtchn_upcall_mask, __ATOMIC_RELAXED);
    uint64_t cs = v->arch.in_kernel ? regs->cs & ~3UL : regs->cs;
    uint64_t flags = regs->rflags & ~(uint64_t)(X86_FLAG_IF | X86_FLAG_IOPL);

    frame_add(f, regs->rip);
    frame_add(f, cs | (uint64_t)mask << 32);
    frame_add(f, flags | (mask ? 0 : X86_FLAG_IF));
    frame_add(f, regs->rsp);
    frame_add(f, regs->ss);
}

/* Puts the frame on the kernel stack and continues at `rip`. */
static void frame_enter(struct vcpu *v, const struct frame *f, uint64_t rip, bool masks_events)
{
    struct x86_regs *regs = &v->arch.regs;
    uint64_t sp = v->arch.in_kernel ? regs->rsp : v->arch.kernel_sp;
    size_t size_bytes = f->count * sizeof(f->words[0]);

    pv_enter_kernel(v);
    sp = (sp & ~15UL) - size_bytes;
    if (rip == 0 || arch_guest_write(sp, f->words, size_bytes) != 0) {
        domain_crash(v->domain, "vCPU %u: cannot enter handler %#lx with stack %#lx (rip %#lx)",
                     v->id, rip, sp, regs->rip);
        return;
    }
    regs->rip = rip;
    regs->cs = SEL_USER_CS64;
    regs->ss = SEL_USER_DS;
    regs->rsp = sp;
    regs->rflags = (regs->rflags & ~(uint64_t)FLAGS_CLEARED) | X86_FLAG_IF;
    if (masks_events)
        __atomic_store_n(&pv_info(v)->evtchn_upcall_mask, 1, __ATOMIC_RELAXED);
}

static struct frame frame_begin(const struct vcpu *v)
{
    return (struct frame){.words = {v->arch.regs.rcx, v->arch.regs.r11}, .count = 2};
}

bool pv_vector_has_error_code(unsigned vector)
{
    return vector == X86_EXC_DF || (vector >= X86_EXC_TS && vector <= X86_EXC_PF) ||
           vector == X86_EXC_AC || vector == 21;
}

void pv_inject_exception(struct vcpu *v, unsigned vector, uint32_t error_code)
{
    const struct pv_trap *t = &v->arch.traps[vector];
    struct frame f = frame_begin(v);

    if (pv_vector_has_error_code(vector))
        frame_add(&f, error_code);
    frame_add_return(&f, v);
    if (t->rip == 0)
        log_guest(LOG_ERROR, v->domain, "vCPU %u: no handler for exception %u (error code %#x)",
                  v->id, vector, error_code);
    frame_enter(v, &f, t->rip, t->masks_events);
}

void pv_inject_page_fault(struct vcpu *v, uint64_t addr, uint32_t error_code)
{
    __atomic_store_n(&pv_info(v)->arch.cr2, addr, __ATOMIC_RELAXED);
    pv_inject_exception(v, X86_EXC_PF, error_code);
}

/* DPL 0 gates admit nobody, 1 and 2 the guest's kernel, 3 everybody (xen/arch-x86/xen.h). */
void pv_soft_interrupt(struct vcpu *v, unsigned vector, unsigned length_bytes)
{
    const struct pv_trap *t = &v->arch.traps[vector];
    struct frame f;

    if (t->rip == 0 || t->dpl < (v->arch.in_kernel ? 1 : 3)) {
        v->arch.regs.rip -= length_bytes ? 0 : INT_N_BYTES;
        pv_inject_exception(v, X86_EXC_GP, vector << 3 | ERROR_CODE_IDT);
        return;
    }
    v->arch.regs.rip += length_bytes;
    f = frame_begin(v);
    frame_add_return(&f, v);
    frame_enter(v, &f, t->rip, t->masks_events);
}

void arch_vcpu_send_nmi(struct vcpu *v)
{
    v->arch.nmi_pending = true;
    vcpu_kick(v);
}

void pv_deliver_nmi(struct vcpu *v)
{
    const struct pv_trap *t = v->arch.nmi.rip ? &v->arch.nmi : &v->arch.traps[X86_EXC_NMI];
    struct frame f = frame_begin(v);

    v->arch.nmi_pending = false;
    v->arch.in_nmi = true;
    frame_add_return(&f, v);
    frame_enter(v, &f, t->rip, t->masks_events);
}

void pv_deliver_event(struct vcpu *v)
{
    struct frame f = frame_begin(v);

    frame_add_return(&f, v);
    frame_enter(v, &f, v->arch.event.rip, true);
}

void pv_deliver_syscall(struct vcpu *v)
{
    struct frame f = frame_begin(v);

    frame_add_return(&f, v);
    frame_enter(v, &f, v->arch.syscall.rip, v->arch.syscall.masks_events);
}

void pv_deliver_failsafe(struct vcpu *v)
{
    struct frame f = frame_begin(v);
    struct data_segments s = read_data_segments();

    frame_add(&f, s.ds);
    frame_add(&f, s.es);
    frame_add(&f, s.fs);
    frame_add(&f, s.gs);
    frame_add_return(&f, v);
    frame_enter(v, &f, v->arch.failsafe.rip, v->arch.failsafe.masks_events);
}
