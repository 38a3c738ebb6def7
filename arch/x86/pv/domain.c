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

/* Walks the domain's frames and undoes pins, a bounded number at a time. The control domain may
 * take frames off the list between two steps: then it starts over. */
static int tables_unpin(struct domain *d)
{
    unsigned left = FRAMES_PER_STEP;

    while (d->arch.unpin_next != PAGE_NONE) {
        struct page *p = page_of(d->arch.unpin_next);

        if (left-- == 0 || walk_is_left(current_vcpu()))
            return -ERESTART;
        if (page_state(p) != PAGE_GUEST || p->owner != d->id) {
            d->arch.unpin_next = domain_memory_first(&d->memory);
            continue;
        }
        d->arch.unpin_next = p->next;
        page_type_drop_pin(p);
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
