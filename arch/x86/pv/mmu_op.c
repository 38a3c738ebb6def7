/* SPDX-License-Identifier: MIT */
/* Hypercalls that change PV page tables: mmu_update, update_va_mapping. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/hypercall.h>
#include <kr/log.h>
#include <x86/map.h>
#include <x86/mmu_op.h>
#include <x86/pagetype.h>
#include <x86/pte.h>
#include <x86/pv.h>
#include <x86/tlb.h>
#include <x86/walk.h>

#include <xen/xen.h>

#define UPDATES_PER_CHUNK 32

/* Who may act on whom: one's own tables, or another domain's for the control domain. Reference
 * taken. */
struct domain *mmu_subject_get(struct vcpu *v, uint16_t id)
{
    struct domain *d = domain_get_by_guest_id(id);

    /* A dying domain takes no references any more that nobody would give up. */
    if (d && d != v->domain && (!v->domain->is_privileged || d->is_dying)) {
        domain_put(d);
        return NULL;
    }
    return d;
}

int mmu_frame_owner(struct vcpu *v, uint16_t id, uint16_t *owner)
{
    struct domain *d;

    /* I/O frames have no owner: what matters there is the caller's own right to them. */
    *owner = id == DOMID_SELF || id == DOMID_IO ? v->domain->id : id;
    if (id == DOMID_SELF)
        return 0;
    if (!v->domain->is_privileged)
        return -EPERM;
    if (id == DOMID_IO || id == DOMID_XEN)
        return 0;
    d = id == v->domain->id ? NULL : domain_get(id);
    if (!d)
        return -ESRCH;
    domain_put(d); /* frames are taken by their owner's number, and only from a live owner */
    return 0;
}

/* A frame that is no page table: a plain store. */
static int write_plain(struct page *p, uint64_t addr, uint64_t value, struct domain *d)
{
    int err = page_type_get(p, PAGE_TYPE_WRITABLE, d);

    if (err)
        return err;
    __atomic_store_n((uint64_t *)phys_to_virt(addr), value, __ATOMIC_RELAXED);
    page_type_put(p);
    return 0;
}

static int update_entry(struct domain *tables, uint16_t frame_owner, uint64_t addr, uint64_t value,
                        bool preserve_ad)
{
    struct page *p = page_get_frame(addr >> PAGE_SHIFT, tables->id);
    enum page_type type;
    int err;

    if (!p)
        return -EINVAL;
    type = page_type_of(p->type);
    if (page_type_is_table(type) && (p->type & PAGE_TYPE_COUNT_MASK)) {
        err = page_type_get(p, type, tables);
        if (err == 0) {
            struct pagetable_write how = {
                .d = tables, .frame_owner = frame_owner, .preserve_ad = preserve_ad};

            err = pagetable_write(p, (addr & ~PAGE_MASK) / sizeof(uint64_t), value, &how);
            page_type_put(p);
        }
    } else {
        err = write_plain(p, addr, value, tables);
    }
    page_put(p);
    return err;
}

static int update_m2p(uint16_t owner, uint64_t addr, uint64_t pfn)
{
    struct page *p = page_get_frame(addr >> PAGE_SHIFT, owner);

    if (!p)
        return -EINVAL;
    m2p_set(page_mfn(p), pfn);
    page_put(p);
    return 0;
}

static int update_one(struct domain *tables, uint16_t frame_owner, const struct mmu_update *u)
{
    uint64_t addr = u->ptr & ~7UL;

    switch (u->ptr & 3) {
    case MMU_PT_UPDATE_NO_TRANSLATE: /* PV: nothing is ever translated */
    case MMU_NORMAL_PT_UPDATE: return update_entry(tables, frame_owner, addr, u->val, false);
    case MMU_PT_UPDATE_PRESERVE_AD: return update_entry(tables, frame_owner, addr, u->val, true);
    case MMU_MACHPHYS_UPDATE: return update_m2p(frame_owner, addr, u->val);
    default: return -ENOSYS;
    }
}

/* args: list, count, done (guest address or 0), foreign domain. A restarted call keeps what was
 * done before in the high half of count. */
static long update_list(struct domain *tables, uint16_t frame_owner, struct hypercall_args *args)
{
    uint32_t count = args->arg[1], done_before = args->arg[1] >> 32, done = 0;
    struct vcpu *v = current_vcpu();
    struct mmu_update u;
    long err = 0;

    for (; done < count; done++) {
        if (walk_is_left(v) ||
            (done && done % UPDATES_PER_CHUNK == 0 && hypercall_should_yield())) {
            err = -ERESTART;
            break;
        }
        if (guest_read_at(&u, args->arg[0], done) != 0) {
            err = -EFAULT;
            break;
        }
        err = update_one(tables, frame_owner, &u);
        if (err && err != -ERESTART) {
            log_guest(LOG_DEBUG, tables, "mmu_update of %#lx to %#lx refused (error %ld)", u.ptr,
                      u.val, err);
        }
        if (err)
            break;
    }
    args->arg[0] += done * sizeof(u);
    args->arg[1] = (uint64_t)(done_before + done) << 32 | (count - done);
    if (err != -ERESTART && args->arg[2] != 0) {
        uint32_t total = done_before + done;

        if (guest_write(args->arg[2], &total) != 0)
            return -EFAULT;
    }
    return err;
}

hypercall_result do_mmu_update(struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    uint32_t foreign = args->arg[3];
    uint16_t table_owner = foreign >> 16, frame_owner;
    struct domain *tables;
    long err = mmu_frame_owner(v, foreign & 0xffff, &frame_owner);

    if (err)
        return err;
    tables = mmu_subject_get(v, table_owner ? table_owner - 1 : DOMID_SELF);
    if (!tables)
        return -ESRCH;
    err = update_list(tables, frame_owner, args);
    domain_put(tables);
    return err;
}

int pv_update_va(struct vcpu *v, uint64_t va, uint64_t entry, uint16_t frame_owner)
{
    struct pagetable_write how = {.d = v->domain, .frame_owner = frame_owner};
    struct page *p;
    unsigned slot;
    mfn_t table;
    int err;

    if (!pv_address_is_allowed(va) || !pagetable_find_l1(v->arch.kernel_root, va, &table, &slot))
        return -EINVAL;
    err = page_typed_get(v->domain, table, PAGE_TYPE_L1, &p);
    if (err)
        return err;
    err = pagetable_write(p, slot, entry, &how);
    page_typed_put(p);
    return err;
}

static int flush_after(uint64_t va, uint64_t flags)
{
    switch (flags & UVMF_FLUSHTYPE_MASK) {
    case UVMF_NONE: return 0;
    case UVMF_TLB_FLUSH:
        if ((flags & ~UVMF_FLUSHTYPE_MASK) == UVMF_LOCAL)
            tlb_flush_guest_local();
        else
            tlb_flush_guest_all();
        return 0;
    case UVMF_INVLPG:
        if ((flags & ~UVMF_FLUSHTYPE_MASK) == UVMF_LOCAL)
            tlb_flush_page_local(va);
        else
            tlb_flush_guest_all();
        return 0;
    default: return -EINVAL;
    }
}

static long update_va_mapping(uint64_t va, uint64_t entry, uint64_t flags, uint16_t foreign)
{
    struct vcpu *v = current_vcpu();
    uint16_t frame_owner;
    int err = mmu_frame_owner(v, foreign, &frame_owner);

    if (err)
        return err;
    err = pv_update_va(v, va, entry, frame_owner);
    if (err) {
        log_guest(LOG_DEBUG, v->domain, "update_va_mapping of %#lx to %#lx refused (error %d)", va,
                  entry, err);
        return err;
    }
    return flush_after(va, flags);
}

hypercall_result do_update_va_mapping(struct hypercall_args *args)
{
    return update_va_mapping(args->arg[0], args->arg[1], args->arg[2], DOMID_SELF);
}

hypercall_result do_update_va_mapping_otherdomain(struct hypercall_args *args)
{
    return update_va_mapping(args->arg[0], args->arg[1], args->arg[2], args->arg[3]);
}
