/* SPDX-License-Identifier: MIT */
/*
 * Long operations: lists that no hypervisor does in one go. The result must be the same however
 * often the call was broken off and taken up again, and events get through meanwhile.
 */
/* RUN: timeout=40 */
#include "guest.h"
#include <xen/memory.h>
#include <xen/vcpu.h>

#define MS    1000000UL
#define COUNT 4096

static xen_pfn_t list[COUNT];
static struct mmu_update updates[COUNT];
static struct mmuext_op operations[COUNT];
static struct multicall_entry calls[COUNT];
static evtchn_port_t timer_port;

static long pages_now(void)
{
    struct xen_memory_domain op = {.domid = DOMID_SELF};

    return memory_op(XENMEM_current_reservation, &op);
}

static void timer_start(void)
{
    struct vcpu_set_periodic_timer periodic = {.period_ns = MS};

    event_counts[timer_port] = 0;
    REQUIRE_EQ(vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic), 0);
    events_enable();
}

static void timer_stop(void)
{
    events_disable();
    REQUIRE_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
}

TEST("setup")
{
    long port = event_bind_virq(VIRQ_TIMER, 0);

    REQUIRE(port > 0);
    timer_port = port;
}

TEST("populate-and-decrease")
{
    struct xen_memory_reservation op = {.nr_extents = COUNT, .domid = DOMID_SELF};
    long pages = pages_now();
    uint64_t wrong = 0;

    set_xen_guest_handle(op.extent_start, list);
    for (unsigned i = 0; i < COUNT; i++)
        list[i] = start_info->nr_pages + i;
    timer_start();
    CHECK_EQ(memory_op(XENMEM_populate_physmap, &op), COUNT);
    CHECK_EQ(pages_now(), pages + COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        wrong += mfn_to_pfn(list[i]) != start_info->nr_pages + i;
    CHECK_EQ(wrong, 0);
    CHECK_EQ(memory_op(XENMEM_decrease_reservation, &op), COUNT);
    CHECK_EQ(pages_now(), pages);
    timer_stop();
}

/* The same through a multicall, as libxenctrl does it. */
TEST("populate-in-multicall")
{
    struct xen_memory_reservation op = {.nr_extents = COUNT, .domid = DOMID_SELF};
    long pages = pages_now();

    set_xen_guest_handle(op.extent_start, list);
    for (unsigned i = 0; i < COUNT; i++)
        list[i] = start_info->nr_pages + i;
    timer_start();
    calls[0] = (struct multicall_entry){.op = __HYPERVISOR_memory_op,
                                        .args = {XENMEM_populate_physmap, HC_ARG(&op)}};
    CHECK_EQ(multicall(calls, 1), 0);
    CHECK_EQ((long)calls[0].result, COUNT);
    calls[0] = (struct multicall_entry){.op = __HYPERVISOR_memory_op,
                                        .args = {XENMEM_decrease_reservation, HC_ARG(&op)}};
    op.nr_extents = COUNT;
    set_xen_guest_handle(op.extent_start, list);
    CHECK_EQ(multicall(calls, 1), 0);
    CHECK_EQ((long)calls[0].result, COUNT);
    CHECK_EQ(pages_now(), pages);
    timer_stop();
}

TEST("mmu-update")
{
    uint64_t *page = page_alloc(), entry = pt_entry_machine(page, 1);
    uint64_t pte = pte_make(va_to_mfn(page), PTE_RW);
    unsigned done = 0;

    for (unsigned i = 0; i < COUNT; i++)
        updates[i] = (struct mmu_update){.ptr = entry, .val = pte | (i & 7UL) << 9};
    timer_start();
    CHECK_EQ(mmu_update(updates, COUNT, &done, DOMID_SELF), 0);
    CHECK_EQ(done, COUNT);
    CHECK_EQ(*pt_entry(page, 1) >> 9 & 7, (COUNT - 1) & 7);
    updates[COUNT - 100].val = pte_make(1UL << 39, PTE_RW);
    done = 0;
    CHECK(mmu_update(updates, COUNT, &done, DOMID_SELF) < 0);
    CHECK_EQ(done, COUNT - 100);
    timer_stop();
    REQUIRE_EQ(map_va(page, pte), 0);
    page_free(page);
}

TEST("mmuext-op")
{
    unsigned done = 0;

    for (unsigned i = 0; i < COUNT; i++)
        operations[i] = (struct mmuext_op){.cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = i << 12};
    timer_start();
    CHECK_EQ(mmuext_op(operations, COUNT, &done, DOMID_SELF), 0);
    CHECK_EQ(done, COUNT);
    operations[COUNT - 1].cmd = 99;
    CHECK_EQ(mmuext_op(operations, COUNT, &done, DOMID_SELF), -ENOSYS);
    CHECK_EQ(done, COUNT - 1);
    timer_stop();
}

TEST("multicall")
{
    unsigned wrong = 0;
    unsigned long pte = pte_make(va_to_mfn(list), PTE_RW);

    for (unsigned i = 0; i < COUNT; i++)
        calls[i] = (struct multicall_entry){.op = __HYPERVISOR_update_va_mapping,
                                            .args = {HC_ARG(list) & PAGE_MASK, pte, UVMF_INVLPG}};
    calls[77].args[1] = pte_make(1UL << 39, PTE_RW);
    timer_start();
    CHECK_EQ(multicall(calls, COUNT), 0);
    for (unsigned i = 0; i < COUNT; i++)
        wrong += i != 77 && calls[i].result != 0;
    CHECK_EQ(wrong, 0);
    CHECK((long)calls[77].result < 0);
    timer_stop();
}

/* A tree of 64 full tables pinned and unpinned by its root while the timer runs. */
TEST("pin-tree")
{
    enum { TABLES = 64 };
    uint64_t *l2 = page_alloc(), *l3 = page_alloc(), *tables[TABLES], *data = page_alloc();

    for (unsigned t = 0; t < TABLES; t++) {
        tables[t] = page_alloc();
        for (unsigned i = 0; i < 512; i++)
            tables[t][i] = pte_make(va_to_mfn(data), PTE_RW);
        l2[t] = pte_make(va_to_mfn(tables[t]), PTE_TABLE);
        REQUIRE_EQ(page_set_writable(tables[t], false), 0);
    }
    l3[0] = pte_make(va_to_mfn(l2), PTE_TABLE);
    REQUIRE_EQ(page_set_writable(l2, false), 0);
    REQUIRE_EQ(page_set_writable(l3, false), 0);
    timer_start();
    for (unsigned round = 0; round < 5; round++) {
        CHECK_EQ(mmuext(MMUEXT_PIN_L3_TABLE, va_to_mfn(l3)), 0);
        CHECK(page_set_writable(tables[TABLES - 1], true) < 0);
        CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l3)), 0);
    }
    /* The last entry of the last table is bad: nothing stays behind. */
    REQUIRE_EQ(page_set_writable(tables[TABLES - 1], true), 0);
    tables[TABLES - 1][511] = pte_make(1UL << 39, PTE_RW);
    REQUIRE_EQ(page_set_writable(tables[TABLES - 1], false), 0);
    CHECK(mmuext(MMUEXT_PIN_L3_TABLE, va_to_mfn(l3)) < 0);
    timer_stop();
    for (unsigned t = 0; t < TABLES; t++)
        CHECK_EQ(page_set_writable(tables[t], true), 0);
    CHECK_EQ(page_set_writable(l2, true), 0);
    CHECK_EQ(page_set_writable(l3, true), 0);
    REQUIRE_EQ(page_set_writable(data, false), 0); /* no writable reference is left over */
    CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(data)), 0);
    CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(data)), 0);
    CHECK_EQ(page_set_writable(data, true), 0);
}

TEST("exchange")
{
    enum { PAIRS = 512 };
    static xen_pfn_t out[PAIRS];
    struct xen_memory_exchange op = {
        .in = {.nr_extents = PAIRS, .domid = DOMID_SELF},
        .out = {.nr_extents = PAIRS, .domid = DOMID_SELF},
    };
    struct xen_memory_reservation plain = {.nr_extents = PAIRS, .domid = DOMID_SELF};
    long pages = pages_now();
    uint64_t wrong = 0;

    for (unsigned i = 0; i < PAIRS; i++)
        list[i] = out[i] = start_info->nr_pages + i;
    set_xen_guest_handle(plain.extent_start, list);
    REQUIRE_EQ(memory_op(XENMEM_populate_physmap, &plain), PAIRS);
    set_xen_guest_handle(op.in.extent_start, list);
    set_xen_guest_handle(op.out.extent_start, out);
    timer_start();
    CHECK_EQ(memory_op(XENMEM_exchange, &op), 0);
    timer_stop();
    CHECK_EQ(op.nr_exchanged, PAIRS);
    for (unsigned i = 0; i < PAIRS; i++)
        wrong += mfn_to_pfn(out[i]) != start_info->nr_pages + i;
    CHECK_EQ(wrong, 0);
    set_xen_guest_handle(plain.extent_start, out);
    CHECK_EQ(memory_op(XENMEM_decrease_reservation, &plain), PAIRS);
    CHECK_EQ(pages_now(), pages);
}
