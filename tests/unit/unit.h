/* SPDX-License-Identifier: MIT */
/* What every unit test includes first: cmocka and the headers it wants before it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kr/types.h>
