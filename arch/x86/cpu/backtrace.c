/* SPDX-License-Identifier: MIT */
/* Call chain of hypervisor code, by frame pointers; every step checks where it reads. */
#include <kr/arch.h>
#include <kr/log.h>
#include <kr/symbol.h>
#include <x86/machine.h>
#include <x86/traps.h>

#define DEPTH_MAX 24

extern char image_start[], text_end[];

static bool is_text(uint64_t addr)
{
    return addr >= (uint64_t)image_start && addr < (uint64_t)text_end;
}

static void print_address(uint64_t addr)
{
    char text[128];

    symbol_format(text, sizeof(text), addr);
    log_always("   %s", text);
}

void backtrace_print(uint64_t rip, uint64_t frame)
{
    uint64_t pair[2]; /* caller's frame, return address */

    log_always("Call trace:");
    if (rip)
        print_address(rip);
    for (unsigned depth = 0; depth < DEPTH_MAX && frame >= HV_VIRT_START && !(frame & 7); depth++) {
        if (copy_faulting(pair, (const void *)frame, sizeof(pair)) != 0 || !is_text(pair[1]))
            return;
        print_address(pair[1]);
        if (pair[0] <= frame)
            return;
        frame = pair[0];
    }
}
