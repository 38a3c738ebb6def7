/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_console_io: the control domain writes and reads the serial console. */
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
