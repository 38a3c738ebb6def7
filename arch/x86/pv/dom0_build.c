/* SPDX-License-Identifier: MIT */
/* Builds the PV control domain: memory, page tables, P2M, start_info, first vCPU. */
#include <kr/console.h>
#include <kr/cpu.h>
#include <kr/dom0_mem.h>
#include <kr/domain.h>
#include <kr/event.h>
#include <kr/log.h>
#include <kr/option.h>
#include <kr/string.h>
#include <kr/time.h>
#include <x86/cpu.h>
#include <x86/dom0.h>
#include <x86/irq.h>
#include <x86/map.h>
#include <x86/pagetype.h>
#include <x86/pte.h>
#include <x86/pv.h>

#include <xen/xen.h>

#define EXTENTS_MAX     2048
#define PORT_MAX        131072
#define GRANT_FRAMES    64
#define MAPTRACK_FRAMES 1024
#define GRANT_VERSION   2

/* dom0's memory as runs of contiguous frames, in PFN order. */
struct extent {
    uint64_t pfn, count;
    mfn_t mfn;
};

struct builder {
    struct domain *d;
    struct dom0_layout layout;
    struct extent extents[EXTENTS_MAX];
    unsigned extent_count, last_hit;
};

static struct builder builder;

static unsigned max_vcpus;
OPTION_UINT("dom0_max_vcpus", max_vcpus, 1, 128,
            "number of dom0's virtual CPUs (default: one per CPU)");

static mfn_t pfn_to_mfn(struct builder *b, uint64_t pfn)
{
    const struct extent *e = &b->extents[b->last_hit];

    if (pfn - e->pfn >= e->count)
        for (b->last_hit = 0; pfn - b->extents[b->last_hit].pfn >= b->extents[b->last_hit].count;)
            ASSERT(++b->last_hit < b->extent_count);
    e = &b->extents[b->last_hit];
    return e->mfn + (pfn - e->pfn);
}

static void *pfn_to_virt(struct builder *b, uint64_t pfn)
{
    return frame_to_virt(pfn_to_mfn(b, pfn));
}

/* ---- memory -----------------------------------------------------------------------------------
 */

static void extent_add(struct builder *b, uint64_t pfn, mfn_t mfn, uint64_t count)
{
    struct extent *last = b->extent_count ? &b->extents[b->extent_count - 1] : NULL;

    if (last && last->mfn + last->count == mfn && last->pfn + last->count == pfn) {
        last->count += count;
    } else {
        if (b->extent_count == EXTENTS_MAX)
            boot_refuse("memory is too fragmented for dom0");
        b->extents[b->extent_count++] = (struct extent){pfn, count, mfn};
    }
    for (uint64_t i = 0; i < count; i++)
        m2p_set(mfn + i, pfn + i);
}

/* Fills PFNs [pfn, end) with the largest blocks there are. */
static void memory_fill(struct builder *b, uint64_t pfn, uint64_t end)
{
    unsigned order = PAGE_ORDER_MAX;

    while (pfn < end) {
        mfn_t mfn = MFN_INVALID;

        while ((1UL << order) > end - pfn)
            order--;
        mfn = page_alloc(order, 0);
        if (mfn == MFN_INVALID) {
            if (order == 0)
                boot_refuse("out of memory while building dom0");
            order--;
            continue;
        }
        ASSERT(page_assign(&b->d->memory, mfn, order) == 0);
        extent_add(b, pfn, mfn, 1UL << order);
        pfn += 1UL << order;
    }
}

/* The loader put the initrd into RAM that nobody else uses: dom0 gets those very frames. */
static void initrd_adopt(struct builder *b, const struct boot_module *m)
{
    mfn_t first = m->start >> PAGE_SHIFT;
    uint64_t tail = m->size & ~PAGE_MASK;

    for (uint64_t i = 0; i < b->layout.initrd_count; i++)
        ASSERT(page_assign(&b->d->memory, first + i, 0) == 0);
    extent_add(b, b->layout.initrd_pfn, first, b->layout.initrd_count);
    if (tail)
        memset((char *)phys_to_virt(m->start + m->size), 0, PAGE_SIZE - tail);
}

static void initrd_copy(struct builder *b, const struct boot_module *m)
{
    for (uint64_t i = 0; i < b->layout.initrd_count; i++) {
        uint64_t offset = i * PAGE_SIZE, bytes = MIN(m->size - offset, PAGE_SIZE);

        memcpy(pfn_to_virt(b, b->layout.initrd_pfn + i), phys_to_virt(m->start + offset), bytes);
    }
}

/* Kernel segments lie at their pseudo-physical addresses. */
struct kernel_target {
    struct builder *b;
    uint64_t paddr_offset;
};

static int kernel_write(void *context, uint64_t paddr, const void *data, uint64_t size)
{
    const struct kernel_target *t = context;

    paddr -= t->paddr_offset;
    while (size) {
        uint64_t in_page = paddr & ~PAGE_MASK, bytes = MIN(PAGE_SIZE - in_page, size);
        char *dst = (char *)pfn_to_virt(t->b, paddr >> PAGE_SHIFT) + in_page;

        if (data) {
            memcpy(dst, data, bytes);
            data = (const char *)data + bytes;
        } else {
            memset(dst, 0, bytes);
        }
        paddr += bytes;
        size -= bytes;
    }
    return 0;
}

/* The frames of a module that dom0 does not take over. */
static void module_free(const struct boot_module *m)
{
    mfn_t first = m->start >> PAGE_SHIFT;

    page_free_range(first, DIV_ROUND_UP(m->start + m->size, PAGE_SIZE) - first);
}

/* The linear area first, because the kernel goes there; what the kernel's file and its unpacked
 * image took is then free for the rest. */
static void memory_make(struct builder *b, const struct boot_info *info, struct dom0_kernel *kernel)
{
    const struct boot_module *initrd = info->module_count > 1 ? &info->module[1] : NULL;
    const struct dom0_layout *l = &b->layout;
    struct kernel_target target = {b, kernel->notes.paddr_offset};
    bool adopts = initrd && l->initrd_pfn >= l->linear_end_pfn && !(initrd->start & ~PAGE_MASK);

    memory_fill(b, 0, l->linear_end_pfn);
    elf_load(&kernel->elf, kernel_write, &target);
    dom0_kernel_free(kernel);
    module_free(&info->module[0]);
    if (adopts) {
        memory_fill(b, l->linear_end_pfn, l->initrd_pfn);
        initrd_adopt(b, initrd);
        memory_fill(b, l->initrd_pfn + l->initrd_count, l->page_count);
        return;
    }
    memory_fill(b, l->linear_end_pfn, l->page_count);
    if (initrd) {
        initrd_copy(b, initrd);
        module_free(initrd);
    }
}

/* ---- page tables ------------------------------------------------------------------------------
 */

struct table_pool {
    uint64_t next_pfn, end_pfn;
};

static uint64_t *table_take(struct builder *b, struct table_pool *pool, uint64_t *mfn)
{
    uint64_t *table = pfn_to_virt(b, pool->next_pfn);

    ASSERT(pool->next_pfn < pool->end_pfn);
    *mfn = pfn_to_mfn(b, pool->next_pfn++);
    memset(table, 0, PAGE_SIZE);
    return table;
}

static uint64_t *table_below(struct builder *b, struct table_pool *pool, uint64_t *entry)
{
    uint64_t mfn;

    if (!(*entry & PTE_P)) {
        table_take(b, pool, &mfn);
        *entry = pte_make(mfn, PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D);
    }
    return frame_to_virt(pte_frame(*entry));
}

static void map_page(struct builder *b, struct table_pool *pool, uint64_t *l4, uint64_t va,
                     uint64_t pfn, bool writable)
{
    uint64_t *l3 = table_below(b, pool, &l4[L4_SLOT(va)]);
    uint64_t *l2 = table_below(b, pool, &l3[L3_SLOT(va)]);
    uint64_t *l1 = table_below(b, pool, &l2[L2_SLOT(va)]);

    l1[L1_SLOT(va)] =
        pte_make(pfn_to_mfn(b, pfn), PTE_P | PTE_US | PTE_A | (writable ? PTE_RW | PTE_D : 0));
}

static mfn_t tables_make(struct builder *b)
{
    const struct dom0_layout *l = &b->layout;
    struct table_pool pool = {l->tables_pfn, l->tables_pfn + l->table_count};
    struct table_pool p2m_pool = {l->p2m_tables_pfn, l->p2m_tables_pfn + l->p2m_table_count};
    uint64_t root, *l4 = table_take(b, &pool, &root);

    for (uint64_t pfn = 0; pfn < l->linear_end_pfn; pfn++) {
        bool is_table = pfn - l->tables_pfn < l->table_count;

        map_page(b, &pool, l4, l->virt_base + (pfn << PAGE_SHIFT), pfn, !is_table);
    }
    if (l->p2m_va)
        for (uint64_t i = 0; i < l->p2m_count; i++)
            map_page(b, &p2m_pool, l4, l->p2m_va + (i << PAGE_SHIFT), l->p2m_pfn + i, true);
    return root;
}

static void p2m_make(struct builder *b)
{
    const struct dom0_layout *l = &b->layout;
    uint64_t *page = NULL;

    for (unsigned i = 0; i < b->extent_count; i++) {
        const struct extent *e = &b->extents[i];

        for (uint64_t j = 0; j < e->count; j++) {
            uint64_t pfn = e->pfn + j;

            if (!page || pfn % 512 == 0)
                page = pfn_to_virt(b, l->p2m_pfn + pfn / 512);
            page[pfn % 512] = e->mfn + j;
        }
    }
    if (l->page_count % 512)
        memset(page + l->page_count % 512, 0xff, (512 - l->page_count % 512) * sizeof(*page));
}

/* ---- start_info and vCPU ----------------------------------------------------------------------
 */

#define CONSOLE_INFO_OFFSET 0x490

/* Text mode 3, or the framebuffer that the loader set up. */
static void screen_describe(struct dom0_vga_console_info *vga, const struct boot_screen *s)
{
    if (s->kind != BOOT_SCREEN_FRAMEBUFFER) {
        vga->video_type = XEN_VGATYPE_TEXT_MODE_3;
        vga->u.text_mode_3.rows = 25;
        vga->u.text_mode_3.columns = 80;
        vga->u.text_mode_3.font_height = 16;
        return;
    }
    vga->video_type = XEN_VGATYPE_VESA_LFB;
    vga->u.vesa_lfb.width = s->width;
    vga->u.vesa_lfb.height = s->height;
    vga->u.vesa_lfb.bytes_per_line = s->pitch_bytes;
    vga->u.vesa_lfb.bits_per_pixel = s->bits_per_pixel;
    vga->u.vesa_lfb.lfb_base = s->addr;
    vga->u.vesa_lfb.ext_lfb_base = s->addr >> 32;
    vga->u.vesa_lfb.lfb_size = DIV_ROUND_UP((uint64_t)s->pitch_bytes * s->height, 64 * KIB);
    vga->u.vesa_lfb.red_pos = s->red_pos;
    vga->u.vesa_lfb.red_size = s->red_size;
    vga->u.vesa_lfb.green_pos = s->green_pos;
    vga->u.vesa_lfb.green_size = s->green_size;
    vga->u.vesa_lfb.blue_pos = s->blue_pos;
    vga->u.vesa_lfb.blue_size = s->blue_size;
    vga->u.vesa_lfb.gbl_caps = s->vbe_capabilities;
    vga->u.vesa_lfb.mode_attrs = s->vbe_mode_attributes;
}

static void start_info_make(struct builder *b, const struct boot_info *info,
                            const struct dom0_kernel *kernel)
{
    const struct dom0_layout *l = &b->layout;
    const struct boot_module *initrd = info->module_count > 1 ? &info->module[1] : NULL;
    char *page = pfn_to_virt(b, l->start_info_pfn);
    struct start_info *si = (struct start_info *)page;

    _Static_assert(sizeof(*si) <= CONSOLE_INFO_OFFSET, "the console description lies behind it");
    memset(page, 0, PAGE_SIZE);
    kr_strlcpy(si->magic, "xen-3.0-x86_64p", sizeof(si->magic));
    si->nr_pages = l->page_count;
    si->shared_info = virt_to_phys(b->d->shared_info);
    si->flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
    si->pt_base = l->virt_base + (l->tables_pfn << PAGE_SHIFT);
    si->nr_pt_frames = l->table_count;
    si->mfn_list = l->p2m_va ? l->p2m_va : l->virt_base + (l->p2m_pfn << PAGE_SHIFT);
    if (l->p2m_va) {
        si->first_p2m_pfn = l->p2m_pfn;
        si->nr_p2m_frames = l->p2m_count + l->p2m_table_count;
    }
    if (initrd) {
        si->mod_len = initrd->size;
        si->mod_start = kernel->notes.mod_start_pfn ? l->initrd_pfn
                                                    : l->virt_base + (l->initrd_pfn << PAGE_SHIFT);
        si->flags |= kernel->notes.mod_start_pfn ? SIF_MOD_START_PFN : 0;
    }
    kr_strlcpy((char *)si->cmd_line, info->module[0].cmdline, sizeof(si->cmd_line));
    si->console.dom0.info_off = CONSOLE_INFO_OFFSET;
    si->console.dom0.info_size = sizeof(struct dom0_vga_console_info);
    screen_describe((struct dom0_vga_console_info *)(page + CONSOLE_INFO_OFFSET), &info->screen);
}

static void vcpu_make(struct builder *b, mfn_t root, uint64_t entry)
{
    const struct dom0_layout *l = &b->layout;
    struct vcpu *v;

    if (vcpu_create(b->d, 0, 0, &v) != 0)
        boot_refuse("out of memory for dom0's first vCPU");
    v->arch.regs.rip = entry;
    v->arch.regs.rsi = l->virt_base + (l->start_info_pfn << PAGE_SHIFT);
    v->arch.regs.rsp = l->virt_base + ((l->stack_pfn + 1) << PAGE_SHIFT);
    v->arch.regs.cs = SEL_USER_CS64;
    v->arch.regs.ss = SEL_USER_DS;
    v->arch.regs.rflags = X86_FLAG_IF | 2;
    if (page_type_pin(b->d, root, PAGE_TYPE_L4) != 0 || pv_set_kernel_root(v, root) != 0)
        panic("dom0's first page tables are refused");
    v->is_initialised = true;
    for (unsigned i = 1; i < b->d->vcpu_max; i++)
        if (vcpu_create(b->d, i, i % cpu_count, &v) != 0)
            boot_refuse("out of memory for dom0's vCPU %u", i);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static void domain_make(struct builder *b, const struct dom0_mem_pages *memory)
{
    struct domain_config config = {.id = 0,
                                   .is_privileged = true,
                                   .vcpu_max = max_vcpus ? max_vcpus : cpu_count,
                                   .port_max = PORT_MAX,
                                   .grant_frame_max = GRANT_FRAMES,
                                   .maptrack_max = MAPTRACK_FRAMES,
                                   .grant_version_max = GRANT_VERSION,
                                   .memory_page_max = memory->max};

    if (domain_create(&config, &b->d) != 0)
        boot_refuse("out of memory for dom0's structures");
    control_domain = b->d;
    if (irq_domain_init(b->d) != 0)
        boot_refuse("out of memory for dom0's interrupts");
}

/* What dom0 can be given: free frames, and those of its images. */
static uint64_t available_pages(const struct boot_info *info, const struct dom0_kernel *kernel)
{
    uint64_t count = page_free_count() + kernel->unpacked_frame_count;

    for (unsigned i = 0; i < info->module_count && i < 2; i++)
        count += DIV_ROUND_UP(info->module[i].size, PAGE_SIZE);
    return count;
}

static void memory_plan(struct dom0_layout *l, const struct boot_info *info,
                        const struct dom0_kernel *kernel, struct dom0_mem_pages *memory)
{
    uint64_t initrd_bytes = info->module_count > 1 ? info->module[1].size : 0, needed = 0;
    char why[192];
    int err;

    if (dom0_mem_resolve(dom0_mem_requested(), page_total_count(), available_pages(info, kernel),
                         memory, why, sizeof(why)) != 0)
        boot_refuse("dom0_mem: %s", why);
    err = dom0_layout_plan(l, kernel, memory->now, initrd_bytes, &needed);
    if (err == -ENOMEM)
        boot_refuse("dom0 needs at least %lu MiB for its kernel and initrd, but would get %lu MiB",
                    DIV_ROUND_UP(needed, 256), memory->now / 256);
    if (err)
        boot_refuse("dom0's kernel asks for addresses that cannot be laid out (base %#lx)",
                    l->virt_base);
}

void dom0_create(const struct boot_info *info)
{
    struct builder *b = &builder;
    static struct dom0_kernel kernel;
    struct dom0_mem_pages memory;
    mfn_t root;

    if (info->module_count == 0)
        boot_refuse("the boot loader passed no module: the first one must be dom0's kernel");
    dom0_kernel_read(&info->module[0], &kernel);
    memory_plan(&b->layout, info, &kernel, &memory);
    domain_make(b, &memory);
    memory_make(b, info, &kernel);
    root = tables_make(b);
    p2m_make(b);
    start_info_make(b, info, &kernel);
    vcpu_make(b, root, kernel.notes.entry);
    time_publish_wallclock(b->d);
    log_info("dom0: %lu MiB, %u vCPUs, kernel entry %#lx", b->layout.page_count / 256,
             b->d->vcpu_max, kernel.notes.entry);
    vcpu_start(b->d->vcpus[0], VCPU_STOP_DOWN);
    domain_unpause(b->d);
}
