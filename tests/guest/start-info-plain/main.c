/* SPDX-License-Identifier: MIT */
/*
 * The state a PV dom0 kernel is entered in when it has neither INIT_P2M nor MOD_START_PFN: the
 * module and the P2M are mapped behind the kernel image and named by their addresses.
 */
/* RUN: args="gamma" module=9000 */
/* RUN: name=no-module args="gamma" */
/* RUN: name=large-module args="gamma" module=5000003 */
/* RUN: name=2048M args="gamma 2048M" dom0_mem=2048M memory=6144 module=9000 */
/* RUN: name=all-memory args="gamma all" dom0_mem="" module=9000 */
/* RUN: name=two-cpus args="gamma" smp=2 module=9000 */
/* RUN: name=q35 args="gamma" qemu="-M q35" module=9000 */
#include "start-info.h"

TEST("registers")
{
    check_registers();
}

TEST("start-info-fields")
{
    check_start_info();
    CHECK(!(start_info->flags & SIF_MOD_START_PFN));
    CHECK(start_info->mfn_list >= (uint64_t)boot_stack_end);
    CHECK(start_info->mfn_list < start_info->pt_base);
    CHECK(option_given("gamma"));
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

TEST("module")
{
    if (start_info->mod_len == 0)
        SKIP("none given");
    CHECK(start_info->mod_len == 9000 || start_info->mod_len == 5000003);
    CHECK(start_info->mod_start >= (uint64_t)boot_stack_end);
    CHECK(start_info->mod_start + start_info->mod_len <= start_info->pt_base);
    CHECK(module_bytes_good((uint8_t *)start_info->mod_start, 0, start_info->mod_len));
}

TEST("shared-info")
{
    check_shared_info();
}
