/* SPDX-License-Identifier: MIT */
/*
 * Stale translations of user mode: the hypervisor may mark user pages global, so flushes and
 * changes of the user root must really take them away. The user code reads one word of its data
 * page and calls back.
 */
#include "guest.h"
#include "user.h"

static const uint8_t read_data[] = {0x48, 0x8b, 0x04, 0x25,
                                    0x00, 0x10, 0x40, 0x00, /* mov data, %rax */
                                    0x0f, 0x05};

struct space {
    uint64_t *l4, *l3, *l2, *l1, *data;
};

static struct space spaces[2];

static uint64_t user_reads(void)
{
    int vector = user_run_code(read_data, sizeof(read_data));

    return vector == VECTOR_SYSCALL ? trap_last.frame.rax : 0xbad0000 + vector;
}

static struct space space_make(uint64_t value)
{
    struct space s = {page_alloc(), page_alloc(), page_alloc(), page_alloc(), page_alloc()};

    s.data[0] = value;
    s.l1[USER_CODE >> 12 & 511] = pte_make(va_to_mfn(user_code), PTE_RO);
    s.l1[USER_DATA >> 12 & 511] = pte_make(va_to_mfn(s.data), PTE_RW | PTE_NX);
    s.l2[USER_CODE >> 21 & 511] = pte_make(va_to_mfn(s.l1), PTE_TABLE);
    s.l3[0] = pte_make(va_to_mfn(s.l2), PTE_TABLE);
    s.l4[0] = pte_make(va_to_mfn(s.l3), PTE_TABLE);
    REQUIRE_EQ(page_set_writable(s.l1, false), 0);
    REQUIRE_EQ(page_set_writable(s.l2, false), 0);
    REQUIRE_EQ(page_set_writable(s.l3, false), 0);
    REQUIRE_EQ(page_set_writable(s.l4, false), 0);
    REQUIRE_EQ(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(s.l4)), 0);
    return s;
}

TEST("setup")
{
    user_init();
    spaces[0] = space_make(0x1111);
    spaces[1] = space_make(0x2222);
}

TEST("change-of-user-root")
{
    for (unsigned i = 0; i < 20; i++) {
        REQUIRE_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(spaces[i % 2].l4)), 0);
        if (!CHECK_EQ(user_reads(), i % 2 ? 0x2222 : 0x1111))
            break;
    }
}

/* Both roots in one call, the kernel's the same as before. */
TEST("change-of-both-roots")
{
    mfn_t kernel = va_to_mfn((void *)start_info->pt_base);

    for (unsigned i = 0; i < 20; i++) {
        struct mmuext_op ops[2] = {
            {.cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = kernel},
            {.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = va_to_mfn(spaces[i % 2].l4)},
        };

        REQUIRE_EQ(mmuext_op(ops, 2, NULL, DOMID_SELF), 0);
        if (!CHECK_EQ(user_reads(), i % 2 ? 0x2222 : 0x1111))
            break;
    }
}

/* The entry changes under the running root; each way to flush. */
static void entry_set(const uint64_t *page, uint64_t flags)
{
    uint64_t at = va_to_machine(&spaces[0].l1[USER_DATA >> 12 & 511]);

    REQUIRE_EQ(pte_write(at, pte_make(va_to_mfn(page), flags)), 0);
}

TEST("flush-after-change")
{
    static uint64_t vcpus = 1;
    struct mmuext_op flushes[] = {
        {.cmd = MMUEXT_TLB_FLUSH_LOCAL},
        {.cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = USER_DATA},
        {.cmd = MMUEXT_TLB_FLUSH_MULTI, .arg2.vcpumask.p = &vcpus},
        {.cmd = MMUEXT_INVLPG_MULTI, .arg1.linear_addr = USER_DATA, .arg2.vcpumask.p = &vcpus},
        {.cmd = MMUEXT_TLB_FLUSH_ALL},
        {.cmd = MMUEXT_INVLPG_ALL, .arg1.linear_addr = USER_DATA},
    };

    REQUIRE_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(spaces[0].l4)), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(flushes); i++) {
        entry_set(spaces[1].data, PTE_RW | PTE_NX);
        REQUIRE_EQ(mmuext_op(&flushes[i], 1, NULL, DOMID_SELF), 0);
        CHECK_EQ(user_reads(), 0x2222);
        entry_set(spaces[0].data, PTE_RW | PTE_NX);
        REQUIRE_EQ(mmuext_op(&flushes[i], 1, NULL, DOMID_SELF), 0);
        CHECK_EQ(user_reads(), 0x1111);
    }
}

/* A page that is taken away must be gone, a page given back to the hypervisor above all. */
TEST("unmapped")
{
    entry_set(spaces[0].data, 0);
    REQUIRE_EQ(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    CHECK_EQ(user_reads(), 0xbad0000 + TRAP_PF);
    CHECK_EQ(trap_last.frame.error, PF_USER);
    entry_set(spaces[0].data, PTE_RW | PTE_NX);
    CHECK_EQ(user_reads(), 0x1111);
}

/* A type change (here: data page to page table) may not leave a writable translation behind. */
TEST("retype-flushes")
{
    static const uint8_t write_data[] = {0x48, 0x89, 0x04, 0x25,
                                         0x08, 0x10, 0x40, 0x00, /* mov %rax, data+8 */
                                         0x0f, 0x05};
    uint64_t *data = spaces[0].data, at = va_to_machine(&spaces[0].l1[USER_DATA >> 12 & 511]);

    CHECK_EQ(user_run_code(write_data, sizeof(write_data)), VECTOR_SYSCALL);
    memset(data, 0, PAGE_SIZE);
    /* No explicit flush: the hypervisor owes it before the frame is a table. */
    REQUIRE_EQ(pte_write(at, pte_make(va_to_mfn(data), PTE_RO | PTE_NX)), 0);
    REQUIRE_EQ(update_va_mapping(data, pte_make(va_to_mfn(data), PTE_RO), UVMF_NONE), 0);
    REQUIRE_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(data)), 0);
    CHECK_EQ(user_run_code(write_data, sizeof(write_data)), TRAP_PF);
    CHECK_EQ(data[1], 0);
    CHECK_EQ(FAULT_OF(*(volatile uint64_t *)data = pte_make(1UL << 39, PTE_RW)), TRAP_PF);
    CHECK_EQ(data[0], 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(data)), 0);
    REQUIRE_EQ(page_set_writable(data, true), 0);
    entry_set(data, PTE_RW | PTE_NX);
}

/* The kernel's own mapping of a page that became a table, without a flush of its own. */
TEST("retype-flushes-kernel")
{
    volatile uint64_t *page = page_alloc();

    page[1] = 1;
    page[1] = 0;
    REQUIRE_EQ(update_va_mapping(page, pte_make(va_to_mfn((void *)page), PTE_RO), UVMF_NONE), 0);
    REQUIRE_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn((void *)page)), 0);
    FAULT_OF(page[1] = pte_make(1UL << 39, PTE_RW)); /* caught, or emulated and refused */
    CHECK_EQ(page[1], 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn((void *)page)), 0);
    REQUIRE_EQ(page_set_writable((void *)page, true), 0);
    page_free((void *)page);
}
