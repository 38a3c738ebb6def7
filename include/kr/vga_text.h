/* SPDX-License-Identifier: MIT */
/* The VGA text screen. Console device `vga`, see console.h. */
#pragma once

/*
 * Where the text memory (80 x 25 cells of 16 bits, physical 0xb8000) is mapped; NULL when the
 * screen is in no text mode. Before console_init(). Must stay mapped until dom0 starts, with
 * `vga=keep` for ever.
 */
void vga_text_set_memory(void *memory);
