/* SPDX-License-Identifier: MIT */
/* mmuext_op: pinning page tables, switching roots, flushing, LDT. */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/hypercall.h>
#include <kr/log.h>
#include <x86/cpu.h>
#include <x86/desc.h>
#include <x86/map.h>
#include <x86/mmu_op.h>
#include <x86/pagetype.h>
#include <x86/pv.h>
#include <x86/tlb.h>
#include <x86/walk.h>

#include <xen/xen.h>

int pv_set_kernel_root(struct vcpu *v, mfn_t mfn)
{
    mfn_t old = v->arch.kernel_root;
    struct page *p;
    int err = page_typed_get(v->domain, mfn, PAGE_TYPE_L4, &p);

    if (err)
        return err;
    map_show_m2p(frame_to_virt(mfn), true);
    v->arch.kernel_root = mfn;
    if (v == current_vcpu() && v->arch.in_kernel)
        tlb_load_root(mfn);
    if (old)
        page_typed_put(page_of(old));
    return 0;
}

int pv_set_user_root(struct vcpu *v, mfn_t mfn)
{
    mfn_t old = v->arch.user_root;
    struct page *p;
    int err = mfn ? page_typed_get(v->domain, mfn, PAGE_TYPE_L4, &p) : 0;

    if (err)
        return err;
    if (mfn && mfn != v->arch.kernel_root)
        map_show_m2p(frame_to_virt(mfn), false);
    v->arch.user_root = mfn;
    if (old)
        page_typed_put(page_of(old));
    return 0;
}

void pv_drop_root(mfn_t *root)
{
    if (*root)
        page_typed_put(page_of(*root));
    *root = 0;
}

static int set_ldt(struct vcpu *v, uint64_t base, uint64_t count)
{
    if (!pv_ldt_is_sane(base, count))
        return -EINVAL;
    v->arch.ldt_base = base;
    v->arch.ldt_count = count;
    desc_load_guest(v);
    return 0;
}

/* By words: the guest's other vCPUs may be writing there, and Accessed and Dirty bits change in the
 * entries of a table. `src`: NULL to clear. */
static void page_fill(uint64_t *dst, const uint64_t *src)
{
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*dst); i++)
        __atomic_store_n(&dst[i], src ? __atomic_load_n(&src[i], __ATOMIC_RELAXED) : 0,
                         __ATOMIC_RELAXED);
}

static int clear_or_copy(struct domain *d, mfn_t dst, const void *src)
{
    struct page *p;
    int err = page_typed_get(d, dst, PAGE_TYPE_WRITABLE, &p);

    if (err)
        return err;
    page_fill(frame_to_virt(dst), src);
    page_typed_put(p);
    return 0;
}

static int copy_page(struct domain *d, mfn_t dst, mfn_t src)
{
    struct page *p = page_get_frame(src, d->id);
    int err;

    if (!p)
        return -EINVAL;
    err = clear_or_copy(d, dst, frame_to_virt(src));
    page_put(p);
    return err;
}

static int pin(struct domain *d, mfn_t mfn, enum page_type type)
{
    int err = page_type_pin(d, mfn, type);

    if (err && err != -ERESTART)
        log_guest(LOG_DEBUG, d, "cannot pin frame %#lx as L%d table (error %d)", mfn,
                  type - PAGE_TYPE_L1 + 1, err);
    return err;
}

/* Operations on a whole domain's frames, allowed on a foreign one for its controller. */
static int op_on_frames(struct domain *d, const struct mmuext_op *op)
{
    switch (op->cmd) {
    case MMUEXT_PIN_L1_TABLE: return pin(d, op->arg1.mfn, PAGE_TYPE_L1);
    case MMUEXT_PIN_L2_TABLE: return pin(d, op->arg1.mfn, PAGE_TYPE_L2);
    case MMUEXT_PIN_L3_TABLE: return pin(d, op->arg1.mfn, PAGE_TYPE_L3);
    case MMUEXT_PIN_L4_TABLE: return pin(d, op->arg1.mfn, PAGE_TYPE_L4);
    case MMUEXT_UNPIN_TABLE: return page_type_unpin(d, op->arg1.mfn);
    case MMUEXT_CLEAR_PAGE: return clear_or_copy(d, op->arg1.mfn, NULL);
    case MMUEXT_COPY_PAGE: return copy_page(d, op->arg1.mfn, op->arg2.src_mfn);
    default: return -ENOSYS;
    }
}

/* Flushing more CPUs than asked for is allowed, and the clock leaves out those that need not. */
static int flush_vcpus(struct vcpu *v, const struct mmuext_op *op)
{
    uint8_t mask[VCPU_COUNT_MAX / 8];

    if (arch_guest_read(mask, guest_handle(op->arg2.vcpumask),
                        DIV_ROUND_UP(v->domain->vcpu_max, 8)) != 0)
        return -EFAULT;
    tlb_flush_guest_all();
    return 0;
}

static int op_on_vcpu(struct vcpu *v, const struct mmuext_op *op)
{
    switch (op->cmd) {
    case MMUEXT_NEW_BASEPTR: return pv_set_kernel_root(v, op->arg1.mfn);
    case MMUEXT_NEW_USER_BASEPTR: return pv_set_user_root(v, op->arg1.mfn);
    case MMUEXT_TLB_FLUSH_LOCAL: tlb_flush_guest_local(); return 0;
    case MMUEXT_INVLPG_LOCAL:
        if (pv_address_is_allowed(op->arg1.linear_addr))
            tlb_flush_page_local(op->arg1.linear_addr);
        return 0;
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI: return flush_vcpus(v, op);
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_INVLPG_ALL: tlb_flush_guest_all(); return 0;
    case MMUEXT_FLUSH_CACHE:
    case MMUEXT_FLUSH_CACHE_GLOBAL:
        if (!v->domain->is_privileged)
            return -EPERM;
        wbinvd();
        return 0;
    case MMUEXT_SET_LDT: return set_ldt(v, op->arg1.linear_addr, op->arg2.nr_ents);
    default: return -ENOSYS;
    }
}

static bool op_is_on_frames(unsigned cmd)
{
    return cmd <= MMUEXT_UNPIN_TABLE || cmd == MMUEXT_CLEAR_PAGE || cmd == MMUEXT_COPY_PAGE;
}

/* args: list, count, done (guest address or 0), foreign domain; restarted as mmu_update is. */
hypercall_result do_mmuext_op(struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    uint32_t count = args->arg[1], done_before = args->arg[1] >> 32, done = 0;
    struct domain *d = mmu_subject_get(v, args->arg[3]);
    struct mmuext_op op;
    long err = 0;

    if (!d)
        return -ESRCH;
    for (; done < count && err == 0; done += err == 0) {
        if (walk_is_left(v) || (done && hypercall_should_yield()))
            err = -ERESTART;
        else if (guest_read_at(&op, args->arg[0], done) != 0)
            err = -EFAULT;
        else if (op_is_on_frames(op.cmd))
            err = op_on_frames(d, &op);
        else
            err = d == v->domain ? op_on_vcpu(v, &op) : -EPERM;
    }
    domain_put(d);
    args->arg[0] += done * sizeof(op);
    args->arg[1] = (uint64_t)(done_before + done) << 32 | (count - done);
    if (err != -ERESTART && args->arg[2] != 0) {
        uint32_t total = done_before + done;

        if (guest_write(args->arg[2], &total) != 0)
            return -EFAULT;
    }
    return err;
}
