/* SPDX-License-Identifier: MIT */
/*
 * See native.h. The instruction stands in a small function that is written for it: save what C
 * wants kept, load every register from absolute addresses, the instruction, store every register,
 * go back. Registers are numbered as in instructions.
 */
#include "native.h"
#include "fuzz.h"
#include <signal.h>
#include <sys/mman.h>

#define PAGE_COUNT (NATIVE_PAGES + 2)
#define FLAGS_KEPT (X86_FLAG_ARITHMETIC | X86_FLAG_DF)

/* Where the function finds them, by absolute address. */
struct state {
    uint64_t reg[16], flags;
    uint64_t host_rsp, unused[7];
};

static uint8_t *memory; /* code, state, the pages */

static void start(void)
{
    if (memory)
        return;
    memory = mmap(NULL, PAGE_COUNT * PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    FUZZ_CHECK(memory != MAP_FAILED);
}

static struct state *state(void)
{
    return (struct state *)(memory + PAGE_SIZE);
}

uint8_t *native_page(enum native_page which)
{
    start();
    return memory + (2 + which) * PAGE_SIZE;
}

static uint8_t *at;

static void emit(const void *code, size_t size)
{
    memcpy(at, code, size);
    at += size;
}

static void emit_address(const void *p)
{
    uint32_t address = (uintptr_t)p;

    emit(&address, sizeof(address));
}

/* mov reg, [address] (8b) or mov [address], reg (89) */
static void emit_move(uint8_t opcode, unsigned reg, const void *address)
{
    uint8_t code[] = {0x48 | (reg & 8 ? 4 : 0), opcode, 0x04 | (reg & 7) << 3, 0x25};

    emit(code, sizeof(code));
    emit_address(address);
}

/* mov rsp, address */
static void emit_stack(const void *address)
{
    emit("\x48\xc7\xc4", 3);
    emit_address(address);
}

static void write_function(const uint8_t *code, size_t size)
{
    struct state *s = state();

    at = memory;
    emit("\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10); /* push rbx rbp r12 r13 r14 r15 */
    emit_move(0x89, X86_RSP, &s->host_rsp);
    emit_stack(&s->flags);
    emit("\x9d", 1); /* popf */
    for (unsigned reg = 0; reg < 16; reg++)
        emit_move(0x8b, reg, &s->reg[reg]);
    emit(code, size);
    for (unsigned reg = 0; reg < 16; reg++)
        emit_move(0x89, reg, &s->reg[reg]);
    emit_stack(&s->flags + 1);
    emit("\x9c\xfc", 2); /* pushf, cld */
    emit_move(0x8b, X86_RSP, &s->host_rsp);
    emit("\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 11); /* the pops, ret */
}

void native_run(const uint8_t *code, size_t size, struct x86_regs *regs)
{
    uint64_t *const place[] = {&regs->rax, &regs->rcx, &regs->rdx, &regs->rbx,
                               &regs->rsp, &regs->rbp, &regs->rsi, &regs->rdi,
                               &regs->r8,  &regs->r9,  &regs->r10, &regs->r11,
                               &regs->r12, &regs->r13, &regs->r14, &regs->r15};
    sigset_t alarm, before;
    struct state *s;

    start();
    s = state();
    write_function(code, size);
    for (unsigned i = 0; i < ARRAY_SIZE(place); i++)
        s->reg[i] = *place[i];
    s->flags = (regs->rflags & FLAGS_KEPT) | 0x202;
    /* libFuzzer's timer must not come while the stack is the guest's. */
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigprocmask(SIG_BLOCK, &alarm, &before);
    ((void (*)(void))memory)();
    sigprocmask(SIG_SETMASK, &before, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(place); i++)
        *place[i] = s->reg[i];
    regs->rflags = (regs->rflags & ~(uint64_t)FLAGS_KEPT) | (s->flags & FLAGS_KEPT);
}
