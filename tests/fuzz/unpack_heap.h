/* SPDX-License-Identifier: MIT */
/*
 * The memory that the compression libraries get. In the hypervisor it is one arena; here it is the
 * heap, where ASan sees what they do, with a limit as the arena has. Link with
 * -Wl,--wrap=malloc,--wrap=calloc and the static libraries.
 */
#pragma once

#include <kr/types.h>

void unpack_heap_start(void);
void unpack_heap_stop(void);
