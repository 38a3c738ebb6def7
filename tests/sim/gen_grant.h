/* SPDX-License-Identifier: MIT */
/* What the generators of grant table operations share. */
#pragma once

#include "gen.h"

#include <xen/xen.h>

#include <xen/grant_table.h>

/* The call with `size_bytes` of arguments for `count` operations, in and out. */
long grant_call(struct actor *a, unsigned op, void *arguments, size_t size_bytes, unsigned count);
/* Gives back all that the domain has mapped, and waits for nothing. For dom0's end. */
void grants_unmap_all(struct actor *a);
