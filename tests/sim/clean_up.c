/* SPDX-License-Identifier: MIT */
/*
 * The end of a run: the control domain gives back whatever it has of other domains and destroys
 * them, so that afterwards it is alone. What the generators remember is given back by them; what
 * nobody remembers is found in dom0's own tables. Other vCPUs of dom0 may still be in the middle of
 * their last steps: it is done until there is nothing left to do.
 */
#include "gen_control.h"
#include "gen_grant.h"
#include "gen_pagetable.h"
#include "run.h"

#include <kr/errno.h>
#include <kr/page.h>
#include <x86/pagetype.h>
#include <x86/pte.h>

#include <xen/event_channel.h>
#include <xen/memory.h>

#include "../../core/grant_internal.h"

#define ROUNDS      12
#define CANDIDATES  256
#define HANDLES_MAX 512

/* An entry of one of dom0's L1 tables that maps another domain's frame. */
struct foreign_entry {
    uint64_t address; /* of the entry */
    uint64_t entry;
};

static bool is_foreign(const struct actor *a, uint64_t entry)
{
    return (entry & PTE_P) && frame_is_ram(pte_frame(entry)) &&
           page_of(pte_frame(entry))->owner != a->domain->id;
}

static bool is_l1_table(const struct page *p)
{
    return page_type_of(p->type) == PAGE_TYPE_L1 && (p->type & PAGE_TYPE_COUNT_MASK) != 0;
}

/* Nobody else runs while a guest's code does, so the domain's list of frames may be walked. */
static unsigned foreign_find(const struct actor *a, struct foreign_entry *found)
{
    unsigned count = 0;

    for (uint32_t mfn = a->domain->memory.first; mfn != PAGE_NONE; mfn = page_of(mfn)->next) {
        const uint64_t *table = frame_to_virt(mfn);

        for (unsigned i = 0; is_l1_table(page_of(mfn)) && i < PTES_PER_TABLE; i++)
            if (is_foreign(a, table[i]) && count < CANDIDATES)
                found[count++] =
                    (struct foreign_entry){((uint64_t)mfn << PAGE_SHIFT) + i * 8UL, table[i]};
    }
    return count;
}

/* ---- grants that no generator remembers -------------------------------------------------------
 */

static unsigned handles_find(const struct actor *a, uint32_t *handles)
{
    const struct grant_table *gt = a->domain->grants;
    unsigned count = 0;

    for (uint32_t h = 0; h < grant_handle_count(gt); h++) {
        uint16_t flags = grant_mapping_at(gt, h)->flags;

        if (flags != 0 && !(flags & GRANT_MAPPING_BUSY) && count < HANDLES_MAX)
            handles[count++] = h;
    }
    return count;
}

static uint64_t host_address(struct actor *a, uint64_t address, bool by_entry)
{
    uint64_t first = slot_entry_address(a, 0);

    if (by_entry)
        return address;
    return address - first < PAGE_SIZE ? slot_va((address - first) / 8) : 0;
}

/* What a handle stands for. Its owner stays while there is one; but another CPU, if it is a thread,
 * may just have ended it. */
static mfn_t handle_frame(const struct grant_mapping *m)
{
    struct domain_memory *memory = domain_memory_of(m->owner_id);
    const struct grant_active *active =
        memory ? grant_active(container_of(memory, struct domain, memory), m->ref, false) : NULL;

    return active ? active->mfn : MFN_INVALID;
}

static bool handle_try(struct actor *a, uint32_t handle, uint64_t host_addr, mfn_t mfn)
{
    struct gnttab_unmap_grant_ref op = {
        .host_addr = host_addr, .dev_bus_addr = mfn << PAGE_SHIFT, .handle = handle, .status = 1};

    return grant_call(a, GNTTABOP_unmap_grant_ref, &op, sizeof(op), 1) == 0 &&
           op.status == GNTST_okay;
}

/* Which entry a handle is for nobody says: it is unmapped with the one that fits. */
static void handle_end(struct actor *a, uint32_t handle, const struct foreign_entry *found,
                       unsigned count)
{
    const struct grant_mapping *m = grant_mapping_at(a->domain->grants, handle);
    bool by_entry = m->flags & GRANT_MAPPING_PTE;
    bool is_readonly = m->flags & GRANT_MAPPING_READONLY;
    mfn_t mfn = handle_frame(m);

    if (!(m->flags & GRANT_MAPPING_HOST)) {
        handle_try(a, handle, 0, mfn);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        if (pte_frame(found[i].entry) == mfn && is_readonly == !(found[i].entry & PTE_RW) &&
            handle_try(a, handle, host_address(a, found[i].address, by_entry), mfn))
            return;
}

/* The entries that are left, but for those that a handle which could not be ended needs yet. */
static void entries_end(struct actor *a)
{
    struct foreign_entry found[CANDIDATES];
    uint32_t handles[HANDLES_MAX];
    unsigned count = foreign_find(a, found), handle_count = handles_find(a, handles);

    for (unsigned i = 0; i < count; i++) {
        bool is_needed = false;

        for (unsigned h = 0; h < handle_count; h++)
            is_needed |= handle_frame(grant_mapping_at(a->domain->grants, handles[h])) ==
                         pte_frame(found[i].entry);
        if (!is_needed)
            mmu_update_one(a, found[i].address, 0);
    }
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static void foreign_memory_give_back(struct actor *a)
{
    struct foreign_entry found[CANDIDATES];
    uint32_t handles[HANDLES_MAX];
    unsigned count, handle_count;

    grants_unmap_all(a);
    count = foreign_find(a, found);
    handle_count = handles_find(a, handles);
    for (unsigned i = 0; i < handle_count; i++)
        handle_end(a, handles[i], found, count);
    entries_end(a);
}

static void ports_close(struct actor *a)
{
    struct evtchn_reset reset = {.dom = DOMID_SELF};

    fifo_forget(a->model);
    call_struct(a, __HYPERVISOR_event_channel_op, EVTCHNOP_reset, &reset, sizeof(reset));
}

/* False: dom0 has lost the memory for its arguments for good, and with it the means to end anybody.
 */
static bool domains_destroy(struct actor *a)
{
    struct xen_memory_reservation no_claim = {.domid = DOMID_SELF};
    struct xen_domctl op = {0};
    bool could = true;

    call_struct(a, __HYPERVISOR_memory_op, XENMEM_claim_pages, &no_claim, sizeof(no_claim));
    for (unsigned i = 0; i < run.domain_count; i++) {
        if (run.domains[i] == a->domain->id)
            continue;
        long rc = domctl(a, XEN_DOMCTL_destroydomain, run.domains[i], &op);

        could &= rc != -EFAULT && rc != -EACCES;
    }
    return could;
}

/* A check of its tables that dom0 did not ask for again keeps them until dom0 has another one. */
static bool is_held_by_check(const struct actor *a, uint16_t id)
{
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(a->domain, v, i)
    {
        for (unsigned level = 0; level < TABLE_LEVELS; level++)
            if (v->arch.validating[level].page && v->arch.validating[level].page->owner == id)
                return true;
    }
    return false;
}

static uint16_t domain_left(const struct actor *a)
{
    for (unsigned i = 0; i < run.domain_count; i++)
        if (run.domains[i] != a->domain->id && !is_held_by_check(a, run.domains[i]))
            return run.domains[i];
    return DOMAIN_ID_INVALID;
}

void run_clean_up(struct actor *a)
{
    bool could = true;
    uint16_t left;

    alloc_fail_one_in(0);
    a->is_careful = true;
    mmuext_one(a, MMUEXT_NEW_BASEPTR, own_frame(a, SIM_PFN_TABLES));
    mmuext_one(a, MMUEXT_NEW_USER_BASEPTR, 0);
    ports_close(a);
    for (unsigned round = 0; round < ROUNDS; round++) {
        sim_pause_request();
        sim_guest_pause(a->guest);
        if (round > 0 && domain_left(a) == DOMAIN_ID_INVALID)
            break;
        foreign_memory_give_back(a);
        could = domains_destroy(a);
    }
    left = domain_left(a);
    RULE("clean-up", left == DOMAIN_ID_INVALID || !could, "d%u is left", left);
    run.is_clean = could;
    run.is_given_up = !could;
    sim_pause_request();
    sim_guest_pause(a->guest);
}
