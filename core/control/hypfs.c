/* SPDX-License-Identifier: MIT */
/*
 * hypfs_op: facts about the hypervisor as a tree of names. ABI: xen/hypfs.h; the paths are Xen's
 * (its documentation, hypfs-paths). The tree is a constant list of paths, parents first.
 */
#include <kr/access.h>
#include <kr/hypercall.h>
#include <kr/string.h>
#include <kr/version.h>

#include <kr_build.h>

#include <xen/hypfs.h>

#define INTERFACE_VERSION 1
#define PATH_SIZE_MAX     256

struct entry {
    const char *path;
    uint8_t type; /* XEN_HYPFS_TYPE_* */
    const char *text;
    uint32_t number;
};

#define DIR(p)                                  \
    {                                           \
        .path = (p), .type = XEN_HYPFS_TYPE_DIR \
    }
#define STRING(p, t)                                            \
    {                                                           \
        .path = (p), .type = XEN_HYPFS_TYPE_STRING, .text = (t) \
    }
#define UINT(p, n)                                              \
    {                                                           \
        .path = (p), .type = XEN_HYPFS_TYPE_UINT, .number = (n) \
    }

static const struct entry entries[] = {
    DIR("/"),
    DIR("/buildinfo"),
    STRING("/buildinfo/changeset", BUILD_COMMIT),
    DIR("/buildinfo/compileinfo"),
    STRING("/buildinfo/compileinfo/compile_by", BUILD_BY),
    STRING("/buildinfo/compileinfo/compile_date", BUILD_DATE),
    STRING("/buildinfo/compileinfo/compile_domain", BUILD_DOMAIN),
    STRING("/buildinfo/compileinfo/compiler", BUILD_COMPILER),
    DIR("/buildinfo/version"),
    STRING("/buildinfo/version/extra", VERSION_EXTRA),
    UINT("/buildinfo/version/major", VERSION_MAJOR),
    UINT("/buildinfo/version/minor", VERSION_MINOR),
    DIR("/cpupool"),
    DIR("/cpupool/0"),
    STRING("/cpupool/0/sched-gran", "cpu"),
    DIR("/params"),
};

/* The last part of a path below `dir`, NULL if it is not directly in there. */
static const char *name_in(const struct entry *dir, const char *path)
{
    size_t length = strlen(dir->path);
    const char *name = path + length;

    if (length > 1) /* not the root, whose path ends in the separator itself */
        name++;
    if (strncmp(path, dir->path, length) != 0 || (length > 1 && path[length] != '/'))
        return NULL;
    return *name != '\0' && !strchr(name, '/') ? name : NULL;
}

/* Bytes that an entry takes in its directory's list. */
static uint32_t listed_size(const char *name)
{
    return ALIGN_UP((uint32_t)(offsetof(struct xen_hypfs_dirlistentry, name) + strlen(name) + 1),
                    (uint32_t) _Alignof(struct xen_hypfs_dirlistentry));
}

static uint32_t content_size(const struct entry *e)
{
    uint32_t size = 0;

    if (e->type == XEN_HYPFS_TYPE_STRING)
        return strlen(e->text) + 1;
    if (e->type == XEN_HYPFS_TYPE_UINT)
        return sizeof(e->number);
    for (unsigned i = 0; i < ARRAY_SIZE(entries); i++) {
        const char *name = name_in(e, entries[i].path);

        size += name ? listed_size(name) : 0;
    }
    return size;
}

static struct xen_hypfs_direntry describe(const struct entry *e)
{
    return (struct xen_hypfs_direntry){
        .type = e->type,
        .encoding = XEN_HYPFS_ENC_PLAIN,
        .content_len = content_size(e),
    };
}

static int write_listed(uint64_t addr, const struct entry *e, const char *name, bool is_last)
{
    uint32_t size = listed_size(name);
    struct xen_hypfs_dirlistentry head = {.e = describe(e), .off_next = is_last ? 0 : size};
    size_t name_offset = offsetof(struct xen_hypfs_dirlistentry, name);

    if (arch_guest_write(addr, &head, name_offset))
        return -EFAULT;
    return arch_guest_write(addr + name_offset, name, strlen(name) + 1);
}

static int write_list(uint64_t addr, const struct entry *dir)
{
    uint64_t end = addr + content_size(dir);

    for (unsigned i = 0; i < ARRAY_SIZE(entries); i++) {
        const char *name = name_in(dir, entries[i].path);

        if (!name)
            continue;
        if (write_listed(addr, &entries[i], name, addr + listed_size(name) == end))
            return -EFAULT;
        addr += listed_size(name);
    }
    return 0;
}

static int write_contents(uint64_t addr, const struct entry *e)
{
    switch (e->type) {
    case XEN_HYPFS_TYPE_DIR: return write_list(addr, e);
    case XEN_HYPFS_TYPE_STRING: return arch_guest_write(addr, e->text, strlen(e->text) + 1);
    default: return guest_write(addr, &e->number);
    }
}

/* The entry that the caller's path names. */
static long find_entry(const struct hypercall_args *args, const struct entry **out)
{
    char path[PATH_SIZE_MAX];
    uint64_t size = args->arg[2];

    if (size < 2 || size > sizeof(path))
        return -EINVAL;
    if (arch_guest_read(path, args->arg[1], size))
        return -EFAULT;
    if (path[size - 1] != '\0' || path[0] != '/' || strlen(path) != size - 1)
        return -EINVAL;
    for (unsigned i = 0; i < ARRAY_SIZE(entries); i++)
        if (strcmp(entries[i].path, path) == 0) {
            *out = &entries[i];
            return 0;
        }
    return -ENOENT;
}

static long hypfs_op_get_version(const struct hypercall_args *args)
{
    if (args->arg[1] || args->arg[2] || args->arg[3] || args->arg[4])
        return -EINVAL;
    return INTERFACE_VERSION;
}

static long hypfs_op_read(const struct hypercall_args *args)
{
    uint64_t addr = args->arg[3], room = args->arg[4];
    struct xen_hypfs_direntry head;
    const struct entry *e;
    long rc = find_entry(args, &e);

    if (rc != 0)
        return rc;
    if (room < sizeof(head))
        return -EINVAL;
    head = describe(e);
    if (guest_write(addr, &head))
        return -EFAULT;
    if (room - sizeof(head) < head.content_len)
        return -ENOBUFS;
    return write_contents(addr + sizeof(head), e);
}

static long hypfs_op_write_contents(const struct hypercall_args *args)
{
    const struct entry *e;
    long rc = find_entry(args, &e);

    return rc != 0 ? rc : -EACCES;
}

#define OPERATION(nr, name, callers, long_running, purpose) \
    OPERATION_CHECK(XEN_HYPFS_OP_, nr, name);
#include "../hypfs_ops.def"
#undef OPERATION

hypercall_result do_hypfs_op(struct hypercall_args *args)
{
    switch ((uint32_t)args->arg[0]) {
#define OPERATION(nr, name, callers, long_running, purpose) \
    case nr:                                                \
        return hypfs_op_##name(args);
#include "../hypfs_ops.def"
#undef OPERATION
    default: return -EOPNOTSUPP;
    }
}
