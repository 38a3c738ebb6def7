/* SPDX-License-Identifier: MIT */
/* SOURCES: drv/vga_text.c core/option.c lib/string.c tests/unit/fake/log.c */
/* FLAGS: -max_len=4096 */
/*
 * Text for the screen, which dom0 writes as it likes: every cell stays a character in our colours,
 * the cursor stays on the screen, and what is printable ends up where the cursor was.
 * Input: portions of text, each behind its u8 length.
 */
#include "fuzz.h"
#include <kr/arch.h>
#include <kr/console.h>
#include <kr/vga_text.h>

#define CELLS (80 * 25)

extern struct console_device __start_kr_console_devices[];

static uint8_t crtc[2], crtc_index;

void arch_port_write8(uint16_t port, uint8_t value)
{
    FUZZ_CHECK(port == 0x3d4 || port == 0x3d5);
    if (port == 0x3d5)
        crtc[crtc_index - 14] = value;
    else
        crtc_index = value;
    FUZZ_CHECK(crtc_index == 14 || crtc_index == 15);
}

static unsigned cursor(void)
{
    unsigned at = crtc[0] << 8 | crtc[1];

    FUZZ_CHECK(at < CELLS);
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct console_device *vga = __start_kr_console_devices;
    struct fuzz_input in = {data, size};
    uint16_t *cells = malloc(CELLS * sizeof(*cells)); /* ASan guards its ends */

    vga_text_set_memory(cells);
    FUZZ_CHECK(vga->open(vga) && cursor() == 0);
    while (in.left) {
        size_t length = fuzz_u8(&in);
        unsigned before = cursor();

        length = MIN(length, in.left);
        vga->write(vga, (const char *)in.next, length);
        if (length == 1 && *in.next > ' ' && before % 80 < 79)
            FUZZ_CHECK(cells[before] == (0x0700 | *in.next) && cursor() == before + 1);
        in.next += length;
        in.left -= length;
    }
    cursor();
    for (unsigned i = 0; i < CELLS; i++)
        FUZZ_CHECK(cells[i] >> 8 == 0x07);
    free(cells);
    return 0;
}
