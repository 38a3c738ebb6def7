/* SPDX-License-Identifier: MIT */
/* Life of a PV domain's hardware half, and what the core asks about it. */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/errno.h>
#include <kr/heap.h>
#include <kr/hypercall.h>
#include <kr/log.h>
#include <x86/irq.h>
#include <x86/pagetype.h>
#include <x86/pv.h>
#include <x86/walk.h>

#include <xen/xen.h>

#define FRAMES_PER_STEP 256

int arch_domain_create(struct domain *d)
{
    d->arch.tsc.incarnation = 1;
    return 0;
}

void arch_domain_destroy(struct domain *d)
{
    heap_free(d->arch.e820);
    heap_free(d->arch.policy);
}

uint64_t arch_vm_assist_mask(const struct domain *d)
{
    return BIT(VMASST_TYPE_4gb_segments) | BIT(VMASST_TYPE_4gb_segments_notify) |
           BIT(VMASST_TYPE_writable_pagetables) | BIT(VMASST_TYPE_pae_extended_cr3) |
           BIT(VMASST_TYPE_runstate_update_flag);
}

/* PV guests keep their own page numbers; the library that dumps them reads this from shared_info.
 * Theirs to write: a number of pages that cannot be is none. */
uint64_t arch_domain_max_gfn(struct domain *d)
{
    uint64_t max_pfn = __atomic_load_n(&d->shared_info->arch.max_pfn, __ATOMIC_RELAXED);

    return max_pfn && max_pfn <= PAGE_NONE ? max_pfn - 1 : 0;
}

/* One vCPU's tables at a time, each given up whole before the next. */
static int roots_drop(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    domain_for_each_vcpu(d, v, i)
    {
        if (walk_is_left(current_vcpu()) || walk_drop(v) != 0)
            return -ERESTART;
        pv_drop_gdt(v);
        pv_drop_root(&v->arch.kernel_root);
        if (walk_is_left(current_vcpu()))
            return -ERESTART;
        pv_drop_root(&v->arch.user_root);
    }
    return 0;
}

/* The domain's memory locked: frames leave the list, and get other owners, only under it. */
static bool is_on_list(const struct domain *d, const struct page *p)
{
    return page_state(p) == PAGE_GUEST && __atomic_load_n(&p->owner, __ATOMIC_RELAXED) == d->id;
}

/* The next frame that was pinned, with the references of its pin; NULL: none among so many, or the
 * end of the list. The control domain may take frames off the list between two steps: then it
 * starts over. */
static struct page *pin_take_next(struct domain *d, unsigned *left)
{
    struct page *found = NULL;

    spin_lock(&d->memory.lock);
    for (; !found && *left > 0 && d->arch.unpin_next != PAGE_NONE; --*left) {
        struct page *p = page_of(d->arch.unpin_next);

        if (!is_on_list(d, p)) {
            d->arch.unpin_next = d->memory.first;
            continue;
        }
        d->arch.unpin_next = p->next;
        if (page_type_take_pin(p))
            found = p;
    }
    spin_unlock(&d->memory.lock);
    return found;
}

/* Walks the domain's frames and undoes pins, a bounded number at a time. */
static int tables_unpin(struct domain *d)
{
    unsigned left = FRAMES_PER_STEP;

    while (d->arch.unpin_next != PAGE_NONE) {
        struct page *p;

        if (left == 0 || walk_is_left(current_vcpu()))
            return -ERESTART;
        p = pin_take_next(d, &left);
        if (p)
            page_typed_put(p);
    }
    return 0;
}

int arch_domain_relinquish(struct domain *d)
{
    if (d->arch.unpin_next == 0) {
        irq_domain_fini(d);
        if (roots_drop(d) != 0)
            return -ERESTART;
        d->arch.unpin_next = domain_memory_first(&d->memory);
    }
    return tables_unpin(d);
}
