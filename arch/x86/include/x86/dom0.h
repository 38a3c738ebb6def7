/* SPDX-License-Identifier: MIT */
/* Building the control domain from the loader's modules: kernel first, then its initrd. */
#pragma once

#include <kr/boot_info.h>
#include <kr/elf.h>
#include <kr/kernel_notes.h>

/* The unpacked kernel. */
struct dom0_kernel {
    struct elf_image elf;
    struct kernel_notes notes;
    mfn_t unpacked_first; /* frames of the unpacked image, to be freed after loading */
    uint64_t unpacked_frame_count;
};

/* Unpacks and checks the kernel of module 0; refuses to boot with the reason. */
void dom0_kernel_read(const struct boot_module *module, struct dom0_kernel *kernel);
void dom0_kernel_free(struct dom0_kernel *kernel);

/*
 * Where everything lies in dom0's memory: PFNs, and virtual addresses in the linear area that
 * starts at the kernel's VIRT_BASE. Pure (pv/dom0_layout.c).
 */
struct dom0_layout {
    uint64_t page_count; /* all of dom0's memory */
    uint64_t virt_base;
    uint64_t start_info_pfn;
    uint64_t tables_pfn, table_count; /* page tables of the linear area, L4 first */
    uint64_t stack_pfn;
    uint64_t linear_end_pfn; /* pages from 0 to here are mapped */
    uint64_t initrd_pfn, initrd_count;
    uint64_t p2m_va;
    uint64_t p2m_pfn, p2m_count;              /* the array */
    uint64_t p2m_tables_pfn, p2m_table_count; /* its page tables; none inside the linear area */
};

/* 0, or -ENOMEM when `page_count` is too little (then *needed says how many it takes), or -EINVAL
 * when the kernel's addresses cannot be laid out. */
int dom0_layout_plan(struct dom0_layout *l, const struct dom0_kernel *kernel, uint64_t page_count,
                     uint64_t initrd_bytes, uint64_t *needed);

/* Builds dom0 and leaves its vCPU 0 ready to run. Refuses to boot when that cannot be. */
void dom0_create(const struct boot_info *info);
