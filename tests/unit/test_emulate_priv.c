/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/decode.c arch/x86/pure/operand.c arch/x86/pure/emulate_priv.c */
/* Emulation of privileged instructions over a fake vCPU: every class, rights, faults, stepping. */
#include "unit.h"
#include <errno.h>
#include <string.h>
#include <x86/emulate_priv.h>

#define CODE 0x10000UL /* where the guest's code starts */
#define DATA 0x20000UL /* where its data starts; anything else faults */

struct vcpu {
    uint8_t code[INSN_BYTES_MAX], data[256];
    size_t code_bytes;
    uint64_t cr[16], dr[8], msr_value, xcr0, invlpg, tsc;
    uint32_t msr, port_value, port_count, cpuid_leaf, cpuid_subleaf;
    uint16_t port;
    unsigned port_bytes, flushes;
    bool bitmap_allows, cpuid_forced, root_is_large;
};

static struct vcpu vcpu;
static struct x86_regs regs;
static struct pv_emul_state state = {.ring = 1, .iopl = 1, .mode = CODE_64};
static struct emul_outcome out;

size_t pv_emul_fetch(struct vcpu *v, uint64_t rip, uint8_t *buffer, size_t bytes)
{
    size_t skip = rip - CODE, count;

    if (skip > v->code_bytes)
        return 0;
    count = MIN(bytes, v->code_bytes - skip);
    memcpy(buffer, v->code + skip, count);
    return count;
}

static uint8_t *data_at(struct vcpu *v, uint64_t gva, unsigned bytes)
{
    return gva >= DATA && gva + bytes <= DATA + sizeof(v->data) ? v->data + (gva - DATA) : NULL;
}

int pv_emul_mem_read(struct vcpu *v, uint64_t gva, void *buffer, unsigned bytes)
{
    uint8_t *at = data_at(v, gva, bytes);

    if (at)
        memcpy(buffer, at, bytes);
    return at ? 0 : -EFAULT;
}

int pv_emul_mem_write(struct vcpu *v, uint64_t gva, const void *buffer, unsigned bytes)
{
    uint8_t *at = data_at(v, gva, bytes);

    if (at)
        memcpy(at, buffer, bytes);
    return at ? 0 : -EFAULT;
}

bool pv_emul_port_allowed(struct vcpu *v, uint16_t port, unsigned bytes)
{
    return v->bitmap_allows;
}

int pv_emul_port_in(struct vcpu *v, uint16_t port, unsigned bytes, uint32_t *value)
{
    v->port = port;
    v->port_bytes = bytes;
    *value = v->port_value + v->port_count++;
    return 0;
}

int pv_emul_port_out(struct vcpu *v, uint16_t port, unsigned bytes, uint32_t value)
{
    v->port = port;
    v->port_bytes = bytes;
    v->port_value = value;
    v->port_count++;
    return port == 0xdead ? X86_EXC_GP : 0;
}

int pv_emul_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    v->msr = msr;
    *value = v->msr_value;
    return msr == 0xbad ? X86_EXC_GP : 0;
}

int pv_emul_write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    v->msr = msr;
    v->msr_value = value;
    return msr == 0xbad ? X86_EXC_GP : 0;
}

int pv_emul_read_cr(struct vcpu *v, unsigned cr, uint64_t *value)
{
    *value = v->cr[cr];
    return cr == 8 ? X86_EXC_UD : 0;
}

int pv_emul_write_cr(struct vcpu *v, unsigned cr, uint64_t value)
{
    if (cr == 3 && v->root_is_large)
        return -ERESTART;
    v->cr[cr] = value;
    return 0;
}

int pv_emul_read_dr(struct vcpu *v, unsigned dr, uint64_t *value)
{
    *value = v->dr[dr];
    return 0;
}

int pv_emul_write_dr(struct vcpu *v, unsigned dr, uint64_t value)
{
    v->dr[dr] = value;
    return 0;
}

int pv_emul_xsetbv(struct vcpu *v, uint32_t index, uint64_t value)
{
    v->xcr0 = value;
    return index ? X86_EXC_GP : 0;
}

int pv_emul_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf, bool forced,
                  struct cpuid_regs *r)
{
    v->cpuid_leaf = leaf;
    v->cpuid_subleaf = subleaf;
    v->cpuid_forced = forced;
    *r = (struct cpuid_regs){1, 2, 3, 4};
    return 0;
}

int pv_emul_rdtsc(struct vcpu *v, uint64_t *value)
{
    *value = v->tsc;
    return 0;
}

int pv_emul_rdpmc(struct vcpu *v, uint32_t counter, uint64_t *value)
{
    return X86_EXC_GP;
}

void pv_emul_invlpg(struct vcpu *v, uint64_t gva)
{
    v->invlpg = gva;
}

void pv_emul_wbinvd(struct vcpu *v)
{
    v->flushes++;
}

static enum emul_code run_bytes(const uint8_t *bytes, size_t count)
{
    memcpy(vcpu.code, bytes, count);
    vcpu.code_bytes = count;
    regs.rip = CODE;
    pv_emulate_privileged(&vcpu, &regs, &state, &out);
    return out.code;
}

#define RUN(...) run_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static int fresh(void **unused)
{
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&regs, 0xff, sizeof(regs));
    regs.rflags = 0x10202; /* RF as a fault's frame has it */
    regs.vector = X86_EXC_GP;
    regs.error_code = 0;
    state = (struct pv_emul_state){.ring = 1, .iopl = 1, .mode = CODE_64};
    return 0;
}

static void assert_advanced(unsigned bytes)
{
    assert_int_equal(regs.rip, CODE + bytes);
    assert_int_equal(regs.rflags, 0x202);
}

static void test_ports(void **unused)
{
    regs.rdx = 0xffff0cfc;
    vcpu.port_value = 0x12345678;
    assert_int_equal(RUN(0xed), EMUL_DONE); /* in eax, dx */
    assert_int_equal(vcpu.port, 0xcfc);
    assert_int_equal(vcpu.port_bytes, 4);
    assert_int_equal(regs.rax, 0x12345678); /* upper half cleared */
    assert_advanced(1);
    regs.rax = ~0UL;
    assert_int_equal(RUN(0xe4, 0x71), EMUL_DONE); /* in al, 0x71 */
    assert_int_equal(vcpu.port, 0x71);
    assert_int_equal(regs.rax, 0xffffffffffffff79);
    assert_advanced(2);
    assert_int_equal(RUN(0x66, 0xe7, 0xf0), EMUL_DONE); /* out 0xf0, ax */
    assert_int_equal(vcpu.port, 0xf0);
    assert_int_equal(vcpu.port_bytes, 2);
    assert_int_equal(vcpu.port_value, 0xff79);
    regs.rdx = 0xdead;
    assert_int_equal(RUN(0xee), EMUL_INJECT);
    assert_int_equal(out.vector, X86_EXC_GP);
    assert_int_equal(regs.rip, CODE);
}

static void test_port_rights(void **unused)
{
    state.iopl = 0;
    assert_int_equal(RUN(0xed), EMUL_INJECT);
    assert_int_equal(out.vector, X86_EXC_GP);
    assert_int_equal(RUN(0xfa), EMUL_INJECT);
    assert_int_equal(vcpu.port_count, 0);
    state = (struct pv_emul_state){.ring = 3, .iopl = 1, .mode = CODE_64};
    assert_int_equal(RUN(0xed), EMUL_INJECT);
    vcpu.bitmap_allows = true;
    assert_int_equal(RUN(0xed), EMUL_DONE);
    assert_int_equal(RUN(0xfb), EMUL_INJECT); /* the bitmap says nothing of STI */
    state.iopl = 3;
    assert_int_equal(RUN(0xfb), EMUL_DONE);
    state.iopl = 0;
    state.ring = 0;
    assert_int_equal(RUN(0xfa), EMUL_DONE);
}

static void test_rep_ins(void **unused)
{
    regs.rdi = DATA;
    regs.rcx = 200;
    regs.rdx = 0x511;
    assert_int_equal(RUN(0xf3, 0x6c), EMUL_RETRY);
    assert_int_equal(regs.rip, CODE);
    assert_true(regs.rcx > 0 && regs.rcx < 200);
    for (int i = 0; i < 10 && out.code == EMUL_RETRY; i++)
        RUN(0xf3, 0x6c);
    assert_int_equal(out.code, EMUL_DONE);
    assert_int_equal(regs.rcx, 0);
    assert_int_equal(regs.rdi, DATA + 200);
    assert_int_equal(vcpu.data[199], 199);
    assert_int_equal(vcpu.data[200], 0);
    assert_advanced(2);
    assert_int_equal(RUN(0xf3, 0x6c), EMUL_DONE); /* count zero: nothing */
    assert_int_equal(vcpu.port_count, 200);
}

static void test_string_faults(void **unused)
{
    regs.rdi = DATA + sizeof(vcpu.data) - 4;
    regs.rcx = 2;
    regs.rdx = 0x1f0;
    assert_int_equal(RUN(0xf3, 0x6d), EMUL_INJECT);
    assert_int_equal(out.vector, X86_EXC_PF);
    assert_int_equal(out.error_code, X86_PF_WRITE);
    assert_int_equal(out.fault_address, DATA + sizeof(vcpu.data));
    assert_int_equal(regs.rcx, 1);
    assert_int_equal(regs.rip, CODE);
    /* OUTS downwards from FS, 32-bit addresses. */
    state.bases.fs = DATA;
    vcpu.data[8] = 0x88;
    regs.rsi = 0xffffffff00000008;
    regs.rflags |= X86_FLAG_DF;
    assert_int_equal(RUN(0x64, 0x67, 0x66, 0x6f), EMUL_DONE);
    assert_int_equal(vcpu.port_value, 0x88);
    assert_int_equal(regs.rsi, 6);
    regs.rsi = 5;
    state.ring = 3;
    state.iopl = 3;
    assert_int_equal(RUN(0x6e), EMUL_INJECT);
    assert_int_equal(out.fault_address, 5);
    assert_int_equal(out.error_code, X86_PF_USER);
}

static void test_msr(void **unused)
{
    regs.rcx = 0xffffffffc0000101;
    regs.rax = 0xaaaaaaaa82000000;
    regs.rdx = 0xaaaaaaaaffffffff;
    assert_int_equal(RUN(0x0f, 0x30), EMUL_DONE);
    assert_int_equal(vcpu.msr, 0xc0000101);
    assert_int_equal(vcpu.msr_value, 0xffffffff82000000);
    assert_advanced(2);
    regs.rax = regs.rdx = ~0UL;
    vcpu.msr_value = 0x100000002;
    assert_int_equal(RUN(0x0f, 0x32), EMUL_DONE);
    assert_int_equal(regs.rax, 2);
    assert_int_equal(regs.rdx, 1);
    regs.rcx = 0xbad;
    assert_int_equal(RUN(0x0f, 0x32), EMUL_INJECT);
    assert_int_equal(out.vector, X86_EXC_GP);
    assert_int_equal(out.error_code, 0);
    assert_int_equal(regs.rip, CODE);
    state.ring = 3;
    assert_int_equal(RUN(0x0f, 0x32), EMUL_UNHANDLED);
}

static void test_control_registers(void **unused)
{
    vcpu.cr[2] = 0xffff888000000000;
    assert_int_equal(RUN(0x41, 0x0f, 0x20, 0xd0), EMUL_DONE); /* mov r8, cr2 */
    assert_int_equal(regs.r8, 0xffff888000000000);
    regs.rbx = 0x50660;
    assert_int_equal(RUN(0x0f, 0x22, 0xe3), EMUL_DONE);
    assert_int_equal(vcpu.cr[4], 0x50660);
    regs.rax = 0x5000;
    vcpu.root_is_large = true;
    assert_int_equal(RUN(0x0f, 0x22, 0xd8), EMUL_RETRY); /* mov cr3, rax: again */
    assert_int_equal(regs.rip, CODE);
    vcpu.root_is_large = false;
    assert_int_equal(RUN(0x0f, 0x22, 0xd8), EMUL_DONE);
    assert_int_equal(vcpu.cr[3], 0x5000);
    vcpu.cr[0] = 0x8005003b;
    assert_int_equal(RUN(0x0f, 0x06), EMUL_DONE); /* clts */
    assert_int_equal(vcpu.cr[0], 0x80050033);
    assert_int_equal(RUN(0x0f, 0x01, 0xf0), EMUL_UNHANDLED); /* lmsw ax */
    assert_int_equal(vcpu.cr[0], 0x80050033);
    assert_int_equal(RUN(0x0f, 0x01, 0xe2), EMUL_DONE); /* smsw edx */
    assert_int_equal(regs.rdx, 0x80050033);
    regs.rdi = DATA;
    assert_int_equal(RUN(0x0f, 0x01, 0x27), EMUL_DONE); /* smsw (rdi) */
    assert_int_equal(vcpu.data[0], 0x33);
    assert_int_equal(RUN(0x44, 0x0f, 0x20, 0xc0), EMUL_INJECT); /* cr8 here: #UD */
    assert_int_equal(out.vector, X86_EXC_UD);
    regs.rcx = 0x401;
    assert_int_equal(RUN(0x0f, 0x23, 0xf9), EMUL_DONE);
    assert_int_equal(vcpu.dr[7], 0x401);
    assert_int_equal(RUN(0x0f, 0x21, 0xfa), EMUL_DONE);
    assert_int_equal(regs.rdx, 0x401);
    regs.rcx = 0;
    regs.rax = 7;
    regs.rdx = 0;
    assert_int_equal(RUN(0x0f, 0x01, 0xd1), EMUL_DONE);
    assert_int_equal(vcpu.xcr0, 7);
}

static void test_cpuid(void **unused)
{
    regs.vector = X86_EXC_UD;
    regs.rax = 0xffffffff40000004;
    regs.rcx = 9;
    assert_int_equal(RUN(0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2), EMUL_DONE);
    assert_int_equal(vcpu.cpuid_leaf, 0x40000004);
    assert_int_equal(vcpu.cpuid_subleaf, 9);
    assert_true(vcpu.cpuid_forced);
    assert_int_equal(regs.rax, 1);
    assert_int_equal(regs.rbx, 2);
    assert_int_equal(regs.rcx, 3);
    assert_int_equal(regs.rdx, 4);
    assert_advanced(7);
    /* Only CPUID may be forced; a plain #UD is the guest's own. */
    assert_int_equal(RUN(0x0f, 0x0b, 0x78, 0x65, 0x6e, 0xf4), EMUL_UNHANDLED);
    assert_int_equal(RUN(0x0f, 0x0b), EMUL_UNHANDLED);
    assert_int_equal(RUN(0x0f, 0x30), EMUL_UNHANDLED);
    regs.vector = X86_EXC_GP;
    state.ring = 3;
    assert_int_equal(RUN(0x0f, 0xa2), EMUL_DONE);
    assert_false(vcpu.cpuid_forced);
}

static void test_time_stamps(void **unused)
{
    state.ring = 3;
    vcpu.tsc = 0x700000009;
    vcpu.msr_value = 0x1234;
    assert_int_equal(RUN(0x0f, 0x31), EMUL_DONE);
    assert_int_equal(regs.rax, 9);
    assert_int_equal(regs.rdx, 7);
    assert_int_equal(RUN(0x0f, 0x01, 0xf9), EMUL_DONE);
    assert_int_equal(regs.rcx, 0x1234);
    assert_int_equal(vcpu.msr, 0xc0000103);
    assert_int_equal(RUN(0x0f, 0x33), EMUL_INJECT);
}

static void test_rest(void **unused)
{
    regs.rax = 0x7000;
    assert_int_equal(RUN(0x0f, 0x01, 0x38), EMUL_DONE);
    assert_int_equal(vcpu.invlpg, 0x7000);
    assert_int_equal(RUN(0x0f, 0x09), EMUL_DONE);
    assert_int_equal(RUN(0x0f, 0x08), EMUL_DONE);
    assert_int_equal(vcpu.flushes, 2);
    assert_int_equal(RUN(0xf4), EMUL_UNHANDLED);             /* hlt */
    assert_int_equal(RUN(0x0f, 0x01, 0x10), EMUL_UNHANDLED); /* lgdt */
    assert_int_equal(RUN(0x48, 0xcf), EMUL_UNHANDLED);       /* iretq */
    assert_int_equal(RUN(0x48, 0x89, 0x07), EMUL_UNHANDLED); /* a mov that took #GP */
    regs.error_code = 0x18;
    assert_int_equal(RUN(0xf4), EMUL_UNHANDLED);
}

static void test_soft_interrupt(void **unused)
{
    regs.error_code = 0x80 * 16 + 2; /* one emulated CPU's idea of it */
    assert_int_equal(RUN(0xcd, 0x80), EMUL_SOFT_INT);
    assert_int_equal(out.vector, 0x80);
    assert_int_equal(out.length_bytes, 2);
    assert_int_equal(regs.rip, CODE);
}

static void test_single_step(void **unused)
{
    regs.rflags |= X86_FLAG_TF;
    assert_int_equal(RUN(0xfa), EMUL_INJECT);
    assert_int_equal(out.vector, X86_EXC_DB);
    assert_int_equal(out.dr6_bits, 0x4000);
    assert_int_equal(regs.rip, CODE + 1);
    assert_int_equal(regs.rflags, 0x302);
    regs.rdi = DATA;
    regs.rcx = 3;
    assert_int_equal(RUN(0xf3, 0x6c), EMUL_INJECT); /* traps between the elements */
    assert_int_equal(out.vector, X86_EXC_DB);
    assert_int_equal(regs.rcx, 2);
    assert_int_equal(regs.rip, CODE);
    vcpu.root_is_large = true;
    assert_int_equal(RUN(0x0f, 0x22, 0xd8), EMUL_RETRY); /* nothing was done: no trap */
    assert_int_equal(regs.rip, CODE);
    vcpu.root_is_large = false;
    assert_int_equal(RUN(0x0f, 0x22, 0xd8), EMUL_INJECT);
    assert_int_equal(regs.rip, CODE + 3);
}

static void test_code_ends(void **unused)
{
    regs.vector = X86_EXC_UD;
    assert_int_equal(RUN(0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f), EMUL_INJECT);
    assert_int_equal(out.vector, X86_EXC_PF);
    assert_int_equal(out.fault_address, CODE + 6);
    assert_int_equal(out.error_code, X86_PF_FETCH);
}

#define CASE(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_ports),     CASE(test_port_rights),       CASE(test_rep_ins),
        CASE(test_msr),       CASE(test_control_registers), CASE(test_string_faults),
        CASE(test_cpuid),     CASE(test_time_stamps),       CASE(test_rest),
        CASE(test_code_ends), CASE(test_soft_interrupt),    CASE(test_single_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
