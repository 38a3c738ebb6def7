/* SPDX-License-Identifier: MIT */
/*
 * The VGA text screen, 80 x 25, as a console device. Relies on boot code for the mapping of the
 * text memory (physical 0xb8000); without one there is no such device. The cursor is in the CRT
 * controller's registers 14 and 15.
 */
#include <kr/arch.h>
#include <kr/console.h>
#include <kr/errno.h>
#include <kr/option.h>
#include <kr/string.h>
#include <kr/vga_text.h>

#define COLUMNS     80
#define ROWS        25
#define BLANK       0x0720 /* a space, light grey on black */
#define CRTC_INDEX  0x3d4
#define CRTC_DATA   0x3d5
#define CRTC_CURSOR 14 /* high byte, low byte in the next */
#define TAB_COLUMNS 8

static uint16_t *screen;
static unsigned column, row;
static bool keep;

/* The length of the word at the head of `list` when it is `word`, else 0. */
static size_t match_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    return !strncmp(list, word, length) && (!list[length] || list[length] == ',') ? length : 0;
}

/* The mode is the one that we were started in; it may be named. */
static int parse_vga(const char *value)
{
    size_t mode = MAX(match_word(value, "current"), match_word(value, "text-80x25"));

    value += mode + (mode && value[mode]);
    if (*value && strcmp(value, "keep"))
        return -EINVAL;
    keep = *value;
    return 0;
}
OPTION_CUSTOM("vga", parse_vga, "[current|text-80x25][,keep]");

void vga_text_set_memory(void *memory)
{
    screen = memory;
}

static void show_cursor(void)
{
    unsigned at = row * COLUMNS + column;

    arch_port_write8(CRTC_INDEX, CRTC_CURSOR);
    arch_port_write8(CRTC_DATA, at >> 8);
    arch_port_write8(CRTC_INDEX, CRTC_CURSOR + 1);
    arch_port_write8(CRTC_DATA, at & 0xff);
}

static void clear_cells(unsigned first, unsigned count)
{
    while (count--)
        screen[first++] = BLANK;
}

static void new_line(void)
{
    if (++row < ROWS)
        return;
    row = ROWS - 1;
    memmove(screen, screen + COLUMNS, COLUMNS * (ROWS - 1) * sizeof(*screen));
    clear_cells(COLUMNS * (ROWS - 1), COLUMNS);
}

static void put(char c)
{
    switch (c) {
    case '\r': column = 0; return;
    case '\n': new_line(); return;
    case '\b': column -= column > 0; return;
    case '\t': column = (column | (TAB_COLUMNS - 1)) + 1; break;
    default:
        if ((unsigned char)c < ' ')
            return;
        screen[row * COLUMNS + column++] = (BLANK & 0xff00) | (unsigned char)c;
        break;
    }
    if (column >= COLUMNS) {
        column = 0;
        new_line();
    }
}

static bool vga_open(struct console_device *device)
{
    if (!screen)
        return false;
    column = row = 0;
    clear_cells(0, COLUMNS * ROWS);
    show_cursor();
    return true;
}

static void vga_write(struct console_device *device, const char *text, size_t length)
{
    while (length--)
        put(*text++);
    show_cursor();
}

static bool vga_release(struct console_device *device)
{
    return !keep;
}

CONSOLE_DEVICE(vga, .name = "vga", .open = vga_open, .write = vga_write, .release = vga_release);
