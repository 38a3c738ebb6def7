/* SPDX-License-Identifier: MIT */
/*
 * Page-table types: pinning and unpinning each level, tables linked into the running root, roots,
 * and what must be refused: writable mappings of tables, one frame in two roles, entries that do
 * not fit. Which negative error a refusal gives is the hypervisor's choice; that nothing changed is
 * checked.
 */
#include "guest.h"

/* An empty part of the address space: slot 2 of the root. */
#define AREA 0x10000000000UL

static void table_seal(void *table)
{
    REQUIRE_EQ(page_set_writable(table, false), 0);
}

/* Back to an ordinary page; fails the test when the frame is still a table. */
static void table_free(void *table)
{
    if (CHECK_EQ(page_set_writable(table, true), 0))
        page_free(table);
}

static uint64_t table_entry(const void *table)
{
    return pte_make(va_to_mfn(table), PTE_TABLE);
}

TEST("pin-l1")
{
    uint64_t *l1 = page_alloc();
    mfn_t mfn = va_to_mfn(l1);

    l1[0] = pte_make(va_to_mfn(boot_stack), PTE_RW);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, mfn) < 0); /* writable mapping exists */
    l1[1] = 0;
    table_seal(l1);
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, mfn), 0);
    CHECK(page_set_writable(l1, true) < 0);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, mfn) < 0); /* pinned already */
    CHECK(mmuext(MMUEXT_PIN_L2_TABLE, mfn) < 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, mfn), 0);
    CHECK(mmuext(MMUEXT_UNPIN_TABLE, mfn) < 0);
    table_free(l1);
}

TEST("pin-bad-frame")
{
    for (unsigned cmd = MMUEXT_PIN_L1_TABLE; cmd <= MMUEXT_UNPIN_TABLE; cmd++) {
        CHECK(mmuext(cmd, 1UL << 39) < 0);
        CHECK(mmuext(cmd, ~0UL) < 0);
        CHECK(mmuext(cmd, 0xb8) < 0);
        CHECK(mmuext(cmd, start_info->shared_info >> PAGE_SHIFT) < 0);
    }
}

/* A table with one bad entry is refused as a whole and its good entries hold nothing. */
TEST("pin-l1-bad-entry")
{
    uint64_t *l1 = page_alloc(), *data = page_alloc();

    l1[0] = pte_make(va_to_mfn(data), PTE_RW);
    l1[511] = pte_make(1UL << 39, PTE_RW);
    table_seal(l1);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(l1)) < 0);
    table_free(l1);
    /* data has no writable mapping but ours left: it may become a table. */
    table_seal(data);
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(data)), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(data)), 0);
    table_free(data);
}

/* A writable entry in a pinned L1 keeps the frame from becoming a table. */
TEST("writable-entry-holds-type")
{
    uint64_t *l1 = page_alloc(), *data = page_alloc();

    l1[3] = pte_make(va_to_mfn(data), PTE_RW);
    table_seal(l1);
    REQUIRE_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(l1)), 0);
    table_seal(data);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(data)) < 0);
    CHECK_EQ(pte_write(va_to_machine(&l1[3]), pte_make(va_to_mfn(data), PTE_RO)), 0);
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(data)), 0);
    CHECK(pte_write(va_to_machine(&l1[3]), pte_make(va_to_mfn(data), PTE_RW)) < 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(data)), 0);
    CHECK_EQ(pte_write(va_to_machine(&l1[3]), pte_make(va_to_mfn(data), PTE_RW)), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l1)), 0);
    table_free(l1);
    table_free(data);
}

/* A table that maps itself writable cannot be one. */
TEST("pin-l1-of-itself")
{
    uint64_t *l1 = page_alloc();

    l1[0] = pte_make(va_to_mfn(l1), PTE_RW);
    table_seal(l1);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(l1)) < 0);
    REQUIRE_EQ(page_set_writable(l1, true), 0);
    l1[0] = pte_make(va_to_mfn(l1), PTE_RO);
    table_seal(l1);
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(l1)), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l1)), 0);
    table_free(l1);
}

struct tree {
    uint64_t *l4, *l3, *l2, *l1, *data;
};

/* One page of data under four levels at AREA, everything sealed, nothing typed. */
static struct tree tree_make(void)
{
    struct tree t = {page_alloc(), page_alloc(), page_alloc(), page_alloc(), page_alloc()};

    t.data[0] = 0x4444;
    t.l1[0] = pte_make(va_to_mfn(t.data), PTE_RW);
    t.l2[0] = table_entry(t.l1);
    t.l3[0] = table_entry(t.l2);
    t.l4[AREA >> 39 & 511] = table_entry(t.l3);
    table_seal(t.l1);
    table_seal(t.l2);
    table_seal(t.l3);
    table_seal(t.l4);
    return t;
}

static void tree_free(struct tree *t)
{
    table_free(t->l4);
    table_free(t->l3);
    table_free(t->l2);
    table_free(t->l1);
    table_free(t->data);
}

TEST("pin-each-level")
{
    struct tree t = tree_make();
    uint64_t *levels[] = {t.l1, t.l2, t.l3, t.l4};

    for (unsigned level = 0; level < 4; level++) {
        mfn_t mfn = va_to_mfn(levels[level]);

        CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE + level, mfn), 0);
        /* All below are typed now, nothing above is. */
        for (unsigned below = 0; below <= level; below++)
            CHECK(page_set_writable(levels[below], true) < 0);
        CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, mfn), 0);
        for (unsigned below = 0; below <= level; below++)
            CHECK_EQ(page_set_writable(levels[below], true), 0);
        for (unsigned below = 0; below <= level; below++)
            table_seal(levels[below]);
    }
    tree_free(&t);
}

TEST("pin-wrong-level")
{
    struct tree t = tree_make();

    /* An L2's entries are no L1's: the L1 below would be mapped writable. */
    REQUIRE_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(t.l1)), 0);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(t.l2)) < 0);
    CHECK(mmuext(MMUEXT_PIN_L3_TABLE, va_to_mfn(t.l2)) < 0);
    CHECK(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(t.l2)) < 0);
    CHECK_EQ(mmuext(MMUEXT_PIN_L2_TABLE, va_to_mfn(t.l2)), 0);
    /* Pins keep what they pinned, whatever goes on above. */
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(t.l1)), 0);
    CHECK(page_set_writable(t.l1, true) < 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(t.l2)), 0);
    tree_free(&t);
}

/* The failure is four levels down: every type taken on the way is given back. */
TEST("pin-fails-deep")
{
    struct tree t = tree_make();

    REQUIRE_EQ(page_set_writable(t.l1, true), 0);
    CHECK(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(t.l4)) < 0); /* l1 is writable */
    t.l1[7] = pte_make(1UL << 39, PTE_RO);
    table_seal(t.l1);
    CHECK(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(t.l4)) < 0); /* bad leaf */
    REQUIRE_EQ(page_set_writable(t.l1, true), 0);
    t.l1[7] = 0;
    table_seal(t.l1);
    CHECK_EQ(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(t.l4)), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(t.l4)), 0);
    tree_free(&t);
}

TEST("large-pages-refused")
{
    uint64_t *table = page_alloc();

    table[0] = pte_make(va_to_mfn(table) & ~511UL, PTE_RW | PTE_PS);
    table_seal(table);
    CHECK(mmuext(MMUEXT_PIN_L2_TABLE, va_to_mfn(table)) < 0);
    CHECK(mmuext(MMUEXT_PIN_L3_TABLE, va_to_mfn(table)) < 0);
    CHECK(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(table)) < 0);
    table_free(table);
}

/* Linked under the running root, reached, unlinked. */
TEST("link-under-root")
{
    struct tree t = tree_make();
    uint64_t slot = pt_entry_machine((void *)AREA, 4);
    volatile uint64_t *data = (uint64_t *)AREA;

    CHECK_EQ(FAULT_OF((void)data[0]), TRAP_PF);
    REQUIRE_EQ(pte_write(slot, table_entry(t.l3)), 0);
    CHECK_EQ(data[0], 0x4444);
    data[1] = 0x5555;
    CHECK_EQ(t.data[1], 0x5555);
    CHECK(page_set_writable(t.l1, true) < 0);
    /* By its address, too. */
    CHECK_EQ(map_va((void *)AREA, 0), 0);
    CHECK_EQ(FAULT_OF((void)data[0]), TRAP_PF);
    CHECK_EQ(map_va((void *)(AREA + 4096 * 511), pte_make(va_to_mfn(t.data), PTE_RW)), 0);
    CHECK_EQ(data[512 * 511 + 1], 0x5555);
    CHECK_EQ(map_va((void *)(AREA + 4096 * 512), pte_make(va_to_mfn(t.data), PTE_RW)), -EINVAL);
    REQUIRE_EQ(pte_write(slot, 0), 0);
    REQUIRE_EQ(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    CHECK_EQ(FAULT_OF((void)data[512 * 511 + 1]), TRAP_PF);
    tree_free(&t);
}

/* Entries of every level by mmu_update, right and wrong. */
TEST("link-levels")
{
    struct tree t = tree_make();
    uint64_t *extra = page_alloc();

    REQUIRE_EQ(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(t.l4)), 0);
    CHECK(pte_write(va_to_machine(&t.l2[1]), table_entry(t.l2)) < 0);
    CHECK(pte_write(va_to_machine(&t.l2[1]), table_entry(extra)) < 0); /* writable still */
    CHECK(pte_write(va_to_machine(&t.l2[1]), table_entry(t.l1) | PTE_PS) < 0);
    CHECK(pte_write(va_to_machine(&t.l3[1]), table_entry(t.l1)) < 0);
    CHECK(pte_write(va_to_machine(&t.l4[1]), table_entry(t.l2)) < 0);
    CHECK(pte_write(va_to_machine(&t.l1[1]), pte_make(va_to_mfn(t.l4), PTE_RW)) < 0);
    CHECK_EQ(t.l2[1] | t.l3[1] | t.l4[1] | t.l1[1], 0);
    table_seal(extra);
    CHECK_EQ(pte_write(va_to_machine(&t.l2[1]), table_entry(extra)), 0);
    CHECK_EQ(pte_write(va_to_machine(&t.l2[2]), table_entry(extra)), 0); /* twice is fine */
    CHECK_EQ(pte_write(va_to_machine(&t.l3[1]), table_entry(t.l2)), 0);
    CHECK_EQ(pte_write(va_to_machine(&t.l2[1]), 0), 0);
    CHECK(page_set_writable(extra, true) < 0);
    CHECK_EQ(pte_write(va_to_machine(&t.l2[2]), 0), 0);
    table_free(extra);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(t.l4)), 0);
    tree_free(&t);
}

/* Software bits and A of an upper entry change without the table below being looked at. */
TEST("change-entry-flags")
{
    struct tree t = tree_make();

    REQUIRE_EQ(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(t.l4)), 0);
    CHECK_EQ(pte_write(va_to_machine(&t.l2[0]), table_entry(t.l1) | BIT(9)), 0);
    CHECK_EQ(t.l2[0] & BIT(9), BIT(9));
    CHECK_EQ(pte_write(va_to_machine(&t.l2[0]), table_entry(t.l1) & ~PTE_W), 0);
    CHECK_EQ(pte_write(va_to_machine(&t.l2[0]), table_entry(t.l1) | PTE_NX), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(t.l4)), 0);
    tree_free(&t);
}

/* A second root with the same kernel half. */
static uint64_t *root_copy(void)
{
    uint64_t *root = page_alloc();
    const uint64_t *old = (uint64_t *)start_info->pt_base;

    for (unsigned slot = 0; slot < 512; slot++)
        if (slot < 256 || slot > 271)
            root[slot] = old[slot];
    table_seal(root);
    return root;
}

TEST("new-baseptr")
{
    mfn_t old = va_to_mfn((void *)start_info->pt_base);
    uint64_t *root = root_copy();

    REQUIRE_EQ(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(root)), 0);
    CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(root)), 0);
    CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(root)), 0); /* the same again */
    CHECK_EQ(FAULT_OF((void)*(volatile uint64_t *)start_info->mfn_list), NO_FAULT);
    /* In use, it stays typed without its pin. */
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(root)), 0);
    CHECK(page_set_writable(root, true) < 0);
    CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, old), 0);
    table_free(root);
}

/* Not pinned before: validated on the spot. */
TEST("new-baseptr-unpinned")
{
    mfn_t old = va_to_mfn((void *)start_info->pt_base);
    uint64_t *root = root_copy();

    CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(root)), 0);
    CHECK(page_set_writable(root, true) < 0);
    CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, old), 0);
    table_free(root);
}

TEST("new-baseptr-refused")
{
    CHECK(mmuext(MMUEXT_NEW_BASEPTR, 0) < 0);
    CHECK(mmuext(MMUEXT_NEW_BASEPTR, 1UL << 39) < 0);
    CHECK(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(boot_stack)) < 0);
    CHECK(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(pt_entry(boot_stack, 1))) < 0);
    CHECK(mmuext(MMUEXT_NEW_USER_BASEPTR, 1UL << 39) < 0);
    CHECK(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(boot_stack)) < 0);
}

TEST("new-user-baseptr")
{
    struct tree t = tree_make();

    CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(t.l4)), 0);
    CHECK(page_set_writable(t.l4, true) < 0);
    CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(t.l4)), 0);
    CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    tree_free(&t);
}

/* Both roots in one call, as Linux switches address spaces. */
TEST("both-roots-at-once")
{
    struct tree t = tree_make();
    mfn_t old = va_to_mfn((void *)start_info->pt_base);
    uint64_t *root = root_copy();
    unsigned done = 0;
    struct mmuext_op ops[2] = {
        {.cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = va_to_mfn(root)},
        {.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = va_to_mfn(t.l4)},
    };

    CHECK_EQ(mmuext_op(ops, 2, &done, DOMID_SELF), 0);
    CHECK_EQ(done, 2);
    ops[0].arg1.mfn = old;
    ops[1].arg1.mfn = 0;
    CHECK_EQ(mmuext_op(ops, 2, &done, DOMID_SELF), 0);
    table_free(root);
    tree_free(&t);
}

/* What the guest puts into the hypervisor's slots of a root before pinning it counts for nothing.
 */
TEST("root-with-hypervisor-slots")
{
    mfn_t old = va_to_mfn((void *)start_info->pt_base);
    uint64_t *root = root_copy();

    REQUIRE_EQ(page_set_writable(root, true), 0);
    root[256] = pte_make(1UL << 39, PTE_TABLE);
    root[262] = root[511];
    table_seal(root);
    REQUIRE_EQ(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(root)), 0);
    REQUIRE_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(root)), 0);
    CHECK_EQ(mfn_to_pfn(va_to_mfn(root)), va_to_pfn(root)); /* the M2P window is there */
    CHECK_EQ(FAULT_OF((void)*(volatile uint8_t *)(0xffff800000000000 + 6 * (1UL << 39))), TRAP_PF);
    REQUIRE_EQ(mmuext(MMUEXT_NEW_BASEPTR, old), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(root)), 0);
    table_free(root);
}

/* The builder's root is pinned: Linux unpins it when it has made its own. */
TEST("unpin-first-root")
{
    mfn_t first = va_to_mfn((void *)start_info->pt_base);

    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, first), 0);
    CHECK(mmuext(MMUEXT_UNPIN_TABLE, first) < 0);
    CHECK(page_set_writable((void *)start_info->pt_base, true) < 0);
    CHECK_EQ(mmuext(MMUEXT_PIN_L4_TABLE, first), 0);
}

/* Tables in both directions of a loop: an L2 that is also an L3 of itself cannot be. */
TEST("one-frame-two-levels")
{
    uint64_t *table = page_alloc();

    table[0] = table_entry(table);
    table_seal(table);
    CHECK(mmuext(MMUEXT_PIN_L2_TABLE, va_to_mfn(table)) < 0);
    CHECK(mmuext(MMUEXT_PIN_L3_TABLE, va_to_mfn(table)) < 0);
    CHECK(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(table)) < 0);
    table_free(table);
}

/* Many tables at once, in one list. */
TEST("pin-many")
{
    enum { COUNT = 32 };
    static uint64_t *tables[COUNT];
    static struct mmuext_op ops[COUNT + 1];
    unsigned done = 0;

    for (unsigned i = 0; i < COUNT; i++) {
        tables[i] = page_alloc();
        tables[i][i] = pte_make(va_to_mfn(boot_stack), PTE_RW);
        table_seal(tables[i]);
        ops[i] = (struct mmuext_op){.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = va_to_mfn(tables[i])};
    }
    ops[COUNT] = ops[3];
    CHECK(mmuext_op(ops, COUNT + 1, &done, DOMID_SELF) < 0);
    CHECK_EQ(done, COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        ops[i].cmd = MMUEXT_UNPIN_TABLE;
    CHECK_EQ(mmuext_op(ops, COUNT, &done, DOMID_SELF), 0);
    for (unsigned i = 0; i < COUNT; i++)
        table_free(tables[i]);
}
