/* SPDX-License-Identifier: MIT */
/*
 * Stands in for core/log.c in unit tests (SOURCES: tests/unit/fake/log.c): messages are collected,
 * panics, refusals and failed assertions end in cmocka's mock_assert(), so that
 * expect_assert_failure() can wait for them.
 */
#pragma once

#include <kr/log.h>

/* Everything logged since the last reset, a line per message. */
extern char fake_log[8192];

void fake_log_reset(void);
/* How many lines were logged since the last reset. */
int fake_log_lines(void);
