/* SPDX-License-Identifier: MIT */
/* Checks of the entry state that the two start-info tests share; each reports through CHECK. */
#pragma once

#include "guest.h"

void check_registers(void);
void check_start_info(void);
void check_p2m(void);
void check_page_tables(void);
void check_memory_writable(void);
void check_shared_info(void);
/* True when these bytes are those of the generated module from offset on (run.py). */
bool module_bytes_good(const uint8_t *bytes, uint64_t offset, uint64_t size_bytes);
