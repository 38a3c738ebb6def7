/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: the hypercall. The operations on entries take an array; the work stops between two
 * elements when the CPU is needed, and the arguments are moved on so that calling again continues.
 */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/errno.h>
#include <kr/hypercall.h>

#include "grant_internal.h"

/* Unmappings that share one flush. */
#define UNMAP_BATCH 16

/* Where a cache flush that stops in its search keeps its place in the first argument. */
#define FLUSH_NEXT_SHIFT 32

/* A batch in progress over args: address of the next element, how many are left. */
static bool batch_must_stop(const struct hypercall_args *args)
{
    return (uint32_t)args->arg[2] != 0 && hypercall_should_yield();
}

static void batch_advance(struct hypercall_args *args, unsigned count, size_t size_bytes)
{
    args->arg[1] += count * size_bytes;
    args->arg[2] = (uint32_t)args->arg[2] - count;
}

static int grant_table_op_map_grant_ref(struct vcpu *v, struct hypercall_args *args)
{
    while ((uint32_t)args->arg[2] != 0) {
        struct gnttab_map_grant_ref op;
        int rc = guest_read(&op, args->arg[1]);

        if (rc != 0)
            return rc;
        grant_map(v, &op);
        rc = guest_write(args->arg[1], &op);
        if (rc != 0) {
            /* The caller will never know the handle: it must not stay. */
            struct grant_unmap undo = {
                .host_addr = op.host_addr, .dev_bus_addr = op.dev_bus_addr, .handle = op.handle};

            if (op.status == GNTST_okay) {
                grant_unmap_begin(v, &undo);
                arch_grant_flush(v->domain);
                grant_unmap_finish(v, &undo);
            }
            return rc;
        }
        batch_advance(args, 1, sizeof(op));
        if (batch_must_stop(args))
            return -ERESTART;
    }
    return 0;
}

static int unmap_read(struct grant_unmap *u, uint64_t addr, bool replace)
{
    struct gnttab_unmap_and_replace with;
    struct gnttab_unmap_grant_ref plain;
    int rc;

    if (replace) {
        rc = guest_read(&with, addr);
        if (rc == 0)
            *u = (struct grant_unmap){
                .host_addr = with.host_addr, .new_addr = with.new_addr, .handle = with.handle};
    } else {
        rc = guest_read(&plain, addr);
        if (rc == 0)
            *u = (struct grant_unmap){.host_addr = plain.host_addr,
                                      .dev_bus_addr = plain.dev_bus_addr,
                                      .handle = plain.handle};
    }
    return rc;
}

/* Both structures have the status in the same place. */
_Static_assert(sizeof(struct gnttab_unmap_grant_ref) == sizeof(struct gnttab_unmap_and_replace) &&
                   offsetof(struct gnttab_unmap_grant_ref, status) ==
                       offsetof(struct gnttab_unmap_and_replace, status),
               "see batch_unmap_some()");

/* Up to UNMAP_BATCH of them; `*done` were handled. */
static int batch_unmap_some(struct vcpu *v, uint64_t addr, uint32_t count, bool replace,
                            unsigned *done)
{
    struct grant_unmap unmaps[UNMAP_BATCH];
    const size_t size = sizeof(struct gnttab_unmap_grant_ref);
    unsigned n = 0, removed = 0;
    int rc = 0;

    for (; n < MIN(count, (uint32_t)UNMAP_BATCH); n++) {
        rc = unmap_read(&unmaps[n], addr + n * size, replace);
        if (rc != 0)
            break;
        grant_unmap_begin(v, &unmaps[n]);
        removed |= unmaps[n].removed;
    }
    if (removed & GRANT_MAPPING_HOST)
        arch_grant_flush(v->domain);
    for (unsigned i = 0; i < n; i++) {
        uint64_t status_addr = addr + i * size + offsetof(struct gnttab_unmap_grant_ref, status);
        int write_rc;

        grant_unmap_finish(v, &unmaps[i]);
        write_rc = guest_write(status_addr, &unmaps[i].status);
        rc = rc != 0 ? rc : write_rc;
    }
    *done = n;
    return rc;
}

static int batch_unmap(struct vcpu *v, struct hypercall_args *args, bool replace)
{
    while ((uint32_t)args->arg[2] != 0) {
        unsigned done;
        int rc = batch_unmap_some(v, args->arg[1], args->arg[2], replace, &done);

        if (rc != 0)
            return rc;
        batch_advance(args, done, sizeof(struct gnttab_unmap_grant_ref));
        if (batch_must_stop(args))
            return -ERESTART;
    }
    return 0;
}

static int grant_table_op_copy(struct vcpu *v, struct hypercall_args *args)
{
    while ((uint32_t)args->arg[2] != 0) {
        struct gnttab_copy op;
        int rc = guest_read(&op, args->arg[1]);

        if (rc != 0)
            return rc;
        grant_copy(v->domain, &op);
        rc = arch_guest_write(args->arg[1] + offsetof(struct gnttab_copy, status), &op.status,
                              sizeof(op.status));
        if (rc != 0)
            return rc;
        batch_advance(args, 1, sizeof(op));
        if (batch_must_stop(args))
            return -ERESTART;
    }
    return 0;
}

static int grant_table_op_swap_grant_ref(struct vcpu *v, struct hypercall_args *args)
{
    while ((uint32_t)args->arg[2] != 0) {
        struct gnttab_swap_grant_ref op;
        int rc = guest_read(&op, args->arg[1]);

        if (rc != 0)
            return rc;
        grant_swap(v->domain, &op);
        rc = guest_write(args->arg[1], &op);
        if (rc != 0)
            return rc;
        batch_advance(args, 1, sizeof(op));
        if (batch_must_stop(args))
            return -ERESTART;
    }
    return 0;
}

static int grant_table_op_unmap_grant_ref(struct vcpu *v, struct hypercall_args *args)
{
    return batch_unmap(v, args, false);
}

static int grant_table_op_unmap_and_replace(struct vcpu *v, struct hypercall_args *args)
{
    return batch_unmap(v, args, true);
}

static int grant_table_op_transfer(struct vcpu *v, struct hypercall_args *args)
{
    while ((uint32_t)args->arg[2] != 0) {
        struct gnttab_transfer op;
        int rc = guest_read(&op, args->arg[1]);

        if (rc != 0)
            return rc;
        grant_transfer(v->domain, &op);
        rc = arch_guest_write(args->arg[1] + offsetof(struct gnttab_transfer, status), &op.status,
                              sizeof(op.status));
        if (rc != 0)
            return rc;
        batch_advance(args, 1, sizeof(op));
        if (batch_must_stop(args))
            return -ERESTART;
    }
    return 0;
}

/* The structure has no status: the first one that is wrong ends the list. */
static int grant_table_op_cache_flush(struct vcpu *v, struct hypercall_args *args)
{
    while ((uint32_t)args->arg[2] != 0) {
        uint32_t next = args->arg[0] >> FLUSH_NEXT_SHIFT;
        struct gnttab_cache_flush op;
        int rc = guest_read(&op, args->arg[1]);

        if (rc != 0)
            return rc;
        rc = grant_cache_flush(v->domain, &op, &next);
        if (rc == -ERESTART)
            args->arg[0] = (uint32_t)args->arg[0] | (uint64_t)next << FLUSH_NEXT_SHIFT;
        if (rc != 0)
            return rc;
        args->arg[0] = (uint32_t)args->arg[0];
        batch_advance(args, 1, sizeof(op));
        if (batch_must_stop(args))
            return -ERESTART;
    }
    return 0;
}

/* ---- operations with exactly one argument structure -------------------------------------------
 */

#define TABLE_OP(name)                                                                           \
    static int grant_table_op_##name(struct vcpu *v, struct hypercall_args *args)                \
    {                                                                                            \
        return (uint32_t)args->arg[2] == 1 ? grant_op_##name(v->domain, args->arg[1]) : -EINVAL; \
    }
TABLE_OP(setup_table)
TABLE_OP(query_size)
TABLE_OP(set_version)
TABLE_OP(get_status_frames)
TABLE_OP(get_version)

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(GNTTABOP_, nr, name);
#include "grant_ops.def"
#undef OPERATION

hypercall_result do_grant_table_op(struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();

    if ((int32_t)args->arg[2] < 0)
        return -EINVAL;
    switch ((uint32_t)args->arg[0]) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return grant_table_op_##name(v, args);
#include "grant_ops.def"
#undef OPERATION
    default: return -ENOSYS;
    }
}
