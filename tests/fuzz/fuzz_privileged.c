/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/decode.c arch/x86/pure/operand.c arch/x86/pure/emulate_priv.c */
/* FLAGS: -max_len=512 */
/*
 * Privileged instructions of a PV guest in any state: rights are kept, work is bounded, what was
 * not carried out left nothing behind. Each hook's answer comes from the input. Input: code, bases
 * and registers (guest.h); ring, IOPL, code mode, answers.
 */
#include "guest.h"

static struct pv_emul_state state;
static bool restarted; /* the port could not begin */

#define ACTS_MAX 70 /* 64 elements of a string instruction, and a few */

/* A vector that the port may answer with, or 0. */
static int answer(struct vcpu *v)
{
    uint8_t a = fuzz_u8(&v->answers);

    v->acts++;
    FUZZ_CHECK(v->acts <= 2 * ACTS_MAX);
    return a == 1 ? X86_EXC_GP : a == 2 ? X86_EXC_UD : 0;
}

/* For what user mode must never reach. */
static int kernel_answer(struct vcpu *v)
{
    FUZZ_CHECK(state.ring != 3);
    return answer(v);
}

static int answer_value(struct vcpu *v, int vector, uint64_t *value)
{
    if (vector == 0)
        *value = fuzz_u64(&v->answers);
    return vector;
}

int pv_emul_mem_read(struct vcpu *v, uint64_t gva, void *buffer, unsigned bytes)
{
    FUZZ_CHECK(bytes == 1 || bytes == 2 || bytes == 4);
    if (answer(v))
        return -EFAULT;
    fuzz_take(&v->answers, buffer, bytes);
    return 0;
}

int pv_emul_mem_write(struct vcpu *v, uint64_t gva, const void *buffer, unsigned bytes)
{
    FUZZ_CHECK(bytes == 1 || bytes == 2 || bytes == 4);
    FUZZ_CHECK(memcmp(buffer, buffer, bytes) == 0);
    return answer(v) ? -EFAULT : 0;
}

static bool bitmap_allows;

bool pv_emul_port_allowed(struct vcpu *v, uint16_t port, unsigned bytes)
{
    FUZZ_CHECK(state.iopl < state.ring);
    return bitmap_allows;
}

static void check_port(unsigned bytes)
{
    FUZZ_CHECK(bytes == 1 || bytes == 2 || bytes == 4);
    FUZZ_CHECK(state.iopl >= state.ring || bitmap_allows);
}

int pv_emul_port_in(struct vcpu *v, uint16_t port, unsigned bytes, uint32_t *value)
{
    int vector = answer(v);

    check_port(bytes);
    if (vector == 0)
        *value = fuzz_u32(&v->answers);
    return vector;
}

int pv_emul_port_out(struct vcpu *v, uint16_t port, unsigned bytes, uint32_t value)
{
    check_port(bytes);
    FUZZ_CHECK(bytes == 4 || value >> (8 * bytes) == 0);
    return answer(v);
}

int pv_emul_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    /* RDTSCP reads one for user mode too. */
    FUZZ_CHECK(state.ring != 3 || msr == 0xc0000103);
    return answer_value(v, answer(v), value);
}

int pv_emul_write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    return kernel_answer(v);
}

int pv_emul_read_cr(struct vcpu *v, unsigned cr, uint64_t *value)
{
    FUZZ_CHECK(cr == 0 || (state.ring != 3 && (cr == 2 || cr == 3 || cr == 4 || cr == 8)));
    return answer_value(v, answer(v), value);
}

int pv_emul_write_cr(struct vcpu *v, unsigned cr, uint64_t value)
{
    FUZZ_CHECK(cr == 0 || cr == 2 || cr == 3 || cr == 4 || cr == 8);
    if (fuzz_u8(&v->answers) == 3) {
        restarted = true;
        return -ERESTART;
    }
    return kernel_answer(v);
}

int pv_emul_read_dr(struct vcpu *v, unsigned dr, uint64_t *value)
{
    FUZZ_CHECK(dr < 8);
    return answer_value(v, kernel_answer(v), value);
}

int pv_emul_write_dr(struct vcpu *v, unsigned dr, uint64_t value)
{
    FUZZ_CHECK(dr < 8);
    return kernel_answer(v);
}

int pv_emul_xsetbv(struct vcpu *v, uint32_t index, uint64_t value)
{
    return kernel_answer(v);
}

int pv_emul_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf, bool forced,
                  struct cpuid_regs *r)
{
    fuzz_take(&v->answers, r, sizeof(*r));
    return answer(v);
}

int pv_emul_rdtsc(struct vcpu *v, uint64_t *value)
{
    return answer_value(v, answer(v), value);
}

int pv_emul_rdpmc(struct vcpu *v, uint32_t counter, uint64_t *value)
{
    return answer_value(v, answer(v), value);
}

void pv_emul_invlpg(struct vcpu *v, uint64_t gva)
{
    kernel_answer(v);
}

void pv_emul_wbinvd(struct vcpu *v)
{
    kernel_answer(v);
}

static void check(const struct vcpu *v, const struct x86_regs *before, const struct x86_regs *after,
                  const struct emul_outcome *out)
{
    guest_check(v, before, after, out);
    if (restarted)
        FUZZ_CHECK(out->code == EMUL_RETRY && memcmp(before, after, sizeof(*after)) == 0);
    if (before->vector != X86_EXC_GP && before->vector != X86_EXC_UD)
        FUZZ_CHECK(out->code == EMUL_UNHANDLED || out->vector == X86_EXC_PF);
    if (out->code == EMUL_INJECT)
        FUZZ_CHECK(out->vector == X86_EXC_GP || out->vector == X86_EXC_UD ||
                   out->vector == X86_EXC_PF || out->vector == X86_EXC_DB);
    if (out->code == EMUL_INJECT && out->vector == X86_EXC_PF)
        FUZZ_CHECK(!!(out->error_code & X86_PF_USER) == (state.ring == 3));
    FUZZ_CHECK(after->rsp == before->rsp || out->code == EMUL_DONE || out->vector == X86_EXC_DB);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t rings[] = {1, 3, 0};
    static const enum code_mode modes[] = {CODE_64, CODE_32, CODE_16};
    struct fuzz_input in = {data, size};
    struct x86_regs before, regs;
    struct emul_outcome out;
    struct vcpu v;
    uint8_t flags;

    memset(&state, 0, sizeof(state));
    restarted = false;
    guest_start(&v, &regs, &state.bases, &in);
    flags = fuzz_u8(&v.answers);
    state.ring = rings[(flags & 3) % ARRAY_SIZE(rings)];
    state.iopl = flags >> 2 & 3;
    state.mode = modes[(flags >> 4 & 3) % ARRAY_SIZE(modes)];
    bitmap_allows = flags & 0x40;
    if (flags & 0x80) /* what almost every call is about */
        regs.error_code = 0, regs.vector = regs.vector & 1 ? X86_EXC_GP : X86_EXC_UD;
    before = regs;
    pv_emulate_privileged(&v, &regs, &state, &out);
    check(&v, &before, &regs, &out);
    return 0;
}
