/* SPDX-License-Identifier: MIT */
/*
 * The CMOS clock as the control domain's: date and time by ports 70 and 71, its update interrupt on
 * GSI 8, and the wall clock that the hypervisor took from it.
 */
#include "guest.h"
#include "cpu.h"
#include <xen/physdev.h>

#define SECOND_NS 1000000000UL
#define REG_B     0x0b
#define REG_C     0x0c
#define UPDATE_IE 0x10

static uint8_t cmos_read(uint8_t reg)
{
    port_out8(0x70, reg);
    return port_in8(0x71);
}

static void cmos_write(uint8_t reg, uint8_t value)
{
    port_out8(0x70, reg);
    port_out8(0x71, value);
}

static unsigned decimal(uint8_t bcd)
{
    return (bcd >> 4) * 10 + (bcd & 15);
}

/* Days since 1970 of a date after 2000. */
static uint64_t days_of(unsigned year, unsigned month, unsigned day)
{
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint64_t years = year - 1970;
    uint64_t days = years * 365 + (years + 1) / 4 + before[month - 1] + day - 1;

    return days + (year % 4 == 0 && month > 2);
}

static uint64_t cmos_seconds(void)
{
    uint8_t r[10];

    do {
        while (cmos_read(0x0a) & 0x80)
            __builtin_ia32_pause();
        for (unsigned i = 0; i < 10; i++)
            r[i] = cmos_read(i);
    } while (cmos_read(0) != r[0]);
    return days_of(2000 + decimal(r[9]), decimal(r[8]), decimal(r[7])) * 86400 +
           decimal(r[4]) * 3600 + decimal(r[2]) * 60 + decimal(r[0]);
}

TEST("setup")
{
    struct physdev_set_iopl op = {.iopl = 1};

    REQUIRE_EQ(physdev_op(PHYSDEVOP_set_iopl, &op), 0);
}

TEST("date-agrees-with-wall-clock")
{
    uint64_t wall = ((uint64_t)shared_info->wc_sec_hi << 32 | shared_info->wc_sec) +
                    (shared_info->wc_nsec + time_now()) / SECOND_NS;
    uint64_t cmos = cmos_seconds();

    REQUIRE(!(cmos_read(REG_B) & 4)); /* BCD */
    CHECK(cmos - wall < 3 || wall - cmos < 3);
}

TEST("battery-bytes")
{
    uint8_t old = cmos_read(0x5e);

    cmos_write(0x5e, 0x5a);
    CHECK_EQ(cmos_read(0x5e), 0x5a);
    cmos_write(0x5e, old);
}

TEST("update-interrupt")
{
    struct physdev_map_pirq map = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 8, .pirq = 8};
    struct physdev_setup_gsi setup = {.gsi = 8};
    struct evtchn_bind_pirq bind = {.pirq = 8};
    uint8_t control = cmos_read(REG_B);

    REQUIRE_EQ(physdev_op(PHYSDEVOP_map_pirq, &map), 0);
    physdev_op(PHYSDEVOP_setup_gsi, &setup);
    REQUIRE_EQ(event_channel_op(EVTCHNOP_bind_pirq, &bind), 0);
    CHECK_EQ(event_unmask(bind.port), 0);
    event_counts[bind.port] = 0;
    cmos_read(REG_C);
    cmos_write(REG_B, control | UPDATE_IE);
    events_enable();
    uint64_t first = 0;

    for (unsigned i = 1; i < 4; i++) {
        if (!CHECK(event_wait(bind.port, i, 3 * SECOND_NS)))
            break;
        CHECK_EQ(cmos_read(REG_C) & 0x90, 0x90);
        if (i == 1)
            first = time_now();
    }
    /* Two of its seconds are two of ours, but for what a busy emulator is late. */
    uint64_t passed = time_now() - first;

    if (!CHECK(passed > SECOND_NS && passed < 4 * SECOND_NS))
        print("two seconds took %lu us", passed / 1000);
    events_disable();
    cmos_write(REG_B, control);
    cmos_read(REG_C);
    CHECK_EQ(event_close(bind.port), 0);
}
