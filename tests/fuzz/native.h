/* SPDX-License-Identifier: MIT */
/*
 * Runs one instruction on the CPU of the host, as the oracle of an emulator: registers in,
 * registers out, memory as the instruction leaves it. The instruction must be one that the emulator
 * has accepted, and its memory operands must lie in native_page().
 */
#pragma once

#include <x86/regs.h>

enum native_page { NATIVE_TABLE, NATIVE_SOURCE, NATIVE_PAGES };

/* Pages below 2 GiB, so that addresses of 32 bits reach them too. */
uint8_t *native_page(enum native_page which);

/*
 * Executes `size` bytes of code with the general registers and the arithmetic and direction flags
 * of *regs, and stores those in *regs afterwards. Nothing else of it counts.
 */
void native_run(const uint8_t *code, size_t size, struct x86_regs *regs);
