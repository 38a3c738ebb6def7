/* SPDX-License-Identifier: MIT */
/* What the hypervisor says about itself. */
#pragma once

#include <kr/types.h>

/* The ABI we answer, as the tools expect it. */
#define VERSION_MAJOR 4
#define VERSION_MINOR 17
#define VERSION_EXTRA ".7"

/* Our command line as the boot loader gave it; start-up code stores it, cut if it must. */
extern char version_command_line[1024];

/* The first lines of the log. */
void version_log(void);

/* The linker's build id; NULL when the image has none. */
const void *version_build_id(uint32_t *size_bytes);
