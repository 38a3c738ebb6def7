/* SPDX-License-Identifier: MIT */
/* Reads and loads ELF64 files. Layouts and numbers are those of the System V ABI and its x86-64
 * supplement. */
#include <kr/elf.h>
#include <kr/errno.h>
#include <kr/string.h>

struct elf64_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf64_program_header {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf64_section_header {
    uint32_t name, type;
    uint64_t flags, addr, offset, size;
    uint32_t link, info;
    uint64_t addralign, entsize;
};

#define IDENT_CLASS   4
#define IDENT_DATA    5
#define IDENT_VERSION 6
#define CLASS_32      1
#define CLASS_64      2
#define DATA_LITTLE   1
#define VERSION       1
#define TYPE_EXEC     2
#define TYPE_DYN      3
#define MACHINE_X86   62
#define SEGMENT_LOAD  1
#define SEGMENT_NOTE  4
#define SECTION_NOTE  7

/* A file and what it is parsed into, for the functions below. */
struct elf_parser {
    const uint8_t *file;
    size_t size;
    struct elf64_header header;
    struct elf_image *elf;
    struct boot_error *e;
};

static bool in_file(const struct elf_parser *p, uint64_t offset, uint64_t size)
{
    return offset <= p->size && size <= p->size - offset;
}

static int header_check(const struct elf_parser *p)
{
    const struct elf64_header *h = &p->header;

    if (h->ident[IDENT_CLASS] == CLASS_32)
        return boot_fail(p->e, -EOPNOTSUPP,
                         "kernel: a 32-bit ELF file; 32-bit PV kernels are not supported");
    if (h->ident[IDENT_CLASS] != CLASS_64 || h->ident[IDENT_DATA] != DATA_LITTLE ||
        h->ident[IDENT_VERSION] != VERSION)
        return boot_fail(p->e, -EOPNOTSUPP, "kernel: not a little-endian ELF64 file");
    if (h->machine != MACHINE_X86)
        return boot_fail(p->e, -EOPNOTSUPP, "kernel: ELF file for machine %u, not x86-64",
                         h->machine);
    if (h->type != TYPE_EXEC && h->type != TYPE_DYN)
        return boot_fail(p->e, -EOPNOTSUPP, "kernel: ELF file of type %u is not executable",
                         h->type);
    if (h->phentsize != sizeof(struct elf64_program_header) || !h->phnum)
        return boot_fail(p->e, -EINVAL, "kernel: %u ELF program headers of %u bytes", h->phnum,
                         h->phentsize);
    if (!in_file(p, h->phoff, (uint64_t)h->phnum * h->phentsize))
        return boot_fail(p->e, -EINVAL, "kernel: truncated, ELF program headers are missing");
    return 0;
}

/* Kept in order of physical address, so that overlaps show between neighbours. */
static int segment_insert(struct elf_image *elf, struct elf_segment s, struct boot_error *e)
{
    unsigned at = elf->segment_count;

    if (at == ELF_SEGMENTS_MAX)
        return boot_fail(e, -E2BIG, "kernel: more than %d ELF segments", ELF_SEGMENTS_MAX);
    while (at && elf->segment[at - 1].paddr > s.paddr) {
        elf->segment[at] = elf->segment[at - 1];
        at--;
    }
    elf->segment[at] = s;
    elf->segment_count++;
    return 0;
}

static int segment_add(const struct elf_parser *p, const struct elf64_program_header *ph)
{
    struct elf_segment s = {
        p->file + ph->offset, ph->filesz, ph->memsz, ph->paddr, ph->vaddr, ph->flags};

    if (!ph->memsz)
        return 0;
    if (ph->filesz > ph->memsz || ph->memsz > UINT64_MAX - ph->paddr)
        return boot_fail(p->e, -EINVAL, "kernel: ELF segment at 0x%llx has impossible sizes",
                         (unsigned long long)ph->paddr);
    return segment_insert(p->elf, s, p->e);
}

static void note_add(const struct elf_parser *p, struct elf_note_block *blocks, unsigned *count,
                     uint64_t offset, uint64_t size)
{
    if (*count < ELF_NOTES_MAX)
        blocks[(*count)++] = (struct elf_note_block){p->file + offset, size};
}

static int program_headers_read(const struct elf_parser *p)
{
    int err = 0;

    for (unsigned i = 0; !err && i < p->header.phnum; i++) {
        struct elf64_program_header ph;

        memcpy(&ph, p->file + p->header.phoff + i * sizeof(ph), sizeof(ph));
        if (ph.type != SEGMENT_LOAD && ph.type != SEGMENT_NOTE)
            continue;
        if (!in_file(p, ph.offset, ph.filesz))
            return boot_fail(p->e, -EINVAL,
                             "kernel: truncated, ELF segment %u ends outside the file", i);
        if (ph.type == SEGMENT_LOAD)
            err = segment_add(p, &ph);
        else
            note_add(p, p->elf->note, &p->elf->note_count, ph.offset, ph.filesz);
    }
    return err;
}

/* Section headers are a fallback for notes alone: damage to them is not the kernel's. */
static void section_headers_read(const struct elf_parser *p)
{
    const struct elf64_header *h = &p->header;
    struct elf64_section_header sh;

    if (!h->shoff || h->shentsize != sizeof(sh) ||
        !in_file(p, h->shoff, (uint64_t)h->shnum * sizeof(sh)))
        return;
    for (unsigned i = 0; i < h->shnum; i++) {
        memcpy(&sh, p->file + h->shoff + i * sizeof(sh), sizeof(sh));
        if (sh.type == SECTION_NOTE && in_file(p, sh.offset, sh.size))
            note_add(p, p->elf->section_note, &p->elf->section_note_count, sh.offset, sh.size);
    }
}

static int segments_check(const struct elf_parser *p)
{
    struct elf_image *elf = p->elf;

    if (!elf->segment_count)
        return boot_fail(p->e, -EINVAL, "kernel: the ELF file has nothing to load");
    elf->paddr_start = elf->segment[0].paddr;
    for (unsigned i = 0; i < elf->segment_count; i++) {
        if (i && elf->segment[i].paddr < elf->paddr_end)
            return boot_fail(p->e, -EINVAL, "kernel: ELF segments overlap at 0x%llx",
                             (unsigned long long)elf->segment[i].paddr);
        elf->paddr_end = elf->segment[i].paddr + elf->segment[i].memory_size;
    }
    if (elf->paddr_end - elf->paddr_start > KERNEL_SPAN_MAX)
        return boot_fail(p->e, -EINVAL, "kernel: ELF segments span 0x%llx to 0x%llx, too far apart",
                         (unsigned long long)elf->paddr_start, (unsigned long long)elf->paddr_end);
    return 0;
}

int elf_parse(struct elf_image *elf, const void *file, size_t size, struct boot_error *e)
{
    struct elf_parser p = {.file = file, .size = size, .elf = elf, .e = e};
    int err;

    memset(elf, 0, sizeof(*elf));
    if (size < 4 || memcmp(file, "\177ELF", 4))
        return boot_fail(e, -ENOEXEC, "kernel: not an ELF file");
    if (size < sizeof(p.header))
        return boot_fail(e, -EINVAL, "kernel: truncated, the ELF header is incomplete");
    memcpy(&p.header, file, sizeof(p.header));
    elf->entry = p.header.entry;
    err = header_check(&p);
    if (!err)
        err = program_headers_read(&p);
    if (err)
        return err;
    section_headers_read(&p);
    return segments_check(&p);
}

int elf_load(const struct elf_image *elf, elf_write_fn write, void *context)
{
    int err = 0;

    for (unsigned i = 0; !err && i < elf->segment_count; i++) {
        const struct elf_segment *s = &elf->segment[i];

        if (s->file_size)
            err = write(context, s->paddr, s->data, s->file_size);
        if (!err && s->memory_size > s->file_size)
            err = write(context, s->paddr + s->file_size, NULL, s->memory_size - s->file_size);
    }
    return err;
}
