/* SPDX-License-Identifier: MIT */
/* Makes small kernels for tests: an ELF64 file with Xen notes, and a bzImage around a payload. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <elf.h>
#include <kr/types.h>
#include <xen/elfnote.h>

struct blob {
    uint8_t bytes[0x4000];
    size_t size;
};

static inline size_t blob_put(struct blob *b, const void *data, size_t size)
{
    size_t at = b->size;

    memcpy(b->bytes + at, data, size);
    b->size += size;
    return at;
}

static inline void note_put(struct blob *notes, const char *owner, uint32_t type, const void *desc,
                            uint32_t size)
{
    uint32_t head[3] = {strlen(owner) + 1, size, type};

    blob_put(notes, head, sizeof(head));
    blob_put(notes, owner, head[0]);
    notes->size = ALIGN_UP(notes->size, 4UL);
    blob_put(notes, desc, size);
    notes->size = ALIGN_UP(notes->size, 4UL);
}

static inline void note_put_number(struct blob *notes, uint32_t type, uint64_t value)
{
    note_put(notes, "Xen", type, &value, sizeof(value));
}

static inline void note_put_text(struct blob *notes, uint32_t type, const char *text)
{
    note_put(notes, "Xen", type, text, strlen(text) + 1);
}

#define TEST_VIRT_BASE 0xffffffff80000000UL
#define TEST_PADDR     0x1000000UL
#define TEST_TEXT_SIZE 0x400UL
#define TEST_DATA_SIZE 0x200UL
#define TEST_MEMORY    0x3000UL

/* The notes of Debian 12's kernel, with addresses of the small image. */
static inline void notes_like_debian(struct blob *notes)
{
    uint64_t valid[2] = {1, 1};
    uint32_t features = 0x8801;

    memset(notes, 0, sizeof(*notes));
    note_put(notes, "GNU", 3, "build-id", 8);
    note_put_text(notes, XEN_ELFNOTE_GUEST_OS, "linux");
    note_put_text(notes, XEN_ELFNOTE_GUEST_VERSION, "2.6");
    note_put_text(notes, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    note_put_number(notes, XEN_ELFNOTE_VIRT_BASE, TEST_VIRT_BASE);
    note_put_number(notes, XEN_ELFNOTE_INIT_P2M, 0x8000000000);
    note_put_number(notes, XEN_ELFNOTE_ENTRY, TEST_VIRT_BASE + TEST_PADDR + 0x1c0);
    note_put_text(notes, XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb");
    note_put(notes, "Xen", XEN_ELFNOTE_SUPPORTED_FEATURES, &features, sizeof(features));
    note_put_text(notes, XEN_ELFNOTE_PAE_MODE, "yes");
    note_put_text(notes, XEN_ELFNOTE_LOADER, "generic");
    note_put(notes, "Xen", XEN_ELFNOTE_L1_MFN_VALID, valid, sizeof(valid));
    note_put_number(notes, XEN_ELFNOTE_SUSPEND_CANCEL, 1);
    note_put_number(notes, XEN_ELFNOTE_MOD_START_PFN, 1);
    note_put_number(notes, XEN_ELFNOTE_HV_START_LOW, 0xffff800000000000);
    note_put_number(notes, XEN_ELFNOTE_PADDR_OFFSET, 0);
    note_put_number(notes, XEN_ELFNOTE_PHYS32_ENTRY, 0x1000850);
}

/*
 * ELF header, program headers (text, data with BSS and virtual address 0, notes), contents: text is
 * 0x5a bytes, data 0xa5 bytes. `section_notes` moves the notes to a section, with no PT_NOTE.
 */
static inline void elf_build(struct blob *elf, const struct blob *notes, bool section_notes)
{
    Elf64_Ehdr eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                     .e_type = ET_EXEC,
                     .e_machine = EM_X86_64,
                     .e_version = EV_CURRENT,
                     .e_entry = TEST_PADDR,
                     .e_phoff = sizeof(eh),
                     .e_ehsize = sizeof(eh),
                     .e_phentsize = sizeof(Elf64_Phdr),
                     .e_phnum = section_notes ? 2 : 3,
                     .e_shentsize = sizeof(Elf64_Shdr)};
    Elf64_Phdr ph[3] = {
        {PT_LOAD, PF_R, 0, 0, TEST_PADDR + 0x1000, TEST_DATA_SIZE, TEST_MEMORY - 0x1000, 0x1000},
        {PT_LOAD, PF_R | PF_X, 0, TEST_VIRT_BASE + TEST_PADDR, TEST_PADDR, TEST_TEXT_SIZE,
         TEST_TEXT_SIZE, 0x1000},
        {PT_NOTE, PF_R, 0, 0, 0, notes->size, notes->size, 4},
    };
    Elf64_Shdr sh[2] = {{0}, {.sh_type = SHT_NOTE, .sh_size = notes->size}};

    memset(elf, 0, sizeof(*elf));
    elf->size = sizeof(eh) + sizeof(ph);
    ph[1].p_offset = elf->size;
    memset(elf->bytes + elf->size, 0x5a, TEST_TEXT_SIZE);
    elf->size += TEST_TEXT_SIZE;
    ph[0].p_offset = elf->size;
    memset(elf->bytes + elf->size, 0xa5, TEST_DATA_SIZE);
    elf->size += TEST_DATA_SIZE;
    ph[2].p_offset = sh[1].sh_offset = blob_put(elf, notes->bytes, notes->size);
    if (section_notes) {
        eh.e_shnum = 2;
        eh.e_shoff = blob_put(elf, sh, sizeof(sh));
    }
    memcpy(elf->bytes, &eh, sizeof(eh));
    memcpy(elf->bytes + sizeof(eh), ph, sizeof(ph));
}

#define TEST_SETUP_SECTS    3
#define TEST_PAYLOAD_OFFSET 0x2c

/* A bzImage with `payload` (its last four bytes are the unpacked size), and a signature behind it.
 */
static inline uint8_t *bzimage_build(const void *payload, size_t payload_size, size_t *size)
{
    size_t start = (TEST_SETUP_SECTS + 1) * 512 + TEST_PAYLOAD_OFFSET;
    uint32_t offset = TEST_PAYLOAD_OFFSET, length = payload_size;
    uint8_t *image;

    *size = start + payload_size + 40;
    image = calloc(1, *size);
    image[0x1f1] = TEST_SETUP_SECTS;
    image[0x1fe] = 0x55;
    image[0x1ff] = 0xaa;
    memcpy(image + 0x202, "HdrS", 4);
    image[0x206] = 0x0f;
    image[0x207] = 0x02;
    memcpy(image + 0x248, &offset, 4);
    memcpy(image + 0x24c, &length, 4);
    memcpy(image + start, payload, payload_size);
    return image;
}

/* A heap copy of exactly this size, so that ASan sees every step outside. */
static inline uint8_t *exact_copy(const void *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    memcpy(copy, data, size);
    return copy;
}
