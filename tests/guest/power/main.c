/* SPDX-License-Identifier: MIT */
/*
 * The ways a control domain ends the machine: ACPI S5 through XENPF_enter_acpi_sleep with the
 * values Linux gives on QEMU, the reset register in port cf9, SCHEDOP_shutdown. QEMU must end by
 * itself.
 */
/* RUN: name=s5 args="s5" expect="^switching off" */
/* RUN: name=s5-q35 args="s5" qemu="-M q35" expect="^switching off" */
/* RUN: name=cf9 args="cf9" expect="^resetting" */
/* RUN: name=reboot args="reboot" expect="^rebooting" */
#include "guest.h"
#include "cpu.h"
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>

#define PM1A_CONTROL_S5 0x2001 /* SLP_EN, type 0, SCI_EN */

static void sleep_s5(void)
{
    static struct xen_platform_op op = {.cmd = XENPF_enter_acpi_sleep,
                                        .interface_version = XENPF_INTERFACE_VERSION};

    op.u.enter_acpi_sleep.val_a = PM1A_CONTROL_S5;
    op.u.enter_acpi_sleep.sleep_state = 5;
    print("switching off");
    print("refused: %ld", platform_op(&op));
}

static void reset_cf9(void)
{
    struct physdev_set_iopl op = {.iopl = 1};

    REQUIRE_EQ(physdev_op(PHYSDEVOP_set_iopl, &op), 0);
    print("resetting");
    port_out8(0xcf9, 2);
    port_out8(0xcf9, 6);
}

static void reboot(void)
{
    struct sched_shutdown how = {.reason = SHUTDOWN_reboot};

    print("rebooting");
    sched_op(SCHEDOP_shutdown, &how);
}

TEST("end")
{
    uint64_t end = time_now() + 3000000000;

    if (option_given("s5"))
        sleep_s5();
    else if (option_given("cf9"))
        reset_cf9();
    else
        reboot();
    while (time_now() < end)
        sched_op(SCHEDOP_yield, NULL);
    CHECK(!"the machine is on");
}
