/* SPDX-License-Identifier: MIT */
/*
 * Emulation of a PV kernel's plain store into a device page that it may only read
 * (x86/iomem.h). Pure.
 */
#pragma once

#include <x86/emulate.h>
#include <x86/operand.h>

struct vcpu;

/*
 * Emulates the MOV at regs->rip, whose aligned write of 1 to 8 bytes to `fault_address` faulted.
 * EMUL_UNHANDLED: another instruction, or the port refused; the caller reflects the page fault.
 */
void store_emulate(struct vcpu *v, struct x86_regs *regs, const struct segment_bases *bases,
                   uint64_t fault_address, struct emul_outcome *out);

/* ---- provided by the port (also pv_emul_fetch() of emulate_priv.h) -----------------------------
 */

/* Carries the store out, as far as the guest may. 0, or an error: not such a page after all. */
int pv_emul_device_store(struct vcpu *v, uint64_t gva, uint64_t value, unsigned bytes) __must_check;
