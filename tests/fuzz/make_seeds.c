/* SPDX-License-Identifier: MIT */
/*
 * Writes well-formed inputs for the fuzz targets, made by the builders of the unit tests, into
 * FOLDER/TARGET/NUMBER. `make fuzz-merge` takes what of them the corpora lack.
 * usage: make_seeds FOLDER
 */
#include "../unit/unit.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include "../unit/boot_builder.h"
#include "../unit/image_builder.h"
#include "../unit/packers.h"
#include "../unit/data/acpi_dumps.h"
#include "../unit/data/cpuid_leaves.h"
#include <x86/regs.h>

static const char *folder;

/* An input that is put together; it is written and emptied by seed(). */
static uint8_t bytes[0x10000];
static size_t used;

static void put(const void *data, size_t size)
{
    if (size > sizeof(bytes) - used)
        abort();
    memcpy(bytes + used, data, size);
    used += size;
}

static void put_number(uint64_t value, size_t size)
{
    put(&value, size);
}

static void make_folder(const char *path)
{
    if (mkdir(path, 0777) && errno != EEXIST) {
        perror(path);
        exit(1);
    }
}

static void seed(const char *target)
{
    static unsigned number;
    char path[400];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, target);
    make_folder(path);
    snprintf(path, sizeof(path), "%s/%s/%05u", folder, target, number++);
    f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, used, f) != used || fclose(f)) {
        perror(path);
        exit(1);
    }
    used = 0;
}

/* ---- loaders ---- */

static void loader(const char *target, struct phys_memory *m, uint64_t pa)
{
    put_number(pa - PHYS_BASE, 2);
    put(m->bytes, m->used);
    phys_free(m);
    seed(target);
}

static void loaders(void)
{
    struct phys_memory m;
    uint64_t pa = mb1_build(&m);

    loader("multiboot1", &m, pa);
    pa = mb2_build(&m, true);
    loader("multiboot2", &m, pa);
    pa = mb2_build(&m, false);
    loader("multiboot2", &m, pa);
    for (uint32_t version = 0; version < 2; version++) {
        pa = pvh_build(&m, version);
        loader("pvh", &m, pa);
    }
}

/* ---- kernels ---- */

static struct blob elf;

static struct packed pack(unsigned format)
{
    struct packed p;

    switch (format) {
    case 0: return pack_gzip(elf.bytes, elf.size);
    case 1: p = pack_xz(elf.bytes, elf.size); break;
    case 2: p = pack_lz4(elf.bytes, elf.size); break;
    default: p = pack_zstd(elf.bytes, elf.size, format == 3); break;
    }
    pack_append_size(&p, elf.size);
    return p;
}

static void bzimage(const void *payload, size_t payload_size)
{
    size_t size;
    uint8_t *image = bzimage_build(payload, payload_size, &size);

    put(image, size);
    free(image);
    seed("image");
}

static void packed_kernels(void)
{
    for (unsigned format = 0; format < 5; format++) {
        struct packed p = pack(format);

        put_number(0x2000, 2);
        put(p.bytes, p.size);
        seed("unpack");
        bzimage(p.bytes, p.size);
        put(p.bytes, p.size);
        seed("image");
        free(p.bytes);
    }
}

static void kernels(void)
{
    struct blob notes;

    for (int in_section = 0; in_section < 2; in_section++) {
        notes_like_debian(&notes);
        elf_build(&elf, &notes, in_section);
        put(elf.bytes, elf.size);
        seed("elf");
        put(elf.bytes, elf.size);
        seed("image");
        bzimage(elf.bytes, elf.size);
        put_number(TEST_PADDR >> 12, 4);
        put_number(TEST_MEMORY >> 12, 4);
        put_number(in_section ? 0 : notes.size, 2);
        put(notes.bytes, notes.size);
        seed("notes");
    }
    packed_kernels();
}

/* ---- texts ---- */

static void texts(void)
{
    static const char *const lines[] = {
        "com1=115200,8n1 console=com1,vga loglvl=all noreboot dom0_mem=1G,max:2G -- root=/dev/sda",
        "com1=auto/1843200,7e2,0x2f8,3 com2=9600/115200,,,4 console=none,com2,floppy "
        "vga=current,keep",
        "loglvl=error/debug guest_loglvl=none/all console_timestamps=boot conring_size=2M "
        "conswitch=`x",
        "no-noreboot no_byte byte=0xff byte=017 dom0_max_vcpus=128 vga=text-80x25 console_to_ring",
        "'quoted=a b' \"noreboot=off\" dom0-mem=25% dom0_mem=512M+25%,min:-1G unknown=1 byte=",
        "18446744073709551615",
        "0x1fG",
        "16777215T",
        "010b",
        "-- after"};
    static const char *const amounts[] = {"1G",         "512M,max:2G",    "min:10%,max:50%",
                                          "-1000M+25%", "1048576",        "-8G,min:100M",
                                          "1b",         "16777215T+100%", "max:2G,1G"};

    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
        put(lines[i], strlen(lines[i]));
        seed("options");
    }
    for (unsigned i = 0; i < ARRAY_SIZE(amounts); i++) {
        put_number(4096 * 256, 4);
        put_number(4000 * 256, 4);
        put(amounts[i], strlen(amounts[i]));
        seed("dom0_mem");
    }
    for (unsigned kind = 0; kind < 256; kind += 26) {
        put_number(kind, 1);
        put("\10hi\1\1\1hi\1\4\4\1\1h\1\200\11\1\1\1\1\1\1q\0", 24);
        seed("console");
    }
}

/* ---- ACPI ---- */

static void tables(const struct phys_piece *pieces, unsigned count, uint8_t flags)
{
    put_number(flags, 1);
    for (unsigned i = 2; i < count; i++) { /* without root pointer and list */
        put_number(pieces[i].size_bytes, 2);
        put(pieces[i].bytes, pieces[i].size_bytes);
    }
    seed("acpi");
}

static void fix_sum(size_t first, size_t size, size_t at)
{
    for (size_t i = first; i < first + size; i++)
        bytes[at] -= bytes[i];
}

/* A root pointer as the BIOS area has it, a list, one table. */
static void tables_in_memory(void)
{
    put_number(1, 1);
    put("RSD PTR \0KRYPTN\0\x20\0\x0f\0\0\0\0\0\0\0\0\0\0\0\0\0", 32);
    fix_sum(1, 20, 1 + 8);
    put("RSDT\x28\0\0\0\1\0KRYPTN", 16);
    memset(bytes + used, 0, 20);
    used += 20;
    put_number(0xf0048, 4);
    fix_sum(33, 40, 33 + 9);
    put(pc_hpet, sizeof(pc_hpet));
    seed("acpi");
}

static void acpi(void)
{
    tables(pc_pieces, ARRAY_SIZE(pc_pieces), 0);
    tables(q35_pieces, ARRAY_SIZE(q35_pieces), 4);
    tables(q35_pieces, ARRAY_SIZE(q35_pieces), 2);
    for (unsigned i = 2; i < ARRAY_SIZE(q35_pieces); i++)
        tables(q35_pieces + i - 2, 3, i % 2 * 4);
    tables_in_memory();
}

/* ---- instructions ---- */

static void decode(unsigned mode, const uint8_t *opcode, size_t opcode_size, uint8_t modrm)
{
    static const uint8_t rest[] = {0x25, 0x88, 0x77, 0x66, 0x95, 0x44, 0x33, 0x22,
                                   0x11, 0xc3, 0x5a, 0xa5, 0x81, 0x7e, 0xe7, 0x18};

    put_number(mode, 1);
    put(opcode, opcode_size);
    put_number(modrm, 1);
    put(rest, sizeof(rest));
    seed("decode");
}

/* Code for an emulator, with registers that point at a table. */
static void emulate(const char *target, const uint8_t *code, size_t size)
{
    struct x86_regs regs = {.rip = 0x10000,
                            .rflags = 0x10202,
                            .rdi = 0x30000,
                            .rsi = 0x5000,
                            .rcx = 3,
                            .rax = 0x67,
                            .rdx = 0x3f8,
                            .vector = X86_EXC_GP};
    bool privileged = !strcmp(target, "privileged");

    put_number(size, 1);
    put(code, size);
    put_number(0, 8); /* the bases of FS and GS */
    put_number(0, 8);
    put(&regs, sizeof(regs));
    if (privileged) {
        put_number(0xc4, 1); /* ring 1, IOPL 1, its exception */
    } else {
        put_number(0x30000, 8);
        if (!strcmp(target, "ptwr"))
            put_number(0x67, 8);
        put_number(1, 1);
    }
    put_number(0, 8);
    put_number(0x1234, 8);
    seed(target);
}

/* For the emulator beside the CPU. */
static void run_both(const uint8_t *code, size_t size, unsigned seed_number)
{
    put_number(seed_number % 2, 1);
    put_number(seed_number, 8);
    put_number(0x508, 2);
    put_number(0x8000000012345067, 8);
    put(code, size);
    seed("ptwr_cpu");
}

static void opcodes(void)
{
    static const uint8_t modrms[] = {0x07, 0x3f, 0xd8, 0x84};

    for (unsigned two = 0; two < 2; two++) {
        for (unsigned op = 0; op < 256; op++) {
            for (unsigned m = 0; m < sizeof(modrms); m++) {
                uint8_t code[] = {0x0f, op, modrms[m], 0x25, 0, 0, 0, 0, 0};
                const uint8_t *start = code + !two;
                size_t size = sizeof(code) - !two;

                decode(m % 3, start, 1 + two, modrms[m]);
                emulate("privileged", start, size);
                emulate("ptwr", start, size);
                run_both(start, size, op);
                emulate("store", start, size);
            }
        }
    }
}

/* With REX.W, REP, LOCK and other prefixes, the usual stores into a table and what is privileged.
 */
static void instructions(void)
{
    static const struct {
        uint8_t size, code[9];
    } list[] = {
        {3, {0x48, 0x89, 0x37}},
        {7, {0x48, 0xc7, 0x07, 0x67, 0, 0, 0}},
        {3, {0x48, 0x87, 0x07}},
        {5, {0xf0, 0x48, 0x0f, 0xc1, 0x07}},
        {5, {0xf0, 0x48, 0x0f, 0xb1, 0x0f}},
        {4, {0xf0, 0x0f, 0xc7, 0x0f}},
        {3, {0xf3, 0x48, 0xab}},
        {3, {0xf3, 0x48, 0xa5}},
        {5, {0xf0, 0x48, 0x0f, 0xab, 0x07}},
        {5, {0x48, 0x0f, 0xba, 0x2f, 0x05}},
        {4, {0x48, 0x83, 0x27, 0xfd}},
        {2, {0xf3, 0x6c}},
        {3, {0x66, 0xf3, 0x6f}},
        {3, {0x0f, 0x22, 0xd8}},
        {3, {0x0f, 0x20, 0xd0}},
        {3, {0x0f, 0x23, 0xf8}},
        {7, {0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2}},
        {3, {0x0f, 0x01, 0x38}},
        {3, {0x0f, 0x01, 0xd1}},
        {3, {0x0f, 0x01, 0xf9}},
        {2, {0xcd, 0x80}},
    };
    static const char *const targets[] = {"privileged", "ptwr", "store"};

    for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
        decode(0, list[i].code, list[i].size, 0);
        run_both(list[i].code, list[i].size, 0);
        run_both(list[i].code, list[i].size, 1);
        for (unsigned t = 0; t < ARRAY_SIZE(targets); t++)
            emulate(targets[t], list[i].code, list[i].size);
    }
}

/* ---- CPUs and devices ---- */

static void policy(uint8_t flags, const struct cpuid_leaf *leaves, unsigned count)
{
    put_number(flags, 1);
    if (flags & 2) {
        put_number(count, 1);
        put(leaves, count * sizeof(*leaves));
    }
    put_number(count, 1);
    for (unsigned i = 0; i < count; i++)
        if (leaves[i].leaf < 0xe || leaves[i].leaf >= 0x80000000)
            put(&leaves[i], sizeof(leaves[i]));
    seed("cpuid");
}

static void function(bool msix, uint8_t flags)
{
    uint8_t config[256] = {0x86, 0x80, 0x34, 0x12, [0x06] = 0x10, [0x13] = 0xfe, [0x34] = 0x50};

    config[0x10] = 4;
    config[0x50] = 0x05;
    config[0x51] = 0x70;
    config[0x52] = 2 << 1 | flags << 7;
    config[0x53] = flags >> 1;
    config[0x70] = 0x11;
    config[0x72] = 7;
    config[0x75] = 0x20;
    put(config, sizeof(config));
    put_number(msix ? 0 : 2, 1);
    put_number(msix ? 3 << 1 | 1 : 0, 1);
    for (unsigned offset = 0x4c; offset < 0x80; offset += 2) {
        put_number(offset, 1);
        put_number(offset % 4 ? 1 : 2, 1);
        put_number(0xffffffff, 4);
    }
    seed("pci");
}

static void hypfs(void)
{
    static const char *const paths[] = {"/", "/buildinfo", "/buildinfo/version/major",
                                        "/buildinfo/changeset", "/nowhere"};

    for (unsigned i = 0; i < ARRAY_SIZE(paths); i++) {
        put_number(1, 1);
        put_number(1024, 2);
        put_number(strlen(paths[i]) + 1, 2);
        put(paths[i], strlen(paths[i]) + 1);
        seed("hypfs");
    }
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 64;
    folder = argv[1];
    make_folder(folder);
    loaders();
    kernels();
    texts();
    acpi();
    opcodes();
    instructions();
    policy(0, amd, ARRAY_SIZE(amd));
    policy(1, intel, ARRAY_SIZE(intel));
    policy(3, intel, ARRAY_SIZE(intel));
    for (uint8_t flags = 0; flags < 4; flags++)
        function(flags == 3, flags);
    hypfs();
    return 0;
}
