/* SPDX-License-Identifier: MIT */
/* SOURCES: core/option.c core/log.c core/console.c core/console_input.c boot/dom0_mem.c */
/* SOURCES: drv/uart_ns16550.c drv/vga_text.c lib/printf.c lib/string.c tests/unit/fake/lock.c */
/* FLAGS: -max_len=600 */
/*
 * The hypervisor's command line with the real options of the files above, so with every value that
 * has a form of its own, and the real log for the complaints. Numbers are compared with strtoull().
 * Input: the line.
 */
#include "fuzz.h"
#include <errno.h>
#include <kr/arch.h>
#include <kr/console.h>
#include <kr/cpu.h>
#include <kr/debugkey.h>
#include <kr/dom0_mem.h>
#include <kr/event.h>
#include <kr/option.h>

static unsigned vcpus;
static uint8_t byte;
static bool flag;
OPTION_UINT("dom0_max_vcpus", vcpus, 1, 128, "a number with limits");
OPTION_UINT("byte", byte, 0, 255, "a small one");
OPTION_BOOL("noreboot", flag, "yes or no");

/* ---- what the linked files need of the rest ---- */

_Thread_local struct cpu fake_cpu;

void cpu_raise_work(struct cpu *cpu, uint32_t work)
{
}

void event_raise_global_virq(unsigned virq)
{
}

void debugkey_handle(char key)
{
}

uint64_t arch_time_ns(void)
{
    return 0;
}

uint8_t arch_port_read8(uint16_t port)
{
    return 0xff;
}

void arch_port_write8(uint16_t port, uint8_t value)
{
}

void assert_fail(const char *expr, const char *file, int line, const char *func)
{
    fuzz_fail(expr, file, line);
}

/* ---- */

/* What an earlier input may have set. */
static void reset(void)
{
    static const char defaults[] =
        "loglvl=info guest_loglvl=none/warning console_timestamps=none console=com1,vga "
        "conring_size=16K console_to_ring=no conswitch=a dom0_mem=1G,min:1G,max:1G vga= "
        "com1=auto,8n1,0x3f8,4 com2=auto,8n1,0x2f8,3 dom0_max_vcpus=7 byte=9 noreboot=no";
    char buf[256];
    uint32_t index = 0;

    FUZZ_CHECK(option_parse_line(defaults) == NULL);
    while (console_read_ring(buf, sizeof(buf), &index, true, false))
        ;
}

static void check_number(const char *text)
{
    const char *end = NULL;
    uint64_t value = 77, theirs;
    int rc = option_parse_uint(text, &value, &end);
    bool is_hex = text[0] == '0' && (text[1] | 0x20) == 'x';
    char *their_end;

    if (rc) {
        FUZZ_CHECK(value == 77 && end == NULL);
        FUZZ_CHECK(rc == -ERANGE || is_hex || *text < '0' || *text > '9');
        return;
    }
    errno = 0;
    theirs = strtoull(text, &their_end, 0);
    FUZZ_CHECK(errno == 0 && theirs == value && their_end == end);
}

static void check_size(const char *text)
{
    const char *end = NULL;
    uint64_t bytes = 77;

    if (option_parse_size(text, &bytes, &end))
        FUZZ_CHECK(bytes == 77 && end == NULL);
    else
        FUZZ_CHECK(end > text && end <= text + strlen(text));
}

/* Each word is worth one complaint at most. */
static void check_log(size_t words_max)
{
    char buf[256];
    uint32_t index = 0, count;
    size_t lines = 0;

    while ((count = console_read_ring(buf, sizeof(buf), &index, true, false)))
        for (uint32_t i = 0; i < count; i++)
            lines += buf[i] == '\n';
    FUZZ_CHECK(lines <= words_max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = fuzz_text(data, size);
    const struct dom0_mem *mem = dom0_mem_requested();
    uint32_t ring;
    const char *rest;

    reset();
    rest = option_parse_line(line);
    FUZZ_CHECK(!rest || (rest >= line + 2 && rest <= line + strlen(line)));
    FUZZ_CHECK(vcpus >= 1 && vcpus <= 128);
    FUZZ_CHECK(mem->size.percent <= 100 && mem->min.percent <= 100 && mem->max.percent <= 100);
    ring = console_ring_wanted_bytes();
    FUZZ_CHECK(ring >= 16 * KIB && ring <= 64 * MIB && !(ring & (ring - 1)));
    check_log(size + 1);
    check_number(line);
    check_size(line);
    free(line);
    return 0;
}
