/* SPDX-License-Identifier: MIT */
/*
 * Contents of PV page tables: which entries a guest may have, and the references that they hold.
 * A present L1 entry holds a general reference on the frame it maps and, when writable, a WRITABLE
 * type reference; a higher entry holds a general and a type reference on the next table.
 * All entries get the user bit (PV kernels run in ring 3) and none is global (x86/tlb.h).
 */
#include <kr/errno.h>
#include <kr/log.h>
#include <x86/iomem.h>
#include <x86/map.h>
#include <x86/pagetype.h>
#include <x86/pte.h>
#include <x86/tlb.h>

#include "pagetable.h"
#include "walk.h"

static bool slot_is_ours(enum page_type type, unsigned slot)
{
    return type == PAGE_TYPE_L4 && slot >= L4_SLOT_HV_FIRST && slot <= L4_SLOT_HV_LAST;
}

static uint64_t entry_normalise(uint64_t entry, enum page_type type)
{
    if (!(entry & PTE_P))
        return entry;
    entry |= PTE_US;
    if (type != PAGE_TYPE_L1)
        return entry;
    entry &= ~PTE_G;
    /* Drivers map their registers whole, with the interrupt table that we write for them. */
    if ((entry & PTE_RW) && !frame_is_ram(pte_frame(entry)) && iomem_is_readonly(pte_frame(entry)))
        entry &= ~PTE_RW;
    return entry;
}

static bool entry_has_bad_bits(uint64_t entry, enum page_type type)
{
    if ((entry & PTE_NX) && pte_nx == 0)
        return true;
    if (entry & pte_reserved)
        return true;
    /* Large pages would need contiguous typing; no PV feature bit offers them. */
    return type != PAGE_TYPE_L1 && (entry & PTE_PSE);
}

static int l1_entry_get(uint64_t entry, struct domain *d, uint16_t owner)
{
    mfn_t mfn = pte_frame(entry);
    struct page *p;
    int err;

    if (!frame_is_ram(mfn))
        return iomem_is_allowed(d, mfn, entry & PTE_RW) ? 0 : -EPERM;
    p = page_get_frame(mfn, owner);
    if (!p)
        return -EINVAL;
    if (!(entry & PTE_RW))
        return 0;
    err = page_type_get(p, PAGE_TYPE_WRITABLE, d);
    if (err)
        page_put(p);
    return err;
}

static void l1_entry_put(uint64_t entry)
{
    mfn_t mfn = pte_frame(entry);
    struct page *p;

    if (!frame_is_ram(mfn))
        return;
    p = page_of(mfn);
    tlb_note_removal(p);
    if (entry & PTE_RW)
        page_type_put(p);
    page_put(p);
}

static int table_entry_get(uint64_t entry, enum page_type type, struct domain *d)
{
    struct page *p;

    return page_typed_get(d, pte_frame(entry), type - 1, &p);
}

/* References of one entry of a table of type `type`. Absent entries hold none. */
static int entry_get(uint64_t entry, enum page_type type, struct domain *d, uint16_t owner)
{
    if (!(entry & PTE_P))
        return 0;
    if (entry_has_bad_bits(entry, type))
        return -EINVAL;
    return type == PAGE_TYPE_L1 ? l1_entry_get(entry, d, owner) : table_entry_get(entry, type, d);
}

static void entry_put(uint64_t entry, enum page_type type)
{
    struct page *p;

    if (!(entry & PTE_P))
        return;
    if (type == PAGE_TYPE_L1) {
        l1_entry_put(entry);
        return;
    }
    p = page_of(pte_frame(entry));
    page_typed_put(p);
}

/* L1 tables are the unit of work: after each other entry a walk may stop. */
static int table_validate(uint64_t *table, enum page_type type, struct domain *d, unsigned *index)
{
    for (; *index < PTES_PER_TABLE; ++*index) {
        uint64_t entry = pte_read(table, *index), normal = entry_normalise(entry, type);
        int err;

        if (slot_is_ours(type, *index) || !(entry & PTE_P))
            continue;
        if (type != PAGE_TYPE_L1 && *index && walk_should_stop())
            return -ERESTART;
        err = entry_get(normal, type, d, d->id);
        if (err) {
            if (err != -ERESTART)
                log_guest(LOG_DEBUG, d, "L%d table refused: entry %u is %#lx (error %d)",
                          type - PAGE_TYPE_L1 + 1, *index, entry, err);
            return err;
        }
        if (normal != entry)
            pte_store(table, *index, normal);
    }
    if (type == PAGE_TYPE_L4)
        map_fill_guest_l4(table);
    return 0;
}

static int descriptors_validate(uint64_t *desc)
{
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*desc); i++) {
        uint64_t old = __atomic_load_n(&desc[i], __ATOMIC_RELAXED), checked = old;

        if (!descriptor_check(&checked))
            return -EINVAL;
        if (checked != old)
            __atomic_store_n(&desc[i], checked, __ATOMIC_RELAXED);
    }
    return 0;
}

int contents_validate(struct page *p, enum page_type type, struct domain *d, unsigned *index)
{
    uint64_t *contents = frame_to_virt(page_mfn(p));

    return type == PAGE_TYPE_DESCRIPTOR ? descriptors_validate(contents)
                                        : table_validate(contents, type, d, index);
}

bool contents_release(struct page *p, enum page_type type, unsigned *index)
{
    const uint64_t *table = frame_to_virt(page_mfn(p));

    while (*index) {
        unsigned i = --*index;
        uint64_t entry = pte_read(table, i);

        if (slot_is_ours(type, i) || !(entry & PTE_P))
            continue;
        entry_put(entry, type);
        if (type != PAGE_TYPE_L1 && (walk_release_is_pending() || walk_should_stop()))
            return *index == 0;
    }
    return true;
}

/* One writer of a table at a time. */
static void table_lock(struct page *p)
{
    while (__atomic_fetch_or((uint32_t *)&p->type, PAGE_TYPE_LOCKED, __ATOMIC_ACQUIRE) &
           PAGE_TYPE_LOCKED)
        arch_cpu_relax();
}

static void table_unlock(struct page *p)
{
    __atomic_fetch_and((uint32_t *)&p->type, ~PAGE_TYPE_LOCKED, __ATOMIC_RELEASE);
}

/* Hardware may set A and D under our feet, nothing else changes while the table is locked. False:
 * it has, and the writer wants to know. *old is what was there. */
static bool entry_store(uint64_t *slot, uint64_t *old, uint64_t entry,
                        const struct pagetable_write *how)
{
    uint64_t new;

    do {
        if (how->compare && *old != how->expected)
            return false;
        new = how->preserve_ad && (entry & PTE_P) ? entry | (*old & (PTE_A | PTE_D)) : entry;
    } while (
        !__atomic_compare_exchange_n(slot, old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return true;
}

/* The same references before and after: only flags change that count for nothing. */
static bool entry_keeps_references(uint64_t old, uint64_t new, enum page_type type)
{
    uint64_t counted = PTE_P | PTE_FRAME | (type == PAGE_TYPE_L1 ? PTE_RW : 0);

    return (old & PTE_P) && !((old ^ new) & counted);
}

int pagetable_write(struct page *table, unsigned slot, uint64_t entry,
                    const struct pagetable_write *how)
{
    enum page_type type = page_type_of(table->type);
    uint64_t *p = (uint64_t *)frame_to_virt(page_mfn(table)) + slot, old, put = 0;
    int err = 0;

    if (slot_is_ours(type, slot))
        return -EPERM;
    entry = entry_normalise(entry, type);
    table_lock(table);
    old = __atomic_load_n(p, __ATOMIC_RELAXED);
    if (how->compare && old != how->expected) {
        err = -EAGAIN;
    } else if (entry_keeps_references(old, entry, type)) {
        err = entry_has_bad_bits(entry, type) ? -EINVAL : 0;
        if (err == 0 && !entry_store(p, &old, entry, how))
            err = -EAGAIN;
    } else {
        err = entry_get(entry, type, how->d, how->frame_owner);
        if (err == 0) {
            err = entry_store(p, &old, entry, how) ? 0 : -EAGAIN;
            put = err ? entry : old;
        }
    }
    table_unlock(table);
    if (err == -EAGAIN)
        *how->found = old;
    entry_put(put, type);
    return err;
}

bool pagetable_find_l1(mfn_t root, uint64_t va, mfn_t *table, unsigned *slot)
{
    const unsigned slots[] = {L4_SLOT(va), L3_SLOT(va), L2_SLOT(va)};
    mfn_t mfn = root;

    for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
        uint64_t entry = pte_read(frame_to_virt(mfn), slots[i]);

        if (!(entry & PTE_P) || (entry & PTE_PSE && i > 0) || !frame_is_ram(pte_frame(entry)))
            return false;
        mfn = pte_frame(entry);
    }
    *table = mfn;
    *slot = L1_SLOT(va);
    return true;
}
