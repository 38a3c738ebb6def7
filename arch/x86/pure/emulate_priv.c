/* SPDX-License-Identifier: MIT */
/*
 * Emulation of privileged instructions behind x86/emulate_priv.h: fetch, decode, check the guest's
 * right to it, act through the pv_emul_* functions, advance.
 */
#include <kr/errno.h>
#include <kr/string.h>
#include <x86/emulate_priv.h>

/* REP INS and OUTS: elements per call, so that a guest cannot hold the CPU. */
#define STRING_BATCH 64

#define MSR_TSC_AUX 0xc0000103u
#define CR0_TS      (1u << 3)
#define CR0_PE      (1u << 0)

struct emulation {
    struct vcpu *v;
    struct x86_regs *regs;
    const struct pv_emul_state *state;
    struct insn in;
    struct emul_outcome *out;
};

static enum emul_code from_hook(struct emulation *e, int vector)
{
    if (vector == -ERESTART)
        return EMUL_RETRY;
    return vector ? emul_inject(e->out, vector, 0) : EMUL_DONE;
}

static void write_edx_eax(struct x86_regs *regs, uint64_t value)
{
    regs->rax = (uint32_t)value;
    regs->rdx = value >> 32;
}

static uint64_t read_edx_eax(const struct x86_regs *regs)
{
    return (uint64_t)(uint32_t)regs->rdx << 32 | (uint32_t)regs->rax;
}

static bool ports_open(const struct emulation *e)
{
    return e->state->iopl >= e->state->ring;
}

static bool port_permitted(const struct emulation *e, uint16_t port, unsigned bytes)
{
    return ports_open(e) || pv_emul_port_allowed(e->v, port, bytes);
}

static uint32_t fault_code(const struct emulation *e, uint32_t extra)
{
    return extra | (e->state->ring == 3 ? X86_PF_USER : 0);
}

static enum emul_code emulate_in(struct emulation *e)
{
    const struct insn *in = &e->in;
    uint16_t port = in->src.kind == OPERAND_IMM ? (uint8_t)in->imm : e->regs->rdx;
    uint32_t value = 0;
    int vector;

    if (!port_permitted(e, port, in->dst.bytes))
        return emul_inject(e->out, X86_EXC_GP, 0);
    vector = pv_emul_port_in(e->v, port, in->dst.bytes, &value);
    if (vector == 0)
        operand_write(e->regs, &in->dst, value);
    return from_hook(e, vector);
}

static enum emul_code emulate_out(struct emulation *e)
{
    const struct insn *in = &e->in;
    uint16_t port = in->dst.kind == OPERAND_IMM ? (uint8_t)in->imm : e->regs->rdx;

    if (!port_permitted(e, port, in->src.bytes))
        return emul_inject(e->out, X86_EXC_GP, 0);
    return from_hook(e,
                     pv_emul_port_out(e->v, port, in->src.bytes, operand_read(e->regs, &in->src)));
}

/* One element between port and memory. The port is read before the memory is known to be
 * writable: data meant for a bad address is lost. */
static enum emul_code string_element(struct emulation *e, uint16_t port, unsigned bytes)
{
    bool in = e->in.op == INSN_INS;
    uint64_t index = x86_reg_read(e->regs, in ? X86_RDI : X86_RSI, e->in.address_bytes);
    uint64_t address = in ? index : index + insn_segment_base(&e->in, &e->state->bases);
    uint32_t value = 0;
    int vector;

    if (in) {
        vector = pv_emul_port_in(e->v, port, bytes, &value);
        if (vector == 0 && pv_emul_mem_write(e->v, address, &value, bytes) != 0)
            return emul_inject_page_fault(e->out, address, fault_code(e, X86_PF_WRITE));
        return from_hook(e, vector);
    }
    if (pv_emul_mem_read(e->v, address, &value, bytes) != 0)
        return emul_inject_page_fault(e->out, address, fault_code(e, 0));
    return from_hook(e, pv_emul_port_out(e->v, port, bytes, value));
}

static void string_advance(struct emulation *e, unsigned bytes, bool counted)
{
    unsigned reg = e->in.op == INSN_INS ? X86_RDI : X86_RSI, size = e->in.address_bytes;
    int64_t step = e->regs->rflags & X86_FLAG_DF ? -(int64_t)bytes : (int64_t)bytes;

    x86_reg_write(e->regs, reg, size, x86_reg_read(e->regs, reg, size) + step);
    if (counted)
        x86_reg_write(e->regs, X86_RCX, size, x86_reg_read(e->regs, X86_RCX, size) - 1);
}

/* INS and OUTS. Registers advance with each element, so the guest may be resumed after any. */
static enum emul_code emulate_string(struct emulation *e)
{
    bool repeated = e->in.rep || e->in.repne;
    uint64_t left = repeated ? x86_reg_read(e->regs, X86_RCX, e->in.address_bytes) : 1;
    unsigned bytes = e->in.operand_bytes;
    unsigned batch = e->regs->rflags & X86_FLAG_TF ? 1 : STRING_BATCH;
    uint16_t port = e->regs->rdx;

    if (!port_permitted(e, port, bytes))
        return emul_inject(e->out, X86_EXC_GP, 0);
    while (left > 0 && batch > 0) {
        enum emul_code code = string_element(e, port, bytes);

        if (code != EMUL_DONE)
            return code;
        string_advance(e, bytes, repeated);
        left--;
        batch--;
    }
    return left > 0 ? EMUL_RETRY : EMUL_DONE;
}

static enum emul_code emulate_interrupt_flag(struct emulation *e)
{
    return ports_open(e) ? EMUL_DONE : emul_inject(e->out, X86_EXC_GP, 0);
}

static enum emul_code emulate_system_move(struct emulation *e)
{
    const struct insn *in = &e->in;
    bool cr = in->op == INSN_MOV_CR;
    uint64_t value = 0;
    int vector;

    if (in->dst.kind != OPERAND_REG) {
        value = operand_read(e->regs, &in->src);
        return from_hook(e, cr ? pv_emul_write_cr(e->v, in->dst.reg, value)
                               : pv_emul_write_dr(e->v, in->dst.reg, value));
    }
    vector = cr ? pv_emul_read_cr(e->v, in->src.reg, &value)
                : pv_emul_read_dr(e->v, in->src.reg, &value);
    if (vector == 0)
        operand_write(e->regs, &in->dst, value);
    return from_hook(e, vector);
}

static enum emul_code change_cr0(struct emulation *e, uint64_t clear, uint64_t set)
{
    uint64_t cr0 = 0;
    int vector = pv_emul_read_cr(e->v, 0, &cr0);

    if (vector == 0)
        vector = pv_emul_write_cr(e->v, 0, (cr0 & ~clear) | set);
    return from_hook(e, vector);
}

static enum emul_code emulate_smsw(struct emulation *e)
{
    uint64_t cr0 = 0, address;
    int vector = pv_emul_read_cr(e->v, 0, &cr0);

    if (vector != 0)
        return from_hook(e, vector);
    if (e->in.dst.kind != OPERAND_MEM) {
        operand_write(e->regs, &e->in.dst, cr0);
        return EMUL_DONE;
    }
    address = insn_mem_address(&e->in, e->regs, &e->state->bases);
    if (pv_emul_mem_write(e->v, address, &cr0, 2) != 0)
        return emul_inject_page_fault(e->out, address, fault_code(e, X86_PF_WRITE));
    return EMUL_DONE;
}

static enum emul_code emulate_rdmsr(struct emulation *e)
{
    uint64_t value = 0;
    int vector = pv_emul_read_msr(e->v, e->regs->rcx, &value);

    if (vector == 0)
        write_edx_eax(e->regs, value);
    return from_hook(e, vector);
}

static enum emul_code emulate_cpuid(struct emulation *e)
{
    struct x86_regs *regs = e->regs;
    struct cpuid_regs r = {0};
    int vector = pv_emul_cpuid(e->v, regs->rax, regs->rcx, e->in.forced, &r);

    if (vector == 0) {
        regs->rax = r.a;
        regs->rbx = r.b;
        regs->rcx = r.c;
        regs->rdx = r.d;
    }
    return from_hook(e, vector);
}

static enum emul_code emulate_counter(struct emulation *e)
{
    uint64_t value = 0, aux = 0;
    int vector;

    if (e->in.op == INSN_RDPMC)
        vector = pv_emul_rdpmc(e->v, e->regs->rcx, &value);
    else
        vector = pv_emul_rdtsc(e->v, &value);
    if (vector == 0 && e->in.op == INSN_RDTSCP)
        vector = pv_emul_read_msr(e->v, MSR_TSC_AUX, &aux);
    if (vector != 0)
        return from_hook(e, vector);
    write_edx_eax(e->regs, value);
    if (e->in.op == INSN_RDTSCP)
        e->regs->rcx = (uint32_t)aux;
    return EMUL_DONE;
}

/* What user mode may do as well, with its own rights. */
static enum emul_code emulate_any_ring(struct emulation *e)
{
    switch (e->in.op) {
    case INSN_IN: return emulate_in(e);
    case INSN_OUT: return emulate_out(e);
    case INSN_INS:
    case INSN_OUTS: return emulate_string(e);
    case INSN_CLI:
    case INSN_STI: return emulate_interrupt_flag(e);
    case INSN_CPUID: return emulate_cpuid(e);
    case INSN_RDTSC:
    case INSN_RDTSCP:
    case INSN_RDPMC: return emulate_counter(e);
    case INSN_SMSW: return emulate_smsw(e);
    default: return EMUL_UNHANDLED;
    }
}

static enum emul_code emulate_kernel(struct emulation *e)
{
    switch (e->in.op) {
    case INSN_MOV_CR:
    case INSN_MOV_DR: return emulate_system_move(e);
    case INSN_CLTS: return change_cr0(e, CR0_TS, 0);
    case INSN_RDMSR: return emulate_rdmsr(e);
    case INSN_WRMSR:
        return from_hook(e, pv_emul_write_msr(e->v, e->regs->rcx, read_edx_eax(e->regs)));
    case INSN_XSETBV:
        return from_hook(e, pv_emul_xsetbv(e->v, e->regs->rcx, read_edx_eax(e->regs)));
    case INSN_INVLPG:
        pv_emul_invlpg(e->v, insn_mem_address(&e->in, e->regs, &e->state->bases));
        return EMUL_DONE;
    case INSN_INVD:
    case INSN_WBINVD: pv_emul_wbinvd(e->v); return EMUL_DONE;
    default: return emulate_any_ring(e);
    }
}

/* Of the exceptions a privileged instruction may take, is this the one? */
static bool exception_fits(const struct emulation *e)
{
    if (e->regs->vector == X86_EXC_UD)
        return e->in.forced && e->in.op == INSN_CPUID;
    return e->regs->vector == X86_EXC_GP && !e->in.forced && e->regs->error_code == 0;
}

static enum emul_code emulate(struct emulation *e)
{
    enum emul_code code;

    e->out->length_bytes = e->in.length_bytes;
    /* A gate the CPU did not let the guest through: the error code names the vector, but not
     * every emulated CPU computes it right, so the instruction itself is believed. */
    if (e->in.op == INSN_INT && e->regs->vector == X86_EXC_GP && e->regs->error_code & 2) {
        e->out->vector = e->in.imm;
        return EMUL_SOFT_INT;
    }
    if (!exception_fits(e))
        return EMUL_UNHANDLED;
    code = e->state->ring == 3 ? emulate_any_ring(e) : emulate_kernel(e);
    if (code == EMUL_DONE)
        e->regs->rip += e->in.length_bytes;
    return code;
}

/* A string instruction was done in part and traps after that; what the port could not begin does
 * not. */
static enum emul_code finish(struct emulation *e, enum emul_code code)
{
    bool is_string = e->in.op == INSN_INS || e->in.op == INSN_OUTS;

    return code == EMUL_RETRY && !is_string ? code : emul_finish(e->out, e->regs, code);
}

void pv_emulate_privileged(struct vcpu *v, struct x86_regs *regs, const struct pv_emul_state *state,
                           struct emul_outcome *out)
{
    struct emulation e = {.v = v, .regs = regs, .state = state, .out = out};
    uint8_t bytes[INSN_BYTES_MAX];
    size_t count = pv_emul_fetch(v, regs->rip, bytes, sizeof(bytes));
    enum decode_status status = insn_decode(bytes, count, state->mode, &e.in);

    memset(out, 0, sizeof(*out));
    if (status == DECODE_OK)
        out->code = finish(&e, emulate(&e));
    else if (status == DECODE_NEED_BYTES)
        out->code = emul_inject_page_fault(out, regs->rip + count, fault_code(&e, X86_PF_FETCH));
    else
        out->code = EMUL_UNHANDLED;
}
