/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions of the guest kernel that the hypervisor emulates: CPUID by the prefix,
 * control and debug registers, MSRs, XSETBV, CLI and STI, port I/O under the virtual IOPL.
 */
#include "guest.h"
#include "cpu.h"
#include <xen/physdev.h>

#define CR0_TS        BIT(3)
#define CR4_FSGSBASE  BIT(16)
#define CR4_OSXSAVE   BIT(18)
#define MSR_TSC       0x10
#define MSR_APIC_BASE 0x1b
#define MSR_PAT       0x277
#define MSR_EFER      0xc0000080
#define MSR_FS_BASE   0xc0000100
#define MSR_GS_BASE   0xc0000101
#define MSR_KERNEL_GS 0xc0000102
#define MSR_TSC_AUX   0xc0000103

static void iopl_set(unsigned iopl)
{
    struct physdev_set_iopl op = {.iopl = iopl};

    REQUIRE_EQ(physdev_op(PHYSDEVOP_set_iopl, &op), 0);
}

TEST("cpuid-hypervisor-leaves")
{
    struct cpuid_regs r = cpuid_forced(0x40000000, 0);

    CHECK(r.a >= 0x40000004 && r.a < 0x40000100);
    CHECK_EQ(r.b, 0x566e6558);
    CHECK_EQ(r.c, 0x65584d4d);
    CHECK_EQ(r.d, 0x4d4d566e);
    CHECK_EQ(cpuid_forced(0x40000001, 0).a, 4 << 16 | 17);
    CHECK_EQ(cpuid_forced(0x40000002, 0).a, 1);
    CHECK_EQ(cpuid_forced(0x40000002, 0).c & 1, 1);
    for (uint32_t base = 0x40000100; base < 0x40010000; base += 0x100) {
        r = cpuid_forced(base, 0);
        if (!CHECK_EQ(r.a | r.b | r.c | r.d, 0))
            break;
    }
}

TEST("cpuid-features")
{
    struct cpuid_regs one = cpuid_forced(1, 0), ext = cpuid_forced(0x80000001, 0);

    CHECK(cpuid_forced(0, 0).a >= 7);
    CHECK(one.c & BIT(31));                                   /* hypervisor present */
    CHECK_EQ(one.d & 0x8061, 0x8061);                         /* FPU, PAE, MSR, CMOV */
    CHECK_EQ(ext.d & (BIT(29) | BIT(20)), BIT(29) | BIT(20)); /* long mode, NX */
    CHECK(ext.d & BIT(11));                                   /* SYSCALL */
    CHECK_EQ(one.d & (BIT(3) | BIT(17)), 0);                  /* PSE, PSE36: no large pages */
    CHECK_EQ(one.c & (BIT(3) | BIT(5)), 0);                   /* MONITOR, VMX */
    CHECK_EQ(ext.c & BIT(2), 0);                              /* SVM */
}

TEST("cpuid-osxsave-follows-cr4")
{
    uint64_t cr4 = cr4_read();

    if (!(cpuid_forced(1, 0).c & BIT(26)))
        SKIP("no XSAVE");
    cr4_write(cr4 | CR4_OSXSAVE);
    CHECK_EQ(cr4_read() & CR4_OSXSAVE, CR4_OSXSAVE);
    CHECK(cpuid_forced(1, 0).c & BIT(27));
    CHECK_EQ(FAULT_OF(xcr0_read()), NO_FAULT);
    cr4_write(cr4 & ~CR4_OSXSAVE);
    CHECK_EQ(cr4_read() & CR4_OSXSAVE, 0); /* Xen's CPUID goes on showing the host's bit then */
    cr4_write(cr4);
}

TEST("cpuid-resumes-behind-prefix")
{
    uint64_t rax, rdx;

    __asm__ volatile("movq $-1, %%rdx; movq $0x40000001, %%rax; xorl %%ecx, %%ecx;"
                     ".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid"
                     : "=a"(rax), "=d"(rdx)
                     :
                     : "rbx", "rcx");
    CHECK_EQ(rax, 4 << 16 | 17);
    CHECK_EQ(rdx >> 32, 0);
}

TEST("prefix-with-another-instruction")
{
    CHECK_EQ(FAULT_OF(__asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; nop")), TRAP_UD);
    CHECK_EQ(FAULT_OF(__asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6f; cpuid")), TRAP_UD);
}

TEST("cr0")
{
    uint64_t cr0 = cr0_read();

    CHECK_EQ(cr0 & 0x80000001, 0x80000001);
    CHECK_EQ(cr0 & BIT(16), BIT(16));
    CHECK_EQ(cr0 & CR0_TS, 0);
    cr0_write(cr0 | CR0_TS);
    CHECK_EQ(cr0_read(), cr0 | CR0_TS);
    CHECK_EQ(FAULT_OF(__asm__ volatile("fninit")), TRAP_NM);
    cr0_write(cr0 | CR0_TS);
    __asm__ volatile("clts");
    CHECK_EQ(cr0_read(), cr0);
    CHECK_EQ(FAULT_OF(__asm__ volatile("fninit")), NO_FAULT);
    CHECK_EQ(FAULT_OF(cr0_write(cr0 & ~BIT(31))), TRAP_GP);
    CHECK_EQ(cr0_read(), cr0);
}

TEST("cr2")
{
    CHECK_EQ(FAULT_OF((void)*(volatile char *)0x7654321), TRAP_PF);
    CHECK_EQ(cr2_read(), 0x7654321);
    cr2_write(0x1122334455667788);
    CHECK_EQ(cr2_read(), 0x1122334455667788);
    CHECK_EQ(vcpu_info_self()->arch.cr2, 0x1122334455667788);
}

TEST("cr3")
{
    uint64_t cr3 = va_to_machine((void *)start_info->pt_base);

    CHECK_EQ(cr3_read(), cr3);
    CHECK_EQ(FAULT_OF(cr3_write(cr3)), NO_FAULT);
    CHECK_EQ(cr3_read(), cr3);
    /* A frame that cannot be a root. */
    CHECK_EQ(FAULT_OF(cr3_write(va_to_machine(boot_stack))), TRAP_GP);
    CHECK_EQ(cr3_read(), cr3);
}

TEST("cr4")
{
    uint64_t cr4 = cr4_read();

    CHECK_EQ(cr4 & 0x660, 0x660); /* PAE, MCE, OSFXSR, OSXMMEXCPT */
    if (cpuid_forced(7, 0).b & 1) {
        cr4_write(cr4 | CR4_FSGSBASE);
        CHECK_EQ(cr4_read(), cr4 | CR4_FSGSBASE);
        uint64_t base;

        CHECK_EQ(FAULT_OF(__asm__ volatile("rdfsbase %0" : "=r"(base))), NO_FAULT);
        cr4_write(cr4 & ~CR4_FSGSBASE);
        CHECK_EQ(FAULT_OF(__asm__ volatile("rdfsbase %0" : "=r"(base))), TRAP_UD);
        cr4_write(cr4);
    }
    CHECK_EQ(cr4_read(), cr4);
}

TEST("cr8-and-others")
{
    CHECK_EQ(FAULT_OF(cr8_read()), TRAP_GP);
    CHECK_EQ(FAULT_OF(cr8_write(0)), TRAP_GP);
}

TEST("debug-registers")
{
    uint64_t value;

    CHECK_EQ(FAULT_OF(__asm__ volatile("movq %0, %%dr1" ::"r"(0x1234000UL))), NO_FAULT);
    CHECK_EQ(FAULT_OF(__asm__ volatile("movq %%dr1, %0" : "=r"(value))), NO_FAULT);
    CHECK_EQ(value, 0x1234000);
    CHECK_EQ(get_debugreg(1), 0x1234000);
    CHECK_EQ(FAULT_OF(__asm__ volatile("movq %%dr7, %0" : "=r"(value))), NO_FAULT);
    CHECK_EQ(value & 0xff, 0);
    CHECK_EQ(FAULT_OF(__asm__ volatile("movq %0, %%dr1" ::"r"(HYPERVISOR_VIRT_START))), TRAP_GP);
}

TEST("msr-segment-bases")
{
    static const uint32_t bases[] = {MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS};

    for (unsigned i = 0; i < ARRAY_SIZE(bases); i++) {
        msr_write(bases[i], 0xffffffff80001000 + i);
        CHECK_EQ(msr_read(bases[i]), 0xffffffff80001000 + i);
        CHECK_EQ(FAULT_OF(msr_write(bases[i], 0x8000000000000000)), TRAP_GP);
        CHECK_EQ(msr_read(bases[i]), 0xffffffff80001000 + i);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(bases); i++)
        msr_write(bases[i], 0);
}

TEST("gs-base-in-use")
{
    static uint64_t cell = 77;
    uint64_t value;

    msr_write(MSR_GS_BASE, (uint64_t)&cell);
    __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
    CHECK_EQ(value, 77);
    msr_write(MSR_GS_BASE, 0);
}

TEST("msr-values")
{
    CHECK_EQ(msr_read(MSR_PAT), 0x0000050100070406);
    CHECK_EQ(msr_read(MSR_EFER) & 0xd00, 0xd00 & msr_read(MSR_EFER));
    CHECK(msr_read(MSR_EFER) & 1);
    CHECK_EQ(FAULT_OF(msr_write(MSR_TSC_AUX, 5)), NO_FAULT);
    CHECK_EQ(FAULT_OF(msr_write(MSR_EFER, 0)), TRAP_GP);
    CHECK_EQ(FAULT_OF(msr_write(MSR_PAT, 0)), TRAP_GP);
}

TEST("msr-apic-base")
{
    CHECK_EQ(msr_read(MSR_APIC_BASE) & ~0x500UL, 0xfee00800);
}

TEST("msr-tsc")
{
    uint64_t before = tsc_read(), msr = msr_read(MSR_TSC), after = tsc_read();

    CHECK(before <= msr && msr <= after);
}

TEST("msr-unknown")
{
    CHECK_EQ(FAULT_OF(msr_read(0x12345678)), TRAP_GP);
    CHECK_EQ(trap_last.frame.error, 0);
    CHECK_EQ(FAULT_OF(msr_write(0x12345678, 0)), TRAP_GP);
    CHECK_EQ(FAULT_OF(msr_read(0xc0010055)), TRAP_GP);
}

/* Those that would give the machine away. */
TEST("msr-dangerous")
{
    static const uint32_t msrs[] = {0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0x174,
                                    0x175,      0x176,      0xc0010117, 0x830,      0x1d9};

    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++)
        CHECK_EQ(FAULT_OF(msr_write(msrs[i], 0xffffffff80100000)), TRAP_GP);
}

TEST("xsetbv")
{
    uint64_t cr4 = cr4_read(), xcr0;

    if (!(cpuid_forced(1, 0).c & BIT(26)))
        SKIP("no XSAVE");
    cr4_write(cr4 | CR4_OSXSAVE);
    xcr0 = xcr0_read();
    CHECK(xcr0 & 1);
    CHECK_EQ(FAULT_OF(xcr_write(0, 3)), NO_FAULT);
    CHECK_EQ(xcr0_read(), 3);
    CHECK_EQ(FAULT_OF(xcr_write(0, 2)), TRAP_GP);
    CHECK_EQ(FAULT_OF(xcr_write(0, BIT(62) | 1)), TRAP_GP);
    CHECK_EQ(FAULT_OF(xcr_write(1, 1)), TRAP_GP);
    CHECK_EQ(xcr0_read(), 3);
    xcr_write(0, xcr0);
    cr4_write(cr4);
}

TEST("wbinvd")
{
    CHECK_EQ(FAULT_OF(__asm__ volatile("wbinvd" ::: "memory")), NO_FAULT);
}

TEST("rdtsc-moves")
{
    uint64_t before = tsc_read();

    CHECK(tsc_read() > before);
}

/* Before any iopl the kernel has none: virtual IOPL 0 lets ring "1" do no I/O. */
TEST("iopl-zero")
{
    iopl_set(0);
    CHECK_EQ(FAULT_OF(port_in8(0x61)), TRAP_GP);
    CHECK_EQ(FAULT_OF(port_out8(0x80, 0)), TRAP_GP);
    CHECK_EQ(FAULT_OF(__asm__ volatile("cli")), TRAP_GP);
    CHECK_EQ(FAULT_OF(__asm__ volatile("sti")), TRAP_GP);
    iopl_set(1);
}

TEST("iopl-refused")
{
    struct physdev_set_iopl op = {.iopl = 4};

    CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, &op), -EINVAL);
}

/* CLI and STI do nothing under IOPL 1: the event mask is the guest's own memory. */
TEST("cli-sti")
{
    iopl_set(1);
    for (unsigned mask = 0; mask <= 1; mask++) {
        vcpu_info_self()->evtchn_upcall_mask = mask;
        CHECK_EQ(FAULT_OF(__asm__ volatile("cli")), NO_FAULT);
        CHECK_EQ(vcpu_info_self()->evtchn_upcall_mask, mask);
        CHECK_EQ(FAULT_OF(__asm__ volatile("sti")), NO_FAULT);
        CHECK_EQ(vcpu_info_self()->evtchn_upcall_mask, mask);
    }
}

TEST("popf")
{
    uint64_t rflags;

    __asm__ volatile("pushfq; andq $~0x200, (%%rsp); popfq; pushfq; popq %0" : "=r"(rflags));
    CHECK_EQ(rflags & (RFLAGS_IF | RFLAGS_IOPL), RFLAGS_IF);
}

static uint32_t pci_read(uint32_t address)
{
    port_out32(0xcf8, 0x80000000 | address);
    return port_in32(0xcfc);
}

TEST("port-pci-config")
{
    uint32_t id;

    iopl_set(1);
    id = pci_read(0);
    CHECK((id & 0xffff) == 0x8086);
    CHECK_EQ(port_in16(0xcfc), id & 0xffff);
    CHECK_EQ(port_in16(0xcfe), id >> 16);
    CHECK_EQ(port_in8(0xcfd), id >> 8 & 0xff);
    CHECK_EQ(pci_read(0x1f << 11 | 7 << 8) | pci_read(0xff << 16), 0xffffffff);
    /* The address register reads back what this domain wrote. */
    port_out32(0xcf8, 0x80000008);
    CHECK_EQ(port_in32(0xcf8), 0x80000008);
}

TEST("port-register-widths")
{
    uint64_t rax = ~0UL;

    iopl_set(1);
    __asm__ volatile("inb %w1, %b0" : "+a"(rax) : "Nd"(0x61));
    CHECK_EQ(rax >> 8, ~0UL >> 8);
    rax = ~0UL;
    __asm__ volatile("inw %w1, %w0" : "+a"(rax) : "d"(0xcfc));
    CHECK_EQ(rax >> 16, ~0UL >> 16);
    rax = ~0UL;
    __asm__ volatile("inl %w1, %k0" : "+a"(rax) : "d"(0xcfc));
    CHECK_EQ(rax >> 32, 0);
}

/* What the hypervisor keeps for itself reads as all ones and drops writes. */
TEST("port-denied")
{
    static const uint16_t ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x40, 0x43, 0x3f8, 0x3fd};

    iopl_set(1);
    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
        if (ports[i] < 0x40 || ports[i] > 0x43)
            CHECK_EQ(port_in8(ports[i]), 0xff);
        CHECK_EQ(FAULT_OF(port_out8(ports[i], 0xff)), NO_FAULT);
    }
}

TEST("port-rtc")
{
    iopl_set(1);
    port_out8(0x70, 0x0d);
    CHECK_EQ(port_in8(0x71) & 0x80, 0x80); /* battery good */
    CHECK_EQ(port_in8(0x70) & 0x7f, 0x0d);
}

TEST("port-string")
{
    uint32_t buffer[4] = {0}, id;
    void *to = buffer;
    unsigned long count = 3;

    iopl_set(1);
    id = pci_read(0);
    __asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(0xcfc) : "memory");
    CHECK_EQ(count, 0);
    CHECK_EQ(to, &buffer[3]);
    CHECK_EQ(buffer[0], id);
    CHECK_EQ(buffer[2], id);
    CHECK_EQ(buffer[3], 0);
    to = (void *)0x1000;
    count = 1;
    CHECK_EQ(FAULT_OF(__asm__ volatile("rep insb"
                                       : "+D"(to), "+c"(count)
                                       : "d"(0x61)
                                       : "memory")),
             TRAP_PF);
    CHECK_EQ(trap_last.cr2, 0x1000);
}
