/* SPDX-License-Identifier: MIT */
/*
 * xen_version: version, build and features. ABI: xen/version.h. Kernels also use operation 0 just
 * to have pending events delivered on the way back.
 */
#include <kr/access.h>
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/hypercall.h>
#include <kr/log.h>
#include <kr/log.h>
#include <kr/string.h>
#include <kr/version.h>

#include <kr_build.h>

#include <xen/version.h>

#define NOTE_TYPE_BUILD_ID 3 /* NT_GNU_BUILD_ID */

char version_command_line[1024];

/* The linker script puts .note.gnu.build-id between these. */
extern const uint8_t build_id_note_start[] __attribute__((weak));
extern const uint8_t build_id_note_end[] __attribute__((weak));

const void *version_build_id(uint32_t *size_bytes)
{
    struct {
        uint32_t name_size, size, type;
        char name[4];
    } note;
    size_t length = (size_t)(build_id_note_end - build_id_note_start);

    if (!build_id_note_start || length < sizeof(note))
        return NULL;
    memcpy(&note, build_id_note_start, sizeof(note));
    if (note.type != NOTE_TYPE_BUILD_ID || note.name_size != sizeof(note.name) ||
        note.size > length - sizeof(note))
        return NULL;
    *size_bytes = note.size;
    return build_id_note_start + sizeof(note);
}

void version_log(void)
{
    log_info("Krypton, ABI of Xen %u.%u%s (%s)", VERSION_MAJOR, VERSION_MINOR, VERSION_EXTRA,
             BUILD_COMMIT);
    log_info("Compiled with %s", BUILD_COMPILER);
}

static long version_op_version(uint64_t arg)
{
    return VERSION_MAJOR << 16 | VERSION_MINOR;
}

static long version_op_extraversion(uint64_t arg)
{
    xen_extraversion_t extra = VERSION_EXTRA;

    return guest_write(arg, &extra);
}

static long version_op_compile_info(uint64_t arg)
{
    struct xen_compile_info info = {
        .compile_by = BUILD_BY,
        .compile_domain = BUILD_DOMAIN,
        .compile_date = BUILD_DATE,
    };

    kr_strlcpy(info.compiler, BUILD_COMPILER, sizeof(info.compiler));
    return guest_write(arg, &info);
}

static long version_op_capabilities(uint64_t arg)
{
    xen_capabilities_info_t info = {0};

    kr_strlcpy(info, arch_guest_kinds(), sizeof(info));
    return guest_write(arg, &info);
}

static long version_op_changeset(uint64_t arg)
{
    xen_changeset_info_t info = {0};

    kr_strlcpy(info, BUILD_COMMIT, sizeof(info));
    return guest_write(arg, &info);
}

static long version_op_platform_parameters(uint64_t arg)
{
    struct xen_platform_parameters parameters = {
        .virt_start = arch_guest_hole_start(current_vcpu()->domain),
    };

    return guest_write(arg, &parameters);
}

static long version_op_get_features(uint64_t arg)
{
    struct xen_feature_info info;

    if (guest_read(&info, arg))
        return -EFAULT;
    if (info.submap_idx >= XENFEAT_NR_SUBMAPS)
        return -EINVAL;
    info.submap = arch_features(current_vcpu()->domain);
    return guest_write(arg, &info);
}

static long version_op_pagesize(uint64_t arg)
{
    return PAGE_SIZE;
}

static long version_op_guest_handle(uint64_t arg)
{
    struct domain *d = current_vcpu()->domain;
    uint8_t handle[sizeof(d->handle)];

    spin_lock(&d->lock);
    memcpy(handle, d->handle, sizeof(handle));
    spin_unlock(&d->lock);
    return guest_write(arg, &handle);
}

static long version_op_commandline(uint64_t arg)
{
    _Static_assert(sizeof(xen_commandline_t) == sizeof(version_command_line), "command line");
    return guest_write(arg, &version_command_line);
}

/* Without a buffer the answer is the size. */
static long version_op_build_id(uint64_t arg)
{
    uint64_t buf_addr = arg + offsetof(struct xen_build_id, buf);
    uint32_t size, room;
    const void *id = version_build_id(&size);

    if (!id)
        return -ENODATA;
    if (arg == 0)
        return size;
    if (guest_read(&room, arg + offsetof(struct xen_build_id, len)))
        return -EFAULT;
    if (room == 0)
        return -EINVAL;
    if (room < size)
        return -ENOBUFS;
    return arch_guest_write(buf_addr, id, size) ? -EFAULT : (long)size;
}

#define OPERATION(nr, name, callers, long_running, purpose) OPERATION_CHECK(XENVER_, nr, name);
#include "version_ops.def"
#undef OPERATION

hypercall_result do_xen_version(struct hypercall_args *args)
{
    switch ((uint32_t)args->arg[0]) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return hypercall_caller_is(callers) ? version_op_##name(args->arg[1]) : -EPERM;
#include "version_ops.def"
#undef OPERATION
    default: return -ENOSYS;
    }
}
