/* SPDX-License-Identifier: MIT */
/*
 * Ways out of the box that were open once: each test takes one and must find it shut, or the
 * machine unharmed where there is nothing to refuse.
 */
/* RUN: xen="dom0_max_vcpus=2" timeout=30 */
#include "guest.h"
#include "user.h"
#include <xen/grant_table.h>
#include <xen/memory.h>
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
