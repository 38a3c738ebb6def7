/* SPDX-License-Identifier: MIT */
/*
 * Random sequences on a few pages that take turns as data and as tables of every level: mapping,
 * linking, pinning, roots, grants, direct writes. At the end all is taken down and each page must
 * be as free as at the start: writable, and after that fit to be a table, so no reference was lost
 * either way.
 */
/* RUN: xen="guest_loglvl=none pv-linear-pt=off" timeout=40 */
/* RUN: name=2 xen="guest_loglvl=none pv-linear-pt=off" args="seed=2" timeout=40 */
/* RUN: name=3 xen="guest_loglvl=none pv-linear-pt=off" args="seed=3" timeout=40 */
#include "guest.h"
#include <xen/grant_table.h>

#define PAGES  12
#define ROUNDS 400
#define STEPS  60
#define SLOTS  4 /* entries of each table that are used, to make things meet */

static uint64_t *pages[PAGES];
static uint64_t *windows[4];
static uint64_t window_ptes[4];
static uint64_t random_state = 88172645463325252UL;
static uint64_t accepted, refused;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

static void count(long err)
{
    if (err)
        refused++;
    else
        accepted++;
}

static uint64_t *any_page(void)
{
    return pages[random_below(PAGES)];
}

static unsigned any_slot(void)
{
    static const unsigned slots[SLOTS] = {0, 1, 255, 511};

    return slots[random_below(SLOTS)];
}

static uint64_t any_entry(void)
{
    static const uint64_t flags[] = {PTE_RW,          PTE_RO, PTE_TABLE,       PTE_TABLE | BIT(9),
                                     PTE_RW | PTE_NX, PTE_P,  PTE_RW | PTE_PS, PTE_P | PTE_W};

    if (random_below(4) == 0)
        return 0;
    return pte_make(va_to_mfn(any_page()), flags[random_below(ARRAY_SIZE(flags))]);
}

static void step_mmuext(void)
{
    static const unsigned commands[] = {
        MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE,     MMUEXT_PIN_L4_TABLE,
        MMUEXT_UNPIN_TABLE,  MMUEXT_UNPIN_TABLE,  MMUEXT_NEW_USER_BASEPTR, MMUEXT_CLEAR_PAGE};

    count(mmuext(commands[random_below(ARRAY_SIZE(commands))], va_to_mfn(any_page())));
}

static void step(void)
{
    uint64_t *page = any_page();
    unsigned slot = any_slot();

    switch (random_below(8)) {
    case 0: count(page_set_writable(page, true)); break;
    case 1:
    case 2: count(page_set_writable(page, false)); break;
    case 3: count(pte_write(va_to_machine(&page[slot]), any_entry())); break;
    case 4: count(FAULT_OF(((volatile uint64_t *)page)[slot] = any_entry()) != NO_FAULT); break;
    case 5: count(map_va(windows[random_below(4)], any_entry())); break;
    default: step_mmuext(); break;
    }
}

static void entries_clear(void)
{
    static const unsigned slots[SLOTS] = {0, 1, 255, 511};

    for (unsigned i = 0; i < PAGES; i++)
        for (unsigned j = 0; j < SLOTS; j++)
            pte_write(va_to_machine(&pages[i][slots[j]]), 0);
}

/*
 * Whatever a page is now: no mapping, no entry, no pin is left. The entries go first: Xen lets a
 * table refer to one of its own level, and such a ring holds itself. Xen may also leave a table
 * half validated when a pin fails below it; another pin of the right level ends that.
 */
static void take_down(void)
{
    REQUIRE_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(windows); i++)
        REQUIRE_EQ(map_va(windows[i], window_ptes[i]), 0);
    entries_clear();
    for (unsigned i = 0; i < PAGES; i++)
        mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(pages[i]));
    for (unsigned i = 0; i < PAGES; i++)
        for (unsigned level = 0; level < 4; level++)
            if (mmuext(MMUEXT_PIN_L1_TABLE + level, va_to_mfn(pages[i])) == 0) {
                entries_clear();
                mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(pages[i]));
            }
}

static void check_free(void)
{
    for (unsigned i = 0; i < PAGES; i++)
        REQUIRE_EQ(page_set_writable(pages[i], true), 0);
    for (unsigned i = 0; i < PAGES; i++)
        memset(pages[i], 0, PAGE_SIZE);
    for (unsigned i = 0; i < PAGES; i++)
        REQUIRE_EQ(page_set_writable(pages[i], false), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        unsigned level = i % 4;

        REQUIRE_EQ(mmuext(MMUEXT_PIN_L1_TABLE + level, va_to_mfn(pages[i])), 0);
        REQUIRE(page_set_writable(pages[i], true) < 0);
        REQUIRE_EQ(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(pages[i])), 0);
        REQUIRE_EQ(page_set_writable(pages[i], true), 0);
    }
}

TEST("setup")
{
    const char *at = strstr((const char *)start_info->cmd_line, "seed=");

    for (at = at ? at + 5 : ""; *at >= '0' && *at <= '9'; at++)
        random_state = random_state * 10 + *at;
    for (unsigned i = 0; i < PAGES; i++)
        pages[i] = page_alloc();
    for (unsigned i = 0; i < ARRAY_SIZE(windows); i++) {
        windows[i] = page_alloc();
        window_ptes[i] = pte_make(va_to_mfn(windows[i]), PTE_RW);
    }
    REQUIRE_EQ(vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
}

TEST("pages")
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < STEPS; i++)
            step();
        take_down();
        check_free();
    }
    CHECK(accepted > ROUNDS * STEPS / 10);
    CHECK(refused > ROUNDS * STEPS / 10);
}

/* With grant mappings of the same pages among it. */
static volatile struct grant_entry_v1 *table;

static void grant_map(unsigned ref, unsigned window, uint32_t flags)
{
    struct gnttab_map_grant_ref map = {
        .host_addr = (uint64_t)windows[window], .flags = flags, .ref = ref};

    if (map_va(windows[window], 0) != 0)
        return;
    grant_table_op(GNTTABOP_map_grant_ref, &map, 1);
    count(map.status);
    if (map.status != GNTST_okay)
        return;
    for (unsigned i = 0; i < 10; i++)
        step_mmuext();
    struct gnttab_unmap_grant_ref unmap = {.host_addr = map.host_addr, .handle = map.handle};

    REQUIRE_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
    REQUIRE_EQ(unmap.status, GNTST_okay);
}

TEST("grants")
{
    static xen_pfn_t frames[1];
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};

    set_xen_guest_handle(setup.frame_list, frames);
    REQUIRE_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
    table = page_alloc();
    REQUIRE_EQ(map_va((void *)table, pte_make(frames[0], PTE_RW)), 0);
    for (unsigned i = 0; i < PAGES; i++)
        table[8 + i] =
            (struct grant_entry_v1){.flags = GTF_permit_access, .frame = va_to_mfn(pages[i])};
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < STEPS / 4; i++)
            step();
        take_down();
        for (unsigned i = 0; i < 4; i++)
            grant_map(8 + random_below(PAGES), random_below(4),
                      GNTMAP_host_map | (random_below(2) ? GNTMAP_readonly : 0));
        take_down();
        check_free();
    }
}
