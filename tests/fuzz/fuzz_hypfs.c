/* SPDX-License-Identifier: MIT */
/* SOURCES: core/control/hypfs.c lib/string.c */
/* FLAGS: -max_len=300 */
/*
 * Paths in the tree of facts: what is read has the size that the entry's head says, and nothing is
 * written beyond the room. Input: u8 operation, u16 room, u16 size of the path, the path.
 */
#include "fuzz.h"
#include <kr/access.h>
#include <kr/errno.h>
#include <kr/hypercall.h>
#include <xen/hypfs.h>

#define PATH_ADDR 0x1000UL
#define ROOM_ADDR 0x100000UL
#define ROOM_MAX  0x800

static const uint8_t *path;
static size_t path_bytes;
static uint8_t *room;
static size_t room_bytes, written;

int arch_guest_read(void *to, uint64_t addr, size_t size)
{
    if (addr != PATH_ADDR || size > path_bytes)
        return -EFAULT;
    memcpy(to, path, size);
    return 0;
}

int arch_guest_write(uint64_t addr, const void *from, size_t size)
{
    FUZZ_CHECK(addr >= ROOM_ADDR && addr - ROOM_ADDR + size <= room_bytes);
    memcpy(room + (addr - ROOM_ADDR), from, size);
    written = MAX(written, addr - ROOM_ADDR + size);
    return 0;
}

/* A list ends where its head says, and each name ends within it. */
static void check_list(const struct xen_hypfs_direntry *head)
{
    size_t at = sizeof(*head);

    while (at < sizeof(*head) + head->content_len) {
        const struct xen_hypfs_dirlistentry *e = (const void *)(room + at);

        FUZZ_CHECK(memchr(e->name, '\0',
                          written - at - offsetof(struct xen_hypfs_dirlistentry, name)) != NULL);
        if (!e->off_next)
            break;
        at += e->off_next;
        FUZZ_CHECK(at < written);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct hypercall_args args = {.arg = {fuzz_u8(&in) % 4}};
    struct xen_hypfs_direntry head;
    long rc;

    room_bytes = fuzz_u16(&in) % ROOM_MAX;
    args.arg[2] = fuzz_u16(&in);
    path = in.next;
    path_bytes = in.left;
    room = malloc(room_bytes ? room_bytes : 1);
    written = 0;
    args.arg[1] = PATH_ADDR;
    args.arg[3] = ROOM_ADDR;
    args.arg[4] = room_bytes;
    rc = do_hypfs_op(&args);
    FUZZ_CHECK(rc <= 0);
    if (rc == 0 && args.arg[0] == XEN_HYPFS_OP_read) {
        memcpy(&head, room, sizeof(head));
        if (head.type == XEN_HYPFS_TYPE_DIR && head.content_len)
            check_list(&head);
        else
            FUZZ_CHECK(written == sizeof(head) + head.content_len);
    }
    free(room);
    return 0;
}
