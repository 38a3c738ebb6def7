/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_platform_op and the machine-check call, as far as a control domain's kernel uses them.
 */
#include "guest.h"
#include "cpu.h"
#include <xen/platform.h>
#include <xen/arch-x86/xen-mca.h>
#include <xen/physdev.h>

static struct xen_platform_op op;

static long platform(uint32_t cmd)
{
    op.cmd = cmd;
    op.interface_version = XENPF_INTERFACE_VERSION;
    return platform_op(&op);
}

static uint64_t wall_seconds(void)
{
    return (uint64_t)shared_info->wc_sec_hi << 32 | shared_info->wc_sec;
}

TEST("interface-version")
{
    memset(&op, 0, sizeof(op));
    op.cmd = XENPF_getidletime;
    op.interface_version = 0x03000002;
    CHECK_EQ(platform_op(&op), -EACCES);
    op.interface_version = 0;
    CHECK_EQ(platform_op(&op), -EACCES);
    CHECK_EQ(platform_op(0x1000), -EFAULT);
    CHECK(platform(99) < 0);
}

/* The wall clock is the time at system time 0. */
TEST("settime64")
{
    uint64_t old = wall_seconds(), now = time_now();
    uint32_t version = shared_info->wc_version;

    memset(&op, 0, sizeof(op));
    op.u.settime64.secs = 2000000000;
    op.u.settime64.nsecs = 500000000;
    op.u.settime64.system_time = now;
    CHECK_EQ(platform(XENPF_settime64), 0);
    CHECK(shared_info->wc_version != version);
    CHECK_EQ(shared_info->wc_version & 1, 0);
    uint64_t wall_ns = wall_seconds() * 1000000000 + shared_info->wc_nsec;

    CHECK_EQ(wall_ns + now, 2000000000500000000);
    op.u.settime64.mbz = 1;
    CHECK_EQ(platform(XENPF_settime64), -EINVAL);
    memset(&op, 0, sizeof(op));
    op.u.settime32.secs = old;
    op.u.settime32.system_time = 0;
    CHECK_EQ(platform(XENPF_settime32), 0);
    CHECK_EQ(wall_seconds(), old);
}

TEST("get-cpuinfo")
{
    memset(&op, 0, sizeof(op));
    CHECK_EQ(platform(XENPF_get_cpuinfo), 0);
    CHECK_EQ(op.u.pcpu_info.max_present, 0);
    CHECK_EQ(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_ONLINE);
    CHECK_EQ(op.u.pcpu_info.apic_id, 0);
    op.u.pcpu_info.xen_cpuid = 5;
    CHECK_EQ(platform(XENPF_get_cpuinfo), 0);
    CHECK(op.u.pcpu_info.flags & XEN_PCPU_FLAGS_INVALID);
}

TEST("firmware-info")
{
    memset(&op, 0, sizeof(op));
    op.u.firmware_info.type = XEN_FW_KBD_SHIFT_FLAGS;
    CHECK_EQ(platform(XENPF_firmware_info), 0);
    op.u.firmware_info.type = XEN_FW_DISK_INFO;
    CHECK_EQ(platform(XENPF_firmware_info), -ESRCH);
    op.u.firmware_info.type = XEN_FW_DISK_MBR_SIGNATURE;
    CHECK_EQ(platform(XENPF_firmware_info), -ESRCH);
    op.u.firmware_info.type = XEN_FW_EFI_INFO;
    op.u.firmware_info.index = 1;
    CHECK_EQ(platform(XENPF_firmware_info), -ENOSYS);
    op.u.firmware_info.type = 99;
    CHECK(platform(XENPF_firmware_info) < 0);
}

/* The entry calls of MTRR readers end with an error past the last one. */
TEST("read-memtype")
{
    unsigned reg;

    memset(&op, 0, sizeof(op));
    for (reg = 0; reg < 64; reg++) {
        op.u.read_memtype.reg = reg;
        if (platform(XENPF_read_memtype) != 0)
            break;
    }
    CHECK(reg < 64);
}

/* None of these may put the machine to sleep. */
TEST("acpi-sleep-refused")
{
    memset(&op, 0, sizeof(op));
    op.u.enter_acpi_sleep.sleep_state = 99;
    CHECK(platform(XENPF_enter_acpi_sleep) < 0);
    op.u.enter_acpi_sleep.flags = 0xff;
    op.u.enter_acpi_sleep.sleep_state = 5;
    CHECK(platform(XENPF_enter_acpi_sleep) < 0);
}

TEST("cpu-online-refused")
{
    memset(&op, 0, sizeof(op));
    op.u.cpu_ol.cpuid = 200;
    CHECK(platform(XENPF_cpu_online) < 0);
    CHECK(platform(XENPF_cpu_offline) < 0);
    op.u.cpu_ol.cpuid = 0; /* the last one stays */
    CHECK(platform(XENPF_cpu_offline) < 0);
}

TEST("microcode-refused")
{
    memset(&op, 0, sizeof(op));
    set_xen_guest_handle(op.u.microcode.data, (void *)boot_stack);
    op.u.microcode.length = 256;
    CHECK(platform(XENPF_microcode_update) < 0);
    op.u.microcode.length = ~0u;
    CHECK(platform(XENPF_microcode_update) < 0);
}

TEST("machine-check-info")
{
    static struct xen_mc mc;
    static xen_mc_logical_cpu_t cpus[4];

    mc.cmd = XEN_MC_physcpuinfo;
    mc.interface_version = XEN_MCA_INTERFACE_VERSION;
    set_xen_guest_handle(mc.u.mc_physcpuinfo.info, NULL);
    long err = hypercall1(__HYPERVISOR_mca, &mc);

    if (err == -ENOSYS)
        SKIP("no machine-check interface");
    CHECK_EQ(err, 0);
    CHECK_EQ(mc.u.mc_physcpuinfo.ncpus, 1);
    mc.u.mc_physcpuinfo.ncpus = ARRAY_SIZE(cpus);
    set_xen_guest_handle(mc.u.mc_physcpuinfo.info, cpus);
    CHECK_EQ(hypercall1(__HYPERVISOR_mca, &mc), 0);
    CHECK_EQ(mc.u.mc_physcpuinfo.ncpus, 1);
    CHECK_EQ(cpus[0].mc_cpunr, 0);
    mc.interface_version = 1;
    CHECK(hypercall1(__HYPERVISOR_mca, &mc) < 0);
}
