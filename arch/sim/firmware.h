/* SPDX-License-Identifier: MIT */
/* Where firmware and loader have put what start-up reads. */
#pragma once

#include <kr/boot_info.h>
#include <kr/types.h>

#define SIM_PM_TIMER_PORT 0x608
#define SIM_KERNEL_PHYS   MIB

/* Writes it all; returns the address of the Multiboot information. RAM is there, nothing else. */
uint32_t sim_firmware_write(void);
