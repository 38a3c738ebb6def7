/* SPDX-License-Identifier: MIT */
/*
 * Ways out of the box that were open once: each test takes one and must find it shut, or the
 * machine unharmed where there is nothing to refuse.
 *
 * Not for Xen, which carries out an IRET in a list (the last test); the others pass there.
 */
/* RUN: xen="dom0_max_vcpus=2" timeout=30 reference=no */
#include "guest.h"
#include "user.h"
#include "cpu.h"
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>
#include <xen/version.h>

/* What the hypervisor writes by itself must not become a page table: it would write the entries. */
TEST("shared-info-as-table")
{
    mfn_t mfn = start_info->shared_info >> PAGE_SHIFT;
    static struct shared_info saved;

    memcpy(&saved, shared_info, sizeof(saved));
    memset(shared_info, 0, PAGE_SIZE);
    REQUIRE_EQ(map_va(shared_info, pte_make(mfn, PTE_RO)), 0);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, mfn) < 0);
    CHECK(mmuext(MMUEXT_PIN_L4_TABLE, mfn) < 0);
    CHECK(set_gdt(&mfn, 512) < 0);
    REQUIRE_EQ(map_va(shared_info, pte_make(mfn, PTE_RW)), 0);
    memcpy(shared_info, &saved, sizeof(saved));
}

TEST("grant-frame-as-table")
{
    uint64_t frame = 0;
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};

    set_xen_guest_handle(setup.frame_list, &frame);
    REQUIRE_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
    REQUIRE_EQ(setup.status, GNTST_okay);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, frame) < 0);
    CHECK(mmuext(MMUEXT_UNPIN_TABLE, frame) < 0);
}

static struct vcpu_guest_context context;

static void context_make(void)
{
    memset(&context, 0, sizeof(context));
    context.user_regs.rip = USER_CODE;
    context.user_regs.rsp = USER_STACK;
    context.user_regs.cs = FLAT_USER_CS;
    context.user_regs.ss = FLAT_USER_SS;
    context.user_regs.rflags = RFLAGS_IF;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = (uint64_t)user_kernel_stack_end;
    context.ctrlreg[0] = 0x80050033;
    context.ctrlreg[3] = va_to_machine((void *)start_info->pt_base);
    context.event_callback_eip = (uint64_t)entry_event;
    context.failsafe_callback_eip = (uint64_t)entry_failsafe;
    context.syscall_callback_eip = (uint64_t)entry_syscall;
}

/* A user mode without page tables must not start. */
TEST("user-context-without-root")
{
    context_make();
    context.ctrlreg[1] = 0;
    CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
    context.ctrlreg[1] = 8; /* not 0, but frame 0 */
    CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
    CHECK(vcpu_op(VCPUOP_up, 1, NULL) < 0);
}

/* Areas of a vCPU that is not running are no reason to load its page tables. */
TEST("areas-of-a-sleeper")
{
    struct vcpu_register_time_memory_area time = {.addr.p = USER_DATA};
    struct vcpu_register_vcpu_info info = {.mfn = va_to_mfn(page_alloc())};

    user_init();
    context_make();
    context.ctrlreg[1] = user_root << PAGE_SHIFT;
    REQUIRE_EQ(vcpu_op(VCPUOP_initialise, 1, &context), 0);
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 1, &time), 0);
    user_data[1] = 0x5555;
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 1, &info), 0);
    CHECK_EQ(user_data[1], 0x5555);
}

/* A page under watch that the hypervisor reads for its guest: nobody's affair but the guest's. */
TEST("watched-argument")
{
    static struct xen_feature_info info;

    REQUIRE_EQ(set_debugreg(0, HC_ARG(&info)), 0);
    REQUIRE_EQ(set_debugreg(7, 0x000f0003), 0); /* four bytes, reads and writes */
    CHECK_EQ(xen_version(XENVER_get_features, &info), 0);
    CHECK_EQ(xen_version(XENVER_get_features, &info), 0);
    REQUIRE_EQ(set_debugreg(7, 0), 0);
    CHECK(info.submap != 0);
    REQUIRE_EQ(set_debugreg(6, 0), 0);
}

/*
 * A root by MOV to CR3 while the CPU is wanted elsewhere: an instruction cannot carry its progress,
 * the check must come to an end all the same.
 */
TEST("big-root-by-cr3")
{
    struct vcpu_set_periodic_timer periodic = {.period_ns = 1000000};
    uint64_t *l4 = page_alloc(), *l3 = page_alloc();
    uint64_t own = cr3_read();

    memcpy(l4, (void *)start_info->pt_base, PAGE_SIZE);
    for (unsigned i = 1; i < 256; i++)
        if (l4[i] == 0)
            l4[i] = pte_make(va_to_mfn(l3), PTE_TABLE);
    REQUIRE_EQ(page_set_writable(l3, false), 0);
    REQUIRE_EQ(page_set_writable(l4, false), 0);
    REQUIRE_EQ(vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic), 0);
    for (unsigned i = 0; i < 300; i++) {
        cr3_write(va_to_machine(l4));
        cr3_write(own);
    }
    CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
    CHECK_EQ(cr3_read(), own);
    CHECK_EQ(page_set_writable(l4, true), 0);
    CHECK_EQ(page_set_writable(l3, true), 0);
}

/* What a restarted call means inside is an ordinary number to a guest. */
#define RESTART (-ERESTART)

TEST("iret-with-restart-value")
{
    static const uint8_t code[] = {0x0f, 0x0b}; /* ud2 */
    struct trap_frame frame;

    user_frame(&frame, code, sizeof(code), 2);
    frame.rax = RESTART;
    frame.rdi = 0x1111;
    frame.r8 = 0x2222;
    CHECK_EQ(user_run(&frame), TRAP_UD);
    CHECK_EQ(trap_last.frame.rip, USER_CODE);
    CHECK_EQ(trap_last.frame.rax, RESTART);
    CHECK_EQ(trap_last.frame.rdi, 0x1111);
    CHECK_EQ(trap_last.frame.r8, 0x2222);
}

TEST("restart-value-in-debug-register")
{
    REQUIRE_EQ(set_debugreg(1, RESTART), 0);
    CHECK_EQ(get_debugreg(1), RESTART);
    CHECK_EQ(set_debugreg(1, 0), 0);
}

TEST("restart-value-in-max-pfn")
{
    uint64_t saved = shared_info->arch.max_pfn;
    domid_t self = DOMID_SELF;

    shared_info->arch.max_pfn = RESTART + 1;
    CHECK(memory_op(XENMEM_maximum_gpfn, &self) <= 0); /* it comes back */
    shared_info->arch.max_pfn = saved;
}

/* The hypervisor's window on the LDT is filled by faults of selector loads, not of the guest's own
 * accesses. */
TEST("ldt-window-by-hand")
{
    const uint64_t data3 = 0x00cff3000000ffffUL, window = 0xffff82a000010000UL;
    uint64_t *ldt = page_alloc();
    struct mmuext_op op = {
        .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = HC_ARG(ldt), .arg2.nr_ents = 512};

    ldt[3] = data3;
    REQUIRE_EQ(page_set_writable(ldt, false), 0);
    REQUIRE_EQ(mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    CHECK_EQ(FAULT_OF((void)*(volatile uint64_t *)window), TRAP_PF);
    CHECK_EQ(FAULT_OF(__asm__ volatile("movw %w0, %%es" ::"r"(3 << 3 | 7))), NO_FAULT);
    CHECK_EQ(FAULT_OF((void)*(volatile uint64_t *)window), TRAP_PF);
    CHECK_EQ(FAULT_OF(*(volatile uint64_t *)window = 0), TRAP_PF);
    __asm__ volatile("movw %w0, %%es" ::"r"(0));
    op.arg2.nr_ents = 0;
    CHECK_EQ(mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    CHECK_EQ(page_set_writable(ldt, true), 0);
}

static uint64_t free_pages(void)
{
    static struct xen_sysctl op;

    memset(&op, 0, sizeof(op));
    op.cmd = XEN_SYSCTL_physinfo;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    REQUIRE_EQ(sysctl(&op), 0);
    return op.u.physinfo.free_pages;
}

/* What is given back while pinned can never be unpinned: the memory must not be lost for it. */
TEST("give-back-pinned")
{
    static xen_pfn_t frames[512];
    struct xen_memory_reservation r = {.nr_extents = ARRAY_SIZE(frames), .domid = DOMID_SELF};
    uint64_t before = free_pages();

    for (unsigned i = 0; i < ARRAY_SIZE(frames); i++)
        frames[i] = start_info->nr_pages + 0x4000 + i;
    set_xen_guest_handle(r.extent_start, frames);
    REQUIRE_EQ(memory_op(XENMEM_populate_physmap, &r), ARRAY_SIZE(frames));
    for (unsigned i = 0; i < ARRAY_SIZE(frames); i++)
        REQUIRE_EQ(mmuext(MMUEXT_PIN_L1_TABLE, frames[i]), 0);
    REQUIRE_EQ(memory_op(XENMEM_decrease_reservation, &r), ARRAY_SIZE(frames));
    CHECK(before - free_pages() < 64);
    CHECK(mmuext(MMUEXT_UNPIN_TABLE, frames[0]) < 0);
}

/* In user mode the rest of the list could take away the page table that is in use. */
TEST("iret-in-multicall")
{
    struct multicall_entry list[] = {
        {.op = __HYPERVISOR_iret},
        {.op = __HYPERVISOR_xen_version, .args = {XENVER_version}},
    };

    CHECK_EQ(multicall(list, 2), 0);
    CHECK_EQ((long)list[0].result, -EINVAL);
    CHECK_EQ((long)list[1].result, 4 << 16 | 17);
}
