/* SPDX-License-Identifier: MIT */
/* What holds of a kernel's ELF file and of its notes, however they were read. */
#pragma once

#include "fuzz.h"
#include <kr/kernel_notes.h>

/* The ELF headers of [file, file + size), loading it, its notes. */
void check_kernel(const uint8_t *file, size_t size);
/* Reads and judges the notes of a parsed file. */
void check_notes(const struct elf_image *elf);
