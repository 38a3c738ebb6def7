/* SPDX-License-Identifier: MIT */
/*
 * Direct writes of the kernel to its own read-only mapped L1 tables: the hypervisor emulates the
 * instruction and validates the entry (VMASST_TYPE_writable_pagetables). Upper levels and other
 * pages fault instead.
 */
/* RUN: */
/* Xen trips over SMAP on QEMU 7.2 (iretq in ring 3 reads its frame with supervisor rights):
 * reference=no. */
/* RUN: name=smap cpu=max reference=no */
#include "guest.h"

static uint64_t *window;          /* a page whose entry is written */
static volatile uint64_t *entry;  /* its L1 entry, mapped read-only */
static uint64_t good, other_good; /* two valid values */

TEST("setup")
{
    uint64_t *other = page_alloc();

    window = page_alloc();
    window[0] = 0xaaaa;
    other[0] = 0xbbbb;
    good = pte_make(va_to_mfn(window), PTE_RW);
    other_good = pte_make(va_to_mfn(other), PTE_RW);
    REQUIRE_EQ(vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
    entry = (volatile uint64_t *)pt_entry(window, 1);
    CHECK(!(*pt_entry((void *)entry, 1) & PTE_W));
}

static void flush(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = HC_ARG(window)};

    REQUIRE_EQ(mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
}

static void entry_is(uint64_t value)
{
    CHECK_EQ(*entry & (PTE_MFN_MASK | PTE_W | PTE_P), value & (PTE_MFN_MASK | PTE_W | PTE_P));
    flush();
}

TEST("mov")
{
    CHECK_EQ(FAULT_OF(*entry = other_good), NO_FAULT);
    entry_is(other_good);
    CHECK_EQ(window[0], 0xbbbb);
    CHECK_EQ(FAULT_OF(*entry = good), NO_FAULT);
    entry_is(good);
    CHECK_EQ(window[0], 0xaaaa);
}

TEST("mov-not-present")
{
    CHECK_EQ(FAULT_OF(*entry = 0), NO_FAULT);
    flush();
    CHECK_EQ(FAULT_OF((void)*(volatile uint64_t *)window), TRAP_PF);
    CHECK_EQ(FAULT_OF(*entry = good), NO_FAULT);
    entry_is(good);
}

TEST("mov-immediate")
{
    CHECK_EQ(FAULT_OF(__asm__ volatile("movq $0, (%0)" ::"r"(entry) : "memory")), NO_FAULT);
    CHECK_EQ(*entry, 0);
    CHECK_EQ(FAULT_OF(*entry = good), NO_FAULT);
    entry_is(good);
}

/* All addressing modes reach the same entry. */
TEST("mov-addressing")
{
    uint64_t base = (uint64_t)entry - 8 * 3 - 0x40;

    __asm__ volatile("movq %1, 0x40(%0,%2,8)" ::"r"(base), "r"(other_good), "r"(3UL) : "memory");
    entry_is(other_good);
    register uint64_t r13 __asm__("r13") = (uint64_t)entry;
    register uint64_t r9 __asm__("r9") = good;

    __asm__ volatile("movq %1, (%0)" ::"r"(r13), "r"(r9) : "memory");
    entry_is(good);
}

TEST("xchg")
{
    uint64_t value = other_good;

    CHECK_EQ(FAULT_OF(__asm__ volatile("xchgq %0, %1" : "+r"(value), "+m"(*entry))), NO_FAULT);
    entry_is(other_good);
    CHECK_EQ(value & PTE_MFN_MASK, good & PTE_MFN_MASK);
    value = good;
    CHECK_EQ(FAULT_OF(__asm__ volatile("lock xchgq %0, %1" : "+r"(value), "+m"(*entry))), NO_FAULT);
    entry_is(good);
}

TEST("cmpxchg")
{
    uint64_t current = *entry, rax = current;

    CHECK_EQ(FAULT_OF(__asm__ volatile("lock cmpxchgq %2, %1"
                                       : "+a"(rax), "+m"(*entry)
                                       : "r"(other_good))),
             NO_FAULT);
    CHECK_EQ(rax, current);
    entry_is(other_good);
    rax = 0x123;
    CHECK_EQ(FAULT_OF(__asm__ volatile("lock cmpxchgq %2, %1"
                                       : "+a"(rax), "+m"(*entry)
                                       : "r"(good))),
             NO_FAULT);
    entry_is(other_good); /* did not match */
    CHECK_EQ(rax, *entry);
    rax = *entry;
    CHECK_EQ(FAULT_OF(__asm__ volatile("cmpxchgq %2, %1"
                                       : "+a"(rax), "+m"(*entry)
                                       : "r"(good))),
             NO_FAULT);
    entry_is(good);
}

/* Linux clears single bits so: write permission, Accessed. */
TEST("bit-operations")
{
    uint8_t carry;

    (void)*(volatile uint64_t *)window;
    CHECK_EQ(FAULT_OF(__asm__ volatile("lock btrq $5, %0; setc %1"
                                       : "+m"(*entry), "=q"(carry)::"cc")),
             NO_FAULT);
    CHECK_EQ(carry, 1);
    CHECK_EQ(*entry & PTE_A, 0);
    CHECK_EQ(FAULT_OF(__asm__ volatile("lock andq %1, %0"
                                       : "+m"(*entry)
                                       : "r"(~PTE_W)
                                       : "cc")),
             NO_FAULT);
    flush();
    CHECK_EQ(FAULT_OF(*(volatile uint64_t *)window = 1), TRAP_PF);
    CHECK_EQ(FAULT_OF(__asm__ volatile("lock orq %1, %0"
                                       : "+m"(*entry)
                                       : "r"(PTE_W)
                                       : "cc")),
             NO_FAULT);
    flush();
    CHECK_EQ(FAULT_OF(*(volatile uint64_t *)window = 0xaaaa), NO_FAULT);
    entry_is(good);
}

/* Half an entry: allowed, the whole is validated. */
TEST("mov-32")
{
    uint32_t *half = (uint32_t *)entry;
    int vector = FAULT_OF(__asm__ volatile("movl %1, %0" : "=m"(*half) : "r"((uint32_t)*entry)));

    CHECK(vector == NO_FAULT || vector == TRAP_PF);
    entry_is(good);
}

/* Values that the hypervisor would refuse by hypercall are page faults here. */
TEST("refused")
{
    uint64_t before = *entry;

    CHECK_EQ(FAULT_OF(*entry = pte_make(1UL << 39, PTE_RW)), TRAP_PF);
    CHECK_EQ(trap_last.cr2, entry);
    CHECK_EQ(trap_last.frame.error, PF_WRITE | PF_PRESENT);
    CHECK_EQ(FAULT_OF(*entry = pte_make(va_to_mfn((void *)entry), PTE_RW)), TRAP_PF);
    CHECK_EQ(*entry, before);
}

/* Sizes that are not an entry's. */
TEST("small-writes")
{
    uint64_t before = *entry;
    int vector = FAULT_OF(*(volatile uint8_t *)entry = 0);

    CHECK(vector == TRAP_PF || vector == NO_FAULT);
    if (vector == TRAP_PF)
        CHECK_EQ(*entry, before);
    *entry = good;
    entry_is(good);
}

TEST("across-entries")
{
    uint64_t before = *entry;
    volatile uint64_t *between = (volatile uint64_t *)((uint64_t)entry + 4);

    CHECK_EQ(FAULT_OF(*between = 0), TRAP_PF);
    CHECK_EQ(*entry, before);
}

TEST("upper-levels-fault")
{
    for (unsigned level = 2; level <= 4; level++) {
        volatile uint64_t *upper = (volatile uint64_t *)pt_entry(window, level);
        uint64_t value = *upper;

        CHECK_EQ(FAULT_OF(*upper = value), TRAP_PF);
        CHECK_EQ(trap_last.frame.error, PF_WRITE | PF_PRESENT);
        CHECK_EQ(*upper, value);
    }
}

/* Read-only mapped, but no table at all. */
TEST("plain-page-faults")
{
    volatile uint64_t *page = page_alloc();

    REQUIRE_EQ(page_set_writable((void *)page, false), 0);
    CHECK_EQ(FAULT_OF(page[0] = good), TRAP_PF);
    CHECK_EQ(trap_last.frame.error, PF_WRITE | PF_PRESENT);
    REQUIRE_EQ(page_set_writable((void *)page, true), 0);
    CHECK_EQ(page[0], 0);
}

/* A pinned L1 that no root refers to is written the same way. */
TEST("pinned-table-elsewhere")
{
    uint64_t *l1 = page_alloc();

    REQUIRE_EQ(page_set_writable(l1, false), 0);
    REQUIRE_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(l1)), 0);
    CHECK_EQ(FAULT_OF(((volatile uint64_t *)l1)[9] = good), NO_FAULT);
    CHECK_EQ(l1[9] & PTE_MFN_MASK, good & PTE_MFN_MASK);
    CHECK_EQ(FAULT_OF(((volatile uint64_t *)l1)[9] = 0), NO_FAULT);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l1)), 0);
    CHECK_EQ(page_set_writable(l1, true), 0);
}

/* rep stosq over eight entries of an unused table. */
TEST("string-store")
{
    uint64_t *l1 = page_alloc();
    unsigned long count = 8;
    void *to = l1;

    REQUIRE_EQ(page_set_writable(l1, false), 0);
    REQUIRE_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(l1)), 0);
    int vector = FAULT_OF(__asm__ volatile("rep stosq"
                                           : "+c"(count), "+D"(to)
                                           : "a"(0)
                                           : "memory"));

    CHECK(vector == NO_FAULT || vector == TRAP_PF);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l1)), 0);
    CHECK_EQ(page_set_writable(l1, true), 0);
}
