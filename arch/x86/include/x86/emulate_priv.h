/* SPDX-License-Identifier: MIT */
/*
 * Emulation of one privileged instruction of a PV guest, which runs in ring 3 and took #GP, or #UD
 * on the forced-emulation prefix. Pure: what the instruction reaches of the machine or of the
 * vCPU's state goes through the pv_emul_* functions, which arch/x86/pv/ provides.
 *
 * Answers what PV kernels execute: port I/O, CLI and STI (nothing happens: events are masked in
 * shared memory), control and debug registers, MSRs, XSETBV, CPUID, time stamps, INVLPG,
 * cache flushes. HLT is not among them: PV kernels block by hypercall. Descriptor-table loads, IRET
 * and the like are reflected as the faults they took.
 */
#pragma once

#include <x86/cpuid.h>
#include <x86/emulate.h>
#include <x86/operand.h>

struct vcpu;

/* What of the vCPU decides how an instruction fares. */
struct pv_emul_state {
    uint8_t ring; /* the guest's view: 0 or 1 for its kernel, 3 for its user mode */
    uint8_t iopl; /* virtual IOPL, PHYSDEVOP_set_iopl */
    enum code_mode mode;
    struct segment_bases bases;
};

/*
 * Emulates the instruction at regs->rip; regs->vector and regs->error_code say which exception it
 * took. Nothing is held. Work is bounded: a long REP INS or OUTS stops half-way with EMUL_RETRY.
 */
void pv_emulate_privileged(struct vcpu *v, struct x86_regs *regs, const struct pv_emul_state *state,
                           struct emul_outcome *out);

/* ---- provided by the port ---------------------------------------------------------------------
 * All act on `v`, which is the current vCPU. Those that return int give 0, or the vector of the
 * exception to inject (with error code 0): X86_EXC_GP or X86_EXC_UD. Output is written with 0 only.
 */

/* Reads up to `bytes` of the guest's code; returns how many were readable. */
size_t pv_emul_fetch(struct vcpu *v, uint64_t rip, uint8_t *buffer, size_t bytes);
/* Guest memory with the guest's rights at its current privilege. 0 or -EFAULT. */
int pv_emul_mem_read(struct vcpu *v, uint64_t gva, void *buffer, unsigned bytes) __must_check;
int pv_emul_mem_write(struct vcpu *v, uint64_t gva, const void *buffer,
                      unsigned bytes) __must_check;

/* The guest's I/O permission bitmap, asked when its IOPL does not let it. */
bool pv_emul_port_allowed(struct vcpu *v, uint16_t port, unsigned bytes);
int pv_emul_port_in(struct vcpu *v, uint16_t port, unsigned bytes, uint32_t *value) __must_check;
int pv_emul_port_out(struct vcpu *v, uint16_t port, unsigned bytes, uint32_t value) __must_check;

int pv_emul_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value) __must_check;
int pv_emul_write_msr(struct vcpu *v, uint32_t msr, uint64_t value) __must_check;
/* cr is 0, 2, 3, 4 or 8; CLTS and SMSW arrive as accesses to CR0. -ERESTART: not done yet, the
 * guest executes the instruction again. */
int pv_emul_read_cr(struct vcpu *v, unsigned cr, uint64_t *value) __must_check;
int pv_emul_write_cr(struct vcpu *v, unsigned cr, uint64_t value) __must_check;
int pv_emul_read_dr(struct vcpu *v, unsigned dr, uint64_t *value) __must_check;
int pv_emul_write_dr(struct vcpu *v, unsigned dr, uint64_t value) __must_check;
int pv_emul_xsetbv(struct vcpu *v, uint32_t index, uint64_t value) __must_check;
/* `forced`: asked by the forced-emulation prefix, the kernel's view (see cpuid_pv_guest()). */
int pv_emul_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf, bool forced,
                  struct cpuid_regs *out) __must_check;
int pv_emul_rdtsc(struct vcpu *v, uint64_t *value) __must_check;
int pv_emul_rdpmc(struct vcpu *v, uint32_t counter, uint64_t *value) __must_check;
void pv_emul_invlpg(struct vcpu *v, uint64_t gva);
/* INVD, too, writes back. */
void pv_emul_wbinvd(struct vcpu *v);
