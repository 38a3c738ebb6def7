/* SPDX-License-Identifier: MIT */
/*
 * Module 0 to an ELF image in memory. The unpackers are user-space libraries (kr/unpack.h): they
 * get an FS base of their own for the stack canary and the SSE unit, before any guest exists.
 */
#include <kr/arch.h>
#include <kr/kernel_image.h>
#include <kr/log.h>
#include <kr/page.h>
#include <kr/unpack.h>
#include <x86/cpu.h>
#include <x86/dom0.h>

#include <xen/features.h>

#define XZ_ARENA_BYTES (48 * MIB)

static const struct kernel_pv_limits limits = {
    .features_offered = 1u << XENFEAT_pae_pgdir_above_4gb |
                        1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_highmem_assist |
                        1u << XENFEAT_gnttab_map_avail_bits | 1u << XENFEAT_dom0 |
                        1u << XENFEAT_memory_op_vnode_supported,
    .hole_start = HV_VIRT_START,
    .hole_end = HV_VIRT_END,
};

static unsigned order_for(uint64_t bytes)
{
    unsigned order = 0;

    while ((PAGE_SIZE << order) < bytes)
        order++;
    return order;
}

/* A contiguous buffer; the part of the block behind it goes back at once. */
static mfn_t buffer_alloc(uint64_t bytes)
{
    unsigned order = order_for(bytes);
    uint64_t count = DIV_ROUND_UP(bytes, PAGE_SIZE);
    mfn_t first = order <= PAGE_ORDER_MAX ? page_alloc(order, 0) : MFN_INVALID;

    if (first == MFN_INVALID)
        boot_refuse("not enough memory to unpack dom0's kernel: %lu MiB in one piece are needed",
                    (PAGE_SIZE << order) >> 20);
    if (count < (1UL << order))
        page_free_range(first + count, (1UL << order) - count);
    return first;
}

static int unpack_with_libraries(const struct kernel_image *image, void *dst,
                                 struct boot_error *why)
{
    static uint64_t canary_block[8];
    uint64_t arena_bytes = image->format == PAYLOAD_XZ ? XZ_ARENA_BYTES : UNPACK_ARENA_MIN;
    mfn_t arena = buffer_alloc(arena_bytes);
    int err;

    wrmsr(MSR_FS_BASE, (uint64_t)canary_block);
    unpack_arena_set(frame_to_virt(arena), arena_bytes);
    err = kernel_image_unpack(image, dst, why);
    wrmsr(MSR_FS_BASE, 0);
    __asm__ volatile("fninit");
    page_free_range(arena, DIV_ROUND_UP(arena_bytes, PAGE_SIZE));
    return err;
}

static const void *image_unpack(const struct kernel_image *image, struct dom0_kernel *kernel)
{
    struct boot_error why;

    kernel->unpacked_frame_count = DIV_ROUND_UP(image->unpacked_size, PAGE_SIZE);
    kernel->unpacked_first = buffer_alloc(image->unpacked_size);
    if (unpack_with_libraries(image, frame_to_virt(kernel->unpacked_first), &why) != 0)
        boot_refuse("dom0's %s", why.text);
    return frame_to_virt(kernel->unpacked_first);
}

void dom0_kernel_read(const struct boot_module *module, struct dom0_kernel *kernel)
{
    const void *file = phys_to_virt(module->start), *elf;
    struct kernel_image image;
    struct boot_error why;

    *kernel = (struct dom0_kernel){0};
    if (kernel_image_parse(&image, file, module->size, &why) != 0)
        boot_refuse("dom0's %s", why.text);
    log_info("dom0 kernel: %s, %lu KiB unpacked", payload_name(image.format),
             image.unpacked_size >> 10);
    elf = image.format == PAYLOAD_ELF ? (const void *)image.payload : image_unpack(&image, kernel);
    if (elf_parse(&kernel->elf, elf, image.unpacked_size, &why) != 0)
        boot_refuse("dom0's %s", why.text);
    kernel_notes_parse(&kernel->notes, &kernel->elf);
    if (kernel_notes_check_pv_dom0(&kernel->notes, &kernel->elf, &limits, &why) != 0)
        boot_refuse("dom0's %s", why.text);
}

void dom0_kernel_free(struct dom0_kernel *kernel)
{
    if (kernel->unpacked_frame_count)
        page_free_range(kernel->unpacked_first, kernel->unpacked_frame_count);
}
