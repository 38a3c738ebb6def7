/* SPDX-License-Identifier: MIT */
/*
 * Grant mappings in a PV domain's page tables: at a virtual address of the caller, or in an L1
 * entry named by its machine address (GNTMAP_contains_pte).
 */
#include <kr/cpu.h>
#include <kr/log.h>
#include <x86/pagetype.h>
#include <x86/pte.h>
#include <x86/pv.h>
#include <x86/tlb.h>

#include <xen/xen.h>
#include <xen/grant_table.h>

#define PTE_AVAIL_SHIFT 9
#define CLEAR_TRIES     4

/* The L1 entry that a request names: its table with a general and a type reference. */
static struct page *entry_find(struct vcpu *v, uint64_t host_addr, bool contains_pte,
                               unsigned *slot)
{
    struct page *p;
    mfn_t table;

    if (contains_pte) {
        if (host_addr & 7)
            return NULL;
        table = host_addr >> PAGE_SHIFT;
        *slot = (host_addr & ~PAGE_MASK) / sizeof(uint64_t);
    } else if (!pv_address_is_allowed(host_addr) ||
               !pagetable_find_l1(v->arch.kernel_root, host_addr, &table, slot)) {
        return NULL;
    }
    return page_typed_get(v->domain, table, PAGE_TYPE_L1, &p) == 0 ? p : NULL;
}

static uint64_t entry_for(const struct arch_grant_map *map)
{
    uint64_t flags = PTE_P | PTE_US | PTE_A | (map->readonly ? 0 : PTE_RW | PTE_D);

    return pte_make(map->mfn, flags | (uint64_t)(map->guest_avail & 7) << PTE_AVAIL_SHIFT);
}

int arch_grant_map(struct vcpu *v, const struct arch_grant_map *map)
{
    struct pagetable_write how = {.d = v->domain};
    struct page *table;
    unsigned slot;
    int err;

    how.frame_owner = page_of(map->mfn)->owner; /* stays: the caller holds a reference */
    table = entry_find(v, map->host_addr, map->contains_pte, &slot);
    if (!table)
        return GNTST_bad_virt_addr;
    err = pagetable_write(table, slot, entry_for(map), &how);
    page_typed_put(table);
    if (err)
        return GNTST_general_error;
    page_put(page_of(map->mfn)); /* the entry has taken its own in place of the caller's */
    return GNTST_okay;
}

/* Reads the entry that now maps `new_addr`, which takes the place of the grant's. */
static bool replacement_read(struct vcpu *v, uint64_t new_addr, uint64_t *entry)
{
    struct page *table;
    unsigned slot;

    table = entry_find(v, new_addr, false, &slot);
    if (!table)
        return false;
    *entry = pte_read(frame_to_virt(page_mfn(table)), slot);
    page_typed_put(table);
    return true;
}

/* A handle's own entry, or one that could be: another handle's on the same frame may be there, but
 * it must not be writable when this one is not, because the granting domain is told what has ended.
 */
static bool entry_is_of(uint64_t entry, const struct arch_grant_map *map)
{
    return (entry & PTE_P) && pte_frame(entry) == map->mfn && !(entry & PTE_RW) == map->readonly;
}

int arch_grant_unmap(struct vcpu *v, const struct arch_grant_map *map, uint64_t new_addr)
{
    uint64_t found, entry = 0;
    struct pagetable_write how = {
        .d = v->domain, .frame_owner = v->domain->id, .compare = true, .found = &found};
    struct page *table;
    unsigned slot;
    int err;

    if (new_addr && !replacement_read(v, new_addr, &entry))
        return GNTST_bad_virt_addr;
    table = entry_find(v, map->host_addr, map->contains_pte, &slot);
    if (!table)
        return GNTST_bad_virt_addr;
    err = -EAGAIN;
    /* The CPU may set Accessed and Dirty meanwhile, once each. */
    for (unsigned i = 0; i < CLEAR_TRIES && err == -EAGAIN; i++) {
        how.expected = pte_read(frame_to_virt(page_mfn(table)), slot);
        err = entry_is_of(how.expected, map) ? pagetable_write(table, slot, entry, &how) : -EINVAL;
    }
    page_typed_put(table);
    if (err)
        return GNTST_general_error;
    if (new_addr && pv_update_va(v, new_addr, 0, v->domain->id) != 0)
        return GNTST_general_error;
    return GNTST_okay;
}

void arch_grant_flush(struct domain *d)
{
    tlb_flush_guest_all();
}
