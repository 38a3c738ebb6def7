/* SPDX-License-Identifier: MIT */
/* SOURCES: arch/x86/pure/decode.c arch/x86/pure/operand.c arch/x86/pure/emulate_store.c */
/* FLAGS: -max_len=512 */
/*
 * Stores into a read-only device page: one at most, aligned, around the address of the fault, and
 * no register but RIP changes.
 * Input: code, bases and registers (guest.h); where the fault was; whether the port refuses.
 */
#include "guest.h"
#include <x86/emulate_store.h>

static uint64_t fault;

int pv_emul_device_store(struct vcpu *v, uint64_t gva, uint64_t value, unsigned bytes)
{
    FUZZ_CHECK(bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
    FUZZ_CHECK(gva % bytes == 0 && fault - gva < bytes);
    FUZZ_CHECK(!(value & ~bytes_mask(bytes)));
    if (fuzz_u8(&v->answers) == 1)
        return -EFAULT;
    FUZZ_CHECK(++v->acts == 1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct x86_regs before, regs;
    struct segment_bases bases;
    struct emul_outcome out;
    struct vcpu v;

    guest_start(&v, &regs, &bases, &in);
    fault = fuzz_u64(&v.answers);
    if (fuzz_u8(&v.answers) & 1) { /* the usual form of it: a register points at the place */
        fault = regs.rdi;
        bases.fs = bases.gs = 0;
    }
    before = regs;
    store_emulate(&v, &regs, &bases, fault, &out);
    guest_check(&v, &before, &regs, &out);
    FUZZ_CHECK((out.code == EMUL_UNHANDLED) == (v.acts == 0));
    if (out.code != EMUL_UNHANDLED) {
        FUZZ_CHECK(regs.rip == before.rip + out.length_bytes);
        regs.rip = before.rip;
        regs.rflags = before.rflags;
        FUZZ_CHECK(memcmp(&before, &regs, sizeof(regs)) == 0);
    }
    return 0;
}
