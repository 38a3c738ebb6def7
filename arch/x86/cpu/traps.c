/* SPDX-License-Identifier: MIT */
/* What each trap means: the guest's own affair, work for the hypervisor, or our bug. */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/hypercall.h>
#include <kr/log.h>
#include <kr/string.h>
#include <x86/cpu.h>
#include <x86/irq.h>
#include <x86/machine.h>
#include <x86/pv.h>
#include <x86/traps.h>
#include <x86/walk.h>

#include <stdatomic.h>

struct extable_entry {
    uint64_t fault, resume;
};
extern const struct extable_entry extable_start[], extable_end[];

#define VECTOR_FIRST_IRQ 32

/* One that interrupts the hypervisor may have found a lock taken that a message needs: it is told
 * of on the way back to a guest. */
static _Atomic unsigned nmi_count;

static void nmi_report(void)
{
    unsigned count = atomic_exchange(&nmi_count, 0);

    if (count)
        log_warning("%u NMI, reason port %#x", count, arch_port_read8(0x61));
}

static void guest_exception(struct vcpu *v, struct x86_regs *regs)
{
    switch (regs->vector) {
    case X86_EXC_PF: pv_page_fault(v, read_cr2(), regs->error_code); break;
    case X86_EXC_GP: pv_general_protection(v, regs->error_code); break;
    case X86_EXC_UD: pv_invalid_opcode(v); break;
    case X86_EXC_NM:
        v->arch.ts = false;
        write_cr0(read_cr0() & ~(uint64_t)CR0_TS);
        pv_inject_exception(v, X86_EXC_NM, 0);
        break;
    case X86_EXC_DB:
        v->arch.debugreg[6] = read_dr6();
        pv_inject_exception(v, X86_EXC_DB, 0);
        break;
    case X86_EXC_NMI: nmi_count++; break;
    case X86_EXC_DF:
    case X86_EXC_MC: panic("exception %u while a guest ran", regs->vector);
    default: pv_inject_exception(v, regs->vector, regs->error_code); break;
    }
}

void trap_from_guest(struct x86_regs *regs)
{
    struct vcpu *v = current_vcpu();

    if (regs->vector >= VECTOR_FIRST_IRQ && regs->vector != 0x80)
        irq_dispatch(regs->vector);
    else if (regs->vector == 0x80)
        pv_soft_interrupt(v, 0x80, 0);
    else
        guest_exception(v, regs);
}

static bool fix_up(struct x86_regs *regs)
{
    for (const struct extable_entry *e = extable_start; e < extable_end; e++) {
        if (e->fault == regs->rip) {
            regs->rip = e->resume;
            return true;
        }
    }
    return false;
}

/* Set while panic prints, so that a fault there does not start over. */
static _Atomic bool is_faulting;

/* We touched the LDT of the vCPU that is loaded, or being loaded, by one of its selectors. */
static bool is_ldt_fault(const struct x86_regs *regs)
{
    struct vcpu *v = this_cpu()->arch.loaded;

    return regs->vector == X86_EXC_PF && !(regs->error_code & X86_PF_PRESENT) && v &&
           pv_ldt_fault(v, read_cr2());
}

void trap_from_hypervisor(struct x86_regs *regs)
{
    if (regs->vector >= VECTOR_FIRST_IRQ) {
        irq_dispatch(regs->vector);
        return;
    }
    if (regs->vector == X86_EXC_NMI) {
        nmi_count++;
        return;
    }
    if (regs->vector == X86_EXC_DB) {
        pv_debugreg_forget_hit(current_vcpu());
        return;
    }
    /* Before the fix-ups: a selector of the LDT is loaded after its page has been shown. */
    if (is_ldt_fault(regs))
        return;
    if (regs->vector != X86_EXC_DF && regs->vector != X86_EXC_MC && fix_up(regs))
        return;
    if (is_faulting)
        arch_machine_halt();
    is_faulting = true;
    crash_regs_set(regs);
    panic("exception %u in the hypervisor: error code %#x, address %#lx", regs->vector,
          regs->error_code, regs->vector == X86_EXC_PF ? read_cr2() : 0UL);
}

/* `frame` lies over the low words of the vCPU's register area and holds the guest's general
 * registers; what iretq was to load is still in place above it. */
void trap_iret_fault(struct x86_regs *frame)
{
    struct vcpu *v = current_vcpu();
    struct x86_regs copy = *frame, *regs = &v->arch.regs;

    memcpy(regs, &copy, offsetof(struct x86_regs, error_code));
    regs->vector = copy.vector;
    regs->error_code = copy.error_code;
    if (is_ldt_fault(regs))
        return; /* and once more */
    log_guest(LOG_DEBUG, v->domain, "vCPU %u: return to %#x:%#lx refused (exception %u)", v->id,
              regs->cs, regs->rip, copy.vector);
    pv_deliver_failsafe(v);
}

void syscall_from_guest(struct x86_regs *regs)
{
    struct vcpu *v = current_vcpu();
    struct hypercall_args args;
    uint64_t nr = regs->rax;
    long result;

    if (!v->arch.in_kernel) {
        pv_deliver_syscall(v);
        return;
    }
    args =
        (struct hypercall_args){{regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9}};
    result = hypercall(nr, &args);
    if (likely(result != -ERESTART || !hypercall_may_restart(nr))) {
        regs->rax = result;
        return;
    }
    regs->rip -= 2; /* the syscall instruction again, with what is left to do */
    regs->rdi = args.arg[0];
    regs->rsi = args.arg[1];
    regs->rdx = args.arg[2];
    regs->r10 = args.arg[3];
    regs->r8 = args.arg[4];
    regs->r9 = args.arg[5];
}

/* No guest is offered SYSCALL from compatibility mode (CALLBACKTYPE_syscall32 is refused). */
void syscall32_from_guest(struct x86_regs *regs)
{
    regs->rip -= 2;
    pv_inject_exception(current_vcpu(), X86_EXC_UD, 0);
}

struct x86_regs *guest_exit_prepare(void)
{
    struct cpu *cpu = this_cpu();

    for (;;) {
        if (cpu->work)
            cpu_do_work();
        if (unlikely(nmi_count))
            nmi_report();
        if (!cpu->current)
            sched_idle_until_runnable();
        else if (unlikely(cpu->current->arch.walk_is_pending))
            walk_release_step(cpu->current);
        else if (unlikely(cpu->current->arch.nmi_pending && !cpu->current->arch.in_nmi))
            pv_deliver_nmi(cpu->current);
        else if (vcpu_has_upcall(cpu->current))
            pv_deliver_event(cpu->current);
        else if (!cpu->work)
            return &cpu->current->arch.regs;
    }
}
