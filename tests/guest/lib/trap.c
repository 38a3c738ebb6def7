/* SPDX-License-Identifier: MIT */
/*
 * Trap dispatch: records every entry, gives it to the test's handler if there is one, else to the
 * innermost recovery point. Relies on entry.S for the stubs and on test.c for the last resort.
 */
#include "guest.h"
#include <xen/callback.h>

struct trap_raw trap_raw;
struct trap_record trap_last;
int fault_vector = NO_FAULT;
uint64_t trap_failsafe_selectors[4];
uint64_t trap_iret_flags;
trap_handler_fn *trap_handlers[VECTOR_COUNT];
struct recovery *recovery_current;

void trap_dispatch(struct trap_frame *frame)
{
    struct recovery *to = recovery_current;

    trap_last.raw = trap_raw;
    trap_last.vector = (int)frame->vector;
    trap_last.frame = *frame;
    trap_last.cr2 = vcpu_info_self()->arch.cr2;
    trap_last.upcall_mask = vcpu_info_self()->evtchn_upcall_mask;

    if (trap_handlers[frame->vector]) {
        trap_handlers[frame->vector](frame);
        return;
    }
    fault_vector = (int)frame->vector;
    if (!to)
        test_die("trap %lu error %#lx rip %#lx rsp %#lx cr2 %#lx", frame->vector, frame->error,
                 frame->rip, frame->rsp, trap_last.cr2);
    frame->rbx = to->rbx;
    frame->rbp = to->rbp;
    frame->r12 = to->r12;
    frame->r13 = to->r13;
    frame->r14 = to->r14;
    frame->r15 = to->r15;
    frame->rsp = to->rsp;
    frame->rip = to->rip;
    frame->rax = 1;
    frame->cs = FLAT_KERNEL_CS & ~3UL;
    frame->ss = FLAT_KERNEL_SS;
    frame->rflags &= ~(RFLAGS_TF | RFLAGS_NT | RFLAGS_AC);
}

long trap_register(unsigned vector, uint8_t flags)
{
    struct trap_info table[2] = {
        {.vector = vector, .flags = flags, .cs = FLAT_KERNEL_CS, .address = trap_stubs[vector]},
    };

    return set_trap_table(table);
}

static void callback_register(uint16_t type, uint16_t flags, void (*entry)(void))
{
    struct callback_register reg = {.type = type, .flags = flags, .address = (unsigned long)entry};
    long err = callback_op(CALLBACKOP_register, &reg);

    if (err)
        test_die("callback %u refused: %ld", type, err);
}

void trap_init(void)
{
    static struct trap_info table[33];

    for (unsigned vector = 0; vector < 32; vector++) {
        bool soft = vector == TRAP_BP || vector == TRAP_OF;

        table[vector].vector = vector;
        table[vector].flags = 4 | (soft ? 3 : 0);
        table[vector].cs = FLAT_KERNEL_CS;
        table[vector].address = trap_stubs[vector];
    }
    long err = set_trap_table(table);

    if (err)
        test_die("set_trap_table refused: %ld", err);
    callback_register(CALLBACKTYPE_event, CALLBACKF_mask_events, entry_event);
    callback_register(CALLBACKTYPE_failsafe, CALLBACKF_mask_events, entry_failsafe);
    callback_register(CALLBACKTYPE_syscall, CALLBACKF_mask_events, entry_syscall);
}
