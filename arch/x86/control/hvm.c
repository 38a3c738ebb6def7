/* SPDX-License-Identifier: MIT */
/*
 * hvm_op: for HVM domains. ABI: xen/hvm/hvm_op.h. There are only PV domains, so what is
 * asked about a domain's HVM half is refused, after checking that the caller may ask at all.
 */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/hypercall.h>
#include <kr/time.h>

#include <xen/hvm/hvm_op.h>

/* All these structures begin with a domain id. A domain may ask about itself, the control domain
 * about every one. */
static long refuse(uint64_t arg)
{
    struct domain *d;
    uint16_t domid;
    bool may_ask;

    if (guest_read(&domid, arg))
        return -EFAULT;
    d = domain_get_by_guest_id(domid);
    if (!d)
        return -ESRCH;
    may_ask = d == current_vcpu()->domain || hypercall_caller_is(CONTROL);
    domain_put(d);
    return may_ask ? -EINVAL : -EPERM;
}

static long hvm_op_set_param(uint64_t arg)
{
    return refuse(arg);
}

static long hvm_op_get_param(uint64_t arg)
{
    return refuse(arg);
}

static long hvm_op_pagetable_dying(uint64_t arg)
{
    return refuse(arg);
}

static long hvm_op_get_mem_type(uint64_t arg)
{
    return refuse(arg);
}

/* These two are about the caller itself. */
static long hvm_op_flush_tlbs(uint64_t arg)
{
    return -EINVAL;
}

static long hvm_op_set_evtchn_upcall_vector(uint64_t arg)
{
    return -EINVAL;
}

static long hvm_op_get_time(uint64_t arg)
{
    struct xen_hvm_get_time answer = {.now = time_now_ns()};

    return guest_write(arg, &answer);
}

_Static_assert(offsetof(struct xen_hvm_param, domid) == 0 &&
                   offsetof(struct xen_hvm_pagetable_dying, domid) == 0 &&
                   offsetof(struct xen_hvm_get_mem_type, domid) == 0,
               "what refuse() reads");

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(HVMOP_, nr, name);
#include "hvm_ops.def"
#undef OPERATION

hypercall_result do_hvm_op(struct hypercall_args *args)
{
    switch ((uint32_t)args->arg[0]) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return hypercall_caller_is(callers) ? hvm_op_##name(args->arg[1]) : -EPERM;
#include "hvm_ops.def"
#undef OPERATION
    default: return -ENOSYS;
    }
}
