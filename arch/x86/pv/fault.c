/* SPDX-License-Identifier: MIT */
/*
 * Page faults of PV guests: LDT window, writes to read-only L1 tables and device pages, else the
 * guest's own.
 */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/log.h>
#include <x86/cpu.h>
#include <x86/desc.h>
#include <x86/emulate_ptwr.h>
#include <x86/emulate_store.h>
#include <x86/iomem.h>
#include <x86/pagetype.h>
#include <x86/pirq.h>
#include <x86/pte.h>
#include <x86/pv.h>
#include <x86/tlb.h>

/* The guest touched its LDT through a selector: map the page of the window that is missing. */
bool pv_ldt_fault(struct vcpu *v, uint64_t addr)
{
    struct cpu *cpu = this_cpu();
    uint64_t offset = addr - desc_ldt_window(cpu), entry;
    struct page *p;
    unsigned slot;
    mfn_t table;

    if (offset >= (uint64_t)v->arch.ldt_count * 8 ||
        !pagetable_find_l1(v->arch.kernel_root, v->arch.ldt_base + offset, &table, &slot))
        return false;
    entry = pte_read(frame_to_virt(table), slot);
    if (!(entry & PTE_P) ||
        page_typed_get(v->domain, pte_frame(entry), PAGE_TYPE_DESCRIPTOR, &p) != 0)
        return false;
    desc_map_ldt_page(cpu, offset >> PAGE_SHIFT, page_mfn(p));
    return true;
}

static bool is_l1_table(const struct vcpu *v, mfn_t mfn)
{
    uint32_t word = page_of(mfn)->type;

    return page_type_of(word) == PAGE_TYPE_L1 && (word & PAGE_TYPE_COUNT_MASK) &&
           __atomic_load_n(&page_of(mfn)->owner, __ATOMIC_RELAXED) == v->domain->id;
}

/* The frame that `addr` maps read-only; MFN_INVALID: none. */
static mfn_t readonly_frame(const struct vcpu *v, uint64_t addr)
{
    uint64_t entry;
    unsigned slot;
    mfn_t table;

    if (!pagetable_find_l1(v->arch.kernel_root, addr, &table, &slot))
        return MFN_INVALID;
    entry = pte_read(frame_to_virt(table), slot);
    return (entry & PTE_P) && !(entry & PTE_RW) ? pte_frame(entry) : MFN_INVALID;
}

/* A store to an L1 table of the guest's, or to a device page that we write for it. */
static bool emulate_write(struct vcpu *v, uint64_t addr)
{
    struct x86_regs *regs = &v->arch.regs;
    struct segment_bases bases = {.fs = rdmsr(MSR_FS_BASE), .gs = rdmsr(MSR_KERNEL_GS_BASE)};
    mfn_t mfn = readonly_frame(v, addr);
    struct emul_outcome out = {0};

    if (mfn == MFN_INVALID)
        return false;
    if (frame_is_ram(mfn)) {
        if (!is_l1_table(v, mfn))
            return false;
        ptwr_emulate(v, regs, &bases, addr, &out);
    } else {
        store_emulate(v, regs, &bases, addr, &out);
    }
    switch (out.code) {
    case EMUL_DONE:
    case EMUL_RETRY: return true;
    case EMUL_INJECT:
        v->arch.debugreg[6] |= out.dr6_bits;
        if (out.vector == X86_EXC_PF)
            pv_inject_page_fault(v, out.fault_address, out.error_code);
        else
            pv_inject_exception(v, out.vector, out.error_code);
        return true;
    default: return false;
    }
}

void pv_page_fault(struct vcpu *v, uint64_t addr, uint32_t error_code)
{
    /* The CPU's own reads of descriptors are no user accesses. */
    if (!pv_address_is_allowed(addr) && !(error_code & (X86_PF_PRESENT | X86_PF_USER))) {
        uint64_t ldt_offset = addr - desc_ldt_window(this_cpu());

        if (pv_ldt_fault(v, addr))
            return;
        if (ldt_offset < (uint64_t)v->arch.ldt_count * 8)
            addr = v->arch.ldt_base + ldt_offset; /* where the guest thinks its table is */
    }
    if (v->arch.in_kernel) {
        /* A store of the guest's kernel to a page that is mapped read-only. */
        if ((error_code & (X86_PF_PRESENT | X86_PF_WRITE)) == (X86_PF_PRESENT | X86_PF_WRITE) &&
            pv_address_is_allowed(addr) && emulate_write(v, addr))
            return;
        error_code &= ~X86_PF_USER;
    }
    pv_inject_page_fault(v, addr, error_code);
}

/* ---- for the emulation of such writes (x86/emulate_ptwr.h) -------------------------------------
 */

int pv_emul_pte_read(struct vcpu *v, uint64_t gva, uint64_t *entry)
{
    return arch_guest_read(entry, gva, sizeof(*entry));
}

int pv_emul_pte_write(struct vcpu *v, uint64_t gva, uint64_t old, uint64_t new, bool compare)
{
    struct pagetable_write how = {.d = v->domain,
                                  .frame_owner = v->domain->id,
                                  .compare = compare,
                                  .expected = old,
                                  .found = &old};
    uint64_t entry;
    struct page *p;
    unsigned slot;
    mfn_t table;
    int err;

    if (!pagetable_find_l1(v->arch.kernel_root, gva, &table, &slot))
        return -EFAULT;
    entry = pte_read(frame_to_virt(table), slot);
    err = page_typed_get(v->domain, pte_frame(entry), PAGE_TYPE_L1, &p);
    if (err)
        return err;
    err = pagetable_write(p, (gva & ~PAGE_MASK) / sizeof(new), new, &how);
    page_typed_put(p);
    return err;
}

/* ---- for the emulation of stores to devices (x86/emulate_store.h) ------------------------------
 */

int pv_emul_device_store(struct vcpu *v, uint64_t gva, uint64_t value, unsigned bytes)
{
    mfn_t mfn = readonly_frame(v, gva);

    if (mfn == MFN_INVALID || frame_is_ram(mfn) || !iomem_is_readonly(mfn))
        return -EFAULT;
    pci_msix_page_write(mfn << PAGE_SHIFT | (gva & ~PAGE_MASK), value, bytes);
    return 0;
}
