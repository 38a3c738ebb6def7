/* SPDX-License-Identifier: MIT */
/*
 * The vCPU that the emulators of arch/x86/pure/ work on: its registers and code come from the
 * input, and it notes what they did. What else the hooks of an emulator do is its target's.
 */
#pragma once

#include "fuzz.h"
#include <kr/errno.h>
#include <x86/emulate_priv.h>

struct vcpu {
    struct fuzz_input answers; /* of the hooks */
    uint8_t code[INSN_BYTES_MAX];
    size_t code_bytes;
    uint64_t rip;
    unsigned acts; /* calls that may have changed something */
};

static inline void guest_start(struct vcpu *v, struct x86_regs *regs, struct segment_bases *bases,
                               struct fuzz_input *in)
{
    memset(v, 0, sizeof(*v));
    v->code_bytes = fuzz_u8(in) % (INSN_BYTES_MAX + 1);
    fuzz_take(in, v->code, v->code_bytes);
    fuzz_take(in, bases, sizeof(*bases));
    fuzz_take(in, regs, sizeof(*regs));
    v->rip = regs->rip;
    v->answers = *in;
}

size_t pv_emul_fetch(struct vcpu *v, uint64_t rip, uint8_t *buffer, size_t bytes)
{
    size_t count = MIN(bytes, v->code_bytes);

    FUZZ_CHECK(rip == v->rip);
    memcpy(buffer, v->code, count);
    return count;
}

/* What holds however an emulation ended. */
static inline void guest_check(const struct vcpu *v, const struct x86_regs *before,
                               const struct x86_regs *after, const struct emul_outcome *out)
{
    bool stepped = out->code == EMUL_INJECT && out->vector == X86_EXC_DB;

    FUZZ_CHECK(out->code <= EMUL_UNHANDLED && out->length_bytes <= INSN_BYTES_MAX);
    if (out->code == EMUL_UNHANDLED) {
        FUZZ_CHECK(v->acts == 0);
        FUZZ_CHECK(memcmp(before, after, sizeof(*after)) == 0);
    }
    if (out->code == EMUL_SOFT_INT)
        FUZZ_CHECK(memcmp(before, after, sizeof(*after)) == 0);
    FUZZ_CHECK(stepped <= !!(before->rflags & X86_FLAG_TF));
    if (out->code == EMUL_DONE) {
        FUZZ_CHECK(after->rip == before->rip + out->length_bytes);
        FUZZ_CHECK(!(after->rflags & X86_FLAG_RF) && !(before->rflags & X86_FLAG_TF));
    } else if (!stepped) {
        FUZZ_CHECK(after->rip == before->rip);
    }
    /* What no instruction here changes. */
    FUZZ_CHECK(after->cs == before->cs && after->ss == before->ss);
    FUZZ_CHECK(!((after->rflags ^ before->rflags) & ~(X86_FLAG_ARITHMETIC | X86_FLAG_RF)));
}
