/* SPDX-License-Identifier: MIT */
/* What the generators that act as a toolstack share. */
#pragma once

#include "gen.h"

#include <xen/xen.h>

#include <xen/domctl.h>

/* One domctl on a domain, in and out; noted with its number. */
long domctl(struct actor *a, uint32_t cmd, uint16_t id, struct xen_domctl *op);
