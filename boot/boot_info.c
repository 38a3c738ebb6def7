/* SPDX-License-Identifier: MIT */
/*
 * What the loader told us: the parts that all three parsers share. The memory map is kept sorted
 * and disjoint after every addition, so that no second copy is needed to sort out overlaps. Pure.
 */
#include <kr/boot_info.h>
#include <kr/errno.h>
#include <kr/multiboot.h>
#include <kr/printf.h>
#include <kr/string.h>

int boot_fail(struct boot_error *e, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    kr_vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    return err;
}

/* Where descriptions overlap, the one that forbids more wins. */
static int mem_rank(enum boot_mem_type type)
{
    switch (type) {
    case BOOT_MEM_RAM: return 0;
    case BOOT_MEM_ACPI: return 1;
    case BOOT_MEM_NVS: return 2;
    case BOOT_MEM_RESERVED: return 3;
    case BOOT_MEM_UNUSABLE: return 4;
    }
    return 3;
}

static int mem_insert(struct boot_info *info, unsigned at, struct boot_mem piece,
                      struct boot_error *e)
{
    if (info->mem_count == BOOT_MEMMAP_MAX)
        return boot_fail(e, -E2BIG, "the memory map has more than %d pieces", BOOT_MEMMAP_MAX);
    memmove(&info->mem[at + 1], &info->mem[at], (info->mem_count - at) * sizeof(piece));
    info->mem[at] = piece;
    info->mem_count++;
    return 0;
}

/* Gives [start, end), which lies within piece `at`, another type: up to three pieces result. */
static int mem_retype(struct boot_info *info, unsigned at, uint64_t start, uint64_t end,
                      enum boot_mem_type type, struct boot_error *e)
{
    struct boot_mem old = info->mem[at];
    uint64_t old_end = old.start + old.size;
    int err = 0;

    info->mem[at] = (struct boot_mem){start, end - start, type};
    if (end < old_end)
        err = mem_insert(info, at + 1, (struct boot_mem){end, old_end - end, old.type}, e);
    if (!err && old.start < start)
        err = mem_insert(info, at, (struct boot_mem){old.start, start - old.start, old.type}, e);
    return err;
}

int boot_mem_add(struct boot_info *info, uint64_t start, uint64_t size, uint32_t e820_type,
                 struct boot_error *e)
{
    uint64_t end = size > UINT64_MAX - start ? UINT64_MAX : start + size;
    enum boot_mem_type type = BOOT_MEM_RESERVED;
    int err = 0;

    if (e820_type >= BOOT_MEM_RAM && e820_type <= BOOT_MEM_UNUSABLE)
        type = (enum boot_mem_type)e820_type;
    while (!err && start < end) {
        uint64_t next = end;
        unsigned i = 0;

        while (i < info->mem_count && info->mem[i].start + info->mem[i].size <= start)
            i++;
        if (i == info->mem_count || info->mem[i].start > start) {
            if (i < info->mem_count)
                next = MIN(end, info->mem[i].start);
            err = mem_insert(info, i, (struct boot_mem){start, next - start, type}, e);
        } else {
            next = MIN(end, info->mem[i].start + info->mem[i].size);
            if (mem_rank(type) > mem_rank(info->mem[i].type))
                err = mem_retype(info, i, start, next, type, e);
        }
        start = next;
    }
    return err;
}

int boot_mem_add_basic(struct boot_info *info, uint32_t lower_kib, uint32_t upper_kib,
                       struct boot_error *e)
{
    int err = boot_mem_add(info, 0, lower_kib * KIB, BOOT_MEM_RAM, e);

    return err ? err : boot_mem_add(info, MIB, upper_kib * KIB, BOOT_MEM_RAM, e);
}

int boot_mem_finish(struct boot_info *info, struct boot_error *e)
{
    bool ram = false;
    unsigned out = 0;

    for (unsigned i = 0; i < info->mem_count; i++) {
        struct boot_mem piece = info->mem[i];
        struct boot_mem *last = out ? &info->mem[out - 1] : NULL;

        ram |= piece.type == BOOT_MEM_RAM;
        if (last && last->type == piece.type && last->start + last->size == piece.start)
            last->size += piece.size;
        else
            info->mem[out++] = piece;
    }
    info->mem_count = out;
    if (!ram)
        return boot_fail(e, -EINVAL, "the loader's memory map names no RAM");
    return 0;
}

int boot_copy_string(const struct phys_window *w, uint64_t pa, char *dst, size_t size, bool *cut)
{
    for (size_t i = 0; i < size; i++) {
        const char *c = pa > UINT64_MAX - i ? NULL : w->map(w, pa + i, 1);

        if (!c) {
            dst[i] = 0;
            return -EFAULT;
        }
        dst[i] = *c;
        if (!*c)
            return 0;
    }
    dst[size - 1] = 0;
    *cut = true;
    return 0;
}

/* A path, or the word that GRUB's Xen scripts put where Xen expects one. */
static bool word_is_path(const char *word, size_t len)
{
    static const char filler[] = "placeholder";

    if (len == sizeof(filler) - 1 && !memcmp(word, filler, len))
        return true;
    for (size_t i = 0; i < len && word[i] != '='; i++) {
        if (word[i] == '/')
            return true;
    }
    return false;
}

/* How much of a raw command line is the file name and the blanks around it. */
static size_t file_name_length(const struct boot_info *info, const char *raw, bool module)
{
    bool grub2 = !strncmp(info->loader, "GRUB", 4) || info->entry == BOOT_MULTIBOOT2;
    size_t start = 0, end;
    bool drop;

    while (raw[start] == ' ')
        start++;
    end = start;
    while (raw[end] && raw[end] != ' ')
        end++;
    drop = word_is_path(raw + start, end - start);
    if (!drop && info->entry != BOOT_PVH) {
        /* GRUB 2 passes options alone; a module's first word is still a name by Xen's convention.
         */
        drop = grub2 ? module && !memchr(raw + start, '=', end - start) : true;
    }
    if (!drop)
        return start;
    while (raw[end] == ' ')
        end++;
    return end;
}

static void strip_file_name(const struct boot_info *info, char *text, bool module)
{
    size_t skip = file_name_length(info, text, module);

    memmove(text, text + skip, strlen(text + skip) + 1);
}

void boot_cmdline_strip(struct boot_info *info)
{
    strip_file_name(info, info->cmdline, false);
}

int boot_module_add(struct boot_info *info, uint64_t start, uint64_t size,
                    const struct phys_window *w, uint64_t string_pa, struct boot_error *e)
{
    unsigned index = info->module_count;
    struct boot_module *m = &info->module[index];

    if (index == BOOT_MODULES_MAX)
        return boot_fail(e, -E2BIG, "more than %d boot modules", BOOT_MODULES_MAX);
    if (size > UINT64_MAX - start)
        return boot_fail(e, -EINVAL, "boot module %u wraps around the end of memory", index);
    m->start = start;
    m->size = size;
    m->cmdline[0] = 0;
    if (string_pa) {
        if (boot_copy_string(w, string_pa, m->cmdline, sizeof(m->cmdline), &info->cmdline_cut))
            return boot_fail(e, -EFAULT, "command line of boot module %u cannot be read", index);
        strip_file_name(info, m->cmdline, true);
    }
    info->module_count++;
    return 0;
}

void boot_screen_framebuffer(struct boot_info *info, uint64_t addr, const uint8_t *geometry,
                             const uint8_t *colors)
{
    struct boot_screen *s = &info->screen;
    uint8_t type = geometry[13];

    if (type != MB_FRAMEBUFFER_RGB && type != MB_FRAMEBUFFER_TEXT)
        return;
    s->kind = type == MB_FRAMEBUFFER_RGB ? BOOT_SCREEN_FRAMEBUFFER : BOOT_SCREEN_TEXT;
    s->addr = addr;
    memcpy(&s->pitch_bytes, geometry, 4);
    memcpy(&s->width, geometry + 4, 4);
    memcpy(&s->height, geometry + 8, 4);
    s->bits_per_pixel = geometry[12];
    if (type == MB_FRAMEBUFFER_RGB) {
        s->red_pos = colors[0];
        s->red_size = colors[1];
        s->green_pos = colors[2];
        s->green_size = colors[3];
        s->blue_pos = colors[4];
        s->blue_size = colors[5];
    }
}

void boot_screen_vbe(struct boot_info *info, const uint8_t *control, const uint8_t *mode)
{
    if (control)
        memcpy(&info->screen.vbe_capabilities, control + VBE_CONTROL_CAPABILITIES, 4);
    if (mode)
        memcpy(&info->screen.vbe_mode_attributes, mode + VBE_MODE_ATTRIBUTES, 2);
}

static bool ranges_overlap(uint64_t a_start, uint64_t a_end, uint64_t b_start, uint64_t b_end)
{
    return a_start < b_end && b_start < a_end;
}

/* Neighbours of one type are merged, so a range within RAM lies in a single piece. */
static bool range_is_ram(const struct boot_info *info, uint64_t start, uint64_t end)
{
    for (unsigned i = 0; i < info->mem_count; i++) {
        const struct boot_mem *p = &info->mem[i];

        if (p->type == BOOT_MEM_RAM && start >= p->start && end <= p->start + p->size)
            return true;
    }
    return false;
}

int boot_check_modules(const struct boot_info *info, uint64_t image_start, uint64_t image_end,
                       struct boot_error *e)
{
    for (unsigned i = 0; i < info->module_count; i++) {
        uint64_t start = info->module[i].start, end = start + info->module[i].size;

        if (start == end)
            return boot_fail(e, -EINVAL, "boot module %u is empty", i);
        if (ranges_overlap(start, end, image_start, image_end))
            return boot_fail(
                e, -EINVAL,
                "boot module %u (0x%llx-0x%llx) overlaps the hypervisor (0x%llx-0x%llx)", i,
                (unsigned long long)start, (unsigned long long)end, (unsigned long long)image_start,
                (unsigned long long)image_end);
        for (unsigned j = 0; j < i; j++) {
            const struct boot_module *o = &info->module[j];

            if (ranges_overlap(start, end, o->start, o->start + o->size))
                return boot_fail(e, -EINVAL, "boot modules %u and %u overlap at 0x%llx", j, i,
                                 (unsigned long long)MAX(start, o->start));
        }
        if (!range_is_ram(info, start, end))
            return boot_fail(e, -EINVAL, "boot module %u (0x%llx-0x%llx) does not lie in RAM", i,
                             (unsigned long long)start, (unsigned long long)end);
    }
    return 0;
}
