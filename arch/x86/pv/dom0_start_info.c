/* SPDX-License-Identifier: MIT */
/* dom0's start_info page (xen/xen.h): where everything lies, command line, screen. */
#include <kr/string.h>
#include <x86/map.h>

#include <xen/xen.h>

#include "dom0_internal.h"

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

void dom0_start_info_make(struct dom0_builder *b, const struct boot_info *info,
                          const struct dom0_kernel *kernel)
{
    const struct dom0_layout *l = &b->layout;
    const struct boot_module *initrd = info->module_count > 1 ? &info->module[1] : NULL;
    char *page = dom0_pfn_to_virt(b, l->start_info_pfn);
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
