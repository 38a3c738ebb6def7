/* SPDX-License-Identifier: MIT */
/* Page faults of PV guests: LDT window, writes to read-only L1 tables, else the guest's own. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/log.h>
#include <x86/cpu.h>
#include <x86/desc.h>
#include <x86/emulate_ptwr.h>
#include <x86/pagetype.h>
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
    entry = ((uint64_t *)frame_to_virt(table))[slot];
    p = (entry & PTE_P) ? page_get_frame(pte_frame(entry), v->domain->id) : NULL;
    if (!p)
        return false;
    if (page_type_get(p, PAGE_TYPE_DESCRIPTOR, v->domain) != 0) {
        page_put(p);
        return false;
    }
    desc_map_ldt_page(cpu, offset >> PAGE_SHIFT, page_mfn(p));
    return true;
}

/* Does `addr` map, read-only, a frame that is an L1 table of this domain? */
static bool is_l1_table_mapping(struct vcpu *v, uint64_t addr)
{
    uint64_t entry;
    unsigned slot;
    mfn_t table, mfn;

    if (!pagetable_find_l1(v->arch.kernel_root, addr, &table, &slot))
        return false;
    entry = ((uint64_t *)frame_to_virt(table))[slot];
    mfn = pte_frame(entry);
    return (entry & PTE_P) && !(entry & PTE_RW) && frame_is_ram(mfn) &&
           page_type_of(page_of(mfn)->type) == PAGE_TYPE_L1 &&
           (page_of(mfn)->type & PAGE_TYPE_COUNT_MASK) && page_of(mfn)->owner == v->domain->id;
}

static bool emulate_table_write(struct vcpu *v, uint64_t addr)
{
    struct x86_regs *regs = &v->arch.regs;
    struct segment_bases bases = {.fs = rdmsr(MSR_FS_BASE), .gs = rdmsr(MSR_KERNEL_GS_BASE)};
    struct emul_outcome out = {0};

    if (!is_l1_table_mapping(v, addr))
        return false;
    ptwr_emulate(v, regs, &bases, addr, &out);
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
    if (!pv_address_is_allowed(addr)) {
        uint64_t ldt_offset = addr - desc_ldt_window(this_cpu());

        if (pv_ldt_fault(v, addr))
            return;
        if (ldt_offset < (uint64_t)v->arch.ldt_count * 8)
            addr = v->arch.ldt_base + ldt_offset; /* where the guest thinks its table is */
    }
    if (v->arch.in_kernel) {
        /* A store of the guest's kernel to a page that is mapped read-only. */
        if ((error_code & (X86_PF_PRESENT | X86_PF_WRITE)) == (X86_PF_PRESENT | X86_PF_WRITE) &&
            pv_address_is_allowed(addr) && emulate_table_write(v, addr))
            return;
        error_code &= ~X86_PF_USER;
    }
    pv_inject_page_fault(v, addr, error_code);
}

/* ---- for the emulation of such writes (x86/emulate_ptwr.h) ------------------------------------- */

int pv_emul_pte_read(struct vcpu *v, uint64_t gva, uint64_t *entry)
{
    return arch_guest_read(entry, gva, sizeof(*entry));
}

int pv_emul_pte_write(struct vcpu *v, uint64_t gva, uint64_t old, uint64_t new, bool compare)
{
    struct pagetable_write how = {.d = v->domain, .frame_owner = v->domain->id, .compare = compare, .expected = old, .found = &old};
    uint64_t entry;
    struct page *p;
    unsigned slot;
    mfn_t table;
    int err;

    if (!pagetable_find_l1(v->arch.kernel_root, gva, &table, &slot))
        return -EFAULT;
    entry = ((uint64_t *)frame_to_virt(table))[slot];
    p = page_get_frame(pte_frame(entry), v->domain->id);
    if (!p)
        return -EFAULT;
    err = page_type_get(p, PAGE_TYPE_L1, v->domain);
    if (err == 0) {
        err = pagetable_write(p, (gva & ~PAGE_MASK) / sizeof(new), new, &how);
        page_type_put(p);
    }
    page_put(p);
    return err;
}
