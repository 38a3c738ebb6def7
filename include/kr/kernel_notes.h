/* SPDX-License-Identifier: MIT */
/*
 * What a kernel says about itself in its Xen ELF notes (xen/elfnote.h), and whether it can be the
 * first domain. Pure.
 */
#pragma once

#include <kr/elf.h>
#include <kr/types.h>

#define KERNEL_NOTE_TEXT_BYTES 32

/* Bits of kernel_notes.present, one per note that was found. */
enum kernel_note_bit {
    KERNEL_NOTE_ENTRY = BIT(0),
    KERNEL_NOTE_HYPERCALL_PAGE = BIT(1),
    KERNEL_NOTE_VIRT_BASE = BIT(2),
    KERNEL_NOTE_PADDR_OFFSET = BIT(3),
    KERNEL_NOTE_XEN_VERSION = BIT(4),
    KERNEL_NOTE_GUEST_OS = BIT(5),
    KERNEL_NOTE_GUEST_VERSION = BIT(6),
    KERNEL_NOTE_LOADER = BIT(7),
    KERNEL_NOTE_PAE_MODE = BIT(8),
    KERNEL_NOTE_FEATURES = BIT(9),
    KERNEL_NOTE_HV_START_LOW = BIT(10),
    KERNEL_NOTE_L1_MFN_VALID = BIT(11),
    KERNEL_NOTE_SUSPEND_CANCEL = BIT(12),
    KERNEL_NOTE_INIT_P2M = BIT(13),
    KERNEL_NOTE_MOD_START_PFN = BIT(14),
    KERNEL_NOTE_SUPPORTED_FEATURES = BIT(15),
    KERNEL_NOTE_PHYS32_ENTRY = BIT(16),
};

/* Values are 0 or "" when the note is absent. Texts are cut to fit. */
struct kernel_notes {
    uint32_t present;
    uint64_t entry; /* virtual */
    uint64_t hypercall_page;
    uint64_t virt_base;
    uint64_t paddr_offset;
    uint64_t hv_start_low;
    uint64_t init_p2m; /* virtual */
    uint64_t l1_mfn_valid_mask, l1_mfn_valid_value;
    uint64_t phys32_entry; /* physical, for PVH */
    bool suspend_cancel;
    bool mod_start_pfn; /* start_info.mod_start is a PFN, and the module need not be mapped */
    char xen_version[KERNEL_NOTE_TEXT_BYTES];
    char guest_os[KERNEL_NOTE_TEXT_BYTES];
    char guest_version[KERNEL_NOTE_TEXT_BYTES];
    char loader[KERNEL_NOTE_TEXT_BYTES];
    char pae_mode[KERNEL_NOTE_TEXT_BYTES];
    /* FEATURES and SUPPORTED_FEATURES as bit masks of XENFEAT_*. */
    uint32_t features_supported;
    uint32_t features_required; /* a leading `!`; also set in features_supported */
    char unknown_required[KERNEL_NOTE_TEXT_BYTES]; /* the first required one that has no number */
};

/* What the hypervisor lays down for a PV domain, against which a kernel is checked. */
struct kernel_pv_limits {
    uint32_t features_offered; /* mask of XENFEAT_* that a PV dom0 gets */
    uint64_t hole_start,
        hole_end; /* virtual addresses that belong to the hypervisor; end excluded */
};

/*
 * Reads the notes of owner "Xen" from the note segments, or from note sections when those have
 * none. Damaged blocks end early and unknown notes are skipped. Always succeeds; see
 * notes->present.
 */
void kernel_notes_parse(struct kernel_notes *notes, const struct elf_image *elf);

/* The guest-virtual address of pseudo-physical address 0, plus where a segment's bytes go. */
static inline uint64_t kernel_pseudo_physical(const struct kernel_notes *notes, uint64_t paddr)
{
    return paddr - notes->paddr_offset;
}

/* 0 when the kernel can run as PV dom0, else -EOPNOTSUPP or -EINVAL and one line in *e. */
int kernel_notes_check_pv_dom0(const struct kernel_notes *notes, const struct elf_image *elf,
                               const struct kernel_pv_limits *limits, struct boot_error *e);
