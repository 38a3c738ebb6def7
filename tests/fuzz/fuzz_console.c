/* SPDX-License-Identifier: MIT */
/* SOURCES: core/console_input.c core/option.c lib/string.c tests/unit/fake/log.c */
/* FLAGS: -max_len=1024 */
/*
 * Characters from the console, in portions, with the reader in dom0 taking some between: each goes
 * to dom0, to the debug keys, or is a switch; none is made up, and the order stays.
 * Input: the switch letter, then portions: how many, the characters, how many are read.
 */
#include "fuzz.h"
#include <kr/console.h>
#include <kr/debugkey.h>
#include <kr/event.h>
#include <kr/option.h>
#include "../unit/fake/log.h"

static unsigned keys, locks;
static char sent[2048]; /* what came in, to compare the order of what goes to dom0 */
static size_t sent_count, matched;

unsigned long console_lock(void)
{
    FUZZ_CHECK(locks++ == 0);
    return 0;
}

void console_unlock(unsigned long flags)
{
    FUZZ_CHECK(--locks == 0);
}

void event_raise_global_virq(unsigned virq)
{
    FUZZ_CHECK(locks == 0);
}

void debugkey_handle(char key)
{
    FUZZ_CHECK(locks == 0);
    keys++;
}

/* What dom0 gets is a subsequence of what came in. */
static void match(char c)
{
    while (matched < sent_count && sent[matched] != c)
        matched++;
    FUZZ_CHECK(matched < sent_count);
    matched++;
}

static void read_some(unsigned count)
{
    char buf[256];
    uint32_t got = console_guest_read(buf, count);

    FUZZ_CHECK(got <= count);
    for (uint32_t i = 0; i < got; i++)
        match(buf[i]);
}

static void reset(const char *conswitch)
{
    char buf[256];

    console_do_work();
    while (console_guest_read(buf, sizeof(buf)))
        ;
    option_parse_line("conswitch=a");
    option_parse_line(conswitch);
    console_input_start_dom0();
    fake_log_reset();
    keys = 0;
    sent_count = matched = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    char conswitch[] = "conswitch=ax";
    uint8_t letter = fuzz_u8(&in);

    conswitch[10] = 'a' + letter % 27;
    if (conswitch[10] > 'z')
        conswitch[10] = '`';
    if (letter & 0x80)
        conswitch[11] = '\0';
    reset(conswitch);
    while (in.left) {
        for (unsigned count = fuzz_u8(&in); count && in.left && sent_count < sizeof(sent);
             count--) {
            char c = fuzz_u8(&in);

            console_receive(c);
            sent[sent_count++] = c;
        }
        console_do_work();
        FUZZ_CHECK(!console_input_pending() && locks == 0);
        read_some(fuzz_u8(&in));
    }
    FUZZ_CHECK(keys <= sent_count);
    return 0;
}
