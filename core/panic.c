/* SPDX-License-Identifier: MIT */
/* The end: panics, refusals at boot and failed assertions. Works whatever locks are held. */
#include <stdatomic.h>

#include <kr/arch.h>
#include <kr/console.h>
#include <kr/cpu.h>
#include <kr/log.h>
#include <kr/option.h>
#include <kr/printf.h>
#include <kr/time.h>

#define REASON_SIZE      256
#define REBOOT_DELAY_NS  (5 * NS_PER_SEC)
#define REBOOT_SPINS_MAX (1UL << 30) /* in case time stands still */
#define NO_CPU           (~0U)

static bool noreboot;
OPTION_BOOL("noreboot", noreboot, "halt instead of rebooting after a crash");

static _Atomic unsigned panic_cpu = NO_CPU;

void machine_restart_after_crash(void)
{
    uint64_t start_ns;

    if (noreboot) {
        log_always("`noreboot` is set: the machine stays halted");
        arch_machine_halt();
    }
    log_always("Rebooting in five seconds...");
    start_ns = arch_time_ns();
    for (uint64_t spins = 0; spins < REBOOT_SPINS_MAX; spins++) {
        if (arch_time_ns() - start_ns >= REBOOT_DELAY_NS)
            break;
        arch_cpu_relax();
    }
    arch_machine_reboot();
}

/* One CPU gets through. Another one waits for the end; the same one again ends it at once. */
static void claim_panic(const char *reason)
{
    unsigned nobody = NO_CPU, self = this_cpu()->id;

    arch_irq_save();
    if (atomic_compare_exchange_strong(&panic_cpu, &nobody, self))
        return;
    while (nobody != self)
        arch_cpu_relax();
    log_always("Panic inside the panic: %s", reason);
    machine_restart_after_crash();
}

void panic(const char *fmt, ...)
{
    char reason[REASON_SIZE];
    va_list ap;

    va_start(ap, fmt);
    kr_vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);

    claim_panic(reason);
    console_enter_panic();
    log_always("****************************************");
    log_always("Panic on CPU %u: %s", this_cpu()->id, reason);
    arch_crash_dump();
    log_always("****************************************");
    machine_restart_after_crash();
}

void boot_refuse(const char *fmt, ...)
{
    char reason[REASON_SIZE];
    va_list ap;

    va_start(ap, fmt);
    kr_vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);

    arch_irq_save();
    console_enter_panic();
    log_always("Krypton cannot start: %s", reason);
    arch_machine_halt();
}

void assert_fail(const char *expr, const char *file, int line, const char *func)
{
    panic("assertion `%s` failed in %s (%s:%d)", expr, func, file, line);
}
