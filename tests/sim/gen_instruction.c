/* SPDX-License-Identifier: MIT */
/*
 * Instructions that fault: those that a PV kernel may not execute and the hypervisor emulates, with
 * prefixes and registers of all kinds, and rubbish. Also from user mode; and memory that is not
 * there.
 */
#include "run.h"

#include <kr/errno.h>
#include <kr/page.h>
#include <x86/layout.h>
#include <x86/pte.h>
#include <x86/traps.h>

#include <xen/xen.h>

#include <string.h>

#define BYTES_MAX       15
#define LDT_WINDOW(cpu) (CPU_DESC_BASE + (2 * (uint64_t)(cpu) + 1) * 16 * PAGE_SIZE)

struct sample {
    uint8_t length;
    bool has_modrm; /* registers and direction of a move: filled in */
    uint8_t bytes[7];
};

static const struct sample samples[] = {
    {2, false, {0x0f, 0xa2}},                               /* cpuid */
    {2, false, {0x0f, 0xa2}},                               /* and again */
    {1, false, {0xfa}},                                     /* cli */
    {1, false, {0xfb}},                                     /* sti */
    {1, false, {0xf4}},                                     /* hlt */
    {2, false, {0xe4, 0x80}},                               /* in $0x80, %al */
    {2, false, {0xe5, 0x60}},                               /* in $0x60, %eax */
    {1, false, {0xec}},                                     /* in %dx, %al */
    {1, false, {0xed}},                                     /* in %dx, %eax */
    {2, false, {0xe6, 0x80}},                               /* out %al, $0x80 */
    {2, false, {0xe7, 0x70}},                               /* out %eax, $0x70 */
    {1, false, {0xee}},                                     /* out %al, %dx */
    {1, false, {0xef}},                                     /* out %eax, %dx */
    {1, false, {0x6c}},                                     /* insb */
    {1, false, {0x6d}},                                     /* insl */
    {1, false, {0x6e}},                                     /* outsb */
    {1, false, {0x6f}},                                     /* outsl */
    {2, true, {0x0f, 0x20}},                                /* mov %crN, reg */
    {2, true, {0x0f, 0x22}},                                /* mov reg, %crN */
    {2, true, {0x0f, 0x21}},                                /* mov %drN, reg */
    {2, true, {0x0f, 0x23}},                                /* mov reg, %drN */
    {2, false, {0x0f, 0x32}},                               /* rdmsr */
    {2, false, {0x0f, 0x32}},                               /* and again */
    {2, false, {0x0f, 0x30}},                               /* wrmsr */
    {2, false, {0x0f, 0x30}},                               /* and again */
    {3, false, {0x0f, 0x01, 0x3e}},                         /* invlpg (%rsi) */
    {2, false, {0x0f, 0x09}},                               /* wbinvd */
    {2, false, {0x0f, 0x08}},                               /* invd */
    {3, false, {0x0f, 0x01, 0xd1}},                         /* xsetbv */
    {2, false, {0x0f, 0x31}},                               /* rdtsc */
    {3, false, {0x0f, 0x01, 0xf9}},                         /* rdtscp */
    {2, false, {0x0f, 0x33}},                               /* rdpmc */
    {2, false, {0x0f, 0x06}},                               /* clts */
    {3, false, {0x0f, 0x01, 0xf0}},                         /* lmsw %ax */
    {3, false, {0x0f, 0x01, 0xe0}},                         /* smsw %eax */
    {3, false, {0x0f, 0x01, 0x27}},                         /* smsw (%rdi) */
    {3, false, {0x0f, 0x01, 0x17}},                         /* lgdt (%rdi) */
    {2, false, {0xcd, 0x03}},                               /* int $3 */
    {2, false, {0xcd, 0x80}},                               /* int $0x80 */
    {2, false, {0x48, 0xcf}},                               /* iretq */
    {7, false, {0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2}}, /* forced cpuid */
};

static const uint8_t prefixes[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26,
                                   0x2e, 0x64, 0x65, 0x48, 0x41};
static const uint16_t ports[] = {0x20,  0x21,  0x40,  0x60,  0x64,  0x70,  0x71,  0x80,  0xa1,
                                 0x3f8, 0x604, 0x608, 0xcf8, 0xcfb, 0xcfc, 0xcfe, 0xcff, 0xd00};
static const uint32_t msrs[] = {
    0x10,       0x1b,       0x3a,       0x8b,       0xce,       0xfe,       0x10a,
    0x140,      0x174,      0x179,      0x17a,      0x1a0,      0x200,      0x277,
    0x400,      0x407,      0x6e0,      0x802,      0xc0000080, 0xc0000081, 0xc0000082,
    0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0010000, 0xc0010015,
};

/* ---- registers --------------------------------------------------------------------------------
 */

static uint64_t some_port(struct actor *a)
{
    return pick_one_in(a, 4) ? pick(a, 0x10000) : ports[pick(a, ARRAY_SIZE(ports))];
}

static void registers_fill(struct actor *a)
{
    struct x86_regs *regs = &a->vcpu->arch.regs;
    uint64_t memory = args_page(a) + pick(a, 2 * PAGE_SIZE - 4096);

    regs->rax = pick_one_in(a, 2) ? pick(a, 32) : pick_word(a);
    regs->rbx = pick_word(a);
    regs->rcx = pick_one_in(a, 3) ? pick(a, 200) : msrs[pick(a, ARRAY_SIZE(msrs))];
    regs->rdx = pick_one_in(a, 3) ? pick(a, 2) : some_port(a);
    regs->rsi = pick_one_in(a, 4) ? pick_word(a) : memory;
    regs->rdi = pick_one_in(a, 8) ? BIT(46) + pick(a, BIT(40)) : memory;
    regs->rbp = pick_word(a);
    regs->r8 = pick_word(a);
    regs->r9 = pick_frame(a);
}

/* A word that the instruction at hand can do something with. */
static void registers_suit(struct actor *a, const struct sample *s)
{
    struct x86_regs *regs = &a->vcpu->arch.regs;

    if (s->bytes[0] == 0x0f && s->bytes[1] == 0x30 && !pick_one_in(a, 4)) {
        regs->rdx = pick_one_in(a, 2) ? 0 : 0xffff8880;
        regs->rax = pick_one_in(a, 2) ? 0 : pick_word(a);
    } else if (s->bytes[0] == 0x0f && s->bytes[1] == 0x01 && s->bytes[2] == 0xd1) {
        regs->rcx = pick_one_in(a, 6);
        regs->rdx = 0;
        regs->rax = pick_one_in(a, 4) ? pick_word(a) : (uint64_t[]){1, 3, 7, 5}[pick(a, 4)];
    } else if (s->has_modrm && s->bytes[1] == 0x22) {
        static const uint64_t values[] = {0x80050033, 0x8005003b, 0x2660, 0x42660, 0, 0x10660};

        regs->rax = values[pick(a, ARRAY_SIZE(values))];
        if (pick_one_in(a, 3))
            regs->rax = own_frame(a, SIM_PFN_TABLES) << PAGE_SHIFT;
    }
}

/* ---- bytes ------------------------------------------------------------------------------------
 */

/* Moves to and from special registers: to RSP, which dom0 needs, in no case; to them mostly from
 * RAX. */
static uint8_t modrm_choose(struct actor *a, const struct sample *s)
{
    static const uint8_t crs[] = {0, 2, 3, 4, 8, 0, 4, 1};
    unsigned special = s->bytes[1] & 1 ? pick(a, 8) : crs[pick(a, ARRAY_SIZE(crs))];
    unsigned reg = pick_one_in(a, 4) ? pick(a, 4) : 0;

    return 0xc0 | (special & 7) << 3 | reg;
}

static unsigned instruction_make(struct actor *a, uint8_t bytes[BYTES_MAX])
{
    const struct sample *s = &samples[pick(a, ARRAY_SIZE(samples))];
    unsigned count = 0;

    registers_fill(a);
    registers_suit(a, s);
    while (count < 4 && pick_one_in(a, 4))
        bytes[count++] = prefixes[pick(a, ARRAY_SIZE(prefixes))];
    memcpy(bytes + count, s->bytes, s->length);
    count += s->length;
    if (s->has_modrm)
        bytes[count++] = modrm_choose(a, s);
    return count;
}

/* Not in the control domain: it could hit its own stack. */
static unsigned rubbish_make(struct actor *a, uint8_t bytes[BYTES_MAX])
{
    unsigned count = instruction_make(a, bytes);

    if (a->domain->is_privileged)
        return count;
    if (pick_one_in(a, 2))
        bytes[pick(a, count)] ^= BIT(pick(a, 8));
    else
        for (unsigned i = 0; i < count; i++)
            bytes[i] = pick(a, 256);
    return count;
}

/* The exception that the CPU would take: not always the right one. */
static struct sim_trap trap_choose(struct actor *a, const uint8_t *bytes, unsigned count)
{
    static const uint8_t others[] = {0, 1, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16, 17, 19};
    struct sim_trap trap = {.vector = X86_EXC_GP};

    if (count >= 7 && bytes[count - 7] == 0x0f && bytes[count - 6] == 0x0b)
        trap.vector = X86_EXC_UD;
    else if (bytes[0] == 0xcd)
        trap.error_code = bytes[1] * 8 + 2;
    if (pick_one_in(a, 16))
        trap.vector = others[pick(a, ARRAY_SIZE(others))];
    if (pick_one_in(a, 20))
        trap.error_code = pick(a, 0x10000);
    return trap;
}

/* ---- acts -------------------------------------------------------------------------------------
 */

static void execute(struct actor *a, const uint8_t *bytes, unsigned count, bool in_user_mode)
{
    struct x86_regs *regs = &a->vcpu->arch.regs;
    struct sim_trap trap = trap_choose(a, bytes, count);
    uint64_t flags = regs->rflags, word;
    bool was_done;

    memcpy(&word, bytes, sizeof(word));
    if (!in_user_mode) {
        regs->rflags |= pick_one_in(a, 8) ? X86_FLAG_DF : 0;
        regs->rflags |= pick_one_in(a, 8) ? X86_FLAG_TF : 0;
    }
    was_done = in_user_mode ? sim_guest_user(a->guest, &trap) : sim_guest_fault(a->guest, &trap);
    regs->rflags = flags;
    trace_note(a, in_user_mode ? "faults in user mode" : "faults", word, trap.vector, was_done);
}

static void instruction(struct actor *a)
{
    uint8_t bytes[BYTES_MAX + 1] = {0};
    unsigned count = pick_one_in(a, 6) ? rubbish_make(a, bytes) : instruction_make(a, bytes);
    struct x86_regs kept = a->vcpu->arch.regs;

    if (!sim_guest_write(a->guest, SIM_PC_SCRATCH, bytes, BYTES_MAX))
        return;
    kept.rip = a->vcpu->arch.regs.rip;
    a->vcpu->arch.regs = kept;
    execute(a, bytes, count, false);
}

static void instruction_in_user_mode(struct actor *a)
{
    uint8_t bytes[BYTES_MAX + 1] = {0};
    unsigned count = pick_one_in(a, 6) ? rubbish_make(a, bytes) : instruction_make(a, bytes);

    if (a->vcpu->arch.user_root == 0 ||
        !sim_guest_write(a->guest, SIM_PC_SCRATCH, bytes, BYTES_MAX))
        return;
    registers_fill(a);
    if (a->vcpu->arch.user_root != 0)
        execute(a, bytes, count, true);
}

void port_write(struct actor *a, uint16_t port, unsigned size_bytes, uint32_t value)
{
    static const uint8_t code[][2] = {[1] = {0xee}, [2] = {0x66, 0xef}, [4] = {0xef}};
    const struct sim_trap trap = {.vector = X86_EXC_GP};
    struct x86_regs *regs = &a->vcpu->arch.regs;

    if (!sim_guest_write(a->guest, SIM_PC_SCRATCH, code[size_bytes], 2))
        return;
    registers_fill(a);
    regs->rdx = port;
    regs->rax = value;
    trace_note(a, "out", port, value, sim_guest_fault(a->guest, &trap));
}

/* To user mode without a root of its own ends the domain. */
static void user_syscall(struct actor *a)
{
    bool was_done;

    if (a->vcpu->arch.user_root == 0 && (a->domain->is_privileged || !pick_one_in(a, 200)))
        return;
    was_done = sim_guest_user(a->guest, NULL);
    trace_note(a, "user mode", 0, 0, was_done);
}

/* The kernel's lower tables serve user mode as well. */
static void user_root_set(struct actor *a)
{
    uint64_t root = own_frame(a, SIM_PFN_USER_L4);
    struct mmuext_op op = {.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = root};
    struct mmu_update update = {
        .ptr = (root << PAGE_SHIFT) + L4_SLOT(SIM_VIRT_BASE) * sizeof(uint64_t),
        .val = pte_make(own_frame(a, SIM_PFN_TABLES + 1), PTE_P | PTE_RW | PTE_US)};

    if (pick_one_in(a, 8))
        op.arg1.mfn = pick_one_in(a, 2) ? 0 : pick_frame(a);
    if (call(a, __HYPERVISOR_mmuext_op, args_put(a, 0, &op, sizeof(op)), 1, 0, DOMID_SELF, 0) != 0)
        return;
    call(a, __HYPERVISOR_mmu_update, args_put(a, 0, &update, sizeof(update)), 1, 0, DOMID_SELF, 0);
}

static void touch_nothing(struct actor *a)
{
    uint64_t va = pick_word(a), word = 0;

    switch (pick(a, 4)) {
    case 0: va = SIM_VIRT_BASE + (pick_range(a, SIM_PAGES_MAX, 511) << PAGE_SHIFT); break;
    case 1: va = HV_VIRT_START + pick(a, HV_VIRT_END - HV_VIRT_START); break;
    default: break;
    }
    trace_note(a, "touches", va, 0, sim_guest_read(a->guest, va, &word, sizeof(word)));
}

/* A selector of the LDT is loaded whose page is not in the window yet. */
static void ldt_touch(struct actor *a)
{
    struct sim_trap trap = {.vector = X86_EXC_PF,
                            .address = LDT_WINDOW(a->vcpu->sched.cpu) + pick(a, 2 * PAGE_SIZE)};

    trace_note(a, "touches its LDT", trap.address, 0, sim_guest_fault(a->guest, &trap));
}

static void vm_assist(struct actor *a)
{
    call(a, __HYPERVISOR_vm_assist, pick(a, 2), pick(a, 6), 0, 0, 0);
}

const struct operation instruction_operations[] = {
    {"instruction", GROUP_TRAP, 24, false, instruction},
    {"instruction in user mode", GROUP_TRAP, 6, false, instruction_in_user_mode},
    {"user system call", GROUP_TRAP, 4, false, user_syscall},
    {"user root", GROUP_TRAP, 3, false, user_root_set},
    {"page fault", GROUP_TRAP, 4, false, touch_nothing},
    {"LDT fault", GROUP_TRAP, 2, false, ldt_touch},
    {"vm_assist", GROUP_TRAP, 1, false, vm_assist},
    {0},
};
