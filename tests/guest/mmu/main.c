/* SPDX-License-Identifier: MIT */
/*
 * HYPERVISOR_update_va_mapping, HYPERVISOR_mmu_update and the operations of HYPERVISOR_mmuext_op
 * that are not about page-table types (those are in ../pgtables). Refusals: frames that are not
 * ours, addresses of the hypervisor, frames that do not exist, bits that a guest may not set.
 */
#include "guest.h"
#include <xen/memory.h>

#define NO_SUCH_MFN (1UL << 39)

static uint64_t *window; /* a page whose mapping the tests change */
static uint64_t window_pte;

static mfn_t m2p_first_mfn(void)
{
    static xen_pfn_t list[1];
    struct xen_machphys_mfn_list op = {.max_extents = 1};

    set_xen_guest_handle(op.extent_start, list);
    REQUIRE_EQ(memory_op(XENMEM_machphys_mfn_list, &op), 0);
    return list[0];
}

static void window_restore(void)
{
    REQUIRE_EQ(map_va(window, window_pte), 0);
}

TEST("setup")
{
    window = page_alloc();
    window_pte = pte_make(va_to_mfn(window), PTE_RW);
}

TEST("update-va-mapping")
{
    uint64_t *other = page_alloc();

    window[0] = 1;
    other[0] = 2;
    REQUIRE_EQ(map_va(window, pte_make(va_to_mfn(other), PTE_RW)), 0);
    CHECK_EQ(window[0], 2);
    window[1] = 3;
    CHECK_EQ(other[1], 3);
    window_restore();
    CHECK_EQ(window[0], 1);
    page_free(other);
}

TEST("update-va-mapping-not-present")
{
    REQUIRE_EQ(map_va(window, 0), 0);
    CHECK_EQ(FAULT_OF((void)*(volatile uint64_t *)window), TRAP_PF);
    CHECK_EQ(trap_last.frame.error, 0);
    REQUIRE_EQ(map_va(window, 0xdeadbeef000), 0);
    CHECK_EQ(*pt_entry(window, 1), 0xdeadbeef000);
    window_restore();
}

TEST("update-va-mapping-read-only")
{
    REQUIRE_EQ(map_va(window, window_pte & ~PTE_W), 0);
    CHECK_EQ(FAULT_OF((void)*(volatile uint64_t *)window), NO_FAULT);
    CHECK_EQ(FAULT_OF(*(volatile uint64_t *)window = 1), TRAP_PF);
    window_restore();
    CHECK_EQ(FAULT_OF(*(volatile uint64_t *)window = 1), NO_FAULT);
}

TEST("update-va-mapping-flags")
{
    static uint64_t vcpus = 1;
    static const unsigned long flags[] = {UVMF_NONE, UVMF_TLB_FLUSH | UVMF_LOCAL,
                                          UVMF_TLB_FLUSH | UVMF_ALL, UVMF_INVLPG | UVMF_LOCAL,
                                          UVMF_INVLPG | UVMF_ALL};

    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
        CHECK_EQ(update_va_mapping(window, window_pte & ~PTE_W, flags[i]), 0);
        CHECK_EQ(update_va_mapping(window, window_pte, flags[i]), 0);
        if (flags[i] != UVMF_NONE)
            CHECK_EQ(FAULT_OF(*(volatile uint64_t *)window = 1), NO_FAULT);
    }
    CHECK_EQ(update_va_mapping(window, window_pte, UVMF_TLB_FLUSH | UVMF_MULTI | HC_ARG(&vcpus)),
             0);
    CHECK_EQ(update_va_mapping(window, window_pte, UVMF_INVLPG | UVMF_MULTI | HC_ARG(&vcpus)), 0);
}

/* Flush requests without a TLB entry change: the mapping is really gone or tightened. */
TEST("flush-takes-effect")
{
    volatile uint64_t *page = window;

    page[0] = 1;
    REQUIRE_EQ(update_va_mapping(window, window_pte & ~PTE_W, UVMF_NONE), 0);
    REQUIRE_EQ(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    CHECK_EQ(FAULT_OF(page[0] = 1), TRAP_PF);
    REQUIRE_EQ(update_va_mapping(window, window_pte, UVMF_NONE), 0);
    REQUIRE_EQ(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    page[0] = 1;
    REQUIRE_EQ(update_va_mapping(window, 0, UVMF_NONE), 0);
    struct mmuext_op op = {.cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = HC_ARG(window)};

    REQUIRE_EQ(mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    CHECK_EQ(FAULT_OF(page[0] = 1), TRAP_PF);
    window_restore();
}

TEST("update-va-mapping-bad-address")
{
    CHECK_EQ(map_va((void *)0x123456789000, 0), -EINVAL); /* no table there */
    CHECK_EQ(map_va((void *)HYPERVISOR_VIRT_START, 0), -EINVAL);
    CHECK_EQ(map_va((void *)0xffff830000000000, window_pte), -EINVAL);
    CHECK_EQ(map_va((void *)(HYPERVISOR_VIRT_END - 1), window_pte), -EINVAL);
}

/* Refused entries leave the old one in place. */
TEST("entry-refused-frame")
{
    volatile uint64_t *page = window;

    page[0] = 5;
    CHECK(map_va(window, pte_make(NO_SUCH_MFN, PTE_RW)) < 0);
    CHECK(map_va(window, pte_make(m2p_first_mfn(), PTE_RW)) < 0);
    CHECK(map_va(window, pte_make(m2p_first_mfn(), PTE_RO)) < 0);
    CHECK_EQ(page[0], 5);
    CHECK_EQ(*pt_entry(window, 1) & PTE_MFN_MASK, window_pte & PTE_MFN_MASK);
}

TEST("entry-refused-table-writable")
{
    const uint64_t *l1 = pt_entry(window, 1);
    mfn_t tables[] = {va_to_mfn(l1), va_to_mfn(pt_entry(window, 2)), va_to_mfn(pt_entry(window, 3)),
                      va_to_mfn(pt_entry(window, 4))};

    for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
        CHECK(map_va(window, pte_make(tables[i], PTE_RW)) < 0);
        CHECK_EQ(map_va(window, pte_make(tables[i], PTE_RO)), 0);
        CHECK_EQ(window[0], ((uint64_t *)ALIGN_DOWN((uint64_t)pt_entry(window, i + 1), 4096))[0]);
    }
    window_restore();
}

/* The cache bits, PAT and those the CPU leaves to software are the guest's and read back. */
TEST("entry-bits")
{
    static const uint64_t good[] = {PTE_PWT, PTE_PCD, PTE_PS, BIT(9),
                                    BIT(10), BIT(11), PTE_G,  PTE_NX};

    for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
        CHECK_EQ(map_va(window, window_pte | good[i]), 0);
    for (unsigned bit = 53; bit < 59; bit++) {
        CHECK_EQ(map_va(window, window_pte | BIT(bit)), 0);
        CHECK_EQ(*pt_entry(window, 1) & BIT(bit), BIT(bit));
    }
    window_restore();
}

/* The control domain maps machine memory that is no RAM: the BIOS and the VGA window. */
TEST("map-io-frames")
{
    volatile uint8_t *bytes = (uint8_t *)window;

    REQUIRE_EQ(map_va(window, pte_make(0xff, PTE_RW)), 0);
    CHECK_EQ(bytes[0xff0], 0xea); /* the reset vector's far jump */
    REQUIRE_EQ(map_va(window, pte_make(0xb8, PTE_RW | PTE_PCD)), 0);
    CHECK_EQ(FAULT_OF((void)bytes[0]), NO_FAULT);
    window_restore();
}

static const uint8_t *map_bytes(uint64_t address)
{
    REQUIRE_EQ(map_va(window, (address & PAGE_MASK) | PTE_RO), 0);
    return (const uint8_t *)window + (address & (PAGE_SIZE - 1));
}

/* The control domain reads the ACPI tables itself: pointer in the BIOS area, root table in RAM. */
TEST("map-acpi-tables")
{
    uint64_t at, root = 0;
    uint8_t sum = 0;

    for (at = 0xe0000; at < 0x100000 && !root; at += 16) {
        const uint8_t *bytes = map_bytes(at);

        if (memcmp(bytes, "RSD PTR ", 8) == 0)
            root = *(const uint32_t *)(bytes + 16);
    }
    REQUIRE(root != 0);
    CHECK(memcmp(map_bytes(root), "RSDT", 4) == 0);
    uint32_t length = *(const uint32_t *)(map_bytes(root) + 4);

    REQUIRE(length >= 36 && length < 1024);
    for (uint32_t i = 0; i < length; i++)
        sum += *map_bytes(root + i);
    CHECK_EQ(sum, 0);
    window_restore();
}

/* The local APIC is the hypervisor's; the IO-APIC page may be read only. */
TEST("map-apic-refused")
{
    CHECK(map_va(window, pte_make(0xfee00, PTE_RW | PTE_PCD)) < 0);
    CHECK(map_va(window, pte_make(0xfee00, PTE_RO | PTE_PCD)) < 0);
    long err = map_va(window, pte_make(0xfec00, PTE_RW | PTE_PCD));

    CHECK(err < 0 || !(*pt_entry(window, 1) & PTE_W));
    window_restore();
}

TEST("accessed-and-dirty")
{
    volatile uint64_t *page = window;

    REQUIRE_EQ(map_va(window, window_pte & ~(PTE_A | PTE_D)), 0);
    CHECK_EQ(*pt_entry(window, 1) & (PTE_A | PTE_D), 0);
    (void)page[0];
    CHECK_EQ(*pt_entry(window, 1) & (PTE_A | PTE_D), PTE_A);
    page[0] = 1;
    CHECK_EQ(*pt_entry(window, 1) & (PTE_A | PTE_D), PTE_A | PTE_D);
    window_restore();
}

TEST("mmu-update")
{
    struct mmu_update list[2];
    unsigned done = 99;
    uint64_t entry = pt_entry_machine(window, 1);

    list[0] = (struct mmu_update){.ptr = entry, .val = window_pte & ~PTE_W};
    list[1] = (struct mmu_update){.ptr = entry, .val = window_pte | BIT(9)};
    CHECK_EQ(mmu_update(list, 2, &done, DOMID_SELF), 0);
    CHECK_EQ(done, 2);
    CHECK_EQ(*pt_entry(window, 1) & BIT(9), BIT(9));
    CHECK_EQ(mmu_update(list, 0, &done, DOMID_SELF), 0);
    window_restore();
}

TEST("mmu-update-stops-at-error")
{
    struct mmu_update list[3];
    unsigned done = 99;
    uint64_t entry = pt_entry_machine(window, 1);

    list[0] = (struct mmu_update){.ptr = entry, .val = window_pte | BIT(9)};
    list[1] = (struct mmu_update){.ptr = entry, .val = pte_make(NO_SUCH_MFN, PTE_RW)};
    list[2] = (struct mmu_update){.ptr = entry, .val = window_pte | BIT(10)};
    CHECK(mmu_update(list, 3, &done, DOMID_SELF) < 0);
    CHECK_EQ(done, 1);
    CHECK_EQ(*pt_entry(window, 1) & (BIT(9) | BIT(10)), BIT(9));
    window_restore();
}

TEST("mmu-update-preserve-ad")
{
    struct mmu_update update = {.ptr = pt_entry_machine(window, 1) | MMU_PT_UPDATE_PRESERVE_AD,
                                .val = window_pte & ~(PTE_A | PTE_D)};

    window[0] = 1;
    CHECK_EQ(mmu_update(&update, 1, NULL, DOMID_SELF), 0);
    CHECK_EQ(*pt_entry(window, 1) & (PTE_A | PTE_D), PTE_A | PTE_D);
    update.ptr = pt_entry_machine(window, 1) | MMU_NORMAL_PT_UPDATE;
    CHECK_EQ(mmu_update(&update, 1, NULL, DOMID_SELF), 0);
    CHECK_EQ(*pt_entry(window, 1) & (PTE_A | PTE_D), 0);
    window_restore();
}

TEST("mmu-update-machphys")
{
    mfn_t mfn = va_to_mfn(window);
    uint64_t pfn = mfn_to_pfn(mfn);
    struct mmu_update update = {.ptr = mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, .val = 0x123456};

    CHECK_EQ(mmu_update(&update, 1, NULL, DOMID_SELF), 0);
    CHECK_EQ(mfn_to_pfn(mfn), 0x123456);
    update.val = pfn;
    CHECK_EQ(mmu_update(&update, 1, NULL, DOMID_SELF), 0);
    CHECK_EQ(mfn_to_pfn(mfn), pfn);
    update.ptr = m2p_first_mfn() << PAGE_SHIFT | MMU_MACHPHYS_UPDATE;
    CHECK_EQ(mmu_update(&update, 1, NULL, DOMID_SELF), -EINVAL);
    update.ptr = NO_SUCH_MFN << PAGE_SHIFT | MMU_MACHPHYS_UPDATE;
    CHECK_EQ(mmu_update(&update, 1, NULL, DOMID_SELF), -EINVAL);
}

/* A page that is no table is simply written. */
TEST("mmu-update-plain-page")
{
    CHECK_EQ(pte_write(va_to_machine(&window[5]), 0x1122334455667788), 0);
    CHECK_EQ(window[5], 0x1122334455667788);
}

TEST("mmu-update-bad-pointer")
{
    CHECK_EQ(pte_write(NO_SUCH_MFN << PAGE_SHIFT, 0), -EINVAL);
    CHECK_EQ(pte_write(m2p_first_mfn() << PAGE_SHIFT, 0), -EINVAL);
    CHECK_EQ(pte_write(0xb8000, 0), -EINVAL);
    CHECK_EQ(mmu_update(0x1000, 1, NULL, DOMID_SELF), -EFAULT);
    CHECK_EQ(mmu_update(HYPERVISOR_VIRT_START, 1, NULL, DOMID_SELF), -EFAULT);
}

TEST("mmu-update-domains")
{
    struct mmu_update update = {.ptr = pt_entry_machine(window, 1), .val = window_pte};

    CHECK(mmu_update(&update, 1, NULL, 0) < 0); /* oneself by number is no foreign domain */
    CHECK_EQ(mmu_update(&update, 1, NULL, 77), -ESRCH);
    CHECK_EQ(mmu_update(&update, 1, NULL, DOMID_SELF | (77 + 1) << 16), -ESRCH);
    update.val = pte_make(0xb8, PTE_RW);
    CHECK_EQ(mmu_update(&update, 1, NULL, DOMID_IO), 0);
    update.val = pte_make(m2p_first_mfn(), PTE_RO);
    CHECK_EQ(mmu_update(&update, 1, NULL, DOMID_XEN), 0);
    REQUIRE_EQ(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    CHECK_EQ(window[0], mfn_to_pfn(0));
    update.val = pte_make(m2p_first_mfn(), PTE_RW);
    CHECK(mmu_update(&update, 1, NULL, DOMID_XEN) < 0);
    window_restore();
}

/* Slots 256 to 271 of a root table are the hypervisor's. */
TEST("hypervisor-slots")
{
    uint64_t root = va_to_machine((void *)start_info->pt_base);
    uint64_t entry = *pt_entry(window, 4), refused = 0;

    for (unsigned slot = 256; slot < 272; slot++) {
        refused += pte_write(root + slot * 8, 0) < 0;
        refused += pte_write(root + slot * 8, entry) < 0;
    }
    CHECK_EQ(refused, 32);
    CHECK_EQ(pte_write(root + 272 * 8, 0), 0);
}

TEST("mmuext-flushes")
{
    static uint64_t vcpus = 1;
    struct mmuext_op ops[] = {
        {.cmd = MMUEXT_TLB_FLUSH_LOCAL},
        {.cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = HC_ARG(window)},
        {.cmd = MMUEXT_TLB_FLUSH_MULTI, .arg2.vcpumask.p = &vcpus},
        {.cmd = MMUEXT_INVLPG_MULTI, .arg1.linear_addr = HC_ARG(window), .arg2.vcpumask.p = &vcpus},
        {.cmd = MMUEXT_TLB_FLUSH_ALL},
        {.cmd = MMUEXT_INVLPG_ALL, .arg1.linear_addr = HC_ARG(window)},
    };
    unsigned done = 0;

    CHECK_EQ(mmuext_op(ops, ARRAY_SIZE(ops), &done, DOMID_SELF), 0);
    CHECK_EQ(done, ARRAY_SIZE(ops));
    /* Addresses of nobody's are no error. */
    ops[1].arg1.linear_addr = HYPERVISOR_VIRT_START;
    CHECK_EQ(mmuext_op(&ops[1], 1, NULL, DOMID_SELF), 0);
    ops[1].arg1.linear_addr = 1UL << 63;
    CHECK_EQ(mmuext_op(&ops[1], 1, NULL, DOMID_SELF), 0);
}

TEST("mmuext-cache")
{
    CHECK_EQ(mmuext(MMUEXT_FLUSH_CACHE, 0), 0);
    CHECK_EQ(mmuext(MMUEXT_FLUSH_CACHE_GLOBAL, 0), 0);
}

TEST("mmuext-clear-and-copy")
{
    uint64_t *other = page_alloc();
    struct mmuext_op op = {
        .cmd = MMUEXT_COPY_PAGE, .arg1.mfn = va_to_mfn(window), .arg2.src_mfn = va_to_mfn(other)};

    other[100] = 0x77;
    window[100] = 1;
    CHECK_EQ(mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    CHECK_EQ(window[100], 0x77);
    CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, va_to_mfn(window)), 0);
    CHECK_EQ(window[100], 0);
    CHECK(mmuext(MMUEXT_CLEAR_PAGE, NO_SUCH_MFN) < 0);
    CHECK(mmuext(MMUEXT_CLEAR_PAGE, va_to_mfn(pt_entry(window, 1))) < 0);
    CHECK(mmuext(MMUEXT_CLEAR_PAGE, m2p_first_mfn()) < 0);
    page_free(other);
}

TEST("mmuext-bad")
{
    struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};
    unsigned done = 9;

    CHECK_EQ(mmuext_op(&op, 1, &done, 77), -ESRCH);
    CHECK_EQ(mmuext_op(0x1000, 1, NULL, DOMID_SELF), -EFAULT);
    CHECK_EQ(mmuext_op(&op, 0, NULL, DOMID_SELF), 0);
    CHECK_EQ(mmuext(14, 0), -ENOSYS);
    CHECK_EQ(mmuext(21, 0), -ENOSYS);
    CHECK(mmuext(MMUEXT_MARK_SUPER, va_to_mfn(window)) < 0);
    op.cmd = MMUEXT_TLB_FLUSH_MULTI;
    op.arg2.vcpumask.p = (void *)0x1000;
    CHECK(mmuext_op(&op, 1, &done, DOMID_SELF) < 0);
    CHECK_EQ(done, 0);
}

TEST("vm-assist")
{
    CHECK_EQ(vm_assist(VMASST_CMD_enable, VMASST_TYPE_4gb_segments), 0);
    CHECK_EQ(vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
    CHECK_EQ(vm_assist(VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3), 0);
    CHECK_EQ(vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0);
    CHECK_EQ(vm_assist(VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag), 0);
    CHECK_EQ(vm_assist(VMASST_CMD_enable, 31), -EINVAL);
    CHECK_EQ(vm_assist(VMASST_CMD_enable, 1000), -EINVAL);
    CHECK_EQ(vm_assist(7, 0), -ENOSYS);
}
