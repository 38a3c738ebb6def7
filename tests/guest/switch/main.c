/* SPDX-License-Identifier: MIT */
/*
 * Two virtual CPUs share one physical one: what belongs to a vCPU must survive the other's turns, a
 * vCPU that never gives way must be preempted, and interruptions must not change a register.
 */
/* RUN: xen="dom0_max_vcpus=2" timeout=30 */
#include "guest.h"
#include "cpu.h"
#include <xen/vcpu.h>
#include <xen/sched.h>

#define MS            1000000UL
#define SWITCHES      200
#define OTHER_PATTERN 0x2222222222222222UL
#define OWN_PATTERN   0x1111111111111111UL

enum { STEP_IDLE, STEP_STATE, STEP_SPIN };

static volatile unsigned other_step, other_rounds, other_wrong;
static volatile uint64_t other_spins;
static uint64_t other_cell = OTHER_PATTERN, own_cell = OWN_PATTERN;
static uint8_t other_stack[8192] __aligned(16);
static evtchn_port_t timer_port;

struct state {
    uint64_t xmm0, xmm15, gs, fs, dr1;
};

static void state_load(uint64_t pattern, uint64_t *cell)
{
    __asm__ volatile("movq %0, %%xmm0; movq %0, %%xmm15" ::"r"(pattern));
    set_segment_base(SEGBASE_GS_KERNEL, cell);
    set_segment_base(SEGBASE_FS, cell);
    set_debugreg(1, pattern & 0xfffff000);
}

static struct state state_read(void)
{
    struct state s;

    __asm__ volatile("movq %%xmm0, %0; movq %%xmm15, %1" : "=r"(s.xmm0), "=r"(s.xmm15));
    __asm__ volatile("movq %%gs:0, %0; movq %%fs:0, %1" : "=r"(s.gs), "=r"(s.fs));
    s.dr1 = get_debugreg(1);
    return s;
}

static unsigned state_errors(uint64_t pattern)
{
    struct state s = state_read();

    return (s.xmm0 != pattern) + (s.xmm15 != pattern) + (s.gs != pattern) + (s.fs != pattern) +
           (s.dr1 != (pattern & 0xfffff000));
}

static void __noreturn other_main(void)
{
    state_load(OTHER_PATTERN, &other_cell);
    for (;;) {
        switch (other_step) {
        case STEP_STATE:
            other_wrong += state_errors(OTHER_PATTERN);
            other_rounds++;
            sched_op(SCHEDOP_yield, NULL);
            break;
        case STEP_SPIN: other_spins++; break;
        default: sched_op(SCHEDOP_yield, NULL); break;
        }
    }
}

static struct vcpu_guest_context context;

TEST("setup")
{
    context.flags = VGCF_IN_KERNEL;
    context.user_regs.rip = (uint64_t)other_main;
    context.user_regs.rsp = (uint64_t)(other_stack + sizeof(other_stack) - 8);
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = RFLAGS_IF;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = (uint64_t)(other_stack + sizeof(other_stack));
    context.ctrlreg[0] = 0x80050033;
    context.ctrlreg[3] = va_to_machine((void *)start_info->pt_base);
    context.event_callback_eip = (uint64_t)entry_event;
    context.failsafe_callback_eip = (uint64_t)entry_failsafe;
    context.syscall_callback_eip = (uint64_t)entry_syscall;
    REQUIRE_EQ(vcpu_op(VCPUOP_initialise, 1, &context), 0);
    REQUIRE_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
    long port = event_bind_virq(VIRQ_TIMER, 0);

    REQUIRE(port > 0);
    timer_port = port;
}

/* Both load their own values, then take turns. */
TEST("state-over-yield")
{
    unsigned wrong = 0;

    state_load(OWN_PATTERN, &own_cell);
    other_rounds = other_wrong = 0;
    other_step = STEP_STATE;
    for (unsigned i = 0; i < 100000 && other_rounds < SWITCHES; i++) {
        wrong += state_errors(OWN_PATTERN);
        sched_op(SCHEDOP_yield, NULL);
    }
    other_step = STEP_IDLE;
    CHECK(other_rounds >= SWITCHES);
    CHECK_EQ(wrong, 0);
    CHECK_EQ(other_wrong, 0);
}

/* A selector of the LDT, whose page the other one's turn has taken from the hypervisor's window. */
TEST("ldt-selector-over-yield")
{
    uint64_t *ldt = page_alloc();
    struct mmuext_op op = {
        .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = HC_ARG(ldt), .arg2.nr_ents = 512};
    uint16_t selector;

    ldt[3] = 0x00cff3000000ffff; /* flat data, DPL 3 */
    REQUIRE_EQ(page_set_writable(ldt, false), 0);
    REQUIRE_EQ(mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    __asm__ volatile("movw %w0, %%es" ::"r"(3 << 3 | 7));
    other_rounds = 0;
    other_step = STEP_STATE;
    for (unsigned i = 0; i < 100000 && other_rounds < 3; i++)
        sched_op(SCHEDOP_yield, NULL);
    other_step = STEP_IDLE;
    __asm__ volatile("movw %%es, %w0" : "=r"(selector));
    CHECK_EQ(selector, 3 << 3 | 7);
    __asm__ volatile("movw %w0, %%es" ::"r"(0));
    op.arg2.nr_ents = 0;
    CHECK_EQ(mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    CHECK_EQ(page_set_writable(ldt, true), 0);
    page_free(ldt);
}

/* The whole vector registers, where there are such. */
TEST("vector-state")
{
    uint64_t cr4 = cr4_read(), in[4] = {1, 2, 3, 4}, out[4] = {0};

    if (!(cpuid_forced(1, 0).c & BIT(28)))
        SKIP("no AVX");
    cr4_write(cr4 | BIT(18));
    xcr_write(0, 7);
    other_rounds = 0;
    other_step = STEP_STATE;
    __asm__ volatile("vmovdqu %0, %%ymm3" ::"m"(in));
    for (unsigned i = 0; i < 10000 && other_rounds < 20; i++)
        sched_op(SCHEDOP_yield, NULL);
    __asm__ volatile("vmovdqu %%ymm3, %0; vzeroupper" : "=m"(out));
    other_step = STEP_IDLE;
    CHECK(memcmp(in, out, sizeof(in)) == 0);
    CHECK_EQ(other_wrong, 0);
}

/* A blocked vCPU gets its turn back from one that never stops. */
TEST("preemption")
{
    uint64_t start = time_now();
    struct vcpu_runstate_info own, other;

    other_spins = 0;
    other_step = STEP_SPIN;
    for (unsigned i = 0; i < 10; i++) {
        struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = time_now() + 2 * MS};

        event_counts[timer_port] = 0;
        REQUIRE_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), 0);
        CHECK_EQ(sched_op(SCHEDOP_block, NULL), 0);
        events_disable();
        CHECK(time_now() >= timer.timeout_abs_ns);
    }
    CHECK(time_now() - start < 5000 * MS);
    CHECK(other_spins > 0);
    CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, &own), 0);
    CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 1, &other), 0);
    CHECK(own.time[RUNSTATE_blocked] > 5 * MS);
    CHECK(other.time[RUNSTATE_running] > 5 * MS);
    CHECK(other.state == RUNSTATE_runnable);
}

/* Both want all of it: each gets a part (how large is the scheduler's and the busy host's affair).
 */
TEST("fair-shares")
{
    struct vcpu_runstate_info before, after;
    uint64_t start = time_now(), total, ran;

    other_step = STEP_SPIN;
    CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 1, &before), 0);
    while (time_now() - start < 800 * MS)
        __builtin_ia32_pause();
    CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 1, &after), 0);
    total = time_now() - start;
    other_step = STEP_IDLE;
    ran = after.time[RUNSTATE_running] - before.time[RUNSTATE_running];
    if (!CHECK(ran > 40 * MS && ran < total - 40 * MS))
        print("it ran %lu of %lu us", ran / 1000, total / 1000);
}

/*
 * Registers and flags over asynchronous events: a tight loop checks them all while the timer fires.
 * The first difference ends it.
 */

TEST("registers-over-events")
{
    uint64_t bad = 0;
    struct vcpu_set_periodic_timer periodic = {.period_ns = 1 * MS};

    event_counts[timer_port] = 0;
    REQUIRE_EQ(vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic), 0);
    events_enable();
    __asm__ volatile("pushq %%rbp; pushq %%rbx; movq %1, %%rbx;"
                     "movl $11, %%r8d; movl $12, %%r9d; movl $13, %%r10d; movl $14, %%r11d;"
                     "movl $15, %%r12d; movl $16, %%r13d; movl $17, %%r14d; movl $18, %%r15d;"
                     "movl $19, %%esi; movl $20, %%edi; movl $21, %%ebp; movl $22, %%ecx;"
                     "movl $23, %%edx; stc;"
                     "1: jnc 2f; movl %%r8d, %%eax; leal -11(%%rax), %%eax;"
                     "pushfq; addl %%r9d, %%eax; addl %%r10d, %%eax; addl %%r11d, %%eax;"
                     "addl %%r12d, %%eax; addl %%r13d, %%eax; addl %%r14d, %%eax;"
                     "addl %%r15d, %%eax; addl %%esi, %%eax; addl %%edi, %%eax;"
                     "addl %%ebp, %%eax; addl %%ecx, %%eax; addl %%edx, %%eax;"
                     "subl $210, %%eax; jnz 3f;"
                     "cmpl $20, (%%rbx); jae 4f; popfq; jmp 1b;"
                     "2: movl $999, %%eax; pushfq; jmp 4f;"
                     "3: nop;"
                     "4: popfq; popq %%rbx; popq %%rbp; movl %%eax, %%eax; movq %%rax, %0"
                     : "=a"(bad)
                     : "r"(&event_counts[timer_port])
                     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "memory", "cc");
    events_disable();
    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
    CHECK_EQ(bad, 0);
    CHECK(event_counts[timer_port] >= 20);
}

TEST("down")
{
    CHECK_EQ(vcpu_op(VCPUOP_down, 1, NULL), 0);
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0);
}
