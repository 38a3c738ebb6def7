/* SPDX-License-Identifier: MIT */
/*
 * Frames that the domain gives back while something still uses them: a mapping, the hypervisor
 * itself, a stale translation. They must not come back as somebody else's page before the use has
 * ended. The domain takes all free memory of the machine to see which frames are given out.
 */
/* RUN: memory=256 timeout=40 */
#include "guest.h"
#include <xen/memory.h>
#include <xen/vcpu.h>

#define MAX_TAKEN 40000

static xen_pfn_t taken[MAX_TAKEN];
static unsigned taken_count;

static uint64_t *window;
static uint64_t window_pte;

static long give_back(mfn_t mfn)
{
    xen_pfn_t list = mfn;
    struct xen_memory_reservation op = {.nr_extents = 1, .domid = DOMID_SELF};

    set_xen_guest_handle(op.extent_start, &list);
    return memory_op(XENMEM_decrease_reservation, &op);
}

/* Takes every single free page; true when the frame is among them. */
static bool take_all_and_look(mfn_t wanted)
{
    bool found = false;

    taken_count = 0;
    while (taken_count < MAX_TAKEN) {
        unsigned batch = MIN(512u, MAX_TAKEN - taken_count);
        struct xen_memory_reservation op = {.nr_extents = batch, .domid = DOMID_SELF};

        for (unsigned i = 0; i < batch; i++)
            taken[taken_count + i] = start_info->nr_pages + taken_count + i;
        set_xen_guest_handle(op.extent_start, &taken[taken_count]);
        long done = memory_op(XENMEM_populate_physmap, &op);

        if (done <= 0)
            break;
        for (unsigned i = 0; i < done; i++)
            found |= taken[taken_count + i] == wanted;
        taken_count += done;
        if (done < batch)
            break;
    }
    return found;
}

static void give_all_back(void)
{
    for (unsigned at = 0; at < taken_count; at += 512) {
        unsigned batch = MIN(512u, taken_count - at);
        struct xen_memory_reservation op = {.nr_extents = batch, .domid = DOMID_SELF};

        set_xen_guest_handle(op.extent_start, &taken[at]);
        REQUIRE_EQ(memory_op(XENMEM_decrease_reservation, &op), batch);
    }
    taken_count = 0;
}

TEST("setup")
{
    window = page_alloc();
    window_pte = pte_make(va_to_mfn(window), PTE_RW);
}

/* The plain case, to know that the search works: a frame given back comes back. */
TEST("unused")
{
    mfn_t mfn = pfn_to_mfn(frame_take());

    REQUIRE_EQ(give_back(mfn), 1);
    CHECK(take_all_and_look(mfn));
    CHECK(taken_count > 4096);
    give_all_back();
}

TEST("mapped")
{
    mfn_t mfn = pfn_to_mfn(frame_take());

    REQUIRE_EQ(map_va(window, pte_make(mfn, PTE_RW)), 0);
    window[0] = 0x600d;
    if (give_back(mfn) == 1) {
        CHECK(!take_all_and_look(mfn));
        give_all_back();
        CHECK_EQ(window[0], 0x600d);
    }
    REQUIRE_EQ(map_va(window, window_pte), 0);
    CHECK(take_all_and_look(mfn)); /* the last use is over */
    give_all_back();
}

/*
 * The mapping is gone, its translation may still be cached: it must not reach the frame's next
 * life. The frame is ours again here, but at another address.
 */
TEST("stale-translation")
{
    mfn_t mfn = pfn_to_mfn(frame_take());
    volatile uint64_t *stale = window;

    REQUIRE_EQ(map_va(window, pte_make(mfn, PTE_RW)), 0);
    stale[0] = 1;
    REQUIRE_EQ(update_va_mapping(window, 0, UVMF_NONE), 0);
    REQUIRE_EQ(give_back(mfn), 1);
    CHECK(take_all_and_look(mfn));
    CHECK_EQ(FAULT_OF(stale[0] = 0xbad), TRAP_PF);
    REQUIRE_EQ(map_va(window, pte_make(mfn, PTE_RW)), 0);
    CHECK(window[0] != 0xbad);
    REQUIRE_EQ(map_va(window, window_pte), 0);
    give_all_back();
}

/* Linked under the running root, at the first address behind the mapped area. */
TEST("page-table")
{
    uint64_t *l1 = page_alloc(), slot = pt_entry_machine(pfn_to_va(mm_mapped_end_pfn()), 2);
    mfn_t mfn = va_to_mfn(l1);

    REQUIRE(slot != 0);
    REQUIRE_EQ(page_set_writable(l1, false), 0);
    REQUIRE_EQ(pte_write(slot, pte_make(mfn, PTE_TABLE)), 0);
    REQUIRE_EQ(map_va(l1, 0), 0);
    if (give_back(mfn) == 1) {
        CHECK(!take_all_and_look(mfn));
        give_all_back();
    }
    REQUIRE_EQ(pte_write(slot, 0), 0);
}

/* A pin alone: it may hold the frame (Xen) or end with it, but not outlive it. */
TEST("pinned-table")
{
    uint64_t *l1 = page_alloc();
    mfn_t mfn = va_to_mfn(l1);

    REQUIRE_EQ(page_set_writable(l1, false), 0);
    REQUIRE_EQ(mmuext(MMUEXT_PIN_L1_TABLE, mfn), 0);
    REQUIRE_EQ(map_va(l1, 0), 0);
    if (give_back(mfn) == 1) {
        if (take_all_and_look(mfn))
            CHECK(mmuext(MMUEXT_UNPIN_TABLE, mfn) < 0);
        give_all_back();
    }
    mmuext(MMUEXT_UNPIN_TABLE, mfn);
}

TEST("running-root")
{
    mfn_t old = va_to_mfn((void *)start_info->pt_base);
    uint64_t *root = page_alloc();
    mfn_t mfn = va_to_mfn(root);

    for (unsigned slot = 0; slot < 512; slot++)
        if (slot < 256 || slot > 271)
            root[slot] = ((uint64_t *)start_info->pt_base)[slot];
    REQUIRE_EQ(page_set_writable(root, false), 0);
    REQUIRE_EQ(mmuext(MMUEXT_NEW_BASEPTR, mfn), 0);
    REQUIRE_EQ(map_va(root, 0), 0);
    if (give_back(mfn) == 1) {
        CHECK(!take_all_and_look(mfn));
        give_all_back();
    }
    REQUIRE_EQ(mmuext(MMUEXT_NEW_BASEPTR, old), 0);
}

TEST("gdt")
{
    uint64_t *gdt = page_alloc();
    xen_pfn_t frame = va_to_mfn(gdt);
    mfn_t mfn = frame;

    REQUIRE_EQ(page_set_writable(gdt, false), 0);
    REQUIRE_EQ(set_gdt(&frame, 512), 0);
    REQUIRE_EQ(map_va(gdt, 0), 0);
    if (give_back(mfn) == 1) {
        CHECK(!take_all_and_look(mfn));
        give_all_back();
    }
    REQUIRE_EQ(set_gdt(NULL, 0), 0);
}

/* What the hypervisor writes to by itself. */
TEST("event-control-block")
{
    uint8_t *page = page_alloc(), *array = page_alloc();
    mfn_t mfn = va_to_mfn(page), array_mfn = va_to_mfn(array);
    struct evtchn_init_control control = {.control_gfn = mfn};
    struct evtchn_expand_array expand = {.array_gfn = array_mfn};

    REQUIRE_EQ(event_channel_op(EVTCHNOP_init_control, &control), 0);
    REQUIRE_EQ(event_channel_op(EVTCHNOP_expand_array, &expand), 0);
    REQUIRE_EQ(map_va(page, 0), 0);
    REQUIRE_EQ(map_va(array, 0), 0);
    if (give_back(mfn) == 1) {
        CHECK(!take_all_and_look(mfn));
        give_all_back();
    }
    if (give_back(array_mfn) == 1) {
        CHECK(!take_all_and_look(array_mfn));
        give_all_back();
    }
}

TEST("vcpu-info")
{
    uint8_t *page = page_alloc();
    mfn_t mfn = va_to_mfn(page);
    struct vcpu_register_vcpu_info op = {.mfn = mfn, .offset = 256};

    REQUIRE_EQ(vcpu_op(VCPUOP_register_vcpu_info, 0, &op), 0);
    vcpu_info_current = (struct vcpu_info *)(page + 256);
    if (give_back(mfn) == 1) {
        CHECK(!take_all_and_look(mfn));
        give_all_back();
    }
    CHECK_EQ(FAULT_OF(__asm__ volatile("ud2")), TRAP_UD);
}
