/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_vcpu_op with two virtual CPUs on one physical one: info areas, start, stop, IPIs. */
/* RUN: xen="dom0_max_vcpus=2" */
#include "guest.h"
#include <xen/vcpu.h>
#include <xen/sched.h>

#define SPINS 200000

static volatile unsigned other_runs, other_told;
static evtchn_port_t other_port;
static uint8_t other_stack[8192] __aligned(16);
static struct vcpu_guest_context context;

static long is_up(unsigned vcpu)
{
    return vcpu_op(VCPUOP_is_up, vcpu, NULL);
}

static bool wait_until(const volatile unsigned *what, unsigned value)
{
    for (unsigned i = 0; i < SPINS && *what != value; i++)
        sched_op(SCHEDOP_yield, NULL);
    return *what == value;
}

TEST("is-up")
{
    CHECK_EQ(is_up(0), 1);
    CHECK_EQ(is_up(1), 0);
    CHECK_EQ(is_up(2), -ENOENT);
    CHECK_EQ(is_up(8191), -ENOENT);
    CHECK_EQ(is_up(~0u), -ENOENT);
    CHECK_EQ(vcpu_op(99, 0, NULL), -ENOSYS);
}

TEST("register-vcpu-info-refused")
{
    uint8_t *page = page_alloc();
    struct vcpu_register_vcpu_info op = {.mfn = va_to_mfn(page), .offset = PAGE_SIZE - 32};

    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 0, &op) < 0); /* would cross the page's end */
    op.offset = 1UL << 31;
    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 0, &op) < 0);
    op.offset = 0;
    op.mfn = 1UL << 39;
    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 0, &op) < 0);
    op.mfn = va_to_mfn(pt_entry(page, 1)); /* a page table */
    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 0, &op) < 0);
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 5, &op), -ENOENT);
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 0, 0x1000), -EFAULT);
    page_free(page);
}

/* What is pending moves along, and the new place is the one that counts. */
TEST("register-vcpu-info")
{
    uint8_t *page = page_alloc();
    struct vcpu_register_vcpu_info op = {.mfn = va_to_mfn(page), .offset = 128};
    long port = event_bind_ipi(0);

    REQUIRE(port > 0);
    event_counts[port] = 0;
    CHECK_EQ(event_send(port), 0);
    vcpu_info_self()->arch.cr2 = 0x9999;
    REQUIRE_EQ(vcpu_op(VCPUOP_register_vcpu_info, 0, &op), 0);
    vcpu_info_current = (struct vcpu_info *)(page + 128);
    CHECK_EQ(vcpu_info_self()->evtchn_upcall_mask, 1);
    CHECK_EQ(vcpu_info_self()->evtchn_upcall_pending, 1);
    CHECK_EQ(vcpu_info_self()->arch.cr2, 0x9999);
    CHECK(vcpu_info_self()->time.tsc_to_system_mul != 0);
    events_enable();
    CHECK_EQ(event_counts[port], 1);
    CHECK_EQ(event_send(port), 0);
    CHECK_EQ(event_counts[port], 2);
    events_disable();
    CHECK_EQ(FAULT_OF((void)*(volatile char *)0x333333), TRAP_PF);
    CHECK_EQ(vcpu_info_self()->arch.cr2, 0x333333);
    uint64_t first = time_now();

    CHECK(time_now() >= first);
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 0, &op), -EINVAL); /* once */
    CHECK_EQ(event_close(port), 0);
}

/*
 * The second vCPU polls one port with its events masked (the upcall of this library is vCPU 0's
 * alone), counts its wake-ups and goes offline when told.
 */
static void __noreturn other_main(void)
{
    struct sched_poll poll = {.nr_ports = 1, .timeout = 0};

    set_xen_guest_handle(poll.ports, &other_port);
    for (;;) {
        other_runs++;
        if (other_told)
            vcpu_op(VCPUOP_down, 1, NULL);
        else
            sched_op(SCHEDOP_poll, &poll);
        event_clear(other_port);
    }
}

static void context_make(void)
{
    memset(&context, 0, sizeof(context));
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
}

TEST("initialise-refused")
{
    context_make();
    CHECK(vcpu_op(VCPUOP_up, 1, NULL) < 0); /* no context yet */
    CHECK(vcpu_op(VCPUOP_initialise, 0, &context) < 0);
    CHECK_EQ(vcpu_op(VCPUOP_initialise, 2, &context), -ENOENT);
    CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, 0x1000), -EFAULT);
    context.ctrlreg[3] = va_to_machine(boot_stack); /* no page table */
    CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
    context_make();
    context.ctrlreg[3] = 0;
    CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
    context_make();
    context.gdt_ents = 10000;
    CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
    CHECK_EQ(is_up(1), 0);
}

TEST("initialise-and-up")
{
    context_make();
    REQUIRE_EQ(vcpu_op(VCPUOP_initialise, 1, &context), 0);
    CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), -EEXIST);
    CHECK_EQ(is_up(1), 0);
    other_runs = 0;
    other_port = event_bind_ipi(1);
    REQUIRE((int)other_port > 0);
    REQUIRE_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
    CHECK_EQ(is_up(1), 1);
    CHECK(wait_until(&other_runs, 1));
    CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0); /* up already */
}

TEST("ipi-wakes-other")
{
    struct evtchn_status status;

    CHECK_EQ(event_status(other_port, &status), 0);
    CHECK_EQ(status.status, EVTCHNSTAT_ipi);
    CHECK_EQ(status.vcpu, 1);
    for (unsigned i = 2; i < 10; i++) {
        CHECK_EQ(event_send(other_port), 0);
        if (!CHECK(wait_until(&other_runs, i)))
            break;
    }
}

TEST("runstate-of-other")
{
    struct vcpu_runstate_info info;

    for (unsigned i = 0; i < 1000; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 1, &info), 0);
    CHECK_EQ(info.state, RUNSTATE_blocked);
    CHECK(info.time[RUNSTATE_running] > 0);
    CHECK(shared_info->vcpu_info[1].time.tsc_to_system_mul != 0);
}

TEST("timers-are-own")
{
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = 1};

    CHECK(vcpu_op(VCPUOP_set_singleshot_timer, 1, &timer) < 0);
    CHECK(vcpu_op(VCPUOP_stop_singleshot_timer, 1, NULL) < 0);
}

TEST("flush-other")
{
    static uint64_t both = 3, none = 0;
    struct mmuext_op ops[] = {
        {.cmd = MMUEXT_TLB_FLUSH_MULTI, .arg2.vcpumask.p = &both},
        {.cmd = MMUEXT_INVLPG_MULTI, .arg1.linear_addr = HC_ARG(&both), .arg2.vcpumask.p = &both},
        {.cmd = MMUEXT_TLB_FLUSH_MULTI, .arg2.vcpumask.p = &none},
        {.cmd = MMUEXT_TLB_FLUSH_ALL},
    };
    unsigned done;

    CHECK_EQ(mmuext_op(ops, ARRAY_SIZE(ops), &done, DOMID_SELF), 0);
    CHECK_EQ(done, ARRAY_SIZE(ops));
}

TEST("down-and-up-again")
{
    unsigned runs = other_runs;

    other_told = 1;
    CHECK_EQ(event_send(other_port), 0);
    CHECK(wait_until(&other_runs, runs + 1));
    for (unsigned i = 0; i < SPINS && is_up(1) == 1; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK_EQ(is_up(1), 0);
    other_told = 0;
    CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
    CHECK(wait_until(&other_runs, runs + 2)); /* goes on behind its call */
    CHECK_EQ(is_up(1), 1);
}

TEST("down-by-other")
{
    struct vcpu_runstate_info info;

    CHECK_EQ(vcpu_op(VCPUOP_down, 1, NULL), 0);
    CHECK_EQ(is_up(1), 0);
    CHECK_EQ(vcpu_op(VCPUOP_down, 5, NULL), -ENOENT);
    for (unsigned i = 0; i < 100; i++)
        sched_op(SCHEDOP_yield, NULL);
    CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 1, &info), 0);
    CHECK(info.state == RUNSTATE_offline || info.state == RUNSTATE_blocked); /* it was blocked */
    CHECK_EQ(event_close(other_port), 0);
}

TEST("physical-id")
{
    struct vcpu_get_physid op = {.phys_id = ~0UL};
    long err = vcpu_op(VCPUOP_get_physid, 0, &op);

    CHECK(err <= 0); /* only for a pinned vCPU, if at all */
}

static volatile unsigned nmi_count;

static void on_nmi(struct trap_frame *frame)
{
    nmi_count++;
}

TEST("send-nmi")
{
    trap_handlers[TRAP_NMI] = on_nmi;
    nmi_count = 0;
    CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
    for (unsigned i = 0; i < 1000 && !nmi_count; i++)
        xen_version(0, NULL);
    CHECK_EQ(nmi_count, 1);
}
