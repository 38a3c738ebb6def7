/* SPDX-License-Identifier: MIT */
/*
 * Segment descriptors: HYPERVISOR_set_gdt, HYPERVISOR_update_descriptor, MMUEXT_SET_LDT. What a
 * guest may load is checked by loading it.
 */
#include "guest.h"
#include "user.h"

#define DATA3       0x00cff3000000ffffUL /* flat data, DPL 3 */
#define CODE3       0x00affb000000ffffUL /* 64-bit code, DPL 3 */
#define DATA0       0x00cf93000000ffffUL /* DPL 0 */
#define CODE0       0x00af9b000000ffffUL
#define NOT_PRESENT 0x00cf73000000ffffUL
#define LIMIT_4K    0x0040f30000000fffUL /* data, 4 KiB, 32-bit */
#define GATE_64     0x00008e0000101234UL /* interrupt gate */
#define TSS_64      0x0000890000000067UL
#define LDT_DESC    0x0000820000000067UL

static uint64_t *gdt;
static xen_pfn_t gdt_frame;

static int ds_load(uint16_t selector)
{
    int vector = FAULT_OF(__asm__ volatile("movw %w0, %%ds" ::"r"(selector)));

    __asm__ volatile("movw %w0, %%ds" ::"r"(0));
    return vector;
}

TEST("set-gdt")
{
    gdt = page_alloc();
    gdt_frame = va_to_mfn(gdt);
    gdt[1] = DATA3;
    gdt[2] = CODE3;
    gdt[3] = NOT_PRESENT;
    CHECK(set_gdt(&gdt_frame, 512) < 0); /* writable mapping exists */
    REQUIRE_EQ(page_set_writable(gdt, false), 0);
    REQUIRE_EQ(set_gdt(&gdt_frame, 512), 0);
    CHECK(page_set_writable(gdt, true) < 0);
    CHECK_EQ(ds_load(1 << 3 | 3), NO_FAULT);
    CHECK_EQ(ds_load(2 << 3 | 3), NO_FAULT); /* readable code is data */
    CHECK_EQ(ds_load(3 << 3 | 3), TRAP_NP);
    CHECK_EQ(trap_last.frame.error, 3 << 3);
    CHECK_EQ(ds_load(4 << 3 | 3), TRAP_GP);
    CHECK_EQ(trap_last.frame.error, 4 << 3);
}

/* A stack segment that is not present is another exception. */
TEST("stack-segment")
{
    CHECK_EQ(FAULT_OF(__asm__ volatile("movw %w0, %%ss" ::"r"(3 << 3 | 3))), TRAP_SS);
    CHECK_EQ(trap_last.frame.error, 3 << 3);
    CHECK_EQ(FAULT_OF(__asm__ volatile("movw %w0, %%ss" ::"r"(1 << 3 | 3))), NO_FAULT);
    CHECK_EQ(FAULT_OF(__asm__ volatile("movw %w0, %%ss" ::"r"(FLAT_KERNEL_SS))), NO_FAULT);
}

TEST("flat-selectors-stay")
{
    CHECK_EQ(ds_load(FLAT_KERNEL_DS32), NO_FAULT);
    CHECK_EQ(FAULT_OF(__asm__ volatile("movw %w0, %%ss" ::"r"(FLAT_KERNEL_SS))), NO_FAULT);
    CHECK_EQ(FAULT_OF(__asm__ volatile("ud2")), TRAP_UD);
}

/* The hypervisor's part of the table is not the guest's to load from. */
TEST("reserved-selectors")
{
    static const uint16_t bad[] = {0xe008, 0xe010, 0xe018, 0xe040, 0xe048};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        CHECK(ds_load(bad[i] | 3) != NO_FAULT);
}

TEST("update-descriptor")
{
    CHECK_EQ(update_descriptor(va_to_machine(&gdt[4]), DATA3), 0);
    CHECK_EQ(gdt[4] & ~(1UL << 40), DATA3 & ~(1UL << 40)); /* but for Accessed */
    CHECK_EQ(ds_load(4 << 3 | 3), NO_FAULT);
    CHECK_EQ(update_descriptor(va_to_machine(&gdt[4]), 0), 0);
    CHECK_EQ(ds_load(4 << 3 | 3), TRAP_GP);
    CHECK_EQ(update_descriptor(va_to_machine(&gdt[4]), NOT_PRESENT), 0);
    CHECK_EQ(ds_load(4 << 3 | 3), TRAP_NP);
    CHECK_EQ(update_descriptor(va_to_machine(&gdt[4]), LIMIT_4K), 0);
    CHECK_EQ(ds_load(4 << 3 | 3), NO_FAULT);
}

/* A descriptor of DPL 0 is made the guest kernel's ring. */
TEST("dpl-0")
{
    CHECK_EQ(update_descriptor(va_to_machine(&gdt[5]), DATA0), 0);
    CHECK_EQ(update_descriptor(va_to_machine(&gdt[6]), CODE0), 0);
    CHECK_EQ(ds_load(5 << 3 | 3), NO_FAULT);
    CHECK((gdt[5] >> 45 & 3) != 0);
    CHECK((gdt[6] >> 45 & 3) != 0);
}

TEST("system-descriptors-refused")
{
    CHECK_EQ(update_descriptor(va_to_machine(&gdt[7]), GATE_64), -EINVAL);
    CHECK_EQ(update_descriptor(va_to_machine(&gdt[7]), TSS_64), -EINVAL);
    CHECK_EQ(update_descriptor(va_to_machine(&gdt[7]), LDT_DESC), -EINVAL);
    CHECK_EQ(gdt[7], 0);
}

TEST("update-descriptor-bad-address")
{
    uint64_t *plain = page_alloc();

    CHECK(update_descriptor(va_to_machine(&gdt[7]) + 4, DATA3) < 0);
    CHECK(update_descriptor(1UL << 51, DATA3) < 0);
    CHECK(update_descriptor(0xb8000, DATA3) < 0);
    CHECK(update_descriptor(pt_entry_machine(plain, 1), DATA3) < 0);
    CHECK(update_descriptor(va_to_machine(&plain[3]), GATE_64) < 0);
    CHECK_EQ(plain[3], 0);
    CHECK_EQ(update_descriptor(va_to_machine(&plain[3]), DATA3), 0); /* a page may become a GDT */
    CHECK_EQ(plain[3], DATA3);
    page_free(plain);
}

/* A second table replaces the first, which is an ordinary page again. */
TEST("replace-gdt")
{
    uint64_t *other = page_alloc();
    xen_pfn_t frame = va_to_mfn(other);

    other[9] = DATA3;
    REQUIRE_EQ(page_set_writable(other, false), 0);
    REQUIRE_EQ(set_gdt(&frame, 16), 0);
    CHECK_EQ(ds_load(9 << 3 | 3), NO_FAULT);
    CHECK_EQ(ds_load(1 << 3 | 3), TRAP_GP);
    CHECK_EQ(page_set_writable(gdt, true), 0);
    CHECK_EQ(page_set_writable(gdt, false), 0);
    REQUIRE_EQ(set_gdt(&gdt_frame, 512), 0);
    CHECK_EQ(page_set_writable(other, true), 0);
    CHECK_EQ(ds_load(1 << 3 | 3), NO_FAULT);
    page_free(other);
}

TEST("set-gdt-refused")
{
    static xen_pfn_t frames[16];
    uint64_t *bad = page_alloc();

    bad[1] = GATE_64;
    REQUIRE_EQ(page_set_writable(bad, false), 0);
    frames[0] = va_to_mfn(bad);
    CHECK(set_gdt(frames, 512) < 0);
    REQUIRE_EQ(page_set_writable(bad, true), 0);
    page_free(bad);
    frames[0] = gdt_frame;
    frames[1] = 1UL << 39;
    CHECK(set_gdt(frames, 1024) < 0); /* the second frame does not exist */
    CHECK(set_gdt(frames, 512 * 14 + 1) < 0);
    CHECK(set_gdt(frames, ~0u) < 0);
    frames[1] = va_to_mfn(pt_entry(boot_stack, 1)); /* a page table */
    CHECK(set_gdt(frames, 1024) < 0);
    CHECK_EQ(set_gdt(0x1000, 512), -EFAULT);
    CHECK_EQ(ds_load(1 << 3 | 3), NO_FAULT); /* the old one is in force */
}

/* A selector that stays loaded over the change of table. */
TEST("stale-selector")
{
    __asm__ volatile("movw %w0, %%ds" ::"r"(1 << 3 | 3));
    REQUIRE_EQ(set_gdt(NULL, 0), 0);
    CHECK_EQ(ds_load(1 << 3 | 3), TRAP_GP);
    CHECK_EQ(page_set_writable(gdt, true), 0);
    CHECK_EQ(page_set_writable(gdt, false), 0);
    REQUIRE_EQ(set_gdt(&gdt_frame, 512), 0);
}

static long ldt_set(const void *base, unsigned entries)
{
    struct mmuext_op op = {
        .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = HC_ARG(base), .arg2.nr_ents = entries};

    return mmuext_op(&op, 1, NULL, DOMID_SELF);
}

TEST("set-ldt")
{
    uint64_t *ldt = page_alloc();

    ldt[3] = DATA3;
    CHECK_EQ(ldt_set(NULL, 0), 0);
    CHECK(ds_load(3 << 3 | 7) != NO_FAULT);
    REQUIRE_EQ(page_set_writable(ldt, false), 0);
    CHECK_EQ(ldt_set(ldt, 512), 0);
    CHECK_EQ(ds_load(3 << 3 | 7), NO_FAULT);
    CHECK(page_set_writable(ldt, true) < 0); /* in use */
    CHECK_EQ(update_descriptor(va_to_machine(&ldt[4]), DATA3), 0);
    CHECK_EQ(ds_load(4 << 3 | 7), NO_FAULT);
    CHECK_EQ(ldt_set(NULL, 0), 0);
    CHECK(ds_load(3 << 3 | 7) != NO_FAULT);
    CHECK_EQ(page_set_writable(ldt, true), 0);
    page_free(ldt);
}

/* A page that cannot be a descriptor page: the load faults, nothing else happens. */
TEST("ldt-bad-page")
{
    uint64_t *ldt = page_alloc();

    ldt[3] = GATE_64;
    REQUIRE_EQ(page_set_writable(ldt, false), 0);
    if (ldt_set(ldt, 512) == 0)
        CHECK(ds_load(3 << 3 | 7) != NO_FAULT);
    CHECK_EQ(ldt_set(NULL, 0), 0);
    REQUIRE_EQ(page_set_writable(ldt, true), 0);
    page_free(ldt);
    if (ldt_set((void *)0x123456789000, 512) == 0)
        CHECK(ds_load(3 << 3 | 7) != NO_FAULT);
    CHECK_EQ(ldt_set(NULL, 0), 0);
}

TEST("set-ldt-refused")
{
    CHECK(ldt_set((uint8_t *)gdt + 8, 16) < 0);
    CHECK(ldt_set(gdt, 8193) < 0);
    CHECK(ldt_set((void *)HYPERVISOR_VIRT_START, 16) < 0);
}

/* The descriptor is first needed by the return to user mode itself. */
TEST("iret-to-ldt-code")
{
    static const uint8_t code[] = {0x0f, 0x0b}; /* ud2 */
    uint64_t *ldt = page_alloc();
    struct trap_frame frame;

    user_init();
    ldt[5] = CODE3;
    REQUIRE_EQ(page_set_writable(ldt, false), 0);
    REQUIRE_EQ(ldt_set(ldt, 512), 0);
    user_frame(&frame, code, sizeof(code), 2);
    frame.cs = 5 << 3 | 7;
    CHECK_EQ(user_run(&frame), TRAP_UD);
    CHECK_EQ(trap_last.frame.cs & 0xffff, 5 << 3 | 7);
    frame.cs = 6 << 3 | 7; /* nothing there */
    CHECK(user_run(&frame) != TRAP_UD);
    CHECK_EQ(ldt_set(NULL, 0), 0);
    CHECK_EQ(page_set_writable(ldt, true), 0);
    page_free(ldt);
}
