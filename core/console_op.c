/* SPDX-License-Identifier: MIT */
/* console_io: the machine's console for the control domain. ABI: xen/xen.h CONSOLEIO_*. */
#include <kr/access.h>
#include <kr/console.h>
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/hypercall.h>

#include <xen/xen.h>

#define CHUNK_SIZE 256 /* characters between two looks at other work */

/* What remains after a chunk is described by the changed arguments. */
static long console_op_write(struct hypercall_args *args)
{
    char chunk[CHUNK_SIZE];
    uint32_t left = (uint32_t)args->arg[1];

    while (left > 0) {
        uint32_t length = MIN(left, (uint32_t)sizeof(chunk));

        if (arch_guest_read(chunk, args->arg[2], length))
            return -EFAULT;
        console_guest_write(chunk, length);
        left -= length;
        args->arg[1] = left;
        args->arg[2] += length;
        if (left > 0 && hypercall_should_yield())
            return -ERESTART;
    }
    return 0;
}

static long console_op_read(struct hypercall_args *args)
{
    char chunk[CHUNK_SIZE];
    uint32_t size = MIN((uint32_t)args->arg[1], (uint32_t)sizeof(chunk)), length;

    /* Nothing may be lost: see that the place can be written before anything is taken. */
    if (arch_guest_read(chunk, args->arg[2], size) || arch_guest_write(args->arg[2], chunk, size))
        return -EFAULT;
    length = console_guest_read(chunk, size);
    return arch_guest_write(args->arg[2], chunk, length) ? -EFAULT : (long)length;
}

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(CONSOLEIO_, nr, name);
#include "console_ops.def"
#undef OPERATION

hypercall_result do_console_io(struct hypercall_args *args)
{
    if ((int32_t)args->arg[1] < 0)
        return -EINVAL;
    switch ((uint32_t)args->arg[0]) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return hypercall_caller_is(callers) ? console_op_##name(args) : -EPERM;
#include "console_ops.def"
#undef OPERATION
    default: return -ENOSYS;
    }
}
