/* SPDX-License-Identifier: MIT */
/* A vCPU's code: what guest.c and guest_kernel.c share. */
#pragma once

#include <sim/cpu.h>
#include <sim/fibre.h>
#include <sim/guest.h>

/* LEAVE_NOT: it stays in guest mode, and takes its time. */
enum leave { LEAVE_SYSCALL, LEAVE_TRAP, LEAVE_PAUSE, LEAVE_NOT };

struct sim_guest {
    struct vcpu *vcpu;
    uint16_t domain_id;
    uint64_t domain_created_ns;
    struct fibre fibre;
    struct sim_cpu *cpu; /* where it runs now */
    enum leave leave;
    unsigned vector;
    uint32_t error_code;
    uint64_t fault_address;
    unsigned nesting; /* handlers under way */
    int trap_taken;
};
