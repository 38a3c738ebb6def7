/* SPDX-License-Identifier: MIT */
/* The part of a guest kernel (sim/guest.h) that lies between its code and the hypervisor: system
 * calls and faults out, handlers' entries and exits in, memory through the MMU. In guest mode. */
#include <kr/errno.h>
#include <sim/machine.h>
#include <sim/mmu.h>
#include <sim/random.h>
#include <x86/msr.h>

#include <xen/xen.h>

#include <string.h>

#include "guest_internal.h"

#define NESTING_MAX     8
#define REPEATS_MAX     64
#define INSTRUCTION_MAX 15

static struct x86_regs *regs_of(struct sim_guest *g)
{
    return &g->vcpu->arch.regs;
}

/* Leaves guest mode and returns in it: perhaps on another CPU, perhaps elsewhere in the code. */
static void leave(struct sim_guest *g, enum leave why)
{
    g->leave = why;
    fibre_switch(&g->fibre, &g->cpu->fibre);
}

static void leave_by_trap(struct sim_guest *g, unsigned vector, uint32_t error_code,
                          uint64_t address)
{
    g->vector = vector;
    g->error_code = error_code;
    g->fault_address = address;
    leave(g, LEAVE_TRAP);
}

static void raw_syscall(struct sim_guest *g, uint64_t nr, const uint64_t args[6])
{
    struct x86_regs *regs = regs_of(g);

    regs->rax = nr;
    regs->rdi = args[0];
    regs->rsi = args[1];
    regs->rdx = args[2];
    regs->r10 = args[3];
    regs->r8 = args[4];
    regs->r9 = args[5];
    regs->rip = SIM_PC_SYSCALL;
    leave(g, LEAVE_SYSCALL);
}

/* The words that pv/bounce.c has put on the stack for a handler, from RSP up. */
struct handler_frame {
    uint64_t rcx, r11;
    uint64_t rip, cs, rflags, rsp, ss;
};

static bool has_error_code(uint64_t rip)
{
    unsigned vector = (rip - SIM_PC_TRAP(0)) / 16;

    return rip >= SIM_PC_TRAP(0) &&
           (vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21);
}

static bool frame_read(struct sim_guest *g, bool has_code, bool has_segments,
                       struct handler_frame *f)
{
    uint64_t rsp = regs_of(g)->rsp, skip = (has_code ? 8 : 0) + (has_segments ? 32 : 0);
    struct sim_fault fault;

    return sim_mmu_access(rsp, f, 16, false, &fault) &&
           sim_mmu_access(rsp + 16 + skip, &f->rip, 40, false, &fault);
}

/* The end of a handler: registers as they were, then iret. Where memory is not as it should be the
 * guest is lost, as a real one would be: it goes on somewhere. */
static void handler_return(struct sim_guest *g, const struct x86_regs *saved,
                           const struct handler_frame *f)
{
    struct x86_regs *regs = regs_of(g);
    struct iret_context ctx = {.rax = saved->rax,
                               .r11 = f->r11,
                               .rcx = f->rcx,
                               .rip = f->rip,
                               .cs = (uint32_t)f->cs,
                               .rflags = f->rflags,
                               .rsp = f->rsp,
                               .ss = f->ss};
    uint64_t rsp = (regs->rsp & ~15UL) - sizeof(ctx);
    struct sim_fault fault;

    regs->r15 = saved->r15;
    regs->r14 = saved->r14;
    regs->r13 = saved->r13;
    regs->r12 = saved->r12;
    regs->rbp = saved->rbp;
    regs->rbx = saved->rbx;
    regs->r10 = saved->r10;
    regs->r9 = saved->r9;
    regs->r8 = saved->r8;
    regs->rdx = saved->rdx;
    regs->rsi = saved->rsi;
    regs->rdi = saved->rdi;
    regs->rsp = rsp;
    if (!sim_mmu_access(rsp, &ctx, sizeof(ctx), true, &fault)) {
        regs->rip = SIM_PC_RUN;
        return;
    }
    regs->rax = __HYPERVISOR_iret;
    regs->rip = SIM_PC_SYSCALL;
    leave(g, LEAVE_SYSCALL);
}

static bool is_trap_handler(uint64_t rip)
{
    return rip >= SIM_PC_TRAP(0) && rip < SIM_PC_TRAP(SIM_TRAP_COUNT);
}

/* Exceptions end what the code was doing: it goes on at SIM_PC_RUN and sees that from its RIP. */
static void handler_run(struct sim_guest *g)
{
    struct x86_regs *regs = regs_of(g), saved = *regs;
    uint64_t at = regs->rip;
    struct handler_frame f;

    if (!frame_read(g, has_error_code(at), at == SIM_PC_FAILSAFE, &f) ||
        g->nesting == NESTING_MAX) {
        regs->rip = SIM_PC_RUN;
        return;
    }
    g->nesting++;
    if (at == SIM_PC_EVENT) {
        regs->rip = SIM_PC_RUN;
        sim_guest_event(g);
    } else if (is_trap_handler(at)) {
        g->trap_taken = (at - SIM_PC_TRAP(0)) / 16;
        f.rip = SIM_PC_RUN;
    } else if (at == SIM_PC_FAILSAFE) {
        f.rip = SIM_PC_RUN;
    }
    g->nesting--;
    handler_return(g, &saved, &f);
}

static bool is_handler(uint64_t rip)
{
    return rip == SIM_PC_EVENT || rip == SIM_PC_FAILSAFE || rip == SIM_PC_NMI ||
           is_trap_handler(rip);
}

/* Back in guest mode: handlers run until the code is where it was to go on, or somewhere else. */
static bool wait_for(struct sim_guest *g, uint64_t rip)
{
    struct x86_regs *regs = regs_of(g);

    for (;;) {
        if (regs->rip == rip)
            return true;
        if (is_handler(regs->rip)) {
            handler_run(g);
        } else if (regs->rip == SIM_PC_RUN) {
            return false;
        } else if (regs->rip == SIM_PC_USER_SYSCALL) {
            regs->rip = SIM_PC_RUN; /* from a user mode that is forgotten */
            return false;
        } else {
            /* Nothing that this code knows: an invalid instruction. */
            leave_by_trap(g, X86_EXC_UD, 0, 0);
        }
    }
}

long sim_hypercall(struct sim_guest *g, unsigned nr, const uint64_t args[6])
{
    raw_syscall(g, nr, args);
    return wait_for(g, SIM_PC_AFTER_SYSCALL) ? (long)regs_of(g)->rax : -EINTR;
}

void sim_guest_pause(struct sim_guest *g)
{
    regs_of(g)->rip = SIM_PC_RUN;
    leave(g, LEAVE_PAUSE);
    wait_for(g, SIM_PC_RUN);
}

void sim_guest_linger(struct sim_guest *g)
{
    if (sim_random_one_in(SIM_STREAM_SCHEDULE, sim_machine_config()->linger_one_in))
        leave(g, LEAVE_NOT);
}

/* A fault is first the hypervisor's to mend; then the access is tried again. */
static bool access_memory(struct sim_guest *g, uint64_t va, void *buffer, size_t size_bytes,
                          bool is_write)
{
    struct sim_fault fault;

    while (!sim_mmu_access(va, buffer, size_bytes, is_write, &fault)) {
        regs_of(g)->rip = SIM_PC_RUN;
        g->trap_taken = -1;
        leave_by_trap(g, X86_EXC_PF, fault.error_code, fault.va);
        wait_for(g, SIM_PC_RUN);
        if (g->trap_taken >= 0)
            return false;
    }
    return true;
}

bool sim_guest_read(struct sim_guest *g, uint64_t va, void *buffer, size_t size_bytes)
{
    return access_memory(g, va, buffer, size_bytes, false);
}

bool sim_guest_write(struct sim_guest *g, uint64_t va, const void *buffer, size_t size_bytes)
{
    return access_memory(g, va, (void *)buffer, size_bytes, true);
}

void *sim_guest_word(struct sim_guest *g, uint64_t va)
{
    return sim_mmu_word(va);
}

uint8_t *sim_guest_fpu(struct sim_guest *g)
{
    return g->cpu->cr0 & CR0_TS ? NULL : g->cpu->fpu;
}

bool sim_guest_store(struct sim_guest *g, uint64_t va, uint64_t value)
{
    struct x86_regs *regs = regs_of(g);
    struct sim_fault fault;

    for (;;) {
        regs->rdi = va;
        regs->rsi = value;
        regs->rip = SIM_PC_STORE;
        if (sim_mmu_access(va, &value, sizeof(value), true, &fault)) {
            regs->rip = SIM_PC_RUN;
            return true;
        }
        leave_by_trap(g, X86_EXC_PF, fault.error_code, fault.va);
        if (regs->rip == SIM_PC_STORE)
            continue; /* mended: once more */
        if (wait_for(g, SIM_PC_AFTER_STORE))
            return true;
        return false;
    }
}

static void handlers_run(struct sim_guest *g)
{
    while (is_handler(regs_of(g)->rip))
        handler_run(g);
}

/* Would a store there fault? What it finds is written back: only Accessed and Dirty change. */
static bool store_faults(uint64_t va, struct sim_fault *fault)
{
    uint64_t value;

    return !sim_mmu_access(va, &value, sizeof(value), false, fault) ||
           !sim_mmu_access(va, &value, sizeof(value), true, fault);
}

bool sim_guest_store_scratch(struct sim_guest *g, const struct sim_store *s)
{
    struct x86_regs *regs = regs_of(g);
    struct sim_fault fault;

    regs->rax = s->rax;
    regs->rbx = s->rbx;
    regs->rcx = s->rcx;
    regs->rdx = s->rdx;
    regs->rsi = s->rsi;
    regs->rdi = s->rdi;
    regs->rip = SIM_PC_SCRATCH;
    for (unsigned i = 0; i < REPEATS_MAX && regs->rip == SIM_PC_SCRATCH; i++) {
        if (!store_faults(regs->rdi, &fault)) {
            regs->rip = SIM_PC_RUN;
            return true;
        }
        leave_by_trap(g, X86_EXC_PF, fault.error_code, fault.va);
        handlers_run(g);
    }
    if (regs->rip - SIM_PC_SCRATCH <= INSTRUCTION_MAX) {
        regs->rip = SIM_PC_RUN;
        return true;
    }
    wait_for(g, SIM_PC_RUN);
    return false;
}

/* Kernel mode and user mode alike. False: it was no instruction of the hypervisor's to execute. */
static bool scratch_execute(struct sim_guest *g, const struct sim_trap *trap)
{
    g->trap_taken = -1;
    leave_by_trap(g, trap->vector, trap->error_code, trap->address);
    handlers_run(g);
    return g->trap_taken < 0;
}

bool sim_guest_fault(struct sim_guest *g, const struct sim_trap *trap)
{
    struct x86_regs *regs = regs_of(g);
    uint64_t before = regs->rip, rsp = regs->rsp;
    bool was_done;

    regs->rip = SIM_PC_SCRATCH;
    was_done = scratch_execute(g, trap);
    if (regs->rip - SIM_PC_SCRATCH > INSTRUCTION_MAX)
        wait_for(g, SIM_PC_RUN);
    regs->rip = before;
    regs->rsp = rsp; /* the instruction may have changed it */
    return was_done;
}

int sim_guest_trap_taken(struct sim_guest *g)
{
    int vector = g->trap_taken;

    g->trap_taken = -1;
    return vector;
}

/* Goes on in user mode. False: a handler took it elsewhere. */
static bool user_enter(struct sim_guest *g, uint64_t rip)
{
    struct x86_regs *regs = regs_of(g), saved = *regs;
    struct handler_frame f = {.rip = rip,
                              .cs = SEL_USER_CS64,
                              .rflags = X86_FLAG_IF,
                              .rsp = regs->rsp - 512,
                              .ss = SEL_USER_DS};

    handler_return(g, &saved, &f);
    handlers_run(g);
    return regs->rip == rip && !g->vcpu->arch.in_kernel;
}

bool sim_guest_user(struct sim_guest *g, const struct sim_trap *trap)
{
    struct x86_regs *regs = regs_of(g);
    uint64_t rsp = regs->rsp;
    bool was_done = user_enter(g, trap ? SIM_PC_SCRATCH : SIM_PC_USER);

    if (was_done && trap)
        was_done = scratch_execute(g, trap);
    if (!g->vcpu->arch.in_kernel) {
        regs->rip = SIM_PC_USER;
        leave(g, LEAVE_SYSCALL);
        handlers_run(g);
    }
    /* The kernel's side of the system call drops its frame: nothing there is needed again. */
    was_done &= regs->rip == SIM_PC_USER_SYSCALL;
    if (g->vcpu->arch.in_kernel)
        regs->rsp = rsp;
    regs->rip = SIM_PC_RUN;
    return was_done;
}
