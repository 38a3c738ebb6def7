/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_console_io: the control domain writes and reads the serial console. */
/* RUN: input="typed text" */
#include "guest.h"

TEST("write")
{
    static const char text[] = "console text\n";

    CHECK_EQ(console_io(CONSOLEIO_write, sizeof(text) - 1, text), 0);
    CHECK_EQ(console_io(CONSOLEIO_write, 0, text), 0);
}

TEST("write-long")
{
    static char text[1500];

    memset(text, '.', sizeof(text));
    text[0] = '\n';
    text[sizeof(text) - 1] = '\n';
    CHECK_EQ(console_io(CONSOLEIO_write, sizeof(text), text), 0);
}

TEST("write-across-pages")
{
    char *text = (char *)page_alloc() + PAGE_SIZE - 3; /* the page behind it is free, too */

    memcpy(text, "across\n", 7);
    CHECK_EQ(console_io(CONSOLEIO_write, 7, text), 0);
}

TEST("read-empty")
{
    char text[8];

    CHECK_EQ(console_io(CONSOLEIO_read, sizeof(text), text), 0);
}

TEST("write-bad-pointer")
{
    CHECK_EQ(console_io(CONSOLEIO_write, 4, 0x1000), -EFAULT);
    CHECK_EQ(console_io(CONSOLEIO_write, 4, MACH2PHYS_VIRT_END), -EFAULT);
    CHECK_EQ(console_io(CONSOLEIO_write, 4, 0x8000000000000000), -EFAULT);
}

TEST("bad-command")
{
    char text[8];

    CHECK_EQ(console_io(57, sizeof(text), text), -ENOSYS);
}

/* What is typed raises VIRQ_CONSOLE and is read once, in pieces as small as asked for. */
TEST("input")
{
    char text[16] = {0};
    unsigned have = 0;
    long port = event_bind_virq(VIRQ_CONSOLE, 0);
    uint64_t end = time_now() + 3000000000;

    REQUIRE(port > 0);
    event_counts[port] = 0;
    events_enable();
    print("input please");
    while (have < 10 && time_now() < end) {
        long got = console_io(CONSOLEIO_read, have < 4 ? 1 : sizeof(text) - have, text + have);

        REQUIRE(got >= 0 && got <= (long)sizeof(text) - have);
        have += got;
    }
    events_disable();
    CHECK_EQ(have, 10);
    CHECK(memcmp(text, "typed text", 10) == 0);
    CHECK(event_counts[port] >= 1);
    CHECK_EQ(console_io(CONSOLEIO_read, sizeof(text), text), 0);
    CHECK_EQ(event_close(port), 0);
}
