/* SPDX-License-Identifier: MIT */
/* The PV boot contract as a dom0 kernel sees it: ABI of xen/xen.h (start_info) and entry registers.
 */
#include "start-info.h"

void check_registers(void)
{
    const struct entry_state *e = &entry_state;

    CHECK_EQ(e->cs, FLAT_KERNEL_CS);
    CHECK_EQ(e->ss, FLAT_KERNEL_SS);
    CHECK_EQ(e->ds, 0);
    CHECK_EQ(e->es, 0);
    CHECK_EQ(e->fs, 0);
    CHECK_EQ(e->gs, 0);
    CHECK_EQ(e->rax | e->rbx | e->rcx | e->rdx | e->rdi | e->rbp, 0);
    CHECK_EQ(e->r8 | e->r9 | e->r10 | e->r11 | e->r12 | e->r13 | e->r14 | e->r15, 0);
    CHECK_EQ(e->rflags & (RFLAGS_IF | RFLAGS_TF | RFLAGS_NT | RFLAGS_AC | BIT(10)), RFLAGS_IF);
    CHECK_EQ(e->rsp, start_info->pt_base + start_info->nr_pt_frames * PAGE_SIZE + PAGE_SIZE);
    CHECK_EQ(e->rsi, start_info);
}

void check_start_info(void)
{
    static const char magic[] = "xen-3.0-x86_64p";

    CHECK(memcmp(start_info->magic, magic, sizeof(magic)) == 0);
    if (option_given("2048M"))
        CHECK_EQ(start_info->nr_pages, 2048 * MIB / PAGE_SIZE);
    else if (option_given("all"))
        CHECK(start_info->nr_pages >= 300 * MIB / PAGE_SIZE);
    else
        CHECK_EQ(start_info->nr_pages, 128 * MIB / PAGE_SIZE);
    CHECK_EQ(start_info->flags & (SIF_PRIVILEGED | SIF_INITDOMAIN | SIF_MULTIBOOT_MOD),
             SIF_PRIVILEGED | SIF_INITDOMAIN);
    CHECK_EQ(start_info->store_mfn, 0);
    CHECK_EQ(start_info->store_evtchn, 0);
    CHECK_EQ(start_info->shared_info & (PAGE_SIZE - 1), 0);
    CHECK(start_info->shared_info != 0);
    CHECK_EQ((uint64_t)start_info & (PAGE_SIZE - 1), 0);
    CHECK_EQ(start_info->pt_base & (PAGE_SIZE - 1), 0);
    if (start_info->console.dom0.info_size) {
        CHECK(start_info->console.dom0.info_off >= sizeof(*start_info));
        CHECK(start_info->console.dom0.info_off + start_info->console.dom0.info_size <= PAGE_SIZE);
    }
}

void check_p2m(void)
{
    uint64_t distinct = 0, bad = 0, shared = start_info->shared_info >> PAGE_SHIFT;

    for (uint64_t pfn = 0; pfn < start_info->nr_pages; pfn++) {
        mfn_t mfn = pfn_to_mfn(pfn);

        if (mfn == shared || mfn_to_pfn(mfn) != pfn)
            bad++;
        else
            distinct++;
    }
    CHECK_EQ(bad, 0);
    CHECK_EQ(distinct, start_info->nr_pages);
}

/* Every mapped page translates to the frame of its own PFN; tables are read-only, the rest is not.
 */
void check_page_tables(void)
{
    uint64_t tables_start = va_to_pfn((void *)start_info->pt_base);
    uint64_t tables_end = tables_start + start_info->nr_pt_frames;
    uint64_t wrong_frame = 0, wrong_rights = 0;

    for (uint64_t pfn = 0; pfn < mm_mapped_end_pfn(); pfn++) {
        const uint64_t *entry = pt_entry(pfn_to_va(pfn), 1);

        REQUIRE(entry != NULL);
        if (pfn_to_va(pfn) == shared_info)
            continue;
        if (!(*entry & PTE_P) || pte_mfn(*entry) != pfn_to_mfn(pfn))
            wrong_frame++;
        if (!!(*entry & PTE_W) != !(pfn >= tables_start && pfn < tables_end))
            wrong_rights++;
        if (*entry & PTE_NX)
            wrong_rights++;
    }
    CHECK_EQ(wrong_frame, 0);
    CHECK_EQ(wrong_rights, 0);
    /* At least 512 KiB follow the boot stack (xen/xen.h), up to a 4 MiB boundary. */
    CHECK(mm_mapped_end_pfn() - mm_free_start_pfn() >= 128);
    CHECK_EQ(mm_mapped_end_pfn() % 1024, 0);
}

void check_memory_writable(void)
{
    volatile uint8_t *low = pfn_to_va(0), *table = (uint8_t *)start_info->pt_base;
    volatile uint8_t *last = (uint8_t *)pfn_to_va(mm_mapped_end_pfn()) - 1;

    CHECK_EQ(FAULT_OF(low[0] = 1), NO_FAULT);
    CHECK_EQ(FAULT_OF(*last = 1), NO_FAULT);
    CHECK_EQ(FAULT_OF(last[1] = 1), TRAP_PF);
    CHECK_EQ(trap_last.cr2, last + 1);
    CHECK_EQ(FAULT_OF(table[4095] = 1), TRAP_PF);
}

void check_shared_info(void)
{
    unsigned unmasked = 0;

    for (unsigned vcpu = 0; vcpu < XEN_LEGACY_MAX_VCPUS; vcpu++)
        unmasked += shared_info->vcpu_info[vcpu].evtchn_upcall_mask == 0;
    CHECK_EQ(unmasked, 0);
    CHECK_EQ(shared_info->evtchn_pending[0], 0);
    CHECK_EQ(shared_info->wc_version & 1, 0);
    CHECK(shared_info->wc_sec > 1600000000 || shared_info->wc_sec_hi > 0);
    CHECK(shared_info->vcpu_info[0].time.tsc_to_system_mul != 0);
    CHECK_EQ(shared_info->vcpu_info[0].time.version & 1, 0);
}

bool module_bytes_good(const uint8_t *bytes, uint64_t offset, uint64_t size_bytes)
{
    for (uint64_t i = 0; i < size_bytes; i++) {
        uint64_t at = offset + i;

        if (bytes[i] != (uint8_t)(at * 7 + at / 251))
            return false;
    }
    return true;
}
