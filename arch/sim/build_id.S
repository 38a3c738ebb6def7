/* SPDX-License-Identifier: MIT */
/* The build id that a linker puts into an image, as core/version.c looks for it: a note (ELF, "Note
 * Section") of length 20. */
    .section .rodata
    .balign 4
    .globl build_id_note_start, build_id_note_end
build_id_note_start:
    .long 4, 20, 3
    .asciz "GNU"
    .fill 20, 1, 0x5a
build_id_note_end:
    .section .note.GNU-stack, "", @progbits
