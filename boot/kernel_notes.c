/* SPDX-License-Identifier: MIT */
/* Reads a kernel's Xen ELF notes and judges whether it can be the first domain. Pure. */
#include <kr/kernel_notes.h>
#include <kr/errno.h>
#include <kr/string.h>
#include <xen/elfnote.h>
#include <xen/features.h>

/* One note: u32 name size, u32 description size, u32 type, both parts padded to 4 bytes. */
#define NOTE_HEADER_BYTES 12
#define NOTE_OWNER        "Xen"
#define ADDRESS_BITS      48

struct note {
    uint32_t type;
    const uint8_t *desc;
    uint32_t size;
};

/* Numbers come in any size the kernel's tools chose. */
static uint64_t note_number(const struct note *n)
{
    uint64_t v = 0;

    memcpy(&v, n->desc, MIN(n->size, sizeof(v)));
    return v;
}

/* Not every kernel terminates its texts. */
static void note_text(const struct note *n, char text[KERNEL_NOTE_TEXT_BYTES])
{
    size_t len = strnlen((const char *)n->desc, MIN(n->size, KERNEL_NOTE_TEXT_BYTES - 1));

    memcpy(text, n->desc, len);
    text[len] = 0;
}

#define FEATURE(name) [XENFEAT_##name] = #name

static const char *const feature_names[] = {
    FEATURE(writable_page_tables),
    FEATURE(writable_descriptor_tables),
    FEATURE(auto_translated_physmap),
    FEATURE(supervisor_mode_kernel),
    FEATURE(pae_pgdir_above_4gb),
    FEATURE(mmu_pt_update_preserve_ad),
    FEATURE(highmem_assist),
    FEATURE(gnttab_map_avail_bits),
    FEATURE(hvm_callback_vector),
    FEATURE(hvm_safe_pvclock),
    FEATURE(hvm_pirqs),
    FEATURE(dom0),
    [12] = "grant_map_identity" /* ARM, no longer in the header */,
    FEATURE(memory_op_vnode_supported),
    FEATURE(ARM_SMCCC_supported),
    FEATURE(linux_rsdp_unrestricted),
    FEATURE(not_direct_mapped),
    FEATURE(direct_mapped),
};

static void feature_take(struct kernel_notes *notes, const char *name, size_t len)
{
    bool required = len && *name == '!';

    name += required;
    len -= required;
    for (unsigned i = 0; i < ARRAY_SIZE(feature_names); i++) {
        if (strlen(feature_names[i]) != len || memcmp(feature_names[i], name, len))
            continue;
        notes->features_supported |= BIT(i);
        if (required)
            notes->features_required |= BIT(i);
        return;
    }
    if (required && !notes->unknown_required[0]) {
        len = MIN(len, KERNEL_NOTE_TEXT_BYTES - 1);
        memcpy(notes->unknown_required, name, len);
        notes->unknown_required[len] = 0;
    }
}

/* Names separated by vertical bars. */
static void features_take(struct kernel_notes *notes, const struct note *n)
{
    const char *text = (const char *)n->desc;
    size_t end = strnlen(text, n->size), start = 0;

    for (size_t i = 0; i <= end; i++) {
        if (i == end || text[i] == '|') {
            feature_take(notes, text + start, i - start);
            start = i + 1;
        }
    }
}

/* Pairs of mask and value; one is all that x86-64 has a use for. */
static void l1_mfn_valid_take(struct kernel_notes *notes, const struct note *n)
{
    if (n->size < 16)
        return;
    memcpy(&notes->l1_mfn_valid_mask, n->desc, 8);
    memcpy(&notes->l1_mfn_valid_value, n->desc + 8, 8);
}

static void note_take(struct kernel_notes *k, const struct note *n)
{
    uint32_t bit = 0;

#define NOTE(name, take)          \
    case XEN_ELFNOTE_##name:      \
        bit = KERNEL_NOTE_##name; \
        take;                     \
        break

    switch (n->type) {
        NOTE(ENTRY, k->entry = note_number(n));
        NOTE(HYPERCALL_PAGE, k->hypercall_page = note_number(n));
        NOTE(VIRT_BASE, k->virt_base = note_number(n));
        NOTE(PADDR_OFFSET, k->paddr_offset = note_number(n));
        NOTE(XEN_VERSION, note_text(n, k->xen_version));
        NOTE(GUEST_OS, note_text(n, k->guest_os));
        NOTE(GUEST_VERSION, note_text(n, k->guest_version));
        NOTE(LOADER, note_text(n, k->loader));
        NOTE(PAE_MODE, note_text(n, k->pae_mode));
        NOTE(FEATURES, features_take(k, n));
        NOTE(HV_START_LOW, k->hv_start_low = note_number(n));
        NOTE(L1_MFN_VALID, l1_mfn_valid_take(k, n));
        NOTE(SUSPEND_CANCEL, k->suspend_cancel = note_number(n) != 0);
        NOTE(INIT_P2M, k->init_p2m = note_number(n));
        NOTE(MOD_START_PFN, k->mod_start_pfn = note_number(n) != 0);
        NOTE(SUPPORTED_FEATURES, k->features_supported |= note_number(n));
        NOTE(PHYS32_ENTRY, k->phys32_entry = note_number(n));
    }
#undef NOTE
    k->present |= bit;
}

static void block_parse(struct kernel_notes *notes, const struct elf_note_block *block)
{
    uint64_t at = 0;

    while (block->size - at >= NOTE_HEADER_BYTES) {
        uint32_t head[3];
        uint64_t name_at = at + NOTE_HEADER_BYTES, desc_at;

        memcpy(head, block->data + at, sizeof(head));
        desc_at = name_at + ALIGN_UP((uint64_t)head[0], 4);
        if (desc_at > block->size || head[1] > block->size - desc_at)
            return;
        if (head[0] == sizeof(NOTE_OWNER) &&
            !memcmp(block->data + name_at, NOTE_OWNER, sizeof(NOTE_OWNER)))
            note_take(notes, &(struct note){head[2], block->data + desc_at, head[1]});
        at = desc_at + ALIGN_UP((uint64_t)head[1], 4);
        if (at > block->size)
            return;
    }
}

void kernel_notes_parse(struct kernel_notes *notes, const struct elf_image *elf)
{
    memset(notes, 0, sizeof(*notes));
    for (unsigned i = 0; i < elf->note_count; i++)
        block_parse(notes, &elf->note[i]);
    for (unsigned i = 0; !notes->present && i < elf->section_note_count; i++)
        block_parse(notes, &elf->section_note[i]);
}

static bool address_is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << (64 - ADDRESS_BITS)) >> (64 - ADDRESS_BITS)) == va;
}

static int check_features(const struct kernel_notes *notes, const struct kernel_pv_limits *limits,
                          struct boot_error *e)
{
    /*
     * Linux marks writable page tables as required and yet runs without: nothing that offers PV has
     * them.
     */
    uint32_t missing = notes->features_required & ~limits->features_offered &
                       ~(uint32_t)BIT(XENFEAT_writable_page_tables);

    if (!(notes->features_supported & BIT(XENFEAT_dom0)))
        return boot_fail(e, -EOPNOTSUPP, "kernel: it does not support running as dom0");
    if (notes->unknown_required[0])
        return boot_fail(e, -EOPNOTSUPP, "kernel: it requires the unknown feature %s",
                         notes->unknown_required);
    if (missing)
        return boot_fail(e, -EOPNOTSUPP, "kernel: it requires the feature %s, which PV has not",
                         feature_names[__builtin_ctz(missing)]);
    return 0;
}

/* Where the image comes to lie: above virt_base without wrapping, and outside the hypervisor's
 * hole. */
static int check_addresses(const struct kernel_notes *n, const struct elf_image *elf,
                           const struct kernel_pv_limits *limits, struct boot_error *e)
{
    uint64_t start, end;

    if (!(n->present & KERNEL_NOTE_VIRT_BASE) || n->virt_base % PAGE_SIZE ||
        !address_is_canonical(n->virt_base))
        return boot_fail(e, -EINVAL, "kernel: bad VIRT_BASE note 0x%llx",
                         (unsigned long long)n->virt_base);
    if (n->paddr_offset > elf->paddr_start)
        return boot_fail(e, -EINVAL,
                         "kernel: PADDR_OFFSET note 0x%llx lies above the image (0x%llx)",
                         (unsigned long long)n->paddr_offset, (unsigned long long)elf->paddr_start);
    start = n->virt_base + kernel_pseudo_physical(n, elf->paddr_start);
    end = n->virt_base + kernel_pseudo_physical(n, elf->paddr_end);
    if (start < n->virt_base || end <= start || !address_is_canonical(start) ||
        !address_is_canonical(end - 1) ||
        (start >> (ADDRESS_BITS - 1)) != (end - 1) >> (ADDRESS_BITS - 1))
        return boot_fail(e, -EINVAL, "kernel: image does not fit above VIRT_BASE 0x%llx",
                         (unsigned long long)n->virt_base);
    if (n->virt_base < limits->hole_end && end > limits->hole_start)
        return boot_fail(e, -EINVAL, "kernel: VIRT_BASE 0x%llx lies in the hypervisor's addresses",
                         (unsigned long long)n->virt_base);
    if (n->entry < start || n->entry >= end)
        return boot_fail(e, -EINVAL, "kernel: entry 0x%llx lies outside the image (0x%llx-0x%llx)",
                         (unsigned long long)n->entry, (unsigned long long)start,
                         (unsigned long long)end);
    if ((n->present & KERNEL_NOTE_HYPERCALL_PAGE) &&
        (n->hypercall_page < start || n->hypercall_page >= end || n->hypercall_page % PAGE_SIZE))
        return boot_fail(e, -EINVAL, "kernel: hypercall page 0x%llx lies outside the image",
                         (unsigned long long)n->hypercall_page);
    return 0;
}

static int check_layout(const struct kernel_notes *n, const struct kernel_pv_limits *limits,
                        struct boot_error *e)
{
    if (n->hv_start_low > limits->hole_start)
        return boot_fail(e, -EOPNOTSUPP,
                         "kernel: it wants the hypervisor at 0x%llx or above, which is at 0x%llx",
                         (unsigned long long)n->hv_start_low,
                         (unsigned long long)limits->hole_start);
    if (!(n->present & KERNEL_NOTE_INIT_P2M))
        return 0;
    if (n->init_p2m % PAGE_SIZE || !address_is_canonical(n->init_p2m) ||
        (n->init_p2m >= limits->hole_start && n->init_p2m < limits->hole_end))
        return boot_fail(e, -EINVAL, "kernel: bad INIT_P2M note 0x%llx",
                         (unsigned long long)n->init_p2m);
    return 0;
}

int kernel_notes_check_pv_dom0(const struct kernel_notes *notes, const struct elf_image *elf,
                               const struct kernel_pv_limits *limits, struct boot_error *e)
{
    int err;

    if (!notes->present)
        return boot_fail(e, -EOPNOTSUPP,
                         "kernel: no Xen ELF notes, it was built without Xen support");
    if (!(notes->present & KERNEL_NOTE_ENTRY))
        return boot_fail(e, -EOPNOTSUPP, "kernel: no PV entry point, it was built without Xen PV%s",
                         notes->present & KERNEL_NOTE_PHYS32_ENTRY ? " (it can run as PVH)" : "");
    if ((notes->present & KERNEL_NOTE_LOADER) && strcmp(notes->loader, "generic"))
        return boot_fail(e, -EOPNOTSUPP, "kernel: it wants the loader %s, not generic",
                         notes->loader);
    if ((notes->present & KERNEL_NOTE_XEN_VERSION) && strcmp(notes->xen_version, "xen-3.0"))
        return boot_fail(e, -EOPNOTSUPP, "kernel: it is for the interface %s, not xen-3.0",
                         notes->xen_version);
    err = check_features(notes, limits, e);
    if (!err)
        err = check_addresses(notes, elf, limits, e);
    return err ? err : check_layout(notes, limits, e);
}
