/* SPDX-License-Identifier: MIT */
/* One loadable segment, so that the Multiboot address fields can describe it; notes for PVH loaders. */
#include <x86/layout.h>

OUTPUT_FORMAT(elf64-x86-64)
ENTRY(start_phys)

PHDRS
{
    image PT_LOAD FLAGS(7);
    note PT_NOTE FLAGS(4);
}

SECTIONS
{
    . = IMAGE_BASE + IMAGE_LOAD_PHYS;
    image_start = .;
    .text : AT(ADDR(.text) - IMAGE_BASE) {
        *(.text.header)
        *(.text .text.*)
        text_end = .;
    } :image
    .rodata : AT(ADDR(.rodata) - IMAGE_BASE) {
        . = ALIGN(4096);
        rodata_start = .;
        *(.rodata .rodata.*)
        *(.symbols)
        . = ALIGN(8);
        extable_start = .;
        *(.extable)
        extable_end = .;
    } :image
    kr_options : AT(ADDR(kr_options) - IMAGE_BASE) ALIGN(8) { KEEP(*(kr_options)) } :image
    kr_debugkeys : AT(ADDR(kr_debugkeys) - IMAGE_BASE) ALIGN(8) { KEEP(*(kr_debugkeys)) } :image
    .note.gnu.build-id : AT(ADDR(.note.gnu.build-id) - IMAGE_BASE) ALIGN(4) {
        build_id_note_start = .;
        *(.note.gnu.build-id)
        build_id_note_end = .;
    } :image :note
    .note.Xen : AT(ADDR(.note.Xen) - IMAGE_BASE) ALIGN(4) { KEEP(*(.note.Xen)) } :image :note
    .data : AT(ADDR(.data) - IMAGE_BASE) {
        . = ALIGN(4096);
        rodata_end = .;
        *(.data .data.*)
        *(.got .got.*)
        . = ALIGN(8);
        __start_kr_console_devices = .;
        KEEP(*(kr_console_devices))
        __stop_kr_console_devices = .;
        . = ALIGN(4096);
        load_end = .;
    } :image
    .bss : AT(ADDR(.bss) - IMAGE_BASE) {
        *(.bss.page_aligned)
        *(.bss .bss.* COMMON)
        . = ALIGN(4096);
        image_end = .;
    } :image
    /DISCARD/ : { *(.comment) *(.eh_frame) *(.note.GNU-stack) *(.interp) *(.note.gnu.property) }
}

start_phys = start - IMAGE_BASE;
load_end_phys = load_end - IMAGE_BASE;
image_end_phys = image_end - IMAGE_BASE;

ASSERT(start_header - image_start < 8192, "Multiboot header too late in the file")
ASSERT(image_end - image_start < 32M, "image outgrew its boot mapping")
