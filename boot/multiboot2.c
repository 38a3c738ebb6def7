/* SPDX-License-Identifier: MIT */
/*
 * Parser of the Multiboot 2 information (GNU specification, section 3.6): a list of tags, each u32
 * type, u32 size, then its fields; tags start at multiples of 8. Pure.
 */
#include <kr/boot_info.h>
#include <kr/errno.h>
#include <kr/multiboot.h>
#include <kr/string.h>

struct mb2_tag {
    uint32_t type, size;
    uint64_t pa;
    const uint8_t *bytes; /* `size` of them, from the type on */
};

static uint32_t tag_u32(const struct mb2_tag *t, unsigned offset)
{
    uint32_t v;

    memcpy(&v, t->bytes + offset, sizeof(v));
    return v;
}

static uint64_t tag_u64(const struct mb2_tag *t, unsigned offset)
{
    uint64_t v;

    memcpy(&v, t->bytes + offset, sizeof(v));
    return v;
}

/* Every tag read here has a smallest size; strings must end within their tag. */
static int tag_check(const struct mb2_tag *t, struct boot_error *e)
{
    static const struct {
        uint8_t type, string_at;
        uint16_t size;
    } known[] = {
        {MB2_INFO_TAG_CMDLINE, 8, 9},      {MB2_INFO_TAG_LOADER, 8, 9},
        {MB2_INFO_TAG_MODULE, 16, 17},     {MB2_INFO_TAG_MEMORY, 0, 16},
        {MB2_INFO_TAG_MMAP, 0, 16},        {MB2_INFO_TAG_VBE, 0, 784},
        {MB2_INFO_TAG_FRAMEBUFFER, 0, 32}, {MB2_INFO_TAG_EFI32, 0, 12},
        {MB2_INFO_TAG_EFI64, 0, 16},       {MB2_INFO_TAG_ACPI_OLD, 0, 28},
        {MB2_INFO_TAG_ACPI_NEW, 0, 44},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
        unsigned at = known[i].string_at;

        if (known[i].type != t->type)
            continue;
        if (t->size < known[i].size)
            return boot_fail(e, -EINVAL, "Multiboot2: tag %u has only %u bytes", t->type, t->size);
        if (at && !memchr(t->bytes + at, 0, t->size - at))
            return boot_fail(e, -EINVAL, "Multiboot2: text of tag %u does not end", t->type);
    }
    return 0;
}

/* u32 entry size, u32 version, then entries: u64 base, u64 length, u32 type, u32 reserved. */
static int mb2_mmap(struct boot_info *info, const struct mb2_tag *t, struct boot_error *e)
{
    uint32_t entry_size = tag_u32(t, 8);
    int err = 0;

    if (entry_size < 24)
        return boot_fail(e, -EINVAL, "Multiboot2: memory map entries of %u bytes", entry_size);
    for (uint64_t at = 16; !err && at + entry_size <= t->size; at += entry_size)
        err = boot_mem_add(info, tag_u64(t, at), tag_u64(t, at + 8), tag_u32(t, at + 16), e);
    return err;
}

static int mb2_module(struct boot_info *info, const struct phys_window *w, const struct mb2_tag *t,
                      struct boot_error *e)
{
    uint32_t start = tag_u32(t, 8), end = tag_u32(t, 12);

    if (end < start)
        return boot_fail(e, -EINVAL, "Multiboot2: module %u ends (0x%x) before it starts (0x%x)",
                         info->module_count, end, start);
    return boot_module_add(info, start, end - start, w, t->pa + 16, e);
}

/* A copy of the RSDP; the newer revision wins whatever the order of the tags. */
static void mb2_rsdp(struct boot_info *info, const struct mb2_tag *t)
{
    if (t->type == MB2_INFO_TAG_ACPI_OLD && info->rsdp_size)
        return;
    info->rsdp_size = MIN(t->size - 8, BOOT_RSDP_MAX_BYTES);
    memcpy(info->rsdp, t->bytes + 8, info->rsdp_size);
}

static void mb2_framebuffer(struct boot_info *info, const struct mb2_tag *t)
{
    static const uint8_t no_colors[6];

    boot_screen_framebuffer(info, tag_u64(t, 8), t->bytes + 16,
                            t->size >= 38 ? t->bytes + 32 : no_colors);
}

/* Tags that stand alone. What is not known is not wanted: the specification lets it be skipped. */
static int mb2_tag_take(struct boot_info *info, const struct phys_window *w,
                        const struct mb2_tag *t, struct boot_error *e)
{
    switch (t->type) {
    case MB2_INFO_TAG_MMAP: return mb2_mmap(info, t, e);
    case MB2_INFO_TAG_MODULE: return mb2_module(info, w, t, e);
    case MB2_INFO_TAG_VBE: boot_screen_vbe(info, t->bytes + 16, t->bytes + 528); break;
    case MB2_INFO_TAG_FRAMEBUFFER: mb2_framebuffer(info, t); break;
    case MB2_INFO_TAG_EFI32: info->efi_system_table = tag_u32(t, 8); break;
    case MB2_INFO_TAG_EFI64: info->efi_system_table = tag_u64(t, 8); break;
    case MB2_INFO_TAG_ACPI_OLD:
    case MB2_INFO_TAG_ACPI_NEW: mb2_rsdp(info, t); break;
    case MB2_INFO_TAG_CMDLINE:
        boot_copy_string(w, t->pa + 8, info->cmdline, sizeof(info->cmdline), &info->cmdline_cut);
        break;
    }
    return 0;
}

/* The loader's name decides how command lines are read, and old sizes count only without a map. */
static int mb2_tag_first_pass(struct boot_info *info, const struct phys_window *w,
                              const struct mb2_tag *t, bool *has_map, struct mb2_tag *basic)
{
    bool cut = false;

    if (t->type == MB2_INFO_TAG_MMAP)
        *has_map = true;
    else if (t->type == MB2_INFO_TAG_MEMORY)
        *basic = *t;
    else if (t->type == MB2_INFO_TAG_LOADER)
        return boot_copy_string(w, t->pa + 8, info->loader, sizeof(info->loader), &cut);
    return 0;
}

/* Reads the tag at *pa and moves *pa behind it. */
static int mb2_tag_next(struct mb2_tag *t, const struct phys_window *w, uint64_t *pa, uint64_t end,
                        struct boot_error *e)
{
    const void *head = end - *pa < 8 ? NULL : w->map(w, *pa, 8);

    if (!head)
        return boot_fail(e, -EFAULT, "Multiboot2: tag list is cut short");
    t->pa = *pa;
    memcpy(&t->type, head, 4);
    memcpy(&t->size, (const uint8_t *)head + 4, 4);
    if (t->size < 8 || t->size > end - *pa)
        return boot_fail(e, -EINVAL, "Multiboot2: tag %u of %u bytes does not fit", t->type,
                         t->size);
    t->bytes = w->map(w, *pa, t->size);
    if (!t->bytes)
        return boot_fail(e, -EFAULT, "Multiboot2: tag %u cannot be read", t->type);
    *pa += MIN(ALIGN_UP((uint64_t)t->size, MB2_INFO_ALIGN), end - *pa);
    return tag_check(t, e);
}

static int mb2_walk(struct boot_info *info, const struct phys_window *w, uint64_t pa, uint64_t end,
                    bool first_pass, struct boot_error *e)
{
    struct mb2_tag t = {.type = MB2_INFO_TAG_MEMORY}, basic = {.size = 0};
    bool has_map = false;
    int err = 0;

    while (!err && t.type != MB2_INFO_TAG_END) {
        err = mb2_tag_next(&t, w, &pa, end, e);
        if (!err)
            err = first_pass ? mb2_tag_first_pass(info, w, &t, &has_map, &basic)
                             : mb2_tag_take(info, w, &t, e);
    }
    if (err || !first_pass || has_map)
        return err;
    if (!basic.size)
        return boot_fail(e, -EINVAL, "Multiboot2: the loader passed no memory map");
    return boot_mem_add_basic(info, tag_u32(&basic, 8), tag_u32(&basic, 12), e);
}

int boot_parse_multiboot2(struct boot_info *info, const struct phys_window *w, uint64_t pa,
                          struct boot_error *e)
{
    const void *head = w->map(w, pa, MB2_INFO_HEADER_SIZE);
    uint32_t total;
    int err;

    memset(info, 0, sizeof(*info));
    info->entry = BOOT_MULTIBOOT2;
    if (!head)
        return boot_fail(e, -EFAULT, "Multiboot2: information at 0x%llx cannot be read",
                         (unsigned long long)pa);
    memcpy(&total, head, sizeof(total));
    if (total < 16 || total > UINT64_MAX - pa)
        return boot_fail(e, -EINVAL, "Multiboot2: information of %u bytes", total);
    err = mb2_walk(info, w, pa + MB2_INFO_HEADER_SIZE, pa + total, true, e);
    if (!err)
        err = mb2_walk(info, w, pa + MB2_INFO_HEADER_SIZE, pa + total, false, e);
    if (err)
        return err;
    boot_cmdline_strip(info);
    return boot_mem_finish(info, e);
}
