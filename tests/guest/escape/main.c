/* SPDX-License-Identifier: MIT */
/*
 * Ways out of the box that were open once: each test takes one and must find it shut, or the machine
 * unharmed where there is nothing to refuse.
 */
/* RUN: xen="dom0_max_vcpus=2" timeout=30 */
#include "guest.h"
#include "cpu.h"
#include <xen/grant_table.h>
#include <xen/vcpu.h>
#include <xen/sched.h>

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
