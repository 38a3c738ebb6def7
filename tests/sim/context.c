/* SPDX-License-Identifier: MIT */
/* The first context of a vCPU, for the control domain that builds and the kernel that brings up. */
#include "gen.h"

#include <kr/page.h>
#include <x86/layout.h>

#include <xen/xen.h>

#include <string.h>

static void handlers_fill(struct vcpu_guest_context *c)
{
    for (unsigned i = 0; i < SIM_TRAP_COUNT; i++)
        c->trap_ctxt[i] =
            (struct trap_info){.vector = i, .cs = SEL_USER_CS64, .address = SIM_PC_TRAP(i)};
    c->event_callback_eip = SIM_PC_EVENT;
    c->failsafe_callback_eip = SIM_PC_FAILSAFE;
    c->syscall_callback_eip = SIM_PC_USER_SYSCALL;
}

void context_fill(struct vcpu_guest_context *c, unsigned vcpu, uint64_t root_frame)
{
    *c = (struct vcpu_guest_context){.flags = VGCF_in_kernel,
                                     .kernel_ss = SEL_USER_DS,
                                     .kernel_sp =
                                         sim_page_va(SIM_PFN_STACK + vcpu % SIM_VCPU_MAX + 1)};
    c->user_regs.rip = SIM_PC_ENTRY;
    c->user_regs.rsp = c->kernel_sp;
    c->user_regs.cs = SEL_USER_CS64;
    c->user_regs.ss = SEL_USER_DS;
    c->user_regs.rflags = 0x202;
    c->ctrlreg[3] = root_frame << PAGE_SHIFT;
    handlers_fill(c);
}
