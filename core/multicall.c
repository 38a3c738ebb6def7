/* SPDX-License-Identifier: MIT */
/*
 * multicall(list, count): hypercalls in a row, each with a result of its own; a failed one does not
 * stop the list. ABI: xen/xen.h struct multicall_entry. Lists do not nest.
 */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/hypercall.h>
#include <kr/string.h>

#include <xen/xen.h>

_Static_assert(sizeof(((struct multicall_entry *)0)->args) == sizeof(struct hypercall_args),
               "args");

#define ENTRY_ADDR(list, field) ((list) + offsetof(struct multicall_entry, field))

/* 0: go on with the next entry. Otherwise the list's result. */
static long run_entry(uint64_t entry_addr)
{
    struct multicall_entry entry;
    struct hypercall_args args;
    xen_ulong_t result;
    long rc;

    if (guest_read(&entry, entry_addr))
        return -EFAULT;
    memcpy(&args, entry.args, sizeof(args));
    rc = hypercall(entry.op, &args);
    if (rc == -ERESTART && hypercall_may_restart(entry.op)) {
        memcpy(entry.args, &args, sizeof(args));
        if (guest_write(ENTRY_ADDR(entry_addr, args), &entry.args))
            return -EFAULT;
        return -ERESTART;
    }
    result = rc;
    return guest_write(ENTRY_ADDR(entry_addr, result), &result) ? -EFAULT : 0;
}

hypercall_result do_multicall(struct hypercall_args *args)
{
    struct cpu *cpu = this_cpu();
    uint64_t list = args->arg[0];
    uint32_t count = (uint32_t)args->arg[1];
    long rc = 0;

    if (cpu->in_multicall)
        return -EINVAL;
    cpu->in_multicall = true;
    while (rc == 0 && count > 0) {
        rc = run_entry(list);
        if (rc != 0)
            break;
        list += sizeof(struct multicall_entry);
        count--;
        if (count > 0 && hypercall_should_yield())
            rc = -ERESTART;
    }
    cpu->in_multicall = false;
    args->arg[0] = list;
    args->arg[1] = count;
    return rc;
}
