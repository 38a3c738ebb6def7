/* SPDX-License-Identifier: MIT */
/*
 * HYPERVISOR_memory_op: giving pages back, asking for new ones, exchange, limits, memory maps, the
 * machine-to-physical table. Partial success is a count of extents; what came of them is checked by
 * mapping the frames.
 */
#include "guest.h"
#include <xen/memory.h>

#define FRAMES 8

static uint64_t pfns[FRAMES]; /* PFNs nobody else uses */
static uint64_t *window;
static uint64_t window_pte;

static void p2m_set(uint64_t pfn, mfn_t mfn)
{
    ((volatile uint64_t *)start_info->mfn_list)[pfn] = mfn;
}

static struct xen_memory_reservation reservation(xen_pfn_t *list, unsigned count, unsigned order)
{
    struct xen_memory_reservation op = {
        .nr_extents = count, .extent_order = order, .domid = DOMID_SELF};

    set_xen_guest_handle(op.extent_start, list);
    return op;
}

static long reserve(unsigned cmd, xen_pfn_t *list, unsigned count, unsigned order)
{
    struct xen_memory_reservation op = reservation(list, count, order);

    return memory_op(cmd, &op);
}

static long pages_now(void)
{
    struct xen_memory_domain op = {.domid = DOMID_SELF};

    return memory_op(XENMEM_current_reservation, &op);
}

static bool frame_is_ours(mfn_t mfn)
{
    long err = map_va(window, pte_make(mfn, PTE_RW));
    bool ours = err == 0;

    if (ours)
        window[0] = 0x7e57;
    REQUIRE_EQ(map_va(window, window_pte), 0);
    return ours;
}

TEST("setup")
{
    window = page_alloc();
    window_pte = pte_make(va_to_mfn(window), PTE_RW);
    for (unsigned i = 0; i < FRAMES; i++)
        pfns[i] = frame_take();
}

TEST("limits")
{
    struct xen_memory_domain self = {.domid = DOMID_SELF}, none = {.domid = 77};
    long pages = pages_now();

    CHECK(pages >= (long)start_info->nr_pages && pages < (long)start_info->nr_pages + 64);
    CHECK(memory_op(XENMEM_maximum_reservation, &self) >= pages);
    CHECK(memory_op(XENMEM_maximum_ram_page, NULL) >= (long)(512 * MIB / PAGE_SIZE - 512));
    CHECK(memory_op(XENMEM_maximum_gpfn, &self) < (1L << 40));
    CHECK_EQ(memory_op(XENMEM_current_reservation, &none), -ESRCH);
    CHECK_EQ(memory_op(XENMEM_maximum_reservation, &none), -ESRCH);
    CHECK_EQ(memory_op(XENMEM_maximum_gpfn, &none), -ESRCH);
    CHECK_EQ(memory_op(XENMEM_current_reservation, 0x1000), -EFAULT);
}

TEST("machphys-mapping")
{
    struct xen_machphys_mapping op = {0};

    CHECK_EQ(memory_op(XENMEM_machphys_mapping, &op), 0);
    CHECK_EQ(op.v_start, MACH2PHYS_VIRT_START);
    CHECK_EQ(op.v_end, MACH2PHYS_VIRT_END);
    CHECK(op.max_mfn >= 512 * MIB / PAGE_SIZE - 512);
    CHECK_EQ(memory_op(XENMEM_machphys_mapping, 0x1000), -EFAULT);
}

TEST("machphys-mfn-list")
{
    static xen_pfn_t list[4];
    struct xen_machphys_mfn_list op = {.max_extents = ARRAY_SIZE(list)};

    set_xen_guest_handle(op.extent_start, list);
    CHECK_EQ(memory_op(XENMEM_machphys_mfn_list, &op), 0);
    CHECK(op.nr_extents >= 1);
    CHECK_EQ(list[0] & 511, 0); /* 2 MiB pieces */
}

/* The host's map, sorted, without overlaps, with the machine's RAM. */
struct e820_entry {
    uint64_t start, size;
    uint32_t type;
} __packed;

TEST("machine-memory-map")
{
    static struct e820_entry map[64];
    struct xen_memory_map op = {.nr_entries = ARRAY_SIZE(map)};
    uint64_t end = 0, ram = 0;

    set_xen_guest_handle(op.buffer, map);
    REQUIRE_EQ(memory_op(XENMEM_machine_memory_map, &op), 0);
    CHECK(op.nr_entries >= 3 && op.nr_entries < ARRAY_SIZE(map));
    for (unsigned i = 0; i < op.nr_entries; i++) {
        CHECK(map[i].start >= end);
        CHECK(map[i].size > 0);
        end = map[i].start + map[i].size;
        if (map[i].type == 1)
            ram += map[i].size;
    }
    CHECK_EQ(map[0].start, 0);
    CHECK_EQ(map[0].type, 1);
    CHECK(ram > 500 * MIB && ram <= 512 * MIB);
    op.nr_entries = 1;
    long err = memory_op(XENMEM_machine_memory_map, &op); /* no room: Xen refuses */

    CHECK(err == -EINVAL || (err == 0 && op.nr_entries == 1));
    op.nr_entries = 8;
    set_xen_guest_handle(op.buffer, (void *)0x1000);
    CHECK_EQ(memory_op(XENMEM_machine_memory_map, &op), -EFAULT);
}

TEST("memory-map")
{
    static struct e820_entry map[8];
    struct e820_entry one = {0, 128 * MIB, 1};
    struct xen_memory_map get = {.nr_entries = ARRAY_SIZE(map)};
    struct xen_foreign_memory_map set = {.domid = DOMID_SELF, .map.nr_entries = 1};

    set_xen_guest_handle(get.buffer, map);
    set_xen_guest_handle(set.map.buffer, &one);
    long err = memory_op(XENMEM_set_memory_map, &set);

    CHECK(err == 0 || err == -EPERM); /* one's own map: Xen lets the control domain */
    if (err == 0) {
        CHECK_EQ(memory_op(XENMEM_memory_map, &get), 0);
        CHECK_EQ(get.nr_entries, 1);
        CHECK_EQ(map[0].size, 128 * MIB);
    }
    set.domid = 77;
    CHECK_EQ(memory_op(XENMEM_set_memory_map, &set), -ESRCH);
}

TEST("decrease-and-populate")
{
    xen_pfn_t list[FRAMES];
    long pages = pages_now();
    mfn_t old = pfn_to_mfn(pfns[0]);

    REQUIRE(frame_is_ours(old));
    for (unsigned i = 0; i < FRAMES; i++)
        list[i] = pfn_to_mfn(pfns[i]);
    CHECK_EQ(reserve(XENMEM_decrease_reservation, list, FRAMES, 0), FRAMES);
    CHECK_EQ(pages_now(), pages - FRAMES);
    CHECK(!frame_is_ours(old));
    CHECK(mfn_to_pfn(old) != pfns[0]);

    for (unsigned i = 0; i < FRAMES; i++)
        list[i] = pfns[i];
    CHECK_EQ(reserve(XENMEM_populate_physmap, list, FRAMES, 0), FRAMES);
    CHECK_EQ(pages_now(), pages);
    for (unsigned i = 0; i < FRAMES; i++) {
        CHECK_EQ(mfn_to_pfn(list[i]), pfns[i]);
        CHECK(frame_is_ours(list[i]));
        p2m_set(pfns[i], list[i]);
    }
}

/* New pages hold nothing of their former life. */
TEST("populate-gives-clean-pages")
{
    xen_pfn_t mfn = pfn_to_mfn(pfns[0]);
    uint64_t dirty = 0;

    REQUIRE_EQ(map_va(window, pte_make(mfn, PTE_RW)), 0);
    memset(window, 0xa5, PAGE_SIZE);
    REQUIRE_EQ(map_va(window, window_pte), 0);
    for (unsigned round = 0; round < 4; round++) {
        REQUIRE_EQ(reserve(XENMEM_decrease_reservation, &mfn, 1, 0), 1);
        mfn = pfns[0];
        REQUIRE_EQ(reserve(XENMEM_populate_physmap, &mfn, 1, 0), 1);
        REQUIRE_EQ(map_va(window, pte_make(mfn, PTE_RW)), 0);
        for (unsigned i = 0; i < 512; i++)
            dirty |= window[i] == 0xa5a5a5a5a5a5a5a5;
        memset(window, 0xa5, PAGE_SIZE);
        REQUIRE_EQ(map_va(window, window_pte), 0);
    }
    p2m_set(pfns[0], mfn);
    if (dirty)
        print("note: pages of this domain come back to it unscrubbed");
}

/* A mapped page may be given back: it goes when the last mapping does. */
TEST("decrease-mapped")
{
    xen_pfn_t mfn = pfn_to_mfn(pfns[1]);
    long pages = pages_now();

    REQUIRE_EQ(map_va(window, pte_make(mfn, PTE_RW)), 0);
    long done = reserve(XENMEM_decrease_reservation, &mfn, 1, 0);

    CHECK(done == 0 || done == 1);
    CHECK_EQ(FAULT_OF(window[0] = 1), NO_FAULT); /* still mapped, still nobody else's */
    REQUIRE_EQ(map_va(window, window_pte), 0);
    if (done == 1) {
        CHECK_EQ(pages_now(), pages - 1);
        CHECK(!frame_is_ours(mfn));
        mfn = pfns[1];
        CHECK_EQ(reserve(XENMEM_populate_physmap, &mfn, 1, 0), 1);
        p2m_set(pfns[1], mfn);
    }
}

TEST("decrease-refused")
{
    xen_pfn_t list[3] = {pfn_to_mfn(pfns[2]), 1UL << 39, pfn_to_mfn(pfns[3])};

    CHECK_EQ(reserve(XENMEM_decrease_reservation, list, 3, 0), 1); /* up to the bad one */
    p2m_set(pfns[2], 0);
    list[0] = 0xb8;
    CHECK_EQ(reserve(XENMEM_decrease_reservation, list, 1, 0), 0);
    CHECK_EQ(reserve(XENMEM_decrease_reservation, list, 0, 0), 0);
    CHECK_EQ(reserve(XENMEM_decrease_reservation, (xen_pfn_t *)0x1000, 1, 0), 0);
    CHECK(reserve(XENMEM_decrease_reservation, (xen_pfn_t *)HYPERVISOR_VIRT_START, 1, 0) <= 0);
    CHECK(memory_op(XENMEM_decrease_reservation, 0x1000) <= 0);
    list[0] = pfns[2];
    CHECK_EQ(reserve(XENMEM_populate_physmap, list, 1, 0), 1);
    p2m_set(pfns[2], list[0]);
}

TEST("increase")
{
    xen_pfn_t list[2] = {0, 0};
    long pages = pages_now();

    CHECK_EQ(reserve(XENMEM_increase_reservation, list, 2, 0), 2);
    CHECK_EQ(pages_now(), pages + 2);
    CHECK(frame_is_ours(list[0]) && frame_is_ours(list[1]));
    CHECK_EQ(reserve(XENMEM_decrease_reservation, list, 2, 0), 2);
    CHECK_EQ(pages_now(), pages);
}

TEST("populate-large")
{
    xen_pfn_t pfn = start_info->nr_pages + 0x1000;
    xen_pfn_t mfn = pfn;
    long pages = pages_now();

    CHECK_EQ(reserve(XENMEM_populate_physmap, &mfn, 1, 9), 1);
    CHECK_EQ(mfn & 511, 0);
    CHECK_EQ(pages_now(), pages + 512);
    CHECK_EQ(mfn_to_pfn(mfn), pfn);
    CHECK_EQ(mfn_to_pfn(mfn + 511), pfn + 511);
    CHECK(frame_is_ours(mfn + 511));
    CHECK_EQ(reserve(XENMEM_decrease_reservation, &mfn, 1, 9), 1);
    CHECK_EQ(pages_now(), pages);
    CHECK(!frame_is_ours(mfn + 300));
}

TEST("populate-below-address")
{
    xen_pfn_t mfn = pfns[4], old = pfn_to_mfn(pfns[4]);
    struct xen_memory_reservation op;

    REQUIRE_EQ(reserve(XENMEM_decrease_reservation, &old, 1, 0), 1);
    op = reservation(&mfn, 1, 0);
    op.mem_flags = XENMEMF_address_bits(28);
    CHECK_EQ(memory_op(XENMEM_populate_physmap, &op), 1);
    CHECK(mfn < 1UL << 16);
    p2m_set(pfns[4], mfn);
    mfn = start_info->nr_pages + 1;
    op = reservation(&mfn, 1, 0);
    op.mem_flags = XENMEMF_address_bits(13);
    CHECK_EQ(memory_op(XENMEM_populate_physmap, &op), 0);
}

TEST("populate-refused")
{
    xen_pfn_t mfn = pfns[0];
    struct xen_memory_reservation op = reservation(&mfn, 1, 0);

    CHECK(reserve(XENMEM_populate_physmap, &mfn, 1, 40) <= 0);
    CHECK(reserve(XENMEM_populate_physmap, &mfn, 1, 63) <= 0);
    op.domid = 77;
    CHECK(memory_op(XENMEM_populate_physmap, &op) <= 0);
    CHECK(reserve(XENMEM_populate_physmap, (xen_pfn_t *)0x1000, 1, 0) <= 0);
}

/* More than there is: what could be done is reported, then all of it is given back. */
TEST("populate-until-empty")
{
    static xen_pfn_t list[8];
    unsigned count = 0;
    long pages = pages_now();
    static xen_pfn_t got[4096];

    while (count < ARRAY_SIZE(got)) {
        list[0] = start_info->nr_pages + 0x10000 + count * 512;
        if (reserve(XENMEM_populate_physmap, list, 1, 9) != 1)
            break;
        got[count++] = list[0];
    }
    CHECK(count > 50); /* 512 MiB machine, 128 MiB ours */
    CHECK(count < 200);
    for (unsigned i = 0; i < count; i++)
        if (!CHECK_EQ(reserve(XENMEM_decrease_reservation, &got[i], 1, 9), 1))
            break;
    CHECK_EQ(pages_now(), pages);
}

TEST("exchange")
{
    xen_pfn_t in[4], out = pfns[4];
    struct xen_memory_exchange op = {0};
    long pages = pages_now();

    for (unsigned i = 0; i < 4; i++)
        in[i] = pfn_to_mfn(pfns[4 + i]);
    op.in = reservation(in, 4, 0);
    op.out = reservation(&out, 1, 2);
    CHECK_EQ(memory_op(XENMEM_exchange, &op), 0);
    CHECK_EQ(op.nr_exchanged, 4);
    CHECK_EQ(pages_now(), pages);
    CHECK_EQ(out & 3, 0);
    for (unsigned i = 0; i < 4; i++) {
        CHECK(frame_is_ours(out + i));
        CHECK_EQ(mfn_to_pfn(out + i), pfns[4] + i);
    }
    /* And back to single pages. */
    xen_pfn_t singles[4];

    for (unsigned i = 0; i < 4; i++)
        singles[i] = pfns[4 + i];
    op = (struct xen_memory_exchange){.in = reservation(&out, 1, 2),
                                      .out = reservation(singles, 4, 0)};
    CHECK_EQ(memory_op(XENMEM_exchange, &op), 0);
    CHECK_EQ(op.nr_exchanged, 1);
    for (unsigned i = 0; i < 4; i++) {
        CHECK(frame_is_ours(singles[i]));
        CHECK_EQ(mfn_to_pfn(singles[i]), pfns[4 + i]);
        p2m_set(pfns[4 + i], singles[i]);
    }
    CHECK_EQ(pages_now(), pages);
}

TEST("exchange-below-address")
{
    xen_pfn_t in = pfn_to_mfn(pfns[5]), out = pfns[5];
    struct xen_memory_exchange op = {.in = reservation(&in, 1, 0), .out = reservation(&out, 1, 0)};

    op.out.mem_flags = XENMEMF_address_bits(28);
    CHECK_EQ(memory_op(XENMEM_exchange, &op), 0);
    CHECK(out < 1UL << 16);
    p2m_set(pfns[5], out);
    in = out;
    out = pfns[5];
    op.nr_exchanged = 0;
    op.out.mem_flags = XENMEMF_address_bits(13);
    CHECK_EQ(memory_op(XENMEM_exchange, &op), -ENOMEM);
    CHECK_EQ(op.nr_exchanged, 0);
    CHECK(frame_is_ours(in));
}

TEST("exchange-refused")
{
    xen_pfn_t in[2] = {pfn_to_mfn(pfns[6]), 1UL << 39}, out[2] = {pfns[6], pfns[7]};
    struct xen_memory_exchange op = {.in = reservation(in, 2, 0), .out = reservation(out, 1, 0)};
    long pages = pages_now();

    CHECK_EQ(memory_op(XENMEM_exchange, &op), -EINVAL); /* sizes differ */
    op.out = reservation(out, 2, 0);
    CHECK(memory_op(XENMEM_exchange, &op) < 0); /* the second frame is not ours */
    if (op.nr_exchanged == 1)
        p2m_set(pfns[6], out[0]);
    op = (struct xen_memory_exchange){.in = reservation(in, 1, 0), .out = reservation(out, 1, 0)};
    op.nr_exchanged = 2;
    CHECK_EQ(memory_op(XENMEM_exchange, &op), -EINVAL);
    op.nr_exchanged = 0;
    op.out.domid = 77;
    CHECK(memory_op(XENMEM_exchange, &op) < 0);
    CHECK_EQ(memory_op(XENMEM_exchange, 0x1000), -EFAULT);
    CHECK_EQ(pages_now(), pages);
}

/* A PV domain keeps its page numbers itself: what would change those of a translated one is
 * refused, whoever asks for whom. */
TEST("translated-only")
{
    static xen_ulong_t indexes[2];
    static xen_pfn_t places[2] = {5, 6};
    static int errors[2];
    struct xen_add_to_physmap add = {.domid = DOMID_SELF, .gpfn = pfns[0], .size = 1};
    struct xen_add_to_physmap_batch batch = {.domid = DOMID_SELF, .size = 2};
    struct xen_remove_from_physmap remove = {.domid = DOMID_SELF, .gpfn = pfn_to_mfn(pfns[0])};
    long pages = pages_now();

    set_xen_guest_handle(batch.idxs, indexes);
    set_xen_guest_handle(batch.gpfns, places);
    set_xen_guest_handle(batch.errs, errors);
    for (unsigned space = XENMAPSPACE_shared_info; space <= XENMAPSPACE_dev_mmio; space++) {
        add.space = batch.space = space;
        CHECK_EQ(memory_op(XENMEM_add_to_physmap, &add),
                 space == XENMAPSPACE_gmfn_foreign ? -ENOSYS : -EACCES);
        CHECK_EQ(memory_op(XENMEM_add_to_physmap_batch, &batch),
                 space == XENMAPSPACE_gmfn_range ? -EOPNOTSUPP : -EACCES);
    }
    CHECK_EQ(memory_op(XENMEM_remove_from_physmap, &remove), -EACCES);
    CHECK_EQ(pages_now(), pages);
    CHECK(frame_is_ours(remove.gpfn));
    add.space = batch.space = XENMAPSPACE_grant_table;
    add.domid = batch.domid = remove.domid = 77;
    CHECK_EQ(memory_op(XENMEM_add_to_physmap, &add), -ESRCH);
    CHECK_EQ(memory_op(XENMEM_add_to_physmap_batch, &batch), -ESRCH);
    CHECK_EQ(memory_op(XENMEM_remove_from_physmap, &remove), -ESRCH);
    CHECK_EQ(memory_op(XENMEM_add_to_physmap, 0x1000), -EFAULT);
    CHECK_EQ(memory_op(XENMEM_add_to_physmap_batch, 0x1000), -EFAULT);
    CHECK_EQ(memory_op(XENMEM_remove_from_physmap, 0x1000), -EFAULT);
}

/* No IOMMU here, so no device keeps memory to itself; and no 32-bit PV domains. */
TEST("reserved-device-memory")
{
    struct xen_reserved_device_memory_map map = {.flags = XENMEM_RDM_ALL};
    struct xen_machphys_mfn_list list = {.max_extents = 0};

    CHECK_EQ(memory_op(XENMEM_reserved_device_memory_map, &map), 0);
    CHECK_EQ(map.nr_entries, 0);
    map.flags = 2;
    CHECK_EQ(memory_op(XENMEM_reserved_device_memory_map, &map), -EINVAL);
    CHECK_EQ(memory_op(XENMEM_machphys_compat_mfn_list, &list), -EOPNOTSUPP);
}

/* Large pieces traded for small ones and back, and back once more in the middle size. */
TEST("exchange-large")
{
    enum { ORDER = 9, COUNT = 1 << ORDER };
    static xen_pfn_t singles[COUNT];
    xen_pfn_t first = start_info->nr_pages + 0x2000, large = first, middle[8];
    struct xen_memory_exchange op;
    long pages = pages_now();

    REQUIRE_EQ(reserve(XENMEM_populate_physmap, &large, 1, ORDER), 1);
    for (unsigned i = 0; i < COUNT; i++)
        singles[i] = first + i;
    op = (struct xen_memory_exchange){.in = reservation(&large, 1, ORDER),
                                      .out = reservation(singles, COUNT, 0)};
    CHECK_EQ(memory_op(XENMEM_exchange, &op), 0);
    CHECK_EQ(op.nr_exchanged, 1);
    CHECK_EQ(pages_now(), pages + COUNT);
    CHECK(!frame_is_ours(large));
    CHECK_EQ(mfn_to_pfn(singles[COUNT - 1]), first + COUNT - 1);
    large = first;
    op = (struct xen_memory_exchange){.in = reservation(singles, COUNT, 0),
                                      .out = reservation(&large, 1, ORDER)};
    CHECK_EQ(memory_op(XENMEM_exchange, &op), 0);
    CHECK_EQ(op.nr_exchanged, COUNT);
    CHECK_EQ(large & (COUNT - 1), 0);
    CHECK_EQ(mfn_to_pfn(large + COUNT - 1), first + COUNT - 1);
    for (unsigned i = 0; i < ARRAY_SIZE(middle); i++)
        middle[i] = first + i * (COUNT / ARRAY_SIZE(middle));
    op = (struct xen_memory_exchange){.in = reservation(&large, 1, ORDER),
                                      .out = reservation(middle, ARRAY_SIZE(middle), ORDER - 3)};
    CHECK_EQ(memory_op(XENMEM_exchange, &op), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(middle); i++)
        CHECK_EQ(middle[i] % (COUNT / ARRAY_SIZE(middle)), 0);
    CHECK_EQ(reserve(XENMEM_decrease_reservation, middle, ARRAY_SIZE(middle), ORDER - 3),
             ARRAY_SIZE(middle));
    CHECK_EQ(pages_now(), pages);
}

TEST("tools")
{
    struct xen_memory_reservation claim = reservation(NULL, 0, 0);
    struct xen_vnuma_topology_info vnuma = {.domid = DOMID_SELF, .nr_vnodes = 1};
    struct xen_mem_acquire_resource resource = {
        .domid = 77, .type = XENMEM_resource_grant_table, .nr_frames = 1};

    CHECK(memory_op(XENMEM_get_sharing_freed_pages, NULL) <= 0);
    CHECK(memory_op(XENMEM_get_sharing_shared_pages, NULL) <= 0);
    claim.domid = 77;
    CHECK(memory_op(XENMEM_claim_pages, &claim) < 0);
    CHECK(memory_op(XENMEM_get_vnumainfo, &vnuma) < 0);
    CHECK(memory_op(XENMEM_acquire_resource, &resource) < 0);
    resource.nr_frames = 0;
    resource.domid = DOMID_SELF;
    CHECK_EQ(memory_op(XENMEM_acquire_resource, &resource), -ESRCH);
    resource.domid = 0; /* one's own number */
    CHECK_EQ(memory_op(XENMEM_acquire_resource, &resource), -EPERM);
    CHECK_EQ(memory_op(63, NULL), -ENOSYS);
}
