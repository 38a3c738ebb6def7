/* SPDX-License-Identifier: MIT */
/*
 * The state a PV dom0 kernel is entered in, with INIT_P2M and MOD_START_PFN notes, as Linux has
 * them: registers, start_info, P2M and M2P, page tables, the module's bytes.
 */
/* RUN: args="alpha beta=2" module=70001 */
/* RUN: name=no-module args="alpha beta=2" */
/* RUN: name=large-module args="alpha beta=2" module=5000003 */
/* RUN: name=2048M args="alpha beta=2 2048M" dom0_mem=2048M memory=6144 module=70001 */
/* RUN: name=all-memory args="alpha beta=2 all" dom0_mem="" module=70001 */
/* RUN: name=two-cpus args="alpha beta=2" smp=2 module=70001 */
/* RUN: name=q35 args="alpha beta=2" qemu="-M q35" module=70001 */
#include "start-info.h"

TEST("registers")
{
    check_registers();
}

TEST("start-info-fields")
{
    check_start_info();
    CHECK_EQ(start_info->mfn_list, 0x8000000000);
    CHECK_EQ(!!(start_info->flags & SIF_MOD_START_PFN), start_info->mod_len != 0);
}

TEST("command-line")
{
    CHECK(option_given("alpha"));
    CHECK(option_given("beta=2"));
    CHECK(!option_given("beta"));
}

TEST("p2m-pfns")
{
    uint64_t pages = start_info->nr_pages;

    CHECK(start_info->first_p2m_pfn >= mm_mapped_end_pfn());
    CHECK(start_info->nr_p2m_frames >= DIV_ROUND_UP(pages * 8, PAGE_SIZE) + 2);
    CHECK(start_info->first_p2m_pfn + start_info->nr_p2m_frames <= pages);
}

TEST("p2m-and-m2p")
{
    check_p2m();
}

TEST("page-tables")
{
    check_page_tables();
}

TEST("memory-writable")
{
    check_memory_writable();
}

/* The module is only a PFN range: map it page by page into one window page. */
TEST("module")
{
    uint8_t *window = page_alloc();
    uint64_t own = va_to_mfn(window);

    if (start_info->mod_len == 0)
        SKIP("none given");
    CHECK(start_info->mod_len == 70001 || start_info->mod_len == 5000003);
    CHECK(start_info->mod_start >= mm_mapped_end_pfn());
    for (uint64_t offset = 0; offset < start_info->mod_len; offset += PAGE_SIZE) {
        uint64_t pfn = start_info->mod_start + offset / PAGE_SIZE;
        uint64_t size = MIN(PAGE_SIZE, start_info->mod_len - offset);

        REQUIRE_EQ(map_va(window, pte_make(pfn_to_mfn(pfn), PTE_RW)), 0);
        CHECK(module_bytes_good(window, offset, size));
    }
    REQUIRE_EQ(map_va(window, pte_make(own, PTE_RW)), 0);
    page_free(window);
}

TEST("shared-info")
{
    check_shared_info();
}
