/* SPDX-License-Identifier: MIT */
/* The answer of an instruction emulator, for its caller to carry out. */
#pragma once

#include <x86/regs.h>

#define X86_DR6_SINGLE_STEP (1u << 14)

enum emul_code {
    EMUL_DONE,      /* carried out; rip is past it, RF is clear */
    EMUL_RETRY,     /* carried out in part, registers say how far: go back to the guest */
    EMUL_INJECT,    /* deliver `vector`; registers are as that exception wants them */
    EMUL_SOFT_INT,  /* INT n the CPU refused: if the guest's gate lets it, skip and deliver */
    EMUL_UNHANDLED, /* nothing was touched: reflect the fault that came */
};

struct emul_outcome {
    enum emul_code code;
    uint8_t vector;         /* INJECT and SOFT_INT */
    uint8_t length_bytes;   /* of the instruction, when it was decoded */
    uint32_t error_code;    /* INJECT */
    uint64_t fault_address; /* INJECT of #PF: CR2 */
    uint64_t dr6_bits;      /* INJECT of #DB: to be set in the guest's DR6 */
};

/* Fills `out` for an exception and returns EMUL_INJECT. */
static inline enum emul_code emul_inject(struct emul_outcome *out, unsigned vector,
                                         uint32_t error_code)
{
    out->vector = vector;
    out->error_code = error_code;
    return EMUL_INJECT;
}

static inline enum emul_code emul_inject_page_fault(struct emul_outcome *out, uint64_t address,
                                                    uint32_t error_code)
{
    out->fault_address = address;
    return emul_inject(out, X86_EXC_PF, error_code);
}

/* The end of every emulated instruction: RF goes, and a set TF traps (after the instruction, or
 * after the part of it that was done). */
static inline enum emul_code emul_finish(struct emul_outcome *out, struct x86_regs *regs,
                                         enum emul_code code)
{
    if (code != EMUL_DONE && code != EMUL_RETRY)
        return code;
    if (code == EMUL_DONE)
        regs->rflags &= ~(uint64_t)X86_FLAG_RF;
    if (!(regs->rflags & X86_FLAG_TF))
        return code;
    out->dr6_bits = X86_DR6_SINGLE_STEP;
    return emul_inject(out, X86_EXC_DB, 0);
}
