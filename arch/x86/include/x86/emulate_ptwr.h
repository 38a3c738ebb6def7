/* SPDX-License-Identifier: MIT */
/*
 * Emulation of a PV kernel's store into one of its own level-1 page tables, which it has mapped
 * read-only (VMASST_TYPE_writable_pagetables): the instruction's effect on the 8-byte entry and on
 * registers and flags is computed here, the entry is validated and written by the port. Pure.
 */
#pragma once

#include <x86/emulate.h>
#include <x86/operand.h>

struct vcpu;

/*
 * Emulates the instruction at regs->rip, whose write to `fault_address` faulted. Takes aligned
 * writes of 1 to 8 bytes by MOV, XCHG, CMPXCHG, CMPXCHG8B, XADD, the ALU operations, bit
 * operations, STOS and MOVS (one element per call). EMUL_UNHANDLED: not such an instruction or the
 * port refused the entry; the caller reflects the page fault. EMUL_RETRY: the guest goes on where
 * its registers say, to fault again if it must. The caller knows that the page is a level-1 table
 * of the guest and that the guest runs in kernel mode, and holds what pv_emul_pte_write() needs.
 */
void ptwr_emulate(struct vcpu *v, struct x86_regs *regs, const struct segment_bases *bases,
                  uint64_t fault_address, struct emul_outcome *out);

/* ---- provided by the port (also pv_emul_fetch() and pv_emul_mem_read() of emulate_priv.h) ------
 */

/* The entry at `gva` (8-byte aligned) as it is now. 0 or -EFAULT. */
int pv_emul_pte_read(struct vcpu *v, uint64_t gva, uint64_t *entry) __must_check;
/* Validates `new` and puts it into the entry at `gva`: whatever is there, or with `compare` only if
 * it is still `old`, else -EAGAIN. Other errors: `new` is not acceptable, nothing changed. Without
 * `compare`, `old` means nothing. */
int pv_emul_pte_write(struct vcpu *v, uint64_t gva, uint64_t old, uint64_t new,
                      bool compare) __must_check;
