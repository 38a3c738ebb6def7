/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables: those of QEMU's machines, tables built here, and everything cut, damaged or absurd.
 * Each look at physical memory gets a copy of exactly the size asked for, so that the address
 * sanitizer sees a reader that goes beyond.
 */
/* SOURCES: drv/acpi_tables.c drv/acpi_madt.c drv/acpi_fadt.c drv/acpi_numa.c */
/* SOURCES: tests/unit/fake/log.c */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include <kr/acpi.h>
#include <kr/errno.h>

#include "data/acpi_dumps.h"
#include "fake/log.h"

/* ---- physical memory --------------------------------------------------------------------------
 */

#define HIGH_BASE  0x7f000000UL
#define HIGH_BYTES 0x10000UL

static uint8_t low[MIB], high[HIGH_BYTES];
static const struct phys_piece *pieces;
static unsigned piece_count;
static void *copies[65536];
static unsigned copy_count;

static const void *phys_find(uint64_t phys, size_t size)
{
    for (unsigned i = 0; i < piece_count; i++)
        if (phys >= pieces[i].address && phys - pieces[i].address < pieces[i].size_bytes &&
            size <= pieces[i].size_bytes - (phys - pieces[i].address))
            return pieces[i].bytes + (phys - pieces[i].address);
    if (phys < sizeof(low) && size <= sizeof(low) - phys)
        return low + phys;
    if (phys >= HIGH_BASE && phys - HIGH_BASE < HIGH_BYTES &&
        size <= HIGH_BYTES - (phys - HIGH_BASE))
        return high + (phys - HIGH_BASE);
    return NULL;
}

const void *acpi_map(uint64_t phys, size_t size)
{
    const void *from = phys_find(phys, size);

    if (from == NULL)
        return NULL;
    assert_true(copy_count < ARRAY_SIZE(copies));
    void *copy = malloc(size);
    memcpy(copy, from, size);
    copies[copy_count++] = copy;
    return copy;
}

static struct acpi_info info;

static int run(uint64_t rsdp)
{
    fake_log_reset();
    int rc = acpi_read(rsdp, &info);
    while (copy_count > 0)
        free(copies[--copy_count]);
    return rc;
}

/* ---- building tables --------------------------------------------------------------------------
 */

static uint64_t high_next;
static uint64_t roots[64];
static unsigned root_count;

static void put(uint64_t phys, uint64_t value, unsigned size)
{
    memcpy((void *)phys_find(phys, size), &value, size);
}

static void fix_checksum(uint64_t phys, size_t size, unsigned at)
{
    uint8_t *bytes = (void *)phys_find(phys, size);
    uint8_t sum = 0;

    bytes[at] = 0;
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    bytes[at] = -sum;
}

static uint64_t add_table(const char *signature, uint8_t revision, const void *body, size_t size)
{
    uint64_t phys = high_next;
    uint8_t *t = high + (phys - HIGH_BASE);

    high_next += 36 + size + 3; /* unaligned on purpose */
    memset(t, 0, 36);
    memcpy(t, signature, 4);
    put(phys + 4, 36 + size, 4);
    t[8] = revision;
    memcpy(t + 36, body, size);
    fix_checksum(phys, 36 + size, 9);
    roots[root_count++] = phys;
    return phys;
}

static void set_length(uint64_t phys, uint32_t length)
{
    put(phys + 4, length, 4);
    if (length >= 36 && phys_find(phys, length) != NULL)
        fix_checksum(phys, length, 9);
}

/* A root pointer of revision 2 at `phys` with an XSDT of what add_table() made. */
static uint64_t add_root(uint64_t phys)
{
    unsigned count = root_count;
    uint64_t body[64];

    memcpy(body, roots, sizeof(body));
    uint64_t xsdt = add_table("XSDT", 1, body, count * 8);
    root_count--;
    memcpy((void *)phys_find(phys, 36), "RSD PTR \0KRTEST\2", 16);
    put(phys + 16, 0, 4);
    put(phys + 20, 36, 4);
    put(phys + 24, xsdt, 8);
    put(phys + 32, 0, 4);
    fix_checksum(phys, 20, 8);
    fix_checksum(phys, 36, 32);
    return xsdt;
}

static int setup(void **state)
{
    memset(low, 0, sizeof(low));
    memset(high, 0, sizeof(high));
    pieces = NULL;
    piece_count = root_count = 0;
    high_next = HIGH_BASE + 0x1001;
    return 0;
}

/* ---- QEMU's machines --------------------------------------------------------------------------
 */

static void test_qemu_pc(void **state)
{
    memcpy(low + pc_pieces[0].address, pc_pieces[0].bytes, pc_pieces[0].size_bytes);
    pieces = pc_pieces;
    piece_count = ARRAY_SIZE(pc_pieces);

    assert_int_equal(run(0), 0);
    assert_int_equal(fake_log_lines(), 0);
    assert_int_equal(info.rsdp_address, pc_pieces[0].address);
    assert_int_equal(info.revision, 0);
    assert_true(info.has_madt && info.has_8259);
    assert_int_equal(info.lapic_address, 0xfee00000);
    assert_int_equal(info.cpu_count, 2);
    assert_int_equal(info.cpu_disabled_count, 1);
    assert_int_equal(info.cpus[1].apic_id, 1);
    assert_int_equal(info.ioapic_count, 1);
    assert_int_equal(info.ioapics[0].address, 0xfec00000);
    assert_int_equal(info.ioapics[0].gsi_base, 0);
    assert_int_equal(info.override_count, 5);
    assert_int_equal(info.overrides[0].irq, 0);
    assert_int_equal(info.overrides[0].gsi, 2);
    assert_int_equal(info.overrides[2].irq, 9);
    assert_int_equal(info.overrides[2].trigger, ACPI_TRIGGER_LEVEL);
    assert_int_equal(info.overrides[2].polarity, ACPI_POLARITY_HIGH);
    assert_int_equal(info.nmi_count, 1);
    assert_true(info.nmis[0].is_local);
    assert_int_equal(info.nmis[0].number, 1);
    assert_int_equal(info.nmis[0].uid, ACPI_UID_ALL);

    assert_true(info.fadt.present && info.fadt.legacy_devices && info.fadt.has_8042);
    assert_int_equal(info.fadt.sci_irq, 9);
    assert_int_equal(info.fadt.pm1a_event.address, 0x600);
    assert_int_equal(info.fadt.pm1a_event.bit_width, 32);
    assert_int_equal(info.fadt.pm1a_control.address, 0x604);
    assert_int_equal(info.fadt.pm1a_control.space, ACPI_SPACE_IO);
    assert_int_equal(info.fadt.pm1b_control.address, 0);
    assert_int_equal(info.fadt.pm_timer.address, 0x608);
    assert_false(info.fadt.reset_supported);
    assert_int_equal(info.hpet.base.address, 0xfed00000);
    assert_int_equal(info.hpet.id, 0x8086a201);
    assert_int_equal(info.mcfg_count, 0);
    assert_false(info.has_srat);
    assert_int_equal(info.node_count, 1);
    assert_int_equal(info.distance[0][0], 10);
    assert_int_equal(info.dmar_address, 0);
}

static void test_qemu_q35(void **state)
{
    memcpy(low + q35_pieces[0].address, q35_pieces[0].bytes, q35_pieces[0].size_bytes);
    pieces = q35_pieces;
    piece_count = ARRAY_SIZE(q35_pieces);

    assert_int_equal(run(q35_pieces[0].address), 0);
    assert_int_equal(fake_log_lines(), 0);
    assert_int_equal(info.cpu_count, 4);
    assert_int_equal(info.fadt.reset.address, 0xcf9);
    assert_int_equal(info.fadt.reset.space, ACPI_SPACE_IO);
    assert_int_equal(info.fadt.reset_value, 0xf);
    assert_true(info.fadt.reset_supported);
    assert_int_equal(info.fadt.pm1a_control.address, 0x604);
    assert_int_equal(info.fadt.pm1a_control.bit_width, 16);
    assert_int_equal(info.mcfg_count, 1);
    assert_int_equal(info.mcfgs[0].base, 0xb0000000);
    assert_int_equal(info.mcfgs[0].bus_last, 255);
    assert_true(info.has_srat);
    assert_int_equal(info.node_count, 2);
    assert_int_equal(info.cpus[0].node, 0);
    assert_int_equal(info.cpus[3].node, 1);
    assert_int_equal(info.distance[0][1], 21);
    assert_int_equal(info.distance[1][1], 10);
    uint64_t bytes[2] = {0};
    for (unsigned i = 0; i < info.memory_count; i++)
        bytes[info.memories[i].node] += info.memories[i].size_bytes;
    assert_int_equal(bytes[0], GIB - 0x60000); /* 640 KiB to 1 MiB is no memory */
    assert_int_equal(bytes[1], GIB);
    assert_true(info.dmar_address != 0);
    assert_int_equal(info.ivrs_address, 0);
}

/* Every bit of every table turned: one line names the table, or the reading is refused. */
static void test_wrong_checksums(void **state)
{
    struct phys_piece copy[ARRAY_SIZE(q35_pieces)];
    uint8_t table[512];

    memcpy(copy, q35_pieces, sizeof(copy));
    pieces = copy;
    piece_count = ARRAY_SIZE(copy);
    for (unsigned n = 0; n < piece_count; n++) {
        char name[5] = {0};

        memcpy(name, q35_pieces[n].bytes, 4);
        if (strcmp(name, "WAET") == 0)
            continue;
        memcpy(table, q35_pieces[n].bytes, q35_pieces[n].size_bytes);
        copy[n].bytes = table;
        for (unsigned bit = 64; bit < q35_pieces[n].size_bytes * 8; bit++) {
            table[bit / 8] ^= 1 << bit % 8;
            int rc = run(q35_pieces[0].address);
            assert_int_equal(rc, n < 2 ? -EINVAL : 0);
            assert_int_equal(fake_log_lines(), 1);
            assert_non_null(strstr(fake_log, n == 0 ? "RSDP" : name));
            table[bit / 8] ^= 1 << bit % 8;
        }
        copy[n].bytes = q35_pieces[n].bytes;
    }
    pieces = NULL; /* the copy goes */
    piece_count = 0;
}

/* Every table cut at every length with its checksum right again: no reader goes beyond its end. */
static void test_cut_tables(void **state)
{
    for (unsigned n = 2; n < ARRAY_SIZE(q35_pieces); n++) {
        for (unsigned size = 0; size <= q35_pieces[n].size_bytes; size++) {
            setup(NULL);
            for (unsigned k = 2; k < ARRAY_SIZE(q35_pieces); k++)
                add_table((const char *)q35_pieces[k].bytes, q35_pieces[k].bytes[8],
                          q35_pieces[k].bytes + 36, q35_pieces[k].size_bytes - 36);
            add_root(0xf0000);
            set_length(roots[n - 2], size);
            assert_int_equal(run(0xf0000), 0);
            assert_true(fake_log_lines() <= 2);
        }
        assert_int_equal(fake_log_lines(), 0);
    }
}

/* Random damage with right checksums. */
static void test_damaged_tables(void **state)
{
    srand(7);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned n = 2 + rand() % (ARRAY_SIZE(q35_pieces) - 2);
        unsigned size = q35_pieces[n].size_bytes;

        setup(NULL);
        add_table((const char *)q35_pieces[n].bytes, rand() % 4, q35_pieces[n].bytes + 36,
                  size - 36);
        for (unsigned hits = 1 + rand() % 4; hits > 0; hits--)
            put(roots[0] + 36 + rand() % (size - 36), rand() % 3 ? rand() : 0xff, 1);
        fix_checksum(roots[0], size, 9);
        add_root(0xf0000);
        assert_int_equal(run(0xf0000), 0);
        assert_in_range(info.node_count, 1, ACPI_NODE_MAX);
        for (unsigned i = 0; i < info.cpu_count; i++)
            assert_true(info.cpus[i].node < info.node_count);
        for (unsigned i = 0; i < info.memory_count; i++)
            assert_true(info.memories[i].node < info.node_count);
    }
}

/* ---- root pointer -----------------------------------------------------------------------------
 */

static void test_no_acpi(void **state)
{
    assert_int_equal(run(0), -ENOENT);
    assert_int_equal(fake_log_lines(), 0);
    assert_int_equal(run(0x1000), -EINVAL);
    assert_int_equal(run(~0UL), -EINVAL);
    assert_int_equal(fake_log_lines(), 1);
}

static void test_search(void **state)
{
    /* In the EBDA, last place that is looked at. */
    low[0x40e] = 0xc0;
    low[0x40f] = 0x9f;
    add_root(0x9fc00 + 0x3e0);
    assert_int_equal(run(0), 0);
    assert_int_equal(info.rsdp_address, 0x9ffe0);
    /* Not a multiple of 16; behind the first KiB. */
    setup(NULL);
    add_root(0xe0008);
    assert_int_equal(run(0), -ENOENT);
    /* The last place in the BIOS area where one fits. */
    setup(NULL);
    add_root(0xfffd0);
    assert_int_equal(run(0), 0);
    /* A broken one is passed over when there is a good one, and reported when there is not. */
    memcpy(low + 0xe0000, "RSD PTR ", 8);
    assert_int_equal(run(0), 0);
    assert_int_equal(info.rsdp_address, 0xfffd0);
    low[0xfffd0 + 12] ^= 1;
    assert_int_equal(run(0), -EINVAL);
    assert_non_null(strstr(fake_log, "RSDP"));
}

static void test_broken_root(void **state)
{
    uint64_t xsdt = add_root(0xf0000);

    assert_int_equal(run(0), 0);
    assert_int_equal(info.root_address, xsdt);
    assert_int_equal(info.revision, 2);

    put(0xf0000 + 34, 1, 1);
    assert_int_equal(run(0xf0000), -EINVAL);
    assert_non_null(strstr(fake_log, "extended checksum"));
    put(0xf0000 + 34, 0, 1);

    static const uint32_t lengths[] = {0, 20, 35, 5000, 0xffffffff};
    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        put(0xf0000 + 20, lengths[i], 4);
        assert_int_equal(run(0xf0000), -EINVAL);
    }
    put(0xf0000 + 20, 36, 4);

    static const uint32_t table_lengths[] = {0, 35, 0xffff, 0x7fffffff, 0xffffffff};
    for (unsigned i = 0; i < ARRAY_SIZE(table_lengths); i++) {
        set_length(xsdt, table_lengths[i]);
        assert_int_equal(run(0), -EINVAL);
        assert_non_null(strstr(fake_log, "XSDT"));
        assert_int_equal(fake_log_lines(), 1);
    }
    set_length(xsdt, 36);
    put(xsdt, 'Y', 1);
    set_length(xsdt, 36);
    assert_int_equal(run(0), -EINVAL);
    put(0xf0000 + 24, 0xfffffffffffffff0, 8);
    fix_checksum(0xf0000, 36, 32);
    assert_int_equal(run(0), -EINVAL);
    assert_int_equal(info.cpu_count, 0);
}

/* Entries that point nowhere, a cut last entry, and the second table good where the first is not.
 */
static void test_root_entries(void **state)
{
    static const uint8_t hpet[20] = {[0] = 1, [10] = 0xd0, [11] = 0xfe};
    uint64_t bad = add_table("HPET", 1, hpet, sizeof(hpet));

    roots[root_count++] = 0;
    roots[root_count++] = 0xfffffffffffffff8;
    roots[root_count++] = HIGH_BASE + HIGH_BYTES - 8;
    add_table("HPET", 1, hpet, sizeof(hpet));
    put(bad + 20, 1, 1);
    uint64_t xsdt = add_root(0xf0000);
    assert_int_equal(run(0), 0);
    assert_int_equal(fake_log_lines(), 1);
    assert_int_equal(info.hpet.base.address, 0xfed00000);
    set_length(xsdt, 36 + 5 * 8 - 1);
    assert_int_equal(run(0), 0);
    assert_int_equal(info.hpet.base.address, 0);
}

/* ---- one table at a time ----------------------------------------------------------------------
 */

static void test_madt(void **state)
{
    static const uint8_t body[] = {
        0,  0,  0xe0, 0xfe, 0, 0,    0,    0, /* LAPIC fee00000, no 8259 */
        0,  8,  1,    0,    1, 0,    0,    0, /* LAPIC 0 */
        0,  8,  2,    4,    0, 0,    0,    0, /* LAPIC 4, disabled */
        9,  16, 0,    0,    0, 2,    0,    0,    1,    0, 0, 0, 7, 0, 0, 0, /* x2APIC 0x200 */
        9,  16, 0,    0,    0, 0,    0,    0,    1,    0, 0, 0, 1, 0, 0, 0, /* x2APIC 0: again */
        99, 5,  1,    2,    3,                                              /* unknown */
        5,  12, 0,    0,    0, 0,    0,    0,    0x10, 0, 0, 0, /* LAPIC at 0x1000000000 */
        3,  8,  13,   0,    5, 0,    0,    0,                   /* NMI: GSI 5, level, high */
        4,  6,  3,    15,   0, 1,                               /* LINT1 of uid 3: level, low */
        10, 12, 5,    0,    7, 0,    0,    0,    0,    0, 0, 0, /* LINT0 of uid 7: edge, high */
        2,  10, 1,    5,    9, 0,    0,    0,    0,    0,       /* override on bus 1 */
        2,  10, 0,    16,   9, 0,    0,    0,    0,    0,       /* of IRQ 16 */
        1,  11, 2,    0,    0, 0,    0xc0, 0xfe, 0,    0, 0,    /* IO-APIC, a byte short */
        1,  12, 2,    0,    0, 0x10, 0xc0, 0xfe, 24,   0, 0, 0, /* IO-APIC */
        1,  12, 3,    0,    0,                                  /* cut */
    };

    add_table("APIC", 3, body, sizeof(body));
    add_root(0xf0000);
    assert_int_equal(run(0), 0);
    assert_int_equal(fake_log_lines(), 4);
    assert_false(info.has_8259);
    assert_int_equal(info.lapic_address, 0x1000000000);
    assert_int_equal(info.cpu_count, 2);
    assert_int_equal(info.cpu_disabled_count, 1);
    assert_int_equal(info.cpus[1].apic_id, 0x200);
    assert_int_equal(info.cpus[1].uid, 7);
    assert_int_equal(info.override_count, 0);
    assert_int_equal(info.ioapic_count, 1);
    assert_int_equal(info.ioapics[0].gsi_base, 24);
    assert_int_equal(info.ioapics[0].address, 0xfec01000);
    assert_int_equal(info.nmi_count, 3);
    assert_false(info.nmis[0].is_local);
    assert_int_equal(info.nmis[0].number, 5);
    assert_int_equal(info.nmis[0].trigger, ACPI_TRIGGER_LEVEL);
    assert_int_equal(info.nmis[1].uid, 3);
    assert_int_equal(info.nmis[1].polarity, ACPI_POLARITY_LOW);
    assert_int_equal(info.nmis[2].uid, 7);
    assert_int_equal(info.nmis[2].number, 0);
}

/* More of everything than there is room for: kept as many as fit, one line per kind. */
static void test_madt_full(void **state)
{
    static uint8_t body[8 + 300 * 16 + 40 * 12 + 40 * 10 + 40 * 8];
    uint8_t *p = body + 8;

    for (unsigned i = 0; i < 300; i++, p += 16) {
        memcpy(p, (uint8_t[]){9, 16, 0, 0, i, i >> 8, 0, 0, 1}, 9);
    }
    for (unsigned i = 0; i < 40; i++, p += 12)
        memcpy(p, (uint8_t[]){1, 12}, 2);
    for (unsigned i = 0; i < 40; i++, p += 10)
        memcpy(p, (uint8_t[]){2, 10}, 2);
    for (unsigned i = 0; i < 40; i++, p += 8)
        memcpy(p, (uint8_t[]){3, 8}, 2);
    add_table("APIC", 3, body, sizeof(body));
    add_root(0xf0000);
    assert_int_equal(run(0), 0);
    assert_int_equal(info.cpu_count, ACPI_CPU_MAX);
    assert_int_equal(info.ioapic_count, ACPI_IOAPIC_MAX);
    assert_int_equal(info.override_count, ACPI_OVERRIDE_MAX);
    assert_int_equal(info.nmi_count, ACPI_NMI_MAX);
    assert_int_equal(fake_log_lines(), 4);
}

static void test_fadt_extended(void **state)
{
    uint8_t body[276 - 36] = {0};

#define FIELD(at, size, value) memcpy(&body[(at)-36], &(uint64_t){value}, size)
    FIELD(36, 4, 0x1000);
    FIELD(46, 2, 20);
    FIELD(56, 4, 0x400);
    FIELD(64, 4, 0x404);
    FIELD(88, 1, 4);
    FIELD(89, 1, 2);
    FIELD(109, 2, 0x28); /* no MSI, no CMOS clock */
    FIELD(112, 4, 0x100);
    FIELD(132, 8, 0x123456789000);
    FIELD(172, 8, 0x2001); /* X_PM1a_CNT: I/O */
    FIELD(176, 8, 0x1804); /* wins */
    FIELD(208, 4, 0x2000); /* X_PM_TMR: memory */
    FIELD(212, 8, 0xfed80808UL);
    uint64_t t = add_table("FACP", 6, body, sizeof(body));
    add_root(0xf0000);
    assert_int_equal(run(0), 0);
    assert_int_equal(info.fadt.facs_address, 0x123456789000);
    assert_int_equal(info.fadt.sci_irq, 20);
    assert_int_equal(info.fadt.pm1a_event.address, 0x400);
    assert_int_equal(info.fadt.pm1a_control.address, 0x1804);
    assert_int_equal(info.fadt.pm_timer.address, 0xfed80808);
    assert_int_equal(info.fadt.pm_timer.space, ACPI_SPACE_MEMORY);
    assert_true(info.fadt.timer_is_32bit && info.fadt.no_msi && info.fadt.no_cmos_rtc);
    assert_false(info.fadt.legacy_devices || info.fadt.has_8042 || info.fadt.reset_supported);

    put(t + 114, 0x10, 1); /* reduced hardware: what the registers say means nothing */
    set_length(t, 276);
    assert_int_equal(run(0), 0);
    assert_true(info.fadt.reduced_hardware);
    assert_int_equal(info.fadt.pm1a_event.address, 0);
    assert_int_equal(info.fadt.pm_timer.address, 0);
}

static void test_mcfg_and_slit(void **state)
{
    static const uint8_t mcfg[8 + 3 * 16] = {
        [8 + 3] = 0xe0,  [8 + 11] = 0x7f,                /* e0000000, buses 0-7f */
        [24 + 3] = 0xf0, [24 + 10] = 2,   [24 + 11] = 1, /* backwards */
        [40] = 1,        [40 + 11] = 1,                  /* not on a bus boundary */
    };
    static const uint8_t slit[8 + 9] = {3, 0, 0, 0, 0, 0, 0, 0, 10, 20, 5, 30, 10, 40, 50, 60, 10};
    /* CPUs of domains 2, 0 and 300 (beyond the SLIT); x2APIC 7 is no CPU of ours. */
    static const uint8_t srat[12 + 16 + 24 + 24] = {
        [12] = 0, [13] = 16, [14] = 2, [15] = 0,  [16] = 1,  [28] = 2, [29] = 24, [32] = 0,
        [36] = 1, [40] = 1,  [52] = 2, [53] = 24, [56] = 44, [57] = 1, [60] = 7,  [64] = 1,
    };
    static const uint8_t madt[8 + 16] = {[8] = 0, 8, 0, 0, 1, 0, 0, 0, 0, 8, 1, 1, 1};

    add_table("MCFG", 1, mcfg, sizeof(mcfg));
    add_table("SLIT", 1, slit, sizeof(slit));
    add_table("SRAT", 3, srat, sizeof(srat));
    add_table("APIC", 3, madt, sizeof(madt));
    add_root(0xf0000);
    assert_int_equal(run(0), 0);
    assert_int_equal(fake_log_lines(), 2);
    assert_int_equal(info.mcfg_count, 1);
    assert_int_equal(info.mcfgs[0].base, 0xe0000000);
    assert_int_equal(info.mcfgs[0].bus_last, 0x7f);
    assert_int_equal(info.node_count, 3);
    assert_int_equal(info.node_domain[0], 2);
    assert_int_equal(info.node_domain[2], 300);
    assert_int_equal(info.cpus[0].node, 0);
    assert_int_equal(info.cpus[1].node, 1);
    assert_int_equal(info.distance[0][1], 50); /* domain 2 to 0 */
    assert_int_equal(info.distance[1][0], 20); /* 5 is nonsense */
    assert_int_equal(info.distance[0][2], 20); /* unknown */

    /* A SLIT whose square overflows or does not fit. */
    static const uint64_t counts[] = {0, 4, 0x10000, 0x100000000, ~0UL};
    for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
        put(roots[1] + 36, counts[i], 8);
        set_length(roots[1], 36 + sizeof(slit));
        assert_int_equal(run(0), 0);
        assert_int_equal(fake_log_lines(), 3);
        assert_int_equal(info.distance[0][1], 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_qemu_pc, setup),
        cmocka_unit_test_setup(test_qemu_q35, setup),
        cmocka_unit_test_setup(test_wrong_checksums, setup),
        cmocka_unit_test_setup(test_cut_tables, setup),
        cmocka_unit_test_setup(test_damaged_tables, setup),
        cmocka_unit_test_setup(test_no_acpi, setup),
        cmocka_unit_test_setup(test_search, setup),
        cmocka_unit_test_setup(test_broken_root, setup),
        cmocka_unit_test_setup(test_root_entries, setup),
        cmocka_unit_test_setup(test_madt, setup),
        cmocka_unit_test_setup(test_madt_full, setup),
        cmocka_unit_test_setup(test_fadt_extended, setup),
        cmocka_unit_test_setup(test_mcfg_and_slit, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
