/* SPDX-License-Identifier: MIT */
/* See kernel_check.h. The hypervisor's addresses and what it offers are those of PV dom0. */
#include "kernel_check.h"
#include <kr/errno.h>
#include <xen/features.h>

static const struct kernel_pv_limits limits = {
    .features_offered = BIT(XENFEAT_pae_pgdir_above_4gb) | BIT(XENFEAT_dom0) |
                        BIT(XENFEAT_mmu_pt_update_preserve_ad),
    .hole_start = 0xffff800000000000,
    .hole_end = 0xffff880000000000,
};

/* The file's bytes, and where the last write ended: elf_load() goes upwards. */
struct load {
    const struct elf_image *elf;
    const uint8_t *file;
    size_t size;
    uint64_t next;
    unsigned writes;
};

static int load_write(void *context, uint64_t paddr, const void *data, uint64_t size)
{
    struct load *load = context;

    FUZZ_CHECK(size != 0 && paddr >= load->next && paddr + size > paddr);
    FUZZ_CHECK(paddr >= load->elf->paddr_start && paddr + size <= load->elf->paddr_end);
    if (data) {
        const uint8_t *from = data;

        FUZZ_CHECK(from >= load->file && size <= load->size);
        FUZZ_CHECK(from + size <= load->file + load->size);
    }
    load->next = paddr + size;
    load->writes++;
    return 0;
}

static void check_refusal(int err, const struct boot_error *why)
{
    FUZZ_CHECK(err <= 0 && (err != 0) == (why->text[0] != '\0'));
    FUZZ_CHECK_TEXT(why->text);
}

/* Canonical, page-aligned, and clear of the hypervisor: what the domain builder relies on. */
static void check_accepted(const struct kernel_notes *n, const struct elf_image *elf)
{
    uint64_t start = n->virt_base + (elf->paddr_start - n->paddr_offset);
    uint64_t end = start + (elf->paddr_end - elf->paddr_start);

    FUZZ_CHECK(n->virt_base % PAGE_SIZE == 0 && start >= n->virt_base && end > start);
    FUZZ_CHECK(n->entry >= start && n->entry < end);
    FUZZ_CHECK(end <= limits.hole_start || n->virt_base >= limits.hole_end);
    FUZZ_CHECK((int64_t)start >> 47 == 0 || (int64_t)start >> 47 == -1);
    FUZZ_CHECK((int64_t)start >> 47 == (int64_t)(end - 1) >> 47);
    if (n->present & KERNEL_NOTE_INIT_P2M)
        FUZZ_CHECK(n->init_p2m % PAGE_SIZE == 0 &&
                   (n->init_p2m < limits.hole_start || n->init_p2m >= limits.hole_end));
}

void check_notes(const struct elf_image *elf)
{
    struct boot_error why = {""};
    struct kernel_notes notes;
    int err;

    kernel_notes_parse(&notes, elf);
    FUZZ_CHECK_TEXT(notes.xen_version);
    FUZZ_CHECK_TEXT(notes.guest_os);
    FUZZ_CHECK_TEXT(notes.guest_version);
    FUZZ_CHECK_TEXT(notes.loader);
    FUZZ_CHECK_TEXT(notes.pae_mode);
    FUZZ_CHECK_TEXT(notes.unknown_required);
    FUZZ_CHECK(!(notes.features_required & ~notes.features_supported));
    err = kernel_notes_check_pv_dom0(&notes, elf, &limits, &why);
    check_refusal(err, &why);
    if (!err)
        check_accepted(&notes, elf);
}

void check_kernel(const uint8_t *file, size_t size)
{
    static struct elf_image elf;
    struct boot_error why = {""};
    struct load load = {.elf = &elf, .file = file, .size = size};
    int err = elf_parse(&elf, file, size, &why);

    check_refusal(err, &why);
    if (err)
        return;
    FUZZ_CHECK(elf.segment_count > 0 && elf.segment_count <= ELF_SEGMENTS_MAX);
    FUZZ_CHECK(elf.note_count <= ELF_NOTES_MAX && elf.section_note_count <= ELF_NOTES_MAX);
    FUZZ_CHECK(elf.paddr_end > elf.paddr_start &&
               elf.paddr_end - elf.paddr_start <= KERNEL_SPAN_MAX);
    FUZZ_CHECK(elf_load(&elf, load_write, &load) == 0);
    FUZZ_CHECK(load.writes > 0 && load.next == elf.paddr_end);
    check_notes(&elf);
}
