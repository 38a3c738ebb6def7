/* SPDX-License-Identifier: MIT */
/* Parser of the Multiboot 1 information (GNU specification 0.6.96, section 3.3). Pure. */
#include <kr/boot_info.h>
#include <kr/errno.h>
#include <kr/multiboot.h>
#include <kr/string.h>

/* The information copied out; what the loader did not write is zero. */
struct mb1_info {
    uint8_t bytes[MB1_INFO_SIZE];
};

static uint32_t mb1_u32(const struct mb1_info *mbi, unsigned offset)
{
    uint32_t v;

    memcpy(&v, &mbi->bytes[offset], sizeof(v));
    return v;
}

static int mb1_read(struct mb1_info *mbi, const struct phys_window *w, uint64_t pa,
                    struct boot_error *e)
{
    const void *small = w->map(w, pa, MB1_INFO_SIZE_SMALL);
    const void *full;

    if (!small)
        return boot_fail(e, -EFAULT, "Multiboot: information at 0x%llx cannot be read",
                         (unsigned long long)pa);
    memset(mbi, 0, sizeof(*mbi));
    memcpy(mbi->bytes, small, MB1_INFO_SIZE_SMALL);
    if (mb1_u32(mbi, MB1_OFF_FLAGS) & (MB1_INFO_VBE | MB1_INFO_FRAMEBUFFER)) {
        full = w->map(w, pa, MB1_INFO_SIZE);
        if (!full)
            return boot_fail(e, -EFAULT, "Multiboot: screen information cannot be read");
        memcpy(mbi->bytes, full, MB1_INFO_SIZE);
    }
    return 0;
}

static int mb1_strings(struct boot_info *info, const struct phys_window *w,
                       const struct mb1_info *mbi, struct boot_error *e)
{
    uint32_t flags = mb1_u32(mbi, MB1_OFF_FLAGS);
    bool name_cut = false;

    if ((flags & MB1_INFO_LOADER) && boot_copy_string(w, mb1_u32(mbi, MB1_OFF_LOADER), info->loader,
                                                      sizeof(info->loader), &name_cut))
        return boot_fail(e, -EFAULT, "Multiboot: loader name cannot be read");
    if (!(flags & MB1_INFO_CMDLINE))
        return 0;
    if (boot_copy_string(w, mb1_u32(mbi, MB1_OFF_CMDLINE), info->cmdline, sizeof(info->cmdline),
                         &info->cmdline_cut))
        return boot_fail(e, -EFAULT, "Multiboot: command line cannot be read");
    boot_cmdline_strip(info);
    return 0;
}

/* One map entry: u32 size of what follows, u64 base, u64 length, u32 type. */
static int mb1_mmap(struct boot_info *info, const struct phys_window *w, uint32_t pa,
                    uint32_t length, struct boot_error *e)
{
    uint64_t at = pa, end = at + length;

    while (at < end) {
        uint32_t size, type;
        uint64_t base, len;
        const uint8_t *p = end - at < 24 ? NULL : w->map(w, at, 24);
        int err;

        if (!p)
            return boot_fail(e, -EFAULT, "Multiboot: memory map is cut short");
        memcpy(&size, p, 4);
        memcpy(&base, p + 4, 8);
        memcpy(&len, p + 12, 8);
        memcpy(&type, p + 20, 4);
        if (size < 20)
            return boot_fail(e, -EINVAL, "Multiboot: memory map entry of %u bytes", size);
        err = boot_mem_add(info, base, len, type, e);
        if (err)
            return err;
        at += (uint64_t)size + 4;
    }
    return 0;
}

static int mb1_memory(struct boot_info *info, const struct phys_window *w,
                      const struct mb1_info *mbi, struct boot_error *e)
{
    uint32_t flags = mb1_u32(mbi, MB1_OFF_FLAGS);
    int err;

    if (flags & MB1_INFO_MMAP)
        err = mb1_mmap(info, w, mb1_u32(mbi, MB1_OFF_MMAP_ADDR), mb1_u32(mbi, MB1_OFF_MMAP_LENGTH),
                       e);
    else if (flags & MB1_INFO_MEMORY)
        err = boot_mem_add_basic(info, mb1_u32(mbi, MB1_OFF_MEM_LOWER),
                                 mb1_u32(mbi, MB1_OFF_MEM_UPPER), e);
    else
        err = boot_fail(e, -EINVAL, "Multiboot: the loader passed no memory map");
    return err ? err : boot_mem_finish(info, e);
}

/* One module: u32 start, u32 end, u32 address of its string, u32 reserved. */
static int mb1_module(struct boot_info *info, const struct phys_window *w, uint64_t pa,
                      struct boot_error *e)
{
    unsigned index = info->module_count;
    const void *p = w->map(w, pa, MB1_MODULE_SIZE);
    uint32_t m[MB1_MODULE_SIZE / 4];

    if (!p)
        return boot_fail(e, -EFAULT, "Multiboot: module list cannot be read");
    memcpy(m, p, sizeof(m));
    if (m[1] < m[0])
        return boot_fail(e, -EINVAL, "Multiboot: module %u ends (0x%x) before it starts (0x%x)",
                         index, m[1], m[0]);
    return boot_module_add(info, m[0], m[1] - m[0], w, m[2], e);
}

static void mb1_screen(struct boot_info *info, const struct phys_window *w,
                       const struct mb1_info *mbi)
{
    uint32_t flags = mb1_u32(mbi, MB1_OFF_FLAGS);

    if (flags & MB1_INFO_VBE)
        boot_screen_vbe(info, w->map(w, mb1_u32(mbi, MB1_OFF_VBE_CONTROL), VBE_CONTROL_SIZE),
                        w->map(w, mb1_u32(mbi, MB1_OFF_VBE_MODE), VBE_MODE_SIZE));
    if (flags & MB1_INFO_FRAMEBUFFER) {
        uint64_t addr;

        memcpy(&addr, &mbi->bytes[MB1_OFF_FB_ADDR], sizeof(addr));
        boot_screen_framebuffer(info, addr, &mbi->bytes[MB1_OFF_FB_PITCH],
                                &mbi->bytes[MB1_OFF_FB_COLORS]);
    }
}

int boot_parse_multiboot1(struct boot_info *info, const struct phys_window *w, uint64_t pa,
                          struct boot_error *e)
{
    struct mb1_info mbi;
    uint32_t count;
    int err;

    memset(info, 0, sizeof(*info));
    info->entry = BOOT_MULTIBOOT1;
    err = mb1_read(&mbi, w, pa, e);
    if (!err)
        err = mb1_strings(info, w, &mbi, e);
    if (!err)
        err = mb1_memory(info, w, &mbi, e);
    if (err)
        return err;
    count = mb1_u32(&mbi, MB1_OFF_FLAGS) & MB1_INFO_MODULES ? mb1_u32(&mbi, MB1_OFF_MODS_COUNT) : 0;
    for (uint64_t i = 0; !err && i < count; i++)
        err = mb1_module(info, w, mb1_u32(&mbi, MB1_OFF_MODS_ADDR) + i * MB1_MODULE_SIZE, e);
    mb1_screen(info, w, &mbi);
    return err;
}
