/* SPDX-License-Identifier: MIT */
/*
 * domctl operations on a vCPU's x86 state beyond vcpu_guest_context: what PV domains carry along
 * when they are saved. The vCPU is paused meanwhile.
 */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/heap.h>
#include <x86/cpu.h>
#include <x86/fpu.h>
#include <x86/pv.h>

#include <stdatomic.h>

#include "domctl.h"

/* The vCPU, paused; end with vcpu_give(). NULL with *err: none, the caller, or its own domain gives
 * it its first context at this moment. */
static struct vcpu *vcpu_take(struct domain *d, unsigned id, long *err)
{
    struct vcpu *v = domain_vcpu(d, id);

    *err = v ? -EINVAL : -ESRCH;
    if (!v || v == current_vcpu())
        return NULL;
    *err = -EBUSY;
    if (atomic_exchange(&v->context_busy, true))
        return NULL;
    vcpu_pause(v);
    return v;
}

static void vcpu_give(struct vcpu *v)
{
    vcpu_unpause(v);
    atomic_store(&v->context_busy, false);
}

/* ---- entry points, machine check capabilities --------------------------------------------------
 */

/* No SYSENTER, no SYSCALL from 32-bit code is offered, so there are no entry points to keep. */
long domctl_op_get_ext_vcpucontext(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_ext_vcpucontext *c = &op->u.ext_vcpucontext;
    uint32_t id = c->vcpu;

    if (!domain_vcpu(d, id))
        return -ESRCH;
    *c = (struct xen_domctl_ext_vcpucontext){.vcpu = id, .size = sizeof(*c), .mcg_cap = PV_MCG_CAP};
    return 0;
}

long domctl_op_set_ext_vcpucontext(struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_ext_vcpucontext *c = &op->u.ext_vcpucontext;

    if (!domain_vcpu(d, c->vcpu))
        return -ESRCH;
    if (c->size < offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap))
        return -EINVAL;
    if (c->sysenter_callback_eip != 0 || c->syscall32_callback_eip != 0)
        return -EOPNOTSUPP;
    if (c->size >= offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap) + sizeof(c->mcg_cap) &&
        (c->mcg_cap & ~(uint64_t)PV_MCG_CAP))
        return -EPERM;
    return 0;
}

/* ---- XSAVE area ---------------------------------------------------------------------------------
 */

/* In front of the area: XCR0, and every component that XCR0 has ever had. */
struct extended_header {
    uint64_t xcr0, xcr0_ever;
};

static uint64_t extended_bytes(void)
{
    size_t area = fpu_extended_bytes();

    return area ? sizeof(struct extended_header) + area : 0;
}

static int extended_write(struct vcpu *v, uint64_t addr)
{
    struct extended_header header = {v->arch.xcr0, cpu_features.xcr0_supported};
    void *area = heap_alloc(fpu_extended_bytes());
    int rc;

    if (!area)
        return -ENOMEM;
    fpu_get_extended(v, area);
    rc = guest_write(addr, &header) ||
                 arch_guest_write(addr + sizeof(header), area, fpu_extended_bytes())
             ? -EFAULT
             : 0;
    heap_free(area);
    return rc;
}

long domctl_op_getvcpuextstate(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_vcpuextstate *s = &op->u.vcpuextstate;
    uint64_t mask = fpu_extended_bytes() ? cpu_features.xcr0_supported : 0;
    struct vcpu *v;
    long rc;

    if (s->size == 0 && s->xfeature_mask == 0) {
        if (!domain_vcpu(d, s->vcpu))
            return -ESRCH;
        s->size = extended_bytes();
        s->xfeature_mask = mask;
        return 0;
    }
    if (s->size != extended_bytes() || s->xfeature_mask != mask)
        return -EINVAL;
    v = vcpu_take(d, s->vcpu, &rc);
    if (!v)
        return rc;
    rc = extended_write(v, guest_handle(s->buffer));
    vcpu_give(v);
    return rc;
}

/* Our copy of what the tools have: the header, then the area. */
static int extended_read(const struct xen_domctl_vcpuextstate *s, struct extended_header **out)
{
    struct extended_header *copy;

    if (s->size <= sizeof(*copy) || s->size > extended_bytes())
        return -EINVAL;
    copy = heap_alloc(s->size);
    if (!copy)
        return -ENOMEM;
    if (arch_guest_read(copy, guest_handle(s->buffer), s->size)) {
        heap_free(copy);
        return -EFAULT;
    }
    *out = copy;
    return 0;
}

long domctl_op_setvcpuextstate(struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_vcpuextstate *s = &op->u.vcpuextstate;
    struct extended_header *copy;
    long rc = extended_read(s, &copy);
    struct vcpu *v;

    if (rc != 0)
        return rc;
    v = vcpu_take(d, s->vcpu, &rc);
    if (v) {
        /* A vCPU that never had XCR0 set has nothing in there. */
        if (copy->xcr0_ever == 0 && copy->xcr0 == 0)
            rc = 0;
        else
            rc = copy->xcr0 & ~copy->xcr0_ever
                     ? -EINVAL
                     : fpu_set_extended(v, copy + 1, s->size - sizeof(*copy), copy->xcr0);
        vcpu_give(v);
    }
    heap_free(copy);
    return rc;
}

/* ---- MSRs ---------------------------------------------------------------------------------------
 */

#define VCPU_MSRS 1 /* TSC_AUX */

long domctl_op_get_vcpu_msrs(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_vcpu_msrs *m = &op->u.vcpu_msrs;
    struct xen_domctl_vcpu_msr entry = {.index = MSR_TSC_AUX};
    struct vcpu *v;
    long rc;

    if (guest_handle(m->msrs) == 0) {
        if (!domain_vcpu(d, m->vcpu))
            return -ESRCH;
        m->msr_count = VCPU_MSRS;
        return 0;
    }
    v = vcpu_take(d, m->vcpu, &rc);
    if (!v)
        return rc;
    entry.value = v->arch.tsc_aux;
    vcpu_give(v);
    if (entry.value == 0) {
        m->msr_count = 0;
        return 0;
    }
    if (m->msr_count < VCPU_MSRS)
        return -ENOBUFS;
    m->msr_count = VCPU_MSRS;
    return guest_write(guest_handle(m->msrs), &entry);
}

/* On failure msr_count says which entry it was. */
static long msrs_set(struct vcpu *v, struct xen_domctl_vcpu_msrs *m)
{
    struct xen_domctl_vcpu_msr entry;
    uint32_t count = m->msr_count;

    for (uint32_t i = 0; i < count; i++) {
        m->msr_count = i;
        if (guest_read_at(&entry, guest_handle(m->msrs), i))
            return -EFAULT;
        if (entry.reserved != 0 || entry.index != MSR_TSC_AUX || entry.value > UINT32_MAX)
            return -EINVAL;
        v->arch.tsc_aux = entry.value;
    }
    m->msr_count = count;
    return 0;
}

long domctl_op_set_vcpu_msrs(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_vcpu_msrs *m = &op->u.vcpu_msrs;
    struct vcpu *v;
    long rc;

    if (m->msr_count > VCPU_MSRS)
        return -EINVAL;
    v = vcpu_take(d, m->vcpu, &rc);
    if (!v)
        return rc;
    rc = msrs_set(v, m);
    vcpu_give(v);
    return rc;
}
