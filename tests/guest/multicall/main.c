/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_multicall: one result per entry, errors do not stop the list. */
#include "guest.h"
#include <xen/version.h>
#include <xen/memory.h>
#include <xen/sched.h>

static struct multicall_entry list[64];

TEST("results")
{
    memset(list, 0, sizeof(list));
    list[0] = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {XENVER_version}};
    list[1] = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {1000}};
    list[2] = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {XENVER_pagesize}};
    CHECK_EQ(multicall(list, 3), 0);
    CHECK_EQ((long)list[0].result, 4 << 16 | 17);
    CHECK_EQ((long)list[1].result, -ENOSYS);
    CHECK_EQ((long)list[2].result, 4096);
}

TEST("empty")
{
    CHECK_EQ(multicall(list, 0), 0);
    CHECK_EQ(multicall(NULL, 0), 0);
}

TEST("unknown-call")
{
    memset(list, 0, sizeof(list));
    list[0].op = 63;
    list[1].op = 1000;
    list[2].op = ~0UL;
    CHECK_EQ(multicall(list, 3), 0);
    CHECK_EQ((long)list[0].result, -ENOSYS);
    CHECK_EQ((long)list[1].result, -ENOSYS);
    CHECK_EQ((long)list[2].result, -ENOSYS);
}

/* A result wider than 32 bits, the way libxenctrl gets it. */
TEST("memory-op")
{
    memset(list, 0, sizeof(list));
    list[0] = (struct multicall_entry){.op = __HYPERVISOR_memory_op,
                                       .args = {XENMEM_maximum_ram_page, 0}};
    CHECK_EQ(multicall(list, 1), 0);
    CHECK_EQ((long)list[0].result, memory_op(XENMEM_maximum_ram_page, NULL));
}

/* A batch of mapping changes, as Linux makes it. */
TEST("mapping-batch")
{
    uint64_t *page = page_alloc();
    uint64_t pte = pte_make(va_to_mfn(page), PTE_RW);
    struct mmu_update update = {.ptr = pt_entry_machine(page, 1), .val = pte | BIT(10)};

    memset(list, 0, sizeof(list));
    for (unsigned i = 0; i < 32; i++)
        list[i] = (struct multicall_entry){.op = __HYPERVISOR_update_va_mapping,
                                           .args = {HC_ARG(page), i % 2 ? pte : 0, UVMF_INVLPG}};
    list[7].args[1] = pte_make(1UL << 39, PTE_RW);
    list[32] = (struct multicall_entry){.op = __HYPERVISOR_mmu_update,
                                        .args = {HC_ARG(&update), 1, 0, DOMID_SELF}};
    CHECK_EQ(multicall(list, 33), 0);
    for (unsigned i = 0; i < 33; i++) {
        if (i == 7)
            CHECK((long)list[i].result < 0);
        else
            CHECK_EQ((long)list[i].result, 0);
    }
    CHECK_EQ(*pt_entry(page, 1) & BIT(10), BIT(10));
    REQUIRE_EQ(map_va(page, pte), 0);
    page_free(page);
}

TEST("across-pages")
{
    uint8_t *first = page_alloc(); /* the page behind is free, too */
    struct multicall_entry *split = (struct multicall_entry *)(first + PAGE_SIZE - 40);

    *split = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {XENVER_version}};
    CHECK_EQ(multicall(split, 1), 0);
    CHECK_EQ((long)split->result, 4 << 16 | 17);
    page_free(first);
}

TEST("long-list")
{
    enum { COUNT = 512 };
    static struct multicall_entry many[COUNT];
    unsigned wrong = 0;

    for (unsigned i = 0; i < COUNT; i++)
        many[i] =
            (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {XENVER_version}};
    CHECK_EQ(multicall(many, COUNT), 0);
    for (unsigned i = 0; i < COUNT; i++)
        wrong += many[i].result != (4 << 16 | 17);
    CHECK_EQ(wrong, 0);
}

TEST("bad-pointer")
{
    CHECK_EQ(multicall(0x1000, 1), -EFAULT);
    CHECK_EQ(multicall(HYPERVISOR_VIRT_START, 1), -EFAULT);
    CHECK_EQ(multicall(1UL << 63, 1), -EFAULT);
}

/* The list runs off the end of what is mapped: those before it were done. */
TEST("ends-in-nothing")
{
    uint8_t *page = page_alloc();
    struct multicall_entry *at = (struct multicall_entry *)(page + PAGE_SIZE) - 2;
    uint64_t pte = pte_make(va_to_mfn(page), PTE_RW);
    uint8_t *behind = page + PAGE_SIZE;
    uint64_t behind_pte = *pt_entry(behind, 1);

    for (unsigned i = 0; i < 2; i++)
        at[i] = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {XENVER_pagesize}};
    REQUIRE_EQ(map_va(behind, 0), 0);
    CHECK_EQ(multicall(at, 3), -EFAULT);
    REQUIRE_EQ(map_va(behind, behind_pte), 0);
    if (at[0].result || at[1].result)
        CHECK_EQ((long)at[1].result, 4096);
    /* A result that cannot be written. */
    REQUIRE_EQ(map_va(page, pte & ~PTE_W), 0);
    CHECK_EQ(multicall(at, 1), -EFAULT);
    REQUIRE_EQ(map_va(page, pte), 0);
    page_free(page);
}

/* A list in a list, or a return to user mode from one, is refused or harmless. */
TEST("nested")
{
    static struct multicall_entry inner = {.op = __HYPERVISOR_xen_version,
                                           .args = {XENVER_version}};

    memset(list, 0, sizeof(list));
    list[0] = (struct multicall_entry){.op = __HYPERVISOR_multicall, .args = {HC_ARG(&inner), 1}};
    long err = multicall(list, 1);

    CHECK(err == 0 || err == -EINVAL);
}

TEST("sched-in-list")
{
    memset(list, 0, sizeof(list));
    list[0] = (struct multicall_entry){.op = __HYPERVISOR_sched_op, .args = {SCHEDOP_yield, 0}};
    list[1] = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {XENVER_version}};
    CHECK_EQ(multicall(list, 2), 0);
    CHECK_EQ((long)list[0].result, 0);
    CHECK_EQ((long)list[1].result, 4 << 16 | 17);
}

/* An event raised by one entry is delivered when the call is over at the latest. */
TEST("event-in-list")
{
    evtchn_port_t a, b;
    struct evtchn_send send;

    event_pair(&a, &b);
    events_enable();
    event_counts[b] = 0;
    send.port = a;
    memset(list, 0, sizeof(list));
    list[0] = (struct multicall_entry){.op = __HYPERVISOR_event_channel_op,
                                       .args = {EVTCHNOP_send, HC_ARG(&send)}};
    list[1] = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {XENVER_version}};
    CHECK_EQ(multicall(list, 2), 0);
    CHECK_EQ(event_counts[b], 1);
    events_disable();
    CHECK_EQ(event_close(b), 0);
    CHECK_EQ(event_close(a), 0);
}
