/* SPDX-License-Identifier: MIT */
/*
 * Address translation of the simulated CPUs: 4-level paging (Intel SDM 3, chapter 4) with a TLB for
 * each CPU that keeps what it read until it is flushed, as real ones may. The walker knows what
 * hardware does not: it asserts that what it walks is a page table at the hypervisor's word.
 */
#include <kr/errno.h>
#include <kr/log.h>
#include <sim/cpu.h>
#include <sim/mmu.h>
#include <x86/layout.h>
#include <x86/map.h>
#include <x86/pagetype.h>
#include <x86/pte.h>
#include <x86/pv.h>

#include <string.h>

#define ABSENT_BYTE 0xff /* what is read where no device answers */

static struct sim_tlb_entry *tlb_slot(struct sim_cpu *cpu, uint64_t va)
{
    return &cpu->tlb[(va >> PAGE_SHIFT) % SIM_TLB_ENTRIES];
}

void sim_tlb_flush(struct sim_cpu *cpu)
{
    memset(cpu->tlb, 0, sizeof(cpu->tlb));
}

void invlpg(uint64_t va)
{
    struct sim_tlb_entry *e = tlb_slot(sim_cpu_self(), va);

    if (e->page == (va >> PAGE_SHIFT) + 1)
        e->page = 0;
}

/* Hardware would walk whatever it finds there. */
static void table_check(mfn_t mfn, enum page_type type)
{
    const struct page *p;

    ASSERT(frame_is_ram(mfn));
    p = page_of(mfn);
    ASSERT(page_state(p) == PAGE_GUEST || page_state(p) == PAGE_DYING);
    ASSERT(page_type_of(p->type) == type && (p->type & PAGE_TYPE_COUNT_MASK));
}

/* Sets Accessed or Dirty in a present entry, as long as it is still what was seen. */
static uint64_t entry_mark(mfn_t table, unsigned slot, uint64_t seen, uint64_t flags)
{
    uint64_t *entry = (uint64_t *)frame_to_virt(table) + slot;

    while ((seen & PTE_P) && (seen & flags) != flags &&
           !__atomic_compare_exchange_n(entry, &seen, seen | flags, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
        ;
    return seen;
}

static uint64_t entry_read(mfn_t table, unsigned slot)
{
    return __atomic_load_n((uint64_t *)frame_to_virt(table) + slot, __ATOMIC_RELAXED);
}

/* True: *out is the translation. Else *error_code is the fault's. */
static bool walk(struct sim_cpu *cpu, uint64_t va, bool is_write, struct sim_tlb_entry *out,
                 uint32_t *error_code)
{
    const unsigned slots[] = {L4_SLOT(va), L3_SLOT(va), L2_SLOT(va), L1_SLOT(va)};
    mfn_t table = cpu->cr3 >> PAGE_SHIFT;
    bool is_writable = true;
    uint64_t entry = 0;

    *error_code = X86_PF_USER | (is_write ? X86_PF_WRITE : 0);
    for (unsigned i = 0; i < 4; i++) {
        table_check(table, PAGE_TYPE_L4 - i);
        entry = entry_mark(table, slots[i], entry_read(table, slots[i]), PTE_A);
        if (!(entry & PTE_P))
            return false;
        is_writable &= !!(entry & PTE_RW);
        if (i < 3)
            table = pte_frame(entry);
    }
    if (is_write && !is_writable) {
        *error_code |= X86_PF_PRESENT;
        return false;
    }
    if (is_write)
        entry_mark(table, L1_SLOT(va), entry, PTE_D);
    *out = (struct sim_tlb_entry){.page = (va >> PAGE_SHIFT) + 1,
                                  .mfn = pte_frame(entry),
                                  .is_writable = is_write,
                                  .is_ram = frame_is_ram(pte_frame(entry))};
    if (out->is_ram)
        out->use = sim_frame_use(out->mfn);
    return true;
}

static bool translate(struct sim_cpu *cpu, uint64_t va, bool is_write, struct sim_tlb_entry *out,
                      uint32_t *error_code)
{
    struct sim_tlb_entry *e = tlb_slot(cpu, va);

    if (e->page == (va >> PAGE_SHIFT) + 1 && (e->is_writable || !is_write)) {
        *out = *e;
        if (e->is_ram)
            sim_tlb_hit(cpu, e, is_write);
        return true;
    }
    if (!walk(cpu, va, is_write, out, error_code))
        return false;
    *e = *out;
    return true;
}

/* The hypervisor's own L4 maps nothing of a guest's. */
static bool has_guest_root(const struct sim_cpu *cpu)
{
    return cpu->cr3 >> PAGE_SHIFT != virt_to_frame(hv_l4);
}

bool sim_mmu_access(uint64_t va, void *buffer, size_t size_bytes, bool is_write,
                    struct sim_fault *fault)
{
    struct sim_cpu *cpu = sim_cpu_self();
    char *p = buffer;

    while (size_bytes > 0) {
        size_t bytes = MIN(size_bytes, PAGE_SIZE - (va & ~PAGE_MASK));
        struct sim_tlb_entry e;
        char *ram;

        fault->va = va;
        fault->error_code = X86_PF_USER | (is_write ? X86_PF_WRITE : 0);
        if (!has_guest_root(cpu) || !translate(cpu, va, is_write, &e, &fault->error_code))
            return false;
        ram = e.is_ram ? (char *)frame_to_virt(e.mfn) + (va & ~PAGE_MASK) : NULL;
        if (ram && is_write)
            sim_shared_copy(ram, p, bytes);
        else if (ram)
            sim_shared_copy(p, ram, bytes);
        else if (!is_write)
            memset(p, ABSENT_BYTE, bytes);
        p += bytes;
        va += bytes;
        size_bytes -= bytes;
    }
    return true;
}

void *sim_mmu_word(uint64_t va)
{
    struct sim_cpu *cpu = sim_cpu_self();
    struct sim_tlb_entry e;
    uint32_t error_code;

    if (!has_guest_root(cpu) || !translate(cpu, va, true, &e, &error_code) || !e.is_ram)
        return NULL;
    return (char *)frame_to_virt(e.mfn) + (va & ~PAGE_MASK);
}

/* Guests write at any time what the hypervisor reads: no data race is one here. */
__attribute__((no_sanitize("thread"))) void sim_shared_copy(void *dst, const void *src,
                                                            size_t size_bytes)
{
    volatile char *to = dst;
    const volatile char *from = src;

    for (size_t i = 0; i < size_bytes; i++)
        to[i] = from[i];
}

int loaded_space_read(void *dst, uint64_t va, size_t size_bytes)
{
    struct sim_fault fault;

    return sim_mmu_access(va, dst, size_bytes, false, &fault) ? 0 : -EFAULT;
}

int loaded_space_write(uint64_t va, const void *src, size_t size_bytes)
{
    struct sim_fault fault;

    return sim_mmu_access(va, (void *)src, size_bytes, true, &fault) ? 0 : -EFAULT;
}
