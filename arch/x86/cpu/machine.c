/* SPDX-License-Identifier: MIT */
/* The machine as a whole: ports, CMOS clock, idle, reset, crash output. */
#include <kr/cpu.h>
#include <kr/domain.h>
#include <kr/log.h>
#include <kr/string.h>
#include <kr/time.h>
#include <x86/cpu.h>
#include <x86/machine.h>

#define RTC_INDEX    0x70
#define RTC_DATA     0x71
#define RTC_UPDATING 0x80
#define RTC_BINARY   0x04
#define RTC_24_HOURS 0x02

uint8_t arch_port_read8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

uint16_t arch_port_read16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

uint32_t arch_port_read32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void arch_port_write8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

void arch_port_write16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

void arch_port_write32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

void arch_cpu_idle(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

void arch_interrupt_window(void)
{
    __asm__ volatile("sti; nop; cli" : : : "memory");
}

/* ---- firmware's data ----------------------------------------------------------------------------
 */

#define BIOS_KEYBOARD_FLAGS 0x417 /* shift state, as INT 16h function 2 gives it */

static uint8_t keyboard_flags;

void machine_read_bios_area(void)
{
    memcpy(&keyboard_flags, phys_to_virt(BIOS_KEYBOARD_FLAGS), sizeof(keyboard_flags));
}

uint8_t arch_keyboard_flags(void)
{
    return keyboard_flags;
}

/* ---- wall clock -------------------------------------------------------------------------------
 */

static uint8_t cmos_read(uint8_t index)
{
    arch_port_write8(RTC_INDEX, index);
    return arch_port_read8(RTC_DATA);
}

struct rtc_time {
    uint8_t second, minute, hour, day, month, year;
};

static void rtc_read(struct rtc_time *t)
{
    *t = (struct rtc_time){cmos_read(0), cmos_read(2), cmos_read(4),
                           cmos_read(7), cmos_read(8), cmos_read(9)};
}

static unsigned from_bcd(uint8_t value, bool binary)
{
    return binary ? value : (value >> 4) * 10 + (value & 15);
}

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar. */
static int64_t days_since_1970(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    unsigned shifted = month <= 2 ? month + 9 : month - 3;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * shifted + 2) / 5 + day - 1 - 719468;
}

/* The MC146818's registers change while it updates: read until two readings agree. */
uint64_t arch_wallclock_sec(void)
{
    struct rtc_time t, again;
    uint8_t status_b;
    bool binary;
    unsigned hour;

    for (unsigned tries = 0; tries < 1000; tries++) {
        if (cmos_read(10) & RTC_UPDATING)
            continue;
        rtc_read(&t);
        rtc_read(&again);
        if (!__builtin_memcmp(&t, &again, sizeof(t)))
            break;
    }
    status_b = cmos_read(11);
    binary = status_b & RTC_BINARY;
    hour = from_bcd(t.hour & 0x7f, binary);
    if (!(status_b & RTC_24_HOURS))
        hour = hour % 12 + (t.hour & 0x80 ? 12 : 0);
    return days_since_1970(2000 + from_bcd(t.year, binary), from_bcd(t.month, binary),
                           from_bcd(t.day, binary)) *
               86400 +
           hour * 3600 + from_bcd(t.minute, binary) * 60 + from_bcd(t.second, binary);
}

/* ---- end of the machine -----------------------------------------------------------------------
 */

static const struct acpi_fadt *fadt;

void machine_set_acpi(const struct acpi_fadt *f)
{
    fadt = f;
}

const struct acpi_fadt *machine_acpi(void)
{
    return fadt;
}

void arch_machine_halt(void)
{
    irq_disable();
    for (;;)
        __asm__ volatile("hlt");
}

static void triple_fault(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __packed none = {0, 0};

    __asm__ volatile("lidt %0; int3" : : "m"(none));
}

/* ACPI reset register, chipset reset, keyboard controller, and what no CPU survives. */
void arch_machine_reboot(void)
{
    irq_disable();
    if (fadt && fadt->reset_supported && fadt->reset.space == ACPI_SPACE_IO)
        arch_port_write8(fadt->reset.address, fadt->reset_value);
    arch_port_write8(0xcf9, 0x02);
    arch_port_write8(0xcf9, 0x06);
    arch_port_write8(0x64, 0xfe);
    for (unsigned i = 0; i < 1000; i++)
        arch_port_read8(0x80);
    triple_fault();
    arch_machine_halt();
}

/* ---- registers
 * ------------------------------------------------------------------------------------ */

static const struct x86_regs *crash_regs;

void crash_regs_set(const struct x86_regs *regs)
{
    crash_regs = regs;
}

static __reads_unlocked void print_regs(const struct x86_regs *r)
{
    log_always("rip %04x:%016lx rflags %08lx rsp %04x:%016lx", r->cs, r->rip, r->rflags, r->ss,
               r->rsp);
    log_always("rax %016lx rbx %016lx rcx %016lx rdx %016lx", r->rax, r->rbx, r->rcx, r->rdx);
    log_always("rsi %016lx rdi %016lx rbp %016lx r8  %016lx", r->rsi, r->rdi, r->rbp, r->r8);
    log_always("r9  %016lx r10 %016lx r11 %016lx r12 %016lx", r->r9, r->r10, r->r11, r->r12);
    log_always("r13 %016lx r14 %016lx r15 %016lx", r->r13, r->r14, r->r15);
}

void arch_crash_dump(void)
{
    uint64_t frame = (uint64_t)__builtin_frame_address(0);

    log_always("CPU %u cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx", this_cpu()->id, read_cr0(),
               read_cr2(), read_cr3(), read_cr4());
    if (crash_regs) {
        print_regs(crash_regs);
        frame = crash_regs->rbp;
    }
    backtrace_print(crash_regs ? crash_regs->rip : 0, frame);
}

__reads_unlocked void arch_vcpu_dump(struct vcpu *v)
{
    print_regs(&v->arch.regs);
    log_always("guest %s mode, kernel root %#lx, user root %#lx",
               v->arch.in_kernel ? "kernel" : "user", v->arch.kernel_root, v->arch.user_root);
}
